//! Registration, logins, devices, one's own account.

use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, TestApp, both_engines, email, registration};

both_engines![
    an_invited_patient_registers_and_is_in_care,
    what_is_wrong_with_a_registration_is_named,
    an_address_is_taken_once_and_nobody_learns_whose_it_is,
    a_wrong_password_and_an_unknown_address_answer_alike,
    too_many_wrong_passwords_are_stopped_and_time_heals,
    a_login_forgets_earlier_mistakes,
    devices_are_listed_and_ended_one_by_one,
    ending_a_device_ends_its_pushes,
    a_person_changes_name_zone_and_language,
    a_clock_follows_the_phone_or_stays_at_home,
    an_empty_change_changes_nothing,
    a_staff_login_ends_after_half_an_hour_without_use,
    a_hash_of_older_parameters_is_renewed_at_login,
    a_renewed_hash_brings_no_old_password_back,
    of_many_at_once_with_one_code_five_try_an_address,
    signing_keys_are_public_and_verify_tokens,
    the_page_to_try_the_api_on_keeps_no_token,
];

async fn login(app: &TestApp, email: &str, password: &str) -> crate::harness::Reply {
    app.anon().post("/v1/auth/login", &json!({"email": email, "password": password})).await
}

async fn an_invited_patient_registers_and_is_in_care(app: TestApp) {
    let bo = app.therapist("bo").await;
    let code = app.invite(&bo, &json!({"kind": "patient", "label": "Tuesday"})).await;
    let preview = app.anon().get(&format!("/v1/invitation-codes/{code}")).await.expect(200);
    assert_eq!((&preview["kind"], &preview["clinic_name"]), (&json!("patient"), &json!("home")));
    let reply = app
        .anon()
        .post("/v1/auth/register", &registration(&code.to_lowercase().replace('-', " "), "ana"))
        .await;
    assert_eq!(reply.headers["cache-control"], "no-store");
    let pair = reply.expect(201);
    assert_eq!((&pair["token_type"], &pair["expires_in"]), (&json!("Bearer"), &json!(600)));
    let ana = app.person("ana", &pair);
    let me = ana.get("/v1/me").await.expect(200);
    assert_eq!(
        (&me["kind"], &me["email"], &me["time_zone"]),
        (&json!("patient"), &json!(email("ana")), &json!("Europe/Berlin"))
    );
    let team = ana.get("/v1/care-team").await.expect(200);
    assert_eq!(team["items"][0]["member_id"], bo.id.to_string());
    assert_eq!(
        (&team["items"][0]["display_name"], &team["items"][0]["profession"]),
        (&json!("bo"), &json!("Psychotherapist"))
    );
    app.anon().get(&format!("/v1/invitation-codes/{code}")).await.refused(404, "not_found");
    app.anon().post("/v1/auth/register", &registration(&code, "ben")).await.invalid("/invitation_code");
}

async fn what_is_wrong_with_a_registration_is_named(app: TestApp) {
    let bo = app.therapist("bo").await;
    let code = app.invite(&bo, &json!({"kind": "patient"})).await;
    for (field, wrong) in [
        ("invitation_code", json!("")),
        ("invitation_code", json!("7K3M9-QX2VB-4")),
        ("invitation_code", json!("x".repeat(65))),
        ("email", json!("nobody")),
        ("email", json!("a b@example.org")),
        ("email", json!("@")),
        ("email", json!("a@b@c")),
        ("email", json!(format!("{}@example.org", "a".repeat(250)))),
        ("password", json!("short")),
        ("password", json!("aaaaaaaaaaaaaaaaaaaa")),
        ("password", json!("ana ana ana ana")),
        ("password", json!("x".repeat(257))),
        ("display_name", json!("   ")),
        ("display_name", json!("x".repeat(81))),
        ("time_zone", json!("Mars/Olympus")),
        ("time_zone", json!("+02:00")),
        ("time_zone", json!("CET-1CEST,M3.5.0,M10.5.0/3")),
        ("time_zone", json!("../../etc/passwd")),
        ("time_zone", json!("")),
        ("locale", json!("e")),
        ("locale", json!("en_US")),
        ("device_name", json!("")),
    ] {
        let mut body = registration(&code, "ana");
        body[field] = wrong.clone();
        app.anon().post("/v1/auth/register", &body).await.invalid(&format!("/{field}"));
    }
    for field in ["invitation_code", "email", "password", "display_name", "time_zone", "locale"] {
        let mut body = registration(&code, "ana");
        body.as_object_mut().unwrap().remove(field);
        app.anon().post("/v1/auth/register", &body).await.invalid(&format!("/{field}"));
    }
    app.anon().post("/v1/auth/register", &registration(&code, "ana")).await.expect(201);
}

