//! D1: nothing that somebody wrote, and no secret, is readable in the database, a backup of it, the log or an error.

mod canaries;
mod log;
mod search;

use canaries::Canaries;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::{
    attachments::wav_of,
    authz::subscription,
    harness::{Person, TestApp, both_engines, registration},
    openapi::{document, operations},
};

both_engines![
    d1_what_people_write_is_readable_nowhere,
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
    ("MePatch/locale", "a language tag"),
    ("RefreshRequest/refresh_token", "made by the server; its plain text is searched for"),
    ("InvitationCreate/profession", "shown to every patient; clear in the data map"),
    ("EntryCreate/template_id", "an id of the content"),
    ("EntryCreate/template_version", "a version of the content"),
    ("SessionCreate/kind", "an id of the content"),
    ("SessionCreate/route", "an id of the content"),
    ("SessionCreate/location", "an id of the content"),
    ("SessionPatch/location", "an id of the content"),
    ("ReminderCreate/category", "an id of the content"),
    ("Schedule/time", "a time of day"),
    ("Schedule/cron", "five fields of digits and names"),
    ("AttachmentCreate/field", "an id of the content"),
    ("AttachmentCreate/media_type", "one of eight"),
    ("AttachmentCreate/sha256", "a hash; sealed, and gone with the upload"),
    ("DeliveryWindow/opens", "a time of day"),
    ("DeliveryWindow/closes", "a time of day"),
    ("StaffPatch/profession", "shown to every patient; clear in the data map"),
    ("ClinicPatch/country", "a code of two letters"),
    ("ClinicPatch/time_zone", "a name of the IANA database"),
    ("ConsentCreate/text_version", "a version of the content"),
    ("ConsentCreate/language", "a language tag of the content"),
    ("SubscriptionCreate/platform", "letters, digits and dashes; clear in the data map"),
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

/// A canary into each text field, in three writings, and what answers showed of secrets.
async fn write_everywhere(app: &TestApp) -> Canaries {
    let mut canaries = Canaries::new("everywhere");
    let bo = app.therapist("bo").await;
    for (round, write) in [Canaries::ascii, Canaries::umlauts, Canaries::emoji].into_iter().enumerate() {
        let label = write(&canaries, "InvitationCreate/label");
        let invitation =
            bo.post("/v1/invitations", &json!({"kind": "patient", "label": label})).await.expect(201);
        bo.get("/v1/invitations").await.expect(200);
        let code = invitation["code"].as_str().unwrap();
        canaries.secret(code);
        canaries.secret(&code.replace('-', ""));
        app.anon().get(&format!("/v1/invitation-codes/{code}")).await.expect(200);
        let ana = register(app, &mut canaries, code, round, write).await;
        own_account(&ana, &canaries, write).await;
        own_clinic(app, &ana, &mut canaries, (round, write)).await;
        records(&ana, &bo, &canaries, write).await;
        offline(&ana, &canaries, write).await;
        safety_plan(&ana, &canaries, write).await;
        let day = i64::try_from(round).unwrap() + 7;
        intention(&ana, &bo, app.now() + Duration::days(day), &canaries, write).await;
        goals(&ana, &bo, &canaries, write).await;
        questionnaire(&ana, &bo, &canaries, write).await;
        plan_templates(app, &canaries, (i64::try_from(round).unwrap(), write)).await;
        device(&ana, &mut canaries, round, write).await;
        canaries.secret(&ana.access_token());
        canaries.secret(&ana.refresh_token());
    }
    canaries
}

type Write = fn(&Canaries, &str) -> String;

async fn register(app: &TestApp, canaries: &mut Canaries, code: &str, round: usize, write: Write) -> Person {
    let name = format!("reader{round}");
    let mut body = registration(code, &name);
    // The part before the at sign may be any letters.
    let email = format!("{}@example.org", write(canaries, "Registration/email").replace(' ', ""));
    canaries.secret(&email);
    canaries.note("Credentials/email");
    let password = write(canaries, "Registration/password");
    canaries.note("Credentials/password");
    body["email"] = json!(email);
    body["password"] = json!(password);
    body["display_name"] = json!(write(canaries, "Registration/display_name"));
    body["device_name"] = json!(write(canaries, "Registration/device_name"));
    app.anon().post("/v1/auth/register", &body).await.expect(201);
    let device = write(canaries, "Credentials/device_name");
    let login = json!({"email": email, "password": password, "device_name": device});
    let pair = app.anon().post("/v1/auth/login", &login).await.expect(200);
    let wrong = json!({"email": email, "password": format!("{password}!")});
    app.anon().post("/v1/auth/login", &wrong).await.refused(401, "wrong_credentials");
    app.person(&name, &pair)
}

async fn own_account(ana: &Person, canaries: &Canaries, write: Write) {
    let body = json!({"display_name": write(canaries, "MePatch/display_name"), "locale": "es"});
    ana.patch("/v1/me", 1, &body).await.expect(200);
    for path in ["/v1/me", "/v1/auth/devices", "/v1/care-team", "/v1/clinic"] {
        ana.get(path).await.expect(200);
    }
}

async fn own_clinic(app: &TestApp, ana: &Person, canaries: &mut Canaries, (round, write): (usize, Write)) {
    let admin = app.admin().await;
    let version = admin.get("/v1/clinic").await.expect(200)["version"].as_i64().unwrap();
    let body = json!({"name": write(canaries, "ClinicPatch/name"), "phone": "+49 30 7gk2 canary"});
    canaries.secret("7gk2 canary");
    canaries.note("ClinicPatch/phone");
    admin.patch("/v1/clinic", version, &body).await.expect(200);
    let further = app.therapist(&format!("further{round}")).await;
    let code = app.invite(&further, &json!({"kind": "patient"})).await;
    canaries.secret(&code);
    canaries.note("CareTeamJoin/invitation_code");
    ana.post("/v1/care-team", &json!({ "invitation_code": code })).await.expect(201);
    ana.get("/v1/me/access-log").await.expect(200);
}

async fn records(ana: &Person, bo: &Person, canaries: &Canaries, write: Write) {
    let checkin = json!({"mood": 0, "note": write(canaries, "CheckinCreate/note"), "emotions": ["hopeless"]});
    let post = |path: &'static str| async move { ana.request(axum::http::Method::POST, path).await };
    let made = post("/v1/checkins").await.key("repeated").json(&checkin).send().await.expect(201);
    post("/v1/checkins").await.key("repeated").json(&checkin).send().await.expect(201);
    let path = format!("/v1/checkins/{}", made["id"].as_str().unwrap());
    ana.patch(&path, 1, &json!({"note": write(canaries, "CheckinPatch/note")})).await.expect(200);
    ana.patch(&path, 1, &json!({"note": write(canaries, "CheckinPatch/note")}))
        .await
        .refused(412, "stale_version");

    let entry = json!({"title": write(canaries, "EntryCreate/title"), "fields": {"text": write(canaries, "EntryFields/text")},
        "tags": [short(canaries, "EntryCreate/tags")]});
    let made = ana.post("/v1/journal/entries", &entry).await.expect(201);
    let id = made["id"].as_str().unwrap();
    let patch =
        json!({"title": write(canaries, "EntryPatch/title"), "tags": [short(canaries, "EntryPatch/tags")]});
    ana.patch(&format!("/v1/journal/entries/{id}"), 1, &patch).await.expect(200);
    ana.share(id, bo, &json!({})).await.expect(200);
    bo.get(&format!("/v1/patients/{}/journal/entries", ana.id)).await.expect(200);
    bo.get(&format!("/v1/patients/{}/journal/entries/{id}", ana.id)).await.expect(200);
    forms(ana, canaries, write).await;
    comments(ana, bo, id, canaries, write).await;

    let spoken = write(canaries, "the sound of a voice note");
    let note = ana.impressions().await;
    let voice = ana.voice_note(&note, &wav_of(spoken.repeat(9_000).as_bytes())).await;
    ana.get(&format!("/v1/journal/entries/{note}/attachments/{voice}")).await;

    let reminder = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"},
        "title": write(canaries, "ReminderCreate/title"), "body": write(canaries, "ReminderCreate/body")});
    let made = ana.post("/v1/reminders", &reminder).await.expect(201);
    let patch = json!({"title": write(canaries, "ReminderPatch/title"), "body": write(canaries, "ReminderPatch/body")});
    ana.patch(&format!("/v1/reminders/{}", made["id"].as_str().unwrap()), 1, &patch).await.expect(200);
    ana.get("/v1/notifications").await.expect(200);
    for gone in [&path, &format!("/v1/journal/entries/{id}")] {
        ana.delete_at(gone, 2).await.expect(204);
    }
}

