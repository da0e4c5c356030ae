//! Whoever asks for what they may not have stands in the audit chain, and gets their refusal only then.

use sea_orm::QueryResult;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Person, TestApp, both_engines};

both_engines![
    what_staff_may_not_have_is_recorded,
    patients_are_recorded_where_they_have_no_business,
    the_patient_reads_who_asked_in_vain,
    nobody_is_refused_or_answered_without_a_record,
];

#[derive(Debug, PartialEq)]
struct Refusal {
    actor: Uuid,
    subject: Option<Uuid>,
    resource: String,
}

async fn refusals(app: &TestApp) -> Vec<Refusal> {
    let sql = "SELECT actor_id, subject_id, resource FROM audit_events \
        WHERE action = 'care.refused' AND outcome = 'refused' ORDER BY at, stream, seq";
    let row = |row: &QueryResult| Refusal {
        actor: row.try_get("", "actor_id").unwrap(),
        subject: row.try_get("", "subject_id").unwrap(),
        resource: row.try_get("", "resource").unwrap(),
    };
    app.query(sql, vec![]).await.iter().map(row).collect()
}

fn refused(actor: &Person, subject: Option<Uuid>, resource: String) -> Refusal {
    Refusal { actor: actor.id, subject, resource }
}

async fn what_staff_may_not_have_is_recorded(app: TestApp) {
    let (bo, eve) = (app.therapist("bo").await, app.therapist("eve").await);
    let (mallory, admin) = (app.therapist_of("elsewhere", "mallory").await, app.admin().await);
    let ana = app.patient_of(&bo, "ana").await;
    let (nobody, entry) = (Uuid::from_u128(7), ana.entry("kept to herself").await);
    let entries = |patient: Uuid| format!("/v1/patients/{patient}/journal/entries");
    let mut wanted = Vec::new();
    for (who, path, subject) in [
        (&eve, entries(ana.id), Some(ana.id)),
        (&eve, entries(nobody), None),
        // The chain of one clinic names nobody of another.
        (&mallory, entries(ana.id), None),
        (&bo, format!("{}/{entry}", entries(ana.id)), Some(ana.id)),
        (&bo, format!("/v1/patients/{}/goals/{nobody}", ana.id), Some(ana.id)),
    ] {
        who.get(&path).await.refused(404, "not_found");
        wanted.push(refused(who, subject, format!("GET {path}")));
        app.advance(chrono::Duration::milliseconds(1));
    }
    admin.get(&entries(ana.id)).await.refused(403, "forbidden_role");
    wanted.push(refused(&admin, Some(ana.id), format!("GET {}", entries(ana.id))));
    assert_eq!(refusals(&app).await, wanted);
    eve.get("/v1/patients/me/journal/entries").await.expect(422);
    eve.get("/v1/no/such/thing").await.expect(404);
    assert_eq!(refusals(&app).await.len(), wanted.len(), "what nobody could have meant is no attempt");
}

async fn patients_are_recorded_where_they_have_no_business(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let path = format!("/v1/patients/{}/digest", ben.id);
    ana.get(&path).await.refused(403, "forbidden_role");
    ana.get(&format!("/v1/checkins/{}", Uuid::from_u128(7))).await.refused(404, "not_found");
    assert_eq!(refusals(&app).await, [refused(&ana, Some(ben.id), format!("GET {path}"))]);
}

async fn the_patient_reads_who_asked_in_vain(app: TestApp) {
    let (ana, eve) = (app.patient("ana").await, app.therapist("eve").await);
    let path = format!("/v1/patients/{}/digest", ana.id);
    eve.get(&path).await.refused(404, "not_found");
    let log = ana.get("/v1/me/access-log").await.expect(200);
    let line = &log["items"][0];
    assert_eq!(
        [&line["member_id"], &line["action"], &line["resource"], &line["outcome"]],
        [&json!(eve.id), &json!("care.refused"), &json!(format!("GET {path}")), &json!("refused")]
    );
    assert_eq!(line["what"], "Asked for something of yours and got nothing");
}

async fn nobody_is_refused_or_answered_without_a_record(app: TestApp) {
    let (bo, eve) = (app.therapist("bo").await, app.therapist("eve").await);
    let ana = app.patient_of(&bo, "ana").await;
    let path = format!("/v1/patients/{}/journal/entries", ana.id);
    app.execute("ALTER TABLE audit_heads RENAME TO away", vec![]).await;
    for who in [&bo, &eve] {
        who.get(&path).await.refused(503, "unavailable");
    }
    app.execute("ALTER TABLE away RENAME TO audit_heads", vec![]).await;
    bo.get(&path).await.expect(200);
    eve.get(&path).await.refused(404, "not_found");
}
