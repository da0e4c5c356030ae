//! What the answer of a push service means. One pure table: an answer is believed about the subscription only
//! where RFC 8030 says so (404, 410); what says that our request was wrong never costs a patient their
//! subscription.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};

/// Shortest and longest wait that a push service can ask for.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));
const FIRST_DELAY: Duration = Duration::from_secs(2);
const LONGEST_DELAY: Duration = Duration::from_secs(600);

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The service answered.
    Answered {
        status: u16,
        /// The `Retry-After` header as it came.
        retry_after: Option<String>,
    },
    /// It did not. No more is told, because the endpoint is a secret.
    Failed(FailureKind),
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Not within the time allowed.
    Timeout,
    /// The host's name has no address.
    Unresolved,
    /// No connection, or TLS failed.
    Connect,
    /// The connection broke, or what came was not HTTP.
    Interrupted,
    /// The host leads to an address that is not public, or an endpoint in clear text leads away from this
    /// machine.
    Blocked,
    /// The request could not be built.
    Unbuildable,
}

/// What to do about an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The service took the message. That is not "seen".
    Accepted { status: u16 },
    /// The subscription has ended: disable it, if it is unchanged since the attempt.
    Gone { status: u16 },
    /// We, not the subscription, are refused: report it to [`super::Breakers`], alert, delete nothing.
    OurFault { status: Option<u16>, why: FaultKind },
    /// The message was too long for this service: alert.
    TooLarge,
    /// Try again inside the freshness window, not before `after`.
    Retry { after: Option<Duration>, why: RetryKind },
}

/// What kind of fault is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// 400, 401, 403: request, signature or key.
    Refused,
    /// Another 4xx.
    Unexpected,
    /// 3xx: redirects are not followed.
    Redirect,
    /// The address is not public.
    Blocked,
    /// No request could be made of the message.
    Unbuildable,
}

/// Why to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryKind {
    /// Too many requests.
    Throttled,
    /// The service has trouble.
    ServerError,
    /// No answer in time.
    Timeout,
    /// No connection, or it broke.
    Network,
    /// An answer outside of HTTP's classes.
    Strange,
}

impl Outcome {
    /// The HTTP status that led to it, where it says something.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Accepted { status } | Self::Gone { status } => Some(*status),
            Self::OurFault { status, .. } => *status,
            Self::TooLarge => Some(413),
            Self::Retry { .. } => None,
        }
    }

    /// Whether nothing came back.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Retry { why: RetryKind::Timeout | RetryKind::Network, .. })
    }
}

/// What an attempt that ended at `now` means.
///
/// | answer | outcome |
/// |---|---|
/// | 2xx | accepted |
/// | 404, 410 | gone (RFC 8030 section 7.3) |
/// | 413 | too large |
/// | 429, 406 | retry: throttled (406 is what the Windows service answers then) |
/// | 408, 421, 425, 5xx | retry |
/// | 400, 401, 403 | our fault |
/// | other 4xx, 3xx | our fault: the next answer would be the same, and the subscription has not ended |
/// | no answer | retry |
/// | address not public, request not buildable | our fault, without a status |
pub fn classify(result: &AttemptResult, now: DateTime<Utc>) -> Outcome {
    let (status, retry_after) = match result {
        AttemptResult::Answered { status, retry_after } => (*status, retry_after.as_deref()),
        AttemptResult::Failed(kind) => return no_answer(*kind),
    };
    let retry = |why| Outcome::Retry { after: retry_after.and_then(|text| wait(text, now)), why };
    let fault = |why| Outcome::OurFault { status: Some(status), why };
    match status {
        200..=299 => Outcome::Accepted { status },
        404 | 410 => Outcome::Gone { status },
        413 => Outcome::TooLarge,
        406 | 429 => retry(RetryKind::Throttled),
        408 => retry(RetryKind::Timeout),
        421 | 425 | 500..=599 => retry(RetryKind::ServerError),
        400 | 401 | 403 => fault(FaultKind::Refused),
        402..=499 => fault(FaultKind::Unexpected),
        300..=399 => fault(FaultKind::Redirect),
        _ => retry(RetryKind::Strange),
    }
}

fn no_answer(kind: FailureKind) -> Outcome {
    let retry = |why| Outcome::Retry { after: None, why };
    let fault = |why| Outcome::OurFault { status: None, why };
    match kind {
        FailureKind::Timeout => retry(RetryKind::Timeout),
        FailureKind::Unresolved | FailureKind::Connect | FailureKind::Interrupted => {
            retry(RetryKind::Network)
        }
        FailureKind::Blocked => fault(FaultKind::Blocked),
        FailureKind::Unbuildable => fault(FaultKind::Unbuildable),
    }
}

/// How long `Retry-After` asks to wait: seconds or a date (RFC 9110 section 10.2.3), clamped to 1 s ..= 1 h.
/// Nothing if it is neither.
fn wait(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    let asked = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        (http_date(text)? - now).to_std().unwrap_or(Duration::ZERO)
    };
    Some(asked.clamp(RETRY_AFTER.0, RETRY_AFTER.1))
}

/// The three forms of a date in HTTP (RFC 9110 section 5.6.7).
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|date| date.and_utc())
}

