//! What care teams ask for, and what they see.

use chrono::Duration;
use serde_json::{Value, json};

use super::{alerts, form, hand_in, pairs, with};
use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![
    a_form_that_may_ring_is_not_assigned_without_a_policy,
    an_assignment_is_closed_by_its_response_and_by_nothing_else,
    a_closed_assignment_does_not_refuse_what_was_answered,
    the_care_team_sees_what_it_asked_for_and_what_was_shared,
    a_private_result_does_not_show_through_a_difference,
    lists_come_in_stable_pages_and_by_measure,
];

/// What an admin writes into the clinic's settings.
async fn write_policy(app: &TestApp) {
    let admin = app.admin().await;
    let version = admin.get("/v1/clinic").await.expect(200)["version"].as_i64().unwrap();
    let request = admin.request(axum::http::Method::PUT, "/v1/clinic/response-policy").await;
    request.if_match(version).json(&super::clinic::policy()).send().await.expect(200);
}

async fn ask(app: &TestApp, bo: &Person, ana: &Person, measure: &str) -> Value {
    let body = json!({"measure_id": measure, "due_at": (app.now() + Duration::days(3)).to_rfc3339()});
    bo.post(&format!("/v1/patients/{}/measure-assignments", ana.id), &body).await.expect(201)
}

