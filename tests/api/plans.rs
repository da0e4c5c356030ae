//! Treatment plans: started, moved and ended as a whole, with the reminders and questionnaires that belong to them.

mod changes;

use std::collections::BTreeSet;

use axum::http::Method;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::{
    authz::assign,
    harness::{Person, Reply, TestApp, both_engines, id_of},
    measures::clinic::policy,
};

both_engines![
    each_of_the_five_templates_starts_a_plan,
    a_plan_comes_with_its_reminders_and_questionnaires,
    what_is_wrong_with_a_plan_is_named_and_nothing_is_written,
    nobody_is_in_two_sessions_at_once,
    a_plan_over_ended_care_is_not_started,
    the_clinics_own_templates_lie_over_the_embedded_ones,
    plans_keep_to_the_clinics_hours,
    coordinators_read_templates_and_start_nothing,
];

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn starts(session: &Value) -> DateTime<Utc> {
    at(session["starts_at"].as_str().unwrap())
}

fn plans(patient: &Person) -> String {
    format!("/v1/patients/{}/plans", patient.id)
}

/// A plan that begins six weeks from now, on a Monday.
fn plan(template: &str, route: &str) -> Value {
    json!({"template_id": template, "first_dosing_on": "2027-01-04", "route": route})
}

/// Ana and Bo, in a clinic that has written down who answers alerts.
async fn pair(app: &TestApp) -> (Person, Person) {
    let pair = (app.patient("ana").await, app.therapist("bo").await);
    put(&app.admin().await, "/v1/clinic/response-policy", 1, &policy()).await.expect(200);
    // The tests of settings count from the first version.
    app.execute("UPDATE clinics SET version = 1", vec![]).await;
    pair
}

async fn switch_on(app: &TestApp, template: &str) {
    let admin = app.admin().await;
    let bo = app.therapist("bo").await;
    let all = bo.get("/v1/plan-templates").await.expect(200);
    let mut own = all["items"].as_array().unwrap().iter().find(|one| one["id"] == template).unwrap().clone();
    own["enabled"] = json!(true);
    put(&admin, "/v1/clinic/plan-templates", 0, &json!({"templates": [own]})).await.expect(200);
}

async fn put(who: &Person, path: &str, version: i64, body: &Value) -> Reply {
    who.request(Method::PUT, path).await.if_match(version).json(body).send().await
}

/// Everything a plan writes.
async fn written(app: &TestApp) -> [i64; 4] {
    [
        app.count("plans").await,
        app.count("sessions").await,
        app.count("notifications").await,
        app.count("measure_assignments").await,
    ]
}

async fn each_of_the_five_templates_starts_a_plan(app: TestApp) {
    let (_, bo) = pair(&app).await;
    switch_on(&app, "home-sublingual-4").await;
    for (index, (template, route, sessions)) in [
        ("induction-6-in-3-weeks", "iv", 15),
        ("kap-weekly-4", "im", 15),
        ("home-sublingual-4", "oral-sublingual", 13),
        ("maintenance-monthly-3", "intranasal", 10),
        ("group-3-in-4-weeks", "im", 11),
    ]
    .into_iter()
    .enumerate()
    {
        let patient = app.patient_of(&bo, &format!("patient{index}")).await;
        // Each a therapist of their own: five plans at once are more than one can be in.
        let with = app.therapist(&format!("therapist{index}")).await;
        assign(&app, &patient, &with).await;
        let mut body = plan(template, route);
        body["member_id"] = json!(with.id);
        let made = bo.post(&plans(&patient), &body).await.expect(201);
        let list = made["sessions"].as_array().unwrap();
        assert_eq!((list.len(), &made["state"]), (sessions, &json!("active")), "{template}");
        assert_eq!(made["first_dosing_on"], "2027-01-04", "{template}");
        let times: Vec<_> = list.iter().map(starts).collect();
        assert!(times.is_sorted(), "{template}");
        assert!(list.iter().all(|one| one["member_id"] == json!(with.id) && one["plan_id"] == made["id"]));
        let keys: BTreeSet<&str> = list.iter().map(|one| one["plan_key"].as_str().unwrap()).collect();
        assert_eq!(keys.len(), sessions, "{template}");
        let dosing = list.iter().filter(|one| one["kind"] == "dosing");
        assert!(dosing.clone().all(|one| one["route"] == route), "{template}");
        assert!(made["reminders_planned"].as_u64().unwrap() > 20, "{template}: {made}");
        assert!(made["measures_assigned"].as_u64().unwrap() >= 6, "{template}");
        let read = bo.get(&format!("{}/{}", plans(&patient), id_of(&made))).await;
        assert_eq!(read.headers["etag"], "\"1\"");
        let read = read.expect(200);
        assert_eq!(read["sessions"], made["sessions"]);
        let mine = patient.get("/v1/plans").await.expect(200);
        assert_eq!(mine["items"][0]["id"], made["id"]);
        assert_eq!(bo.get(&plans(&patient)).await.expect(200)["items"], mine["items"]);
        assert_eq!(
            patient.get("/v1/sessions?limit=100").await.expect(200)["items"].as_array().unwrap().len(),
            sessions
        );
    }
}

