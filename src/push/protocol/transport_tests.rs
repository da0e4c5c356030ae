//! The transport against a well-behaved push service and against hostile ones.

use std::{net::SocketAddr, sync::Mutex};

use futures_util::FutureExt;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use uuid::Uuid;

use super::*;
use crate::{
    clock::{Clock, SystemClock},
    demo::receiver::{DeviceSubscription, PushReceiver, Scripted},
    push::protocol::{
        EndpointPolicy, NativeSealer, PayloadBuilder, PushMessage, PushText, Sealer, VapidKeys, VapidSigner,
        check_endpoint, check_keys, topic,
    },
};

const SHORT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

fn options() -> TransportOptions {
    TransportOptions { connect_timeout: SHORT, total_timeout: SHORT, allow_loopback: true, per_origin: 8 }
}

fn endpoint(text: &str) -> Endpoint {
    check_endpoint(text, &EndpointPolicy::new(&[], true, true).unwrap()).unwrap()
}

fn request(endpoint: Endpoint) -> PushRequest {
    PushRequest {
        endpoint,
        payload: WebPushPayload {
            content: b"sealed".to_vec(),
            crypto_headers: Vec::new(),
            content_encoding: web_push::ContentEncoding::Aes128Gcm,
        },
        ttl_seconds: 60,
        urgency: Urgency::Normal,
        topic: None,
        authorization: "vapid t=t, k=k".into(),
        place: 0,
    }
}

fn signer() -> VapidSigner {
    let pkcs8 = VapidKeys::generate_pkcs8().unwrap();
    let keys = VapidKeys::new([("k1", &pkcs8[..])]).unwrap();
    VapidSigner::new(keys, Some("mailto:care@clinic.example")).unwrap()
}

fn complete(device: &DeviceSubscription, signer: &VapidSigner, body: &str) -> PushRequest {
    let keys = check_keys(&device.p256dh, &device.auth).unwrap();
    let id = Uuid::from_u128(7);
    let text = PushText { title: "Afterglow", body, lang: "en" };
    let message = PushMessage { text, path: "prompts/7", tag: "prompt", receipt: "r", notification_id: id };
    let clear = PayloadBuilder::new("https://app.example.org").unwrap().build(&message).unwrap();
    let endpoint = endpoint(&device.endpoint);
    let authorization = signer.authorization("k1", endpoint.origin(), SystemClock.now()).unwrap();
    PushRequest {
        endpoint,
        payload: NativeSealer.seal(&keys, &clear).unwrap(),
        ttl_seconds: 1_800,
        urgency: Urgency::High,
        topic: Some(topic(b"key", id)),
        authorization,
        place: 0,
    }
}

fn answered(status: u16) -> AttemptResult {
    AttemptResult::Answered { status, retry_after: None }
}

/// A server that answers each connection with these bytes, keeps writing `then` while it is read, and counts
/// what it wrote.
struct Raw {
    address: SocketAddr,
    written: Arc<Mutex<usize>>,
    connections: Arc<Mutex<usize>>,
}

impl Raw {
    async fn start(head: &str, then: Option<(&'static [u8], Duration)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let raw = Self {
            address: listener.local_addr().unwrap(),
            written: Arc::default(),
            connections: Arc::default(),
        };
        let (head, written, connections) = (head.to_owned(), raw.written.clone(), raw.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                tokio::spawn(Self::serve(stream, head.clone(), then, written.clone()));
            }
        });
        raw
    }

    async fn serve(
        mut stream: TcpStream,
        head: String,
        then: Option<(&'static [u8], Duration)>,
        written: Arc<Mutex<usize>>,
    ) {
        let mut buffer = [0; 4_096];
        let _read = stream.read(&mut buffer).await;
        let _sent = stream.write_all(head.as_bytes()).await;
        while let Some((bytes, pause)) = then {
            if stream.write_all(bytes).await.is_err() {
                return;
            }
            *written.lock().unwrap() += bytes.len();
            let _waited = tokio::time::timeout(pause, std::future::pending::<()>()).await;
        }
        // Kept open: only the client ends the exchange.
        let _closed = stream.read(&mut buffer).await;
    }

    async fn post(&self, transport: &HttpTransport) -> AttemptResult {
        transport.post(request(endpoint(&format!("http://{}/push", self.address)))).await
    }
}

