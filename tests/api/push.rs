//! Devices: which are taken, which key they were made with, and the services for apps from a store.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use afterglow::{
    config::{Config, Environment},
    demo::receiver::{DeviceSubscription, PushReceiver},
    push::vapid_kids_in_use,
    vault::keyfile::{self, KeySet},
};
use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    authz::{receipt, subscription},
    harness::{Beside, Person, TestApp, both_engines, id_of},
};

both_engines!(
    n1_hostile_endpoints_are_422_and_leave_nothing_behind,
    a_device_says_which_way_it_is_reached,
    an_old_vapid_key_serves_its_devices_and_new_devices_use_the_new_one,
    apple_and_google_get_a_test_push_and_say_who_is_gone,
    twenty_devices_are_enough_and_those_that_are_gone_do_not_count,
    a_host_taken_off_the_list_is_not_sent_to,
    receipts_are_only_taken_from_whoever_got_the_push,
    guessed_receipts_are_counted,
);

const SUBSCRIPTIONS: &str = "/v1/push/subscriptions";
const APPLE_TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";
const GOOGLE_TOKEN: &str = "dQw4w9WgXcQ:APA91bH-x_0123456789";

async fn post(beside: &Beside, person: &Person, path: &str, body: &Value) -> crate::harness::Reply {
    beside.request(Method::POST, path, &person.access_token()).json(body).send().await
}

async fn n1_hostile_endpoints_are_422_and_leave_nothing_behind(app: TestApp) {
    let ana = app.patient("ana").await;
    let corpus: Value = serde_json::from_str(include_str!("../hostile_endpoints.json")).unwrap();
    let texts = |name: &str| corpus[name].as_array().unwrap().clone();
    let closed = |any_public: bool| {
        move |config: &mut Config| {
            config.push.allow_loopback = false;
            config.push.any_public = any_public;
        }
    };
    let (open, usual) =
        (app.beside_with(&app.keys, closed(true)).await, app.beside_with(&app.keys, closed(false)).await);
    let addresses = texts("addresses");
    let addresses = addresses.iter().map(|host| format!("https://{}:8443/push", host.as_str().unwrap()));
    let malformed = texts("malformed");
    let malformed = malformed.iter().map(|pair| pair[0].as_str().unwrap().to_owned());
    let look_alikes = texts("look_alikes");
    let look_alikes = look_alikes.iter().map(|host| format!("https://{}/x", host.as_str().unwrap()));
    let mut count = 0;
    let cases = addresses.chain(malformed).map(|text| (&open, text));
    for (beside, text) in cases.chain(look_alikes.map(|text| (&usual, text))) {
        let reply = post(beside, &ana, SUBSCRIPTIONS, &crate::authz::subscription(&text)).await;
        assert_eq!(reply.status, 422, "{text:?}");
        let pointer = reply.json()["errors"][0]["pointer"].clone();
        // A NUL is refused before anybody looks at what it stands in.
        assert_eq!(pointer, "/endpoint", "{text:?}");
        count += 1;
    }
    assert!(count >= 150, "{count}");
    assert_eq!(app.count("push_subscriptions").await, 0);
}

async fn a_device_says_which_way_it_is_reached(app: TestApp) {
    let ana = app.patient("ana").await;
    let web = crate::authz::subscription("http://127.0.0.1:65530/1");
    let with = |body: &Value, field: &str, value: Value| {
        let mut body = body.clone();
        body[field] = value;
        body
    };
    let native = |kind: &str, token: &str| json!({"kind": kind, "device_token": token});
    let apple = native("apns", APPLE_TOKEN);
    for (body, pointer) in [
        (json!({}), "/endpoint"),
        (json!({"kind": "web_push", "device_token": APPLE_TOKEN}), "/endpoint"),
        (with(&web, "device_token", json!(APPLE_TOKEN)), "/device_token"),
        (with(&web, "kind", json!("pigeon")), "/kind"),
        (with(&web, "vapid_kid", json!("vapid-of-another")), "/vapid_kid"),
        (with(&web, "kind", json!("apns")), "/endpoint"),
        (json!({"kind": "fcm"}), "/device_token"),
        (with(&apple, "vapid_kid", json!("x")), "/vapid_kid"),
        // Nothing is sent this way here.
        (apple.clone(), "/kind"),
        (native("fcm", GOOGLE_TOKEN), "/kind"),
    ] {
        ana.post(SUBSCRIPTIONS, &body).await.invalid(pointer);
    }
    let off = ana.post(SUBSCRIPTIONS, &apple).await.expect(422);
    assert_eq!(off["errors"][0]["code"], "transport_off");
    assert_eq!(app.count("push_subscriptions").await, 0);

    let (kid, _) = app.state.push.public_key();
    let made = ana.post(SUBSCRIPTIONS, &with(&web, "kind", json!("web_push"))).await.expect(201);
    assert_eq!((&made["kind"], &made["vapid_kid"]), (&json!("web_push"), &json!(kid)));
    let again = ana.post(SUBSCRIPTIONS, &with(&web, "vapid_kid", json!(kid))).await.expect(201);
    assert_eq!(again["id"], made["id"]);
}

