//! The sender's decisions, with transports that answer as they are told and one that really connects.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::{
    content::protocols,
    demo::receiver::decrypt,
    push::protocol::{AttemptResult, CLEAR_BYTES, Finding, Names, RetryKind, Sending},
};

const PATIENCE: Duration = Duration::from_secs(30);
const AUTH: [u8; 16] = [7; 16];

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000, 0).unwrap()
}

/// What was posted, and what is answered: by host, 201 without a word about it.
#[derive(Default)]
struct Played {
    answers: HashMap<&'static str, u16>,
    posted: Mutex<Vec<PushRequest>>,
}

/// Answers by this status never come.
const NEVER: u16 = 0;

impl Transport for Arc<Played> {
    fn post(&self, request: PushRequest) -> Sending<'_> {
        let host = request.endpoint.url().host_str().unwrap_or_default().to_owned();
        let status = self.answers.get(host.as_str()).copied().unwrap_or(201);
        self.posted.lock().unwrap().push(request);
        Box::pin(async move {
            if status == NEVER {
                std::future::pending::<()>().await;
            }
            AttemptResult::Answered { status, retry_after: None }
        })
    }
}

fn config(extra_hosts: &[&str]) -> Config {
    let mut config = Config::development("/nowhere");
    config.app_url = "https://app.example.org/".to_owned();
    config.push.subject = "mailto:care@clinic.example".to_owned();
    config.push.extra_hosts = extra_hosts.iter().map(|host| (*host).to_owned()).collect();
    config
}

fn sender(config: &Config) -> Sender {
    Sender::new(config, &KeySet::generate().unwrap(), [1; 32]).unwrap()
}

