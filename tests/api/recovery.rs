//! A new password for whoever lost theirs: by mail, or at the front desk.

use axum::http::Method;
use chrono::Duration;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, Person, Reply, TestApp, both_engines, code_of, email};

both_engines![
    a1_asking_for_a_reset_says_the_same_of_every_address,
    one_who_cannot_be_written_to_keeps_nobody_from_a_new_password,
    a_reset_by_mail_changes_the_password_and_ends_every_login,
    a_reset_token_works_once_for_half_an_hour_and_only_the_latest,
    a_reset_leaves_the_second_factor_and_asks_for_it,
    mails_to_one_address_are_limited,
    a_new_password_makes_older_tokens_worthless,
    a_patient_without_phone_and_mail_is_helped_at_the_desk,
    a_desk_code_works_once_soon_and_with_the_address_only,
    staff_cannot_log_in_as_the_patient_with_what_they_are_told,
    without_a_code_of_her_own_a_patient_waits_three_days,
    own_codes_are_made_with_a_fresh_factor_and_told,
    the_patient_is_told_of_a_recovery_and_can_stop_it,
];

const NEW: &str = "lantern orchard granite sparrow";

async fn log_in(app: &TestApp, name: &str, password: &str) -> Reply {
    app.anon().post("/v1/auth/login", &json!({"email": email(name), "password": password})).await
}

async fn ask(app: &TestApp, address: &str) -> Reply {
    app.anon().post("/v1/auth/password-reset", &json!({ "email": address })).await
}

async fn choose(app: &TestApp, token: &str, password: &str) -> Reply {
    let body = json!({"token": token, "password": password});
    app.anon().post("/v1/auth/password-reset/confirm", &body).await
}

/// With nothing but what the desk said.
async fn recover(app: &TestApp, address: &str, code: &str) -> Reply {
    let body = json!({"email": address, "code": code, "password": NEW});
    app.anon().post("/v1/auth/recovery", &body).await
}

/// With one of the patient's own codes as well.
async fn recover_with(app: &TestApp, address: &str, code: &str, own: &str) -> Reply {
    let body = json!({"email": address, "code": code, "recovery_code": own, "password": NEW});
    app.anon().post("/v1/auth/recovery", &body).await
}

#[track_caller]
fn changed(reply: Reply) {
    assert_eq!(reply.expect(200), json!({"changed": true}));
}

/// Nothing is changed yet; until when.
#[track_caller]
fn waits(reply: Reply) -> Value {
    let body = reply.expect(200);
    assert_eq!(body["changed"], false, "{body}");
    body["ready_at"].clone()
}

