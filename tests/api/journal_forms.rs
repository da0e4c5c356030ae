//! The forms of the journal: how they are read, and how entries are held to them.

use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![
    the_forms_are_read_without_a_login_in_the_readers_language,
    forms_that_did_not_change_are_not_sent_again,
    every_form_takes_an_entry_and_gives_it_back,
    what_does_not_fit_the_form_is_named,
    a_draft_may_be_unfinished_and_a_final_entry_may_not,
    an_entry_is_held_to_the_form_it_was_begun_with,
    a_session_that_an_entry_names_is_the_patients_own,
    recordings_and_pictures_come_after_the_entry,
    whoever_is_not_safe_gets_the_crisis_card_and_stays_private,
];

const ENTRIES: &str = "/v1/journal/entries";

async fn templates(reader: &Person) -> Value {
    reader.get("/v1/journal/templates").await.expect(200)
}

async fn the_forms_are_read_without_a_login_in_the_readers_language(app: TestApp) {
    let english = templates(&app.anon()).await;
    let items = english["items"].as_array().unwrap();
    assert_eq!(items.len(), 12);
    assert_eq!(items.iter().map(|one| one["fields"].as_array().unwrap().len()).sum::<usize>(), 90);
    assert_eq!(english["emotion_tags"].as_array().unwrap().len(), 20);
    assert!(english["notice"].as_str().unwrap().contains("around the clock"));
    let scan = items.iter().find(|one| one["id"] == "somatic-body-scan").unwrap();
    assert_eq!(
        (&scan["title"], &scan["version"], &scan["current"]),
        (&json!("Body scan"), &json!("1.0.0"), &json!(true))
    );
    assert!(scan["care"].as_str().unwrap().contains("open your eyes"));
    let areas = &scan["fields"][1];
    assert_eq!(
        (&areas["type"], &areas["options"][0]),
        (&json!("body-areas"), &json!({"value": "head", "text": "Head"}))
    );
    let asked = app.anon().request("GET".parse().unwrap(), "/v1/journal/templates").await;
    let spanish = asked.header("accept-language", "es-MX").send().await;
    assert_eq!(spanish.headers["vary"], "Accept-Language, Authorization");
    assert_eq!(spanish.expect(200)["items"][0]["title"], "Nota libre");
    let ana = app.patient("ana").await;
    ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    assert_eq!(templates(&ana).await["items"][0]["title"], "Nota libre", "the account's language counts");
}

async fn forms_that_did_not_change_are_not_sent_again(app: TestApp) {
    let first = app.anon().get("/v1/journal/templates").await;
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    let ask = |language: &'static str| {
        let (anon, etag) = (app.anon(), etag.clone());
        async move {
            let request = anon.request("GET".parse().unwrap(), "/v1/journal/templates").await;
            request.header("if-none-match", &etag).header("accept-language", language).send().await
        }
    };
    let again = ask("en").await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    assert_eq!(ask("es").await.status, 200, "another language is another text");
}

/// Values for every field of a form, as its description says.
fn filled(template: &Value, session: &str) -> Value {
    let value = |field: &Value| {
        Some(match field["type"].as_str().unwrap() {
            "text" | "longtext" => json!("words"),
            "list" => json!(["one", "two"]),
            "scale" => field["max"].clone(),
            "boolean" => json!(true),
            "date" => json!("2026-12-24"),
            "datetime" => json!("2026-12-24T18:30:00+01:00"),
            "choice" => field["options"][0]["value"].clone(),
            "multichoice" | "body-areas" => json!([field["options"][0]["value"]]),
            "emotions" => json!(["calm"]),
            "dialogue" => json!([{"speaker": field["speakers"][0]["value"], "text": "I am here."}]),
            "session-link" => json!(session),
            _ => return None,
        })
    };
    let fields = template["fields"].as_array().unwrap().iter();
    fields.filter_map(|field| Some((field["id"].as_str().unwrap().to_owned(), value(field)?))).collect()
}

async fn session(app: &TestApp, ana: &Person, days: i64) -> String {
    let bo = app.therapist("bo").await;
    id_of(&bo.schedule(ana, "integration", app.now() + chrono::Duration::days(days)).await)
}

async fn every_form_takes_an_entry_and_gives_it_back(app: TestApp) {
    let ana = app.patient("ana").await;
    let session = session(&app, &ana, 7).await;
    let all = templates(&ana).await;
    for template in all["items"].as_array().unwrap() {
        let body = json!({"template_id": template["id"], "template_version": "1.0.0", "fields": filled(template, &session)});
        let made = ana.post(ENTRIES, &body).await.expect(201);
        assert_eq!((&made["template_id"], &made["fields"]), (&template["id"], &body["fields"]));
        assert_eq!(made["template_version"], "1.0.0");
        let path = format!("{ENTRIES}/{}", id_of(&made));
        assert_eq!(ana.get(&path).await.expect(200), made);
        let same = ana.patch(&path, 1, &json!({"fields": body["fields"]})).await.expect(200);
        assert_eq!((&same["revision"], &same["fields"]), (&json!(1), &body["fields"]));
    }
}

