//! Comments below an entry, and what a member of the care team is shown.

use afterglow::demo::receiver::PushReceiver;
use chrono::Duration;
use serde_json::{Value, json};

use crate::{
    authz::assign,
    harness::{Person, TestApp, both_engines, id_of},
    review::{register, tick},
};

both_engines![
    patient_and_therapist_talk_below_a_shared_entry,
    a_therapist_comments_only_while_the_entry_is_shared,
    only_ones_own_comments_can_be_deleted,
    the_patient_is_told_of_a_comment_discreetly,
    whoever_reads_the_entry_is_told_of_the_patients_comment,
    whoever_reads_it_no_longer_is_not_told,
    whoever_was_stopped_is_told_of_no_comment,
    what_is_wrong_with_a_comment_is_named,
    comments_travel_with_their_entry,
    comments_come_in_pages_of_one_entry,
    a_preview_is_what_the_therapist_gets,
    a_preview_shows_neither_drafts_nor_strangers,
];

fn own(entry: &str) -> String {
    format!("/v1/journal/entries/{entry}/comments")
}

fn below(patient: &Person, entry: &str) -> String {
    format!("/v1/patients/{}/journal/entries/{entry}/comments", patient.id)
}

fn word(text: &str) -> Value {
    json!({ "text": text })
}

/// An entry of Ana's that Bo may read.
async fn shared(app: &TestApp) -> (Person, Person, String) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("for Bo").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    (ana, bo, entry)
}

async fn patient_and_therapist_talk_below_a_shared_entry(app: TestApp) {
    let (ana, bo, entry) = shared(&app).await;
    let asked = bo.post(&below(&ana, &entry), &word("Shall we begin with the river?")).await.expect(201);
    assert_eq!((&asked["author"], &asked["author_id"]), (&json!("care_team"), &json!(bo.id.to_string())));
    app.advance(Duration::seconds(1));
    let answered = ana.post(&own(&entry), &word("Yes.")).await.expect(201);
    assert_eq!((&answered["author"], &answered["entry_id"]), (&json!("patient"), &json!(entry)));
    for made in [&asked, &answered] {
        assert!(made["notice"].as_str().unwrap().contains("around the clock"));
    }
    let (hers, his) =
        (ana.get(&own(&entry)).await.expect(200), bo.get(&below(&ana, &entry)).await.expect(200));
    assert_eq!(hers, his);
    assert!(hers["notice"].as_str().unwrap().contains("around the clock"));
    let texts: Vec<&Value> = hers["items"].as_array().unwrap().iter().map(|one| &one["text"]).collect();
    assert_eq!(texts, ["Yes.", "Shall we begin with the river?"]);
    ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    assert!(ana.get(&own(&entry)).await.expect(200)["notice"].as_str().unwrap().contains("Nadie vigila"));
}

async fn a_therapist_comments_only_while_the_entry_is_shared(app: TestApp) {
    let (ana, bo, entry) = shared(&app).await;
    let private = ana.entry("mine").await;
    let made = id_of(&bo.post(&below(&ana, &entry), &word("before")).await.expect(201));
    let delete = format!("/v1/patients/{}/journal/comments/{made}", ana.id);
    bo.post(&below(&ana, &private), &word("x")).await.refused(404, "not_found");
    bo.get(&below(&ana, &private)).await.refused(404, "not_found");
    ana.unshare(&entry, &bo).await.expect(204);
    bo.post(&below(&ana, &entry), &word("after")).await.refused(404, "not_found");
    bo.get(&below(&ana, &entry)).await.refused(404, "not_found");
    bo.delete(&delete).await.refused(404, "not_found");
    assert_eq!(ana.get(&own(&entry)).await.expect(200)["items"][0]["text"], "before");
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    bo.get(&below(&ana, &entry)).await.expect(200);
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    bo.get(&below(&ana, &entry)).await.refused(404, "not_found");
    bo.post(&below(&ana, &entry), &word("after")).await.refused(404, "not_found");
    assert_eq!(ana.get(&own(&entry)).await.expect(200)["items"].as_array().unwrap().len(), 1);
}