/// What the app has a patient write down.
async fn own_codes(who: &Person) -> Vec<String> {
    let made = who.request(Method::POST, "/v1/auth/recovery-codes").await.send().await.expect(201);
    made["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

/// The token of the latest mail that carries one.
pub async fn token(app: &TestApp) -> String {
    let mails = app.mails().await;
    let mail = mails.iter().rfind(|mail| mail.contains("/password-reset#")).unwrap();
    mail.split("/password-reset#").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

async fn desk_code(staff: &Person, patient: &Person) -> String {
    let path = format!("/v1/patients/{}/recovery", patient.id);
    let made = staff.request(Method::POST, &path).await.send().await.expect(201);
    made["code"].as_str().unwrap().to_owned()
}

async fn a1_asking_for_a_reset_says_the_same_of_every_address(app: TestApp) {
    app.patient("ana").await;
    let known = ask(&app, &email("ana")).await;
    let unknown = ask(&app, "nobody@example.org").await;
    assert_eq!((known.status.as_u16(), known.body.len()), (202, 0));
    let bare = |reply: &Reply| {
        let mut headers: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        headers
    };
    assert_eq!((known.status, bare(&known)), (unknown.status, bare(&unknown)));
    // The same statements too: what they differ in happens later.
    let statements = async |address: &str| {
        let request = app.anon().request(Method::POST, "/v1/auth/password-reset").await;
        crate::harness::counted(request.json(&json!({ "email": address })).send()).await.1
    };
    assert_eq!(statements(&email("ana")).await, statements("somebody@example.org").await);
    assert_eq!(app.mails().await.iter().filter(|mail| mail.contains("Choose a new password")).count(), 1);
    assert_eq!(app.count("reset_requests").await, 0);
}

async fn one_who_cannot_be_written_to_keeps_nobody_from_a_new_password(app: TestApp) {
    let (ana, _ben) = (app.patient("ana").await, app.patient("ben").await);
    let broken = vec![ana.id.into(), vec![0_u8; 60].into()];
    app.execute("UPDATE data_keys SET wrapped = $2 WHERE owner_id = $1 AND owner_kind = 'patient'", broken)
        .await;
    for who in ["ana", "ben"] {
        ask(&app, &email(who)).await.expect(202);
        app.advance(Duration::seconds(1));
    }
    choose(&app, &token(&app).await, NEW).await.expect(204);
    log_in(&app, "ben", NEW).await.expect(200);
    assert_eq!(app.count("reset_requests").await, 1, "hers waits for her key");
    app.advance(Duration::days(1));
    app.mails().await;
    assert_eq!(app.count("reset_requests").await, 0, "and not for ever");
}

async fn a_reset_by_mail_changes_the_password_and_ends_every_login(app: TestApp) {
    let ana = app.patient("ana").await;
    ask(&app, &format!(" {} ", email("ana").to_uppercase())).await.expect(202);
    let token = token(&app).await;
    choose(&app, &token, "passwordpassword").await.invalid("/password");
    choose(&app, "another", NEW).await.invalid("/token");
    choose(&app, &token, NEW).await.expect(204);
    ana.get("/v1/me").await.refused(401, "unauthenticated");
    let refreshed = json!({"refresh_token": ana.refresh_token()});
    app.anon().post("/v1/auth/refresh", &refreshed).await.refused(401, "unauthenticated");
    log_in(&app, "ana", PASSWORD).await.refused(401, "wrong_credentials");
    log_in(&app, "ana", NEW).await.expect(200);
    let mails = app.mails().await;
    assert!(mails.iter().any(|mail| mail.contains("A new password was chosen")), "{mails:?}");
    let sql = "SELECT 1 AS n FROM audit_events WHERE action = 'accounts.reset_password'";
    assert_eq!(app.query(sql, vec![]).await.len(), 1);
}

async fn a_reset_token_works_once_for_half_an_hour_and_only_the_latest(app: TestApp) {
    app.patient("ana").await;
    ask(&app, &email("ana")).await.expect(202);
    let first = token(&app).await;
    app.advance(Duration::seconds(1));
    ask(&app, &email("ana")).await.expect(202);
    let second = token(&app).await;
    assert_ne!(first, second);
    choose(&app, &first, NEW).await.invalid("/token");
    let at_once = (0..10).map(|_| {
        let (app, token) = (app.clone(), second.clone());
        tokio::spawn(async move { choose(&app, &token, NEW).await.status.as_u16() })
    });
    let answers: Vec<u16> = join_all(at_once).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|status| **status == 204).count(), 1, "{answers:?}");
    ask(&app, &email("ana")).await.expect(202);
    let late = token(&app).await;
    let bytes = app.store.everything(app.conn()).await;
    assert!(!bytes.windows(late.len()).any(|window| window == late.as_bytes()), "it is kept in clear");
    app.advance(Duration::minutes(30));
    choose(&app, &late, NEW).await.invalid("/token");
}

async fn a_reset_leaves_the_second_factor_and_asks_for_it(app: TestApp) {
    app.therapist("bo").await;
    ask(&app, &email("bo")).await.expect(202);
    let token = token(&app).await;
    choose(&app, &token, "moss.kettle").await.expect(204);
    log_in(&app, "bo", "moss.kettle").await.refused(401, "totp_code_required");
    let body = json!({"email": email("bo"), "password": "moss.kettle", "totp_code": app.totp_code()});
    app.anon().post("/v1/auth/login", &body).await.expect(200);
}

async fn mails_to_one_address_are_limited(app: TestApp) {
    app.patient("ana").await;
    for address in [email("ana"), "nobody@example.org".into()] {
        for _ in 0..3 {
            ask(&app, &address).await.expect(202);
        }
        ask(&app, &address).await.refused(429, "too_many_attempts");
    }
}

async fn a_new_password_makes_older_tokens_worthless(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    ask(&app, &email("ana")).await.expect(202);
    let token = token(&app).await;
    let code = desk_code(&bo, &ana).await;
    ana.post("/v1/auth/password", &json!({"password": "willow kettle marble compass"})).await.expect(204);
    choose(&app, &token, NEW).await.invalid("/token");
    recover(&app, &email("ana"), &code).await.invalid("/code");
}

async fn a_patient_without_phone_and_mail_is_helped_at_the_desk(app: TestApp) {
    let lost = app.patient("ana").await;
    let begun = lost.request(Method::POST, "/v1/auth/totp").await.send().await.expect(200);
    let seed = data_encoding::BASE32_NOPAD.decode(begun["secret"].as_str().unwrap().as_bytes()).unwrap();
    let code = json!({"code": code_of(&seed, app.now())});
    lost.post("/v1/auth/totp/confirm", &code).await.expect(200);
    let phone = crate::authz::subscription("http://127.0.0.1:65530/lost");
    lost.post("/v1/push/subscriptions", &phone).await.expect(201);
    lost.entry("what only I read").await;
    let paper = own_codes(&lost).await;
    for (number, staff) in
        [app.therapist("bo").await, app.coordinator("cleo").await, app.admin().await].into_iter().enumerate()
    {
        let code = desk_code(&staff, &lost).await;
        let typed = code.to_lowercase().replace('-', " ");
        recover_with(&app, &email("ana"), &typed, "4TD7N-0PXKE-8").await.invalid("/recovery_code");
        changed(recover_with(&app, &email("ana"), &typed, &paper[number].to_lowercase()).await);
        lost.get("/v1/me").await.refused(401, "unauthenticated");
        assert_eq!(app.count("push_subscriptions").await, 0);
        let pair = log_in(&app, "ana", NEW).await.expect(200);
        let ana = app.person("ana", &pair);
        assert_eq!(ana.get("/v1/journal/entries").await.expect(200)["items"].as_array().unwrap().len(), 1);
        let log = ana.get("/v1/me/access-log").await.expect(200);
        let acts: Vec<&Value> = log["items"].as_array().unwrap().iter().collect();
        assert_eq!(
            (&acts[0]["action"], &acts[0]["member_id"]),
            (&json!("accounts.recovery_begun"), &json!(staff.id.to_string()))
        );
    }
}

async fn a_desk_code_works_once_soon_and_with_the_address_only(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    let (paper, of_ben) = (own_codes(&ana).await, own_codes(&ben).await);
    let first = desk_code(&bo, &ana).await;
    let code = desk_code(&bo, &ana).await;
    for (address, code) in [
        (email("ana"), first.as_str()),
        (email("ben"), code.as_str()),
        ("nobody@example.org".into(), code.as_str()),
        (email("ana"), "7K3M9-QX2VB-4"),
        (email("ana"), "nonsense"),
    ] {
        recover_with(&app, &address, code, &paper[0]).await.invalid("/code");
        recover(&app, &address, code).await.invalid("/code");
    }
    app.advance(Duration::minutes(15));
    let code = desk_code(&bo, &ana).await;
    // A token of the desk is none of a mail.
    choose(&app, &code, NEW).await.invalid("/token");
    recover_with(&app, &email("ana"), &code, &of_ben[0]).await.invalid("/recovery_code");
    let at_once = (0..5).map(|_| {
        let (app, code, own) = (app.clone(), code.clone(), paper[0].clone());
        tokio::spawn(async move { recover_with(&app, &email("ana"), &code, &own).await.status.as_u16() })
    });
    let answers: Vec<u16> = join_all(at_once).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    // A code of her own works once, too.
    let code = desk_code(&bo, &ana).await;
    recover_with(&app, &email("ana"), &code, &paper[0]).await.invalid("/recovery_code");
    let code = desk_code(&bo, &ben).await;
    app.advance(Duration::minutes(15));
    recover_with(&app, &email("ben"), &code, &of_ben[0]).await.invalid("/code");
    // Guessing is stopped.
    for _ in 0..9 {
        recover(&app, &email("ben"), "7K3M9-QX2VB-4").await.invalid("/code");
    }
    recover(&app, &email("ben"), "7K3M9-QX2VB-4").await.refused(429, "too_many_attempts");
}

/// Everything that staff are given, tried everywhere it might open something.
async fn staff_cannot_log_in_as_the_patient_with_what_they_are_told(app: TestApp) {
    let (ana, bo, admin) = (app.patient("ana").await, app.therapist("bo").await, app.admin().await);
    let path = format!("/v1/patients/{}/recovery", ana.id);
    let made = bo.request(Method::POST, &path).await.send().await.expect(201);
    let fields: Vec<&String> = made.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["code", "expires_at"], "nothing that opens the account by itself");
    let code = made["code"].as_str().unwrap().to_owned();
    // It is no password, no second factor, no token, no invitation.
    for address in [email("ana"), email("bo")] {
        let as_password = json!({"email": address, "password": code});
        app.anon().post("/v1/auth/login", &as_password).await.refused(401, "wrong_credentials");
    }
    app.anon()
        .post("/v1/auth/refresh", &json!({ "refresh_token": code }))
        .await
        .refused(401, "unauthenticated");
    app.anon()
        .request(Method::GET, "/v1/me")
        .await
        .bearer(&code)
        .send()
        .await
        .refused(401, "unauthenticated");
    app.anon().get(&format!("/v1/invitation-codes/{code}")).await.refused(404, "not_found");
    // With what staff know of her by name and id it opens nothing; her address is in no answer to them.
    for address in [ana.id.to_string(), "ana".into(), email("bo"), email("admin-home")] {
        recover(&app, &address, &code).await.invalid("/code");
    }
    staff_who_know_the_address_do_not_get_in(&app, (&ana, &bo), &code).await;
    for (staff, path) in [
        (&bo, format!("/v1/patients/{}/sessions", ana.id)),
        (&bo, format!("/v1/patients/{}/journal/entries", ana.id)),
        (&bo, "/v1/invitations".into()),
        (&admin, "/v1/staff".into()),
        (&admin, "/v1/clinic".into()),
    ] {
        let answer = staff.get(&path).await.expect(200).to_string();
        assert!(!answer.contains(&email("ana")), "{path} tells staff the address");
    }
    // Nor does it lift what staff may do with their own login.
    for operation in ["/v1/checkins", "/v1/journal/entries", "/v1/me/access-log"] {
        bo.get(operation).await.refused(403, "forbidden_role");
    }
    // It works for her, once; what staff hold is worth nothing afterwards, and her password is hers.
    let (own, code) = (own_codes(&app.log_in("ana").await).await, desk_code(&bo, &ana).await);
    changed(recover_with(&app, &email("ana"), &code, &own[0]).await);
    recover(&app, &email("ana"), &code).await.invalid("/code");
    let stranger = app.therapist("dee").await;
    stranger.request(Method::POST, &path).await.send().await.refused(404, "not_found");
    for elsewhere in [app.admin_of("elsewhere").await, app.staff_of("elsewhere", "coordinator", "kim").await]
    {
        elsewhere.request(Method::POST, &path).await.send().await.refused(404, "not_found");
    }
    app.medical("mia").await.request(Method::POST, &path).await.send().await.refused(403, "forbidden_role");
    // Staff are no patients: nobody recovers one of them at a desk.
    let path = format!("/v1/patients/{}/recovery", bo.id);
    admin.request(Method::POST, &path).await.send().await.refused(404, "not_found");
}

