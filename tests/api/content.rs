//! The clinical content, file by file: every rule it has to keep, beside those of the questionnaires, which are checked
//! where they are read (`src/measures/check.rs`), and their schema.

mod crisis;
mod questionnaires;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use regex::Regex;
use serde_json::Value;

const LANGUAGES: [&str; 4] = ["en", "es", "de", "fr"];
/// What would give a health context away on a lock screen.
const REVEALING: &str = "(?i)ketamin|kétamine|therap|terap|medic|médic|medik|dose|dosis|session|sesión|sitzung|séance|\
     clinic|clínic|clinique|praxis|mood|ánimo|stimmung|humeur|anxi|ansied|angst|depress|depres|suicid|mental|patient|\
     pacient|doctor|nurse|treat|behandl|traitement|journal|diario|tagebuch|integra|intention|intenc|breath|respir|atem";
const ADVICE: &str = r"(?i)\b\d+(\.\d+)?\s?(mg|mcg|µg|ml|mg/kg)\b";
const DURATION: &str = r"^-?P(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?$";
const RECURRENCE: &str = r"^R/P(\d+W)?(\d+D)?$";
const CLOCK: &str = r"^([01]\d|2[0-3]):[0-5]\d$";
/// What every dosing session is reminded of, in some way.
const NEEDED: [&str; 12] = [
    "preparation",
    "medication-check",
    "fasting",
    "ride",
    "intention",
    "comfort",
    "safety",
    "rest",
    "capture",
    "integration",
    "measure",
    "follow-up",
];

/// The problems found so far.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    fn require(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }

    fn unique(&mut self, what: &str, names: &[&str]) -> BTreeSet<String> {
        let set: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.require(set.len() == names.len(), || format!("{what}: one of {names:?} appears twice"));
        set
    }

    fn languages(&mut self, what: &str, text: &Value, wanted: &[&str]) {
        let Some(texts) = text.as_object() else { return self.0.push(format!("{what}: no languages")) };
        for language in wanted {
            let there = texts.get(*language).is_some_and(|text| text != "" && !text.is_null());
            self.require(there, || format!("{what}: {language} is missing"));
        }
        for language in texts.keys() {
            self.require(LANGUAGES.contains(&language.as_str()), || format!("{what}: unknown {language}"));
        }
    }

    fn matches(&mut self, what: &str, text: &Value, pattern: &str) {
        let text = text.as_str().unwrap_or_default();
        let empty = pattern == DURATION && text.ends_with(['P', 'T']);
        let holds = Regex::new(pattern).unwrap().is_match(text) && !empty;
        self.require(holds, || format!("{what}: {text:?} has the wrong form"));
    }
}

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("content").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn names<'v>(value: &'v Value, field: &str) -> Vec<&'v str> {
    list(value).iter().map(|one| one[field].as_str().unwrap()).collect()
}

fn words(value: &Value) -> Vec<&str> {
    list(value).iter().map(|one| one.as_str().unwrap()).collect()
}

fn has(map: &Value, key: &Value) -> bool {
    list(map).contains(key) || map.get(key.as_str().unwrap_or_default()).is_some()
}

fn measures() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("content/measures");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let stems = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    stems.filter(|name| name != "schema").collect()
}

/// What an action points at.
struct Targets {
    measures: BTreeSet<String>,
    journals: BTreeSet<String>,
    prompts: Value,
}

impl Targets {
    fn check(&self, found: &mut Found, what: &str, action: &Value) {
        let at = action["ref"].as_str().unwrap_or_default();
        let fits = match action["type"].as_str().unwrap_or_default() {
            "measure" => self.measures.contains(at),
            "journal" => self.journals.contains(at),
            "prompt" => list(&self.prompts["prompts"]).iter().any(|prompt| {
                let category = action.get("category").is_none_or(|category| *category == prompt["category"]);
                (prompt["phase"] == action["phase"] || prompt["phase"] == "any") && category
            }),
            kind => afterglow::actions::ACTIONS.iter().any(|(known, _)| *known == kind),
        };
        found.require(fits, || format!("{what}: {action} leads nowhere"));
    }
}