/// What a phone sends later, once as it is and once against other words.
async fn offline(ana: &Person, canaries: &Canaries, write: Write) {
    let id = |number: u128| uuid::Uuid::from_u128(0x0198_f000_0000_7000_8000_0000_0000_0000 + number);
    let text = |field: &str| json!({"fields": {"text": write(canaries, field)}});
    let entry = |kind: &str, fields: Value| json!({"collection": "journal_entries", "kind": kind, "id": id(1), "base_version": 9, "fields": fields});
    let note = |kind: &str, mut fields: Value| {
        fields["mood"] = json!(5);
        json!({"collection": "checkins", "kind": kind, "id": id(2), "base_version": 9, "fields": fields})
    };
    let ops = json!([
        entry("create", text("SyncOp/fields")),
        entry("update", text("SyncOp/fields of a conflict")),
        note("create", json!({"note": write(canaries, "SyncOp/fields of a note")})),
        note("update", json!({"note": write(canaries, "SyncOp/fields of a note in conflict")})),
        note(
            "update",
            json!({"note": write(canaries, "SyncOp/fields"), "unknown": write(canaries, "SyncOp/fields")})
        ),
    ]);
    for _ in 0..2 {
        ana.post("/v1/sync", &json!({ "ops": ops })).await.expect(200);
    }
    ana.get("/v1/sync").await.expect(200);
}

