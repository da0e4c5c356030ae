//! H2: bodies that lie about their length, stand still, trickle or never end, over real sockets to the real binary.

use std::{net::SocketAddr, sync::Arc};

use afterglow::db::Engine;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    child::{PATIENCE, Running, pause},
    kill9::Client,
    world::{World, run},
};

#[test]
fn h2_bodies_that_lie_trickle_or_never_end_are_closed_and_have_no_effect() {
    run(Engine::Sqlite, hostile_bodies);
}

/// A request that is under way.
struct Sending {
    stream: TcpStream,
}

impl Sending {
    /// The head of a check-in with these headers, and the first bytes of its body.
    async fn begin(address: SocketAddr, token: &str, headers: &str, body: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v1/checkins HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\n{headers}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        Self { stream }
    }

    /// All that comes until the server closes.
    async fn answer(mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is an end too; what came before it counts.
        let _reset = timeout(PATIENCE, self.stream.read_to_end(&mut bytes)).await.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The same for a client that goes on writing all the while, part after part, as fast as it may or slowly.
    async fn answer_while_writing(self, part: &'static [u8], slowly: bool) -> (String, usize) {
        let (mut reader, mut writer) = self.stream.into_split();
        let writing = tokio::spawn(async move {
            let mut written = 0;
            while writer.write_all(part).await.is_ok() {
                written += part.len();
                if slowly {
                    pause().await;
                }
            }
            written
        });
        let mut bytes = Vec::new();
        let _reset = timeout(PATIENCE, reader.read_to_end(&mut bytes)).await.unwrap();
        let written = timeout(PATIENCE, writing).await.unwrap().unwrap();
        (String::from_utf8_lossy(&bytes).into_owned(), written)
    }
}

fn refused(answer: &str, status: u16, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains(code), "{answer}");
}

async fn hostile_bodies(world: Arc<World>) {
    world.fill(1).await;
    let mut command = world.afterglow(&["serve", "--no-worker"]);
    command.env("AFTERGLOW_SERVER__HEADER_TIMEOUT_SECONDS", "1");
    command.env("AFTERGLOW_SERVER__REQUEST_TIMEOUT_SECONDS", "4");
    let mut server = Running::start(command);
    let address = server.address().await;
    let ana = Client::log_in(address, "patient-0").await;
    let begin = async |headers: &str, body: &[u8]| Sending::begin(address, &ana.token, headers, body).await;
    let before = server.peak_kib();

    // Each byte comes in time, the whole never does.
    let trickling = begin("Content-Length: 100000", b"{\"mood\":6,\"note\":\"").await;
    let trickling = tokio::spawn(trickling.answer_while_writing(b".", true));
    // It stands still: told so, although it began later, before the whole request is out of time.
    let still = begin("Content-Length: 100", b"{\"mood\":6,").await;
    // Nobody else waits for them.
    assert_eq!(ana.get(address, "/v1/checkins").await, 200);
    refused(&still.answer().await, 408, "timeout");
    assert!(!trickling.is_finished());
    let (answer, _) = trickling.await.unwrap();
    refused(&answer, 408, "timeout");

    // Less than was promised, then nothing more.
    let mut short = begin("Content-Length: 100", b"{\"mood\":6}").await;
    short.stream.shutdown().await.unwrap();
    let answer = short.answer().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");

    // More than anybody may send is refused by its announcement.
    refused(&begin("Content-Length: 99999999999", b"").await.answer().await, 413, "body_too_large");
    // A length that no number holds, two lengths, a length beside chunks that are none.
    for (headers, body) in [
        ("Content-Length: 99999999999999999999999", &b"{\"mood\":6}"[..]),
        ("Content-Length: -1", b"{\"mood\":6}"),
        ("Content-Length: 10\r\nContent-Length: 11", b"{\"mood\":6} "),
        ("Transfer-Encoding: chunked", b"FFFFFFFFFFFFFFFFFF\r\n{\"mood\":6}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"zz\r\n{\"mood\":6}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: identity, xyz", b"{\"mood\":6}"),
    ] {
        let answer = begin(headers, body).await.answer().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{headers}: {answer}");
    }

    // Chunk after chunk without an end: cut soon after the limit, and not kept.
    const CHUNK: &[u8] = b"40\r\n................................................................\r\n";
    let endless = begin("Transfer-Encoding: chunked", CHUNK).await;
    let (answer, written) = endless.answer_while_writing(CHUNK, false).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(written < 16 * 1024 * 1024, "{written} bytes were taken");

    let list = ana.read(address, "/v1/checkins").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 0, "{list}");
    let grown = server.peak_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    server.signal("TERM");
    assert_eq!(server.ends_within(PATIENCE).await, Some(0), "{}", server.said());
}
