//! Logs, metrics, and the request id that ties them together. What a person wrote, who they are and what they asked
//! for never gets here: only methods, route templates, status codes and times.

use std::{
    fmt::Write as _,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::SubscriberInitExt};

use crate::{
    config::{LogConfig, LogFormat},
    panics,
};

/// The header that tells the client its request id.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

const REQUESTS: &str = "http_requests_total";
const DURATION: &str = "http_request_duration_seconds";
const DURATION_BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const LATENESS: &str = "notification_lateness_seconds";
const LATENESS_BOUNDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0, 10.0, 60.0, 600.0, 3_600.0];
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Why logs or metrics cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log.filter: is not a filter; write for instance info,afterglow=debug")]
    Filter,
    /// Somebody was first; a program has one log.
    #[error("logging was started already")]
    LogStarted,
    /// The recorder was refused, for instance because there is one.
    #[error("metrics cannot be recorded: {0}")]
    Metrics(#[from] BuildError),
}

/// Starts logging to the standard error stream, one line an event; of a panic its place only.
///
/// # Errors
/// [`TelemetryError::Filter`] and [`TelemetryError::LogStarted`].
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    subscriber(config, io::stderr)?.try_init().map_err(|_| TelemetryError::LogStarted)?;
    panics::note_in_log();
    Ok(())
}

type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber<W, F>(config: &LogConfig, output: F) -> Result<Subscriber, TelemetryError>
where
    W: Write + 'static,
    F: Fn() -> W + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&config.filter).map_err(|_| TelemetryError::Filter)?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Escaping(output));
    Ok(match config.format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_span_list(false).finish()),
    })
}

/// Makes sure that an event is one line and moves no cursor, whatever is in it: control characters, and those that
/// turn the direction of writing, become `\uXXXX`, which JSON reads back.
struct Escaping<F>(F);

impl<'a, W: Write + 'a, F: Fn() -> W + 'a> MakeWriter<'a> for Escaping<F> {
    type Writer = EscapingWriter<W>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter(self.0())
    }
}

struct EscapingWriter<W>(W);

impl<W: Write> Write for EscapingWriter<W> {
    /// Takes one whole event, as the formatter hands it over.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (line, end) = match text.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (&*text, ""),
        };
        let mut escaped = String::with_capacity(line.len() + 1);
        for character in line.chars() {
            if character.is_control() || turns_direction(character) {
                // Writing to a String does not fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            } else {
                escaped.push(character);
            }
        }
        escaped.push_str(end);
        self.0.write_all(escaped.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn turns_direction(character: char) -> bool {
    matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Starts recording metrics for the whole program. [`metrics_upkeep`] has to run beside it.
///
/// # Errors
/// [`TelemetryError::Metrics`], when metrics are recorded already.
pub fn install_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let lateness = Matcher::Full(LATENESS.to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets(&DURATION_BOUNDS)?
        .set_buckets_for_metric(lateness, &LATENESS_BOUNDS)?
        .install_recorder()?;
    metrics::describe_histogram!(
        LATENESS,
        metrics::Unit::Seconds,
        "Time from when a notification was due until a push service took it"
    );
    metrics::describe_counter!(REQUESTS, "Requests answered, by method, route template and status");
    metrics::describe_histogram!(
        DURATION,
        metrics::Unit::Seconds,
        "Time from a request's head to its answer's head"
    );
    Ok(handle)
}

/// Condenses recorded times every five seconds until `shutdown`; without it they pile up when nobody reads them.
pub async fn metrics_upkeep(handle: PrometheusHandle, shutdown: CancellationToken) {
    while tokio::time::timeout(UPKEEP_EVERY, shutdown.cancelled()).await.is_err() {
        handle.run_upkeep();
    }
}

/// `GET /metrics` in the text format of Prometheus, for the listener that only operators reach.
pub fn metrics_router(handle: PrometheusHandle) -> Router {
    let render = move || {
        let text = handle.render();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text) }
    };
    Router::new().route("/metrics", get(render))
}

/// Names one request in logs, problems and the audit trail: 32 hexadecimal digits, made here. None is taken from
/// clients, who could repeat one or hide text in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

impl RequestId {
    fn generate() -> Option<Self> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Self(format!("{:032x}", u128::from_be_bytes(bytes)).into()))
    }
}

/// Middleware, the outermost: puts a new [`RequestId`] among the request's extensions and into the answer's
/// `x-request-id`.
pub async fn request_id(mut request: Request, next: Next) -> Response {
    let Some(id) = RequestId::generate() else {
        // Without randomness there are no keys and no tokens either.
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let header = HeaderValue::from_str(&id.0);
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    if let Ok(header) = header {
        response.headers_mut().insert(REQUEST_ID_HEADER, header);
    }
    response
}

/// Middleware inside [`request_id`]: writes one line a request and counts it. Use it with `Router::layer`, where the
/// route is known.
pub async fn access_log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let id = request.extensions().get::<RequestId>().cloned();
    let mut line = Line { method, route, id, started, status: None };
    let response = next.run(request).await;
    line.status = Some(response.status());
    response
}

