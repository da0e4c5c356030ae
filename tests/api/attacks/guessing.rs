//! Guessing at passwords and codes, and shutting somebody out by it.

use axum::http::Method;
use chrono::Duration;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Beside, PASSWORD, Person, Reply, TestApp, both_engines, email};

both_engines![
    a4_one_code_fifty_times_at_once_logs_in_once,
    a4_one_recovery_code_fifty_times_at_once_logs_in_once,
    a4_ten_thousand_guesses_at_a_code_are_stopped,
    a4_guesses_are_counted_across_replicas,
    a4_strangers_cannot_lock_the_owner_out_of_a_known_device,
    a4_guesses_from_many_networks_are_counted_together,
    a4_guesses_at_everybody_are_stopped_and_known_devices_still_log_in,
    a4_a_stolen_device_secret_opens_nothing_and_is_counted_too,
    a4_refused_logins_are_in_the_chain,
    a4_guesses_beyond_the_limit_of_all_write_nothing,
    a4_a_device_that_its_owner_ended_is_a_strangers,
    a4_a_changed_password_leaves_one_device_known,
    a4_a_reset_password_leaves_no_device_known_and_its_owner_gets_in,
];

async fn log_in(app: &TestApp, body: &Value) -> Reply {
    app.anon().post("/v1/auth/login", body).await
}

