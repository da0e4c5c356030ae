//! Instants and dates as FHIR wants them: with the offset of the patient's own wall clock at that time.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::{
    error::{ApiError, ApiResult},
    reminders::rules::localtime::Zone,
};

/// In which zone a patient lived when.
pub struct WallClock {
    /// Since when, the earliest first.
    zones: Vec<(DateTime<Utc>, Zone)>,
    now: Zone,
}

impl WallClock {
    pub fn new(history: Vec<(DateTime<Utc>, String)>, now: &str) -> ApiResult<Self> {
        let known = |(since, name): (DateTime<Utc>, String)| Some((since, Zone::parse(&name).ok()?));
        let mut zones: Vec<(DateTime<Utc>, Zone)> = history.into_iter().filter_map(known).collect();
        zones.sort_by_key(|(since, _)| *since);
        Ok(Self { zones, now: Zone::parse(now).map_err(ApiError::internal)? })
    }

    /// The zone of that time; before the first that is known, the first.
    fn zone(&self, at: DateTime<Utc>) -> &Zone {
        let by_then = self.zones.iter().rev().find(|(since, _)| *since <= at);
        by_then.or_else(|| self.zones.first()).map_or(&self.now, |(_, zone)| zone)
    }

    pub fn instant(&self, at: DateTime<Utc>) -> String {
        in_zone(self.zone(at), at)
    }

    pub fn date(&self, at: DateTime<Utc>) -> String {
        self.zone(at).local_date(at).to_string()
    }

    /// An instant in a zone that its own record names.
    pub fn instant_in(&self, zone: &str, at: DateTime<Utc>) -> String {
        Zone::parse(zone).map_or_else(|_| self.instant(at), |zone| in_zone(&zone, at))
    }
}

fn in_zone(zone: &Zone, at: DateTime<Utc>) -> String {
    at.with_timezone(&zone.offset(at)).to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_of_the_zone_and_of_the_season() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let moved = at("2026-09-01T00:00:00Z");
        let history = vec![
            (moved, "Asia/Kathmandu".to_owned()),
            (at("2026-02-01T00:00:00Z"), "Europe/Berlin".to_owned()),
        ];
        let clock = WallClock::new(history, "Asia/Kathmandu").unwrap();
        for (instant, wanted) in [
            ("2026-01-15T12:00:00Z", "2026-01-15T13:00:00+01:00"),
            ("2026-07-15T12:00:00.250Z", "2026-07-15T14:00:00.250+02:00"),
            ("2026-08-31T23:59:59Z", "2026-09-01T01:59:59+02:00"),
            ("2026-09-01T00:00:00Z", "2026-09-01T05:45:00+05:45"),
            ("2030-01-15T12:00:00Z", "2030-01-15T17:45:00+05:45"),
        ] {
            assert_eq!(clock.instant(at(instant)), wanted);
        }
        assert_eq!(clock.date(at("2026-07-15T22:30:00Z")), "2026-07-16");
        assert_eq!(clock.instant_in("America/New_York", moved), "2026-08-31T20:00:00-04:00");
        let unknown = WallClock::new(vec![(moved, "Nowhere/Else".to_owned())], "Europe/Berlin").unwrap();
        assert_eq!(unknown.instant(moved), "2026-09-01T02:00:00+02:00");
    }
}
