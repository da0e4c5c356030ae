//! The questionnaires that this server has: those inside the binary, and those that an operator installed after
//! accepting their licences.

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use super::{
    check,
    definition::{Measure, SafetyRule},
};
use crate::config::MeasuresConfig;

/// The daily form. It is described here, and filled in as a check-in.
pub const DAILY: &str = "daily-check-in";

const EMBEDDED: [(&str, &str); 9] = [
    ("daily-check-in", include_str!("../../content/measures/daily-check-in.json")),
    ("gad-2", include_str!("../../content/measures/gad-2.json")),
    ("gad-7", include_str!("../../content/measures/gad-7.json")),
    ("pcl-5", include_str!("../../content/measures/pcl-5.json")),
    ("phq-2", include_str!("../../content/measures/phq-2.json")),
    ("phq-9", include_str!("../../content/measures/phq-9.json")),
    ("post-session-check", include_str!("../../content/measures/post-session-check.json")),
    ("pre-session-check", include_str!("../../content/measures/pre-session-check.json")),
    ("session-reflection", include_str!("../../content/measures/session-reflection.json")),
];

#[expect(clippy::expect_used, reason = "the texts are compiled in, and a unit test parses them")]
static MEASURES: LazyLock<BTreeMap<String, Measure>> = LazyLock::new(|| {
    let parse =
        |(id, text): (&str, &str)| (id.to_owned(), serde_json::from_str(text).expect("a measure parses"));
    EMBEDDED.into_iter().map(parse).collect()
});

/// A questionnaire of the binary.
pub fn embedded(id: &str) -> Option<&'static Measure> {
    MEASURES.get(id)
}

/// Why the questionnaires of `measures.extra_dir` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {advice}")]
pub struct CatalogueError {
    setting: &'static str,
    advice: String,
}

/// Every questionnaire of this server, by id.
#[derive(Debug, Default)]
pub struct Catalogue {
    installed: BTreeMap<String, Measure>,
}

impl Catalogue {
    /// Reads what the operator installed. Anything wrong with it stops the start: a form that is half there would be
    /// worse than none.
    pub fn load(config: &MeasuresConfig) -> Result<Self, CatalogueError> {
        let mut installed = BTreeMap::new();
        if config.extra_dir.as_os_str().is_empty() {
            return Ok(Self { installed });
        }
        for (name, text) in read_folder(&config.extra_dir)? {
            let measure = accept(&name, &text, &config.accepted_licences)?;
            installed.insert(measure.id.clone(), measure);
        }
        Ok(Self { installed })
    }

    pub fn find(&self, id: &str) -> Option<&Measure> {
        MEASURES.get(id).or_else(|| self.installed.get(id))
    }

    /// The rule of that id, whichever questionnaire has it.
    pub fn rule(&self, id: &str) -> Option<&SafetyRule> {
        MEASURES.values().chain(self.installed.values()).find_map(|measure| measure.rule(id))
    }

    /// All of them, by id.
    pub fn all(&self) -> Vec<&Measure> {
        let mut all: Vec<&Measure> = MEASURES.values().chain(self.installed.values()).collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }
}

/// The forms that are part of the program, by id.
pub fn embedded_forms() -> impl Iterator<Item = &'static Measure> {
    MEASURES.values()
}

/// Every `.json` file of a folder, by its name without the ending.
fn read_folder(folder: &Path) -> Result<BTreeMap<String, String>, CatalogueError> {
    let failed = |error: std::io::Error| CatalogueError {
        setting: "measures.extra_dir",
        advice: format!(
            "cannot be read ({error}); make it readable for the server, or leave the setting empty"
        ),
    };
    let mut texts = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let (Some(name), Some("json")) =
            (path.file_stem().and_then(|name| name.to_str()), path.extension().and_then(|end| end.to_str()))
        else {
            continue;
        };
        texts.insert(name.to_owned(), std::fs::read_to_string(&path).map_err(failed)?);
    }
    Ok(texts)
}