fn with(name: &str, password: &str, more: Value) -> Value {
    let mut body = json!({"email": email(name), "password": password});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Fifty at once; how many were let in.
async fn at_once(app: &TestApp, body: Value) -> usize {
    let asked = (0..50).map(|_| {
        let (app, body) = (app.clone(), body.clone());
        tokio::spawn(async move { log_in(&app, &body).await })
    });
    let replies = join_all(asked).await.into_iter().map(Result::unwrap);
    replies
        .map(|reply| reply.status.as_u16())
        .inspect(|status| assert!([200, 401, 429, 503].contains(status), "{status}"))
        .filter(|status| *status == 200)
        .count()
}

/// A process behind a proxy that it trusts, so that a request can come from anywhere.
async fn behind_a_proxy(app: &TestApp) -> Beside {
    app.beside_with(&app.keys, |config| config.server.trusted_proxies = vec!["0.0.0.0".parse().unwrap()])
        .await
}

async fn from(proxy: &Beside, network: usize, body: &Value) -> u16 {
    let request = proxy.request(Method::POST, "/v1/auth/login", "none").json(body);
    let address = format!("198.51.{}.{}", network / 250, network % 250);
    request.header("x-forwarded-for", &address).send().await.status.as_u16()
}

async fn a4_one_code_fifty_times_at_once_logs_in_once(app: TestApp) {
    app.therapist("bo").await;
    for _ in 0..3 {
        let code = json!({"totp_code": app.totp_code()});
        assert_eq!(at_once(&app, with("bo", PASSWORD, code)).await, 1);
        app.advance(Duration::minutes(16));
    }
}

async fn a4_one_recovery_code_fifty_times_at_once_logs_in_once(app: TestApp) {
    let ana = app.patient("ana").await;
    let begun = ana.request(Method::POST, "/v1/auth/totp").await.send().await.expect(200);
    let seed = data_encoding::BASE32_NOPAD.decode(begun["secret"].as_str().unwrap().as_bytes()).unwrap();
    let code = json!({"code": crate::harness::code_of(&seed, app.now())});
    let codes = ana.post("/v1/auth/totp/confirm", &code).await.expect(200);
    let code = json!({"recovery_code": codes["recovery_codes"][3]});
    assert_eq!(at_once(&app, with("ana", PASSWORD, code)).await, 1);
}

/// Whoever has the password and guesses on, quarter hour after quarter hour, gets fifty guesses a day.
async fn a4_ten_thousand_guesses_at_a_code_are_stopped(app: TestApp) {
    app.therapist("bo").await;
    let right = app.totp_code();
    let (mut asked, mut tried) = (0, 0);
    while asked < 10_000 {
        // Of each quarter hour, enough to see that the rest is stopped as well.
        for _ in 0..12 {
            let wrong = if right == "000000" { "000001" } else { "000000" };
            let reply = log_in(&app, &with("bo", PASSWORD, json!({ "totp_code": wrong }))).await;
            match reply.status.as_u16() {
                401 => tried += 1,
                429 => {}
                other => panic!("{other}"),
            }
        }
        asked += 112;
        app.advance(Duration::minutes(15));
    }
    assert!((40..=60).contains(&tried), "{tried} guesses were looked at within a day");
    let code = json!({"totp_code": app.totp_code()});
    log_in(&app, &with("bo", PASSWORD, code)).await.refused(429, "too_many_attempts");
    app.advance(Duration::hours(24));
    let code = json!({"totp_code": app.totp_code()});
    log_in(&app, &with("bo", PASSWORD, code)).await.expect(200);
}

async fn a4_guesses_are_counted_across_replicas(app: TestApp) {
    app.patient("ana").await;
    let replicas = [app.beside().await, app.beside().await, app.beside().await];
    let wrong = with("ana", "wrong harbour copper meadow", json!({}));
    let mut looked_at = 0;
    for turn in 0..30 {
        let request = replicas[turn % 3].request(Method::POST, "/v1/auth/login", "none").json(&wrong);
        looked_at += usize::from(request.send().await.status == 401);
    }
    assert_eq!(looked_at, 10);
}

async fn a4_strangers_cannot_lock_the_owner_out_of_a_known_device(app: TestApp) {
    app.patient("ana").await;
    let pair = log_in(&app, &with("ana", PASSWORD, json!({}))).await.expect(200);
    let known = json!({"device_secret": pair["device_secret"]});
    for _ in 0..11 {
        log_in(&app, &with("ana", "wrong harbour copper meadow", json!({}))).await;
    }
    log_in(&app, &with("ana", PASSWORD, json!({}))).await.refused(429, "too_many_attempts");
    let again = log_in(&app, &with("ana", PASSWORD, known.clone())).await.expect(200);
    assert!(again.get("device_secret").is_none(), "it has one");
    // Also when it was logged out.
    let device = app.person("ana", &again);
    device.request(Method::POST, "/v1/auth/logout").await.send().await.expect(204);
    log_in(&app, &with("ana", PASSWORD, known.clone())).await.expect(200);
    // It knows one account.
    app.patient("ben").await;
    for _ in 0..11 {
        log_in(&app, &with("ben", "wrong harbour copper meadow", json!({}))).await;
    }
    log_in(&app, &with("ben", PASSWORD, known)).await.refused(429, "too_many_attempts");
}

async fn a4_guesses_from_many_networks_are_counted_together(app: TestApp) {
    app.patient("ana").await;
    let pair = log_in(&app, &with("ana", PASSWORD, json!({}))).await.expect(200);
    let wrong = with("ana", "wrong harbour copper meadow", json!({}));
    let (proxy, mut looked_at) = (behind_a_proxy(&app).await, 0);
    for network in 0..60 {
        looked_at += usize::from(from(&proxy, network, &wrong).await == 401);
    }
    assert!((45..=50).contains(&looked_at), "{looked_at}");
    let known = json!({"device_secret": pair["device_secret"]});
    assert_eq!(from(&proxy, 61, &with("ana", PASSWORD, json!({}))).await, 429);
    assert_eq!(from(&proxy, 61, &with("ana", PASSWORD, known)).await, 200);
}

async fn a4_guesses_at_everybody_are_stopped_and_known_devices_still_log_in(app: TestApp) {
    app.patient("ana").await;
    let pair = log_in(&app, &with("ana", PASSWORD, json!({}))).await.expect(200);
    let overall = app.state.limits_mac.sign(&[b"overall"]).to_vec();
    let full = app
        .execute("UPDATE login_attempts SET attempts = 10000 WHERE bucket = $1", vec![overall.into()])
        .await;
    assert_eq!(full.rows_affected(), 1);
    log_in(&app, &with("ana", PASSWORD, json!({}))).await.refused(429, "too_many_attempts");
    log_in(&app, &with("ana", PASSWORD, json!({"device_secret": pair["device_secret"]}))).await.expect(200);
}

async fn a4_a_stolen_device_secret_opens_nothing_and_is_counted_too(app: TestApp) {
    app.patient("ana").await;
    let pair = log_in(&app, &with("ana", PASSWORD, json!({}))).await.expect(200);
    let stolen = json!({"device_secret": pair["device_secret"]});
    let mut looked_at = 0;
    for _ in 0..20 {
        let reply = log_in(&app, &with("ana", "wrong harbour copper meadow", stolen.clone())).await;
        looked_at += usize::from(reply.status == 401);
    }
    assert_eq!(looked_at, 10);
    let bytes = app.store.everything(app.conn()).await;
    let secret = pair["device_secret"].as_str().unwrap().as_bytes();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret), "it is kept in clear");
}

async fn a4_refused_logins_are_in_the_chain(app: TestApp) {
    let ana = app.patient("ana").await;
    log_in(&app, &with("ana", "wrong harbour copper meadow", json!({}))).await.expect(401);
    log_in(&app, &with("nobody", PASSWORD, json!({}))).await.expect(401);
    let sql = "SELECT resource FROM audit_events WHERE action = 'accounts.login' AND outcome = 'refused' ORDER BY seq";
    let rows = app.query(sql, vec![]).await;
    let noted: Vec<String> = rows.iter().map(|row| row.try_get("", "resource").unwrap()).collect();
    let nobody = uuid::Uuid::nil();
    assert_eq!(noted, [format!("accounts/{}", ana.id), format!("accounts/{nobody}")]);
}

