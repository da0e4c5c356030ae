//! What happens to an account is told to the patient's devices.

use afterglow::demo::receiver::Received;
use axum::http::Method;
use chrono::Duration;
use serde_json::json;

use crate::{
    harness::{PASSWORD, TestApp, both_engines, email},
    practice::{Practice, flaws},
};

both_engines![a_new_device_and_a_recovery_are_told_on_the_other_devices_whatever_is_paused];

async fn a_new_device_and_a_recovery_are_told_on_the_other_devices_whatever_is_paused(app: TestApp) {
    let practice = Practice::open(&app).await;
    let (ana, bo) = (&practice.ana, &practice.bo);
    practice.phone(ana, "hers").await;
    practice.phone(bo, "his").await;
    // At night, in a pause, and without the consent to reminders.
    practice.at("2026-11-23T03:00");
    ana.put("/v1/me/pause", &json!({"until": app.now() + Duration::days(9)})).await.expect(200);
    let withdrawn = json!({"purpose": "reminders", "decision": "withdrawn"});
    ana.post("/v1/consents", &withdrawn).await.expect(201);
    let told = async || -> Vec<Received> {
        while practice.tick().await.claimed > 0 {}
        practice.push.received()
    };
    let before = told().await.len();
    let body = json!({"email": email("ana"), "password": PASSWORD});
    let pair = app.anon().post("/v1/auth/login", &body).await.expect(200);
    let pushes = told().await;
    assert_eq!(pushes.len(), before + 1);
    let push = &pushes[before];
    assert_eq!((push.device.as_str(), flaws(push)), ("hers", &[][..]));
    assert_eq!(push.plaintext_json["notification"]["title"], "Please check your account");
    let text = push.plaintext_json.to_string();
    assert!(!text.contains("ana") && !text.contains("device_name"), "{text}");
    // A device that is known is no news, and staff have their mails.
    let known = json!({"email": email("ana"), "password": PASSWORD, "device_secret": pair["device_secret"]});
    app.anon().post("/v1/auth/login", &known).await.expect(200);
    app.log_in("bo").await;
    assert_eq!(told().await.len(), before + 1);
    // A code of the front desk, and the wait that it begins without one of her own.
    let path = format!("/v1/patients/{}/recovery", ana.id);
    let code = bo.request(Method::POST, &path).await.send().await.expect(201)["code"].clone();
    assert_eq!(told().await.len(), before + 2);
    let body = json!({"email": email("ana"), "code": code, "password": "lantern orchard granite sparrow"});
    app.anon().post("/v1/auth/recovery", &body).await.expect(200);
    app.anon().post("/v1/auth/recovery", &body).await.expect(200);
    assert_eq!(told().await.len(), before + 3);
    // Whoever gets in and withdraws the consent does not take the notice along.
    let given = json!({"purpose": "reminders", "decision": "given", "text_version": "1"});
    ana.post("/v1/consents", &given).await.expect(201);
    let body = json!({"email": email("ana"), "password": PASSWORD});
    app.anon().post("/v1/auth/login", &body).await.expect(200);
    ana.post("/v1/consents", &withdrawn).await.expect(201);
    assert_eq!(told().await.len(), before + 4);
    assert!(practice.reads(ana).await.iter().all(|(state, _)| state == "accepted" || state == "cancelled"));
}