async fn a_plan_comes_with_its_reminders_and_questionnaires(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let post =
        || async { bo.request(Method::POST, &plans(&ana)).await.key("k").json(&plan("kap-weekly-4", "im")) };
    let made = post().await.send().await.expect(201);
    let before = written(&app).await;
    assert_eq!(post().await.send().await.expect(201), made, "repeated, it has one effect");
    assert_eq!(written(&app).await, before);
    let rows = app
        .query("SELECT slot FROM notifications WHERE state = 'planned' AND origin_kind = 'session'", vec![])
        .await;
    assert_eq!(rows.len(), usize::try_from(made["reminders_planned"].as_u64().unwrap()).unwrap());
    let unsent = made["reminders_unsent"].as_array().unwrap();
    assert!(unsent.iter().all(|one| one["reason"].is_string() && one["session_id"].is_string()));
    let asked = ana.get("/v1/measure-assignments?limit=100").await.expect(200);
    let asked = asked["items"].as_array().unwrap();
    // The optional ones are left to the therapist.
    assert!(asked.iter().all(|one| one["measure_id"] == "phq-9" || one["measure_id"] == "gad-7"));
    assert_eq!(asked.len(), 8);
    let opens: BTreeSet<&str> = asked.iter().map(|one| one["opens_at"].as_str().unwrap()).collect();
    assert_eq!(opens.first(), Some(&"2026-12-18T07:00:00Z"));
    let sql = "SELECT action, resource FROM audit_events WHERE action LIKE 'plans.%'";
    let acts = app.query(sql, vec![]).await;
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].try_get::<String>("", "resource").unwrap(), format!("plans/{}", id_of(&made)));
}

async fn what_is_wrong_with_a_plan_is_named_and_nothing_is_written(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let before = written(&app).await;
    let stranger = app.therapist("dee").await;
    for (field, value, pointer) in [
        ("template_id", json!("no-such"), "/template_id"),
        ("template_id", json!(""), "/template_id"),
        ("first_dosing_on", json!("2027-02-30"), "/first_dosing_on"),
        ("first_dosing_on", json!("2026-11-27"), "/first_dosing_on"),
        ("first_dosing_on", json!("2020-01-01"), "/first_dosing_on"),
        ("first_dosing_on", json!("2029-01-01"), "/first_dosing_on"),
        ("first_dosing_on", json!("2028-11-20"), "/first_dosing_on"),
        ("first_dosing_on", json!("+262142-12-31"), "/first_dosing_on"),
        ("time", json!("9 o'clock"), "/time"),
        ("time", json!("24:00"), "/time"),
        ("time", json!("07:00"), "/time"),
        ("time", json!("16:00"), "/time"),
        ("route", json!("smoke"), "/route"),
        ("route", json!("intranasal"), "/route"),
        ("route", Value::Null, "/route"),
        ("member_id", json!(stranger.id), "/member_id"),
        ("member_id", json!(ana.id), "/member_id"),
        ("locations", json!({"dosing-9": "clinic"}), "/locations/dosing-9"),
        ("locations", json!({"dosing-1": "moon"}), "/locations/dosing-1"),
        ("groups", json!({"a/b": stranger.id}), "/groups/a~1b"),
        ("leave_out", json!(["dosing-1", "other"]), "/leave_out/1"),
        ("sessions", json!([]), "/sessions"),
    ] {
        let mut body = plan("kap-weekly-4", "im");
        body[field] = value;
        bo.post(&plans(&ana), &body).await.invalid(pointer);
    }
    // Clocks are put forward from two to three.
    let mut body = plan("kap-weekly-4", "im");
    body["first_dosing_on"] = json!("2027-03-28");
    body["time"] = json!("02:30");
    let problem = bo.post(&plans(&ana), &body).await.invalid("/time");
    assert_eq!(problem["errors"][0]["code"], "local_time_gap");
    bo.post(&plans(&ana), &plan("home-sublingual-4", "oral-sublingual"))
        .await
        .refused(409, "template_switched_off");
    app.execute("UPDATE clinics SET response_policy_sealed = NULL", vec![]).await;
    bo.post(&plans(&ana), &plan("kap-weekly-4", "im")).await.refused(409, "response_policy_missing");
    assert_eq!(written(&app).await, before, "nothing is half-written");
    let mut body = plan("kap-weekly-4", "im");
    body["without_measures"] = json!(true);
    body["leave_out"] = json!(["evaluation-1", "preparation-1", "preparation-2", "preparation-3"]);
    body["first_dosing_on"] = json!("2026-11-26");
    let made = bo.post(&plans(&ana), &body).await.expect(201);
    assert_eq!((made["measures_assigned"].as_u64(), app.count("sessions").await), (Some(0), 11));
}

