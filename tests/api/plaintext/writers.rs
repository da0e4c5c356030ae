//! A canary into every text field, by the operations that take it.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::canaries::Canaries;
use crate::{
    attachments::wav_of,
    authz::{assign, subscription},
    harness::{Person, TestApp, code_of, registration},
};

/// A canary into each text field, in three writings, and what answers showed of secrets.
pub async fn write_everywhere(app: &TestApp) -> Canaries {
    let mut canaries = Canaries::new("everywhere");
    let bo = app.therapist("bo").await;
    for (round, write) in [Canaries::ascii, Canaries::umlauts, Canaries::emoji].into_iter().enumerate() {
        let label = write(&canaries, "InvitationCreate/label");
        let invitation =
            bo.post("/v1/invitations", &json!({"kind": "patient", "label": label})).await.expect(201);
        bo.get("/v1/invitations").await.expect(200);
        let page = format!("/v1/invitations/{}/page", invitation["id"].as_str().unwrap());
        assert_eq!(bo.get(&page).await.status, 200);
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
        requests(app, &ana, &bo, &canaries, write).await;
        administration(app, &ana, &bo, &canaries, write).await;
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
    let ana = app.person(&name, &pair);
    canaries.secret(pair["device_secret"].as_str().unwrap());
    canaries.note("Reauthentication/password");
    ana.post("/v1/auth/reauthenticate", &json!({ "password": password })).await.expect(204);
    for field in ["PasswordResetRequest/email", "Recovery/email"] {
        canaries.note(field);
    }
    app.anon().post("/v1/auth/password-reset", &json!({ "email": email })).await.expect(202);
    let reset = json!({"token": "none", "password": write(canaries, "PasswordReset/password")});
    app.anon().post("/v1/auth/password-reset/confirm", &reset).await.invalid("/token");
    let recovery =
        json!({"email": email, "code": "7K3M9-QX2VB-4", "password": write(canaries, "Recovery/password")});
    app.anon().post("/v1/auth/recovery", &recovery).await.invalid("/code");
    let changed = write(canaries, "PasswordChange/password");
    ana.post("/v1/auth/password", &json!({ "password": changed })).await.expect(204);
    let begun = ana.request(axum::http::Method::POST, "/v1/auth/totp").await.send().await.expect(200);
    let secret = begun["secret"].as_str().unwrap();
    canaries.secret(secret);
    let seed = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let code = json!({"code": code_of(&seed, app.now())});
    let codes = ana.post("/v1/auth/totp/confirm", &code).await.expect(200);
    for code in codes["recovery_codes"].as_array().unwrap() {
        canaries.secret(code.as_str().unwrap());
    }
    ana
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
    let mut policy = crate::measures::clinic::policy();
    policy["text"] = json!(write(canaries, "ResponsePolicyContent/text"));
    policy["line_phone"] = json!("+49 30 7gk2 canary");
    canaries.note("ResponsePolicyContent/line_phone");
    let request = admin.request(axum::http::Method::PUT, "/v1/clinic/response-policy").await;
    request.if_match(version + 1).json(&policy).send().await.expect(200);
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

/// What is asked for, offered and declined.
async fn requests(app: &TestApp, ana: &Person, bo: &Person, canaries: &Canaries, write: Write) {
    let cleo = app.coordinator("cleo").await;
    for answer in ["offer", "decline"] {
        let body = json!({"kind": "new", "note": write(canaries, "SessionRequestCreate/note")});
        let made = ana.post("/v1/sessions/requests", &body).await.expect(201);
        let id = made["id"].as_str().unwrap();
        let body = if answer == "offer" {
            let message = write(canaries, "SessionOfferCreate/message");
            json!({"times": [app.now() + Duration::days(40)], "kind": "group", "member_id": bo.id, "message": message})
        } else {
            json!({"message": write(canaries, "SessionRequestDecline/message")})
        };
        let path = format!("/v1/sessions/requests/{id}/{answer}");
        let request = cleo.request(axum::http::Method::POST, &path).await;
        request.if_match(1).json(&body).send().await.expect(200);
        bo.get(&format!("/v1/clinic/session-requests/{id}")).await.expect(200);
        ana.get(&format!("/v1/sessions/requests/{id}")).await.expect(200);
    }
    cleo.get("/v1/clinic/session-requests").await.expect(200);
}

async fn administration(app: &TestApp, ana: &Person, bo: &Person, canaries: &Canaries, write: Write) {
    let mia = app.medical("mia").await;
    assign(app, ana, &mia).await;
    let session = bo.schedule(ana, "dosing", app.now()).await["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/sessions/{session}/administration");
    let mut record = crate::authz::administration(app.now());
    record["substance"] = json!(write(canaries, "AdministrationRecord/substance"));
    record["note"] = json!(write(canaries, "AdministrationRecord/note"));
    record["events"][0]["what"] = json!(write(canaries, "AdverseEvent/what"));
    record["events"][0]["measures"] = json!(write(canaries, "AdverseEvent/measures"));
    record["correction"] = json!(write(canaries, "AdministrationRecord/correction"));
    for version in [0, 1] {
        let mut body = record.clone();
        if version == 0 {
            body.as_object_mut().unwrap().remove("correction");
        }
        let put = mia.request(axum::http::Method::PUT, &path).await.if_match(version).json(&body);
        put.send().await.expect(200);
    }
    ana.get(&format!("{path}/versions")).await.expect(200);
    bo.step(&format!("/v1/sessions/{session}/complete"), 1).await.expect(200);
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