/// For fields that hold a few words only.
fn short(canaries: &Canaries, field: &str) -> String {
    let text = format!("goldfinch 7gk2 {field}");
    canaries.note(field);
    canaries.secret(&text);
    text
}

async fn intention(ana: &Person, bo: &Person, at: DateTime<Utc>, canaries: &Canaries, write: Write) {
    let id = bo.schedule(ana, "preparation", at).await["id"].as_str().unwrap().to_owned();
    let patch = json!({"text": write(canaries, "SessionIntentionPatch/text"), "shared": true});
    ana.patch(&format!("/v1/sessions/{id}/intention"), 1, &patch).await.expect(200);
    bo.get(&format!("/v1/patients/{}/sessions/{id}/preparation", ana.id)).await.expect(200);
}

async fn safety_plan(ana: &Person, canaries: &Canaries, write: Write) {
    let lines = |field: &str| json!([write(canaries, &format!("SafetyPlanContent/{field}"))]);
    // A number is short.
    canaries.note("SafetyContact/phone");
    canaries.secret("+34 600 731 946 canary");
    let contact = json!({"name": write(canaries, "SafetyContact/name"), "phone": "+34 600 731 946 canary"});
    let plan = json!({"warning_signs": lines("warning_signs"), "coping": lines("coping"), "means": lines("means"),
        "reasons": lines("reasons"), "people": [contact]});
    ana.request(axum::http::Method::PUT, "/v1/safety-plan")
        .await
        .if_match(0)
        .json(&plan)
        .send()
        .await
        .expect(200);
    ana.get("/v1/safety-plan").await.expect(200);
}

async fn goals(ana: &Person, bo: &Person, canaries: &Canaries, write: Write) {
    let goal = json!({"title": write(canaries, "GoalCreate/title"),
        "description": write(canaries, "GoalCreate/description"),
        "steps": [{"text": write(canaries, "GoalStepInput/text")}]});
    let goal = ana.post("/v1/goals", &goal).await.expect(201);
    let path = format!("/v1/goals/{}", goal["id"].as_str().unwrap());
    let patch = json!({"title": write(canaries, "GoalPatch/title"),
        "description": write(canaries, "GoalPatch/description")});
    ana.patch(&path, 1, &patch).await.expect(200);
    let note = json!({"note": write(canaries, "GoalProgressCreate/note")});
    let note = ana.post(&format!("{path}/progress"), &note).await.expect(201);
    let patch = json!({"note": write(canaries, "GoalProgressPatch/note")});
    ana.patch(&format!("/v1/goal-progress/{}", note["id"].as_str().unwrap()), 1, &patch).await.expect(200);
    ana.share_goal(goal["id"].as_str().unwrap(), bo, &json!({})).await.expect(200);
    let proposal = json!({"title": write(canaries, "GoalProposal/title"),
        "description": write(canaries, "GoalProposal/description")});
    let theirs = format!("/v1/patients/{}/goals", ana.id);
    bo.post(&theirs, &proposal).await.expect(201);
    bo.get(&theirs).await.expect(200);
    ana.delete_at(&path, 2).await.expect(204);
}