/// The code of the desk and the address: at once, until the last moment of the wait, and with codes of their own.
async fn staff_who_know_the_address_do_not_get_in(app: &TestApp, (ana, bo): (&Person, &Person), code: &str) {
    let own = own_codes(bo).await;
    recover_with(app, &email("ana"), code, &own[0]).await.invalid("/recovery_code");
    recover_with(app, &email("ana"), code, code).await.invalid("/recovery_code");
    let ready = waits(recover(app, &email("ana"), code).await);
    assert_eq!(ready, json!(app.now() + Duration::hours(72)));
    for wait in [Duration::minutes(16), Duration::hours(70)] {
        app.advance(wait);
        let again = waits(recover(app, &email("ana"), code).await);
        assert_eq!(again, ready, "asking again does not make it shorter");
        log_in(app, "ana", NEW).await.refused(401, "wrong_credentials");
    }
    ana.get("/v1/me").await.expect(200);
    // Nobody of the staff can hasten it: a new code begins all over.
    bo.delete("/v1/auth/recovery").await.refused(403, "forbidden_role");
    let next = desk_code(bo, ana).await;
    recover(app, &email("ana"), code).await.invalid("/code");
    waits(recover(app, &email("ana"), &next).await);
    app.advance(Duration::hours(71));
    ana.delete("/v1/auth/recovery").await.expect(204);
    app.advance(Duration::hours(2));
    recover(app, &email("ana"), &next).await.invalid("/code");
    log_in(app, "ana", PASSWORD).await.expect(200);
}

