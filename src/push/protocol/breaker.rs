//! Keeps one push service from slowing the others: a breaker stops sending to an origin that refuses us, and
//! a bound keeps a slow one from taking every connection. Both are kept per origin, in memory, and forget
//! what is no longer of use.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use chrono::{DateTime, Duration, Utc};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use uuid::Uuid;

use super::answer::{FaultKind, Outcome};

/// Origins remembered at most.
const MOST_ORIGINS: usize = 1_024;
/// How often one that waits for a place looks whether the origin still moves.
const LOOK: std::time::Duration = std::time::Duration::from_millis(250);
/// A full origin that gave no place back for so long stands still.
const STANDS_STILL: std::time::Duration = std::time::Duration::from_secs(1);
/// Longest wait at an origin that moves, but slowly.
const MOST_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct BreakerPolicy {
    /// Different subscriptions that must be refused in a row. More than one, because a patient can register
    /// an endpoint that its service will always refuse (one made for another server's key), and that must not
    /// stop the reminders of everybody else whose phone uses this service.
    pub subscriptions: usize,
    /// How long an open breaker stays open, and after how long without a refusal earlier ones are forgotten.
    pub open_for: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { subscriptions: 3, open_for: Duration::minutes(10) }
    }
}

struct Refusals {
    subscriptions: Vec<Uuid>,
    last: DateTime<Utc>,
    open_until: Option<DateTime<Utc>>,
}

impl Refusals {
    fn is_past(&self, now: DateTime<Utc>, policy: &BreakerPolicy) -> bool {
        now >= self.open_until.unwrap_or(self.last + policy.open_for)
    }
}

/// The breakers of all origins.
pub struct Breakers {
    policy: BreakerPolicy,
    origins: Mutex<HashMap<String, Refusals>>,
}

