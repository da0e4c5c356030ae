//! A breaker stops sending to an origin that refuses us. Breakers are kept per origin, in memory, and forget what is
//! no longer of use.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::answer::{FaultKind, Outcome};

/// Origins remembered at most.
const MOST_ORIGINS: usize = 1_024;
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

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "https://one.example";
    const REFUSED: Outcome = Outcome::OurFault { status: Some(403), why: FaultKind::Refused };

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
}