async fn what_does_not_fit_the_form_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    for (template, fields, pointer) in [
        ("somatic-body-scan", json!({"areas": ["elbow"]}), "/fields/areas/0"),
        ("somatic-body-scan", json!({"before": 11}), "/fields/before"),
        ("somatic-body-scan", json!({"mood": 1}), "/fields/mood"),
        ("values-goals", json!({"value": "x", "step-when": "2026-02-30"}), "/fields/step-when"),
        (
            "ifs-parts-dialogue",
            json!({"part-name": "x", "dialogue": [{"speaker": "them", "text": "x"}]}),
            "/fields/dialogue/0/speaker",
        ),
        ("gratitude", json!({"one": "x".repeat(501)}), "/fields/one"),
        ("gratitude", json!({"two": "x"}), "/fields/one"),
        ("trauma-grounding-log", json!({"before": 1, "after": 1}), "/fields/safe-now"),
        ("first-impressions", json!({"words": ["a", "b\nc"]}), "/fields/words/1"),
        ("diary", json!({}), "/template_id"),
    ] {
        ana.post(ENTRIES, &json!({"template_id": template, "fields": fields})).await.invalid(pointer);
    }
    let old = json!({"template_id": "gratitude", "template_version": "0.1.0", "fields": {"one": "x"}});
    ana.post(ENTRIES, &old).await.invalid("/template_version");
    let (app, twice) = (&ana.app, r#"{"fields": {"text": "a", "text": "b"}}"#);
    let request = ana.request("POST".parse().unwrap(), ENTRIES).await.text(twice);
    request.send().await.invalid("/fields/text");
    assert_eq!(app.count("journal_entries").await, 0);
}

async fn a_draft_may_be_unfinished_and_a_final_entry_may_not(app: TestApp) {
    let ana = app.patient("ana").await;
    let body =
        json!({"template_id": "hard-experience", "state": "draft", "fields": {"hardest": "the beginning"}});
    let path = format!("{ENTRIES}/{}", id_of(&ana.post(ENTRIES, &body).await.expect(201)));
    ana.patch(&path, 1, &json!({"state": "final"})).await.invalid("/fields/now");
    ana.patch(&path, 1, &json!({"fields": {"now": 3}})).await.expect(200);
    let finish = json!({"state": "final", "fields": {"now": 3, "safe-now": true}});
    ana.patch(&path, 2, &finish).await.expect(200);
    ana.patch(&path, 3, &json!({"fields": {"now": 3}})).await.invalid("/fields/safe-now");
    ana.patch(&path, 3, &json!({"title": "later"})).await.expect(200);
}

async fn an_entry_is_held_to_the_form_it_was_begun_with(app: TestApp) {
    let ana = app.patient("ana").await;
    let path = format!("{ENTRIES}/{}", ana.entry("words").await);
    ana.patch(&path, 1, &json!({"fields": {"one": "of another form"}})).await.invalid("/fields/one");
    ana.patch(&path, 1, &json!({"template_id": "gratitude"})).await.invalid("/template_id");
}

async fn a_session_that_an_entry_names_is_the_patients_own(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let (hers, his) = (session(&app, &ana, 7).await, session(&app, &ben, 8).await);
    let about = |session: &str| json!({"template_id": "integration-free", "fields": {"came-up": "x", "session": session}});
    for wrong in [his.as_str(), "0198f000-0000-7000-8000-000000000000", "soon"] {
        ana.post(ENTRIES, &about(wrong)).await.invalid("/fields/session");
    }
    let path = format!("{ENTRIES}/{}", id_of(&ana.post(ENTRIES, &about(&hers)).await.expect(201)));
    ana.patch(&path, 1, &json!({"fields": about(&his)["fields"]})).await.invalid("/fields/session");
}

async fn recordings_and_pictures_come_after_the_entry(app: TestApp) {
    let ana = app.patient("ana").await;
    let id = "0198f000-0000-7000-8000-000000000000";
    let with =
        |field: &str| json!({"template_id": "first-impressions", "fields": { field: id, "keep": "blue" }});
    for field in ["voice", "drawing"] {
        let refused = ana.post(ENTRIES, &with(field)).await.invalid(&format!("/fields/{field}"));
        assert!(refused.to_string().contains("attachment_needs_entry"));
    }
}

async fn whoever_is_not_safe_gets_the_crisis_card_and_stays_private(app: TestApp) {
    let ana = app.patient("ana").await;
    let form = |safe: bool| json!({"now": 9, "safe-now": safe});
    let body = json!({"template_id": "hard-experience", "fields": form(false)});
    let made = ana.post(ENTRIES, &body).await.expect(201);
    assert!(made["crisis_card"]["message"].as_str().unwrap().contains("crisis contacts"));
    assert_eq!(app.count("alerts").await, 0, "nobody is told without being asked");
    let path = format!("{ENTRIES}/{}", id_of(&made));
    let safe = ana.patch(&path, 1, &json!({"fields": form(true)})).await.expect(200);
    assert!(safe.get("crisis_card").is_none());
    let again = ana.patch(&path, 2, &json!({"fields": form(false)})).await.expect(200);
    assert!(again.get("crisis_card").is_some());
}
