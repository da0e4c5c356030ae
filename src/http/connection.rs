//! One connection: its requests, and the watch over how long it may be silent.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::ConnectInfo,
    http::{Request, Response, Version},
};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::timeout::TimeoutBody;

use crate::config::ServerConfig;

// What a closing connection may still take to say goodbye when no request is in flight.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections held at once.
    pub(super) connections: usize,
    /// From the first byte of a request's head, or from the start of the connection, to the end of the head.
    pub(super) head: Duration,
    /// From the end of an answer to the first byte of the next request.
    idle: Duration,
    /// Without progress while a request is in flight.
    stall: Duration,
}

impl From<&ServerConfig> for Limits {
    fn from(config: &ServerConfig) -> Self {
        let idle = Duration::from_secs(config.idle_timeout_seconds);
        Self {
            connections: config.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            head: Duration::from_secs(config.header_timeout_seconds),
            idle,
            // The router gives an answer after the request timeout; who does not even take that is gone.
            stall: Duration::from_secs(config.request_timeout_seconds).saturating_add(idle),
        }
    }
}

/// Two ways to end.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    /// After the requests in flight.
    pub(super) gently: CancellationToken,
    /// At once.
    pub(super) now: CancellationToken,
}

/// What the watch needs to know, kept by the stream and by the requests.
#[derive(Debug)]
struct Activity {
    in_flight: usize,
    multiplexed: bool,
    served: bool,
    /// When the last answer ended, or the connection began.
    waiting_since: Instant,
    /// When the first byte of the next head came.
    head_since: Option<Instant>,
    /// When a request, a part of an answer or, on HTTP/1, any byte last passed.
    progress: Instant,
}

impl Activity {
    /// On HTTP/2 a client that takes no answer still sends and gets pings; those are no progress.
    fn bytes_passed(&mut self) {
        if !self.multiplexed {
            self.progress = Instant::now();
        }
    }
}

#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Activity>>);

impl Shared {
    fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Activity {
            in_flight: 0,
            multiplexed: false,
            served: false,
            waiting_since: now,
            head_since: None,
            progress: now,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes_read(&self) {
        let mut activity = self.lock();
        if activity.in_flight == 0 {
            activity.head_since.get_or_insert_with(Instant::now);
        }
        activity.bytes_passed();
    }

    fn bytes_written(&self) {
        self.lock().bytes_passed();
    }

    fn part_answered(&self) {
        self.lock().progress = Instant::now();
    }

    fn request(&self, version: Version) -> InFlight {
        let mut activity = self.lock();
        activity.in_flight += 1;
        activity.served = true;
        activity.multiplexed = version == Version::HTTP_2;
        activity.head_since = None;
        activity.progress = Instant::now();
        InFlight(self.clone())
    }

    fn is_quiet(&self) -> bool {
        self.lock().in_flight == 0
    }

    /// When the connection has used up its time, unless something happens before.
    fn deadline(&self, limits: &Limits) -> Instant {
        let activity = self.lock();
        if activity.in_flight > 0 {
            return activity.progress + limits.stall;
        }
        if !activity.served {
            return activity.waiting_since + limits.head;
        }
        match activity.head_since {
            // On HTTP/2 bytes also come as answers to our pings, which are no request.
            Some(since) if !activity.multiplexed => since + limits.head,
            _ => activity.waiting_since + limits.idle,
        }
    }
}

/// Lives as long as its request: from the head to the last byte of the answer.
struct InFlight(Shared);

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut activity = self.0.lock();
        activity.in_flight -= 1;
        activity.waiting_since = Instant::now();
        activity.head_since = None;
    }
}

/// The router, and who is asking.
pub(super) struct Service {
    pub(super) router: Router,
    pub(super) peer: SocketAddr,
    /// How long a body may stand still while it is read.
    pub(super) pause: Duration,
}

impl Service {
    fn answer(
        &self,
        mut request: Request<Incoming>,
        shared: &Shared,
    ) -> impl Future<Output = Result<Response<Answer>, Infallible>> + use<> {
        let in_flight = shared.request(request.version());
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let steady = request.map(|body| Body::new(TimeoutBody::new(self.pause, body)));
        let answering = self.router.clone().oneshot(steady);
        async move { Ok(answering.await?.map(|body| Answer { body, in_flight })) }
    }
}

/// An answer's body that keeps its request in flight until it was handed over.
struct Answer {
    body: Body,
    in_flight: InFlight,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.in_flight.0.part_answered();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Serves one connection to its end.
pub(super) async fn run(
    builder: Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    service: Service,
    limits: Limits,
    stop: Stop,
) {
    let shared = Shared::new();
    let watched = shared.clone();
    let service = hyper::service::service_fn(move |request| service.answer(request, &watched));
    let io = TokioIo::new(Watched { stream, shared: shared.clone() });
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut stopping = pin!(stop.gently.cancelled_owned());
    let mut cutting = pin!(stop.now.cancelled_owned());
    let mut watch = pin!(sleep_until(shared.deadline(&limits)));
    let mut closing = false;
    poll_fn(|context| {
        // A client that breaks off or talks nonsense is its own affair: nothing to log.
        if connection.as_mut().poll(context).is_ready() || cutting.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        if !closing {
            let deadline = shared.deadline(&limits);
            if watch.deadline() != deadline {
                watch.as_mut().reset(deadline);
            }
            let out_of_time = watch.as_mut().poll(context).is_ready();
            if out_of_time && !shared.is_quiet() {
                return Poll::Ready(());
            }
            if !out_of_time && stopping.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            closing = true;
            connection.as_mut().graceful_shutdown();
            watch.as_mut().reset(Instant::now() + FAREWELL);
            if connection.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
        }
        while watch.as_mut().poll(context).is_ready() {
            if shared.is_quiet() || Instant::now() >= shared.deadline(&limits) {
                return Poll::Ready(());
            }
            watch.as_mut().reset(Instant::now() + FAREWELL);
        }
        Poll::Pending
    })
    .await;
}

/// The stream, noting when bytes pass.
struct Watched {
    stream: TcpStream,
    shared: Shared,
}

impl Watched {
    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.shared.bytes_written();
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.shared.bytes_read();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
