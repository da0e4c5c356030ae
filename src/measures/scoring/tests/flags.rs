//! Every safety rule of every form at its edges, on whole and on unfinished forms.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::measures::{
    catalogue::Catalogue,
    scoring::{Facts, Shown, fired, score, shown, worst_of_each_flag},
};

/// Rules that hold for a form without anything before it, thresholds signed.
fn rules(id: &str, answers: &Answers) -> Vec<&'static str> {
    rules_after(id, answers, None, &[], true)
}

fn rules_after(
    id: &str,
    answers: &Answers,
    previous: Option<f64>,
    before: &[Answers],
    thresholds_signed: bool,
) -> Vec<&'static str> {
    let measure = measure(id);
    let outcome = score(measure, answers);
    let previous: BTreeMap<String, f64> =
        previous.into_iter().map(|total| ("total".to_owned(), total)).collect();
    let baseline = BTreeMap::new();
    let facts = Facts {
        answers,
        outcome: &outcome,
        previous: &previous,
        baseline: &baseline,
        before,
        thresholds_signed,
    };
    fired(measure, &facts).into_iter().map(|rule| rule.id.as_str()).collect()
}

const ANY: &str = "phq9-item9-any";
const FREQUENT: &str = "phq9-item9-frequent";
const SEVERE: &str = "phq9-severe";

#[test]
fn phq_9_item_9_counts_from_one_also_on_an_unfinished_form() {
    for (answers, wanted) in [
        ("000000000", &[] as &[&str]),
        ("000000001", &[ANY]),
        ("000000002", &[FREQUENT, ANY]),
        ("000000003", &[FREQUENT, ANY]),
        ("--------0", &[]),
        ("--------1", &[ANY]),
        ("--------2", &[FREQUENT, ANY]),
        ("33333333-", &[]),
        ("333333100", &[]),
        ("333333200", &[SEVERE]),
        ("333333011", &[ANY, SEVERE]),
        ("333333333", &[FREQUENT, ANY, SEVERE]),
        ("0000000003", &[]),
    ] {
        assert_eq!(rules("phq-9", &choices("phq9", answers)), wanted, "{answers}");
    }
}

#[test]
fn worsening_needs_an_earlier_result_and_its_full_distance() {
    for (id, prefix, answers, previous, wanted) in [
        ("phq-9", "phq9", "333100000", None, &[] as &[&str]),
        ("phq-9", "phq9", "333100000", Some(5.0), &["phq9-worse"]),
        ("phq-9", "phq9", "333100000", Some(6.0), &[]),
        ("phq-9", "phq9", "333100000", Some(20.0), &[]),
        ("phq-9", "phq9", "33310000-", Some(0.0), &[]),
        ("gad-7", "gad7", "3331000", None, &[]),
        ("gad-7", "gad7", "3331000", Some(6.0), &["gad7-worse"]),
        ("gad-7", "gad7", "3331000", Some(7.0), &[]),
        ("gad-7", "gad7", "3333200", None, &[]),
        ("gad-7", "gad7", "3333300", None, &["gad7-severe"]),
        ("gad-7", "gad7", "3333300", Some(11.0), &["gad7-severe", "gad7-worse"]),
        ("gad-7", "gad7", "33333-3", None, &[]),
        ("pcl-5", "pcl5", "44444400000000000000", None, &[]),
        ("pcl-5", "pcl5", "44444400000000000000", Some(14.0), &["pcl5-worse"]),
        ("pcl-5", "pcl5", "44444400000000000000", Some(15.0), &[]),
        ("pcl-5", "pcl5", "00000000000000020000", None, &[]),
        ("pcl-5", "pcl5", "00000000000000030000", None, &["pcl5-risk-taking"]),
        ("pcl-5", "pcl5", "---------------4----", None, &["pcl5-risk-taking"]),
        ("phq-2", "phq2", "02", None, &[]),
        ("phq-2", "phq2", "12", None, &["phq2-positive"]),
        ("phq-2", "phq2", "3-", None, &[]),
        ("gad-2", "gad2", "11", None, &[]),
        ("gad-2", "gad2", "03", None, &["gad2-positive"]),
    ] {
        let found = |signed| rules_after(id, &choices(prefix, answers), previous, &[], signed);
        assert_eq!(found(true), wanted, "{id} {answers} after {previous:?}");
        let unsigned: Vec<_> = wanted.iter().copied().filter(|rule| !rule.ends_with("-worse")).collect();
        assert_eq!(found(false), unsigned, "how much is worse waits for a signature");
    }
}

