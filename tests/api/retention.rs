//! What is kept for a time only.

use afterglow::retention::run;
use chrono::Duration;
use serde_json::json;

use crate::{
    erasure::ask,
    harness::{TestApp, both_engines},
    measures::form,
};

both_engines![
    what_is_over_goes_and_nothing_else,
    the_clinics_record_of_an_erased_patient_goes_after_its_years
];

async fn what_is_over_goes_and_nothing_else(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"mood": 5});
    ana.request(axum::http::Method::POST, "/v1/checkins")
        .await
        .key("once")
        .json(&body)
        .send()
        .await
        .expect(201);
    let kept = async || {
        let mut counts = Vec::new();
        for table in ["idempotency_keys", "logins", "invitations"] {
            counts.push(app.count(table).await > 0);
        }
        counts
    };
    run(&app.state).await.unwrap();
    assert_eq!(kept().await, [true; 3]);
    for (days, left) in [
        (2, [false, true, true]),
        // Ninety days unused, and ninety kept after that.
        (185, [false; 3]),
    ] {
        app.advance(Duration::days(days));
        run(&app.state).await.unwrap();
        assert_eq!(kept().await, left, "{days} days later");
    }
    assert_eq!(run(&app.state).await.unwrap(), 0);
    assert_eq!(app.count("checkins").await, 1, "what a patient wrote is theirs to delete");
    assert!(app.count("audit_events").await > 0);
}

async fn the_clinics_record_of_an_erased_patient_goes_after_its_years(app: TestApp) {
    let ana = app.patient("ana").await;
    ana.post("/v1/measure-responses", &form("phq-9", "333323301")).await.expect(201);
    assert!(app.count("alerts").await > 0);
    ask(&ana).await;
    app.advance(Duration::days(7));
    assert_eq!(afterglow::erasure::run_due(&app.state).await.unwrap(), 1);
    let record = async || {
        let sql = "SELECT COUNT(*) AS n FROM data_keys WHERE owner_kind = 'clinic_record'";
        app.query(sql, vec![]).await[0].try_get::<i64>("", "n").unwrap()
    };
    app.advance(Duration::days(365 * 10 - 1));
    run(&app.state).await.unwrap();
    assert!(app.count("alerts").await > 0 && record().await > 0);
    app.advance(Duration::days(2));
    assert!(run(&app.state).await.unwrap() > 0);
    assert_eq!((app.count("alerts").await, record().await), (0, 0));
    assert_eq!(app.count("erasures").await, 1, "the ledger stays");
}