async fn a4_guesses_beyond_the_limit_of_all_write_nothing(app: TestApp) {
    let guess = json!({"email": "nobody@example.org", "password": PASSWORD});
    let counts = async || {
        let rows = app.query("SELECT attempts FROM login_attempts ORDER BY attempts", vec![]).await;
        let attempts: Vec<i32> = rows.iter().map(|row| row.try_get("", "attempts").unwrap()).collect();
        (attempts, app.count("audit_events").await)
    };
    for (bucket, most) in [("overall", 10_000), ("network", 300)] {
        app.advance(Duration::hours(25));
        log_in(&app, &guess).await.refused(401, "wrong_credentials");
        let parts: &[&[u8]] = if bucket == "overall" { &[b"overall"] } else { &[b"network", b"0.0.0.0/32"] };
        let key = app.state.limits_mac.sign(parts).to_vec();
        let fill = "UPDATE login_attempts SET attempts = $2 WHERE bucket = $1";
        app.execute(fill, vec![key.into(), most.into()]).await;
        let before = counts().await;
        assert!(before.0.contains(&most), "{bucket}: {before:?}");
        for _ in 0..3 {
            let stopped = log_in(&app, &guess).await;
            let seconds: i64 = stopped.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=900).contains(&seconds), "{seconds}");
            stopped.refused(429, "too_many_attempts");
        }
        assert_eq!(counts().await, before, "{bucket}");
    }
}

/// Ana on two devices, each with what it is known by, while strangers guess at her password.
async fn besieged(app: &TestApp) -> [(Person, Value); 2] {
    app.patient("ana").await;
    let mut devices = Vec::new();
    for _ in 0..2 {
        app.advance(Duration::seconds(1));
        let pair = log_in(app, &with("ana", PASSWORD, json!({}))).await.expect(200);
        devices.push((app.person("ana", &pair), json!({"device_secret": pair["device_secret"]})));
    }
    for _ in 0..11 {
        log_in(app, &with("ana", "wrong harbour copper meadow", json!({}))).await;
    }
    devices.try_into().unwrap_or_else(|_| panic!("there are two"))
}

async fn a4_a_device_that_its_owner_ended_is_a_strangers(app: TestApp) {
    let [(phone, held), (_, lost)] = besieged(&app).await;
    let devices = phone.get("/v1/auth/devices").await.expect(200);
    let latest = devices["items"][0]["id"].as_str().unwrap();
    phone.delete(&format!("/v1/auth/devices/{latest}")).await.expect(204);
    log_in(&app, &with("ana", PASSWORD, lost)).await.refused(429, "too_many_attempts");
    log_in(&app, &with("ana", PASSWORD, held)).await.expect(200);
}

async fn a4_a_changed_password_leaves_one_device_known(app: TestApp) {
    let [(phone, held), (_, lost)] = besieged(&app).await;
    let changed = "lantern orchard granite sparrow";
    phone.post("/v1/auth/password", &json!({ "password": changed })).await.expect(204);
    log_in(&app, &with("ana", changed, lost)).await.refused(429, "too_many_attempts");
    log_in(&app, &with("ana", changed, held)).await.expect(200);
}

async fn a4_a_reset_password_leaves_no_device_known_and_its_owner_gets_in(app: TestApp) {
    let [_, (_, lost)] = besieged(&app).await;
    let (proxy, wrong) = (behind_a_proxy(&app).await, with("ana", "wrong harbour copper meadow", json!({})));
    // From all the world they use up what there is for her address.
    let use_up = async |networks: std::ops::Range<usize>| {
        for network in networks {
            from(&proxy, network, &wrong).await;
        }
    };
    use_up(0..60).await;
    assert_eq!(from(&proxy, 61, &with("ana", PASSWORD, json!({}))).await, 429);
    app.anon().post("/v1/auth/password-reset", &json!({"email": email("ana")})).await.expect(202);
    let (token, changed) = (crate::recovery::token(&app).await, "lantern orchard granite sparrow");
    let body = json!({"token": token, "password": changed});
    app.anon().post("/v1/auth/password-reset/confirm", &body).await.expect(204);
    assert_eq!(from(&proxy, 62, &with("ana", changed, json!({}))).await, 200, "she is let in once");
    use_up(100..160).await;
    assert_eq!(from(&proxy, 63, &with("ana", changed, lost)).await, 429, "it is known no more");
}