async fn only_ones_own_comments_can_be_deleted(app: TestApp) {
    let (ana, bo, entry) = shared(&app).await;
    let dee = app.therapist("dee").await;
    assign(&app, &ana, &dee).await;
    ana.share(&entry, &dee, &json!({})).await.expect(200);
    let his = id_of(&bo.post(&below(&ana, &entry), &word("his")).await.expect(201));
    let hers = id_of(&ana.post(&own(&entry), &word("hers")).await.expect(201));
    let by_staff = |id: &str| format!("/v1/patients/{}/journal/comments/{id}", ana.id);
    let by_her = |id: &str| format!("/v1/journal/comments/{id}");
    bo.delete(&by_staff(&hers)).await.refused(404, "not_found");
    dee.delete(&by_staff(&his)).await.refused(404, "not_found");
    ana.delete(&by_her(&his)).await.refused(404, "not_found");
    ana.delete(&by_her(&hers)).await.expect(204);
    bo.delete(&by_staff(&his)).await.expect(204);
    assert_eq!(dee.get(&below(&ana, &entry)).await.expect(200)["items"], json!([]));
    assert_eq!(app.count("journal_comments").await, 0);
}

async fn the_patient_is_told_of_a_comment_discreetly(app: TestApp) {
    let (ana, bo, entry) = shared(&app).await;
    ana.post(&own(&entry), &word("to myself")).await.expect(201);
    assert_eq!(
        ana.get("/v1/notifications").await.expect(200)["items"],
        json!([]),
        "nobody is told of their own"
    );
    let made = bo.post(&below(&ana, &entry), &word("The river again")).await.expect(201);
    let told = ana.get("/v1/notifications").await.expect(200)["items"][0].clone();
    assert_eq!((&told["state"], &told["title"]), (&json!("planned"), &json!("You have a new note")));
    assert!(!told.to_string().contains("river"));
    let slots =
        app.query("SELECT slot FROM notifications WHERE recipient_id = subject_patient_id", vec![]).await;
    let slot: String = slots[0].try_get("", "slot").unwrap();
    assert_eq!((slots.len(), slot), (1, format!("comment:{}", id_of(&made))));
    bo.delete(&format!("/v1/patients/{}/journal/comments/{}", ana.id, id_of(&made))).await.expect(204);
    assert_eq!(ana.get("/v1/notifications").await.expect(200)["items"][0]["state"], "cancelled");
    bo.post(&below(&ana, &entry), &word("once more")).await.expect(201);
    ana.delete_at(&format!("/v1/journal/entries/{entry}"), 1).await.expect(204);
    let ledger = ana.get("/v1/notifications").await.expect(200);
    assert!(ledger["items"].as_array().unwrap().iter().all(|one| one["state"] == "cancelled"));
}

/// State and reason of what was planned for a member.
async fn told(app: &TestApp, who: &Person) -> Vec<(String, Option<String>)> {
    let sql = "SELECT state, reason FROM notifications WHERE recipient_id = $1 ORDER BY created_at, id";
    let rows = app.query(sql, vec![who.id.into()]).await;
    rows.iter().map(|row| (row.try_get("", "state").unwrap(), row.try_get("", "reason").unwrap())).collect()
}

