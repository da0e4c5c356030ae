//! D1: nothing that somebody wrote, and no secret, is readable in the database, a backup of it, the log or an error.

mod canaries;
mod copies;
mod log;
mod search;
mod writers;

use canaries::Canaries;
use serde_json::{Value, json};
use writers::write_everywhere;

use crate::{
    harness::{TestApp, both_engines},
    openapi::{document, operations},
};

both_engines![
    d1_what_people_write_is_readable_nowhere,
    d1_an_archive_is_sealed_until_its_owner_fetches_it,
    d1_a_backup_and_its_wrapped_keys_are_sealed,
    d1_the_search_finds_what_is_in_clear,
    d1_errors_never_quote_what_was_sent
];

/// Text fields without a canary, and why.
const EXEMPT: &[(&str, &str)] = &[
    ("Schedule/days", "names of weekdays"),
    ("CategoryWindow/category", "an id of the content"),
    ("CategoryWindow/opens", "a time of day"),
    ("CategoryWindow/closes", "a time of day"),
    ("DeliveryPolicyPatch/categories_off", "ids of the content"),
    ("CheckinCreate/emotions", "words of a fixed list"),
    ("CheckinPatch/emotions", "words of a fixed list"),
    ("Receipt/token", "made by the server, and of no use twice"),
    ("Registration/invitation_code", "a code of its own form; its plain text is searched for"),
    ("Registration/time_zone", "a name of the IANA database"),
    ("Registration/locale", "a language tag"),
    ("MePatch/time_zone", "a name of the IANA database"),
    ("MePatch/phone_time_zone", "a name of the IANA database"),
    ("MePatch/locale", "a language tag"),
    ("Credentials/totp_code", "six digits"),
    ("Reauthentication/totp_code", "six digits"),
    ("TotpConfirmation/code", "six digits"),
    ("Credentials/recovery_code", "made by the server; its plain text is searched for"),
    ("Credentials/device_secret", "made by the server; its plain text is searched for"),
    ("PasswordReset/token", "made by the server; its plain text is searched for"),
    ("Recovery/code", "a code of its own form; its plain text is searched for"),
    ("Recovery/recovery_code", "made by the server; its plain text is searched for"),
    ("RefreshRequest/refresh_token", "made by the server; its plain text is searched for"),
    ("InvitationCreate/profession", "shown to every patient; clear in the data map"),
    ("EntryCreate/template_id", "an id of the content"),
    ("EntryCreate/template_version", "a version of the content"),
    ("SessionCreate/kind", "an id of the content"),
    ("SessionCreate/route", "an id of the content"),
    ("SessionCreate/location", "an id of the content"),
    ("SessionPatch/location", "an id of the content"),
    ("SessionOfferCreate/kind", "an id of the content"),
    ("SessionOfferCreate/location", "an id of the content"),
    ("AdministrationRecord/route", "an id of the content"),
    ("ReminderCreate/category", "an id of the content"),
    ("Schedule/time", "a time of day"),
    ("Schedule/cron", "five fields of digits and names"),
    ("AttachmentCreate/field", "an id of the content"),
    ("AttachmentCreate/media_type", "one of eight"),
    ("AttachmentCreate/sha256", "a hash; sealed, and gone with the upload"),
    ("DeliveryWindow/opens", "a time of day"),
    ("DeliveryWindow/closes", "a time of day"),
    ("StaffPatch/profession", "shown to every patient; clear in the data map"),
    ("FormThresholdsSignature/content", "ids and versions of the content"),
    ("ClinicPatch/country", "a code of two letters"),
    ("ClinicPatch/time_zone", "a name of the IANA database"),
    ("ConsentCreate/text_version", "a version of the content"),
    ("ConsentCreate/language", "a language tag of the content"),
    ("SubscriptionCreate/platform", "letters, digits and dashes; clear in the data map"),
    ("SubscriptionCreate/vapid_kid", "one of the server's own; clear in the data map"),
    ("SubscriptionCreate/device_token", "of its service's form; the tests of push search for it"),
    ("GoalCreate/template_id", "an id of the content"),
    ("GoalProposal/template_id", "an id of the content"),
    ("GoalTarget/measure", "an id of the content"),
    ("GoalTarget/score", "an id of the content"),
    ("GoalTarget/of", "an id of the content"),
    ("MeasureResponseCreate/measure_id", "an id of the content"),
    ("MeasureResponseCreate/version", "a version of the content"),
    ("MeasureResponseCreate/language", "a language tag"),
    ("MeasureAssignmentCreate/measure_id", "an id of the content"),
    ("MeasureAnswer/item", "an id of the form"),
    ("MeasureAnswer/choice", "a code of the form"),
    ("MeasureAnswer/choices", "codes of the form"),
    ("Opening/weekday", "names of weekdays"),
    ("Opening/opens", "a time of day"),
    ("Opening/closes", "a time of day"),
    ("PlanCreate/template_id", "an id of the content or the clinic"),
    ("PlanCreate/time", "a time of day"),
    ("PlanCreate/route", "an id of the content"),
    ("PlanCreate/leave_out", "keys of the template"),
    ("PlanTemplate/id", "small letters and dashes; clear in the data map"),
    ("TemplateSession/key", "small letters and dashes; clear in the data map"),
    ("TemplateSession/kind", "an id of the content"),
    ("TemplateSession/location", "an id of the content"),
    ("TemplateSession/routes", "ids of the content"),
    ("TemplateMeasure/measure", "an id of the content"),
    ("TimelineEdit/template_id", "an id of the content"),
    ("TimelineEdit/offset", "a duration"),
    ("TimelineEdit/local_time", "a time of day"),
];