/// A sender to these hosts.
fn played(answers: &[(&'static str, u16)], per_origin: usize) -> (Arc<Sender>, Arc<Played>) {
    let transport = Arc::new(Played { answers: answers.iter().copied().collect(), ..Played::default() });
    let mut config = config(&[]);
    config.push.any_public = true;
    config.push.per_origin_concurrency = per_origin;
    let sender = Sender { transport: Box::new(transport.clone()), ..sender(&config) };
    (Arc::new(sender), transport)
}

struct Phone(PrivateKey);

impl Phone {
    fn new() -> Self {
        Self(PrivateKey::generate(&ECDH_P256).unwrap())
    }

    fn target(&self, sender: &Sender, number: u128, endpoint: &str) -> Target {
        let p256dh = self.0.compute_public_key().unwrap().as_ref().try_into().unwrap();
        let keys = DeviceKeys { p256dh, auth: AUTH };
        let way = Way::WebPush {
            endpoint: endpoint.to_owned(),
            p256dh: keys.p256dh_text(),
            auth: keys.auth_text(),
        };
        Target {
            subscription: SubscriptionId(Uuid::from_u128(number)),
            address: Address { way, device_name: None },
            vapid_kid: sender.public_key().0,
        }
    }
}

fn message() -> Message {
    Message {
        ttl_seconds: 1_800,
        urgency: Urgency::High,
        receipt: "r".repeat(64),
        ..Message::test(SubscriptionId(Uuid::from_u128(9)), "Afterglow", "A moment for you", "en")
    }
}

#[tokio::test]
async fn bad_origins_hold_up_no_other() {
    let bad = [("hangs.example.net", NEVER), ("busy.example.net", 429), ("broken.example.net", 500)];
    let (sender, transport) = played(&bad, 16);
    let phone = Phone::new();
    let message = message();
    // Three of ten go to bad origins, and far more of them than there are places.
    let mut hanging = Vec::new();
    for number in 0..100 {
        let target = phone.target(&sender, number, &format!("https://hangs.example.net/{number}"));
        let (sender, message) = (sender.clone(), message.clone());
        hanging.push(tokio::spawn(async move { sender.send(now(), &target, &message).await }));
    }
    let others = (0..300).map(|number| {
        let host = ["busy.example.net", "broken.example.net", "good.example.net"][number % 3];
        (host, phone.target(&sender, number as u128, &format!("https://{host}/{number}")))
    });
    let others: Vec<_> = others.collect();
    let attempts = others.iter().map(|(_, target)| sender.send(now(), target, &message));
    let outcomes = tokio::time::timeout(PATIENCE, futures_util::future::join_all(attempts)).await.unwrap();
    for ((host, _), outcome) in others.iter().zip(outcomes) {
        let expected = match *host {
            "busy.example.net" => Outcome::Retry { after: None, why: RetryKind::Throttled },
            "broken.example.net" => Outcome::Retry { after: None, why: RetryKind::ServerError },
            _ => Outcome::Accepted { status: 201 },
        };
        assert_eq!(outcome, expected, "{host}");
    }
    // Those that hang held the two places they had before an answer the whole time.
    let reached = transport
        .posted
        .lock()
        .unwrap()
        .iter()
        .filter(|request| request.endpoint.url().host_str() == Some("hangs.example.net"))
        .count();
    assert_eq!(reached, 2);
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn who_refuses_three_devices_is_left_alone_and_nobody_else_is() {
    let (sender, transport) = played(&[("refuses.example.net", 403)], 4);
    let phone = Phone::new();
    let post = async |number: u128, host: &str| {
        let target = phone.target(&sender, number, &format!("https://{host}/{number}"));
        sender.send(now(), &target, &message()).await
    };
    let refused = Outcome::OurFault { status: Some(403), why: FaultKind::Refused };
    for number in 0..3 {
        assert_eq!(post(number, "refuses.example.net").await, refused);
    }
    let rest = Outcome::Retry { after: Some(Duration::from_secs(600)), why: RetryKind::Throttled };
    assert_eq!(post(3, "refuses.example.net").await, rest);
    assert_eq!(transport.posted.lock().unwrap().len(), 3);
    assert_eq!(post(4, "good.example.net").await, Outcome::Accepted { status: 201 });
}

/// What the phone reads of the last push, and the push itself.
fn last(transport: &Played, phone: &Phone) -> (Value, PushRequest) {
    let request = transport.posted.lock().unwrap().pop().unwrap();
    let clear = decrypt(&phone.0, &AUTH, &request.payload.content).unwrap();
    assert_eq!(clear.len(), CLEAR_BYTES);
    (serde_json::from_slice(&clear).unwrap(), request)
}

#[tokio::test]
async fn every_text_in_every_language_goes_out_in_one_size() {
    let (sender, transport) = played(&[], 4);
    let phone = Phone::new();
    let target = phone.target(&sender, 1, "https://push.example.net/1");
    let mut sizes = Vec::new();
    for key in protocols().lock_screen_texts.keys() {
        for lang in ["en", "es"] {
            let (title, body) = protocols().lock_screen(key, lang);
            let message = Message {
                title: title.to_owned(),
                body: body.to_owned(),
                lang: lang.to_owned(),
                ..message()
            };
            assert_eq!(sender.send(now(), &target, &message).await, Outcome::Accepted { status: 201 });
            let (shown, request) = last(&transport, &phone);
            assert_eq!(shown["web_push"], 8030);
            let notification = &shown["notification"];
            assert_eq!(
                (&notification["title"], &notification["body"], &notification["lang"]),
                (&Value::from(title), &Value::from(body), &Value::from(lang))
            );
            assert_eq!(
                notification["navigate"],
                format!("https://app.example.org/notifications/{}", message.id)
            );
            sizes.push(request.payload.content.len());
        }
    }
    assert!(sizes.len() >= 4 && sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
}

#[tokio::test]
async fn detailed_words_are_sealed_and_of_the_same_size() {
    let (sender, transport) = played(&[], 4);
    let phone = Phone::new();
    let target = phone.target(&sender, 1, "https://push.example.net/1");
    // As long as the scheduler lets them be: 1,200 bytes of JSON, most of them accents and quotation marks.
    let words = ("Respiración".to_owned(), format!("{}\"{}", "á".repeat(500), "día ".repeat(30)));
    let detailed = Message { detailed: Some(words.clone()), lang: "es-MX".to_owned(), ..message() };
    assert!(serde_json::to_string(&words).unwrap().len() > 1_100);
    let sent = sender.send(now(), &target, &detailed).await;
    assert_eq!(sent, Outcome::Accepted { status: 201 });
    let (shown, request) = last(&transport, &phone);
    assert_eq!(shown["notification"]["title"], words.0);
    assert_eq!(shown["notification"]["body"], words.1);
    sender.send(now(), &target, &message()).await;
    let (discreet, other) = last(&transport, &phone);
    assert_eq!(discreet["notification"]["body"], "A moment for you");
    assert_eq!(request.payload.content.len(), other.payload.content.len());
}

#[tokio::test]
async fn lifetime_urgency_and_topic_go_along_and_a_repetition_has_the_same_topic() {
    let (sender, transport) = played(&[], 4);
    let phone = Phone::new();
    let target = phone.target(&sender, 1, "https://push.example.net:8443/1");
    for _ in 0..2 {
        sender.send(now(), &target, &message()).await;
    }
    let other = Message { id: Uuid::from_u128(10), ..message() };
    sender.send(now(), &target, &other).await;
    let posted = transport.posted.lock().unwrap();
    let topics: Vec<&str> = posted.iter().map(|request| request.topic.as_deref().unwrap()).collect();
    assert!(topics[0] == topics[1] && topics[0] != topics[2] && topics[0].len() == 32);
    assert_eq!((posted[0].ttl_seconds, posted[0].urgency), (1_800, Urgency::High));
    assert_eq!(posted[0].authorization, posted[2].authorization);
    assert_eq!(posted[0].endpoint.origin(), "https://push.example.net:8443");
}

fn web_push(endpoint: &str) -> SubscriptionCreate {
    let phone = Phone::new();
    let point: [u8; 65] = phone.0.compute_public_key().unwrap().as_ref().try_into().unwrap();
    let keys = DeviceKeys { p256dh: point, auth: AUTH };
    serde_json::from_value(serde_json::json!({
        "endpoint": endpoint, "keys": { "p256dh": keys.p256dh_text(), "auth": keys.auth_text() },
    }))
    .unwrap()
}

#[tokio::test]
async fn unified_push_is_web_push_to_a_host_that_the_operator_allowed() {
    let endpoint = "https://push.clinic.org/up/Zm9v?up=1";
    assert!(sender(&config(&[])).check(&web_push(endpoint)).is_err());
    let transport = Arc::new(Played::default());
    let sender = Sender { transport: Box::new(transport.clone()), ..sender(&config(&["push.clinic.org"])) };
    let address = sender.check(&web_push(endpoint)).unwrap();
    let subscription = SubscriptionId(Uuid::from_u128(1));
    let target = Target { subscription, address, vapid_kid: sender.public_key().0 };
    assert_eq!(sender.send(now(), &target, &message()).await, Outcome::Accepted { status: 201 });
    assert_eq!(transport.posted.lock().unwrap()[0].endpoint.as_str(), endpoint);
}

/// A name server whose second answer leads inside.
struct Rebinding(Mutex<Vec<SocketAddr>>);

impl Names for Rebinding {
    fn find<'a>(&'a self, _: &'a str) -> Finding<'a> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
        Box::pin(async move { io::Result::Ok(vec![answer]) })
    }
}

/// A listener inside, and the number of connections it got.
async fn inside(address: &str) -> (u16, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            *counted.lock().unwrap() += 1;
        }
    });
    (port, count)
}