async fn whoever_reads_the_entry_is_told_of_the_patients_comment(app: TestApp) {
    let (ana, bo, entry) = shared(&app).await;
    let dee = app.therapist("dee").await;
    assign(&app, &ana, &dee).await;
    let phone = PushReceiver::start_with(app.state.clock.clone()).await.unwrap();
    register(&bo, &phone).await;
    for words in ["the river", "again", "and again", "still", "the last one"] {
        ana.post(&own(&entry), &word(words)).await.expect(201);
    }
    tick(&app).await;
    let pushes = phone.received();
    assert_eq!(pushes.len(), 5, "no cap for what is a therapist's to read");
    let shown = pushes[0].plaintext_json["notification"].to_string();
    assert!(shown.contains("You have a new note"), "{shown}");
    assert!(!shown.contains("river") && !shown.to_lowercase().contains("ana"), "{shown}");
    assert_eq!(told(&app, &bo).await, vec![("accepted".to_owned(), None); 5]);
    assert_eq!(told(&app, &dee).await, [], "it is not shared with Dee");
    assert_eq!(told(&app, &ana).await, []);
}

async fn whoever_was_stopped_is_told_of_no_comment(app: TestApp) {
    let (ana, bo, entry) = shared(&app).await;
    ana.post(&own(&entry), &word("before")).await.expect(201);
    app.stop(&bo).await;
    let withdrawn = ("cancelled".to_owned(), Some("care_ended".to_owned()));
    assert_eq!(told(&app, &bo).await, std::slice::from_ref(&withdrawn));
    ana.post(&own(&entry), &word("after")).await.expect(201);
    assert_eq!(told(&app, &bo).await, [withdrawn]);
}

async fn whoever_reads_it_no_longer_is_not_told(app: TestApp) {
    let (ana, bo, entry) = shared(&app).await;
    let other = ana.entry("also for Bo").await;
    ana.share(&other, &bo, &json!({})).await.expect(200);
    let first = id_of(&ana.post(&own(&entry), &word("taken back")).await.expect(201));
    ana.delete(&format!("/v1/journal/comments/{first}")).await.expect(204);
    app.advance(Duration::seconds(1));
    ana.post(&own(&entry), &word("not shared any more")).await.expect(201);
    ana.unshare(&entry, &bo).await.expect(204);
    ana.post(&own(&entry), &word("to myself")).await.expect(201);
    app.advance(Duration::seconds(1));
    ana.post(&own(&other), &word("still shared")).await.expect(201);
    let ended = |why: &str| ("cancelled".to_owned(), Some(why.to_owned()));
    assert_eq!(
        told(&app, &bo).await,
        [ended("superseded"), ended("superseded"), ("planned".to_owned(), None)]
    );
    let answer = |decision: &str| json!({"purpose": "sharing_with_care_team", "decision": decision, "text_version": "1"});
    ana.post("/v1/consents", &answer("withdrawn")).await.expect(201);
    assert_eq!(told(&app, &bo).await[2], ended("consent_withdrawn"));
    ana.post("/v1/consents", &answer("given")).await.expect(201);
    ana.share(&other, &bo, &json!({})).await.expect(200);
    app.advance(Duration::seconds(1));
    ana.post(&own(&other), &word("shared again")).await.expect(201);
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    assert_eq!(told(&app, &bo).await[3], ended("care_ended"));
}

async fn what_is_wrong_with_a_comment_is_named(app: TestApp) {
    let (ana, bo, entry) = shared(&app).await;
    for (body, pointer) in [
        (json!({}), "/text"),
        (word(""), "/text"),
        (word(&"x".repeat(4001)), "/text"),
        (json!({"text": 1}), "/text"),
        (word("a\u{0}b"), "/text"),
        (json!({"text": "x", "to": "all"}), "/to"),
    ] {
        ana.post(&own(&entry), &body).await.invalid(pointer);
        bo.post(&below(&ana, &entry), &body).await.invalid(pointer);
    }
    let post = || async { bo.request("POST".parse().unwrap(), &below(&ana, &entry)).await.key("one") };
    let first = post().await.json(&word(&"🐤".repeat(4000))).send().await.expect(201);
    assert_eq!(post().await.json(&word(&"🐤".repeat(4000))).send().await.expect(201), first);
    assert_eq!(app.count("journal_comments").await, 1);
}

