//! The therapist's side: who is in their care, what waits for their review, and what calls for them.

mod alerts;
mod digest;
mod handover;
mod queue;
mod roster;
mod stopped;

use afterglow::{demo::receiver::PushReceiver, scheduler};
use axum::http::Method;
use chrono::{DateTime, Utc};
use serde_json::json;

pub use roster::copy_of;

use crate::harness::{Person, Reply, TestApp};

/// A response policy with these hours on every day: the care team at once, this member after half an hour, the clinic's
/// line after one and a half.
pub async fn night(app: &TestApp, covering: &Person, opens: &str, closes: &str) {
    let admin = app.admin().await;
    let version = admin.get("/v1/clinic").await.expect(200)["version"].as_i64().unwrap();
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let hours = days.map(|day| json!({"weekday": day, "opens": opens, "closes": closes}));
    let policy = json!({
        "hours": hours,
        "steps": [
            {"to": "care_team", "after_minutes": 0},
            {"to": "covering_clinician", "after_minutes": 30},
            {"to": "clinic_line", "after_minutes": 90},
        ],
        "covering_member_id": covering.id,
        "line_phone": "+49 30 901820",
        "text": "Whoever acknowledges an alert calls the patient.",
    });
    let request = admin.request(Method::PUT, "/v1/clinic/response-policy").await.if_match(version);
    request.json(&policy).send().await.expect(200);
}

/// A phone of somebody's.
pub async fn register(who: &Person, push: &PushReceiver) {
    let device = push.subscribe("phone");
    let keys = json!({"p256dh": device.p256dh, "auth": device.auth});
    let body = json!({"endpoint": device.endpoint, "keys": keys});
    who.post("/v1/push/subscriptions", &body).await.expect(201);
}

/// Sends everything that is due.
pub async fn tick(app: &TestApp) {
    while scheduler::tick(&app.state).await.unwrap().claimed > 0 {}
}

/// Asks that somebody stand in.
pub async fn cover(who: &Person, covering: &Person, from: DateTime<Utc>, to: DateTime<Utc>) -> Reply {
    let body = json!({"covering_member_id": covering.id, "starts_at": from, "ends_at": to});
    who.post("/v1/covers", &body).await
}