fn check_protocols(found: &mut Found, data: &Value, targets: &Targets) {
    let languages = words(&data["languages"]);
    let kinds = found.unique("session kinds", &names(&data["sessionKinds"], "id"));
    found.unique("routes", &names(&data["routes"], "id"));
    for group in ["sessionKinds", "routes", "planTemplates"] {
        for one in list(&data[group]) {
            found.languages(&format!("{group} {}", one["id"]), &one["title"], &languages);
        }
    }
    for kind in list(&data["sessionKinds"]) {
        let checklists = kind["requiredChecklists"].as_object().into_iter().flat_map(|map| map.values());
        for one in checklists {
            found.require(targets.measures.contains(one.as_str().unwrap()), || format!("no checklist {one}"));
        }
    }
    found.languages("disclaimer", &data["disclaimer"], &languages);
    let revealing = Regex::new(REVEALING).unwrap();
    for (key, text) in data["lockScreenTexts"].as_object().unwrap() {
        found.languages(key, text, &languages);
        for part in text.as_object().unwrap().values().flat_map(|one| [&one["title"], &one["body"]]) {
            let discreet = !revealing.is_match(part.as_str().unwrap_or_default());
            found.require(discreet, || format!("{key} reveals a health context: {part}"));
        }
    }
    let ids = [names(&data["reminders"], "id"), names(&data["recurringReminders"], "id")].concat();
    found.unique("reminders", &ids);
    for reminder in list(&data["reminders"]) {
        check_reminder(found, data, &kinds, reminder);
        targets.check(found, &reminder["id"].to_string(), &reminder["action"]);
    }
    for reminder in list(&data["recurringReminders"]) {
        let what = reminder["id"].to_string();
        found.matches(&what, &reminder["recurrence"], RECURRENCE);
        found.matches(&what, &reminder["localTime"], CLOCK);
        check_words(found, data, reminder);
        targets.check(found, &what, &reminder["action"]);
    }
    check_coverage(found, data, &kinds);
    for goal in list(&data["goalTemplates"]) {
        found.languages(&goal["id"].to_string(), &goal["text"], &languages);
        let measure = goal["measure"].as_str();
        found.require(measure.is_none_or(|one| targets.measures.contains(one)), || format!("goal {goal}"));
    }
}

fn check_reminder(found: &mut Found, data: &Value, kinds: &BTreeSet<String>, reminder: &Value) {
    let what = reminder["id"].to_string();
    found.matches(&what, &reminder["id"], "^[a-z0-9][a-z0-9-]*$");
    let known = words(&reminder["sessionKinds"]).iter().all(|kind| kinds.contains(*kind));
    found.require(known, || format!("{what}: unknown session kind"));
    for field in ["offset", "expireAfter"] {
        found.matches(&what, &reminder[field], DURATION);
    }
    let offset = reminder["offset"].as_str().unwrap();
    let direction = match reminder["anchor"].as_str() {
        Some("start") => offset.starts_with('-'),
        Some("end") => !offset.starts_with('-'),
        _ => false,
    };
    found.require(direction, || format!("{what}: {offset} does not fit its anchor"));
    let clock = reminder.get("localTime");
    found.require(clock.is_some() != offset.contains('T'), || format!("{what}: no or two times of day"));
    if let Some(clock) = clock {
        found.matches(&what, clock, CLOCK);
    }
    found.require(has(&data["categories"], &reminder["category"]), || format!("{what}: unknown category"));
    let places =
        words(&reminder["locations"]).iter().all(|place| ["clinic", "home", "telehealth"].contains(place));
    found.require(places, || format!("{what}: unknown place"));
    check_words(found, data, reminder);
    let advice = Regex::new(ADVICE).unwrap();
    for text in reminder["text"].as_object().unwrap().values() {
        let [title, body] = ["title", "body"].map(|part| text[part].as_str().unwrap_or_default());
        let short = title.chars().count() <= 60 && body.chars().count() <= 240;
        found.require(short, || format!("{what}: too long"));
        let silent = !advice.is_match(&format!("{title}{body}"));
        found.require(silent, || format!("{what}: contains a dose"));
    }
}

fn check_words(found: &mut Found, data: &Value, reminder: &Value) {
    let what = reminder["id"].to_string();
    found.languages(&what, &reminder["text"], &words(&data["languages"]));
    let lock = has(&data["lockScreenTexts"], &reminder["lockScreen"]);
    found.require(lock, || format!("{what}: unknown text of the lock screen"));
    let skips = list(&reminder["skipIf"]).iter().all(|skip| has(&data["rules"]["skipIf"], skip));
    found.require(skips, || format!("{what}: unknown skipIf"));
}

