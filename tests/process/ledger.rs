//! What the patient wants and does between planning and sending decides, and the ledger says why.

use chrono::Duration;
use serde_json::json;

use crate::{
    harness::{TestApp, both_engines},
    practice::{Practice, end, local, nothing_of},
};

both_engines![
    whoever_paused_is_not_reminded,
    whoever_withdrew_consent_is_not_reminded,
    a_closed_account_is_not_reminded,
    whoever_has_just_checked_in_is_not_asked_to,
    a_deleted_reminder_does_not_come,
    a_prompt_before_the_day_begins_waits_for_it,
    a_prompt_in_the_night_is_kept_back,
    a_third_prompt_of_a_day_is_kept_back,
    nobody_without_a_device_is_forgotten_by_the_ledger,
];

/// What the ledger says about the first line, after a tick at two o'clock at which nothing was sent.
async fn unsent(practice: &Practice) -> (String, String) {
    practice.at("2026-11-22T14:00");
    let report = practice.tick().await;
    assert_eq!((report.claimed, report.accepted), (1, 0));
    assert_eq!(practice.push.received().len(), 0);
    practice.reads(&practice.ana).await.remove(0)
}

fn suppressed(reason: &str) -> (String, String) {
    ("suppressed".to_owned(), reason.to_owned())
}

async fn at_two(app: &TestApp) -> Practice {
    let practice = Practice::open(app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.daily(&practice.ana, "14:00").await;
    practice
}

async fn whoever_paused_is_not_reminded(app: TestApp) {
    let practice = at_two(&app).await;
    let until = local("2026-11-22T18:00");
    let now = app.now();
    app.execute(
        "INSERT INTO delivery_policies (patient_id, version, sync_seq, policy, paused_until, updated_at) \
         VALUES ($1, 1, 1, '{}', $2, $3)",
        vec![practice.ana.id.into(), until.into(), now.into()],
    )
    .await;
    assert_eq!(unsent(&practice).await, suppressed("paused"));
    let sent = practice.live_until(&practice.ana, local("2026-11-23T20:00")).await;
    assert_eq!(sent.len(), 1, "a pause ends");
}

async fn whoever_withdrew_consent_is_not_reminded(app: TestApp) {
    let practice = at_two(&app).await;
    let consent = app.state.random.uuid_v7(app.now());
    app.execute(
        "INSERT INTO consents (patient_id, id, purpose, text_version, locale, given_at, withdrawn_at) \
         VALUES ($1, $2, 'reminders', '1', 'en', $3, $4)",
        vec![
            practice.ana.id.into(),
            consent.into(),
            (app.now() - Duration::days(1)).into(),
            app.now().into(),
        ],
    )
    .await;
    assert_eq!(unsent(&practice).await, suppressed("consent_withdrawn"));
}

async fn a_closed_account_is_not_reminded(app: TestApp) {
    let practice = at_two(&app).await;
    app.execute("UPDATE accounts SET state = 'closed' WHERE id = $1", vec![practice.ana.id.into()]).await;
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.suppressed, 1);
    assert_eq!(practice.push.received().len(), 0);
    assert_eq!(end(&practice.rows(&practice.ana).await[0]), ("suppressed", "account_closed"));
}

async fn whoever_has_just_checked_in_is_not_asked_to(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.every_day(&practice.ana, "measure", "14:00").await;
    practice.ana.checkin(6).await;
    assert_eq!(unsent(&practice).await, suppressed("already_done"));
    let sent = practice.live_until(&practice.ana, local("2026-11-23T20:00")).await;
    assert_eq!(sent.len(), 1, "tomorrow is another day");
}

async fn a_deleted_reminder_does_not_come(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.ana.delete_at(&format!("/v1/reminders/{rule}"), 1).await.expect(204);
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.claimed, 0);
    assert_eq!(end(&practice.first(&practice.ana, rule).await), ("cancelled", "superseded"));
}

async fn a_prompt_before_the_day_begins_waits_for_it(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.daily(&practice.ana, "07:30").await;
    practice.at("2026-11-23T07:59");
    assert_eq!(practice.tick().await.claimed, 0);
    practice.at("2026-11-23T08:00");
    assert_eq!(practice.tick().await.accepted, 1);
}

async fn a_prompt_in_the_night_is_kept_back(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "22:00").await;
    nothing_of(&practice.live_until(&practice.ana, local("2026-11-25T12:00")).await);
    assert_eq!(practice.push.received().len(), 0);
    let rows = practice.rows_of(&practice.ana, rule).await;
    let ends: Vec<_> = rows.iter().map(end).collect();
    assert_eq!(ends[..3], [("suppressed", "quiet_hours"); 3]);
    assert_eq!(ends[3..], [("planned", "")]);
}

async fn a_third_prompt_of_a_day_is_kept_back(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    for time in ["14:00", "15:00", "16:00"] {
        practice.daily(&practice.ana, time).await;
    }
    let sent = practice.live_until(&practice.ana, local("2026-11-22T20:00")).await;
    assert_eq!(sent.len(), 2);
    assert_eq!(practice.reads(&practice.ana).await[2], suppressed("daily_cap"));
    let sent = practice.live_until(&practice.ana, local("2026-11-23T20:00")).await;
    assert_eq!(sent.len(), 2, "every day has its own cap");
    assert_eq!(practice.push.received().len(), 4);
}

async fn nobody_without_a_device_is_forgotten_by_the_ledger(app: TestApp) {
    let practice = Practice::open(&app).await;
    let body = json!({"kind": "daily", "time": "14:00"});
    practice.rule(&practice.ana, "mindfulness", &body).await;
    assert_eq!(unsent(&practice).await, suppressed("no_device"));
    practice.phone(&practice.ana, "phone").await;
    let sent = practice.live_until(&practice.ana, local("2026-11-23T20:00")).await;
    assert_eq!(sent.len(), 1, "a new device gets the next one");
}
