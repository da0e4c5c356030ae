//! What becomes of a panic: its place goes into the log, its words do not, because they may quote what somebody wrote.

use std::{
    any::Any,
    panic::{self, PanicHookInfo},
};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tower_http::catch_panic::CatchPanicLayer;

/// Has every panic of the process written down as one line of the log.
pub fn note_in_log() {
    panic::set_hook(Box::new(note));
}

fn note(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a panic ended what was under way here");
    metrics::counter!("panics_total").increment(1);
}

/// Answers a request that panicked as any other fault of ours.
pub fn catch() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(answer as fn(Box<dyn Any + Send>) -> Response)
}

fn answer(_words: Box<dyn Any + Send>) -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use axum::{Router, body::Body, extract::Request, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    async fn breaks() {
        panic!("she wrote of the quillwort pond");
    }

    #[test]
    fn a_panic_is_answered_and_logged_by_its_place_and_without_its_words() {
        let log = Log::default();
        let output = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || output.clone()).finish();
        let before = panic::take_hook();
        note_in_log();
        let response = tracing::subscriber::with_default(subscriber, || {
            let router = Router::new().route("/", get(breaks)).layer(catch());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(router.oneshot(Request::new(Body::empty()))).unwrap()
        });
        panic::set_hook(before);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(said.contains("src/panics.rs:"), "{said}");
        assert!(!said.contains("quillwort"), "{said}");
    }
}
