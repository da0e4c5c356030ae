//! Answers that nobody would give: what is refused is refused by name, and what is taken is counted.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::select};

use crate::{
    measures::{
        answers::{MeasureAnswer, read, write},
        catalogue::embedded_forms,
        definition::Measure,
        scoring::{
            flags::{Facts, fired},
            score,
        },
    },
    validate::Checks,
};

fn value() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[0-9]{1,2}", 1 => "yes|no|none", 1 => "\\PC{0,6}"]
}

fn number() -> impl Strategy<Value = f64> {
    const ODD: [f64; 5] = [f64::MAX, f64::MIN_POSITIVE, -0.0, 1e300, -1.0];
    prop_oneof![4 => (0..100_i32).prop_map(f64::from), 1 => any::<i64>().prop_map(|whole| whole as f64), 1 => select(&ODD[..])]
}

/// An answer with the part that its question asks for, mostly.
fn answer(items: Vec<String>) -> impl Strategy<Value = MeasureAnswer> {
    let item = prop_oneof![20 => select(items), 1 => "\\PC{0,12}"];
    let parts = (
        prop::option::weighted(0.7, value()),
        prop::option::weighted(0.1, prop::collection::vec(value(), 0..4)),
        prop::option::weighted(0.2, number()),
        prop::option::weighted(0.1, any::<bool>()),
        prop::option::weighted(0.1, "\\PC{0,40}"),
    );
    (item, parts).prop_map(|(item, (choice, choices, number, boolean, text))| MeasureAnswer {
        item,
        choice,
        choices,
        number,
        boolean,
        text,
    })
}

fn filled_in() -> impl Strategy<Value = (&'static Measure, Vec<MeasureAnswer>)> {
    select(embedded_forms().collect::<Vec<_>>()).prop_flat_map(|measure| {
        let items = measure.items.iter().map(|item| item.link_id.clone()).collect();
        (Just(measure), prop::collection::vec(answer(items), 0..24))
    })
}

proptest! {
    #[test]
    fn what_is_taken_comes_back_and_is_counted((measure, given) in filled_in()) {
        let mut checks = Checks::default();
        let answers = read(measure, given.clone(), &mut checks);
        let outcome = score(measure, &answers);
        let none = BTreeMap::new();
        let facts = Facts {
            answers: &answers,
            outcome: &outcome,
            previous: &none,
            baseline: &none,
            before: &[],
            thresholds_signed: true,
        };
        fired(measure, &facts);
        prop_assert!(outcome.scores.values().all(|value| value.is_finite()) || checks.finish().is_err());
    }

    #[test]
    fn one_answer_that_is_taken_travels_back_as_it_came((measure, given) in filled_in()) {
        for answer in given {
            let mut checks = Checks::default();
            let answers = read(measure, vec![answer.clone()], &mut checks);
            if checks.finish().is_ok() {
                prop_assert_eq!(write(Some(measure), answers), vec![answer]);
            }
        }
    }
}