impl Breakers {
    /// All closed.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, origins: Mutex::default() }
    }

    /// Until when nothing may be sent to this origin; none if it may.
    pub fn open_until(&self, origin: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.lock().get(origin)?.open_until.filter(|until| now < *until)
    }

    /// How many origins nothing may be sent to.
    pub fn open(&self, now: DateTime<Utc>) -> usize {
        let is_open = |refusals: &&Refusals| refusals.open_until.is_some_and(|until| now < until);
        self.lock().values().filter(is_open).count()
    }

    /// Takes note of how an attempt for a subscription ended. True if that opened the breaker, which happens
    /// once each time and is worth an alert. Something accepted closes it and forgets earlier refusals.
    pub fn record(&self, origin: &str, subscription: Uuid, outcome: &Outcome, now: DateTime<Utc>) -> bool {
        match outcome {
            Outcome::Accepted { .. } => {
                self.lock().remove(origin);
                false
            }
            // Nothing was sent, so the origin is not to blame.
            Outcome::OurFault { why: FaultKind::Unbuildable, .. } => false,
            Outcome::OurFault { .. } => self.refused(origin, subscription, now),
            Outcome::Gone { .. } | Outcome::TooLarge | Outcome::Retry { .. } => false,
        }
    }

    fn refused(&self, origin: &str, subscription: Uuid, now: DateTime<Utc>) -> bool {
        let mut origins = self.lock();
        if !origins.contains_key(origin) {
            self.make_room(&mut origins, now);
        }
        let fresh = || Refusals { subscriptions: Vec::new(), last: now, open_until: None };
        let refusals = origins.entry(origin.to_owned()).or_insert_with(fresh);
        if refusals.is_past(now, &self.policy) {
            *refusals = fresh();
        }
        refusals.last = now;
        if refusals.open_until.is_some() {
            return false;
        }
        if !refusals.subscriptions.contains(&subscription) {
            refusals.subscriptions.push(subscription);
        }
        let opens = refusals.subscriptions.len() >= self.policy.subscriptions;
        if opens {
            refusals.open_until = Some(now + self.policy.open_for);
        }
        opens
    }

    fn make_room(&self, origins: &mut HashMap<String, Refusals>, now: DateTime<Utc>) {
        if origins.len() < MOST_ORIGINS {
            return;
        }
        origins.retain(|_, refusals| !refusals.is_past(now, &self.policy));
        if origins.len() < MOST_ORIGINS {
            return;
        }
        let oldest =
            origins.iter().min_by_key(|(_, refusals)| refusals.last).map(|(origin, _)| origin.clone());
        if let Some(origin) = oldest {
            origins.remove(&origin);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Refusals>> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the requests under way to an origin, given back when dropped.
pub struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
    places: Arc<Places>,
    place: usize,
}

impl Slot {
    /// How many others were under way to this origin when it was taken.
    pub fn place(&self) -> usize {
        self.place
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.places.freed() = Instant::now();
    }
}

/// The places at one origin.
struct Places {
    semaphore: Arc<Semaphore>,
    // When one was given back last.
    freed: Mutex<Instant>,
}

impl Places {
    fn freed(&self) -> MutexGuard<'_, Instant> {
        self.freed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bounds the requests under way to each origin.
pub struct OriginSlots {
    per_origin: usize,
    // Weak, so that an origin without requests under way leaves nothing but its name behind.
    origins: Mutex<HashMap<String, Weak<Places>>>,
}

impl OriginSlots {
    /// At most `per_origin` requests at once to one origin, and at least one.
    pub fn new(per_origin: usize) -> Self {
        Self { per_origin: per_origin.clamp(1, Semaphore::MAX_PERMITS), origins: Mutex::default() }
    }

    /// Waits for a place; only requests to the same origin are waited for. Nobody queues at an origin that stands still,
    /// or for long at one that is slow, because what waits there keeps others from being sent. Nothing if there was no
    /// place, or if `give_up` came first.
    pub async fn enter(&self, origin: &str, give_up: impl Future<Output = ()>) -> Option<Slot> {
        let places = self.places(origin);
        let begun = Instant::now();
        let mut permit = std::pin::pin!(places.semaphore.clone().acquire_owned());
        let mut give_up = std::pin::pin!(give_up);
        loop {
            tokio::select! {
                biased;
                permit = &mut permit => {
                    let place = self.per_origin.saturating_sub(places.semaphore.available_permits() + 1);
                    return Some(Slot { _permit: permit.ok(), places: places.clone(), place });
                }
                () = &mut give_up => return None,
                () = look() => {}
            }
            let still = places.freed().elapsed() >= STANDS_STILL;
            if still || begun.elapsed() >= MOST_WAIT {
                return None;
            }
        }
    }

    fn places(&self, origin: &str) -> Arc<Places> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = origins.get(origin).and_then(Weak::upgrade) {
            return places;
        }
        if origins.len() >= MOST_ORIGINS {
            origins.retain(|_, places| places.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(self.per_origin));
        let places = Arc::new(Places { semaphore, freed: Mutex::new(Instant::now()) });
        origins.insert(origin.to_owned(), Arc::downgrade(&places));
        places
    }
}

#[expect(clippy::disallowed_methods, reason = "how long somebody waits, in real time")]
async fn look() {
    tokio::time::sleep(LOOK).await;
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const ONE: &str = "https://one.example";
    const REFUSED: Outcome = Outcome::OurFault { status: Some(403), why: FaultKind::Refused };

    async fn enter(slots: &OriginSlots, origin: &str) -> Option<Slot> {
        slots.enter(origin, std::future::pending()).await
    }

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_900_000_000 + minute * 60, 0).unwrap()
    }

    fn refuse(breakers: &Breakers, subscription: u128, minute: i64) -> bool {
        breakers.record(ONE, Uuid::from_u128(subscription), &REFUSED, at(minute))
    }

    fn opened() -> Breakers {
        let breakers = Breakers::new(BreakerPolicy::default());
        assert_eq!([1, 2, 3].map(|subscription| refuse(&breakers, subscription, 0)), [false, false, true]);
        breakers
    }

    #[test]
    fn three_refused_subscriptions_open_it_for_ten_minutes_and_alert_once() {
        let breakers = opened();
        assert!(!refuse(&breakers, 4, 1));
        assert_eq!(breakers.open_until(ONE, at(9)), Some(at(10)));
        assert_eq!(breakers.open_until(ONE, at(10)), None);
        assert_eq!(breakers.open_until("https://two.example", at(0)), None);
        assert_eq!([9, 10].map(|minute| breakers.open(at(minute))), [1, 0]);
        assert_eq!([1, 2, 3].map(|subscription| refuse(&breakers, subscription, 11)), [false, false, true]);
        assert_eq!(breakers.open_until(ONE, at(12)), Some(at(21)));
    }

    #[test]
    fn one_refused_subscription_alone_never_opens_it() {
        let breakers = Breakers::new(BreakerPolicy::default());
        assert!((0..500).all(|minute| !refuse(&breakers, 1, minute)));
        assert_eq!(breakers.open_until(ONE, at(500)), None);
    }

    #[test]
    fn something_accepted_closes_it_and_forgets() {
        let accepted = Outcome::Accepted { status: 201 };
        let breakers = opened();
        assert!(!breakers.record(ONE, Uuid::from_u128(9), &accepted, at(1)));
        assert_eq!(breakers.open_until(ONE, at(1)), None);
        assert!(!refuse(&breakers, 1, 2) && !refuse(&breakers, 2, 2));
        breakers.record(ONE, Uuid::from_u128(9), &accepted, at(2));
        assert!(!refuse(&breakers, 3, 2));
    }

    #[test]
    fn refusals_far_apart_do_not_add_up() {
        let breakers = Breakers::new(BreakerPolicy::default());
        assert!((0..20).all(|number| !refuse(&breakers, number, number as i64 * 10)));
    }

    #[test]
    fn only_our_faults_count() {
        let breakers = Breakers::new(BreakerPolicy { subscriptions: 1, ..BreakerPolicy::default() });
        let retry = Outcome::Retry { after: None, why: super::super::RetryKind::ServerError };
        let unbuildable = Outcome::OurFault { status: None, why: FaultKind::Unbuildable };
        for outcome in [Outcome::Gone { status: 410 }, Outcome::TooLarge, retry, unbuildable] {
            assert!(!breakers.record(ONE, Uuid::nil(), &outcome, at(0)), "{outcome:?}");
        }
        assert_eq!(breakers.open_until(ONE, at(0)), None);
        for why in [FaultKind::Refused, FaultKind::Unexpected, FaultKind::Redirect, FaultKind::Blocked] {
            let origin = format!("https://{why:?}.example");
            assert!(
                breakers.record(&origin, Uuid::nil(), &Outcome::OurFault { status: None, why }, at(0)),
                "{why:?}"
            );
        }
    }

    #[test]
    fn remembered_origins_are_bounded() {
        let breakers = Breakers::new(BreakerPolicy { subscriptions: 1, ..BreakerPolicy::default() });
        for number in 0..MOST_ORIGINS as i64 + 50 {
            let now = at(0) + Duration::milliseconds(number);
            assert!(breakers.record(&format!("https://{number}.example"), Uuid::nil(), &REFUSED, now));
        }
        assert_eq!(breakers.lock().len(), MOST_ORIGINS);
        assert_eq!(breakers.open_until("https://0.example", at(1)), None);
        assert!(breakers.open_until("https://1000.example", at(1)).is_some());
    }

    #[tokio::test]
    async fn a_full_origin_makes_only_its_own_requests_wait() {
        let slots = OriginSlots::new(2);
        let first = enter(&slots, ONE).await;
        let _second = enter(&slots, ONE).await;
        assert!(enter(&slots, ONE).now_or_never().is_none());
        assert!(enter(&slots, "https://two.example").now_or_never().is_some());
        drop(first);
        assert!(enter(&slots, ONE).now_or_never().is_some());
    }

    #[tokio::test]
    async fn nobody_queues_at_an_origin_that_stands_still() {
        let slots = OriginSlots::new(1);
        let held = enter(&slots, ONE).await;
        let begun = Instant::now();
        assert!(enter(&slots, ONE).await.is_none());
        assert!(begun.elapsed() >= STANDS_STILL, "it may only have been slow");
        drop(held);
        let _held = enter(&slots, ONE).await;
        assert!(slots.enter(ONE, async {}).await.is_none(), "whoever gives up does not wait");
    }

    #[tokio::test]
    async fn origins_without_requests_are_forgotten() {
        let slots = OriginSlots::new(0);
        let _held = enter(&slots, ONE).await;
        for number in 0..MOST_ORIGINS * 3 {
            enter(&slots, &format!("https://{number}.example")).await;
        }
        assert!(slots.origins.lock().unwrap().len() <= MOST_ORIGINS);
        assert!(enter(&slots, ONE).now_or_never().is_none());
    }
}
