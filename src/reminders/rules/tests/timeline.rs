//! A clinic's edits over the content, and how rules step back from silence.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::at;
use crate::content::protocols;
use crate::reminders::rules::attention::{Shown, ignored_in_row};
use crate::reminders::rules::localtime::IsoDuration;
use crate::reminders::rules::timeline::{Edits, HUSH_MARGIN, Timeline, TimelineEdit, edited};

fn edit(body: Value) -> TimelineEdit {
    serde_json::from_value(body).unwrap()
}

#[test]
fn an_edit_is_laid_over_its_template_and_no_other() {
    let edits = json!({"hush_margin_minutes": 15, "edits": [
        {"template_id": "dosing-ride", "offset": "-P3D"},
        {"template_id": "dosing-rest", "enabled": false},
        {"template_id": "dosing-morning", "offset": "-P1D", "local_time": "09:00"},
        {"template_id": "dosing-checklist", "offset": "-PT20H"},
        {"template_id": "gone-with-an-older-content", "enabled": false},
    ]});
    let timeline = Timeline::read(Some(&edits.to_string()));
    assert_eq!(timeline.hush_margin, TimeDelta::minutes(15));
    let of = |id: &str| {
        timeline.template(id).map(|one| (one.offset.to_string(), one.local_time.map(String::from)))
    };
    let time = |text: &str| Some(text.to_owned());
    assert_eq!(of("dosing-ride"), Some(("-P3D".into(), time("12:00"))));
    assert_eq!(of("dosing-rest"), None);
    assert_eq!(of("dosing-morning"), Some(("-P1D".into(), time("09:00"))));
    assert_eq!(of("dosing-checklist"), Some(("-PT20H".into(), None)), "an exact offset has no time of day");
    assert_eq!(of("dosing-fasting"), Some(("-P1D".into(), time("18:00"))), "as the content has it");
    assert_eq!(timeline.templates().count(), protocols().reminders.len() - 1);
}

#[test]
fn without_edits_or_with_unreadable_ones_the_content_holds() {
    for stored in [None, Some("{}"), Some("not json"), Some(r#"{"hush_margin_minutes": 9000}"#)] {
        let timeline = Timeline::read(stored);
        assert_eq!(timeline.hush_margin, HUSH_MARGIN, "{stored:?}");
        let ids: Vec<&str> = timeline.templates().map(|one| one.id.as_str()).collect();
        assert!(protocols().reminders.iter().map(|one| one.id.as_str()).eq(ids));
    }
    assert_eq!(Timeline::with(&Edits::default()).templates().count(), protocols().reminders.len());
}

#[test]
fn what_an_edit_cannot_mean_is_named() {
    let table = [
        (json!({"template_id": "nothing"}), ("template_id", "unknown_value")),
        (json!({"template_id": "dosing-ride", "offset": "two days"}), ("offset", "wrong_form")),
        (json!({"template_id": "dosing-ride", "offset": "P2D"}), ("offset", "other_side")),
        (json!({"template_id": "dosing-rest", "offset": "-PT2H"}), ("offset", "other_side")),
        (json!({"template_id": "dosing-rest", "offset": "P32D"}), ("offset", "out_of_range")),
        (json!({"template_id": "dosing-rest", "offset": "P1M1D"}), ("offset", "out_of_range")),
        (json!({"template_id": "dosing-rest", "local_time": "09:00"}), ("local_time", "exact_offset")),
        (
            json!({"template_id": "dosing-ride", "offset": "-PT9H", "local_time": "09:00"}),
            ("local_time", "exact_offset"),
        ),
    ];
    for (body, (field, code)) in table {
        let (at, why, detail) = edited(&edit(body.clone())).unwrap_err();
        assert_eq!((at, why), (field, code), "{body}");
        assert!(!detail.is_empty());
    }
    assert!(edited(&edit(json!({"template_id": "dosing-rest", "offset": "P1M"}))).unwrap().is_some());
}

#[test]
fn durations_are_written_as_they_are_read() {
    for text in ["P1D", "-P2D", "PT2H", "-PT30M", "P1M", "P1M2DT3H4M5S", "-PT1H30M", "PT0S"] {
        assert_eq!(text.parse::<IsoDuration>().unwrap().to_string(), text);
    }
    assert_eq!("P2W".parse::<IsoDuration>().unwrap().to_string(), "P14D");
    for template in &protocols().reminders {
        let written = template.offset.to_string();
        assert_eq!(written.parse::<IsoDuration>().unwrap(), template.offset, "{}", template.id);
    }
}

#[test]
fn ignored_is_shown_and_then_nothing_until_the_window_is_over() {
    let shown = |day: u32, answered| Shown {
        shown_at: at(&format!("2026-01-{day:02}T14:00:00Z")),
        expires_at: at(&format!("2026-01-{day:02}T18:00:00Z")),
        answered,
    };
    let now = at("2026-01-20T12:00:00Z");
    let count = |seen: &[Shown], acts: &[&str]| {
        let acts: Vec<_> = acts.iter().map(|text| at(text)).collect();
        ignored_in_row(seen, &acts, now)
    };
    let three = [shown(12, false), shown(11, false), shown(10, false)];
    assert_eq!(count(&three, &[]), 3);
    assert_eq!(count(&[], &[]), 0, "what no device showed is not ignored");
    assert_eq!(count(&[shown(12, false), shown(11, true), shown(10, false)], &[]), 1, "in a row");
    assert_eq!(count(&three, &["2026-01-11T14:00:00Z"]), 1, "anything done in the window is a reaction");
    assert_eq!(count(&three, &["2026-01-11T18:00:00Z", "2026-01-12T13:59:59Z"]), 3, "and outside it is none");
    assert_eq!(
        count(&[shown(20, false), shown(19, false)], &[]),
        1,
        "a window that is open says nothing yet"
    );
}