/// Every kind of field that takes words, and a search for them.
async fn forms(ana: &Person, canaries: &Canaries, write: Write) {
    let part = write(canaries, "form/text");
    for (template, fields) in [
        ("first-impressions", json!({"words": [write(canaries, "form/list")], "body": part})),
        (
            "ifs-parts-dialogue",
            json!({"part-name": part, "role": write(canaries, "form/longtext"),
                "dialogue": [{"speaker": "part", "text": write(canaries, "form/dialogue")}]}),
        ),
    ] {
        let entry = json!({"template_id": template, "fields": fields});
        let made = ana.post("/v1/journal/entries", &entry).await.expect(201);
        let wrong = json!({"fields": {"words": part, "when": part, "dialogue": part, "role": [part]}});
        let path = format!("/v1/journal/entries/{}", made["id"].as_str().unwrap());
        assert_eq!(ana.patch(&path, 1, &wrong).await.status, 422);
    }
    let words: String = url::form_urlencoded::byte_serialize(part.as_bytes()).collect();
    let found = ana.get(&format!("/v1/journal/entries/search?q={words}")).await.expect(200);
    assert!(!found["items"].as_array().unwrap().is_empty());
    let wrong = format!("/v1/journal/entries/search?limit=0&q={words}");
    ana.get(&wrong).await.invalid("query/limit");
}

async fn comments(ana: &Person, bo: &Person, entry: &str, canaries: &Canaries, write: Write) {
    let own = format!("/v1/journal/entries/{entry}/comments");
    let shared = format!("/v1/patients/{}/journal/entries/{entry}/comments", ana.id);
    ana.post(&own, &json!({"text": write(canaries, "CommentCreate/text")})).await.expect(201);
    let request = bo.request(axum::http::Method::POST, &shared).await.key(&ana.id.to_string());
    request.json(&json!({"text": write(canaries, "comment of the therapist")})).send().await.expect(201);
    ana.get(&own).await.expect(200);
    bo.get(&shared).await.expect(200);
}

async fn questionnaire(ana: &Person, bo: &Person, canaries: &Canaries, write: Write) {
    let words = write(canaries, "MeasureAnswer/text");
    let form = json!({"measure_id": "post-session-check", "version": "1.0.0", "language": "en", "shared": true,
        "answers": [{"item": "post.first-words", "text": words}, {"item": "post.feel-safe", "boolean": false}]});
    let post = || async { ana.request(axum::http::Method::POST, "/v1/measure-responses").await };
    for _ in 0..2 {
        post().await.key("questionnaire").json(&form).send().await.expect(201);
    }
    let seen = bo.get(&format!("/v1/patients/{}/measure-responses", ana.id)).await.expect(200);
    assert_eq!(seen["items"][0]["answers"][1]["text"], words);
    let wrong = json!({"item": "post.first-words", "choice": words});
    post().await.json(&json!({"answers": [wrong]})).send().await.expect(422);
}

async fn plan_templates(app: &TestApp, canaries: &Canaries, (version, write): (i64, Write)) {
    let own = json!({"templates": [{
        "id": "our-own", "title": write(canaries, "PlanTemplate/title"),
        "summary": write(canaries, "PlanTemplate/summary"),
        "cautions": [write(canaries, "PlanTemplate/cautions")],
        "sessions": [{"key": "evaluation-1", "kind": "evaluation", "day_offset": 0, "location": "clinic",
            "note": write(canaries, "TemplateSession/note")}],
    }]});
    let admin = app.admin().await;
    let path = "/v1/clinic/plan-templates";
    let put = || async { admin.request(axum::http::Method::PUT, path).await };
    let written = put().await.if_match(version).json(&own).send().await.expect(200);
    assert_eq!(admin.get(path).await.expect(200), written);
    put().await.if_match(version).json(&own).send().await.refused(412, "stale_version");
}

async fn device(ana: &Person, canaries: &mut Canaries, round: usize, write: Write) {
    let endpoint = format!("http://127.0.0.1:65530/endpoint-canary-{round}-7gk2");
    let mut body = subscription(&endpoint);
    body["device_name"] = json!(write(canaries, "SubscriptionCreate/device_name"));
    ana.post("/v1/push/subscriptions", &body).await.expect(201);
    ana.get("/v1/push/subscriptions").await.expect(200);
    for (field, secret) in [
        ("SubscriptionCreate/endpoint", &body["endpoint"]),
        ("SubscriptionKeys/p256dh", &body["keys"]["p256dh"]),
        ("SubscriptionKeys/auth", &body["keys"]["auth"]),
    ] {
        canaries.note(field);
        canaries.secret(secret.as_str().unwrap());
    }
}
