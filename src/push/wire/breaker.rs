//! One origin's trouble stays its own: so many requests at once to each, and a pause after an answer that says we do
//! something wrong, because repeating it would only get all of us blocked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Duration, Utc};
use tokio::sync::Semaphore;

/// How long an origin is left alone after it refused us.
const OPEN_FOR: Duration = Duration::minutes(10);
/// Origins remembered; beyond it, idle ones are forgotten.
const MOST: usize = 4_096;

struct Origin {
    seats: Arc<Semaphore>,
    open_until: Option<DateTime<Utc>>,
}

/// What is known of every origin.
pub struct Origins {
    concurrency: usize,
    known: Mutex<HashMap<String, Origin>>,
}

impl Origins {
    /// `concurrency` requests at once to each origin.
    pub fn new(concurrency: usize) -> Self {
        Self { concurrency: concurrency.max(1), known: Mutex::default() }
    }

    /// The seats of an origin; none while its breaker is open.
    pub fn seats(&self, origin: &str, now: DateTime<Utc>) -> Option<Arc<Semaphore>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(origin) {
            known.retain(|_, origin| Arc::strong_count(&origin.seats) > 1 || origin.open_until.is_some());
        }
        let concurrency = self.concurrency;
        let entry = known
            .entry(origin.to_owned())
            .or_insert_with(|| Origin { seats: Arc::new(Semaphore::new(concurrency)), open_until: None });
        match entry.open_until {
            Some(until) if now < until => None,
            _ => {
                entry.open_until = None;
                Some(entry.seats.clone())
            }
        }
    }

    /// Leaves an origin alone for a while.
    pub fn open(&self, origin: &str, now: DateTime<Utc>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.get_mut(origin) {
            entry.open_until = Some(now + OPEN_FOR);
        }
    }

    /// How long an open breaker stays open, for whoever has to wait.
    pub fn pause() -> std::time::Duration {
        OPEN_FOR.to_std().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_that_refused_us_is_left_alone_and_the_others_are_not() {
        let origins = Origins::new(2);
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(origins.seats("https://a", now).unwrap().available_permits(), 2);
        origins.open("https://a", now);
        assert!(origins.seats("https://a", now + Duration::minutes(9)).is_none());
        assert!(origins.seats("https://b", now).is_some());
        assert!(origins.seats("https://a", now + OPEN_FOR).is_some());
    }
}
