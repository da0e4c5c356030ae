//! How many statements some work sends to the database.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    instrument::WithSubscriber,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};

/// Counts what sea-orm sends, by the spans it opens for each statement. It keeps no spans: those of a connection's own
/// thread may end when the counting is long over.
struct Sent(Arc<AtomicUsize>);

impl Subscriber for Sent {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // Asked each time, since other tests come and go.
        Interest::sometimes()
    }

    fn enabled(&self, span: &Metadata<'_>) -> bool {
        let names = ["execute_raw", "execute_unprepared", "query_one_raw", "query_all_raw", "stream_raw"];
        span.is_span() && span.target().starts_with("sea_orm::database") && names.contains(&span.name())
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.0.fetch_add(1, Ordering::Relaxed);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What some work returns, and how many statements it sent, counted in its own task.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, usize) {
    let count = Arc::new(AtomicUsize::new(0));
    // While there is only one subscriber, a span that another test's thread happens to open first is asked for there,
    // where nobody counts, and is off from then on.
    let _second = Dispatch::new(Sent(Arc::default()));
    let value = work.with_subscriber(Sent(count.clone())).await;
    (value, count.load(Ordering::Relaxed))
}
