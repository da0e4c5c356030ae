//! The receiver must find what is wrong: a test double that accepts everything proves nothing.

use chrono::{DateTime, Utc};

use super::*;
use crate::{
    clock::MockClock,
    push::protocol::{NativeSealer, Sealer, VapidKeys, VapidSigner, check_keys},
};

const PATIENCE: Duration = Duration::from_secs(5);

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000, 0).unwrap()
}

async fn start() -> PushReceiver {
    PushReceiver::start_with(Arc::new(MockClock::at(now()))).await.unwrap()
}

fn signer() -> VapidSigner {
    let pkcs8 = VapidKeys::generate_pkcs8().unwrap();
    VapidSigner::new(VapidKeys::new([("k", &pkcs8[..])]).unwrap(), Some("mailto:a@b.example")).unwrap()
}

fn sealed(device: &DeviceSubscription, clear: &[u8]) -> Vec<u8> {
    let keys = check_keys(&device.p256dh, &device.auth).unwrap();
    NativeSealer.seal(&keys, clear).unwrap().content
}

fn good_headers(receiver: &PushReceiver, signer: &VapidSigner) -> Vec<(&'static str, String)> {
    vec![
        ("ttl", "60".into()),
        ("urgency", "normal".into()),
        ("content-encoding", "aes128gcm".into()),
        ("content-type", "application/octet-stream".into()),
        ("authorization", signer.authorization("k", receiver.origin(), now()).unwrap().to_string()),
    ]
}

