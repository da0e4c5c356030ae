//! Time and randomness as things that are handed in, so that a test can live a year in a second. Nothing else in the
//! program asks the operating system for either.

use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::rand;
use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

/// Where instants come from. They are UTC and carry whole milliseconds, which is what both databases keep.
pub trait Clock: Send + Sync + 'static {
    /// The present instant, truncated to milliseconds.
    fn now(&self) -> DateTime<Utc>;
}

/// The operating system's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(3)
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct MockClock {
    millis: AtomicI64,
}

impl MockClock {
    pub fn at(start: DateTime<Utc>) -> Self {
        Self { millis: AtomicI64::new(start.timestamp_millis()) }
    }

    pub fn set(&self, instant: DateTime<Utc>) {
        self.millis.store(instant.timestamp_millis(), Ordering::SeqCst);
    }

    pub fn advance(&self, by: chrono::Duration) {
        self.millis.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }
}

impl Clock for MockClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.millis.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

/// Where unpredictable bytes come from.
pub trait Random: Send + Sync + 'static {
    /// Fill `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's random source, through the cryptographic library.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::expect_used,
        reason = "without randomness nothing may go on: no key, nonce or id is safe"
    )]
    fn fill(&self, buffer: &mut [u8]) {
        rand::fill(buffer).expect("the operating system's random source failed");
    }
}

impl dyn Random {
    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut buffer = [0; N];
        self.fill(&mut buffer);
        buffer
    }

    /// A UUIDv7 (RFC 9562) for the given instant: ids sort by the time they were made.
    pub fn uuid_v7(&self, now: DateTime<Utc>) -> Uuid {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }
}
