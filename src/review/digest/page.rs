//! The digest as a page to read and to print: rendered here, without a script, with one style whose hash the policy of
//! the page allows, and nothing loaded from anywhere.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest as hash};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};

use super::{
    chart::{Chart, DAYS, number, spark},
    dto::{Digest, DigestMeasure},
    texts::{Texts, fill, texts},
};
use crate::{
    alerts::Alert,
    checkins::TrendBucket,
    error::{ApiError, ApiResult},
    language,
    reminders::rules::localtime::Zone,
};

const STYLE: &str = include_str!("../../../templates/digest.css");

/// Nothing but the one style.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(hash(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

struct Tick {
    text: String,
    done: bool,
}

struct Line {
    says: String,
    title: String,
    when: String,
}

#[derive(Default)]
struct Next {
    title: String,
    when: String,
    ready: String,
    readiness: Vec<Tick>,
    intention: String,
}

struct MeasureView {
    name: String,
    when: String,
    total: String,
    max: String,
    band: String,
    spark: String,
    changes: Vec<String>,
    note: String,
    tone: &'static str,
}

struct DayRow {
    day: String,
    mood: String,
    anxiety: String,
    energy: String,
    sleep: String,
}

#[derive(Template)]
#[template(path = "digest.html")]
struct Page<'a> {
    lang: &'a str,
    t: &'a Texts,
    style: &'a str,
    name: &'a str,
    as_of: String,
    looked: String,
    covering: bool,
    alerts: Vec<Line>,
    next: Next,
    last: String,
    plan: String,
    talk: Vec<Line>,
    more_talk: String,
    measures: Vec<MeasureView>,
    missing: Vec<String>,
    charts: Vec<String>,
    marks: Vec<String>,
    rows: Vec<DayRow>,
}

/// How a reader writes instants: in their language, on their wall clock.
struct Wording<'a> {
    t: &'a Texts,
    zone: &'a Zone,
}

impl Wording<'_> {
    fn date(&self, at: DateTime<Utc>) -> String {
        self.t.date(self.zone.local(at).date())
    }

    fn moment(&self, at: DateTime<Utc>) -> String {
        let local = self.zone.local(at);
        let time = local.strftime("%H:%M").to_string();
        fill(&self.t.at, &[&self.t.long_date(local.date()), &time])
    }
}

/// Entries that the page shows; the app has the others.
const MOST_TALK: usize = 6;

/// Alerts of one rule are one line, at the place of the first.
fn alerts(open: &[Alert], wording: &Wording<'_>) -> Vec<Line> {
    let mut of_rules: Vec<Vec<&Alert>> = Vec::new();
    for alert in open {
        match of_rules.iter_mut().find(|same| same.iter().any(|other| other.rule == alert.rule)) {
            Some(same) => same.push(alert),
            None => of_rules.push(vec![alert]),
        }
    }
    let line = |same: Vec<&Alert>| {
        let says = same.first().map(|alert| alert.says.clone()).unwrap_or_default();
        let first = same.iter().map(|alert| alert.raised_at).min().unwrap_or_default();
        let last = same.iter().map(|alert| alert.raised_at).max().unwrap_or_default();
        let when = match same.len() {
            1 => wording.moment(first),
            many => {
                let times = [many.to_string(), wording.date(first), wording.moment(last)];
                fill(&wording.t.times, &[&times[0], &times[1], &times[2]])
            }
        };
        Line { says, title: String::new(), when }
    };
    of_rules.into_iter().map(line).collect()
}

/// The page, with the policy that holds for it.
pub fn respond(digest: &Digest, locale: &str, zone: &str) -> ApiResult<Response> {
    let body = render(digest, locale, zone)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::try_from(&*POLICY).map_err(ApiError::internal)?),
        (header::CONTENT_LANGUAGE, HeaderValue::from_static(language::of(locale))),
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    Ok((headers, body).into_response())
}

fn render(digest: &Digest, locale: &str, zone: &str) -> ApiResult<String> {
    let zone = Zone::parse(zone).map_err(ApiError::internal)?;
    let t = texts(locale);
    let wording = Wording { t, zone: &zone };
    let talk = |one: &super::dto::TalkAbout| Line {
        says: String::new(),
        title: one.title.clone().unwrap_or_else(|| t.untitled.clone()),
        when: fill(&t.shared, &[&one.template_title, &wording.date(one.shared_at)]),
    };
    let missing = |one: &super::dto::MissingForm| {
        let text = if one.overdue { &t.overdue } else { &t.due };
        fill(text, &[&one.title, &wording.date(one.due_at)])
    };
    let looked = digest.last_looked_at.map(|at| fill(&t.looked, &[&wording.date(at)]));
    let last = digest.last_session.as_ref();
    let last = last.map(|one| fill(&t.last, &[&one.title, &wording.date(one.starts_at)]));
    let plan = digest.plan.as_ref();
    let plan = plan.map(|one| fill(&t.plan, &[&one.title, &one.done.to_string(), &one.sessions.to_string()]));
    let page = Page {
        lang: language::of(locale),
        t,
        style: STYLE,
        name: &digest.display_name,
        as_of: fill(&t.as_of, &[&wording.moment(digest.generated_at)]),
        looked: looked.unwrap_or_default(),
        covering: digest.covering,
        alerts: alerts(&digest.alerts, &wording),
        next: next(digest, &wording),
        last: last.unwrap_or_default(),
        plan: plan.unwrap_or_default(),
        talk: digest.to_talk_about.iter().take(MOST_TALK).map(talk).collect(),
        more_talk: digest.to_talk_about.get(MOST_TALK).map(|_| t.more_talk.clone()).unwrap_or_default(),
        measures: digest.measures.iter().map(|one| measure(one, &wording)).collect(),
        missing: digest.missing_forms.iter().map(missing).collect(),
        charts: charts(digest, t),
        marks: marks(digest, t, locale),
        rows: digest.days.days.iter().map(|day| row(day, t)).collect(),
    };
    page.render().map_err(ApiError::internal)
}

