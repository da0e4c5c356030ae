//! Reminders of questionnaires: only of what was asked for and is still to be filled in.

use chrono::Duration;
use serde_json::{Value, json};

use crate::{
    harness::{TestApp, both_engines, id_of},
    practice::{Practice, end, local},
};

both_engines![
    nobody_is_reminded_of_questionnaires_that_nobody_asked_for,
    what_was_asked_for_and_is_open_is_reminded_of,
    what_was_answered_is_not_reminded_of,
    a_checklist_filled_in_today_is_not_asked_for_again,
];

const TEMPLATE: &str = "evaluation-measures";

/// An evaluation on Friday; its questionnaires are reminded of on Tuesday at ten.
async fn evaluation(app: &TestApp) -> Practice {
    let practice = Practice::open(app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.bo.schedule(&practice.ana, "evaluation", local("2026-11-27T14:00")).await;
    practice
}

async fn ask(practice: &Practice, opens_at: &str) -> Value {
    let body = json!({"measure_id": "gad-2", "opens_at": local(opens_at).to_rfc3339(),
        "due_at": local("2026-11-26T14:00").to_rfc3339()});
    practice
        .bo
        .post(&format!("/v1/patients/{}/measure-assignments", practice.ana.id), &body)
        .await
        .expect(201)
}

async fn ended(practice: &Practice, template: &str, until: &str) -> (String, String) {
    practice.live_until(&practice.ana, local(until)).await;
    let rows = practice.rows(&practice.ana).await;
    let row = rows.iter().find(|row| row.template_id.as_deref() == Some(template)).unwrap();
    let (state, reason) = end(row);
    (state.to_owned(), reason.to_owned())
}

fn done() -> (String, String) {
    ("suppressed".into(), "already_done".into())
}

async fn nobody_is_reminded_of_questionnaires_that_nobody_asked_for(app: TestApp) {
    let practice = evaluation(&app).await;
    // Asked for, but not before Wednesday.
    ask(&practice, "2026-11-25T00:00").await;
    assert_eq!(ended(&practice, TEMPLATE, "2026-11-24T20:00").await, done());
}

async fn what_was_asked_for_and_is_open_is_reminded_of(app: TestApp) {
    let practice = evaluation(&app).await;
    ask(&practice, "2026-11-23T00:00").await;
    assert_eq!(ended(&practice, TEMPLATE, "2026-11-24T20:00").await.0, "accepted");
}

async fn what_was_answered_is_not_reminded_of(app: TestApp) {
    let practice = evaluation(&app).await;
    let asked = ask(&practice, "2026-11-22T14:00").await;
    let form = json!({"measure_id": "gad-2", "version": "1.0.0", "language": "en", "assignment_id": id_of(&asked),
        "answers": [{"item": "gad2.1", "choice": "0"}, {"item": "gad2.2", "choice": "1"}]});
    practice.ana.post("/v1/measure-responses", &form).await.expect(201);
    assert_eq!(ended(&practice, TEMPLATE, "2026-11-24T20:00").await, done());
}

async fn a_checklist_filled_in_today_is_not_asked_for_again(app: TestApp) {
    for (hours_before, filled_in) in [(20, true), (30, false)] {
        let practice = Practice::open(&app).await;
        let starts_at = app.now() + Duration::days(7);
        let body = json!({"kind": "dosing", "route": "iv", "starts_at": starts_at.to_rfc3339()});
        practice.phone(&practice.ana, &format!("phone {hours_before}")).await;
        let path = format!("/v1/patients/{}/sessions", practice.ana.id);
        let session: uuid::Uuid = id_of(&practice.bo.post(&path, &body).await.expect(201)).parse().unwrap();
        let rows = practice.rows_of(&practice.ana, session).await;
        let due =
            rows.iter().find(|row| row.template_id.as_deref() == Some("dosing-checklist")).unwrap().due_at;
        practice.live_until(&practice.ana, due - Duration::hours(hours_before)).await;
        let form = json!({"measure_id": "pre-session-check", "version": "1.0.0", "language": "en",
            "answers": [{"item": "pre.readiness", "number": 8}]});
        practice.ana.post("/v1/measure-responses", &form).await.expect(201);
        practice.live_until(&practice.ana, due + Duration::hours(1)).await;
        let rows = practice.rows_of(&practice.ana, session).await;
        let row = rows.iter().find(|row| row.template_id.as_deref() == Some("dosing-checklist")).unwrap();
        let state = if filled_in { "suppressed" } else { "accepted" };
        assert_eq!(end(row).0, state, "filled in {hours_before} hours before");
        practice.live_until(&practice.ana, starts_at + Duration::days(3)).await;
    }
}
