//! Templates of plans: those of the content in the reader's language, with the clinic's own over them, and the rules
//! that both keep.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dto::MOST_SESSIONS;
use crate::{
    content::{self, in_locale, protocols},
    sessions::LOCATIONS,
    validate::Checks,
};

/// Most templates of a clinic.
const MOST: usize = 20;
/// Most questionnaires of a template.
const MOST_MEASURES: usize = 40;
/// The furthest from the first dosing day, in days.
const FURTHEST: i32 = 400;

/// A typical series of sessions that a plan can be started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanTemplate {
    #[schema(example = "kap-weekly-4", min_length = 1, max_length = 64)]
    pub id: String,
    #[schema(example = "Weekly series: four sessions", min_length = 1, max_length = 120)]
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "Three preparations, four dosing sessions a week apart.",
        min_length = 1,
        max_length = 1000
    )]
    pub summary: Option<String>,
    /// Whether plans can be started from it. One that asks for a decision of the clinic first is off until the clinic
    /// writes it as its own with `true`.
    #[serde(default = "switched_on")]
    #[schema(example = true)]
    pub enabled: bool,
    /// To be read before it is switched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10)]
    pub cautions: Vec<String>,
    /// In the order in which they take place.
    #[schema(min_items = 1, max_items = 40)]
    pub sessions: Vec<TemplateSession>,
    #[serde(default)]
    #[schema(max_items = 40)]
    pub measures: Vec<TemplateMeasure>,
}

fn switched_on() -> bool {
    true
}

/// A session of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateSession {
    /// Its name within the template.
    #[schema(example = "dosing-1", min_length = 1, max_length = 64)]
    pub key: String,
    /// `evaluation`, `preparation`, `dosing`, `integration`, `follow-up` or `group`.
    #[schema(example = "dosing", max_length = 32)]
    pub kind: String,
    /// Days from the first dosing session.
    #[schema(minimum = -400, maximum = 400, example = 0)]
    pub day_offset: i32,
    /// `clinic`, `home` or `telehealth`.
    #[schema(example = "clinic", max_length = 32)]
    pub location: String,
    /// Only for `dosing`: the routes it can be given by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 4, example = json!(["im"]))]
    pub routes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "short check-in", min_length = 1, max_length = 200)]
    pub note: Option<String>,
}

/// A questionnaire of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateMeasure {
    /// An id from `GET /measures`.
    #[schema(example = "phq-9", min_length = 1, max_length = 64)]
    pub measure: String,
    /// Days from the first dosing session.
    #[schema(minimum = -400, maximum = 400, example = -17)]
    pub day_offset: i32,
    /// Left to the therapist: a plan does not ask for it by itself.
    #[serde(default)]
    #[schema(example = false)]
    pub optional: bool,
}

/// A template of the content, in the reader's language.
fn embedded(template: &content::PlanTemplate, locale: &str) -> PlanTemplate {
    let session = |one: &content::PlannedSession| TemplateSession {
        key: one.key.clone(),
        kind: one.kind.clone(),
        day_offset: one.day_offset,
        location: one.location.clone(),
        routes: one.routes.clone(),
        note: one.note.clone(),
    };
    let measure = |one: &content::PlannedMeasure| TemplateMeasure {
        measure: one.measure.clone(),
        day_offset: one.day_offset,
        optional: one.optional,
    };
    PlanTemplate {
        id: template.id.clone(),
        title: in_locale(&template.title, locale).cloned().unwrap_or_default(),
        summary: Some(template.summary.clone()),
        enabled: template.enabled_by_default,
        cautions: template.cautions.clone(),
        sessions: template.sessions.iter().map(session).collect(),
        measures: template.measures.iter().map(measure).collect(),
    }
}

/// Every template of a clinic: those of the content, each replaced by the clinic's own of the same id, then the rest
/// of its own.
pub fn merged(own: Vec<PlanTemplate>, locale: &str) -> Vec<PlanTemplate> {
    let replaced = |id: &str| own.iter().any(|one| one.id == id);
    let kept = protocols().plan_templates.iter().filter(|one| !replaced(&one.id));
    let mut all: Vec<PlanTemplate> = kept.map(|one| embedded(one, locale)).collect();
    all.extend(own);
    all
}

/// What is wrong with a clinic's templates. Those of the content pass, which a test holds.
pub fn check_templates(checks: &mut Checks, templates: &[PlanTemplate]) {
    checks.items("/templates", templates, MOST);
    for (index, template) in templates.iter().enumerate() {
        let at = format!("/templates/{index}");
        let twice = templates[..index].iter().any(|other| other.id == template.id);
        checks.require(
            !twice,
            &format!("{at}/id"),
            "duplicate",
            "is the id of another template of this list",
        );
        check_template(checks, &at, template);
    }
}

fn check_template(checks: &mut Checks, at: &str, template: &PlanTemplate) {
    check_name(checks, &format!("{at}/id"), &template.id);
    checks.text(&format!("{at}/title"), Some(&template.title), 1, 120);
    checks.text(&format!("{at}/summary"), template.summary.as_deref(), 1, 1_000);
    checks.items(&format!("{at}/cautions"), &template.cautions, 10);
    for (index, caution) in template.cautions.iter().take(10).enumerate() {
        checks.text(&format!("{at}/cautions/{index}"), Some(caution), 1, 500);
    }
    let sessions = &template.sessions;
    let list = format!("{at}/sessions");
    checks.require(!sessions.is_empty(), &list, "required", "a plan needs at least one session");
    checks.items(&list, sessions, MOST_SESSIONS);
    for (index, session) in sessions.iter().take(MOST_SESSIONS).enumerate() {
        let at = format!("{list}/{index}");
        let twice = sessions[..index].iter().any(|other| other.key == session.key);
        checks.require(!twice, &format!("{at}/key"), "duplicate", "is the key of another session");
        let after = index == 0 || sessions[index - 1].day_offset <= session.day_offset;
        let detail = "must not be smaller than that of the session before; put sessions in order";
        checks.require(after, &format!("{at}/day_offset"), "out_of_order", detail);
        check_session(checks, &at, session);
    }
    checks.items(&format!("{at}/measures"), &template.measures, MOST_MEASURES);
    for (index, measure) in template.measures.iter().take(MOST_MEASURES).enumerate() {
        let at = format!("{at}/measures/{index}");
        check_name(checks, &format!("{at}/measure"), &measure.measure);
        checks.range(&format!("{at}/day_offset"), Some(measure.day_offset), -FURTHEST, FURTHEST);
    }
}