async fn post(device: &DeviceSubscription, headers: &[(&str, String)], body: Vec<u8>) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(&device.endpoint).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_good_push_has_no_problems() {
    let (receiver, signer) = (start().await, signer());
    let device = receiver.subscribe("phone");
    let status = post(&device, &good_headers(&receiver, &signer), sealed(&device, br#"{"a":1}"#)).await;
    let received = receiver.received();
    assert_eq!((status, received.len()), (201, 1));
    assert_eq!(
        (received[0].device.as_str(), received[0].sequence, received[0].status),
        ("phone", 0, Some(201))
    );
    assert_eq!(received[0].plaintext_json, serde_json::json!({"a": 1}));
    assert!(received[0].problems.is_empty(), "{:?}", received[0].problems);
}

#[tokio::test]
async fn each_wrong_header_is_found() {
    let (receiver, signer) = (start().await, signer());
    let device = receiver.subscribe("phone");
    let cases = [
        ("ttl", "-1", "TTL"),
        ("ttl", "soon", "TTL"),
        ("urgency", "urgent", "Urgency"),
        ("topic", "not base64", "Topic"),
        ("topic", "A", "Topic"),
        ("content-encoding", "aesgcm", "Content-Encoding"),
        ("content-type", "text/plain", "Content-Type"),
        ("cookie", "a=b", "Cookie"),
        ("authorization", "WebPush abc", "scheme"),
        ("authorization", "vapid t=abc", "t or k"),
        ("authorization", "vapid t=abc, k=abc", "JWT"),
    ];
    for (number, (name, value, expected)) in cases.into_iter().enumerate() {
        let mut headers = good_headers(&receiver, &signer);
        headers.retain(|(kept, _)| *kept != name);
        headers.push((name, value.to_owned()));
        assert_eq!(post(&device, &headers, sealed(&device, b"{}")).await, 400, "{name}: {value}");
        let problems = &receiver.received()[number].problems;
        assert!(matches!(&problems[..], [one] if one.contains(expected)), "{name}: {value}: {problems:?}");
    }
}

#[tokio::test]
async fn each_wrong_signature_is_found() {
    let (receiver, signer) = (start().await, signer());
    let own_key = signer.keys().current().1.to_owned();
    let device = receiver.subscribe_for("phone", &own_key);
    let signed = |origin: &str, hours: i64| {
        signer.authorization("k", origin, now() + chrono::Duration::hours(hours)).unwrap().to_string()
    };
    let origin = receiver.origin().to_owned();
    let without_port = origin.rsplit_once(':').unwrap().0.to_owned();
    let stranger = self::signer().authorization("k", &origin, now()).unwrap().to_string();
    let mixed = format!("{}, k={own_key}", stranger.split_once(", k=").unwrap().0);
    let cases = [
        (signed(&without_port, 0), "aud"),
        (signed(&origin, -12), "exp"),
        (signed(&origin, 13), "exp"),
        (stranger, "another key"),
        (mixed, "signature"),
    ];
    for (number, (authorization, expected)) in cases.into_iter().enumerate() {
        let mut headers = good_headers(&receiver, &signer);
        headers.pop();
        headers.push(("authorization", authorization));
        assert_eq!(post(&device, &headers, sealed(&device, b"{}")).await, 400, "{expected}");
        let problems = &receiver.received()[number].problems;
        assert!(matches!(&problems[..], [one] if one.contains(expected)), "{expected}: {problems:?}");
    }
}

#[tokio::test]
async fn a_body_for_another_device_is_found() {
    let (receiver, signer) = (start().await, signer());
    let (one, other) = (receiver.subscribe("one"), receiver.subscribe("other"));
    let headers = good_headers(&receiver, &signer);
    assert_eq!(post(&one, &headers, sealed(&other, b"{}")).await, 400);
    assert_eq!(post(&one, &headers, sealed(&one, b"not json")).await, 400);
    let received = receiver.received();
    assert!(received.iter().all(|one| one.problems.len() == 1 && one.plaintext_json.is_null()));
}

#[tokio::test]
async fn unknown_tokens_and_large_bodies_are_refused_unseen() {
    let (receiver, signer) = (start().await, signer());
    let device = receiver.subscribe("phone");
    let nobody =
        DeviceSubscription { endpoint: format!("{}/push/nobody", receiver.origin()), ..device.clone() };
    let headers = good_headers(&receiver, &signer);
    assert_eq!(post(&nobody, &headers, vec![0; 10]).await, 404);
    assert_eq!(post(&device, &headers, vec![0; MOST_BYTES + 1]).await, 413);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn scripted_answers_come_in_order_and_then_the_usual_one() {
    let (receiver, signer) = (start().await, signer());
    let device = receiver.subscribe("phone");
    let late = Scripted::status(503).after(Duration::from_millis(120));
    receiver.respond_with("phone", vec![Scripted::status(429).retry_after("5"), late]);
    let headers = good_headers(&receiver, &signer);
    let mut statuses = Vec::new();
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        let started = Instant::now();
        statuses.push(post(&device, &headers, sealed(&device, b"{}")).await);
        longest = longest.max(started.elapsed());
    }
    assert_eq!(statuses, [429, 503, 201]);
    assert!(longest >= Duration::from_millis(120));
}

#[tokio::test]
async fn waiting_ends_when_enough_arrived_or_the_time_is_up() {
    let (receiver, signer) = (start().await, signer());
    let device = receiver.subscribe("phone");
    assert!(receiver.wait_for(1, Duration::from_millis(20)).await.is_empty());
    receiver.respond_with("phone", vec![Scripted::hang()]);
    let (headers, body) = (good_headers(&receiver, &signer), sealed(&device, b"{}"));
    let hanging = tokio::spawn(async move { post(&device, &headers, body).await });
    let received = receiver.wait_for(1, PATIENCE).await;
    assert_eq!(received[0].status, None);
    assert!(!hanging.is_finished());
    hanging.abort();
}

#[tokio::test]
async fn it_stops_when_dropped() {
    let receiver = start().await;
    let address = receiver.origin().strip_prefix("http://").unwrap().to_owned();
    drop(receiver);
    let refused = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn looking_at_what_arrived_never_stops_what_arrives() {
    const EACH: usize = 500;
    let receiver = start().await;
    let token = receiver.subscribe("phone").endpoint.rsplit('/').next().unwrap().to_owned();
    let senders: Vec<_> = (0..3)
        .map(|_| (receiver.service.clone(), token.clone()))
        .map(|(service, token)| {
            tokio::task::spawn_blocking(move || {
                for _ in 0..EACH {
                    take(&service, &token, &HeaderMap::new(), &[]).unwrap();
                }
            })
        })
        .collect();
    for count in 1..=3 * EACH {
        assert!(receiver.wait_for(count, PATIENCE).await.len() >= count);
    }
    for sender in senders {
        sender.await.unwrap();
    }
}