#[tokio::test]
async fn n1_a_name_that_leads_inside_when_it_is_sent_to_reaches_nobody() {
    let (port, reached) = inside("127.0.0.1:0").await;
    for leads_to in ["127.0.0.1:0", "127.9.9.9:0", "0.0.0.0:0", "[::ffff:127.0.0.1]:0"] {
        let names =
            Arc::new(Rebinding(Mutex::new(vec!["1.1.1.1:0".parse().unwrap(), leads_to.parse().unwrap()])));
        // Whoever looked at the name before saw nothing wrong with it.
        assert_eq!(names.find("rebind.example.net").await.unwrap(), ["1.1.1.1:0".parse().unwrap()]);
        let transport = HttpTransport::with_names(TransportOptions::default(), names).unwrap();
        let mut open = config(&[]);
        open.push.any_public = true;
        let sender = Sender { transport: Box::new(transport), ..sender(&open) };
        let target = Phone::new().target(&sender, 1, &format!("https://rebind.example.net:{port}/x"));
        let sent = sender.send(now(), &target, &message()).await;
        assert_eq!(sent, Outcome::OurFault { status: None, why: FaultKind::Blocked }, "{leads_to}");
    }
    assert_eq!(*reached.lock().unwrap(), 0);
}

#[tokio::test]
async fn n1_what_was_registered_before_is_dead_when_it_is_sent_to() {
    let (port, reached) = inside("127.0.0.1:0").await;
    let mut open = config(&[]);
    open.push.any_public = true;
    let sender = sender(&open);
    let corpus: Value = serde_json::from_str(include_str!("../../tests/hostile_endpoints.json")).unwrap();
    let texts = |name: &str| corpus[name].as_array().unwrap().clone();
    let mut endpoints: Vec<String> = Vec::new();
    for host in texts("addresses") {
        let host = host.as_str().unwrap();
        endpoints.extend([format!("https://{host}:{port}/push"), format!("http://{host}:{port}/push")]);
    }
    endpoints.extend(texts("malformed").iter().map(|pair| pair[0].as_str().unwrap().to_owned()));
    assert!(endpoints.len() >= 150);
    let phone = Phone::new();
    for endpoint in endpoints {
        let target = phone.target(&sender, 1, &endpoint);
        let sent = sender.send(now(), &target, &message()).await;
        assert_eq!(sent, Outcome::OurFault { status: None, why: FaultKind::Unbuildable }, "{endpoint}");
    }
    assert_eq!(*reached.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_native_device_gets_the_discreet_words_and_only_where_it_is_switched_on() {
    #[derive(Default)]
    struct Service(Arc<Mutex<Vec<(String, String, String)>>>);
    impl NativeService for Service {
        fn origin(&self) -> &str {
            "https://native.example"
        }

        fn send<'a>(&'a self, _: DateTime<Utc>, token: &'a str, note: &'a Note<'a>) -> native::Attempt<'a> {
            let sent = (token.to_owned(), format!("{} {}", note.title, note.body), note.receipt.to_owned());
            self.0.lock().unwrap().push(sent);
            Box::pin(async { Outcome::Gone { status: 410 } })
        }
    }
    let off = sender(&config(&[]));
    let service = Service::default();
    let sent = service.0.clone();
    let on = Sender { apns: Some(Box::new(service)), ..sender(&config(&[])) };
    let token = "A".repeat(64);
    let input = |kind: &str| -> SubscriptionCreate {
        serde_json::from_value(serde_json::json!({"kind": kind, "device_token": token})).unwrap()
    };
    assert!(off.check(&input("apns")).is_err() && on.check(&input("fcm")).is_err());
    let target = Target {
        subscription: SubscriptionId(Uuid::from_u128(1)),
        address: on.check(&input("apns")).unwrap(),
        vapid_kid: String::new(),
    };
    let detailed = ("Dosing session".to_owned(), "Tomorrow at ten".to_owned());
    let message = Message { detailed: Some(detailed), receipt: "r-1".to_owned(), ..message() };
    assert_eq!(on.send(now(), &target, &message).await, Outcome::Gone { status: 410 });
    let expected = ("a".repeat(64), "Afterglow A moment for you".to_owned(), "r-1".to_owned());
    assert_eq!(*sent.lock().unwrap(), [expected]);
    // It was switched off after the device had registered.
    let unbuildable = Outcome::OurFault { status: None, why: FaultKind::Unbuildable };
    assert_eq!(off.send(now(), &target, &message).await, unbuildable);
}

#[test]
fn a_subscription_sealed_when_there_was_only_web_push_still_opens() {
    let old = r#"{"endpoint":"https://push.example.net/1","p256dh":"B","auth":"A","device_name":"Phone"}"#;
    let address: Address = serde_json::from_str(old).unwrap();
    assert!(
        matches!(&address.way, Way::WebPush { endpoint, .. } if endpoint == "https://push.example.net/1")
    );
    assert_eq!(address.device_name.as_deref(), Some("Phone"));
    assert_eq!(serde_json::to_string(&address).unwrap(), old);
    let native = Address { way: Way::Apns { apns_token: "ab".to_owned() }, device_name: None };
    let again: Address = serde_json::from_str(&serde_json::to_string(&native).unwrap()).unwrap();
    assert!(matches!(again.way, Way::Apns { apns_token } if apns_token == "ab"));
}
