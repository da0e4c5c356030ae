//! Fits a template to a calendar, without database or clock. Each session gets the first place at or after its day
//! that lies within the clinic's hours and after the session before it; what has to come before the first dosing day
//! and finds no such place goes to an earlier day instead, so that the day somebody chose stays. Dosing days are never
//! closer together than in the template, and what follows one counts from where it came to lie.

use chrono::{DateTime, Duration, Utc};
use jiff::{Span, civil};

use super::hours::{Hours, Opening};
use crate::reminders::rules::localtime::{LocalTime, Zone};

/// How many days a session may be put off until a day is found that has room for it.
const SEARCH: i32 = 60;

/// A session that needs a time.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Days from the first dosing day.
    pub day_offset: i32,
    pub minutes: i64,
    /// Whether later ones count from this one's day.
    pub dosing: bool,
    /// The time of day it should begin at, if that is free; else when the clinic opens.
    pub time: Option<LocalTime>,
}

/// The time that a session got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitted {
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// Why there is no fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// The clock skips the chosen time on the chosen day.
    Gap,
    /// The clinic is closed at the chosen time of the first dosing day.
    OutsideHours,
    /// No opening within two months is long enough for the session with this index.
    NoRoom(usize),
}

/// The clinic's hours on its wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Calendar<'a> {
    pub hours: &'a Hours,
    pub zone: &'a Zone,
}

/// When the sessions of a template take place. They come in its order, days rising.
pub fn fit(
    calendar: Calendar<'_>,
    sessions: &[Wanted],
    first_dosing_on: civil::Date,
    time: Option<LocalTime>,
) -> Result<Vec<Fitted>, Unfit> {
    if time.is_some_and(|time| calendar.skips(time.on(first_dosing_on))) {
        return Err(Unfit::Gap);
    }
    let before = sessions.iter().take_while(|session| session.day_offset < 0).count();
    let pivot = calendar.pivot(first_dosing_on, sessions.get(before), before)?;
    if let (Some(time), Some(first)) = (time, sessions.get(before).filter(|one| one.day_offset == 0))
        && calendar.exactly(pivot, time, first.minutes).is_none()
    {
        return Err(Unfit::OutsideHours);
    }
    let mut fitted = calendar.backward(&sessions[..before], pivot)?;
    let later = calendar.forward(&sessions[before..], (0, pivot), None);
    fitted.extend(later.map_err(|index| Unfit::NoRoom(before + index))?);
    Ok(fitted)
}

/// When the sessions after a moved one take place: offsets count from its day, and none begins before it has ended.
pub fn refit(calendar: Calendar<'_>, sessions: &[Wanted], moved: Fitted) -> Result<Vec<Fitted>, Unfit> {
    let day = calendar.zone.local(moved.starts_at).date();
    calendar.forward(sessions, (0, day), Some(moved.ends_at)).map_err(Unfit::NoRoom)
}