async fn nobody_is_in_two_sessions_at_once(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let ben = app.patient_of(&bo, "ben").await;
    let other = app.therapist("dee").await;
    assign(&app, &ana, &other).await;
    let sessions = format!("/v1/patients/{}/sessions", ana.id);
    let first = bo.schedule(&ana, "integration", at("2027-01-11T08:30:00Z")).await;
    let before = written(&app).await;
    let refused = bo.post(&plans(&ana), &plan("kap-weekly-4", "im")).await.refused(409, "session_overlap");
    assert_eq!(refused["errors"][0]["pointer"], "/first_dosing_on");
    assert!(refused["detail"].as_str().unwrap().starts_with("dosing-2 at 2027-01-11T08:00Z"), "{refused}");
    bo.post(&plans(&ben), &plan("kap-weekly-4", "im")).await.refused(409, "member_overlap");
    // Also with somebody else of the care team: it is the same patient.
    let body = json!({"kind": "integration", "starts_at": "2027-01-11T09:00:00Z"});
    other.post(&sessions, &body).await.refused(409, "session_overlap");
    let body = json!({"kind": "integration", "starts_at": "2027-01-11T07:31:00Z"});
    bo.post(&format!("/v1/patients/{}/sessions", ben.id), &body).await.refused(409, "member_overlap");
    assert_eq!(written(&app).await, before);
    // One after the other is fine, and so is a group.
    let next = bo.schedule(&ben, "integration", at("2027-01-11T09:30:00Z")).await;
    let path = format!("/v1/sessions/{}", id_of(&next));
    bo.patch(&path, 1, &json!({"starts_at": "2027-01-11T09:29:00Z"})).await.refused(409, "member_overlap");
    bo.patch(&path, 1, &json!({"location": "telehealth"})).await.expect(200);
    bo.step(&format!("/v1/sessions/{}/cancel", id_of(&first)), 1).await.expect(200);
    bo.patch(&path, 2, &json!({"starts_at": "2027-01-11T08:30:00Z"})).await.expect(200);
    let group = json!({"kind": "group", "starts_at": "2027-01-12T08:30:00Z", "group_id": bo.id});
    for patient in [&ana, &ben] {
        let made = bo.post(&format!("/v1/patients/{}/sessions", patient.id), &group).await.expect(201);
        assert_eq!(made["group_id"], json!(bo.id));
    }
    // Nobody sits in the same group twice.
    bo.post(&format!("/v1/patients/{}/sessions", ana.id), &group).await.refused(409, "session_overlap");
    // Two at the same moment, for two patients: one of them.
    let free = json!({"kind": "integration", "starts_at": "2027-02-01T08:30:00Z"});
    let post = |patient: &Person| format!("/v1/patients/{}/sessions", patient.id);
    let (one, two) = (post(&ana), post(&ben));
    let (one, two) = tokio::join!(bo.post(&one, &free), bo.post(&two, &free));
    let mut both = [one.status.as_u16(), two.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [201, 409]);
}

async fn a_plan_over_ended_care_is_not_started(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let other = app.therapist("dee").await;
    assign(&app, &ana, &other).await;
    ana.delete(&format!("/v1/care-team/{}", other.id)).await.expect(204);
    let before = written(&app).await;
    other.post(&plans(&ana), &plan("kap-weekly-4", "im")).await.refused(404, "not_found");
    let mut body = plan("kap-weekly-4", "im");
    body["member_id"] = json!(other.id);
    bo.post(&plans(&ana), &body).await.invalid("/member_id");
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    bo.post(&plans(&ana), &plan("kap-weekly-4", "im")).await.refused(404, "not_found");
    assert_eq!(written(&app).await, before);
}