async fn without_a_code_of_her_own_a_patient_waits_three_days(app: TestApp) {
    let (lost, bo) = (app.patient("ana").await, app.therapist("bo").await);
    own_codes(&lost).await;
    lost.delete("/v1/auth/recovery").await.refused(404, "not_found");
    let code = desk_code(&bo, &lost).await;
    waits(recover(&app, &email("ana"), &code).await);
    let told =
        |mails: &[String]| mails.iter().filter(|mail| mail.contains("without one of your recovery")).count();
    assert_eq!(told(&app.mails().await), 1);
    waits(recover(&app, &email("ana"), &code).await);
    assert_eq!(told(&app.mails().await), 1, "once is enough");
    app.advance(Duration::hours(72));
    changed(recover(&app, &email("ana"), &code).await);
    recover(&app, &email("ana"), &code).await.invalid("/code");
    let ana = app.person("ana", &log_in(&app, "ana", NEW).await.expect(200));
    assert_eq!(app.count("recovery_codes").await, 0, "the paper is lost, whoever finds it");
    let log = ana.get("/v1/me/access-log").await.expect(200);
    let acts = [&log["items"][0]["action"], &log["items"][1]["action"]];
    assert_eq!(acts, ["accounts.recovery_waits", "accounts.recovery_begun"], "{log}");
    // A paper that turns up makes it shorter, and a week after the wait the code is over.
    let (paper, code) = (own_codes(&ana).await, desk_code(&bo, &ana).await);
    waits(recover(&app, &email("ana"), &code).await);
    changed(recover_with(&app, &email("ana"), &code, &paper[3]).await);
    let code = desk_code(&bo, &ana).await;
    waits(recover(&app, &email("ana"), &code).await);
    app.advance(Duration::days(10));
    recover(&app, &email("ana"), &code).await.invalid("/code");
}

