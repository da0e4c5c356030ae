//! What patients ask the clinic for, what it offers, and what becomes of it.

use axum::http::Method;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::harness::{Person, Reply, TestApp, both_engines, id_of};

both_engines![
    an_accepted_offer_makes_a_session_with_its_reminders,
    an_accepted_offer_moves_the_session_and_its_reminders,
    an_accepted_offer_cancels_the_session,
    a_coordinator_sees_who_asks_and_when_and_no_words,
    of_two_who_accept_one_time_the_second_is_told,
    an_offer_is_accepted_once,
    an_expired_offer_is_not_accepted_and_may_be_made_anew,
    an_offer_that_no_longer_fits_is_not_accepted,
    the_clinic_declines_in_words,
    a_withdrawn_request_is_over,
    what_is_wrong_with_a_request_is_named,
    what_is_wrong_with_an_offer_is_named,
    requests_of_ended_care_are_out_of_reach,
    a_repeated_request_is_made_once,
];

const OWN: &str = "/v1/sessions/requests";
const STAFF: &str = "/v1/clinic/session-requests";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn ask(who: &Person, body: &Value) -> String {
    id_of(&who.post(OWN, body).await.expect(201))
}

async fn post(who: &Person, id: &str, what: &str, version: i64, body: &Value) -> Reply {
    let request = who.request(Method::POST, &format!("{OWN}/{id}/{what}")).await;
    request.if_match(version).json(body).send().await
}

fn new_session(times: &[DateTime<Utc>], with: &Person) -> Value {
    json!({"times": times, "kind": "integration", "member_id": with.id, "message": "Tuesday is free."})
}

async fn people(app: &TestApp) -> (Person, Person, Person) {
    (app.patient("ana").await, app.therapist("bo").await, app.coordinator("cleo").await)
}

async fn an_accepted_offer_makes_a_session_with_its_reminders(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let wish = json!({"from": "2026-12-08T13:00:00Z", "until": "2026-12-08T17:00:00Z"});
    let id = ask(&ana, &json!({"kind": "new", "preferred": [wish], "note": "Mornings are hard."})).await;
    let times = [at("2026-12-08T14:00:00Z"), at("2026-12-09T14:00:00Z")];
    let offered = post(&cleo, &id, "offer", 1, &new_session(&times, &bo)).await.expect(200);
    assert_eq!((&offered["state"], &offered["version"]), (&json!("offered"), &json!(2)));
    assert_eq!(app.count("sessions").await, 0, "an offer holds nothing");
    let read = ana.get(&format!("{OWN}/{id}")).await;
    assert_eq!(read.headers["etag"], "\"2\"");
    let read = read.expect(200);
    assert_eq!((&read["note"], &read["preferred"]), (&json!("Mornings are hard."), &json!([wish])));
    assert_eq!(read["message"], "Tuesday is free.");
    assert_eq!(read["offer"]["times"][1]["ends_at"], "2026-12-09T15:00:00Z");
    assert_eq!(read["offer"]["expires_at"], "2026-11-25T12:00:00Z");
    let note = "SELECT category FROM notifications WHERE origin_kind = 'request' AND state = 'planned'";
    assert_eq!(app.query(note, vec![]).await.len(), 1, "the patient hears of it");

    let accepted = post(&ana, &id, "accept", 2, &json!({"starts_at": times[1]})).await.expect(200);
    assert_eq!(accepted["request"]["state"], "accepted");
    let session = &accepted["session"];
    assert_eq!(
        (&session["kind"], &session["state"], &session["member_id"], &session["starts_at"]),
        (&json!("integration"), &json!("planned"), &json!(bo.id), &json!("2026-12-09T14:00:00Z"))
    );
    assert_eq!(accepted["request"]["session_id"], session["id"]);
    assert!(accepted["reminders"].as_array().unwrap().iter().any(|one| one["state"] == "planned"));
    let path = format!("/v1/patients/{}/sessions", ana.id);
    assert_eq!(bo.get(&path).await.expect(200)["items"], json!([session]));
    assert_eq!(app.query(note, vec![]).await.len(), 0, "what was answered needs no note");
    assert_eq!(cleo.get(STAFF).await.expect(200)["items"], json!([]), "nothing waits any more");
}

