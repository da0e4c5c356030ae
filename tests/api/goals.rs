//! The patient's own goals.

use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{Person, Reply, TestApp, both_engines, id_of};

both_engines![
    a_goal_comes_back_as_it_was_set,
    a_template_gives_words_and_target_in_the_patients_language,
    templates_come_in_the_readers_language,
    a_patch_keeps_clears_and_sets,
    steps_are_ticked_off_and_keep_their_ids,
    what_is_wrong_with_a_goal_is_named,
    a_goal_goes_only_the_ways_of_its_status,
    entries_that_are_linked_are_ones_own,
    a_deleted_entry_leaves_its_goals,
    progress_is_noted_changed_and_deleted,
    a_deleted_goal_is_gone_with_everything_about_it,
    goals_come_in_stable_pages,
];

pub fn own(goal: &str) -> String {
    format!("/v1/goals/{goal}")
}

pub async fn set(ana: &Person, body: &Value) -> Value {
    ana.post("/v1/goals", body).await.expect(201)
}

pub async fn seen(therapist: &Person, patient: &Person, goal: &str) -> Reply {
    therapist.get(&format!("/v1/patients/{}/goals/{goal}", patient.id)).await
}

async fn a_goal_comes_back_as_it_was_set(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.entry("why").await;
    let body = json!({
        "title": "Half the weight", "description": "So that mornings are light.",
        "steps": [{"text": "one"}, {"text": "two", "done_at": "2026-11-21T08:00:00.000Z"}],
        "target": {"measure": "phq-9", "score": "total", "type": "percent-reduction", "value": 50.0, "due_date": "2027-01-17"},
        "entry_ids": [entry], "lifecycle_status": "planned",
    });
    let reply = ana.post("/v1/goals", &body).await;
    assert_eq!(reply.headers["etag"], "\"1\"");
    let made = reply.expect(201);
    for field in ["title", "description", "target", "entry_ids", "lifecycle_status"] {
        assert_eq!(made[field], body[field], "{field}");
    }
    assert_eq!((&made["steps"][0]["text"], &made["steps"][1]["text"]), (&json!("one"), &json!("two")));
    assert!(made["steps"][0].get("done_at").is_none() && made["steps"][1]["done_at"].is_string());
    let read = ana.get(&own(&id_of(&made))).await;
    assert_eq!(read.headers["etag"], "\"1\"");
    assert_eq!(read.expect(200), made);
    assert_eq!(ana.get("/v1/goals").await.expect(200)["items"], json!([made]));
    let plain = set(&ana, &json!({"title": "plain"})).await;
    assert_eq!((&plain["lifecycle_status"], &plain["steps"]), (&json!("active"), &json!([])));
    for absent in ["description", "target", "template_id", "proposed_by", "agreed_at"] {
        assert!(plain.get(absent).is_none(), "{absent}");
    }
}

async fn a_template_gives_words_and_target_in_the_patients_language(app: TestApp) {
    let ana = app.patient("ana").await;
    ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    // In Berlin it is already Monday.
    app.clock.set("2026-11-22T23:30:00Z".parse().unwrap());
    let made = set(&ana, &json!({"template_id": "gad7-four"})).await;
    assert_eq!(made["title"], "Ansiedad notablemente menor");
    let target = json!({"measure": "gad-7", "score": "total", "type": "absolute-reduction", "value": 4.0, "due_date": "2027-01-18"});
    assert_eq!((&made["target"], &made["template_id"]), (&target, &json!("gad7-four")));
    let bo = app.therapist("bo").await;
    let path = format!("/v1/patients/{}/goals", ana.id);
    let proposed = bo.post(&path, &json!({"template_id": "gad7-four"})).await.expect(201);
    assert_eq!(proposed["title"], made["title"], "the words are for the patient, not for who proposes");
}

async fn templates_come_in_the_readers_language(app: TestApp) {
    let titles = |list: Value| list["items"][2]["title"].as_str().unwrap().to_owned();
    let anon = app.anon();
    let list = anon.get("/v1/goal-templates").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    assert_eq!(
        list["items"][2],
        json!({"id": "practice-three", "title": "Practise or write three times a week", "due_after": "P28D",
            "target": {"type": "count-per-week", "value": 3.0, "of": "journal-or-prompt"}})
    );
    let spanish = anon.request(Method::GET, "/v1/goal-templates").await.header("accept-language", "es-MX");
    assert_eq!(titles(spanish.send().await.expect(200)), "Practicar o escribir tres veces por semana");
    let ana = app.patient("ana").await;
    ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    let hers = ana.request(Method::GET, "/v1/goal-templates").await.header("accept-language", "en");
    assert!(titles(hers.send().await.expect(200)).starts_with("Practicar"));
}

