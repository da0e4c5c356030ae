//! What a push service's answer means (RFC 8030; the vendors' documentation for 401, 403 and 413).

use std::time::Duration;

/// Shortest and longest wait that a `Retry-After` can ask for.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3_600);
/// First wait without one; doubled with every attempt.
const FIRST: Duration = Duration::from_secs(10);
/// Longest wait without one.
const CAP: Duration = Duration::from_secs(900);

/// What came back from one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptResult {
    /// The service answered.
    Answered { status: u16, retry_after: Option<Duration> },
    /// It did not, or not in time.
    Unreachable,
    /// It may not be written to.
    Forbidden,
}

/// What to make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Taken by the service, which is not yet "seen".
    Accepted { status: u16 },
    /// The subscription is over; the app subscribes again at its next start.
    Gone { status: u16 },
    /// We did something wrong: nothing of the subscription changes, somebody has to look.
    Refused { status: u16 },
    /// Too large for this service.
    TooLarge { status: u16 },
    /// Try again, not before so long.
    Retry { status: Option<u16>, after: Option<Duration> },
}

impl Outcome {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Gone { .. } => "gone",
            Self::Refused { .. } => "refused",
            Self::TooLarge { .. } => "too_large",
            Self::Retry { .. } => "unreachable",
        }
    }

    pub fn status(self) -> Option<u16> {
        match self {
            Self::Accepted { status }
            | Self::Gone { status }
            | Self::Refused { status }
            | Self::TooLarge { status } => Some(status),
            Self::Retry { status, .. } => status,
        }
    }
}

/// The answer table. Redirects are not followed and, like every other unexpected answer, count as our fault.
pub fn classify(result: AttemptResult) -> Outcome {
    match result {
        AttemptResult::Answered { status, retry_after } => match status {
            200..=299 => Outcome::Accepted { status },
            404 | 410 => Outcome::Gone { status },
            413 => Outcome::TooLarge { status },
            408 | 425 | 429 | 500..=599 => Outcome::Retry {
                status: Some(status),
                after: retry_after.map(|wait| wait.clamp(SHORTEST, LONGEST)),
            },
            _ => Outcome::Refused { status },
        },
        AttemptResult::Unreachable => Outcome::Retry { status: None, after: None },
        AttemptResult::Forbidden => Outcome::Refused { status: 0 },
    }
}

/// How long to wait after attempt number `attempt` (from 1). `jitter` is from 0 to 1 and shortens the wait by up to
/// half, so that a service that comes back is not met by everybody at once; a `Retry-After` is only ever lengthened.
pub fn retry_delay(attempt: i32, jitter: f64, retry_after: Option<Duration>) -> Duration {
    let doublings = u32::try_from(attempt.clamp(1, 10) - 1).unwrap_or(0);
    let backoff = FIRST.saturating_mul(1 << doublings).min(CAP);
    match retry_after {
        Some(asked) => asked + FIRST.mul_f64(jitter.clamp(0.0, 1.0)),
        None => backoff.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_table_cell_by_cell() {
        let answered = |status| classify(AttemptResult::Answered { status, retry_after: None });
        for (statuses, word) in [
            (&[200, 201, 202, 204][..], "accepted"),
            (&[404, 410], "gone"),
            (&[400, 401, 403, 301, 302, 307, 308, 405, 418, 100], "refused"),
            (&[413], "too_large"),
            (&[408, 429, 500, 502, 503, 504], "unreachable"),
        ] {
            for status in statuses {
                assert_eq!(answered(*status).as_str(), word, "{status}");
            }
        }
        assert_eq!(classify(AttemptResult::Unreachable).as_str(), "unreachable");
        assert_eq!(classify(AttemptResult::Forbidden).as_str(), "refused");
    }

    #[test]
    fn retry_after_is_clamped_and_never_shortened() {
        let after = |seconds| match classify(AttemptResult::Answered {
            status: 429,
            retry_after: Some(Duration::from_secs(seconds)),
        }) {
            Outcome::Retry { after, .. } => after.unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(after(0), SHORTEST);
        assert_eq!(after(120), Duration::from_secs(120));
        assert_eq!(after(1_000_000), LONGEST);
        assert!(retry_delay(1, 0.7, Some(Duration::from_secs(120))) >= Duration::from_secs(120));
    }

    #[test]
    fn the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let waits: Vec<u64> = (1..=9).map(|attempt| retry_delay(attempt, 0.0, None).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!(retry_delay(1, 1.0, None), Duration::from_secs(5));
        assert_eq!(retry_delay(i32::MAX, 0.0, None), CAP);
    }
}
