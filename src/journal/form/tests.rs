use std::collections::BTreeSet;

use proptest::{collection, option, prelude::*, sample};
use serde_json::{Map, json};

use super::*;
use crate::{error::ApiError, journal::templates::content};

const ID: &str = "0198f000-0000-7000-8000-000000000000";

/// What is refused, as `pointer code`.
fn refused(template: &Template, fields: Value, state: EntryState) -> BTreeSet<String> {
    let mut checks = Checks::default();
    check(&mut checks, template, &serde_json::from_value(fields).unwrap(), state);
    match checks.finish() {
        Ok(()) => BTreeSet::new(),
        Err(ApiError::Refused { errors, .. }) => {
            errors.into_iter().map(|error| format!("{} {}", error.pointer, error.code)).collect()
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn nothing() -> BTreeSet<String> {
    BTreeSet::new()
}

/// Values that fit.
fn good(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Text { max_length } => vec![json!(""), json!("a"), json!("🐤".repeat(*max_length))],
        Kind::Longtext { max_length } => vec![json!("one\ntwo"), json!("é".repeat(*max_length))],
        Kind::List { max_items } => vec![json!([]), json!(vec!["ü".repeat(LIST_ITEM); *max_items])],
        Kind::Scale { min, max } => vec![json!(min), json!(max)],
        Kind::Boolean => vec![json!(true), json!(false)],
        Kind::Date => vec![json!("2028-02-29"), json!("1900-01-01")],
        Kind::Datetime => vec![json!("2026-11-22T18:30:00+01:00"), json!("2026-11-22T18:30:00.123Z")],
        Kind::Choice { options } => options.iter().map(|option| json!(option.value)).collect(),
        Kind::Multichoice { options } | Kind::BodyAreas { options } => {
            vec![json!([]), json!(values(options))]
        }
        Kind::Emotions => vec![json!(["calm"]), json!(content().emotion_tags)],
        Kind::Dialogue { speakers } => {
            let turn = |speaker: &&str| json!({"speaker": speaker, "text": "x".repeat(TURN)});
            vec![json!(values(speakers).iter().map(turn).collect::<Vec<_>>())]
        }
        Kind::SessionLink | Kind::Audio { .. } | Kind::Image => vec![json!(ID)],
    }
}

/// Values that do not fit, with the place below the field and the code.
#[expect(clippy::too_many_lines, reason = "a table, as long as it is")]
fn bad(kind: &Kind) -> Vec<(Value, String, &'static str)> {
    let one = |value: Value, code| (value, String::new(), code);
    let in_list = |value: Value, below: &str, code| (value, below.to_owned(), code);
    let mut wrong = match kind {
        Kind::Text { max_length } => vec![
            one(json!("x".repeat(max_length + 1)), "wrong_length"),
            one(json!("one\ntwo"), "line_break"),
            one(json!(1), "wrong_type"),
        ],
        Kind::Longtext { max_length } => {
            vec![one(json!("é".repeat(max_length + 1)), "wrong_length"), one(json!([]), "wrong_type")]
        }
        Kind::List { max_items } => vec![
            one(json!(vec!["x"; max_items + 1]), "too_many_items"),
            one(json!("word"), "wrong_type"),
            in_list(json!(["a", ""]), "/1", "wrong_length"),
            in_list(json!(["x".repeat(LIST_ITEM + 1)]), "/0", "wrong_length"),
            in_list(json!(["a", 2]), "/1", "wrong_type"),
        ],
        Kind::Scale { min, max } => vec![
            one(json!(min - 1), "out_of_range"),
            one(json!(max + 1), "out_of_range"),
            one(json!(5.5), "wrong_type"),
            one(json!("5"), "wrong_type"),
        ],
        Kind::Boolean => vec![one(json!(1), "wrong_type"), one(json!("yes"), "wrong_type")],
        Kind::Date => ["2026-02-30", "2026-13-01", "26-1-1", "2026-1-01", "0001-01-01", "9999-01-01", ""]
            .map(|text| one(json!(text), "impossible_date"))
            .into(),
        Kind::Datetime => {
            ["2026-02-30T10:00:00Z", "2026-11-22T25:00:00Z", "2026-11-22T10:00:00", "yesterday"]
                .map(|text| one(json!(text), "impossible_time"))
                .into()
        }
        Kind::Choice { .. } => {
            vec![one(json!("other-than-all"), "unknown_value"), one(json!([]), "wrong_type")]
        }
        Kind::Multichoice { options } | Kind::BodyAreas { options } => {
            let first = &options[0].value;
            vec![
                in_list(json!([first, "other-than-all"]), "/1", "unknown_value"),
                in_list(json!([first, first]), "/1", "duplicate"),
                in_list(json!([3]), "/0", "wrong_type"),
                one(json!(vec![first; options.len() + 1]), "too_many_items"),
            ]
        }
        Kind::Emotions => vec![
            in_list(json!(["calm", "wrath"]), "/1", "unknown_value"),
            in_list(json!(["calm", "calm"]), "/1", "duplicate"),
            one(json!(vec!["calm"; 21]), "too_many_items"),
        ],
        Kind::Dialogue { speakers } => {
            let speaker = &speakers[0].value;
            vec![
                in_list(json!([{"speaker": speaker, "text": ""}]), "/0/text", "wrong_length"),
                in_list(
                    json!([{"speaker": speaker, "text": "x".repeat(TURN + 1)}]),
                    "/0/text",
                    "wrong_length",
                ),
                in_list(json!([{"speaker": speaker}]), "/0/text", "required"),
                in_list(json!([{"speaker": "other-than-all", "text": "x"}]), "/0/speaker", "unknown_value"),
                in_list(json!([{"speaker": speaker, "text": "x", "mood": 1}]), "/0/mood", "unknown_field"),
                in_list(json!(["x"]), "/0", "wrong_type"),
                one(json!(vec![json!({"speaker": speaker, "text": "x"}); TURNS + 1]), "too_many_items"),
            ]
        }
        Kind::SessionLink | Kind::Audio { .. } | Kind::Image => {
            [Value::Null, json!(7), json!("7"), json!("0198f00000007000800000000000000000000")]
                .map(|value| one(value, "invalid_id"))
                .into()
        }
    };
    if !wrong.iter().any(|(_, _, code)| *code == "invalid_id") {
        wrong.extend([one(Value::Null, "wrong_type"), one(json!({}), "wrong_type")]);
    }
    wrong
}

#[test]
fn every_field_of_every_form_takes_what_fits_and_names_what_does_not() {
    let (mut fields, mut cases) = (0, 0);
    for template in &content().templates {
        for field in &template.fields {
            fields += 1;
            for value in good(&field.kind) {
                let found = refused(template, json!({ &field.id: value }), EntryState::Draft);
                assert_eq!(found, nothing(), "{} {} {value}", template.id, field.id);
                cases += 1;
            }
            for (value, below, code) in bad(&field.kind) {
                let found = refused(template, json!({ &field.id: value }), EntryState::Draft);
                let wanted = format!("/fields/{}{below} {code}", field.id);
                assert!(found.contains(&wanted), "{} {value}: {found:?} without {wanted}", template.id);
                cases += 1;
            }
        }
    }
    assert_eq!(fields, 90);
    assert!(cases > 500, "{cases}");
}

#[test]
fn what_is_required_is_required_in_a_final_entry_only() {
    for template in &content().templates {
        let required: BTreeSet<String> = template
            .fields
            .iter()
            .filter(|field| field.required)
            .map(|field| format!("/fields/{} required", field.id))
            .collect();
        assert_eq!(refused(template, json!({}), EntryState::Final), required, "{}", template.id);
        assert_eq!(refused(template, json!({}), EntryState::Draft), nothing(), "{}", template.id);
    }
    let note = templates::find("free-note", None).unwrap();
    assert_eq!(
        refused(note, json!({"text": ""}), EntryState::Final),
        ["/fields/text required".into()].into()
    );
    assert_eq!(refused(note, json!({"text": " "}), EntryState::Final), nothing());
}

#[test]
fn unknown_fields_are_named_by_an_escaped_pointer_and_not_without_end() {
    let note = templates::find("free-note", None).unwrap();
    let draft = |fields| refused(note, fields, EntryState::Draft);
    assert_eq!(draft(json!({"a/b~c": 1})), ["/fields/a~1b~0c unknown_field".into()].into());
    assert_eq!(draft(json!({"x".repeat(65): 1})), ["/fields unknown_field".into()].into());
    let many: Map<String, Value> = (0..500).map(|number| (format!("f{number}"), json!(1))).collect();
    assert_eq!(draft(Value::Object(many)).len(), NAMED);
}

#[test]
fn a_field_sent_twice_is_refused() {
    let twice = serde_json::from_str::<EntryFields>(r#"{"text": "a", "text": "b"}"#);
    assert!(twice.unwrap_err().to_string().starts_with("duplicate field `text`"));
}

#[test]
fn what_the_fields_point_at_is_found() {
    let fields = |value: Value| serde_json::from_value::<EntryFields>(value).unwrap();
    let id: Uuid = ID.parse().unwrap();
    let first = templates::find("first-impressions", None).unwrap();
    let named = |field: &str, kind| AttachmentRef { field: field.into(), kind, id };
    assert_eq!(
        attachment_refs(first, &fields(json!({"voice": ID, "drawing": ID, "body": ID}))),
        [named("voice", AttachmentKind::Audio), named("drawing", AttachmentKind::Image)]
    );
    assert_eq!(attachment_refs(first, &fields(json!({"voice": "no id"}))), []);
    let free = templates::find("integration-free", None).unwrap();
    assert_eq!(session_refs(free, &fields(json!({"session": ID}))), [("session".to_owned(), id)]);
    assert!(session_refs(first, &fields(json!({"body": ID}))).is_empty());
}

#[test]
fn only_a_plain_no_to_being_safe_asks_for_the_card() {
    for (fields, wanted) in
        [(json!({"safe-now": false}), true), (json!({"safe-now": true}), false), (json!({}), false)]
    {
        assert_eq!(is_unsafe(&serde_json::from_value(fields).unwrap()), wanted);
    }
}

fn words(max: usize, lines: bool) -> BoxedStrategy<Value> {
    let one = if lines {
        any::<char>().boxed()
    } else {
        any::<char>().prop_filter("one line", |c| !"\n\r".contains(*c)).boxed()
    };
    collection::vec(one, 1..=max.min(40)).prop_map(|text| json!(text.into_iter().collect::<String>())).boxed()
}

fn subset(values: Vec<&str>) -> BoxedStrategy<Value> {
    let all: Vec<String> = values.into_iter().map(str::to_owned).collect();
    let most = all.len();
    sample::subsequence(all, 1..=most).prop_map(|some| json!(some)).boxed()
}

fn valid(kind: &'static Kind) -> BoxedStrategy<Value> {
    match kind {
        Kind::Text { max_length } => words(*max_length, false),
        Kind::Longtext { max_length } => words(*max_length, true),
        Kind::List { max_items } => {
            collection::vec(words(LIST_ITEM, false), 1..=*max_items).prop_map(Value::Array).boxed()
        }
        Kind::Scale { min, max } => (*min..=*max).prop_map(|number| json!(number)).boxed(),
        Kind::Boolean => any::<bool>().prop_map(|answer| json!(answer)).boxed(),
        Kind::Date => (-25_567_i32..73_000)
            .prop_map(|day| json!((NaiveDate::default() + chrono::Duration::days(day.into())).to_string()))
            .boxed(),
        Kind::Datetime => (0_i64..4_000_000_000)
            .prop_map(|second| json!(DateTime::from_timestamp(second, 0).unwrap().to_rfc3339()))
            .boxed(),
        Kind::Choice { options } => sample::select(values(options)).prop_map(|one| json!(one)).boxed(),
        Kind::Multichoice { options } | Kind::BodyAreas { options } => subset(values(options)),
        Kind::Emotions => subset(content().emotion_tags.iter().map(String::as_str).collect()),
        Kind::Dialogue { speakers } => {
            let turn = (sample::select(values(speakers)), words(TURN, true))
                .prop_map(|(speaker, text)| json!({"speaker": speaker, "text": text}));
            collection::vec(turn, 1..5).prop_map(Value::Array).boxed()
        }
        Kind::SessionLink | Kind::Audio { .. } | Kind::Image => {
            any::<u128>().prop_map(|number| json!(Uuid::from_u128(number).to_string())).boxed()
        }
    }
}

/// A form with every required field and any of the others.
fn form() -> impl Strategy<Value = (&'static Template, Value)> {
    (0..content().templates.len()).prop_flat_map(|index| {
        let template = &content().templates[index];
        let fields: Vec<_> = template
            .fields
            .iter()
            .map(|field| {
                let value = valid(&field.kind);
                let value =
                    if field.required { value.prop_map(Some).boxed() } else { option::of(value).boxed() };
                value.prop_map(|value| value.map(|value| (field.id.clone(), value)))
            })
            .collect();
        fields.prop_map(move |fields| (template, Value::Object(fields.into_iter().flatten().collect())))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_filled_in_form_is_accepted_and_comes_back_as_it_was((template, form) in form()) {
        prop_assert_eq!(refused(template, form.clone(), EntryState::Final), nothing());
        let sent = serde_json::to_string(&form).unwrap();
        let read: EntryFields = serde_json::from_str(&sent).unwrap();
        let kept = serde_json::to_vec(&read).unwrap();
        let opened: EntryFields = serde_json::from_slice(&kept).unwrap();
        prop_assert_eq!(serde_json::to_value(&opened).unwrap(), form);
    }
}
