//! Against real sockets, with the shortest timeouts that can be configured. Nothing here asserts how long something
//! took, only that it happened long before a patient limit.

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::ConnectInfo,
    routing::get,
};
use futures_util::{StreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
    task::JoinHandle,
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const NEVER: u64 = 600;
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<io::Result<()>>,
    entered: Arc<Notify>,
    release: Arc<Notify>,
    dropped: Arc<Notify>,
}

/// Tells when an endless answer was given up.
struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

fn limits(header: u64, idle: u64, connections: usize) -> ServerConfig {
    ServerConfig {
        header_timeout_seconds: header,
        idle_timeout_seconds: idle,
        max_connections: connections,
        ..ServerConfig::default()
    }
}

async fn start(limits: ServerConfig) -> Server {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (entering, releasing) = (entered.clone(), release.clone());
    let slow = move || async move {
        entering.notify_one();
        releasing.notified().await;
        "finished"
    };
    let who = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { format!("peer {peer}") };
    let dropped = Arc::new(Notify::new());
    let dropping = dropped.clone();
    let endless = move || {
        let guard = OnDrop(dropping.clone());
        let parts = stream::repeat(Bytes::from_static(&[b'.'; 65_536]));
        async move { Body::from_stream(parts.map(move |part| (&guard, Ok::<_, io::Error>(part)).1)) }
    };
    let router = Router::new().route("/", get(who)).route("/slow", get(slow)).route("/endless", get(endless));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let task = tokio::spawn(async move { serve(listener, router, &limits, stop).await });
    Server { address, shutdown, task, entered, release, dropped }
}

impl Server {
    async fn connect(&self, first: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(first).await.unwrap();
        stream
    }

    async fn stopped(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&bytes).contains(wanted) {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "closed before {wanted:?} came");
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn is_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is as good an end as an orderly one.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test]
async fn a_request_is_answered_with_its_peer_known() {
    let server = start(limits(NEVER, NEVER, 10)).await;
    let mut client = server.connect(GET).await;
    let peer = client.local_addr().unwrap();
    let answer = read_until(&mut client, &format!("peer {peer}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    server.stopped().await;
}

#[tokio::test]
async fn half_sent_heads_are_closed_while_others_are_answered() {
    let server = start(limits(1, NEVER, 10)).await;
    let mut half = server.connect(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    let mut silent = server.connect(b"").await;
    let mut undecided = server.connect(b"PRI * HTTP").await;
    let mut second_half = server.connect(GET).await;
    read_until(&mut second_half, "peer").await;
    second_half.write_all(b"GET / HT").await.unwrap();

    let mut other = server.connect(GET).await;
    read_until(&mut other, "peer").await;
    for stream in [&mut half, &mut silent, &mut undecided, &mut second_half] {
        is_closed(stream).await;
    }
    // Waiting between requests is not sending slowly.
    other.write_all(GET).await.unwrap();
    read_until(&mut other, "peer").await;
    server.stopped().await;
}

/// Everybody who is slow is closed in time, and nobody else notices.
async fn slow_sockets(count: usize) {
    let server = start(limits(2, NEVER, count + 10)).await;
    let mut slow = Vec::with_capacity(count);
    for number in 0..count {
        let first: &[u8] = [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nX: ", b"PRI * HT"][number % 4];
        slow.push(server.connect(first).await);
    }
    for _ in 0..20 {
        let mut other = server.connect(GET).await;
        read_until(&mut other, "peer").await;
    }
    for stream in &mut slow {
        is_closed(stream).await;
    }
    server.stopped().await;
}

#[tokio::test]
async fn h1_hundreds_of_slow_sockets_are_closed_while_others_are_answered() {
    slow_sockets(400).await;
}

#[tokio::test]
#[ignore = "takes four thousand file descriptors"]
async fn h1_two_thousand_slow_sockets_are_closed_while_others_are_answered() {
    slow_sockets(2_000).await;
}

#[tokio::test]
async fn bytes_that_trickle_do_not_buy_time() {
    let server = start(limits(1, NEVER, 10)).await;
    let mut client = server.connect(b"GET / HTTP/1.1\r\nX-Slow: ").await;
    let trickle = async { while client.write_all(b"a").await.is_ok() && timeout_passed().await {} };
    timeout(PATIENCE, trickle).await.unwrap();
    server.stopped().await;
}

async fn timeout_passed() -> bool {
    timeout(Duration::from_millis(50), std::future::pending::<()>()).await.is_err()
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let server = start(limits(NEVER, 1, 10)).await;
    let mut client = server.connect(GET).await;
    read_until(&mut client, "peer").await;
    is_closed(&mut client).await;
    server.stopped().await;
}

#[tokio::test]
async fn a_request_in_flight_is_neither_idle_nor_slow() {
    let server = start(limits(1, 1, 10)).await;
    let mut client = server.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.entered.notified().await;
    // Longer than both limits: this other connection runs into one.
    is_closed(&mut server.connect(b"GET").await).await;
    is_closed(&mut server.connect(b"GET").await).await;
    server.release.notify_one();
    read_until(&mut client, "finished").await;
    server.stopped().await;
}

#[tokio::test]
async fn a_graceful_stop_finishes_requests_in_flight() {
    let server = start(limits(NEVER, NEVER, 10)).await;
    let mut busy = server.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut idle = server.connect(GET).await;
    read_until(&mut idle, "peer").await;
    let mut half = server.connect(b"GET / HT").await;
    server.entered.notified().await;
    server.shutdown.cancel();
    is_closed(&mut idle).await;
    is_closed(&mut half).await;
    assert!(TcpStream::connect(server.address).await.is_err(), "still accepting");
    assert!(!server.task.is_finished());
    server.release.notify_one();
    read_until(&mut busy, "finished").await;
    server.stopped().await;
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_seat() {
    let server = start(limits(NEVER, NEVER, 1)).await;
    let mut first = server.connect(GET).await;
    read_until(&mut first, "peer").await;
    let mut second = server.connect(GET).await;
    let waited = timeout(Duration::from_millis(300), second.readable()).await;
    assert!(waited.is_err(), "the second connection was served beside the first");
    drop(first);
    read_until(&mut second, "peer").await;
    server.stopped().await;
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
// HEADERS on stream 1, complete: GET http x /
const H2_GET: &[u8] = b"\x00\x00\x06\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x01x";

#[tokio::test]
async fn http2_is_answered_and_closed_when_idle() {
    let server = start(limits(NEVER, 1, 10)).await;
    let mut client = server.connect(&[PREFACE, H2_GET].concat()).await;
    read_until(&mut client, "peer").await;
    is_closed(&mut client).await;
    server.stopped().await;
}

#[tokio::test]
async fn http2_without_a_request_is_closed() {
    let server = start(limits(1, NEVER, 10)).await;
    let mut client = server.connect(PREFACE).await;
    is_closed(&mut client).await;
    server.stopped().await;
}

#[tokio::test]
async fn answers_that_nobody_takes_are_given_up() {
    // HEADERS on stream 1, complete: GET http x /endless
    let h2_endless = b"\x00\x00\x0f\x01\x05\x00\x00\x00\x01\x82\x86\x04\x08/endless\x41\x01x";
    let requests = [b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), [PREFACE, h2_endless].concat()];
    for request in requests {
        let server = start(ServerConfig { request_timeout_seconds: 1, ..limits(NEVER, 1, 10) }).await;
        let client = server.connect(&request).await;
        timeout(PATIENCE, server.dropped.notified()).await.unwrap();
        drop(client);
        server.stopped().await;
    }
}