fn check_coverage(found: &mut Found, data: &Value, kinds: &BTreeSet<String>) {
    let mut covered = BTreeSet::new();
    let mut dosing = BTreeSet::new();
    for reminder in list(&data["reminders"]) {
        let of = words(&reminder["sessionKinds"]);
        if of.contains(&"dosing") {
            dosing.insert(reminder["category"].as_str().unwrap());
        }
        covered.extend(of.into_iter().map(str::to_owned));
    }
    found.require(covered == *kinds, || format!("only {covered:?} have reminders"));
    let missing: Vec<_> = NEEDED.into_iter().filter(|category| !dosing.contains(category)).collect();
    found.require(missing.is_empty(), || format!("dosing sessions lack {missing:?}"));
}

fn check_plans(found: &mut Found, data: &Value, measures: &BTreeSet<String>) {
    let kinds = names(&data["sessionKinds"], "id");
    let routes = names(&data["routes"], "id");
    found.unique("plans", &names(&data["planTemplates"], "id"));
    for plan in list(&data["planTemplates"]) {
        let (what, sessions) = (plan["id"].to_string(), list(&plan["sessions"]));
        found.unique(&what, &names(&plan["sessions"], "key"));
        let day = |session: &Value| session["dayOffset"].as_i64().unwrap();
        found.require(sessions.is_sorted_by_key(&day), || format!("{what}: not in order"));
        for session in sessions {
            let kind = session["kind"].as_str().unwrap();
            found.require(kinds.contains(&kind), || format!("{what}: unknown {kind}"));
            let by = words(&session["routes"]);
            found.require(by.iter().all(|route| routes.contains(route)), || format!("{what}: {by:?}"));
            found.require(kind != "dosing" || !by.is_empty(), || {
                format!("{what}: a dosing session without route")
            });
        }
        let of = |kinds: &[&str]| -> Vec<i64> {
            sessions.iter().filter(|one| kinds.contains(&one["kind"].as_str().unwrap())).map(day).collect()
        };
        found.require(of(&["dosing"]).first() == Some(&0), || format!("{what}: does not begin on day 0"));
        let prepared = of(&["preparation", "group"]).iter().any(|day| *day < 0);
        found.require(prepared, || format!("{what}: no preparation before the first dose"));
        found.require(!of(&["integration"]).is_empty(), || format!("{what}: no integration"));
        for one in names(&plan["measures"], "measure") {
            found.require(measures.contains(one), || format!("{what}: unknown {one}"));
        }
    }
}

fn check_prompts(found: &mut Found, data: &Value) {
    let prompts = list(&data["prompts"]);
    found.unique("prompts", &names(&data["prompts"], "id"));
    found.require(prompts.len() >= 60, || format!("only {} prompts", prompts.len()));
    let texts: Vec<&str> = prompts.iter().map(|one| one["text"]["en"].as_str().unwrap()).collect();
    found.unique("texts of prompts", &texts);
    for prompt in prompts {
        let what = prompt["id"].to_string();
        found.languages(&what, &prompt["text"], &words(&data["languages"]));
        for mark in ["modality", "phase", "timeOfDay"] {
            found.require(has(&data["legend"][mark], &prompt[mark]), || format!("{what}: unknown {mark}"));
        }
        let minutes = prompt["minutes"].as_i64().is_some_and(|minutes| (1..=15).contains(&minutes));
        found.require(minutes, || format!("{what}: minutes"));
        let care = prompt.get("care");
        found.require(care.is_none_or(|care| has(&data["legend"]["care"], care)), || format!("{what}: care"));
        let stirring = care.is_some_and(|care| care == "may-stir-memories") && prompt["timeOfDay"] == "night";
        found.require(!stirring, || format!("{what}: may stir memories at night"));
        let short = prompt["text"]
            .as_object()
            .unwrap()
            .values()
            .all(|text| text.as_str().unwrap_or_default().chars().count() <= 300);
        found.require(short, || format!("{what}: too long"));
    }
}