async fn an_accepted_offer_moves_the_session_and_its_reminders(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let session = bo.schedule(&ana, "dosing", at("2026-12-10T13:00:00Z")).await;
    let id = ask(&ana, &json!({"kind": "move", "session_id": session["id"]})).await;
    let times = json!({"times": ["2026-12-12T13:00:00Z"]});
    let offered = post(&cleo, &id, "offer", 1, &times).await.expect(200);
    assert_eq!(offered["session"]["starts_at"], "2026-12-10T13:00:00Z");
    let body = json!({"starts_at": "2026-12-12T13:00:00Z"});
    let accepted = post(&ana, &id, "accept", 2, &body).await.expect(200);
    let moved = &accepted["session"];
    assert_eq!((&moved["id"], &moved["version"]), (&session["id"], &json!(2)));
    assert_eq!(moved["ends_at"], "2026-12-12T15:30:00Z", "its length stays");
    let due = |of: &Value, name: &str| {
        let all = of["reminders"].as_array().unwrap();
        let one = all.iter().find(|one| one["template_id"] == name && one["state"] == "planned");
        at(one.unwrap()["due_at"].as_str().unwrap())
    };
    let name = "dosing-plan-week";
    assert_eq!(due(&accepted, name) - due(&session, name), Duration::days(2));
}

async fn an_accepted_offer_cancels_the_session(app: TestApp) {
    let (ana, bo, _) = people(&app).await;
    let session = bo.schedule(&ana, "integration", at("2026-12-10T13:00:00Z")).await;
    let id = ask(&ana, &json!({"kind": "cancel", "session_id": session["id"]})).await;
    post(&bo, &id, "offer", 1, &json!({})).await.expect(200);
    let accepted = post(&ana, &id, "accept", 2, &json!({})).await.expect(200);
    assert_eq!(accepted["session"]["state"], "cancelled");
    let left = "SELECT id FROM notifications WHERE state = 'planned' AND origin_kind = 'session'";
    assert_eq!(app.query(left, vec![]).await.len(), 0);
}