async fn d1_what_people_write_is_readable_nowhere(app: TestApp) {
    let log = log::capture();
    let canaries = write_everywhere(&app).await;
    canaries.cover(&text_fields(), EXEMPT);
    let places = [
        ("the database", app.store.everything(app.conn()).await),
        ("the log", log.everything()),
        ("error bodies", app.problems()),
    ];
    for (place, bytes) in &places {
        let found = canaries.found_in(bytes);
        assert!(found.is_empty(), "{place} ({} bytes) holds {found:?}", bytes.len());
    }
    assert!(places.iter().all(|(_, bytes)| bytes.len() > 1_000), "something was not captured");
}

async fn d1_an_archive_is_sealed_until_its_owner_fetches_it(app: TestApp) {
    copies::an_archive_is_sealed(app).await;
}

async fn d1_a_backup_and_its_wrapped_keys_are_sealed(app: TestApp) {
    copies::a_backup_is_sealed(app).await;
}

async fn d1_the_search_finds_what_is_in_clear(app: TestApp) {
    let log = log::capture();
    let canaries = Canaries::new("search");
    let ana = app.patient("ana").await;
    for text in [canaries.ascii("a"), canaries.umlauts("b"), canaries.emoji("c")] {
        let blob: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let values = vec![text.clone().into(), blob.into(), ana.id.into()];
        app.execute("UPDATE accounts SET profession = $1, name_sealed = $2 WHERE id = $3", values).await;
        assert_eq!(canaries.found_in(&app.store.everything(app.conn()).await), std::slice::from_ref(&text));
        let values = vec![Vec::from(text.as_bytes()).into(), ana.id.into()];
        app.execute("UPDATE accounts SET profession = NULL, name_sealed = $1 WHERE id = $2", values).await;
        assert_eq!(canaries.found_in(&app.store.everything(app.conn()).await), std::slice::from_ref(&text));
        tracing::info!(text, "in clear");
        assert!(canaries.found_in(&log.everything()).contains(&text));
        app.execute("UPDATE accounts SET name_sealed = $1", vec![vec![0_u8].into()]).await;
        app.store.forget_old_pages(app.conn()).await;
    }
}

async fn d1_errors_never_quote_what_was_sent(app: TestApp) {
    let log = log::capture();
    let canaries = Canaries::new("errors");
    let ana = app.patient("ana").await;
    let bo = app.therapist("bo").await;
    let word = || canaries.umlauts("word");
    for operation in operations() {
        if operation.spec["requestBody"].is_null() {
            continue;
        }
        let id = "0198f000-0000-7000-8000-000000000000";
        let path = ["{id}", "{patient_id}", "{member_id}", "{attachment_id}", "{number}", "{plan_id}"]
            .iter()
            .fold(operation.path.clone(), |path, name| path.replace(name, id));
        let path = path.replace("{patient_id}", &ana.id.to_string());
        for who in [&ana, &bo] {
            for body in [
                json!({ "unknown": word() }),
                json!(word()),
                json!([word()]),
                json!({"fields": word(), "kind": word(),
                "mood": word(), "email": word(), "schedule": {"kind": word()}, "keys": {"auth": word()}}),
            ] {
                let request = who.request(operation.method.parse().unwrap(), &path).await.if_match(1);
                let reply = request.header("x-note", &canaries.ascii("header")).json(&body).send().await;
                assert!(reply.status.is_client_error(), "{}: {body}", operation.id);
            }
        }
    }
    for path in ["/v1/checkins?cursor=", "/v1/checkins/", "/v1/invitation-codes/", "/v1/"] {
        let reply = ana.get(&format!("{path}{}", canaries.ascii("path").replace(' ', "-"))).await;
        assert!(reply.status.is_client_error(), "{path}");
    }
    for (place, bytes) in [("error bodies", app.problems()), ("the log", log.everything())] {
        assert_eq!(canaries.found_in(&bytes), Vec::<String>::new(), "{place}");
    }
}

/// Every text field of every request body, as `Schema/field`.
fn text_fields() -> Vec<String> {
    let document = document();
    let mut schemas: Vec<String> = operations()
        .iter()
        .filter_map(|operation| {
            operation.spec["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                .as_str()
                .map(name_of)
        })
        .collect();
    let mut fields = Vec::new();
    let mut next = 0;
    while next < schemas.len() {
        let schema = schemas[next].clone();
        next += 1;
        for (field, spec) in document["components"]["schemas"][&schema]["properties"].as_object().unwrap() {
            // A list is as secret as what it lists.
            let spec = if spec["items"].is_object() { &spec["items"] } else { spec };
            if let Some(below) = spec["$ref"].as_str().map(name_of) {
                let free = document["components"]["schemas"][&below]["enum"].is_null();
                if free && !schemas.contains(&below) {
                    schemas.push(below);
                }
            } else if is_text(spec) {
                fields.push(format!("{schema}/{field}"));
            }
        }
    }
    fields.sort();
    fields.dedup();
    fields
}

fn name_of(reference: &str) -> String {
    reference.rsplit('/').next().unwrap().to_owned()
}

fn is_text(spec: &Value) -> bool {
    let kind = &spec["type"];
    let string = kind == "string" || kind.as_array().is_some_and(|kinds| kinds.contains(&json!("string")));
    string
        && spec["enum"].is_null()
        && !["date-time", "date", "uuid"].iter().any(|format| spec["format"] == *format)
}
