//! The HTTP server. hyper's own defaults hold a half-sent head or a silent connection for ever, so the time a client
//! may keep a connection is measured here, from the first byte of a connection to the last of an answer.

mod connection;
pub mod network;
#[cfg(test)]
mod tests;

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::connection::{Limits, Stop};
use crate::config::ServerConfig;

pub use self::network::{IpNetwork, client_network};

// How long requests in flight may take once the server stops.
const GRACE: Duration = Duration::from_secs(20);
// The system is out of something, most likely of file descriptors; others are about to be closed.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);
const STREAMS_PER_CONNECTION: u32 = 100;
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const LARGEST_HEAD: usize = 32 * 1024;

/// Serves `router` over HTTP/1.1 and HTTP/2 without TLS until `shutdown` is cancelled, then stops accepting, lets
/// requests in flight finish for up to 20 seconds, and cuts what is left. Handlers find the peer's address as
/// `ConnectInfo<SocketAddr>`. The time to answer a request is the router's to limit.
///
/// # Errors
/// None while it runs: a failed accept is logged and tried again. The result leaves room for a broken listener.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &ServerConfig,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let limits = Limits::from(limits);
    let seats = Arc::new(Semaphore::new(limits.connections));
    let stop = Stop { gently: shutdown, now: CancellationToken::new() };
    let open = TaskTracker::new();
    let builder = Arc::new(builder());
    loop {
        // The seat comes first: a connection beyond the cap waits in the system's queue, not in our memory.
        let next = async {
            let seat = seats.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((seat, listener.accept().await))
        };
        let (seat, accepted) = tokio::select! {
            biased;
            () = stop.gently.cancelled() => break,
            next = next => next?,
        };
        match accepted {
            Ok((stream, peer)) => {
                without_delay(&stream);
                let service = connection::Service { router: router.clone(), peer, pause: limits.head };
                let connection = connection::run(builder.clone(), stream, service, limits, stop.clone());
                open.spawn(async move {
                    connection.await;
                    drop(seat);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "no connection can be accepted");
                // Ends early when the server stops.
                let _ = timeout(PAUSE_AFTER_FAILED_ACCEPT, stop.gently.cancelled()).await;
            }
        }
    }
    drop(listener);
    open.close();
    if timeout(GRACE, open.wait()).await.is_err() {
        tracing::warn!(connections = open.len(), "cutting connections that did not finish in time");
        stop.now.cancel();
        open.wait().await;
    }
    Ok(())
}

/// Answers are often smaller than a packet; waiting to fill one would only delay them.
fn without_delay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(kind = ?error.kind(), "TCP_NODELAY was refused");
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // hyper's own head timer would also close connections that merely wait; `connection` tells the two apart.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(LARGEST_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .max_header_list_size(LARGEST_HEAD as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}