#[tokio::test]
async fn what_was_sent_arrives_signed_sealed_and_in_one_size() {
    let receiver = PushReceiver::start().await.unwrap();
    let signer = signer();
    let device = receiver.subscribe_for("phone", signer.keys().current().1);
    let transport = HttpTransport::new(options()).unwrap();
    for body in ["short", "a much longer text, with an emoji \u{1f33f}, and more than the other one"] {
        assert_eq!(transport.post(complete(&device, &signer, body)).await, answered(201));
    }
    let received = receiver.wait_for(2, PATIENCE).await;
    assert_eq!(received.len(), 2);
    for one in &received {
        assert!(one.problems.is_empty(), "{:?}", one.problems);
        assert_eq!(one.header("ttl"), Some("1800"));
        assert_eq!(one.header("urgency"), Some("high"));
        assert_eq!(one.header("topic"), Some(topic(b"key", Uuid::from_u128(7)).as_str()));
        assert_eq!(one.header("cookie"), None);
        assert_eq!(
            one.plaintext_json["notification"]["navigate"],
            json!("https://app.example.org/prompts/7")
        );
    }
    assert_eq!(received[0].plaintext_json["notification"]["body"], json!("short"));
    assert_eq!(received[0].wire_bytes, received[1].wire_bytes);
}

#[tokio::test]
async fn answers_are_handed_on_as_they_came() {
    let receiver = PushReceiver::start().await.unwrap();
    let (signer, transport) = (signer(), HttpTransport::new(options()).unwrap());
    let device = receiver.subscribe("phone");
    receiver.respond_with("phone", vec![Scripted::status(429).retry_after("17"), Scripted::status(410)]);
    let post = async || transport.post(complete(&device, &signer, "x")).await;
    let throttled = AttemptResult::Answered { status: 429, retry_after: Some("17".into()) };
    assert_eq!([post().await, post().await, post().await], [throttled, answered(410), answered(201)]);
}

#[tokio::test]
async fn n4_an_endpoint_that_never_answers_ends_in_time_and_holds_up_no_other() {
    let receiver = PushReceiver::start().await.unwrap();
    let (signer, transport) = (signer(), HttpTransport::new(options()).unwrap());
    let (silent, quick) = (receiver.subscribe("silent"), receiver.subscribe("quick"));
    receiver.respond_with("silent", vec![Scripted::hang()]);
    let started = Instant::now();
    let other = async {
        let result = transport.post(complete(&quick, &signer, "x")).await;
        (result, started.elapsed())
    };
    let (hung, (answer, quick_took)) = tokio::join!(transport.post(complete(&silent, &signer, "x")), other);
    assert_eq!(hung, AttemptResult::Failed(FailureKind::Timeout));
    assert_eq!(answer, answered(201));
    assert!(started.elapsed() < 2 * SHORT && quick_took < SHORT);
    assert_eq!(receiver.wait_for(2, PATIENCE).await.len(), 2);
}

#[tokio::test]
async fn n4_headers_one_byte_at_a_time_end_in_time() {
    let raw = Raw::start("HTTP/1.1 201 Created\r\nX: ", Some((b"a", Duration::from_millis(20)))).await;
    let started = Instant::now();
    let result = raw.post(&HttpTransport::new(options()).unwrap()).await;
    assert_eq!(result, AttemptResult::Failed(FailureKind::Timeout));
    assert!(started.elapsed() < 2 * SHORT);
}

#[tokio::test]
async fn n4_a_known_status_survives_a_body_that_does_not_end() {
    let head = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n";
    let raw = Raw::start(head, Some((b"1\r\na\r\n", Duration::from_millis(20)))).await;
    let started = Instant::now();
    assert_eq!(raw.post(&HttpTransport::new(options()).unwrap()).await, answered(201));
    assert!(started.elapsed() < 2 * SHORT);
}