/// The line of one request. Written on drop, so that a request whose client went away is not lost from the log.
struct Line {
    method: &'static str,
    route: Option<MatchedPath>,
    id: Option<RequestId>,
    started: Instant,
    status: Option<StatusCode>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        let request_id = self.id.as_ref().map_or("", |id| &*id.0);
        let elapsed = self.started.elapsed();
        // 499 is what proxies call a client that did not wait.
        let status = self.status.map_or(499, |status| status.as_u16());
        let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(method = self.method, route, status, duration_ms, request_id, "request");
        let labels =
            [("method", self.method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        metrics::counter!(REQUESTS, &labels).increment(1);
        metrics::histogram!(DURATION, &labels).record(elapsed.as_secs_f64());
    }
}

/// Methods are chosen by clients; unknown ones share a name, so that nobody fills the metrics or the log.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn capture(format: LogFormat) -> (Captured, tracing::subscriber::DefaultGuard) {
        let captured = Captured::default();
        let config = LogConfig { format, ..LogConfig::default() };
        let output = captured.clone();
        let subscriber = subscriber(&config, move || output.clone()).unwrap();
        (captured, tracing::subscriber::set_default(subscriber))
    }

    fn app() -> Router {
        Router::new()
            .route("/goals/{id}", get(|| async { "a goal" }))
            .layer(axum::middleware::from_fn(access_log))
            .layer(axum::middleware::from_fn(request_id))
    }

    #[test]
    fn control_characters_never_reach_the_log() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let (captured, guard) = capture(format);
            tracing::info!(field = "a\nb\u{1b}[2J\u{9b}\u{202e}\u{7f}", "first\r\nsecond\u{0}");
            drop(guard);
            let text = captured.text();
            assert_eq!(text.lines().count(), 1, "{text}");
            let clean = |character: char| !character.is_control() && !turns_direction(character);
            assert!(text.trim_end_matches('\n').chars().all(clean), "{text:?}");
            if format == LogFormat::Json {
                let line: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(line["field"], "a\nb\u{1b}[2J\u{9b}\u{202e}\u{7f}");
            }
        }
    }

    #[tokio::test]
    async fn a_request_is_one_line_with_its_template_and_without_its_address() {
        let (captured, guard) = capture(LogFormat::Json);
        let request = Request::get("/goals/secret-goal?code=secret-code").header("x-request-id", "chosen");
        let response = app().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        drop(guard);
        let id = response.headers()[REQUEST_ID_HEADER].to_str().unwrap().to_owned();
        assert_eq!(id.len(), 32);
        let text = captured.text();
        assert!(!text.contains("secret") && !text.contains("chosen"), "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["method"], "GET");
        assert_eq!(line["route"], "/goals/{id}");
        assert_eq!(line["status"], 200);
        assert_eq!(line["request_id"], id);
        assert!(line["duration_ms"].is_u64());
    }

    #[tokio::test]
    async fn unknown_routes_and_methods_share_a_name() {
        let (captured, guard) = capture(LogFormat::Json);
        let request = Request::builder().method("INVENTED").uri("/secret").body(Body::empty()).unwrap();
        app().oneshot(request).await.unwrap();
        drop(guard);
        let line: serde_json::Value = serde_json::from_str(&captured.text()).unwrap();
        assert_eq!((line["method"].as_str(), line["route"].as_str()), (Some("OTHER"), Some("unmatched")));
        assert_eq!(line["status"], 404);
    }

    #[tokio::test]
    async fn metrics_count_requests_by_template() {
        let handle = {
            let recorder = PrometheusBuilder::new().set_buckets(&DURATION_BOUNDS).unwrap().build_recorder();
            let handle = recorder.handle();
            let _recording = metrics::set_default_local_recorder(&recorder);
            app().oneshot(Request::get("/goals/7").body(Body::empty()).unwrap()).await.unwrap();
            handle
        };
        let router = metrics_router(handle);
        let response = router.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let counted = r#"http_requests_total{method="GET",route="/goals/{id}",status="200"} 1"#;
        assert!(text.contains(counted), "{text}");
        assert!(text.contains("http_request_duration_seconds_bucket"), "{text}");
    }

    #[test]
    fn a_bad_filter_is_refused_by_name() {
        let config = LogConfig { filter: "a=b=c".to_owned(), ..LogConfig::default() };
        let error = subscriber(&config, io::sink).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.starts_with("log.filter")));
    }
}
