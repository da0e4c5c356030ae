//! A factor given anew, and the password changed after it.

use axum::http::Method;
use chrono::Duration;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{PASSWORD, Person, Reply, TestApp, both_engines, email};

both_engines![
    a_fresh_factor_opens_what_needs_one_for_five_minutes,
    a_wrong_factor_opens_nothing_and_guessing_is_stopped,
    a4_guesses_at_a_code_on_an_open_device_are_stopped_for_the_day,
    a_changed_password_ends_every_other_login_on_every_replica,
    a_changed_password_counts_at_once_and_is_told_by_mail,
    of_two_devices_that_change_the_password_at_once_one_is_logged_out,
    a_weak_password_is_refused_whoever_chooses_it,
    a_password_is_the_same_however_its_accents_are_typed,
    a_passphrase_is_offered_in_the_readers_language,
];

const OTHER: &str = "lantern orchard granite sparrow";

async fn prove(who: &Person, password: &str) -> Reply {
    who.post("/v1/auth/reauthenticate", &json!({ "password": password })).await
}

async fn change(who: &Person, password: &str) -> Reply {
    who.post("/v1/auth/password", &json!({ "password": password })).await
}

async fn log_in(app: &TestApp, name: &str, password: &str) -> Reply {
    app.anon().post("/v1/auth/login", &json!({"email": email(name), "password": password})).await
}

/// Lets time pass while the device stays logged in as it is.
async fn wait(app: &TestApp, who: &Person, time: Duration) -> Person {
    app.advance(time);
    let token = json!({"refresh_token": who.refresh_token()});
    let pair = app.anon().post("/v1/auth/refresh", &token).await.expect(200);
    app.person(&who.name, &pair)
}

async fn a_fresh_factor_opens_what_needs_one_for_five_minutes(app: TestApp) {
    let ana = app.patient("ana").await;
    let ana = wait(&app, &ana, Duration::minutes(6)).await;
    change(&ana, OTHER).await.refused(403, "step_up_required");
    ana.request(Method::POST, "/v1/me/erasure").await.send().await.refused(403, "step_up_required");
    prove(&ana, PASSWORD).await.expect(204);
    let ana = wait(&app, &ana, Duration::minutes(5)).await;
    change(&ana, OTHER).await.expect(204);
    let ana = wait(&app, &ana, Duration::seconds(1)).await;
    change(&ana, PASSWORD).await.refused(403, "step_up_required");
}

async fn a_wrong_factor_opens_nothing_and_guessing_is_stopped(app: TestApp) {
    let ana = app.patient("ana").await;
    let ana = wait(&app, &ana, Duration::minutes(6)).await;
    for _ in 0..10 {
        prove(&ana, "wrong harbour copper meadow").await.refused(403, "wrong_factor");
    }
    change(&ana, OTHER).await.refused(403, "step_up_required");
    prove(&ana, PASSWORD).await.refused(429, "too_many_attempts");
    let ana = wait(&app, &ana, Duration::minutes(15)).await;
    prove(&ana, PASSWORD).await.expect(204);
    change(&ana, OTHER).await.expect(204);
}

async fn a4_guesses_at_a_code_on_an_open_device_are_stopped_for_the_day(app: TestApp) {
    let mut bo = app.therapist("bo").await;
    let code = async |who: &Person, code: &str| {
        who.post("/v1/auth/reauthenticate", &json!({ "totp_code": code })).await
    };
    // Right ones are no guesses.
    for _ in 0..3 {
        bo = wait(&app, &bo, Duration::minutes(1)).await;
        code(&bo, &app.totp_code()).await.expect(204);
    }
    let mut tried = 0;
    for _ in 0..8 {
        bo = wait(&app, &bo, Duration::minutes(16)).await;
        let wrong = if app.totp_code() == "000000" { "000001" } else { "000000" };
        for _ in 0..10 {
            tried += usize::from(code(&bo, wrong).await.status == 403);
        }
    }
    assert_eq!(tried, 50);
    bo = wait(&app, &bo, Duration::minutes(16)).await;
    let stopped = code(&bo, &app.totp_code()).await;
    let seconds: i64 = stopped.headers["retry-after"].to_str().unwrap().parse().unwrap();
    stopped.refused(429, "too_many_attempts");
    assert!(seconds > 3_600, "{seconds}");
}