async fn a_coordinator_sees_who_asks_and_when_and_no_words(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let id = ask(&ana, &json!({"kind": "new", "note": "I dream of the sea since then."})).await;
    let path = format!("{STAFF}/{id}");
    let read = cleo.get(&path).await.expect(200);
    assert_eq!((&read["display_name"], &read["has_note"]), (&json!("ana"), &json!(true)));
    assert_eq!(read.get("note"), None, "{read}");
    let listed = cleo.get(STAFF).await.expect(200);
    assert_eq!(listed["items"], json!([read]));
    assert_eq!(bo.get(&path).await.expect(200)["note"], "I dream of the sea since then.");
    let seen = bo.get(STAFF).await.expect(200);
    assert_eq!(seen["items"][0].get("note"), None, "a list shows no notes");
    // A therapist who also keeps the calendar reads notes only of patients in their care.
    let dee = app.therapist("dee").await;
    assert_eq!(dee.get(STAFF).await.expect(200)["items"], json!([]));
    let sql = "UPDATE accounts SET capabilities = 'therapist coordinator' WHERE id = $1";
    app.execute(sql, vec![dee.id.into()]).await;
    assert_eq!(dee.get(&path).await.expect(200).get("note"), None);
    let answered = post(&dee, &id, "offer", 1, &new_session(&[at("2026-12-08T14:00:00Z")], &bo)).await;
    assert_eq!(answered.expect(200).get("note"), None);
    let log = ana.get("/v1/me/access-log?limit=100").await.expect(200);
    let acts: Vec<_> = log["items"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
    for act in ["requests.list", "requests.read", "requests.offer"] {
        assert!(acts.contains(&&json!(act)), "{act}: {acts:?}");
    }
}

async fn of_two_who_accept_one_time_the_second_is_told(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let ben = app.patient("ben").await;
    let time = at("2026-12-08T14:00:00Z");
    let mut ids = Vec::new();
    for who in [&ana, &ben] {
        let id = ask(who, &json!({"kind": "new"})).await;
        let times = [time, time + Duration::days(1)];
        post(&cleo, &id, "offer", 1, &new_session(&times, &bo)).await.expect(200);
        ids.push(id);
    }
    let take = json!({"starts_at": time});
    let (one, other) =
        tokio::join!(post(&ana, &ids[0], "accept", 2, &take), post(&ben, &ids[1], "accept", 2, &take));
    let (won, lost, loser, id) =
        if one.status == 200 { (one, other, &ben, &ids[1]) } else { (other, one, &ana, &ids[0]) };
    won.expect(200);
    let problem = lost.refused(409, "time_taken");
    assert_eq!(problem["errors"][0]["pointer"], "/starts_at");
    assert_eq!(app.count("sessions").await, 1, "nothing half-written");
    let left = json!({"starts_at": time + Duration::days(1)});
    post(loser, id, "accept", 2, &left).await.expect(200);
    // A time that is taken is not offered again.
    let third = ask(&ana, &json!({"kind": "new"})).await;
    let again = post(&cleo, &third, "offer", 1, &new_session(&[time], &bo)).await;
    assert_eq!(again.expect(409)["errors"][0]["pointer"], "/times");
}

async fn an_offer_is_accepted_once(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let id = ask(&ana, &json!({"kind": "new"})).await;
    let times = [at("2026-12-08T14:00:00Z"), at("2026-12-09T14:00:00Z")];
    post(&cleo, &id, "offer", 1, &new_session(&times, &bo)).await.expect(200);
    let bodies = times.map(|time| json!({"starts_at": time}));
    let (one, other) =
        tokio::join!(post(&ana, &id, "accept", 2, &bodies[0]), post(&ana, &id, "accept", 2, &bodies[1]));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    assert_eq!(app.count("sessions").await, 1);
    post(&ana, &id, "accept", 3, &bodies[0]).await.refused(409, "wrong_request_state");
    post(&cleo, &id, "offer", 3, &new_session(&times, &bo)).await.refused(409, "wrong_request_state");
}

async fn an_expired_offer_is_not_accepted_and_may_be_made_anew(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let id = ask(&ana, &json!({"kind": "new"})).await;
    let time = at("2026-12-08T14:00:00Z");
    let mut offer = new_session(&[time], &bo);
    offer["expires_at"] = json!("2026-11-23T12:00:00Z");
    post(&cleo, &id, "offer", 1, &offer).await.expect(200);
    app.clock.set(at("2026-11-23T12:00:00Z"));
    assert_eq!(ana.get(&format!("{OWN}/{id}")).await.expect(200)["state"], "expired");
    post(&ana, &id, "accept", 2, &json!({"starts_at": time})).await.refused(409, "offer_expired");
    assert_eq!(app.count("sessions").await, 0);
    assert_eq!(cleo.get(STAFF).await.expect(200)["items"][0]["state"], "expired");
    offer["expires_at"] = json!("2026-11-24T12:00:00Z");
    post(&cleo, &id, "offer", 2, &offer).await.expect(200);
    post(&ana, &id, "accept", 2, &json!({"starts_at": time})).await.refused(412, "stale_version");
    post(&ana, &id, "accept", 3, &json!({"starts_at": time})).await.expect(200);
}

async fn an_offer_that_no_longer_fits_is_not_accepted(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let session = bo.schedule(&ana, "integration", at("2026-12-10T13:00:00Z")).await;
    let path = format!("/v1/sessions/{}", id_of(&session));
    let id = ask(&ana, &json!({"kind": "move", "session_id": session["id"]})).await;
    let times = json!({"times": ["2026-12-12T13:00:00Z"]});
    post(&cleo, &id, "offer", 1, &times).await.expect(200);
    bo.patch(&path, 1, &json!({"starts_at": "2026-12-11T13:00:00Z"})).await.expect(200);
    let take = json!({"starts_at": "2026-12-12T13:00:00Z"});
    post(&ana, &id, "accept", 2, &take).await.refused(409, "offer_outdated");
    bo.step(&format!("{path}/cancel"), 2).await.expect(200);
    post(&ana, &id, "accept", 2, &take).await.refused(409, "wrong_session_state");
    post(&cleo, &id, "offer", 2, &times).await.refused(409, "wrong_session_state");

    let further = app.therapist("gil").await;
    crate::authz::assign(&app, &ana, &further).await;
    let id = ask(&ana, &json!({"kind": "new"})).await;
    let time = at("2026-12-15T14:00:00Z");
    post(&cleo, &id, "offer", 1, &new_session(&[time], &further)).await.expect(200);
    ana.delete(&format!("/v1/care-team/{}", further.id)).await.expect(204);
    post(&ana, &id, "accept", 2, &json!({"starts_at": time})).await.refused(409, "offer_outdated");
    assert_eq!(app.count("sessions").await, 1);
}

async fn the_clinic_declines_in_words(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let id = ask(&ana, &json!({"kind": "new"})).await;
    post(&cleo, &id, "decline", 1, &json!({"message": ""})).await.invalid("/message");
    post(&cleo, &id, "decline", 2, &json!({"message": "x"})).await.refused(412, "stale_version");
    post(&cleo, &id, "decline", 1, &json!({"message": "We are full. Please call us."})).await.expect(200);
    let read = ana.get(&format!("{OWN}/{id}")).await.expect(200);
    assert_eq!(
        (&read["state"], &read["message"]),
        (&json!("declined"), &json!("We are full. Please call us."))
    );
    post(&bo, &id, "offer", 2, &new_session(&[at("2026-12-08T14:00:00Z")], &bo))
        .await
        .refused(409, "wrong_request_state");
}

async fn a_withdrawn_request_is_over(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let (id, time) = (ask(&ana, &json!({"kind": "new"})).await, at("2026-12-08T14:00:00Z"));
    post(&cleo, &id, "offer", 1, &new_session(&[time], &bo)).await.expect(200);
    for _ in 0..2 {
        ana.delete(&format!("{OWN}/{id}")).await.expect(204);
    }
    assert_eq!(ana.get(OWN).await.expect(200)["items"][0]["state"], "withdrawn");
    post(&ana, &id, "accept", 3, &json!({"starts_at": time})).await.refused(409, "wrong_request_state");
    post(&cleo, &id, "offer", 3, &new_session(&[time], &bo)).await.refused(409, "wrong_request_state");
    let notes = "SELECT id FROM notifications WHERE origin_kind = 'request' AND state = 'planned'";
    assert_eq!(app.query(notes, vec![]).await.len(), 0);
    let taken = ask(&ana, &json!({"kind": "new"})).await;
    post(&cleo, &taken, "offer", 1, &new_session(&[time], &bo)).await.expect(200);
    post(&ana, &taken, "accept", 2, &json!({"starts_at": time})).await.expect(200);
    ana.delete(&format!("{OWN}/{taken}")).await.refused(409, "wrong_request_state");
}

async fn what_is_wrong_with_a_request_is_named(app: TestApp) {
    let (ana, bo, _) = people(&app).await;
    let session = bo.schedule(&ana, "integration", at("2026-12-10T13:00:00Z")).await["id"].clone();
    let span = |from: &str, until: &str| json!([{"from": from, "until": until}]);
    let (day, later) = ("2026-12-08T13:00:00Z", "2026-12-08T17:00:00Z");
    for (body, pointer) in [
        (json!({}), "/kind"),
        (json!({"kind": "swap"}), "/kind"),
        (json!({"kind": "new", "session_id": session}), "/session_id"),
        (json!({"kind": "move"}), "/session_id"),
        (json!({"kind": "cancel"}), "/session_id"),
        (json!({"kind": "move", "session_id": "mine"}), "/session_id"),
        (json!({"kind": "move", "session_id": "0198f000-0000-7000-8000-000000000000"}), "/session_id"),
        (json!({"kind": "cancel", "session_id": session, "preferred": span(day, later)}), "/preferred"),
        (json!({"kind": "new", "preferred": span(later, day)}), "/preferred/0/until"),
        (
            json!({"kind": "new", "preferred": span("2026-11-01T13:00:00Z", "2026-11-01T14:00:00Z")}),
            "/preferred/0/until",
        ),
        (json!({"kind": "new", "preferred": span(day, "2036-12-08T13:00:00Z")}), "/preferred/0/until"),
        (json!({"kind": "new", "preferred": vec![json!({"from": day, "until": later}); 6]}), "/preferred"),
        (json!({"kind": "new", "note": ""}), "/note"),
        (json!({"kind": "new", "note": "x".repeat(501)}), "/note"),
        (json!({"kind": "new", "state": "accepted"}), "/state"),
    ] {
        ana.post(OWN, &body).await.invalid(pointer);
    }
    let ben = app.patient("ben").await;
    ben.post(OWN, &json!({"kind": "move", "session_id": session})).await.invalid("/session_id");
    ask(&ana, &json!({"kind": "move", "session_id": session})).await;
    let twice = json!({"kind": "cancel", "session_id": session});
    ana.post(OWN, &twice).await.refused(409, "already_requested");
    for _ in 0..9 {
        ask(&ana, &json!({"kind": "new"})).await;
    }
    ana.post(OWN, &json!({"kind": "new"})).await.refused(409, "too_many_requests");
    assert_eq!(app.count("session_requests").await, 10);
}

async fn what_is_wrong_with_an_offer_is_named(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let (time, dee) = (at("2026-12-08T14:00:00Z"), app.therapist("dee").await);
    let id = ask(&ana, &json!({"kind": "new"})).await;
    let good = new_session(&[time], &bo);
    for (field, wrong, pointer) in [
        ("times", json!([]), "/times"),
        ("times", json!(["2026-11-21T14:00:00Z"]), "/times/0"),
        ("times", json!(["2036-11-21T14:00:00Z"]), "/times/0"),
        ("times", json!([time, time]), "/times/1"),
        ("times", json!(vec![time; 6]), "/times"),
        ("kind", json!("holiday"), "/kind"),
        ("kind", json!("dosing"), "/kind"),
        ("location", json!("moon"), "/location"),
        ("duration_minutes", json!(4), "/duration_minutes"),
        ("member_id", json!(dee.id), "/member_id"),
        ("expires_at", json!("2026-11-22T12:00:00Z"), "/expires_at"),
        ("expires_at", json!("2027-11-22T12:00:00Z"), "/expires_at"),
        ("message", json!(""), "/message"),
        ("route", json!("im"), "/route"),
    ] {
        let mut body = good.clone();
        body[field] = wrong;
        post(&cleo, &id, "offer", 1, &body).await.invalid(pointer);
    }
    for (missing, pointer) in [("kind", "/kind"), ("member_id", "/member_id")] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(missing);
        post(&cleo, &id, "offer", 1, &body).await.invalid(pointer);
    }
    let session = bo.schedule(&ana, "integration", at("2026-12-10T13:00:00Z")).await;
    let about = ask(&ana, &json!({"kind": "move", "session_id": session["id"]})).await;
    for (field, value) in [("kind", json!("group")), ("member_id", json!(bo.id))] {
        let body = json!({"times": [time], field: value});
        post(&cleo, &about, "offer", 1, &body).await.invalid(&format!("/{field}"));
    }
    let request = cleo.request(Method::POST, &format!("{OWN}/{id}/offer")).await.json(&good);
    request.send().await.refused(428, "if_match_required");
    post(&cleo, &id, "offer", 1, &good).await.expect(200);
    for (body, pointer) in
        [(json!({}), "/starts_at"), (json!({"starts_at": "2026-12-08T14:00:01Z"}), "/starts_at")]
    {
        post(&ana, &id, "accept", 2, &body).await.invalid(pointer);
    }
    assert_eq!(app.count("sessions").await, 1);
}

async fn requests_of_ended_care_are_out_of_reach(app: TestApp) {
    let (ana, bo, cleo) = people(&app).await;
    let id = ask(&ana, &json!({"kind": "new"})).await;
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    for who in [&bo, &cleo] {
        assert_eq!(who.get(STAFF).await.expect(200)["items"], json!([]));
        who.get(&format!("{STAFF}/{id}")).await.refused(404, "not_found");
        let offer = new_session(&[at("2026-12-08T14:00:00Z")], &bo);
        post(who, &id, "offer", 1, &offer).await.refused(404, "not_found");
        post(who, &id, "decline", 1, &json!({"message": "x"})).await.refused(404, "not_found");
    }
}

async fn a_repeated_request_is_made_once(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"kind": "new"});
    let mut seen = Vec::new();
    for _ in 0..2 {
        let request = ana.request(Method::POST, OWN).await.key("once").json(&body);
        seen.push(request.send().await.expect(201));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(app.count("session_requests").await, 1);
}