/// The application with the VAPID keys that are in the file now.
async fn restarted(app: &TestApp) -> Beside {
    let config = Config::development(app.store.folder());
    let read = keyfile::load(&config.keys, Environment::Development).unwrap();
    app.beside_with(&KeySet { vapid: read.vapid, ..app.keys.clone() }, |_| ()).await
}

async fn register(
    beside: &Beside,
    person: &Person,
    device: &DeviceSubscription,
    kid: Option<&str>,
) -> String {
    let keys = json!({"p256dh": device.p256dh, "auth": device.auth});
    let mut body = json!({"endpoint": device.endpoint, "keys": keys});
    if let Some(kid) = kid {
        body["vapid_kid"] = json!(kid);
    }
    id_of(&post(beside, person, SUBSCRIPTIONS, &body).await.expect(201))
}

async fn is_reached(beside: &Beside, person: &Person, id: &str) -> bool {
    let path = format!("{SUBSCRIPTIONS}/{id}/test");
    post(beside, person, &path, &json!({})).await.expect(200) == json!({"outcome": "accepted", "status": 201})
}

async fn an_old_vapid_key_serves_its_devices_and_new_devices_use_the_new_one(app: TestApp) {
    let ana = app.patient("ana").await;
    let receiver = PushReceiver::start_with(app.clock.clone()).await.unwrap();
    let config = Config::development(app.store.folder());
    keyfile::generate_missing(&config.development_keys_dir(), Environment::Development).unwrap();
    let file = config.keys.vapid_file.clone();
    let rotate = async || {
        let in_use = vapid_kids_in_use(app.conn()).await.unwrap();
        keyfile::rotate_vapid(&file, &in_use).unwrap()
    };

    let before = restarted(&app).await;
    let (old_kid, old_key) = before.state.push.public_key();
    let old = receiver.subscribe_for("old", &old_key);
    let old = register(&before, &ana, &old, Some(&old_kid)).await;
    assert!(is_reached(&before, &ana, &old).await);

    let rotated = rotate().await;
    assert_eq!(rotated.removed, Vec::<String>::new());
    let after = restarted(&app).await;
    let offered = after.request(Method::GET, "/v1/push/key", "").send().await.expect(200);
    assert_eq!(offered["kid"], json!(rotated.added));
    let new_key = offered["public_key"].as_str().unwrap();
    assert_ne!(new_key, old_key);
    // The device of before, one that subscribes now, and one that asked before and registers only now.
    let new = register(&after, &ana, &receiver.subscribe_for("new", new_key), None).await;
    let late = receiver.subscribe_for("late", &old_key);
    let late = register(&after, &ana, &late, Some(&old_kid)).await;
    for id in [&old, &new, &late] {
        assert!(is_reached(&after, &ana, id).await);
    }
    assert!(receiver.received().iter().all(|push| push.problems.is_empty()));

    // Old ones subscribe again, each at its own pace, and the old key goes with the last of them.
    ana.delete(&format!("{SUBSCRIPTIONS}/{old}")).await.expect(204);
    assert_eq!(rotate().await.removed, Vec::<String>::new());
    app.execute(
        "UPDATE push_subscriptions SET state = 'gone' WHERE vapid_kid = $1",
        vec![old_kid.clone().into()],
    )
    .await;
    assert_eq!(rotate().await.removed, [old_kid]);
    assert!(is_reached(&restarted(&app).await, &ana, &new).await, "its key is still there");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

/// A vendor's service that speaks HTTP/2 and answers what it is told for the paths that end so.
async fn vendor(
    answer: impl Fn(&str) -> (u16, Value) + Clone + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = seen.clone();
    let router = axum::Router::new().fallback(
        move |uri: axum::http::Uri, version: axum::http::Version, body: axum::body::Bytes| {
            let (status, json) = answer(uri.path());
            assert_eq!(version, axum::http::Version::HTTP_2);
            kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap_or_default());
            async move { (axum::http::StatusCode::from_u16(status).unwrap(), axum::Json(json)) }
        },
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

async fn apple_and_google_get_a_test_push_and_say_who_is_gone(app: TestApp) {
    let ana = app.patient("ana").await;
    let (apple, to_apple) = vendor(|_| (200, json!({}))).await;
    let (google, to_google) = vendor(|path| {
        if path == "/token" {
            return (200, json!({"access_token": "t", "expires_in": 3600}));
        }
        let details = json!([{"errorCode": "UNREGISTERED"}]);
        (404, json!({"error": {"status": "NOT_FOUND", "details": details}}))
    })
    .await;
    let files = native_keys(app.store.folder(), &google);
    let beside = app
        .beside_with(&app.keys, |config| {
            config.apns.key_file = files.0;
            config.apns.key_id = "ABC123DEFG".into();
            config.apns.team_id = "DEF123GHIJ".into();
            config.apns.bundle_id = "org.example.afterglow".into();
            config.apns.url = apple;
            config.fcm.service_account_file = files.1;
            config.fcm.url = google;
        })
        .await;
    let create = async |person: &Person, kind: &str, token: &str| {
        let body = json!({"kind": kind, "device_token": token, "platform": "phone"});
        post(&beside, person, SUBSCRIPTIONS, &body).await
    };
    create(&ana, "apns", GOOGLE_TOKEN).await.invalid("/device_token");
    let phone = create(&ana, "apns", APPLE_TOKEN).await.expect(201);
    assert_eq!((&phone["kind"], phone.get("vapid_kid")), (&json!("apns"), None));
    let same = create(&ana, "apns", &APPLE_TOKEN.to_uppercase()).await.expect(201);
    assert_eq!(same["id"], phone["id"]);
    let other = id_of(&create(&ana, "fcm", GOOGLE_TOKEN).await.expect(201));
    let said = async |id: &str| {
        post(&beside, &ana, &format!("{SUBSCRIPTIONS}/{id}/test"), &json!({})).await.expect(200)
    };
    assert_eq!(said(&id_of(&phone)).await, json!({"outcome": "accepted", "status": 200}));
    assert_eq!(said(&other).await, json!({"outcome": "gone", "status": 404}));
    assert_eq!(to_apple.lock().unwrap()[0]["aps"]["alert"]["title"], "You have a new note");
    assert_eq!(to_google.lock().unwrap()[1]["message"]["token"], GOOGLE_TOKEN);

    // A token belongs to one account: the one that registered it last.
    let eve = app.patient("eve").await;
    create(&eve, "apns", APPLE_TOKEN).await.expect(201);
    let items = ana.get(SUBSCRIPTIONS).await.expect(200);
    assert_eq!(items["items"].as_array().unwrap().len(), 1);
    let everything = app.store.everything(app.conn()).await;
    let is_there = |text: &str| everything.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(!is_there(APPLE_TOKEN) && !is_there(GOOGLE_TOKEN));
    app.advance(Duration::minutes(1));
}

/// A key of Apple's and a service account of Google's, as files.
fn native_keys(folder: &std::path::Path, google: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    let pem = |der: &[u8]| {
        let text = data_encoding::BASE64.encode(der);
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    };
    let (apple, account) = (folder.join("apple.p8"), folder.join("google.json"));
    let key = afterglow::push::protocol::VapidKeys::generate_pkcs8().unwrap();
    fs::write(&apple, pem(&key)).unwrap();
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'static> = pair.as_der().unwrap();
    let json = json!({
        "project_id": "afterglow-app", "client_email": "push@example.org",
        "private_key": pem(der.as_ref()), "token_uri": format!("{google}/token"),
    });
    fs::write(&account, json.to_string()).unwrap();
    (apple, account)
}

async fn twenty_devices_are_enough_and_those_that_are_gone_do_not_count(app: TestApp) {
    let ana = app.patient("ana").await;
    let device = |number: u16| crate::authz::subscription(&format!("http://127.0.0.1:65530/{number}"));
    let first = id_of(&ana.post(SUBSCRIPTIONS, &device(0)).await.expect(201));
    for number in 1..20 {
        ana.post(SUBSCRIPTIONS, &device(number)).await.expect(201);
    }
    ana.post(SUBSCRIPTIONS, &device(20)).await.refused(409, "too_many_devices");
    ana.post(SUBSCRIPTIONS, &device(19)).await.expect(201);
    let gone = "UPDATE push_subscriptions SET state = 'gone' WHERE id = $1";
    app.execute(gone, vec![first.parse::<Uuid>().unwrap().into()]).await;
    ana.post(SUBSCRIPTIONS, &device(20)).await.expect(201);
    assert_eq!(app.count("push_subscriptions").await, 20);
}

async fn a_host_taken_off_the_list_is_not_sent_to(app: TestApp) {
    let ana = app.patient("ana").await;
    let listed = |config: &mut Config| config.push.extra_hosts = vec!["push.example.org".to_owned()];
    let before = app.beside_with(&app.keys, listed).await;
    let body = crate::authz::subscription("https://push.example.org/1");
    let id = id_of(&post(&before, &ana, SUBSCRIPTIONS, &body).await.expect(201));
    let outcome = ana.post(&format!("{SUBSCRIPTIONS}/{id}/test"), &json!({})).await.expect(200);
    assert_eq!(outcome, json!({"outcome": "refused"}), "nobody was even asked");
}

async fn receipts_are_only_taken_from_whoever_got_the_push(app: TestApp) {
    let ana = app.patient("ana").await;
    let rule = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"}});
    ana.post("/v1/reminders", &rule).await.expect(201);
    let id = id_of(&ana.get("/v1/notifications").await.expect(200)["items"][0]);
    let mut devices = Vec::new();
    for name in ["phone", "laptop"] {
        let endpoint = format!("https://fcm.googleapis.com/fcm/send/{name}");
        let device = subscription(&endpoint);
        devices.push(id_of(&ana.post("/v1/push/subscriptions", &device).await.expect(201)));
    }
    let token = receipt(&app, &ana, &id, &devices[0]);
    let ben = app.patient("ben").await;
    let crossed = receipt(&app, &ben, &id, &devices[0]);
    let report = |token: String, event: &'static str| {
        let app = app.clone();
        async move { app.anon().post("/v1/push/receipts", &json!({"token": token, "event": event})).await }
    };
    let mut forged = token.clone();
    forged.replace_range(60..61, if token[60..].starts_with('A') { "B" } else { "A" });
    for wrong in
        [forged, String::new(), "x".into(), "A".repeat(86), token[..85].to_owned(), format!("{token}=")]
    {
        report(wrong, "opened").await.invalid("/token");
    }
    report(crossed, "opened").await.refused(404, "not_found");
    report(token.clone(), "eaten").await.invalid("/event");
    assert!(ana.get("/v1/notifications").await.expect(200)["items"][0].get("opened_at").is_none());
    report(token.clone(), "shown").await.expect(204);
    report(token.clone(), "opened").await.expect(204);
    report(token, "opened").await.expect(204);
    assert!(ana.get("/v1/notifications").await.expect(200)["items"][0]["opened_at"].is_string());
    // Each device tells for itself alone.
    let shown = async || {
        let mine = ana.get("/v1/push/subscriptions").await.expect(200);
        let at = |id: &String| {
            let one = mine["items"].as_array().unwrap().iter().find(|one| id_of(one) == **id);
            one.unwrap().get("last_shown_at").cloned()
        };
        [at(&devices[0]), at(&devices[1])]
    };
    let first = shown().await;
    assert!(first[0].is_some() && first[1].is_none(), "{first:?}");
    app.advance(Duration::minutes(5));
    report(receipt(&app, &ana, &id, &devices[1]), "shown").await.expect(204);
    let second = shown().await;
    assert_eq!(second[0], first[0]);
    assert!(second[1].is_some() && second[1] != first[0], "{second:?}");
}

async fn guessed_receipts_are_counted(app: TestApp) {
    let guess = json!({"token": "A".repeat(64), "event": "shown"});
    for _ in 0..300 {
        app.anon().post("/v1/push/receipts", &guess).await.invalid("/token");
    }
    app.anon().post("/v1/push/receipts", &guess).await.refused(429, "too_many_attempts");
}