async fn comments_travel_with_their_entry(app: TestApp) {
    let (ana, bo, entry) = shared(&app).await;
    let number = || async {
        let rows = app.query("SELECT sync_seq FROM journal_entries", vec![]).await;
        rows[0].try_get::<i64>("", "sync_seq").unwrap()
    };
    let before = number().await;
    let made = id_of(&bo.post(&below(&ana, &entry), &word("x")).await.expect(201));
    let commented = number().await;
    assert!(commented > before);
    bo.delete(&format!("/v1/patients/{}/journal/comments/{made}", ana.id)).await.expect(204);
    assert!(number().await > commented);
    assert_eq!(ana.get(&format!("/v1/journal/entries/{entry}")).await.expect(200)["version"], 1);
}

async fn comments_come_in_pages_of_one_entry(app: TestApp) {
    let (ana, _, entry) = shared(&app).await;
    let other = ana.entry("another").await;
    for number in 0..3 {
        ana.post(&own(&entry), &word(&number.to_string())).await.expect(201);
        ana.post(&own(&other), &word("elsewhere")).await.expect(201);
        app.advance(Duration::seconds(1));
    }
    let first = ana.get(&format!("{}?limit=2", own(&entry))).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = ana.get(&format!("{}?limit=2&cursor={cursor}", own(&entry))).await.expect(200);
    let texts: Vec<&Value> = [&first, &rest]
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|one| &one["text"])
        .collect();
    assert_eq!(texts, ["2", "1", "0"]);
    ana.get(&format!("{}?cursor={cursor}", own(&other))).await.invalid("query/cursor");
}

async fn a_preview_is_what_the_therapist_gets(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let body = json!({"title": "first", "fields": {"text": "one"}, "tags": ["mine"], "to_talk_about": true});
    let entry = id_of(&ana.post("/v1/journal/entries", &body).await.expect(201));
    let path = format!("/v1/journal/entries/{entry}");
    let look = || async { ana.get(&format!("{path}/preview?member_id={}", bo.id)).await };
    let seen = || async { bo.get(&format!("/v1/patients/{}/journal/entries/{entry}", ana.id)).await };
    let before = look().await;
    assert_eq!(before.status, 200);
    assert_eq!(app.count("journal_shares").await, 0, "looking shares nothing");
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    assert_eq!(before.body, seen().await.body);
    let until = (app.now() + Duration::days(1)).to_rfc3339();
    for how in [json!({}), json!({"frozen": true}), json!({"until": until})] {
        ana.share(&entry, &bo, &how).await.expect(200);
        app.advance(Duration::minutes(1));
        let version = ana.get(&path).await.expect(200)["version"].as_i64().unwrap();
        ana.patch(&path, version, &json!({"title": format!("edited {version}"), "tags": ["hidden"]}))
            .await
            .expect(200);
        let (shown, read) = (look().await, seen().await);
        assert_eq!((shown.status.as_u16(), read.status.as_u16()), (200, 200));
        assert_eq!(shown.body, read.body, "{how}");
        let text = String::from_utf8(read.body.to_vec()).unwrap();
        assert!(!text.contains("hidden") && !text.contains("tags"), "{text}");
    }
}

async fn a_preview_shows_neither_drafts_nor_strangers(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    let body = json!({"state": "draft", "fields": {"text": "unfinished"}});
    let draft = id_of(&ana.post("/v1/journal/entries", &body).await.expect(201));
    let entry = ana.entry("finished").await;
    let look = |entry: &str, member: &str| {
        let (ana, path) = (ana.clone(), format!("/v1/journal/entries/{entry}/preview?member_id={member}"));
        async move { ana.get(&path).await }
    };
    look(&draft, &bo.id.to_string()).await.refused(409, "draft_not_shared");
    look(&entry, &dee.id.to_string()).await.refused(404, "not_found");
    look(&entry, "bo").await.invalid("query/member_id");
    ana.get(&format!("/v1/journal/entries/{entry}/preview")).await.invalid("query/member_id");
}
