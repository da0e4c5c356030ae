//! The same request many times at once.

use std::collections::BTreeSet;

use axum::http::Method;
use chrono::Duration;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Person, Reply, TestApp, both_engines};

both_engines![
    h8_one_key_fifty_times_at_once_has_one_effect_and_one_answer,
    h8_one_key_with_another_body_is_refused,
    h8_one_key_of_another_account_or_operation_is_another_key,
    h8_a_refused_request_does_not_use_its_key_up,
    h8_a_key_is_forgotten_after_a_day,
    h8_one_session_is_scheduled_once_with_its_reminders,
    h9_of_fifty_edits_at_once_one_wins,
    h9_of_many_deletions_at_once_one_wins,
    h9_two_people_with_one_invitation_are_one_account,
];

async fn create(person: &Person, path: &str, key: &str, body: &Value) -> Reply {
    person.request(Method::POST, path).await.key(key).json(body).send().await
}

async fn fifty(person: &Person, path: &'static str, key: &'static str, body: Value) -> Vec<Reply> {
    let asked = (0..50).map(|_| {
        let (person, body) = (person.clone(), body.clone());
        tokio::spawn(async move { create(&person, path, key, &body).await })
    });
    join_all(asked).await.into_iter().map(Result::unwrap).collect()
}

async fn h8_one_key_fifty_times_at_once_has_one_effect_and_one_answer(app: TestApp) {
    let ana = app.patient("ana").await;
    let bodies = [
        ("/v1/checkins", "checkins", json!({"mood": 3, "note": "once"})),
        ("/v1/journal/entries", "journal_entries", json!({"fields": {"text": "once"}})),
        (
            "/v1/reminders",
            "reminders",
            json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"}}),
        ),
    ];
    for (path, table, body) in bodies {
        let replies = fifty(&ana, path, "once", body).await;
        let answers: BTreeSet<Vec<u8>> = replies.iter().map(|reply| reply.body.to_vec()).collect();
        assert!(replies.iter().all(|reply| reply.status == 201), "{path}");
        assert!(replies.iter().all(|reply| reply.headers["etag"] == "\"1\""), "{path}");
        assert_eq!(answers.len(), 1, "{path}");
        assert_eq!(app.count(table).await, 1, "{path}");
    }
}

async fn h8_one_key_with_another_body_is_refused(app: TestApp) {
    let ana = app.patient("ana").await;
    let first = create(&ana, "/v1/checkins", "k", &json!({"mood": 3})).await.expect(201);
    create(&ana, "/v1/checkins", "k", &json!({"mood": 4})).await.invalid("header/Idempotency-Key");
    assert_eq!(create(&ana, "/v1/checkins", "k", &json!({"mood": 3})).await.expect(201), first);
    assert_eq!(app.count("checkins").await, 1);
    let long = "x".repeat(65);
    for wrong in ["", "with space", "ümlaut", long.as_str()] {
        create(&ana, "/v1/checkins", wrong, &json!({"mood": 3})).await.invalid("header/Idempotency-Key");
    }
    let twice = ana.request(Method::POST, "/v1/checkins").await.key("a").key("b").json(&json!({"mood": 3}));
    twice.send().await.invalid("header/Idempotency-Key");
}

async fn h8_one_key_of_another_account_or_operation_is_another_key(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let hers = create(&ana, "/v1/checkins", "k", &json!({"mood": 3})).await.expect(201);
    let his = create(&ben, "/v1/checkins", "k", &json!({"mood": 3})).await.expect(201);
    assert_ne!(hers["id"], his["id"]);
    create(&ana, "/v1/journal/entries", "k", &json!({"fields": {"text": "words"}})).await.expect(201);
    let bo = app.therapist("bo").await;
    let body = json!({"kind": "integration", "starts_at": (app.now() + Duration::days(3)).to_rfc3339()});
    let of = |patient: &Person| format!("/v1/patients/{}/sessions", patient.id);
    create(&bo, &of(&ana), "k", &body).await.expect(201);
    create(&bo, &of(&ben), "k", &body).await.invalid("header/Idempotency-Key");
    assert_eq!(app.count("sessions").await, 1);
}

async fn h8_a_refused_request_does_not_use_its_key_up(app: TestApp) {
    let ana = app.patient("ana").await;
    create(&ana, "/v1/checkins", "k", &json!({"mood": 11})).await.invalid("/mood");
    let impossible = json!({"mood": 1, "taken_at": "2031-01-01T00:00:00Z"});
    create(&ana, "/v1/checkins", "k", &impossible).await.invalid("/taken_at");
    create(&ana, "/v1/checkins", "k", &json!({"mood": 10})).await.expect(201);
}