async fn seen(bo: &Person, ana: &Person) -> Vec<Value> {
    let list = bo.get(&format!("/v1/patients/{}/measure-responses", ana.id)).await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn a_form_that_may_ring_is_not_assigned_without_a_policy(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let path = format!("/v1/patients/{}/measure-assignments", ana.id);
    let due = (app.now() + Duration::days(3)).to_rfc3339();
    for measure in ["phq-9", "post-session-check", "pre-session-check", "session-reflection"] {
        let body = json!({"measure_id": measure, "due_at": due});
        bo.post(&path, &body).await.refused(409, "response_policy_missing");
    }
    for measure in ["gad-2", "gad-7", "phq-2", "pcl-5"] {
        ask(&app, &bo, &ana, measure).await;
    }
    write_policy(&app).await;
    ask(&app, &bo, &ana, "phq-9").await;
    for (body, pointer) in [
        (json!({"measure_id": "gad-2"}), "/due_at"),
        (json!({"measure_id": "who-5", "due_at": due}), "/measure_id"),
        (json!({"measure_id": "gad-2", "due_at": app.now().to_rfc3339()}), "/due_at"),
        (json!({"measure_id": "gad-2", "due_at": (app.now() + Duration::days(800)).to_rfc3339()}), "/due_at"),
        (json!({"measure_id": "gad-2", "due_at": due, "opens_at": due}), "/opens_at"),
        (json!({"measure_id": "gad-2", "due_at": due, "patient_id": ana.id}), "/patient_id"),
    ] {
        bo.post(&path, &body).await.invalid(pointer);
    }
}

async fn an_assignment_is_closed_by_its_response_and_by_nothing_else(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let asked = ask(&app, &bo, &ana, "gad-7").await;
    assert_eq!((&asked["state"], &asked["member_id"]), (&json!("open"), &json!(bo.id)));
    hand_in(&ana, &form("gad-7", "0000000")).await;
    let other = with(form("gad-2", "00"), "assignment_id", asked["id"].clone());
    ana.post("/v1/measure-responses", &other).await.invalid("/assignment_id");
    let ben = app.patient("ben").await;
    let theirs = with(form("gad-7", "0000000"), "assignment_id", asked["id"].clone());
    ben.post("/v1/measure-responses", &theirs).await.invalid("/assignment_id");
    let open = ana.get("/v1/measure-assignments?state=open").await.expect(200);
    assert_eq!(open["items"], json!([asked]));
    let made = hand_in(&ana, &theirs).await;
    assert_eq!((&made["visible_to_care_team"], &made["assignment_id"]), (&json!(true), &asked["id"]));
    assert_eq!(ana.get("/v1/measure-assignments?state=open").await.expect(200)["items"], json!([]));
    let path = format!("/v1/patients/{}/measure-assignments", ana.id);
    let all = bo.get(&path).await.expect(200);
    assert_eq!(
        (&all["items"][0]["state"], &all["items"][0]["response_id"], &all["items"][0]["version"]),
        (&json!("done"), &made["id"], &json!(2))
    );
    bo.delete(&format!("{path}/{}", id_of(&asked))).await.refused(409, "assignment_closed");
    ana.get("/v1/measure-assignments?state=lost").await.invalid("query/state");
}

async fn a_closed_assignment_does_not_refuse_what_was_answered(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    write_policy(&app).await;
    let asked = ask(&app, &bo, &ana, "phq-9").await;
    bo.delete(&format!("/v1/patients/{}/measure-assignments/{}", ana.id, id_of(&asked))).await.expect(204);
    let made = hand_in(&ana, &with(form("phq-9", "--------3"), "assignment_id", asked["id"].clone())).await;
    assert!(made["crisis_card"].is_object());
    assert_eq!(alerts(&app).await, pairs(&[("phq9-item9-frequent", "urgent")]));
    let list = ana.get("/v1/measure-assignments").await.expect(200);
    assert_eq!(
        (&list["items"][0]["state"], list["items"][0].get("response_id")),
        (&json!("cancelled"), None)
    );
}

async fn the_care_team_sees_what_it_asked_for_and_what_was_shared(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let own = hand_in(&ana, &form("pcl-5", "20000202200000220000")).await;
    assert_eq!(seen(&bo, &ana).await, [] as [Value; 0]);
    let share = format!("/v1/measure-responses/{}/share", id_of(&own));
    let shared = ana.request(axum::http::Method::PUT, &share).await.send().await.expect(200);
    assert_eq!((&shared["visible_to_care_team"], &shared["version"]), (&json!(true), &json!(2)));
    let list = seen(&bo, &ana).await;
    assert_eq!(list.len(), 1);
    assert_eq!((&list[0]["total"], &list[0]["answers"]), (&own["total"], &own["answers"]));
    assert_eq!((&list[0]["patterns"], &list[0]["flags"]), (&json!(["provisional-ptsd"]), &json!([])));
    ana.delete(&share).await.expect(204);
    assert_eq!(seen(&bo, &ana).await, [] as [Value; 0], "closed at once");

    write_policy(&app).await;
    let asked = ask(&app, &bo, &ana, "phq-9").await;
    let made = hand_in(&ana, &with(form("phq-9", "000000001"), "assignment_id", asked["id"].clone())).await;
    let list = seen(&bo, &ana).await;
    assert_eq!((list.len(), &list[0]["id"]), (1, &made["id"]));
    assert_eq!(
        (&list[0]["flags"][0]["rule"], &list[0]["flags"][0]["level"], &list[0]["flags"][0]["blocks_session"]),
        (&json!("phq9-item9-any"), &json!("high"), &json!(true))
    );
    ana.delete(&format!("/v1/measure-responses/{}/share", id_of(&made))).await.refused(409, "asked_for");
    hand_in(&ana, &with(form("gad-2", "00"), "shared", json!(true))).await;
    assert_eq!(seen(&bo, &ana).await.len(), 2);

    let dee = app.therapist("dee").await;
    dee.get(&format!("/v1/patients/{}/measure-responses", ana.id)).await.refused(404, "not_found");
    let reads = app.query("SELECT seq FROM audit_events WHERE action = 'measures.list'", vec![]).await;
    assert_eq!(reads.len(), 5, "each read of the care team is recorded");
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    bo.get(&format!("/v1/patients/{}/measure-responses", ana.id)).await.refused(404, "not_found");
}

async fn a_private_result_does_not_show_through_a_difference(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    hand_in(&ana, &form("gad-7", "3333333")).await;
    app.advance(Duration::days(1));
    let shared = hand_in(&ana, &with(form("gad-7", "0000000"), "shared", json!(true))).await;
    assert_eq!(shared["change"]["since_previous"], -21.0);
    assert!(seen(&bo, &ana).await[0].get("change").is_none());
}

async fn lists_come_in_stable_pages_and_by_measure(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    for round in 0..5 {
        let measure = if round % 2 == 0 { "gad-2" } else { "phq-2" };
        hand_in(&ana, &with(form(measure, "00"), "shared", json!(true))).await;
        app.advance(Duration::hours(1));
    }
    let staff = format!("/v1/patients/{}/measure-responses", ana.id);
    for (who, path) in [(&ana, "/v1/measure-responses"), (&bo, staff.as_str())] {
        let first = who.get(&format!("{path}?limit=2")).await.expect(200);
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = who.get(&format!("{path}?limit=3&cursor={cursor}")).await.expect(200);
        let times: Vec<&str> = [&first, &second]
            .iter()
            .flat_map(|page| page["items"].as_array().unwrap())
            .map(|one| one["taken_at"].as_str().unwrap())
            .collect();
        assert!(times.len() == 5 && times.is_sorted_by(|one, next| one > next), "{times:?}");
        assert!(second.get("next_cursor").is_none());
        let only = who.get(&format!("{path}?measure_id=phq-2")).await.expect(200);
        assert_eq!(only["items"].as_array().unwrap().len(), 2);
        who.get(&format!("{path}?measure_id=phq-2&cursor={cursor}")).await.invalid("query/cursor");
        who.get(&format!("{path}?limit=0")).await.invalid("query/limit");
    }
}