#[test]
fn after_a_session_each_worrying_answer_counts_by_itself() {
    for (answers, wanted) in [
        (form([("post.symptoms", ticked(&["none"])), ("post.feel-safe", yes())]), &[] as &[&str]),
        (
            form([(
                "post.symptoms",
                ticked(&["nausea", "dizziness", "headache", "vomiting", "blurred-vision"]),
            )]),
            &[],
        ),
        (form([("post.feel-safe", no())]), &["post-not-safe"]),
        (form([("post.not-alone", no())]), &["post-alone"]),
        (form([("post.not-alone", yes())]), &[]),
        (form([("post.want-contact", yes())]), &["post-wants-contact"]),
        (form([("post.want-contact", no())]), &[]),
        (form([("post.unreal", number(6.0))]), &[]),
        (form([("post.unreal", number(7.0))]), &["post-still-altered"]),
        (form([("post.distress", number(6.0))]), &[]),
        (form([("post.distress", number(7.0))]), &["post-still-altered"]),
        (form([("post.present", number(4.0))]), &[]),
        (form([("post.present", number(3.0))]), &["post-still-altered"]),
        (
            form([
                ("post.symptoms", ticked(&["chest-pain"])),
                ("post.feel-safe", no()),
                ("post.not-alone", no()),
            ]),
            &["post-red-symptoms", "post-not-safe", "post-alone"],
        ),
    ] {
        assert_eq!(rules("post-session-check", &answers), wanted, "{answers:?}");
    }
    for red in ["chest-pain", "trouble-breathing", "fainting", "severe-headache", "confusion", "very-sleepy"]
    {
        let answers = form([("post.symptoms", ticked(&["nausea", red]))]);
        assert_eq!(rules("post-session-check", &answers), ["post-red-symptoms"], "{red}");
    }
}

#[test]
fn before_a_session_what_is_missing_is_named() {
    for (answers, wanted) in [
        (form([("pre.feel-safe", yes()), ("pre.changes", ticked(&["none"]))]), &[] as &[&str]),
        (form([("pre.feel-safe", no())]), &["pre-not-safe"]),
        (form([("pre.instructions-followed", no())]), &["pre-not-ready"]),
        (form([("pre.ride-arranged", no())]), &["pre-not-ready"]),
        (form([("pre.no-driving-plans", no())]), &["pre-not-ready"]),
        (form([("pre.ride-arranged", yes()), ("pre.no-driving-plans", yes())]), &[]),
        (form([("pre.changes", ticked(&["prefer-to-tell"]))]), &["pre-prefers-in-person"]),
        (
            form([("pre.changes", ticked(&["illness", "prefer-to-tell"]))]),
            &["pre-medical-change", "pre-prefers-in-person"],
        ),
        (form([("pre.nervousness", number(7.0))]), &[]),
        (form([("pre.nervousness", number(8.0))]), &["pre-very-nervous"]),
        (form([("pre.readiness", number(0.0))]), &[]),
    ] {
        assert_eq!(rules("pre-session-check", &answers), wanted, "{answers:?}");
    }
    for change in [
        "new-medicine",
        "illness",
        "heart-or-breathing",
        "bladder",
        "pregnancy",
        "substances",
        "unusual-mood",
    ] {
        let answers = form([("pre.changes", ticked(&[change]))]);
        assert_eq!(rules("pre-session-check", &answers), ["pre-medical-change"], "{change}");
    }
}

#[test]
fn a_hard_session_without_support_is_more_than_a_hard_one() {
    for (difficulty, support, wanted) in [
        (7.0, 0.0, &[] as &[&str]),
        (8.0, 4.0, &["reflect-hard"]),
        (8.0, 3.0, &["reflect-hard-unsupported", "reflect-hard"]),
        (10.0, 0.0, &["reflect-hard-unsupported", "reflect-hard"]),
    ] {
        let answers =
            form([("reflect.difficulty", number(difficulty)), ("reflect.support", number(support))]);
        assert_eq!(rules("session-reflection", &answers), wanted, "{difficulty} {support}");
    }
    let without = form([("reflect.difficulty", number(9.0))]);
    assert_eq!(rules("session-reflection", &without), ["reflect-hard"]);
}

