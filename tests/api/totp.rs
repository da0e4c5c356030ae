//! The second factor: set up, asked for, replaced by recovery codes, switched off.

use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, Reply, TestApp, both_engines, code_of, email};

both_engines![
    staff_set_a_second_factor_up_at_their_first_login,
    a_patient_may_have_a_second_factor_and_is_asked_for_it,
    the_seed_is_sealed_and_counts_only_once_confirmed,
    a_recovery_code_works_once_and_for_its_owner,
    a_new_phone_takes_the_old_ones_place,
    staff_keep_their_second_factor_and_patients_may_switch_it_off,
    a_short_password_goes_only_with_a_second_factor,
    changes_of_the_second_factor_need_a_fresh_one_and_are_told,
];

async fn log_in(app: &TestApp, name: &str, more: Value) -> Reply {
    let mut body = json!({"email": email(name), "password": PASSWORD});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.anon().post("/v1/auth/login", &body).await
}

/// Draws a secret and returns it.
async fn begin(who: &Person) -> Vec<u8> {
    let begun = who.request(Method::POST, "/v1/auth/totp").await.send().await.expect(200);
    let secret = begun["secret"].as_str().unwrap();
    assert!(begun["uri"].as_str().unwrap().contains(secret));
    data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap()
}

async fn confirm(app: &TestApp, who: &Person, seed: &[u8]) -> Vec<String> {
    let code = json!({"code": code_of(seed, app.now())});
    let codes = who.post("/v1/auth/totp/confirm", &code).await.expect(200);
    codes["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

async fn enrolled(app: &TestApp, name: &str) -> (Person, Vec<u8>, Vec<String>) {
    let ana = app.patient(name).await;
    let seed = begin(&ana).await;
    let codes = confirm(app, &ana, &seed).await;
    app.advance(Duration::minutes(1));
    (ana, seed, codes)
}

async fn staff_set_a_second_factor_up_at_their_first_login(app: TestApp) {
    let pat = app.newcomer("pat").await;
    pat.get("/v1/me").await.refused(403, "totp_required");
    pat.post("/v1/invitations", &json!({"kind": "patient"})).await.refused(403, "totp_required");
    let pair = log_in(&app, "pat", json!({})).await.expect(200);
    assert_eq!(pair["totp_required"], true);
    let pat = app.person("pat", &pair);
    let refreshed = json!({"refresh_token": pat.refresh_token()});
    let pair = app.anon().post("/v1/auth/refresh", &refreshed).await.expect(200);
    assert_eq!(pair["totp_required"], true);
    let pat = app.person("pat", &pair);
    pat.get("/v1/me").await.refused(403, "totp_required");
    let seed = begin(&pat).await;
    pat.get("/v1/me").await.refused(403, "totp_required");
    pat.post("/v1/auth/totp/confirm", &json!({"code": "000000"})).await.invalid("/code");
    assert_eq!(confirm(&app, &pat, &seed).await.len(), 10);
    pat.get("/v1/me").await.expect(200);
    pat.post("/v1/invitations", &json!({"kind": "patient"})).await.expect(201);
    log_in(&app, "pat", json!({})).await.refused(401, "totp_code_required");
}

async fn a_patient_may_have_a_second_factor_and_is_asked_for_it(app: TestApp) {
    let (ana, seed, _) = enrolled(&app, "ana").await;
    ana.get("/v1/me").await.expect(200);
    log_in(&app, "ana", json!({})).await.refused(401, "totp_code_required");
    log_in(&app, "ana", json!({"totp_code": "000000"})).await.refused(401, "wrong_code");
    log_in(&app, "ana", json!({"totp_code": "nonsense"})).await.refused(401, "wrong_code");
    let code = json!({"totp_code": code_of(&seed, app.now())});
    let wrong = json!({"email": email("ana"), "password": "wrong harbour copper meadow", "totp_code": code["totp_code"]});
    app.anon().post("/v1/auth/login", &wrong).await.refused(401, "wrong_credentials");
    let pair = log_in(&app, "ana", code.clone()).await.expect(200);
    assert_eq!(pair["totp_required"], false);
    log_in(&app, "ana", code).await.refused(401, "wrong_code");
    // A patient without one is not asked, and one that is sent anyway says nothing.
    app.patient("ben").await;
    log_in(&app, "ben", json!({"totp_code": "000000"})).await.expect(200);
}

async fn the_seed_is_sealed_and_counts_only_once_confirmed(app: TestApp) {
    let ana = app.patient("ana").await;
    let seed = begin(&ana).await;
    let code = json!({"totp_code": code_of(&seed, app.now())});
    log_in(&app, "ana", json!({})).await.expect(200);
    // Another secret takes the place of the first.
    let second = begin(&ana).await;
    ana.post("/v1/auth/totp/confirm", &json!({"code": code["totp_code"]})).await.invalid("/code");
    confirm(&app, &ana, &second).await;
    ana.post("/v1/auth/totp/confirm", &json!({"code": "123456"})).await.refused(409, "totp_not_begun");
    let bytes = app.store.everything(app.conn()).await;
    for seed in [&seed, &second] {
        assert!(!bytes.windows(seed.len()).any(|window| window == seed.as_slice()), "a seed is in clear");
    }
}

async fn a_recovery_code_works_once_and_for_its_owner(app: TestApp) {
    let (_, _, codes) = enrolled(&app, "ana").await;
    let (_, _, others) = enrolled(&app, "ben").await;
    let with = |code: &str| json!({"recovery_code": code});
    log_in(&app, "ana", with(&others[0])).await.refused(401, "wrong_code");
    log_in(&app, "ana", with("7K3M9-QX2VB-4")).await.refused(401, "wrong_code");
    log_in(&app, "ana", with(&codes[0].to_lowercase().replace('-', " "))).await.expect(200);
    log_in(&app, "ana", with(&codes[0])).await.refused(401, "wrong_code");
    log_in(&app, "ana", with(&codes[9])).await.expect(200);
    assert_eq!(app.count("recovery_codes").await, 18);
}

async fn a_new_phone_takes_the_old_ones_place(app: TestApp) {
    let (ana, old, codes) = enrolled(&app, "ana").await;
    let pair = log_in(&app, "ana", json!({"recovery_code": codes[0]})).await.expect(200);
    let phone = app.person("ana", &pair);
    let new = begin(&phone).await;
    let fresh = confirm(&app, &phone, &new).await;
    app.advance(Duration::minutes(1));
    ana.get("/v1/me").await.refused(401, "unauthenticated");
    phone.get("/v1/me").await.expect(200);
    log_in(&app, "ana", json!({"totp_code": code_of(&old, app.now())})).await.refused(401, "wrong_code");
    log_in(&app, "ana", json!({"recovery_code": codes[1]})).await.refused(401, "wrong_code");
    log_in(&app, "ana", json!({"totp_code": code_of(&new, app.now())})).await.expect(200);
    log_in(&app, "ana", json!({"recovery_code": fresh[0]})).await.expect(200);
}

async fn staff_keep_their_second_factor_and_patients_may_switch_it_off(app: TestApp) {
    let bo = app.therapist("bo").await;
    bo.delete("/v1/auth/totp").await.refused(409, "totp_mandatory");
    let (ana, seed, _) = enrolled(&app, "ana").await;
    ana.delete("/v1/auth/totp").await.expect(204);
    log_in(&app, "ana", json!({})).await.expect(200);
    assert_eq!(app.count("recovery_codes").await, 10, "they are good at the front desk still");
    // What was switched off proves nothing any more.
    let code = json!({"totp_code": code_of(&seed, app.now())});
    ana.post("/v1/auth/reauthenticate", &code).await.refused(403, "wrong_factor");
}

async fn a_short_password_goes_only_with_a_second_factor(app: TestApp) {
    let short = json!({"password": "moss.kettle"});
    let ana = app.patient("ana").await;
    ana.post("/v1/auth/password", &short).await.invalid("/password");
    let (ana, ..) = enrolled(&app, "ana").await;
    ana.post("/v1/auth/password", &json!({"password": "kr7!mZw"})).await.invalid("/password");
    ana.post("/v1/auth/password", &json!({"password": "password"})).await.invalid("/password");
    ana.post("/v1/auth/password", &short).await.expect(204);
    ana.delete("/v1/auth/totp").await.refused(409, "password_too_short");
    ana.post("/v1/auth/password", &json!({ "password": PASSWORD })).await.expect(204);
    ana.delete("/v1/auth/totp").await.expect(204);
}

async fn changes_of_the_second_factor_need_a_fresh_one_and_are_told(app: TestApp) {
    let (ana, seed, _) = enrolled(&app, "ana").await;
    app.advance(Duration::minutes(5));
    ana.delete("/v1/auth/totp").await.refused(403, "step_up_required");
    let begun = ana.request(Method::POST, "/v1/auth/totp").await.send().await;
    begun.refused(403, "step_up_required");
    let code = json!({"totp_code": code_of(&seed, app.now())});
    ana.post("/v1/auth/reauthenticate", &code).await.expect(204);
    ana.post("/v1/auth/reauthenticate", &code).await.refused(403, "wrong_factor");
    for both in [json!({}), json!({"totp_code": "000000", "password": PASSWORD})] {
        ana.post("/v1/auth/reauthenticate", &both).await.invalid("/password");
    }
    ana.delete("/v1/auth/totp").await.expect(204);
    let told = app.mails().await;
    let subject = "Subject: The codes of your account were changed";
    assert_eq!(told.iter().filter(|mail| mail.contains(subject)).count(), 2, "{told:?}");
}