impl Calendar<'_> {
    /// Whether clocks never show this time.
    pub fn skips(&self, local: civil::DateTime) -> bool {
        self.zone.local(self.zone.instant(local)) != local
    }

    /// The first day that has room for the first session of the template's day 0.
    fn pivot(&self, from: civil::Date, first: Option<&Wanted>, index: usize) -> Result<civil::Date, Unfit> {
        let Some(first) = first.filter(|one| one.day_offset == 0) else { return Ok(from) };
        (0..=SEARCH)
            .map(|days| plus(from, days))
            .find(|day| self.earliest(*day, first.minutes, None, None).is_some())
            .ok_or(Unfit::NoRoom(index))
    }

    fn forward(
        &self,
        sessions: &[Wanted],
        (mut anchor_offset, mut anchor_day): (i32, civil::Date),
        mut floor: Option<DateTime<Utc>>,
    ) -> Result<Vec<Fitted>, usize> {
        let mut fitted = Vec::with_capacity(sessions.len());
        for (index, session) in sessions.iter().enumerate() {
            let ideal = plus(anchor_day, session.day_offset - anchor_offset);
            // One that was put off takes those after it along.
            let from = floor.map_or(ideal, |end| ideal.max(self.zone.local(end).date()));
            let (day, place) = (0..=SEARCH)
                .map(|days| plus(from, days))
                .find_map(|day| Some((day, self.place(day, session, floor)?)))
                .ok_or(index)?;
            floor = Some(place.ends_at);
            if session.dosing {
                (anchor_offset, anchor_day) = (session.day_offset, day);
            }
            fitted.push(place);
        }
        Ok(fitted)
    }

    /// Places what precedes the pivot day, the last one first.
    fn backward(&self, sessions: &[Wanted], pivot: civil::Date) -> Result<Vec<Fitted>, Unfit> {
        let mut limit = self.zone.instant(pivot.at(0, 0, 0, 0));
        let mut last_day = plus(pivot, -1);
        let mut fitted = Vec::with_capacity(sessions.len());
        for (index, session) in sessions.iter().enumerate().rev() {
            let ideal = plus(pivot, session.day_offset).min(last_day);
            let later = (0..=SEARCH).map(|days| plus(ideal, days)).take_while(|day| *day <= last_day);
            let earlier = (1..=SEARCH).map(|days| plus(ideal, -days));
            let (day, place) = later
                .chain(earlier)
                .find_map(|day| Some((day, self.place_before(day, session, limit)?)))
                .ok_or(Unfit::NoRoom(index))?;
            (limit, last_day) = (place.starts_at, day);
            fitted.push(place);
        }
        fitted.reverse();
        Ok(fitted)
    }

    /// The wanted time of a day, else the first free one after it, else the last one before it.
    fn place(&self, day: civil::Date, session: &Wanted, floor: Option<DateTime<Utc>>) -> Option<Fitted> {
        let Some(time) = session.time else { return self.earliest(day, session.minutes, floor, None) };
        let wanted = self.zone.instant(time.on(day));
        self.earliest(day, session.minutes, floor, Some(wanted))
            .or_else(|| self.latest(day, session.minutes, floor, None))
    }

    /// The wanted time of a day if it ends before `limit`, else the last time that does.
    fn place_before(&self, day: civil::Date, session: &Wanted, limit: DateTime<Utc>) -> Option<Fitted> {
        self.place(day, session, None)
            .filter(|place| place.ends_at <= limit)
            .or_else(|| self.latest(day, session.minutes, None, Some(limit)))
    }

    /// The chosen time itself, where the clinic is open for all of it.
    fn exactly(&self, day: civil::Date, time: LocalTime, minutes: i64) -> Option<Fitted> {
        let wanted = self.zone.instant(time.on(day));
        self.earliest(day, minutes, None, Some(wanted)).filter(|place| place.starts_at == wanted)
    }

    fn earliest(
        &self,
        day: civil::Date,
        minutes: i64,
        floor: Option<DateTime<Utc>>,
        wanted: Option<DateTime<Utc>>,
    ) -> Option<Fitted> {
        let not_before = floor.max(wanted);
        self.windows(day).find_map(|(opens, closes)| {
            let starts_at = not_before.map_or(opens, |bound| bound.max(opens));
            let ends_at = starts_at + Duration::minutes(minutes);
            (ends_at <= closes).then_some(Fitted { starts_at, ends_at })
        })
    }

    fn latest(
        &self,
        day: civil::Date,
        minutes: i64,
        floor: Option<DateTime<Utc>>,
        limit: Option<DateTime<Utc>>,
    ) -> Option<Fitted> {
        self.windows(day).rev().find_map(|(opens, closes)| {
            let ends_at = limit.map_or(closes, |limit| limit.min(closes));
            let starts_at = ends_at - Duration::minutes(minutes);
            let first = floor.map_or(opens, |floor| floor.max(opens));
            (starts_at >= first).then_some(Fitted { starts_at, ends_at })
        })
    }

    /// The openings of a day as instants; none on a date that the zone leaves out.
    fn windows(&self, day: civil::Date) -> impl DoubleEndedIterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        let exists = self.zone.has_date(day);
        let instants = move |one: &Opening| {
            (self.zone.instant(one.opens.on(day)), self.zone.instant(one.closes.on(day)))
        };
        self.hours.on(day).filter(move |_| exists).map(instants)
    }
}

/// A date so many days later; the end of the calendar stays where it is.
pub fn plus(date: civil::Date, days: i32) -> civil::Date {
    Span::new().try_days(days).and_then(|span| date.checked_add(span)).unwrap_or(date)
}

#[cfg(test)]
mod tests;