async fn a_patch_keeps_clears_and_sets(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"title": "t", "description": "d", "steps": [{"text": "one"}], "template_id": "practice-three"});
    let made = set(&ana, &body).await;
    let path = own(&id_of(&made));
    app.advance(Duration::minutes(1));
    let kept = ana.patch(&path, 1, &json!({})).await.expect(200);
    for field in ["title", "description", "steps", "target", "entry_ids", "status_changed_at"] {
        assert_eq!(kept[field], made[field], "{field}");
    }
    assert_eq!(kept["version"], 2);
    let cleared =
        ana.patch(&path, 2, &json!({"description": null, "target": null, "steps": []})).await.expect(200);
    assert!(cleared.get("description").is_none() && cleared.get("target").is_none(), "{cleared}");
    assert_eq!((&cleared["steps"], &cleared["title"]), (&json!([]), &json!("t")));
    let target = json!({"type": "count-per-week", "value": 2.0, "of": "journal"});
    let after = ana.patch(&path, 3, &json!({"title": "u", "target": target})).await.expect(200);
    assert_eq!((&after["title"], &after["target"]), (&json!("u"), &target));
    ana.patch(&path, 3, &json!({"title": "late"})).await.refused(412, "stale_version");
    ana.delete_at(&path, 3).await.refused(412, "stale_version");
    assert_eq!(ana.get(&path).await.expect(200), after);
    let known = ana.request(Method::GET, &path).await.header("if-none-match", "\"4\"").send().await;
    assert_eq!(known.status, 304);
}

async fn steps_are_ticked_off_and_keep_their_ids(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = set(&ana, &json!({"title": "t", "steps": [{"text": "one"}, {"text": "two"}]})).await;
    let (path, one) = (own(&id_of(&made)), made["steps"][0]["id"].clone());
    let done = json!([{"text": "before"}, {"id": one, "text": "one", "done_at": "2026-11-22T11:00:00Z"}]);
    let after = ana.patch(&path, 1, &json!({ "steps": done })).await.expect(200);
    assert_eq!(
        (&after["steps"][1]["id"], &after["steps"][1]["done_at"]),
        (&one, &json!("2026-11-22T11:00:00Z"))
    );
    assert_eq!(after["steps"].as_array().unwrap().len(), 2);
    let other = set(&ana, &json!({"title": "other", "steps": [{"text": "x"}]})).await;
    for (steps, pointer) in [
        (json!([{"id": other["steps"][0]["id"], "text": "x"}]), "/steps/0/id"),
        (json!([{"id": one, "text": "x"}, {"id": one, "text": "y"}]), "/steps/1/id"),
        (json!([{"text": "x", "done_at": "2026-11-22T13:00:00Z"}]), "/steps/0/done_at"),
        (json!([{"text": ""}]), "/steps/0/text"),
    ] {
        ana.patch(&path, 2, &json!({ "steps": steps })).await.invalid(pointer);
    }
    assert_eq!(ana.get(&path).await.expect(200), after);
}

