//! Results beside earlier ones.

use super::*;
use crate::measures::scoring::{Change, ChangeDirection, Earlier, change};

const BETTER: Option<ChangeDirection> = Some(ChangeDirection::Better);
const WORSE: Option<ChangeDirection> = Some(ChangeDirection::Worse);
const SAME: Option<ChangeDirection> = Some(ChangeDirection::NoMeaningfulChange);

/// Baseline, previous, now; then direction, reliable, response, remission.
type Case = ((f64, f64, f64), (Option<ChangeDirection>, Option<bool>, Option<bool>, Option<bool>));

fn hold(id: &str, cases: &[Case]) {
    for ((baseline, previous, now), wanted) in cases {
        let earlier = Earlier { previous: Some(*previous), baseline: Some(*baseline) };
        let found = change(measure(id), *now, earlier).unwrap();
        assert_eq!(
            (found.direction, found.reliable, found.response, found.remission),
            *wanted,
            "{id}: {baseline}, {previous}, {now}"
        );
    }
}

#[test]
fn phq_9_changes_by_five_responds_by_half_and_remits_below_five() {
    hold(
        "phq-9",
        &[
            ((20.0, 20.0, 20.0), (SAME, None, Some(false), Some(false))),
            ((20.0, 20.0, 16.0), (SAME, None, Some(false), Some(false))),
            ((20.0, 20.0, 15.0), (BETTER, None, Some(false), Some(false))),
            ((20.0, 20.0, 24.0), (SAME, None, Some(false), Some(false))),
            ((20.0, 20.0, 25.0), (WORSE, None, Some(false), Some(false))),
            ((20.0, 15.0, 11.0), (SAME, None, Some(false), Some(false))),
            ((20.0, 15.0, 10.0), (BETTER, None, Some(true), Some(false))),
            ((20.0, 10.0, 5.0), (BETTER, None, Some(true), Some(false))),
            ((20.0, 10.0, 4.0), (BETTER, None, Some(true), Some(true))),
            // Half of 11 is 5.5.
            ((11.0, 11.0, 6.0), (BETTER, None, Some(false), Some(false))),
            ((11.0, 11.0, 5.0), (BETTER, None, Some(true), Some(false))),
            ((10.0, 10.0, 5.0), (BETTER, None, Some(true), Some(false))),
            // Too low at the start to speak of response or remission.
            ((9.0, 9.0, 0.0), (BETTER, None, None, None)),
            ((0.0, 0.0, 0.0), (SAME, None, None, None)),
        ],
    );
}

#[test]
fn gad_7_changes_by_four() {
    hold(
        "gad-7",
        &[
            ((16.0, 16.0, 13.0), (SAME, None, Some(false), Some(false))),
            ((16.0, 16.0, 12.0), (BETTER, None, Some(false), Some(false))),
            ((16.0, 12.0, 15.0), (SAME, None, Some(false), Some(false))),
            ((16.0, 12.0, 16.0), (WORSE, None, Some(false), Some(false))),
            ((16.0, 9.0, 8.0), (SAME, None, Some(true), Some(false))),
            ((16.0, 8.0, 4.0), (BETTER, None, Some(true), Some(true))),
            ((9.0, 9.0, 2.0), (BETTER, None, None, None)),
        ],
    );
}

#[test]
fn pcl_5_changes_by_ten_reliably_by_fifteen() {
    hold(
        "pcl-5",
        &[
            ((50.0, 50.0, 41.0), (SAME, Some(false), Some(false), Some(false))),
            ((50.0, 50.0, 40.0), (BETTER, Some(false), Some(true), Some(false))),
            ((50.0, 50.0, 36.0), (BETTER, Some(false), Some(true), Some(false))),
            ((50.0, 50.0, 35.0), (BETTER, Some(true), Some(true), Some(false))),
            ((50.0, 35.0, 29.0), (SAME, Some(false), Some(true), Some(false))),
            ((50.0, 35.0, 28.0), (SAME, Some(false), Some(true), Some(true))),
            ((50.0, 28.0, 38.0), (WORSE, Some(false), Some(true), Some(false))),
            ((50.0, 28.0, 43.0), (WORSE, Some(true), Some(false), Some(false))),
        ],
    );
}

#[test]
fn the_short_screens_are_compared_and_not_judged() {
    for id in ["phq-2", "gad-2"] {
        hold(id, &[((6.0, 6.0, 0.0), (None, None, None, None)), ((0.0, 0.0, 6.0), (None, None, None, None))]);
    }
}

#[test]
fn differences_keep_their_sign_and_their_reference() {
    let earlier = Earlier { previous: Some(12.0), baseline: Some(20.0) };
    assert_eq!(
        change(measure("phq-9"), 14.0, earlier),
        Some(Change {
            since_previous: Some(2.0),
            since_baseline: Some(-6.0),
            direction: SAME,
            reliable: None,
            response: Some(false),
            remission: Some(false),
        })
    );
}

#[test]
fn nothing_is_said_without_an_earlier_result_or_a_rule() {
    assert_eq!(change(measure("phq-9"), 27.0, Earlier::default()), None);
    let earlier = Earlier { previous: Some(1.0), baseline: Some(1.0) };
    assert_eq!(change(measure("post-session-check"), 9.0, earlier), None);
}

#[test]
fn where_more_is_better_a_rise_is_better() {
    let mut file: serde_json::Value =
        serde_json::from_str(include_str!("../../../../content/measures/gad-7.json")).unwrap();
    file["scoring"]["scores"][0]["direction"] = serde_json::json!("higher-better");
    let measure: Measure = serde_json::from_value(file).unwrap();
    let earlier = Earlier { previous: Some(10.0), baseline: Some(10.0) };
    let direction = |now: f64| change(&measure, now, earlier).unwrap().direction;
    assert_eq!([direction(14.0), direction(13.0), direction(6.0)], [BETTER, SAME, WORSE]);
}
