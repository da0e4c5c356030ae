//! Totals, subscales, bands, and what a form comes to that was not finished.

use std::collections::BTreeMap;

use super::*;
use crate::measures::scoring::{Outcome, patterns, score};

type Case = (&'static str, Option<f64>, Option<&'static str>, bool);

fn hold(id: &str, prefix: &str, cases: &[Case]) {
    for (answers, total, band, complete) in cases {
        let Outcome { complete: is_complete, total: is_total, band: is_band, .. } =
            score(measure(id), &choices(prefix, answers));
        assert_eq!(
            (is_total, is_band.as_deref(), is_complete),
            (*total, *band, *complete),
            "{id} answered {answers}"
        );
    }
}

#[test]
fn phq_9_at_both_ends_of_each_band() {
    hold(
        "phq-9",
        "phq9",
        &[
            ("000000000", Some(0.0), Some("minimal"), true),
            ("111100000", Some(4.0), Some("minimal"), true),
            ("111110000", Some(5.0), Some("mild"), true),
            ("333000000", Some(9.0), Some("mild"), true),
            ("333100000", Some(10.0), Some("moderate"), true),
            ("333320000", Some(14.0), Some("moderate"), true),
            ("333330000", Some(15.0), Some("moderately-severe"), true),
            ("333333100", Some(19.0), Some("moderately-severe"), true),
            ("333333200", Some(20.0), Some("severe"), true),
            ("333333333", Some(27.0), Some("severe"), true),
            // The difficulty question counts for nothing, answered or not.
            ("0000000003", Some(0.0), Some("minimal"), true),
            ("1213021013", Some(11.0), Some("moderate"), true),
            // One question left out: no total, and no guess.
            ("33333333-", None, None, false),
            ("-33333333", None, None, false),
            ("--------1", None, None, false),
            ("---------3", None, None, false),
        ],
    );
}

#[test]
fn gad_7_at_both_ends_of_each_band() {
    hold(
        "gad-7",
        "gad7",
        &[
            ("0000000", Some(0.0), Some("minimal"), true),
            ("1111000", Some(4.0), Some("minimal"), true),
            ("1111100", Some(5.0), Some("mild"), true),
            ("3330000", Some(9.0), Some("mild"), true),
            ("3331000", Some(10.0), Some("moderate"), true),
            ("3333200", Some(14.0), Some("moderate"), true),
            ("3333300", Some(15.0), Some("severe"), true),
            ("3333333", Some(21.0), Some("severe"), true),
            ("0123012", Some(9.0), Some("mild"), true),
            ("333333-", None, None, false),
        ],
    );
}

#[test]
fn the_two_short_screens_turn_at_three() {
    for (id, prefix) in [("phq-2", "phq2"), ("gad-2", "gad2")] {
        hold(
            id,
            prefix,
            &[
                ("00", Some(0.0), Some("negative"), true),
                ("11", Some(2.0), Some("negative"), true),
                ("02", Some(2.0), Some("negative"), true),
                ("03", Some(3.0), Some("positive"), true),
                ("12", Some(3.0), Some("positive"), true),
                ("33", Some(6.0), Some("positive"), true),
                ("3-", None, None, false),
                ("-3", None, None, false),
            ],
        );
    }
}

#[test]
fn pcl_5_at_both_ends_of_each_band() {
    hold(
        "pcl-5",
        "pcl5",
        &[
            ("00000000000000000000", Some(0.0), Some("below-cutpoint"), true),
            ("44444442000000000000", Some(30.0), Some("below-cutpoint"), true),
            ("44444443000000000000", Some(31.0), Some("cutpoint-range"), true),
            ("44444444100000000000", Some(33.0), Some("cutpoint-range"), true),
            ("44444444200000000000", Some(34.0), Some("above-cutpoint"), true),
            ("44444444444444444444", Some(80.0), Some("above-cutpoint"), true),
            ("4444444444444444444-", None, None, false),
        ],
    );
}

fn scores(id: &str, answers: &Answers) -> Vec<(String, f64)> {
    score(measure(id), answers).scores.into_iter().collect()
}

fn named(scores: &[(&str, f64)]) -> Vec<(String, f64)> {
    scores
        .iter()
        .map(|(id, value)| ((*id).to_owned(), *value))
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect()
}