#[tokio::test]
async fn n4_an_endless_body_is_read_to_its_cap_only() {
    const CHUNK: &[u8] = &[b'a'; 16_384];
    let head = "HTTP/1.1 201 Created\r\nContent-Length: 99999999999\r\n\r\n";
    let raw = Raw::start(head, Some((CHUNK, Duration::ZERO))).await;
    let slow = TransportOptions { total_timeout: PATIENCE, ..options() };
    let started = Instant::now();
    assert_eq!(raw.post(&HttpTransport::new(slow).unwrap()).await, answered(201));
    assert!(started.elapsed() < DRAIN, "the body was read until the time was up");
    let response = Client::new().post(format!("http://{}/", raw.address)).send().await.unwrap();
    let read = drain(response).await;
    // One read can go over the cap, by no more than a read buffer.
    assert!((ANSWER_BYTES..ANSWER_BYTES + 1_048_576).contains(&read), "{read}");
}

#[tokio::test]
async fn n4_huge_headers_end_the_exchange() {
    let many = "X: y\r\n".repeat(MOST_HEADERS + 1);
    let long = format!("X: {}\r\n", "y".repeat(1_000_000));
    for headers in [many, long] {
        let raw =
            Raw::start(&format!("HTTP/1.1 201 Created\r\n{headers}Content-Length: 0\r\n\r\n"), None).await;
        let result = raw.post(&HttpTransport::new(options()).unwrap()).await;
        assert_eq!(result, AttemptResult::Failed(FailureKind::Interrupted));
    }
}

#[tokio::test]
async fn an_overlong_retry_after_is_dropped() {
    let head = format!("HTTP/1.1 503 x\r\nRetry-After: {}\r\nContent-Length: 0\r\n\r\n", "9".repeat(65));
    let raw = Raw::start(&head, None).await;
    assert_eq!(raw.post(&HttpTransport::new(options()).unwrap()).await, answered(503));
}