/// How long to wait before the next attempt. `attempt` counts the ones made, from 1; `jitter` is random in
/// 0..1. The wait doubles from 2 s to 10 min, of which a random half is kept so that what failed together
/// does not return together; `retry_after` is never undercut, and exceeded by up to a tenth for the same
/// reason.
pub fn retry_delay(attempt: u32, jitter: f64, retry_after: Option<Duration>) -> Duration {
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
    let doublings = attempt.saturating_sub(1).min(16);
    let full = FIRST_DELAY.saturating_mul(1 << doublings).min(LONGEST_DELAY);
    let own = full.mul_f64(0.5 + jitter / 2.0);
    let asked =
        retry_after.map_or(Duration::ZERO, |asked| asked.min(RETRY_AFTER.1).mul_f64(1.0 + jitter / 10.0));
    own.max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "1994-11-06T08:49:37Z".parse().unwrap()
    }

    fn answered(status: u16, retry_after: Option<&str>) -> Outcome {
        classify(&AttemptResult::Answered { status, retry_after: retry_after.map(str::to_owned) }, now())
    }

    #[test]
    fn each_answer_has_its_cell() {
        use FaultKind::{Redirect, Refused, Unexpected};
        use RetryKind::{ServerError, Strange, Throttled, Timeout};
        let accepted = |status| Outcome::Accepted { status };
        let gone = |status| Outcome::Gone { status };
        let fault = |status, why| Outcome::OurFault { status: Some(status), why };
        let retry = |why| Outcome::Retry { after: None, why };
        for status in 0..=u16::MAX {
            let expected = match status {
                s if (200..300).contains(&s) => accepted(s),
                404 | 410 => gone(status),
                400 | 401 | 403 => fault(status, Refused),
                413 => Outcome::TooLarge,
                406 | 429 => retry(Throttled),
                408 => retry(Timeout),
                421 | 425 => retry(ServerError),
                s if (400..500).contains(&s) => fault(s, Unexpected),
                s if (500..600).contains(&s) => retry(ServerError),
                s if (300..400).contains(&s) => fault(s, Redirect),
                _ => retry(Strange),
            };
            assert_eq!(answered(status, None), expected, "{status}");
        }
    }

    #[test]
    fn each_failure_has_its_cell() {
        let retry = |why| Outcome::Retry { after: None, why };
        let fault = |why| Outcome::OurFault { status: None, why };
        let cells = [
            (FailureKind::Timeout, retry(RetryKind::Timeout)),
            (FailureKind::Unresolved, retry(RetryKind::Network)),
            (FailureKind::Connect, retry(RetryKind::Network)),
            (FailureKind::Interrupted, retry(RetryKind::Network)),
            (FailureKind::Blocked, fault(FaultKind::Blocked)),
            (FailureKind::Unbuildable, fault(FaultKind::Unbuildable)),
        ];
        for (kind, expected) in cells {
            assert_eq!(classify(&AttemptResult::Failed(kind), now()), expected, "{kind:?}");
        }
    }

    #[test]
    fn retry_after_is_read_and_clamped() {
        let cells = [
            ("0", Some(1)),
            ("1", Some(1)),
            ("120", Some(120)),
            (" 120 ", Some(120)),
            ("3600", Some(3_600)),
            ("3601", Some(3_600)),
            ("99999999999999999999999999", Some(3_600)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(1)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(3_600)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("Sun, 06 Nov 1994 25:00:00 GMT", None),
        ];
        for (text, seconds) in cells {
            for (status, why) in [(429, RetryKind::Throttled), (503, RetryKind::ServerError)] {
                let after = seconds.map(Duration::from_secs);
                assert_eq!(answered(status, Some(text)), Outcome::Retry { after, why }, "{text}");
            }
        }
        assert_eq!(answered(201, Some("60")), Outcome::Accepted { status: 201 });
    }

    #[test]
    fn delays_double_with_jitter_up_to_a_cap() {
        let seconds = |attempt, jitter| retry_delay(attempt, jitter, None).as_secs_f64();
        for (attempt, full) in
            [(0, 2.0), (1, 2.0), (2, 4.0), (3, 8.0), (9, 512.0), (10, 600.0), (u32::MAX, 600.0)]
        {
            assert_eq!(
                (seconds(attempt, 0.0), seconds(attempt, 1.0)),
                (full / 2.0, full),
                "attempt {attempt}"
            );
            assert!(
                seconds(attempt, 0.0) < seconds(attempt, 0.5)
                    && seconds(attempt, 0.5) < seconds(attempt, 0.9)
            );
        }
    }

    #[test]
    fn what_the_service_asks_for_is_never_undercut() {
        let minute = Some(Duration::from_secs(60));
        assert_eq!(retry_delay(1, 0.0, minute), Duration::from_secs(60));
        assert_eq!(retry_delay(1, 1.0, minute), Duration::from_secs(66));
        assert_eq!(retry_delay(10, 0.0, minute), Duration::from_secs(300));
        assert_eq!(retry_delay(1, 0.0, Some(Duration::MAX)), Duration::from_secs(3_600));
    }

    #[test]
    fn odd_jitter_is_harmless() {
        for jitter in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(retry_delay(1, jitter, None), Duration::from_secs(1));
        }
        assert_eq!(retry_delay(1, 7.0, None), Duration::from_secs(2));
    }
}