async fn a_changed_password_ends_every_other_login_on_every_replica(app: TestApp) {
    let ana = app.patient("ana").await;
    let other = app.log_in("ana").await;
    for (device, name) in [(&ana, "one"), (&other, "two")] {
        let body = crate::authz::subscription(&format!("http://127.0.0.1:65530/{name}"));
        device.post("/v1/push/subscriptions", &body).await.expect(201);
    }
    let replica = app.beside().await;
    let asked =
        async |token: &str| replica.request(Method::GET, "/v1/me", token).send().await.status.as_u16();
    assert_eq!(asked(&other.access_token()).await, 200);
    change(&ana, OTHER).await.expect(204);
    assert_eq!((asked(&other.access_token()).await, asked(&ana.access_token()).await), (401, 200));
    let token = json!({"refresh_token": other.refresh_token()});
    app.anon().post("/v1/auth/refresh", &token).await.refused(401, "unauthenticated");
    assert_eq!(app.count("push_subscriptions").await, 1);
    assert_eq!(ana.get("/v1/auth/devices").await.expect(200)["items"].as_array().unwrap().len(), 1);
    wait(&app, &ana, Duration::minutes(9)).await.get("/v1/me").await.expect(200);
}

async fn a_changed_password_counts_at_once_and_is_told_by_mail(app: TestApp) {
    let ana = app.patient("ana").await;
    change(&ana, OTHER).await.expect(204);
    log_in(&app, "ana", PASSWORD).await.refused(401, "wrong_credentials");
    log_in(&app, "ana", OTHER).await.expect(200);
    let mails = app.mails().await;
    assert!(mails.iter().any(|mail| mail.contains("Subject: Your password was changed")), "{mails:?}");
    let rows =
        app.query("SELECT 1 AS n FROM audit_events WHERE action = 'accounts.change_password'", vec![]).await;
    assert_eq!(rows.len(), 1);
}

async fn of_two_devices_that_change_the_password_at_once_one_is_logged_out(app: TestApp) {
    let ana = app.patient("ana").await;
    let other = app.log_in("ana").await;
    let asked =
        [(ana.clone(), OTHER), (other.clone(), "willow kettle marble compass")].map(|(device, password)| {
            tokio::spawn(async move { change(&device, password).await.status.as_u16() })
        });
    let mut answers: Vec<u16> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    answers.sort_unstable();
    assert_eq!(answers, [204, 401]);
    let alive =
        app.query("SELECT id FROM logins WHERE revoked_at IS NULL AND account_id = $1", vec![ana.id.into()]);
    assert_eq!(alive.await.len(), 1);
}

async fn a_weak_password_is_refused_whoever_chooses_it(app: TestApp) {
    let ana = app.patient("ana").await;
    for weak in ["short", "moss.kettle", "passwordpassword", "ana@example.org1", "1q2w3e4r5t6y7u8i"] {
        change(&ana, weak).await.invalid("/password");
    }
    change(&ana, &"x".repeat(257)).await.invalid("/password");
    log_in(&app, "ana", PASSWORD).await.expect(200);
    for strong in ["барсук варит тыквенный суп", "🌊🦊🍂🪵 und ein Zitronenbaum", OTHER]
    {
        change(&ana, strong).await.expect(204);
        log_in(&app, "ana", strong).await.expect(200);
    }
}

async fn a_password_is_the_same_however_its_accents_are_typed(app: TestApp) {
    let ana = app.patient("ana").await;
    change(&ana, "e\u{301}ramos tres ballenas azules").await.expect(204);
    log_in(&app, "ana", "\u{e9}ramos tres ballenas azules").await.expect(200);
    log_in(&app, "ana", "eramos tres ballenas azules").await.refused(401, "wrong_credentials");
}

async fn a_passphrase_is_offered_in_the_readers_language(app: TestApp) {
    let phrase = async |language: &str| {
        let request = app.anon().request(Method::GET, "/v1/auth/passphrase").await;
        let reply = request.header("accept-language", language).send().await;
        assert_eq!(reply.headers["content-language"], language);
        assert_eq!(reply.headers["cache-control"], "no-store");
        reply.expect(200)["passphrase"].as_str().unwrap().to_owned()
    };
    let (one, other) = (phrase("en").await, phrase("es").await);
    assert_ne!(one, phrase("en").await);
    let ana = app.patient("ana").await;
    for phrase in [one, other] {
        assert_eq!(phrase.split(' ').count(), 5);
        change(&ana, &phrase).await.expect(204);
    }
}