async fn the_patient_is_told_of_a_recovery_and_can_stop_it(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let code = desk_code(&bo, &ana).await;
    let mails = app.mails().await;
    assert!(mails.iter().any(|mail| mail.contains("Your account is being recovered")), "{mails:?}");
    ask(&app, &email("ana")).await.expect(202);
    let token = token(&app).await;
    choose(&app, &token, "willow kettle marble compass").await.expect(204);
    recover(&app, &email("ana"), &code).await.invalid("/code");
}

async fn own_codes_are_made_with_a_fresh_factor_and_told(app: TestApp) {
    let ana = app.patient("ana").await;
    let first = own_codes(&ana).await;
    let second = own_codes(&ana).await;
    assert!(first.iter().all(|code| !second.contains(code)) && second.len() == 10);
    assert_eq!(app.count("recovery_codes").await, 10, "earlier ones are gone");
    let mails = app.mails().await;
    assert!(mails.iter().any(|mail| mail.contains("New recovery codes were made")), "{mails:?}");
    app.advance(Duration::minutes(6));
    let late = ana.request(Method::POST, "/v1/auth/recovery-codes").await.send().await;
    late.refused(403, "step_up_required");
    let bytes = app.store.everything(app.conn()).await;
    for code in &second {
        assert!(!bytes.windows(code.len()).any(|window| window == code.as_bytes()), "kept in clear");
    }
}