async fn h8_a_key_is_forgotten_after_a_day(app: TestApp) {
    let ana = app.patient("ana").await;
    let first = create(&ana, "/v1/checkins", "k", &json!({"mood": 3})).await.expect(201);
    app.advance(Duration::hours(23));
    assert_eq!(create(&ana, "/v1/checkins", "k", &json!({"mood": 3})).await.expect(201), first);
    app.advance(Duration::hours(2));
    assert_ne!(create(&ana, "/v1/checkins", "k", &json!({"mood": 3})).await.expect(201)["id"], first["id"]);
}

async fn h8_one_session_is_scheduled_once_with_its_reminders(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let path = format!("/v1/patients/{}/sessions", ana.id);
    let body =
        json!({"kind": "dosing", "route": "im", "starts_at": (app.now() + Duration::days(9)).to_rfc3339()});
    let first = create(&bo, &path, "k", &body).await.expect(201);
    let planned = app.count("notifications").await;
    assert!(planned > 10);
    assert_eq!(create(&bo, &path, "k", &body).await.expect(201), first);
    assert_eq!((app.count("sessions").await, app.count("notifications").await), (1, planned));
}

/// How many of the answers have which status.
fn tally(replies: &[Reply]) -> Vec<(u16, usize)> {
    let statuses: BTreeSet<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
    let of = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    statuses.into_iter().map(|status| (status, of(status))).collect()
}

async fn h9_of_fifty_edits_at_once_one_wins(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let checkin = ana.checkin(5).await;
    let entry = ana.entry("before").await;
    let reminder = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"}});
    let reminder = ana.post("/v1/reminders", &reminder).await.expect(201);
    let session = bo.schedule(&ana, "integration", app.now() + Duration::days(5)).await;
    let id = |body: &Value| body["id"].as_str().unwrap().to_owned();
    let targets = [
        (&ana, format!("/v1/checkins/{}", id(&checkin)), "note"),
        (&ana, format!("/v1/journal/entries/{entry}"), "title"),
        (&ana, format!("/v1/reminders/{}", id(&reminder)), "title"),
        (&bo, format!("/v1/sessions/{}", id(&session)), "duration_minutes"),
    ];
    for (person, path, field) in targets {
        let asked = (0..50).map(|number| {
            let (person, path) = (person.clone(), path.clone());
            let value = if field == "duration_minutes" {
                json!(30 + number)
            } else {
                json!(format!("edit {number}"))
            };
            tokio::spawn(async move { person.patch(&path, 1, &json!({ field: value })).await })
        });
        let replies: Vec<Reply> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(tally(&replies), [(200, 1), (412, 49)], "{path}");
        let winner = replies.iter().find(|reply| reply.status == 200).unwrap().json();
        assert_eq!(winner["version"], 2, "{path}");
        let kept = if field == "duration_minutes" { ana.get(&path).await } else { person.get(&path).await };
        assert_eq!(kept.headers["etag"], "\"2\"", "{path}");
        if field != "duration_minutes" {
            assert_eq!(kept.json()[field], winner[field], "{path}");
        }
    }
    assert_eq!(app.count("journal_revisions").await, 2);
}

async fn h9_of_many_deletions_at_once_one_wins(app: TestApp) {
    let ana = app.patient("ana").await;
    let path = format!("/v1/checkins/{}", ana.checkin(5).await["id"].as_str().unwrap());
    let asked = (0..20).map(|_| {
        let (ana, path) = (ana.clone(), path.clone());
        tokio::spawn(async move { ana.delete_at(&path, 1).await })
    });
    let replies: Vec<Reply> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(tally(&replies), [(204, 1), (404, 19)]);
    assert_eq!(app.count("tombstones").await, 1);
}

async fn h9_two_people_with_one_invitation_are_one_account(app: TestApp) {
    let bo = app.therapist("bo").await;
    let code = app.invite(&bo, &json!({"kind": "patient"})).await;
    let before = app.count("accounts").await;
    let asked = (0..8).map(|number| {
        let (app, body) = (app.clone(), crate::harness::registration(&code, &format!("racer{number}")));
        tokio::spawn(async move { app.anon().post("/v1/auth/register", &body).await })
    });
    let replies: Vec<Reply> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1, "{:?}", tally(&replies));
    assert!(
        replies.iter().all(|reply| [201, 409, 422].contains(&reply.status.as_u16())),
        "{:?}",
        tally(&replies)
    );
    assert_eq!(app.count("accounts").await, before + 1);
}