async fn what_is_wrong_with_a_goal_is_named(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let target = |more: Value| {
        let mut target = json!({"measure": "phq-9", "type": "percent-reduction", "value": 50});
        target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"title": "x", "target": target})
    };
    for (body, pointer) in [
        (json!({}), "/title"),
        (json!({"title": ""}), "/title"),
        (json!({"title": "x".repeat(201)}), "/title"),
        (json!({"title": "x", "description": "x".repeat(4001)}), "/description"),
        (json!({"title": "x", "colour": 1}), "/colour"),
        (json!({"template_id": "no-such-template"}), "/template_id"),
        (json!({"title": "x", "steps": vec![json!({"text": "x"}); 21]}), "/steps"),
        (
            json!({"title": "x", "steps": [{"text": "x", "id": "0198f000-0000-7000-8000-000000000000"}]}),
            "/steps/0/id",
        ),
        (target(json!({"measure": "phq-99"})), "/target/measure"),
        (target(json!({"measure": null})), "/target/measure"),
        (target(json!({"score": "other"})), "/target/score"),
        (target(json!({"type": "doubling"})), "/target/type"),
        (target(json!({"value": 101})), "/target/value"),
        (target(json!({"value": -1})), "/target/value"),
        (target(json!({"of": "journal"})), "/target/of"),
        (target(json!({"due_date": "2026-11-21"})), "/target/due_date"),
        (target(json!({"due_date": "2026-02-30"})), "/target/due_date"),
        (target(json!({"due_date": "+99999-01-01"})), "/target/due_date"),
        (target(json!({"due_date": "2040-01-01"})), "/target/due_date"),
    ] {
        ana.post("/v1/goals", &body).await.invalid(pointer);
        bo.post(&format!("/v1/patients/{}/goals", ana.id), &body).await.invalid(pointer);
    }
    for (body, pointer) in [
        (json!({"title": "x", "lifecycle_status": "proposed"}), "/lifecycle_status"),
        (json!({"title": "x", "lifecycle_status": "done"}), "/lifecycle_status"),
        (json!({"title": "x", "entry_ids": ["nothing"]}), "/entry_ids/0"),
        (json!({"title": "x", "proposed_by": bo.id}), "/proposed_by"),
    ] {
        ana.post("/v1/goals", &body).await.invalid(pointer);
    }
    assert_eq!(app.count("goals").await, 0);
    let path = own(&ana.goal("x").await);
    ana.patch(&path, 1, &target(json!({"due_date": "2026-11-21"}))).await.invalid("/target/due_date");
    ana.patch(&path, 1, &target(json!({"measure": "phq-99"}))).await.invalid("/target/measure");
}

async fn a_goal_goes_only_the_ways_of_its_status(app: TestApp) {
    let ana = app.patient("ana").await;
    let path = own(&ana.goal("x").await);
    let to = async |version: i64, status: &str| {
        ana.patch(&path, version, &json!({ "lifecycle_status": status })).await
    };
    app.advance(Duration::minutes(1));
    let held = to(1, "on-hold").await.expect(200);
    assert_eq!(held["lifecycle_status"], "on-hold");
    assert_eq!(held["status_changed_at"], held["updated_at"]);
    to(2, "completed").await.expect(200);
    let refused = to(3, "on-hold").await.refused(409, "wrong_goal_state");
    assert!(
        refused["detail"].as_str().unwrap().contains("It can become: active, entered-in-error."),
        "{refused}"
    );
    to(3, "proposed").await.refused(409, "wrong_goal_state");
    to(3, "active").await.expect(200);
    ana.post(&format!("{path}/agree"), &json!({})).await.refused(409, "wrong_goal_state");
    to(4, "entered-in-error").await.expect(200);
    to(5, "active").await.refused(409, "wrong_goal_state");
    ana.delete_at(&path, 5).await.expect(204);
}

async fn entries_that_are_linked_are_ones_own(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let (hers, his) = (ana.entry("hers").await, ben.entry("his").await);
    let missing = "0198f000-0000-7000-8000-000000000000";
    for foreign in [&his, missing] {
        let body = json!({"title": "x", "entry_ids": [hers, foreign]});
        let problem = ana.post("/v1/goals", &body).await.invalid("/entry_ids/1");
        assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
    }
    assert_eq!(app.count("goals").await, 0);
    let path = own(&id_of(&set(&ana, &json!({"title": "x", "entry_ids": [hers, hers]})).await));
    assert_eq!(ana.get(&path).await.expect(200)["entry_ids"], json!([hers]));
    ana.patch(&path, 1, &json!({"entry_ids": [his]})).await.invalid("/entry_ids/0");
    assert_eq!(ana.get(&path).await.expect(200)["entry_ids"], json!([hers]));
    let none = ana.patch(&path, 1, &json!({"entry_ids": []})).await.expect(200);
    assert_eq!(none["entry_ids"], json!([]));
}

async fn a_deleted_entry_leaves_its_goals(app: TestApp) {
    let ana = app.patient("ana").await;
    let (gone, stays) = (ana.entry("gone").await, ana.entry("stays").await);
    let linked = set(&ana, &json!({"title": "x", "entry_ids": [gone, stays]})).await;
    let other = set(&ana, &json!({"title": "y", "entry_ids": [stays]})).await;
    ana.delete_at(&format!("/v1/journal/entries/{gone}"), 1).await.expect(204);
    let after = ana.get(&own(&id_of(&linked))).await.expect(200);
    assert_eq!((&after["entry_ids"], &after["version"]), (&json!([stays]), &json!(2)));
    assert_eq!(ana.get(&own(&id_of(&other))).await.expect(200), other, "what does not link it is left alone");
    let rows = app.query("SELECT g.sync_seq AS goal, p.sync_seq AS patient FROM goals g JOIN patients p ON p.patient_id = g.patient_id WHERE g.version = 2", vec![]).await;
    let number = |name: &str| rows[0].try_get::<i64>("", name).unwrap();
    assert_eq!(number("goal"), number("patient"), "other devices have to learn of it");
}