#[tokio::test]
async fn n1_redirects_are_not_followed() {
    let inside = Raw::start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None).await;
    for status in [301, 302, 303, 307, 308] {
        let head = format!(
            "HTTP/1.1 {status} x\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
            inside.address
        );
        let raw = Raw::start(&head, None).await;
        assert_eq!(raw.post(&HttpTransport::new(options()).unwrap()).await, answered(status));
    }
    assert_eq!(*inside.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn n1_without_the_switch_nothing_reaches_loopback() {
    let inside = Raw::start("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", None).await;
    let port = inside.address.port();
    let closed = HttpTransport::new(TransportOptions { allow_loopback: false, ..options() }).unwrap();
    for host in ["127.0.0.1", "localhost"] {
        for scheme in ["http", "https"] {
            // As if it had been registered while the switch was on.
            let text = format!("{scheme}://{host}:{port}/push");
            let result = closed.post(request(endpoint(&text))).await;
            assert_eq!(result, AttemptResult::Failed(FailureKind::Blocked), "{text}");
        }
    }
    assert_eq!(*inside.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn n1_the_answer_of_a_peer_that_is_not_public_is_not_believed() {
    let inside = Raw::start("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", None).await;
    // As if a resolver had been fooled: it gives out loopback, and only the look at the peer is left.
    let fooled =
        HttpTransport { filter: AddressFilter::new(false), ..HttpTransport::new(options()).unwrap() };
    let text = format!("http://localhost:{}/push", inside.address.port());
    assert_eq!(fooled.post(request(endpoint(&text))).await, AttemptResult::Failed(FailureKind::Blocked));
    assert_eq!(*inside.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn failures_have_kinds() {
    let transport = HttpTransport::new(options()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let result = transport.post(request(endpoint(&format!("http://{free}/x")))).await;
    assert_eq!(result, AttemptResult::Failed(FailureKind::Connect));
    let garbage = Raw::start("this is not HTTP\r\n\r\n", None).await;
    assert_eq!(garbage.post(&transport).await, AttemptResult::Failed(FailureKind::Interrupted));
    let clear = Raw::start("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", None).await;
    let https = endpoint(&format!("https://{}/x", clear.address));
    assert_eq!(transport.post(request(https)).await, AttemptResult::Failed(FailureKind::Connect));
    let nowhere = || request(endpoint("https://127.0.0.1:9999/"));
    let unbuildable = [
        PushRequest { topic: Some("a\r\nb".into()), ..nowhere() },
        PushRequest { topic: Some("x".repeat(33)), ..nowhere() },
        PushRequest { authorization: "a\nb".into(), ..nowhere() },
    ];
    for request in unbuildable {
        assert_eq!(transport.post(request).await, AttemptResult::Failed(FailureKind::Unbuildable));
    }
}

/// Runs the next test in a process of its own, where the proxy variables lead to a listener.
#[tokio::test]
async fn n1_proxy_variables_are_ignored() {
    let proxy = Raw::start("HTTP/1.1 299 Proxy\r\nContent-Length: 0\r\n\r\n", None).await;
    let url = format!("http://{}", proxy.address);
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        child.env(name, &url);
    }
    child.env_remove("no_proxy").env_remove("NO_PROXY");
    let output =
        child.args(["--exact", &format!("{module}::a_push_reaches_its_service")]).output().await.unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    assert_eq!(*proxy.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_push_reaches_its_service() {
    let service = Raw::start("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", None).await;
    assert_eq!(service.post(&HttpTransport::new(options()).unwrap()).await, answered(201));
    assert_eq!(*service.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn many_are_under_way_on_few_connections_and_go_over_http_2() {
    const AT_ONCE: usize = 150;
    let connections = Arc::new(Mutex::new(0));
    let counted = connections.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = axum::serve::ListenerExt::tap_io(listener, move |_| *counted.lock().unwrap() += 1);
    // Nobody is answered before all are under way.
    let all = Arc::new(tokio::sync::Barrier::new(AT_ONCE));
    let answer = move |version: axum::http::Version| {
        let all = all.clone();
        async move {
            all.wait().await;
            let status = if version == axum::http::Version::HTTP_2 { 201 } else { 505 };
            axum::http::StatusCode::from_u16(status).unwrap()
        }
    };
    let router = axum::Router::new().fallback(answer);
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let options = TransportOptions { total_timeout: PATIENCE, per_origin: 256, ..options() };
    let filter = AddressFilter::new(true);
    let resolver = GuardedResolver::new(filter, Arc::new(SystemNames));
    // Without TLS nothing negotiates HTTP/2, so it is agreed on beforehand.
    let transport = HttpTransport::of(options, filter, move || {
        client(&options, resolver.clone()).http2_prior_knowledge()
    })
    .unwrap();
    let post = |place| {
        let endpoint = endpoint(&format!("http://{address}/{place}"));
        transport.post(PushRequest { place, ..request(endpoint) })
    };
    let answers = futures_util::future::join_all((0..AT_ONCE).map(post)).await;
    assert!(answers.iter().all(|answer| *answer == answered(201)), "{answers:?}");
    assert_eq!(*connections.lock().unwrap(), AT_ONCE.div_ceil(PER_CONNECTION));
    server.abort();
}

#[tokio::test]
async fn the_first_request_of_a_connection_goes_alone() {
    let opening = Opening::default();
    let first = opening.first().await;
    assert!(opening.first().now_or_never().is_none(), "the second did not wait");
    drop(first);
    let others = [opening.first().now_or_never(), opening.first().now_or_never()];
    assert!(others.iter().all(|other| other.as_ref().is_some_and(|other| other.alone.is_none())));
    let stuck = Opening::default();
    let _first = stuck.first().await;
    // Nobody waits for ever for one that hangs.
    assert!(stuck.first().await.alone.is_none());
}