fn check_journals(found: &mut Found, data: &Value) {
    let languages = words(&data["languages"]);
    let daily = read("measures/daily-check-in.json");
    let feelings = list(&daily["items"]).iter().find(|item| item["type"] == "multi-choice").unwrap();
    let known: BTreeSet<&str> =
        names(&daily["answerSets"][feelings["answerSet"].as_str().unwrap()], "value").into_iter().collect();
    let tags: BTreeSet<&str> = words(&data["emotionTags"]).into_iter().collect();
    found.require(tags == known, || "emotionTags differ from the daily check-in".to_owned());
    let modalities = names(&data["templates"], "modality");
    for one in ["integration", "cbt", "ifs", "somatic", "trauma-informed", "intention", "values", "gratitude"]
    {
        found.require(modalities.contains(&one), || format!("no form of {one}"));
    }
    for form in list(&data["templates"]) {
        let what = form["id"].to_string();
        for part in ["title", "description", "care"] {
            if part != "care" || form.get(part).is_some() {
                found.languages(&format!("{what} {part}"), &form[part], &languages);
            }
        }
        found.require(has(&data["sharing"], &form["defaultSharing"]), || format!("{what}: unknown sharing"));
        found.unique(&what, &names(&form["fields"], "id"));
        found.require(!list(&form["fields"]).is_empty(), || format!("{what}: no fields"));
        for field in list(&form["fields"]) {
            check_field(found, data, &format!("{what} {}", field["id"]), field);
        }
    }
}

fn check_field(found: &mut Found, data: &Value, what: &str, field: &Value) {
    let languages = words(&data["languages"]);
    found.languages(what, &field["label"], &languages);
    if let Some(help) = field.get("help") {
        found.languages(what, help, &languages);
    }
    found.require(has(&data["fieldTypes"], &field["type"]), || format!("{what}: unknown type"));
    if ["choice", "multichoice", "body-areas"].contains(&field["type"].as_str().unwrap()) {
        found.unique(what, &names(&field["options"], "value"));
        for option in list(&field["options"]) {
            found.languages(what, &option["text"], &languages);
        }
    }
    let scale = field["type"] != "scale" || field["min"].as_i64() < field["max"].as_i64();
    found.require(scale, || format!("{what}: min is not below max"));
}

fn problems(protocols: &Value, prompts: &Value, journals: &Value, crisis: &Value) -> Vec<String> {
    let mut found = Found::default();
    let forms = found.unique("forms", &names(&journals["templates"], "id"));
    let targets = Targets { measures: measures(), journals: forms, prompts: prompts.clone() };
    check_protocols(&mut found, protocols, &targets);
    check_plans(&mut found, protocols, &targets.measures);
    check_prompts(&mut found, prompts);
    check_journals(&mut found, journals);
    crisis::check(&mut found, crisis);
    found.0
}

const FILES: [&str; 4] =
    ["protocols.json", "prompts.json", "journal_templates.json", "crisis_resources.json"];

#[test]
fn the_content_keeps_its_rules() {
    let [protocols, prompts, journals, crisis] = FILES.map(read);
    let found = problems(&protocols, &prompts, &journals, &crisis);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_breach_of_the_content_is_found() {
    let breaches: BTreeMap<&str, Value> = [
        ("0/reminders/0/category", "no-such".into()),
        ("0/reminders/0/offset", "P".into()),
        ("0/reminders/0/action/type", "elsewhere".into()),
        ("0/reminders/0/text/es", Value::Null),
        ("0/reminders/0/text/en/body", "Take 60 mg.".into()),
        ("0/reminders/0/lockScreen", "no-such".into()),
        ("0/lockScreenTexts/plan/en/title", "Your ketamine session".into()),
        ("0/recurringReminders/0/localTime", "25:00".into()),
        ("0/planTemplates/0/sessions/0/kind", "holiday".into()),
        ("0/planTemplates/0/measures/0/measure", "no-such".into()),
        ("1/prompts/0/minutes", 16.into()),
        ("1/prompts/0/modality", "no-such".into()),
        ("1/prompts/1/id", "ground-five-senses".into()),
        ("2/templates/0/fields/0/type", "no-such".into()),
        ("2/templates/0/title/es", Value::Null),
        ("3/countries/0/services/0/web", "http://example.org".into()),
        ("3/countries/0/services/0/confidence", "hearsay".into()),
    ]
    .into();
    for (at, value) in breaches {
        let mut files = FILES.map(read);
        let (file, pointer) = at.split_once('/').unwrap();
        let place = files[file.parse::<usize>().unwrap()].pointer_mut(&format!("/{pointer}"));
        *place.unwrap_or_else(|| panic!("{at} is not there")) = value;
        assert!(!problems(&files[0], &files[1], &files[2], &files[3]).is_empty(), "{at} was not found");
    }
}