async fn progress_is_noted_changed_and_deleted(app: TestApp) {
    let ana = app.patient("ana").await;
    let (goal, other) = (ana.goal("x").await, ana.goal("y").await);
    let path = format!("{}/progress", own(&goal));
    let mut notes = Vec::new();
    for number in 0..3 {
        app.advance(Duration::minutes(1));
        notes.insert(0, ana.post(&path, &json!({"note": format!("note {number}")})).await.expect(201));
    }
    assert_eq!(notes[0]["goal_id"], goal);
    assert_eq!(ana.get(&path).await.expect(200)["items"], json!(notes));
    assert_eq!(ana.get(&format!("{}/progress", own(&other))).await.expect(200)["items"], json!([]));
    let first = ana.get(&format!("{path}?limit=2")).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(ana.get(&format!("{path}?cursor={cursor}")).await.expect(200)["items"], json!([notes[2]]));
    ana.get(&format!("{}/progress?cursor={cursor}", own(&other))).await.invalid("query/cursor");
    let note = format!("/v1/goal-progress/{}", id_of(&notes[0]));
    let after = ana.patch(&note, 1, &json!({"note": "other words"})).await.expect(200);
    assert_eq!((&after["note"], &after["version"]), (&json!("other words"), &json!(2)));
    ana.patch(&note, 1, &json!({"note": "late"})).await.refused(412, "stale_version");
    for wrong in [json!({"note": ""}), json!({"note": "x".repeat(2001)})] {
        ana.post(&path, &wrong).await.invalid("/note");
        ana.patch(&note, 2, &wrong).await.invalid("/note");
    }
    ana.delete_at(&note, 1).await.refused(412, "stale_version");
    ana.delete_at(&note, 2).await.expect(204);
    assert_eq!((app.count("goal_progress").await, app.count("tombstones").await), (2, 1));
}

async fn a_deleted_goal_is_gone_with_everything_about_it(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("why").await;
    let goal = id_of(&set(&ana, &json!({"title": "x", "entry_ids": [entry]})).await);
    ana.post(&format!("{}/progress", own(&goal)), &json!({"note": "n"})).await.expect(201);
    ana.share_goal(&goal, &bo, &json!({})).await.expect(200);
    ana.delete_at(&own(&goal), 1).await.expect(204);
    for path in [own(&goal), format!("{}/progress", own(&goal)), format!("{}/shares", own(&goal))] {
        ana.get(&path).await.refused(404, "not_found");
    }
    seen(&bo, &ana, &goal).await.refused(404, "not_found");
    for table in ["goals", "goal_progress", "goal_entries", "goal_shares"] {
        assert_eq!(app.count(table).await, 0, "{table}");
    }
    assert_eq!(app.count("tombstones").await, 2, "the goal's and its note's");
    ana.get(&format!("/v1/journal/entries/{entry}")).await.expect(200);
}

async fn goals_come_in_stable_pages(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let mut made = Vec::new();
    for number in 0..5 {
        app.advance(Duration::seconds(1));
        let goal = ana.goal(&format!("goal {number}")).await;
        ana.share_goal(&goal, &bo, &json!({})).await.expect(200);
        made.insert(0, goal);
    }
    let theirs = format!("/v1/patients/{}/goals", ana.id);
    for (who, base) in [(&ana, "/v1/goals"), (&bo, theirs.as_str())] {
        let (mut seen, mut path) = (Vec::new(), format!("{base}?limit=2"));
        loop {
            let page = who.get(&path).await.expect(200);
            seen.extend(page["items"].as_array().unwrap().iter().map(id_of));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{base}?limit=2&cursor={cursor}");
            app.advance(Duration::seconds(1));
            let late = ana.goal("late").await;
            ana.share_goal(&late, &bo, &json!({})).await.expect(200);
        }
        seen.retain(|goal| made.contains(goal));
        assert_eq!(seen, made, "{base}");
    }
}