async fn an_address_is_taken_once_and_nobody_learns_whose_it_is(app: TestApp) {
    let (_, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let code = app.invite(&bo, &json!({"kind": "patient"})).await;
    let accounts = app.count("accounts").await;
    for address in ["ana@example.org", "ANA@Example.org", " ana@example.org "] {
        let mut body = registration(&code, "other");
        body["email"] = json!(address);
        app.anon().post("/v1/auth/register", &body).await.refused(409, "registration_refused");
    }
    assert_eq!(app.count("accounts").await, accounts);
    // After five addresses the code is burnt.
    for _ in 0..2 {
        app.anon()
            .post("/v1/auth/register", &registration(&code, "ana"))
            .await
            .refused(409, "registration_refused");
    }
    app.anon().post("/v1/auth/register", &registration(&code, "fresh")).await.invalid("/invitation_code");
    app.anon().get(&format!("/v1/invitation-codes/{code}")).await.refused(404, "not_found");
}

async fn a_wrong_password_and_an_unknown_address_answer_alike(app: TestApp) {
    app.patient("ana").await;
    let known = login(&app, &email("ana"), "wrong harbour copper meadow").await;
    let unknown = login(&app, "nobody@example.org", PASSWORD).await;
    assert_eq!(known.shape(), unknown.shape());
    known.refused(401, "wrong_credentials");
    login(&app, "  ANA@EXAMPLE.ORG ", PASSWORD).await.expect(200);
    login(&app, &email("ana"), &PASSWORD.to_uppercase()).await.refused(401, "wrong_credentials");
}

async fn too_many_wrong_passwords_are_stopped_and_time_heals(app: TestApp) {
    app.patient("ana").await;
    for _ in 0..10 {
        login(&app, &email("ana"), "wrong harbour copper meadow").await.refused(401, "wrong_credentials");
    }
    let stopped = login(&app, &email("ana"), PASSWORD).await;
    let seconds: i64 = stopped.headers["retry-after"].to_str().unwrap().parse().unwrap();
    stopped.refused(429, "too_many_attempts");
    assert!((1..=900).contains(&seconds), "{seconds}");
    login(&app, "nobody@example.org", PASSWORD).await.refused(401, "wrong_credentials");
    app.advance(Duration::seconds(seconds + 1));
    login(&app, &email("ana"), PASSWORD).await.expect(200);
}

async fn a_login_forgets_earlier_mistakes(app: TestApp) {
    app.patient("ana").await;
    for _ in 0..3 {
        for _ in 0..9 {
            login(&app, &email("ana"), "wrong harbour copper meadow").await.refused(401, "wrong_credentials");
        }
        login(&app, &email("ana"), PASSWORD).await.expect(200);
    }
}

async fn devices_are_listed_and_ended_one_by_one(app: TestApp) {
    let ana = app.patient("ana").await;
    app.advance(Duration::seconds(1));
    let other = app.log_in("ana").await;
    let devices = ana.get("/v1/auth/devices").await.expect(200);
    let items: Vec<&Value> = devices["items"].as_array().unwrap().iter().collect();
    assert_eq!(
        items.iter().map(|device| &device["name"]).collect::<Vec<_>>(),
        ["another device", "ana's phone"]
    );
    assert_eq!(items.iter().map(|device| &device["current"]).collect::<Vec<_>>(), [false, true]);
    let path = format!("/v1/auth/devices/{}", items[0]["id"].as_str().unwrap());
    ana.delete(&path).await.expect(204);
    ana.delete(&path).await.refused(404, "not_found");
    other.get("/v1/me").await.refused(401, "unauthenticated");
    let token = json!({"refresh_token": other.refresh_token()});
    app.anon().post("/v1/auth/refresh", &token).await.refused(401, "unauthenticated");
    assert_eq!(ana.get("/v1/auth/devices").await.expect(200)["items"].as_array().unwrap().len(), 1);
    ana.request(Method::POST, "/v1/auth/logout").await.send().await.expect(204);
    ana.get("/v1/me").await.refused(401, "unauthenticated");
}

async fn ending_a_device_ends_its_pushes(app: TestApp) {
    let ana = app.patient("ana").await;
    let other = app.log_in("ana").await;
    for (device, name) in [(&ana, "one"), (&other, "two")] {
        let body = crate::authz::subscription(&format!("http://127.0.0.1:65530/{name}"));
        device.post("/v1/push/subscriptions", &body).await.expect(201);
    }
    other.request(Method::POST, "/v1/auth/logout").await.send().await.expect(204);
    assert_eq!(app.count("push_subscriptions").await, 1);
    assert_eq!(ana.get("/v1/push/subscriptions").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

async fn a_person_changes_name_zone_and_language(app: TestApp) {
    for person in [app.patient("ana").await, app.therapist("bo").await] {
        app.advance(Duration::seconds(1));
        let patch =
            json!({"display_name": " Ana Maria ", "time_zone": "America/New_York", "locale": "es-MX"});
        let me = person.patch("/v1/me", 1, &patch).await.expect(200);
        assert_eq!(
            (&me["display_name"], &me["time_zone"], &me["locale"]),
            (&json!("Ana Maria"), &json!("America/New_York"), &json!("es-MX"))
        );
        assert_eq!(person.get("/v1/me").await.expect(200), me);
        for (field, wrong) in
            [("display_name", ""), ("time_zone", "EST5EDT,M3"), ("locale", "*"), ("time_zone", "Nowhere")]
        {
            person.patch("/v1/me", 1, &json!({ field: wrong })).await.invalid(&format!("/{field}"));
        }
    }
    assert_eq!(app.count("zone_history").await, 2);
}

async fn a_clock_follows_the_phone_or_stays_at_home(app: TestApp) {
    let ana = app.patient("ana").await;
    let report = |zone: &str| json!({"phone_time_zone": zone});
    app.advance(Duration::seconds(1));
    ana.patch("/v1/me", 1, &json!({"zone_mode": "home"})).await.expect(200);
    let me = ana.patch("/v1/me", 1, &report("Asia/Tokyo")).await.expect(200);
    assert_eq!((&me["time_zone"], &me["zone_mode"]), (&json!("Europe/Berlin"), &json!("home")));
    assert_eq!(app.count("zone_history").await, 1);
    let follow = json!({"zone_mode": "follow_phone", "phone_time_zone": "Asia/Tokyo"});
    assert_eq!(ana.patch("/v1/me", 1, &follow).await.expect(200)["time_zone"], "Asia/Tokyo");
    app.advance(Duration::seconds(1));
    for _ in 0..2 {
        let me = ana.patch("/v1/me", 1, &report("America/New_York")).await.expect(200);
        assert_eq!(me["time_zone"], "America/New_York");
    }
    assert_eq!(app.count("zone_history").await, 3, "each place once");
    ana.patch("/v1/me", 1, &report("Nowhere")).await.invalid("/phone_time_zone");
}

async fn an_empty_change_changes_nothing(app: TestApp) {
    for person in [app.patient("ana").await, app.therapist("bo").await] {
        let before = person.get("/v1/me").await.expect(200);
        for empty in [json!({}), json!({"display_name": null}), json!({"time_zone": "Europe/Berlin"})] {
            assert_eq!(person.patch("/v1/me", 1, &empty).await.expect(200), before);
        }
    }
    assert_eq!(app.count("zone_history").await, 1);
}

async fn a_staff_login_ends_after_half_an_hour_without_use(app: TestApp) {
    let bo = app.therapist("bo").await;
    app.advance(Duration::minutes(31));
    let token = json!({"refresh_token": bo.refresh_token()});
    app.anon().post("/v1/auth/refresh", &token).await.refused(401, "unauthenticated");
    let listed = bo.get("/v1/auth/devices").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "only the new login counts: {listed}");
}

async fn a_hash_of_older_parameters_is_renewed_at_login(app: TestApp) {
    let ana = app.patient("ana").await;
    let stored = || async {
        let rows = app.query("SELECT password_hash FROM accounts WHERE id = $1", vec![ana.id.into()]).await;
        rows[0].try_get::<String>("", "password_hash").unwrap()
    };
    let before = stored().await;
    assert!(before.starts_with("$argon2id$v=19$m=16,t=1,p=1$"), "{before}");
    let older = afterglow::accounts::Hashing { memory_kib: 8, iterations: 1, parallelism: 1, concurrency: 1 };
    let older = afterglow::accounts::Passwords::new(older, app.state.random.clone()).unwrap();
    let hash = older.hash(PASSWORD).await.unwrap();
    app.execute("UPDATE accounts SET password_hash = $1 WHERE id = $2", vec![hash.into(), ana.id.into()])
        .await;
    app.log_in("ana").await;
    assert!(stored().await.starts_with("$argon2id$v=19$m=16,t=1,p=1$"));
    app.log_in("ana").await;
}

async fn a_renewed_hash_brings_no_old_password_back(app: TestApp) {
    let ana = app.patient("ana").await;
    let set = async |hash: &str| {
        let sql = "UPDATE accounts SET password_hash = $1 WHERE id = $2";
        app.execute(sql, vec![hash.into(), ana.id.into()]).await;
    };
    // Slow enough to be overtaken while it is checked.
    let slow =
        afterglow::accounts::Hashing { memory_kib: 65_536, iterations: 24, parallelism: 1, concurrency: 1 };
    let slow = afterglow::accounts::Passwords::new(slow, app.state.random.clone()).unwrap();
    set(&slow.hash(PASSWORD).await.unwrap()).await;
    let changed = app.state.passwords.hash("lantern orchard granite sparrow").await.unwrap();
    let mut late = tokio::spawn({
        let app = app.clone();
        async move { login(&app, &email("ana"), PASSWORD).await.status.as_u16() }
    });
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut late).await;
    assert!(early.is_err(), "nothing could overtake it");
    set(&changed).await;
    late.await.unwrap();
    let rows = app.query("SELECT password_hash FROM accounts WHERE id = $1", vec![ana.id.into()]).await;
    assert_eq!(rows[0].try_get::<String>("", "password_hash").unwrap(), changed);
}

async fn of_many_at_once_with_one_code_five_try_an_address(app: TestApp) {
    let (_, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let code = app.invite(&bo, &json!({"kind": "patient"})).await;
    let asked = (0..20).map(|_| {
        let (app, body) = (app.clone(), registration(&code, "ana"));
        tokio::spawn(async move { app.anon().post("/v1/auth/register", &body).await.status.as_u16() })
    });
    let answers: Vec<u16> =
        futures_util::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
    let told = answers.iter().filter(|status| **status == 409).count();
    assert_eq!((told, answers.iter().filter(|status| **status == 422).count()), (5, 15), "{answers:?}");
    // Whoever finds the address free uses the code up, and what is our fault costs no attempt.
    let fresh = app.invite(&bo, &json!({"kind": "patient"})).await;
    app.anon().post("/v1/auth/register", &registration(&fresh, "ben")).await.expect(201);
}

async fn signing_keys_are_public_and_verify_tokens(app: TestApp) {
    let token = app.patient("ana").await.access_token();
    let reply = app.anon().get("/.well-known/jwks.json").await;
    assert_eq!(reply.headers["cache-control"], "public, max-age=300");
    let jwks = reply.expect(200);
    let key = jwks["keys"].as_array().unwrap().last().unwrap().clone();
    assert!(key.get("d").is_none());
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(key["kid"], header.kid.unwrap());
    let decoding = jsonwebtoken::DecodingKey::from_ed_components(key["x"].as_str().unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["afterglow"]);
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap().claims;
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    assert!(claims.get("role").is_none() && claims.get("email").is_none());
}

async fn the_page_to_try_the_api_on_keeps_no_token(app: TestApp) {
    let reply = app.anon().get("/docs/swagger-initializer.js").await;
    let script = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(script.contains("/openapi.json"), "{script}");
    assert!(!script.contains("\"persistAuthorization\": true"), "{script}");
}