fn accept(name: &str, text: &str, accepted: &[String]) -> Result<Measure, CatalogueError> {
    let refused = |advice: String| CatalogueError { setting: "measures.extra_dir", advice };
    let measure: Measure = serde_json::from_str(text)
        .map_err(|error| refused(format!("{name}.json is no questionnaire of this version: {error}")))?;
    let problems = check::check(name, &measure);
    if !problems.is_empty() {
        return Err(refused(format!("{name}.json cannot be used: {}", problems.join("; "))));
    }
    if MEASURES.contains_key(&measure.id) {
        return Err(refused(format!("{name}.json is already part of the program; remove the file")));
    }
    if !accepted.contains(&measure.id) {
        let notice = &measure.licence.notice;
        let advice = format!(
            "{name}.json is installed, but its licence was not accepted. Read it, then add \"{name}\" to the list, or \
             remove the file. Its notice: {notice}"
        );
        return Err(CatalogueError { setting: "measures.accepted_licences", advice });
    }
    Ok(measure)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::measures::definition::{Kind, LicenceStatus};

    #[test]
    fn the_embedded_files_keep_every_rule_of_the_content() {
        assert_eq!(MEASURES.len(), 9);
        for (name, measure) in MEASURES.iter() {
            assert_eq!(check::check(name, measure), Vec::<String>::new(), "{name}");
            assert!(measure.licence.embeddable, "{name} must not be inside the binary");
            assert!(measure.licence.status != LicenceStatus::OwnWork || measure.kind != Kind::ValidatedScale);
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("content/measures");
        let mut files: Vec<String> = read_folder(&folder).unwrap().into_keys().collect();
        files.retain(|name| name != "schema");
        assert_eq!(files, MEASURES.keys().cloned().collect::<Vec<_>>(), "a file is not embedded");
    }

    #[test]
    fn the_rules_that_must_never_be_lost_are_there() {
        let rule = |measure: &str, rule: &str| embedded(measure).unwrap().rule(rule).unwrap().clone();
        let any = rule("phq-9", "phq9-item9-any");
        assert!(any.show_crisis_resources && any.blocks_session);
        assert_eq!(
            format!("{:?}", any.when),
            "Item(ItemCondition { item: \"phq9.9\", op: AtLeast, value: Number(1.0) })"
        );
        assert_eq!(
            embedded("pcl-5").unwrap().languages,
            ["en"],
            "a validated scale is not translated by machine"
        );
        let needing: Vec<&str> = MEASURES
            .values()
            .filter(|measure| measure.needs_response_policy())
            .map(|measure| measure.id.as_str())
            .collect();
        assert_eq!(
            needing,
            ["daily-check-in", "phq-9", "post-session-check", "pre-session-check", "session-reflection"]
        );
    }

    fn gad2() -> Value {
        serde_json::from_str(EMBEDDED[1].1).unwrap()
    }

    #[test]
    fn each_rule_of_the_content_finds_its_breach() {
        type Breach = fn(&mut Value);
        let breaches: &[(&str, Breach)] = &[
            ("file name", |file| file["id"] = json!("other")),
            ("three numbers", |file| file["version"] = json!("1.0")),
            ("language es is missing", |file| file["title"] = json!({"en": "x"})),
            ("language fr is not its own", |file| file["title"]["fr"] = json!("x")),
            ("unknown answer set", |file| file["items"][0]["answerSet"] = json!("other")),
            ("appears twice", |file| file["items"][1]["linkId"] = json!("gad2.1")),
            ("without a score", |file| file["answerSets"]["frequency"][0]["score"] = Value::Null),
            ("is not used", |file| file["answerSets"]["spare"] = file["answerSets"]["frequency"].clone()),
            ("is optional", |file| file["items"][0]["required"] = json!(false)),
            ("is not scored", |file| file["items"][0]["scored"] = json!(false)),
            ("range should be 0 to 6", |file| file["scoring"]["scores"][0]["max"] = json!(7)),
            ("gap or overlap", |file| file["scoring"]["scores"][0]["bands"][1]["min"] = json!(4)),
            ("do not cover", |file| file["scoring"]["scores"][0]["bands"][0]["min"] = json!(1)),
            ("lies outside", |file| file["scoring"]["scores"][0]["cutoffs"][0]["value"] = json!(9)),
            ("unknown item gad2.9", |file| file["scoring"]["scores"][0]["items"][0] = json!("gad2.9")),
            ("unknown score", |file| file["scoring"]["change"]["score"] = json!("other")),
            ("urgent rules", |file| file["safetyRules"][0]["level"] = json!("urgent")),
            ("self-harm rules", |file| file["safetyRules"][0]["flag"] = json!("self-harm")),
            ("unknown score none", |file| file["safetyRules"][0]["when"]["score"] = json!("none")),
            ("one form is no row", |file| {
                file["safetyRules"][0]["when"] =
                    json!({"consecutive": 1, "of": {"item": "gad2.1", "op": "<", "value": 1}});
            }),
            ("includes", |file| {
                file["safetyRules"][0]["when"] = json!({"item": "gad2.1", "includes": ["9"]})
            }),
            ("on by default", |file| file["licence"]["embeddable"] = json!(false)),
            ("no LOINC code", |file| file["items"][0]["loinc"]["code"] = json!("x")),
        ];
        assert_eq!(check::check("gad-2", &serde_json::from_value(gad2()).unwrap()), Vec::<String>::new());
        for (words, breach) in breaches {
            let mut file = gad2();
            breach(&mut file);
            let problems = check::check("gad-2", &serde_json::from_value(file).unwrap());
            assert!(problems.iter().any(|problem| problem.contains(words)), "{words}: {problems:?}");
        }
        let mut file = gad2();
        file["colour"] = json!("red");
        assert!(serde_json::from_value::<Measure>(file).is_err(), "unknown fields are refused");
    }

    #[test]
    fn an_installed_form_needs_its_licence_accepted() {
        let folder = std::env::temp_dir().join(format!("afterglow-measures-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut file: Value = gad2();
        file["id"] = json!("own-2");
        file["enabledByDefault"] = json!(false);
        file["licence"]["embeddable"] = json!(false);
        std::fs::write(folder.join("own-2.json"), file.to_string()).unwrap();
        let config = |accepted: &[&str]| MeasuresConfig {
            extra_dir: folder.clone(),
            accepted_licences: accepted.iter().map(|one| (*one).to_owned()).collect(),
        };
        let refused = Catalogue::load(&config(&["who-5"])).unwrap_err().to_string();
        assert!(
            refused.starts_with("measures.accepted_licences") && refused.contains("Spitzer"),
            "{refused}"
        );
        let catalogue = Catalogue::load(&config(&["own-2"])).unwrap();
        assert!(catalogue.find("own-2").is_some() && catalogue.find("gad-2").is_some());
        assert_eq!(catalogue.all().len(), 10);
        std::fs::write(folder.join("gad-2.json"), gad2().to_string()).unwrap();
        let refused = Catalogue::load(&config(&["own-2", "gad-2"])).unwrap_err().to_string();
        assert!(refused.contains("already part of the program"), "{refused}");
        std::fs::write(folder.join("gad-2.json"), "{}").unwrap();
        assert!(Catalogue::load(&config(&["own-2"])).unwrap_err().to_string().contains("no questionnaire"));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(Catalogue::load(&config(&[])).unwrap_err().to_string().starts_with("measures.extra_dir"));
    }
}