/// The sessions that the charts mark, in words.
fn marks(digest: &Digest, t: &Texts, locale: &str) -> Vec<String> {
    let mark = |one: &crate::checkins::TrendSession| {
        fill(&t.at, &[&super::load::kind_title(&one.kind, locale), &t.short_date(one.local_date)])
    };
    digest.days.sessions.iter().map(mark).collect()
}

fn next(digest: &Digest, wording: &Wording<'_>) -> Next {
    let Some(session) = &digest.next_session else { return Next::default() };
    let done = session.readiness.iter().filter(|item| item.done).count().to_string();
    let all = session.readiness.len().to_string();
    let tick = |item: &crate::sessions::ReadinessItem| Tick { text: item.text.clone(), done: item.done };
    Next {
        title: format!("{}, {}", session.title, wording.t.place(&session.location)),
        when: wording.moment(session.starts_at),
        ready: fill(&wording.t.of, &[&done, &all]),
        readiness: session.readiness.iter().map(tick).collect(),
        intention: session.intention.clone().unwrap_or_default(),
    }
}

fn signed(difference: f64) -> String {
    if difference > 0.0 {
        format!("+{}", number(difference))
    } else if difference < 0.0 {
        format!("\u{2212}{}", number(-difference))
    } else {
        "±0".to_owned()
    }
}

fn measure(one: &DigestMeasure, wording: &Wording<'_>) -> MeasureView {
    let t = wording.t;
    let since = |text: &str, difference: Option<f64>, at: Option<DateTime<Utc>>| {
        let (difference, at) = difference.zip(at)?;
        Some(fill(text, &[&signed(difference), &wording.date(at)]))
    };
    let change = one.change.as_ref();
    let previous = since(&t.since, change.and_then(|change| change.since_previous), one.previous_at);
    let baseline = since(&t.since_first, change.and_then(|change| change.since_baseline), one.baseline_at);
    // With two results the last one is the first one.
    let baseline = baseline.filter(|_| one.baseline_at != one.previous_at);
    let tone = match change.and_then(|change| change.direction) {
        Some("better") => "better",
        Some("worse") => "worse",
        _ => "same",
    };
    MeasureView {
        name: one.title.clone(),
        when: wording.date(one.taken_at),
        total: number(one.total),
        max: number(one.max),
        band: one.band.clone().unwrap_or_default(),
        spark: spark(&one.course),
        changes: previous.into_iter().chain(baseline).collect(),
        note: one.note.clone().unwrap_or_default(),
        tone,
    }
}

fn row(day: &TrendBucket, t: &Texts) -> DayRow {
    let mean = |value: Option<f64>| value.map(number).unwrap_or_default();
    DayRow {
        day: t.short_date(day.start),
        mood: number(day.mood.mean),
        anxiety: mean(day.anxiety.as_ref().map(|value| value.mean)),
        energy: mean(day.energy.as_ref().map(|value| value.mean)),
        sleep: mean(day.sleep_hours.as_ref().map(|value| value.mean)),
    }
}

fn charts(digest: &Digest, t: &Texts) -> Vec<String> {
    type Value = fn(&TrendBucket) -> Option<f64>;
    let from = digest.days.from;
    let place = |date: chrono::NaiveDate| {
        usize::try_from((date - from).num_days()).ok().filter(|place| *place < DAYS)
    };
    let marks: Vec<usize> = digest.days.sessions.iter().filter_map(|one| place(one.local_date)).collect();
    let of: [(&str, &str, f64, Value); 4] = [
        ("mood", &t.mood, 10.0, |day| Some(day.mood.mean)),
        ("anxiety", &t.anxiety, 10.0, |day| Some(day.anxiety.as_ref()?.mean)),
        ("energy", &t.energy, 10.0, |day| Some(day.energy.as_ref()?.mean)),
        ("sleep", &t.sleep, 12.0, |day| Some(day.sleep_hours.as_ref()?.mean)),
    ];
    of.into_iter()
        .filter_map(|(id, label, top, value)| {
            let mut values = [None; DAYS];
            for day in &digest.days.days {
                if let Some(place) = place(day.start) {
                    values[place] = value(day);
                }
            }
            Chart { id, label, from, values, top, marks: &marks }.draw(t)
        })
        .collect()
}
