//! What a restored backup must not open again: it cannot know what patients closed since it was made.

use std::future::Future;

use afterglow::{
    backup::{self, Source, To},
    clock::{Clock, SystemClock},
    demo::receiver::PushReceiver,
};
use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};

use crate::{
    backup::empty,
    harness::{Beside, PASSWORD, Person, Reply, Store, TestApp, both_engines, email, id_of},
};

both_engines![
    a_restore_closes_what_patients_had_opened_and_asks_for_the_consent_anew,
    a_restore_erases_nobody_who_may_have_thought_again,
    a_restore_opens_no_invitation_and_keeps_no_subscription,
];

/// Somebody on the restored server.
struct Again<'a> {
    server: &'a Beside,
    token: String,
}

impl<'a> Again<'a> {
    async fn log_in(app: &TestApp, server: &'a Beside, name: &str) -> Self {
        let mut body = json!({"email": email(name), "password": PASSWORD});
        if name == "bo" {
            body["totp_code"] = json!(app.totp_code());
        }
        let request = server.request(Method::POST, "/v1/auth/login", "none").json(&body);
        let pair = request.send().await.expect(200);
        Self { server, token: pair["access_token"].as_str().unwrap().to_owned() }
    }

    async fn get(&self, path: &str) -> Reply {
        self.server.request(Method::GET, path, &self.token).send().await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        self.server.request(method, path, &self.token).json(body).send().await
    }
}

/// Everything that Ana opens to Bo, and where he reads it.
struct Opened {
    entry: String,
    goal: String,
    session: String,
    form: String,
    since: String,
}

async fn open(app: &TestApp, ana: &Person, bo: &Person) -> Opened {
    let (entry, goal) = (ana.entry("for Bo").await, ana.goal("for Bo").await);
    ana.share(&entry, bo, &json!({})).await.expect(200);
    ana.share_goal(&goal, bo, &json!({})).await.expect(200);
    let form = json!({"measure_id": "post-session-check", "version": "1.0.0", "language": "en", "shared": true,
        "answers": [{"item": "post.feel-safe", "boolean": true}]});
    let form = id_of(&ana.post("/v1/measure-responses", &form).await.expect(201));
    let session = id_of(&bo.schedule(ana, "preparation", app.now() + Duration::days(9)).await);
    let intention = json!({"text": "to meet my grief", "shared": true});
    ana.patch(&format!("/v1/sessions/{session}/intention"), 1, &intention).await.expect(200);
    let since = ana.get("/v1/sync?limit=500").await.expect(200)["next"].as_str().unwrap().to_owned();
    Opened { entry, goal, session, form, since }
}

impl Opened {
    /// What Bo sees of it: entry, goals, forms, intention.
    async fn seen<'a, F>(&'a self, ana: &Person, read: impl Fn(String) -> F) -> (u16, usize, usize, bool)
    where
        F: Future<Output = Reply> + 'a,
    {
        let of = |what: &str| format!("/v1/patients/{}/{what}", ana.id);
        let count = |list: Value| list["items"].as_array().unwrap().len();
        let preparation = read(of(&format!("sessions/{}/preparation", self.session))).await.expect(200);
        (
            read(of(&format!("journal/entries/{}", self.entry))).await.status.as_u16(),
            count(read(of("goals")).await.expect(200)),
            count(read(of("measure-responses")).await.expect(200)),
            preparation["intention"].is_string(),
        )
    }
}

async fn back_up_and_restore(app: &TestApp, store: &Store) {
    let folder = app.store.folder().join("backup");
    let from = Source {
        keys: folder.clone(),
        folder,
        passphrase: "lantern orchard granite sparrow".into(),
        programs: None,
    };
    let to = To {
        folder: from.folder.clone(),
        keys: from.keys.clone(),
        passphrase: from.passphrase.clone(),
        programs: None,
    };
    backup::create(&app.state, to).await.unwrap();
    let mut config = app.state.config.clone();
    config.database.url = store.url().into();
    let restored = backup::restore(config, &app.keys, from, Vec::new()).await.unwrap();
    assert_eq!(restored.closed, 1);
}

async fn a_restore_closes_what_patients_had_opened_and_asks_for_the_consent_anew(app: TestApp) {
    app.clock.set(SystemClock.now());
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let opened = open(&app, &ana, &bo).await;
    let bo_reads = |path: String| {
        let bo = &bo;
        async move { bo.get(&path).await }
    };
    assert_eq!(opened.seen(&ana, bo_reads).await, (200, 1, 1, true));
    let store = empty(app.engine()).await;
    back_up_and_restore(&app, &store).await;
    app.clock.set(SystemClock.now());
    let server = app.beside_with(&app.keys, |config| config.database.url = store.url().into()).await;
    let bo_again = &Again::log_in(&app, &server, "bo").await;
    let again = |path: String| async move { bo_again.get(&path).await };
    assert_eq!(opened.seen(&ana, again).await, (404, 0, 0, false));
    what_the_patient_learns(&app, &server, &bo, &opened).await;
    assert_eq!(opened.seen(&ana, again).await, (200, 0, 0, false), "what was shared anew, and nothing else");
    server.state.db.clone().close().await.unwrap();
}