async fn the_clinics_own_templates_lie_over_the_embedded_ones(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let (admin, path) = (app.admin().await, "/v1/clinic/plan-templates");
    assert_eq!(admin.get(path).await.expect(200), json!({"version": 0, "templates": []}));
    let own = json!({"id": "our-own", "title": "Our own", "enabled": true, "measures": [],
        "sessions": [{"key": "talk", "kind": "evaluation", "day_offset": 0, "location": "telehealth"}]});
    let with = |field: &str, value: Value| {
        let mut one = own.clone();
        one[field] = value;
        json!({"templates": [one]})
    };
    put(&admin, path, 0, &with("id", json!("Our own"))).await.invalid("/templates/0/id");
    let unknown = json!([{"measure": "no-such", "day_offset": 0}]);
    put(&admin, path, 0, &with("measures", unknown)).await.invalid("/templates/0/measures/0/measure");
    let daily = json!([{"measure": "daily-check-in", "day_offset": 0}]);
    put(&admin, path, 0, &with("measures", daily)).await.invalid("/templates/0/measures/0/measure");
    put(&admin, path, 1, &json!({"templates": []})).await.refused(412, "stale_version");
    let written = put(&admin, path, 0, &json!({"templates": [own]})).await.expect(200);
    assert_eq!(written, json!({"version": 1, "templates": [own]}));
    put(&admin, path, 0, &json!({"templates": []})).await.refused(412, "stale_version");
    bo.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    let all = bo.get("/v1/plan-templates").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 6);
    assert_eq!(all["items"][0]["title"], "Inducción: seis sesiones en tres semanas");
    let body = json!({"template_id": "our-own", "first_dosing_on": "2026-12-01"});
    let made = bo.post(&plans(&ana), &body).await.expect(201);
    assert_eq!(made["sessions"][0]["plan_key"], "talk");
    let mut with_route = body.clone();
    with_route["route"] = json!("im");
    bo.post(&plans(&ana), &with_route).await.invalid("/route");
    // Another clinic has none of it.
    let eve = app.therapist_of("elsewhere", "eve").await;
    assert_eq!(eve.get("/v1/plan-templates").await.expect(200)["items"].as_array().unwrap().len(), 5);
    put(&admin, path, 1, &json!({"templates": []})).await.expect(200);
    bo.post(&plans(&ana), &body).await.invalid("/template_id");
}

async fn plans_keep_to_the_clinics_hours(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let (admin, path) = (app.admin().await, "/v1/clinic/hours");
    let usual = bo.get(path).await.expect(200);
    assert_eq!((usual["openings"].as_array().unwrap().len(), &usual["version"]), (5, &json!(1)));
    assert_eq!(usual["openings"][0], json!({"weekday": "mon", "opens": "09:00", "closes": "17:00"}));
    let opening = |weekday: &str, opens: &str, closes: &str| json!({"weekday": weekday, "opens": opens, "closes": closes});
    for (openings, pointer) in [
        (json!([]), "/openings"),
        (json!([opening("mon", "09:00", "09:00")]), "/openings/0/closes"),
        (json!([opening("mon", "09:00", "12:00"), opening("mon", "11:00", "13:00")]), "/openings/1"),
        (json!([opening("monday", "09:00", "12:00")]), "/openings/0/weekday"),
        (json!([opening("mon", "9:00", "12:00")]), "/openings/0/opens"),
    ] {
        put(&admin, path, 1, &json!({ "openings": openings })).await.invalid(pointer);
    }
    let week = json!({"openings": [opening("tue", "10:00", "14:00"), opening("sat", "08:00", "12:00")]});
    assert_eq!(put(&admin, path, 1, &week).await.expect(200)["version"], 2);
    put(&admin, path, 1, &week).await.refused(412, "stale_version");
    let made = bo.post(&plans(&ana), &plan("kap-weekly-4", "im")).await.expect(201);
    assert_eq!(made["first_dosing_on"], "2027-01-05");
    // As long as Berlin keeps winter time.
    for session in
        made["sessions"].as_array().unwrap().iter().filter(|one| starts(one) < at("2027-03-28T00:00:00Z"))
    {
        let local = (starts(session) + Duration::hours(1)).format("%a %H:%M").to_string();
        assert!(local.starts_with("Tue 1") || local.starts_with("Sat "), "{local}");
    }
    let narrow = json!({"openings": [opening("tue", "10:00", "11:00")]});
    put(&admin, path, 2, &narrow).await.expect(200);
    let ben = app.patient_of(&bo, "ben").await;
    bo.post(&plans(&ben), &plan("kap-weekly-4", "im")).await.refused(409, "no_opening_fits");
}

async fn coordinators_read_templates_and_start_nothing(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let cleo = app.therapist("cleo").await;
    assign(&app, &ana, &cleo).await;
    let sql = "UPDATE accounts SET capabilities = 'coordinator' WHERE id = $1";
    app.execute(sql, vec![cleo.id.into()]).await;
    assert_eq!(cleo.get("/v1/plan-templates").await.expect(200)["items"].as_array().unwrap().len(), 5);
    cleo.post(&plans(&ana), &plan("kap-weekly-4", "im")).await.refused(403, "forbidden_role");
    cleo.get("/v1/clinic/plan-templates").await.refused(403, "forbidden_role");
    let made = bo.post(&plans(&ana), &plan("kap-weekly-4", "im")).await.expect(201);
    let path = format!("{}/{}", plans(&ana), id_of(&made));
    cleo.get(&path).await.refused(403, "forbidden_role");
    cleo.patch(&path, 1, &json!({"state": "cancelled"})).await.refused(403, "forbidden_role");
}