fn check_session(checks: &mut Checks, at: &str, session: &TemplateSession) {
    check_name(checks, &format!("{at}/key"), &session.key);
    let kinds: Vec<&str> = protocols().session_kinds.iter().map(|kind| kind.id.as_str()).collect();
    check_word(checks, &format!("{at}/kind"), &session.kind, &kinds);
    check_word(checks, &format!("{at}/location"), &session.location, &LOCATIONS);
    let offset = format!("{at}/day_offset");
    checks.range(&offset, Some(session.day_offset), -FURTHEST, FURTHEST);
    let dosing = session.kind == "dosing";
    let detail = "must not be negative: days are counted from the first dosing session";
    checks.require(!dosing || session.day_offset >= 0, &offset, "before_first_dosing", detail);
    let list = format!("{at}/routes");
    checks.require(
        dosing || session.routes.is_empty(),
        &list,
        "dosing_only",
        "only a dosing session has routes",
    );
    checks.require(!dosing || !session.routes.is_empty(), &list, "required", "name at least one route");
    checks.items(&list, &session.routes, 4);
    let routes: Vec<&str> = protocols().routes.iter().map(|route| route.id.as_str()).collect();
    for (index, route) in session.routes.iter().take(4).enumerate() {
        check_word(checks, &format!("{list}/{index}"), route, &routes);
    }
    checks.text(&format!("{at}/note"), session.note.as_deref(), 1, 200);
}

/// Ids and keys are clear in the database and stand in addresses: no room for words about anybody.
fn check_name(checks: &mut Checks, pointer: &str, name: &str) {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(letter);
    checks.require(fits, pointer, "wrong_form", "must be 1 to 64 small letters, digits and dashes");
}

fn check_word(checks: &mut Checks, pointer: &str, word: &str, known: &[&str]) {
    checks.require(
        known.contains(&word),
        pointer,
        "unknown_value",
        format!("must be one of: {}", known.join(", ")),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ApiError;

    #[test]
    fn the_embedded_templates_keep_the_rules_of_a_clinics_own() {
        let all = merged(Vec::new(), "en");
        assert_eq!(all.len(), 5);
        assert_eq!(all.iter().map(|one| one.sessions.len()).max(), Some(15));
        assert!(all.iter().all(|one| !one.measures.is_empty()));
        let mut checks = Checks::default();
        check_templates(&mut checks, &all);
        assert!(checks.finish().is_ok());
        let off: Vec<&str> = all.iter().filter(|one| !one.enabled).map(|one| one.id.as_str()).collect();
        assert_eq!(off, ["home-sublingual-4"]);
    }

    #[test]
    fn an_own_template_takes_the_place_of_the_embedded_one_and_titles_follow_the_reader() {
        let mut own = merged(Vec::new(), "en").swap_remove(2);
        own.enabled = true;
        let mut other = own.clone();
        other.id = "our-own".to_owned();
        let all = merged(vec![own.clone(), other], "es-MX");
        assert_eq!(all.len(), 6);
        assert_eq!(all.iter().filter(|one| one.id == own.id).collect::<Vec<_>>(), [&own]);
        assert_eq!(all[0].title, "Inducción: seis sesiones en tres semanas");
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        type Break = fn(&mut PlanTemplate);
        let table: &[(&str, Break)] = &[
            ("/templates/0/id", |one| one.id = "Not An Id".into()),
            ("/templates/0/title", |one| one.title.clear()),
            ("/templates/0/sessions", |one| one.sessions.clear()),
            ("/templates/0/sessions/1/key", |one| one.sessions[1].key = one.sessions[0].key.clone()),
            ("/templates/0/sessions/0/kind", |one| one.sessions[0].kind = "holiday".into()),
            ("/templates/0/sessions/0/location", |one| one.sessions[0].location = "moon".into()),
            ("/templates/0/sessions/0/day_offset", |one| one.sessions[0].day_offset = -401),
            ("/templates/0/sessions/0/routes", |one| one.sessions[0].routes = vec!["im".into()]),
            ("/templates/0/sessions/3/routes/0", |one| one.sessions[3].routes = vec!["smoke".into()]),
            ("/templates/0/sessions/3/routes", |one| one.sessions[3].routes.clear()),
            ("/templates/0/sessions/4/day_offset", |one| one.sessions[4].day_offset = -1),
            ("/templates/0/measures/0/day_offset", |one| one.measures[0].day_offset = 401),
            ("/templates/0/measures/0/measure", |one| one.measures[0].measure = "PHQ 9".into()),
        ];
        for (pointer, break_it) in table {
            let mut template = merged(Vec::new(), "en").swap_remove(0);
            break_it(&mut template);
            let mut checks = Checks::default();
            check_templates(&mut checks, &[template]);
            let Err(ApiError::Refused { errors, .. }) = checks.finish() else {
                panic!("{pointer} was taken")
            };
            assert!(errors.iter().any(|error| error.pointer == *pointer), "{pointer}: {errors:?}");
        }
    }
}