#[test]
fn pcl_5_clusters_are_counted_each_for_itself() {
    // B is 1 to 5, C is 6 and 7, D is 8 to 14, E is 15 to 20.
    let all = choices("pcl5", "12340432101234004321");
    // 1+2+3+4+0 = 10; 4+3 = 7; 2+1+0+1+2+3+4 = 13; 0+0+4+3+2+1 = 10; together 40.
    let wanted = [
        ("arousal", 10.0),
        ("avoidance", 7.0),
        ("cognition-mood", 13.0),
        ("intrusion", 10.0),
        ("total", 40.0),
    ];
    assert_eq!(scores("pcl-5", &all), named(&wanted));
    // Without question 8 there is no D and no total, and the other clusters stay.
    let most = choices("pcl5", "1234043-101234004321");
    assert_eq!(scores("pcl-5", &most), named(&[("arousal", 10.0), ("avoidance", 7.0), ("intrusion", 10.0)]));
    let full = named(&[
        ("arousal", 24.0),
        ("avoidance", 8.0),
        ("cognition-mood", 28.0),
        ("intrusion", 20.0),
        ("total", 80.0),
    ]);
    assert_eq!(scores("pcl-5", &choices("pcl5", "44444444444444444444")), full);
}

#[test]
fn the_pattern_for_clinicians_needs_every_cluster() {
    for (answers, found) in [
        // One of B, one of C, two of D, two of E at 2.
        ("20000202200000220000", true),
        ("10000202200000220000", false),
        ("20000102200000220000", false),
        ("20000202100000220000", false),
        ("20000202200000210000", false),
        ("44444444444444444444", true),
        ("11111111111111111111", false),
        // What was left out is not present.
        ("2----2-22-----22----", true),
        ("2----2-2------22----", false),
    ] {
        let wanted: &[&str] = if found { &["provisional-ptsd"] } else { &[] };
        assert_eq!(patterns(measure("pcl-5"), &choices("pcl5", answers)), wanted, "{answers}");
    }
}

#[test]
fn our_own_forms_have_numbers_and_no_total() {
    let daily = form([
        ("checkin.mood", number(6.0)),
        ("checkin.anxiety", number(0.0)),
        ("checkin.sleep-hours", number(7.5)),
    ]);
    let outcome = score(measure("daily-check-in"), &daily);
    assert_eq!((outcome.total, outcome.band, outcome.complete), (None, None, false), "energy was left out");
    assert_eq!(
        scores("daily-check-in", &daily),
        named(&[("anxiety", 0.0), ("mood", 6.0), ("sleep-hours", 7.5)])
    );

    let after = form([
        ("post.not-alone", yes()),
        ("post.present", number(9.0)),
        ("post.unreal", number(2.0)),
        ("post.distress", number(0.0)),
        ("post.symptoms", ticked(&["none"])),
        ("post.feel-safe", yes()),
        ("post.want-contact", no()),
        ("post.first-words", Given::Text("wide".into())),
    ]);
    let outcome = score(measure("post-session-check"), &after);
    assert_eq!((outcome.total, outcome.complete), (None, true));
    assert_eq!(
        scores("post-session-check", &after),
        named(&[("distress", 0.0), ("present", 9.0), ("unreal", 2.0)])
    );

    let before = form([("pre.nervousness", number(10.0)), ("pre.readiness", number(1.0))]);
    assert_eq!(scores("pre-session-check", &before), named(&[("nervousness", 10.0), ("readiness", 1.0)]));
    assert!(!score(measure("pre-session-check"), &before).complete);

    let back = form([
        ("reflect.release", number(1.0)),
        ("reflect.insight", number(2.0)),
        ("reflect.connection", number(3.0)),
        ("reflect.meaning", number(4.0)),
        ("reflect.difficulty", number(5.0)),
        ("reflect.support", number(6.0)),
    ]);
    let outcome = score(measure("session-reflection"), &back);
    assert_eq!((outcome.total, outcome.complete), (None, true), "themes and words are optional");
    assert_eq!(
        scores("session-reflection", &back),
        named(&[
            ("connection", 3.0),
            ("difficulty", 5.0),
            ("insight", 2.0),
            ("meaning", 4.0),
            ("release", 1.0),
            ("support", 6.0)
        ])
    );
}

#[test]
fn nothing_answered_is_nothing() {
    let outcome = score(measure("phq-9"), &Answers::new());
    assert_eq!(outcome, Outcome { complete: false, scores: BTreeMap::new(), total: None, band: None });
}

#[test]
fn a_multiplied_score_is_multiplied() {
    let mut file: serde_json::Value =
        serde_json::from_str(include_str!("../../../../content/measures/gad-2.json")).unwrap();
    file["scoring"]["scores"][0]["multiplier"] = serde_json::json!(4);
    let measure: Measure = serde_json::from_value(file).unwrap();
    assert_eq!(score(&measure, &choices("gad2", "23")).total, Some(20.0));
}