async fn what_the_patient_learns(app: &TestApp, server: &Beside, bo: &Person, opened: &Opened) {
    let ana = Again::log_in(app, server, "ana").await;
    let pulled = ana.get(&format!("/v1/sync?limit=500&since={}", opened.since)).await.expect(200);
    assert_eq!(pulled["reset"], true, "her phone begins anew");
    let own = ana.get(&format!("/v1/sessions/{}/intention", opened.session)).await.expect(200);
    assert_eq!((&own["text"], &own["shared"]), (&json!("to meet my grief"), &json!(false)));
    let form = ana.get(&format!("/v1/measure-responses/{}", opened.form)).await.expect(200);
    assert_eq!(form["visible_to_care_team"], false, "{form}");
    let goal = ana.get(&format!("/v1/goals/{}/shares", opened.goal)).await.expect(200);
    assert_eq!(goal["items"], json!([]));
    let log = ana.get("/v1/me/access-log").await.expect(200);
    let acts = log["items"].as_array().unwrap().iter();
    let closed: Vec<&Value> = acts.filter(|act| act["action"] == "care.closed_by_restore").collect();
    assert_eq!(closed.len(), 1, "{log}");
    assert!(closed[0]["what"].as_str().unwrap().contains("a backup was restored"), "{log}");
    let consents = ana.get("/v1/consents").await.expect(200);
    assert_eq!(consents["items"][0]["ended_by_restore"], true, "{consents}");
    let stands = |purpose: &str| {
        let standing = consents["standing"].as_array().unwrap();
        standing.iter().find(|one| one["purpose"] == purpose).unwrap()["state"].clone()
    };
    assert_eq!(
        (stands("sharing_with_care_team"), stands("reminders")),
        (json!("withdrawn"), json!("not_asked"))
    );
    let share = format!("/v1/journal/entries/{}/shares/{}", opened.entry, bo.id);
    ana.send(Method::PUT, &share, &json!({})).await.refused(409, "sharing_withdrawn");
    let given = json!({"purpose": "sharing_with_care_team", "decision": "given", "text_version": "1"});
    ana.send(Method::POST, "/v1/consents", &given).await.expect(201);
    ana.send(Method::PUT, &share, &json!({})).await.expect(200);
}

async fn a_restore_erases_nobody_who_may_have_thought_again(app: TestApp) {
    app.clock.set(SystemClock.now());
    let ana = app.patient("ana").await;
    ana.request(Method::POST, "/v1/me/erasure").await.send().await.expect(200);
    // The backup is a week old.
    let due = vec![(app.now() - Duration::hours(1)).into()];
    app.execute("UPDATE erasures SET due_at = $1", due).await;
    let store = empty(app.engine()).await;
    back_up_and_restore(&app, &store).await;
    app.clock.set(SystemClock.now());
    let server = app.beside_with(&app.keys, |config| config.database.url = store.url().into()).await;
    let again = Again::log_in(&app, &server, "ana").await;
    let pending = again.get("/v1/me/erasure").await.expect(200);
    let due: chrono::DateTime<chrono::Utc> = pending["due_at"].as_str().unwrap().parse().unwrap();
    let left = due - app.now();
    assert!(left > Duration::hours(167) && left <= Duration::days(7), "{pending}");
    let log = again.get("/v1/me/access-log").await.expect(200).to_string();
    assert!(log.contains("erasure.put_off_by_restore") && log.contains("waits for a week anew"), "{log}");
    while afterglow::mail::tick(&server.state).await.unwrap().claimed > 0 {}
    let mails = app.mails().await;
    assert!(mails.iter().any(|mail| mail.contains("Your account will be deleted")), "{mails:?}");
    again.send(Method::DELETE, "/v1/me/erasure", &Value::Null).await.expect(204);
    app.advance(Duration::days(30));
    assert_eq!(afterglow::erasure::run_due(&server.state).await.unwrap(), 0);
    server.state.db.clone().close().await.unwrap();
}

async fn a_restore_opens_no_invitation_and_keeps_no_subscription(app: TestApp) {
    app.clock.set(SystemClock.now());
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let code = app.invite(&bo, &json!({"kind": "patient"})).await;
    let push = PushReceiver::start().await.unwrap();
    let device = push.subscribe("phone");
    let subscription =
        json!({"endpoint": device.endpoint, "keys": {"p256dh": device.p256dh, "auth": device.auth}});
    ana.post("/v1/push/subscriptions", &subscription).await.expect(201);
    let store = empty(app.engine()).await;
    back_up_and_restore(&app, &store).await;
    app.clock.set(SystemClock.now());
    let server = app.beside_with(&app.keys, |config| config.database.url = store.url().into()).await;
    let body = crate::harness::registration(&code, "ben");
    let tried = server.request(Method::POST, "/v1/auth/register", "none").json(&body).send().await;
    tried.invalid("/invitation_code");
    let again = Again::log_in(&app, &server, "ana").await;
    assert_eq!(again.get("/v1/push/subscriptions").await.expect(200)["items"], json!([]));
    // The app subscribes anew with the same endpoint.
    again.send(Method::POST, "/v1/push/subscriptions", &subscription).await.expect(201);
    server.state.db.clone().close().await.unwrap();
}