#[test]
fn the_daily_form_looks_at_three_forms_in_a_row() {
    let day = |mood: f64| form([("checkin.mood", number(mood))]);
    let night = |hours: f64| form([("checkin.mood", number(5.0)), ("checkin.sleep-hours", number(hours))]);
    for (now, before, wanted) in [
        (day(2.0), vec![day(2.0), day(2.0)], &["checkin-low-three-days"] as &[&str]),
        (day(3.0), vec![day(2.0), day(2.0)], &[]),
        (day(2.0), vec![day(3.0), day(2.0)], &[]),
        (day(2.0), vec![day(2.0), day(3.0)], &[]),
        (day(2.0), vec![day(2.0)], &[]),
        (day(2.0), vec![], &[]),
        (day(0.0), vec![day(1.0), day(2.0), day(9.0)], &["checkin-low-three-days"]),
        (night(3.5), vec![night(3.5), night(0.0)], &["checkin-little-sleep"]),
        (night(4.0), vec![night(3.5), night(0.0)], &[]),
        (night(3.5), vec![day(5.0), night(0.0)], &[]),
    ] {
        assert_eq!(
            rules_after("daily-check-in", &now, None, &before, true),
            wanted,
            "{now:?} after {before:?}"
        );
    }
    let hopeless = || ticked(&["calm", "hopeless"]);
    for (answers, wanted) in [
        (
            form([("checkin.mood", number(1.0)), ("checkin.anxiety", number(8.0))]),
            &["checkin-very-low"] as &[&str],
        ),
        (form([("checkin.mood", number(1.0)), ("checkin.anxiety", number(7.0))]), &[]),
        (form([("checkin.mood", number(2.0)), ("checkin.anxiety", number(8.0))]), &[]),
        (
            form([("checkin.mood", number(0.0)), ("checkin.emotions", hopeless())]),
            &["checkin-very-low", "checkin-hopeless"],
        ),
        (form([("checkin.mood", number(5.0)), ("checkin.emotions", hopeless())]), &["checkin-hopeless"]),
    ] {
        assert_eq!(rules("daily-check-in", &answers), wanted, "{answers:?}");
    }
}

#[test]
fn the_tables_above_name_every_rule_there_is() {
    let source = include_str!("flags.rs");
    let catalogue = Catalogue::default();
    let all: BTreeSet<&str> = catalogue
        .all()
        .into_iter()
        .flat_map(|measure| &measure.safety_rules)
        .map(|rule| rule.id.as_str())
        .collect();
    assert_eq!(all.len(), 26);
    for rule in all {
        assert!(source.contains(&format!("\"{rule}\"")), "{rule} is in no table");
    }
}

#[test]
fn thresholds_of_our_own_forms_wait_for_a_signature_and_plain_words_do_not() {
    let altered =
        form([("post.unreal", number(10.0)), ("post.feel-safe", no()), ("post.want-contact", yes())]);
    let unsigned = rules_after("post-session-check", &altered, None, &[], false);
    assert_eq!(unsigned, ["post-not-safe", "post-wants-contact"]);
    let hard = form([("reflect.difficulty", number(10.0)), ("reflect.support", number(0.0))]);
    assert_eq!(rules_after("session-reflection", &hard, None, &[], false), [] as [&str; 0]);
    let low = form([("checkin.mood", number(0.0))]);
    let row = [low.clone(), low.clone()];
    assert_eq!(rules_after("daily-check-in", &low, None, &row, false), [] as [&str; 0]);
    let changed = form([("pre.changes", ticked(&["illness"])), ("pre.nervousness", number(10.0))]);
    assert_eq!(rules_after("pre-session-check", &changed, None, &[], false), ["pre-medical-change"]);
}

#[test]
fn the_patient_is_shown_the_gravest_once() {
    let pick = |id: &'static str, rules: &[&str]| {
        let measure = measure(id);
        let rules: Vec<_> = rules.iter().map(|rule| measure.rule(rule).unwrap()).collect();
        let worst: Vec<&str> = worst_of_each_flag(&rules).into_iter().map(|rule| rule.id.as_str()).collect();
        (shown(&rules, "en"), worst)
    };
    let (card, worst) = pick("phq-9", &[FREQUENT, ANY, SEVERE]);
    assert!(
        matches!(card, Shown::CrisisCard(words) if words.contains("not watched around the clock")),
        "{card:?}"
    );
    assert_eq!(worst, [FREQUENT, SEVERE], "one alert a flag, the graver of two");
    let (words, worst) = pick("pre-session-check", &["pre-medical-change", "pre-not-ready"]);
    assert_eq!(words, Shown::Words("Thank you. Please also call the clinic about this before your session."));
    assert_eq!(worst, ["pre-medical-change", "pre-not-ready"]);
    assert_eq!(pick("gad-7", &["gad7-worse"]).0, Shown::Nothing, "it speaks to clinicians only");
    assert_eq!(pick("phq-9", &[]), (Shown::Nothing, vec![]), "a zero never reassures");
    let spanish = shown(&[measure("phq-9").rule(ANY).unwrap()], "es-MX");
    assert!(matches!(spanish, Shown::CrisisCard(words) if words.contains("las 24 horas")), "{spanish:?}");
}
