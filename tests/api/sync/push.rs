//! What phones did while they were offline.

use chrono::Duration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ids, new_id, op, pages, push, push_one, text};
use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![
    operations_do_what_the_single_ones_do,
    two_hundred_operations_are_one_transaction,
    a_failure_in_the_middle_leaves_nothing,
    one_bad_operation_does_not_spoil_the_others,
    what_is_wrong_with_a_push_is_named,
    a_repeated_push_changes_nothing,
    an_operation_that_comes_late_again_does_not_undo_what_followed,
    an_operation_id_belongs_to_one_operation,
    operations_without_an_id_are_known_by_what_they_say,
    two_texts_of_one_entry_are_both_kept,
    two_notes_of_one_checkin_are_both_kept,
    words_of_a_reminder_are_both_kept,
    what_is_no_text_is_laid_over_what_is_there,
    an_edit_wins_over_a_deletion,
    a_deletion_of_what_was_not_seen_is_a_conflict,
    further_changes_before_the_answer_follow_the_first,
    another_patients_ids_tell_nothing,
    a_very_low_checkin_brings_its_card_each_time,
    reminders_are_planned_with_the_push,
];

const ENTRIES: &str = "journal_entries";

async fn entry_of(who: &Person, id: impl std::fmt::Display) -> Value {
    who.get(&format!("/v1/journal/entries/{id}")).await.expect(200)
}

async fn operations_do_what_the_single_ones_do(app: TestApp) {
    let ana = app.patient("ana").await;
    let (checkin, entry) = (new_id(&app), Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef));
    let taken = (app.now() - Duration::hours(30)).to_rfc3339();
    let results = push(
        &ana,
        &[
            op(
                &app,
                "create",
                ("checkins", checkin),
                None,
                json!({"mood": 4, "note": "offline", "taken_at": taken}),
            ),
            op(&app, "create", (ENTRIES, entry), None, json!({"title": "t", "fields": {"text": "a"}})),
            op(&app, "update", (ENTRIES, entry), Some(1), text("b")),
            op(&app, "delete", ("checkins", new_id(&app)), Some(1), Value::Null),
        ],
    )
    .await;
    let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, ["applied", "applied", "applied", "duplicate"]);
    let kept = ana.get(&format!("/v1/checkins/{checkin}")).await.expect(200);
    assert_eq!(results[0]["current"]["checkin"], kept);
    assert_eq!((&kept["note"], &kept["local_date"]), (&json!("offline"), &json!("2026-11-21")));
    assert!(results[1].get("current").is_none(), "it stands with the last operation on the row");
    let kept = entry_of(&ana, entry).await;
    assert_eq!((&kept["version"], &kept["revision"], &kept["title"]), (&json!(2), &json!(2), &json!("t")));
    assert_eq!(
        (&results[2]["version"], &results[2]["current"]["journal_entry"]["fields"]),
        (&json!(2), &kept["fields"])
    );
    let gone = push_one(&ana, &op(&app, "delete", (ENTRIES, entry), Some(2), Value::Null), "applied").await;
    assert!(gone.get("current").is_none() && gone.get("version").is_none());
    ana.get(&format!("/v1/journal/entries/{entry}")).await.refused(404, "not_found");
    push(&ana, &[]).await;
}

async fn two_hundred_operations_are_one_transaction(app: TestApp) {
    let ana = app.patient("ana").await;
    let make = |number| {
        op(&app, "create", ("checkins", new_id(&app)), None, json!({"mood": number % 11, "note": "n"}))
    };
    let ops: Vec<Value> = (0..200).map(make).collect();
    let began = std::time::Instant::now();
    assert!(push(&ana, &ops).await.iter().all(|result| result["status"] == "applied"));
    println!("{:?}: a push of 200 operations took {:?}", app.engine(), began.elapsed());
    let rows = app.query("SELECT COUNT(DISTINCT sync_seq) AS n FROM checkins", vec![]).await;
    assert_eq!((rows[0].try_get::<i64>("", "n").unwrap(), app.count("checkins").await), (1, 200));
    let more: Vec<Value> = (0..201).map(make).collect();
    ana.post("/v1/sync", &json!({ "ops": more })).await.invalid("/ops");
    assert_eq!(app.count("checkins").await, 200);
}

async fn a_failure_in_the_middle_leaves_nothing(app: TestApp) {
    let ana = app.patient("ana").await;
    let (_, before) = pages(&ana, None, 100).await;
    let mut ops: Vec<Value> =
        (0..200).map(|_| op(&app, "create", ("checkins", new_id(&app)), None, json!({"mood": 5}))).collect();
    // This one raises an alert, for which there is no room just now.
    ops[120]["fields"] = json!({"mood": 0, "emotions": ["hopeless"]});
    app.execute("ALTER TABLE alerts RENAME TO alerts_elsewhere", vec![]).await;
    ana.post("/v1/sync", &json!({ "ops": ops })).await.refused(500, "internal");
    assert_eq!((app.count("checkins").await, app.count("sync_ops").await), (0, 0));
    assert_eq!(pages(&ana, None, 100).await.1, before, "not even a number was taken");
    app.execute("ALTER TABLE alerts_elsewhere RENAME TO alerts", vec![]).await;
    assert!(push(&ana, &ops).await.iter().all(|result| result["status"] == "applied"));
    assert_eq!((app.count("checkins").await, app.count("alerts").await), (200, 1));
}

async fn one_bad_operation_does_not_spoil_the_others(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = id_of(&ana.checkin(5).await).parse().unwrap();
    let checkin = |fields| op(&app, "create", ("checkins", new_id(&app)), None, fields);
    let far = (app.now() + Duration::hours(1)).to_rfc3339();
    let rows = [
        (checkin(json!({"mood": 5})), None),
        (checkin(json!({"mood": 11})), Some("/ops/1/fields/mood")),
        (checkin(json!({"mood": 5, "colour": 1})), Some("/ops/2/fields/colour")),
        (checkin(json!({"mood": 5, "taken_at": far})), Some("/ops/3/fields/taken_at")),
        (checkin(Value::Null), Some("/ops/4/fields")),
        (op(&app, "update", ("checkins", made), None, json!({"mood": 1})), Some("/ops/5/base_version")),
        (op(&app, "delete", ("checkins", made), None, Value::Null), Some("/ops/6/base_version")),
        (
            op(&app, "update", ("checkins", made), Some(1), json!({"taken_at": far})),
            Some("/ops/7/fields/taken_at"),
        ),
        (
            op(&app, "create", (ENTRIES, new_id(&app)), None, json!({"fields": {"text": ""}})),
            Some("/ops/8/fields/fields/text"),
        ),
        (op(&app, "create", ("sessions", new_id(&app)), None, json!({})), Some("/ops/9/collection")),
        (op(&app, "delete", ("delivery_policy", ana.id), Some(1), Value::Null), Some("/ops/10/collection")),
        (checkin(json!([])), Some("/ops/11/fields")),
        (checkin(json!({"mood": 7})), None),
    ];
    let ops: Vec<Value> = rows.iter().map(|(op, _)| op.clone()).collect();
    for (result, (op, pointer)) in push(&ana, &ops).await.iter().zip(&rows) {
        let Some(pointer) = pointer else {
            assert_eq!(result["status"], "applied", "{op}: {result}");
            continue;
        };
        assert_eq!(result["status"], "refused", "{op}: {result}");
        let errors = result["problem"]["errors"].as_array().unwrap();
        let named = errors.iter().any(|error| error["pointer"].as_str().unwrap().starts_with(pointer));
        assert!(named, "{pointer}: {result}");
    }
    assert_eq!(app.count("checkins").await, 3);
    // What was refused is not taken for done.
    let mut mended = ops[1].clone();
    mended["fields"]["mood"] = json!(10);
    push_one(&ana, &mended, "applied").await;
}

async fn what_is_wrong_with_a_push_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    let good = op(&app, "create", ("checkins", new_id(&app)), None, json!({"mood": 5}));
    let with = |field: &str, value: Value| {
        let mut bad = good.clone();
        bad[field] = value;
        json!({"ops": [good.clone(), bad]})
    };
    for (body, pointer) in [
        (json!({}), "/ops"),
        (json!({"ops": {}}), "/ops"),
        (json!({"ops": [1]}), "/ops/0"),
        (json!({"ops": [], "device": "x"}), "/device"),
        (with("collection", json!("tombstones")), "/ops/1/collection"),
        (with("kind", json!("upsert")), "/ops/1/kind"),
        (with("id", json!("17")), "/ops/1/id"),
        (with("op_id", json!("17")), "/ops/1/op_id"),
        (with("base_version", json!("1")), "/ops/1/base_version"),
        (with("colour", json!(1)), "/ops/1/colour"),
        (with("fields", json!({"mood": 5, "note": "a\u{0}b"})), "/ops/1/fields/note"),
    ] {
        ana.post("/v1/sync", &body).await.invalid(pointer);
    }
    let double = good.to_string().replace("\"mood\":5", "\"mood\":5,\"mood\":6");
    let request = ana.request(axum::http::Method::POST, "/v1/sync").await;
    let answer = request.text(format!("{{\"ops\":[{double}]}}")).send().await.expect(200);
    assert_eq!(answer["results"][0]["problem"]["errors"][0]["pointer"], "/ops/0/fields/mood");
    assert_eq!(app.count("checkins").await, 0);
    let padding = " ".repeat(1024 * 1024);
    let request = ana.request(axum::http::Method::POST, "/v1/sync").await;
    request.text(format!("{{\"ops\":[]}}{padding}")).send().await.refused(413, "body_too_large");
}

async fn a_repeated_push_changes_nothing(app: TestApp) {
    let ana = app.patient("ana").await;
    let (entry, gone) =
        (ana.entry("a").await.parse().unwrap(), id_of(&ana.checkin(3).await).parse().unwrap());
    let ops = [
        op(&app, "create", ("checkins", new_id(&app)), None, json!({"mood": 5, "note": "n"})),
        op(&app, "update", (ENTRIES, entry), Some(1), text("b")),
        op(&app, "delete", ("checkins", gone), Some(1), Value::Null),
        op(&app, "create", (ENTRIES, new_id(&app)), None, text("c")),
    ];
    assert!(push(&ana, &ops).await.iter().all(|result| result["status"] == "applied"));
    let strip = |page: &Value| (page["checkins"].clone(), page["journal_entries"].clone());
    let before = strip(&pages(&ana, None, 100).await.0[0]);
    for _ in 0..2 {
        let again = push(&ana, &ops).await;
        assert!(again.iter().all(|result| result["status"] == "duplicate"), "{again:?}");
        assert_eq!(again[1]["current"]["journal_entry"]["fields"]["text"], "b");
        assert_eq!(strip(&pages(&ana, None, 100).await.0[0]), before);
    }
    let twice = op(&app, "create", ("checkins", new_id(&app)), None, json!({"mood": 5}));
    let results = push(&ana, &[twice.clone(), twice]).await;
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!("applied"), &json!("duplicate")));
    // Without the memory, what says the same is still no change.
    app.execute("DELETE FROM sync_ops", vec![]).await;
    let again = push(&ana, &ops).await;
    assert!(again.iter().all(|result| result["status"] == "duplicate"), "{again:?}");
    assert_eq!(app.count("journal_entries").await, 2);
}

async fn an_operation_that_comes_late_again_does_not_undo_what_followed(app: TestApp) {
    let ana = app.patient("ana").await;
    let (entry, checkin) =
        (ana.entry("first").await.parse().unwrap(), id_of(&ana.checkin(3).await).parse().unwrap());
    let first = [
        op(&app, "update", (ENTRIES, entry), Some(1), text("A")),
        op(&app, "update", ("checkins", checkin), Some(1), json!({"mood": 1, "note": "A"})),
    ];
    let second = [
        op(&app, "update", (ENTRIES, entry), Some(2), text("B")),
        op(&app, "update", ("checkins", checkin), Some(2), json!({"mood": 2, "note": "B"})),
    ];
    push(&ana, &first).await;
    assert!(push(&ana, &second).await.iter().all(|result| result["status"] == "applied"));
    assert!(push(&ana, &first).await.iter().all(|result| result["status"] == "duplicate"));
    assert_eq!(entry_of(&ana, entry).await["fields"]["text"], "B");
    let kept = ana.get(&format!("/v1/checkins/{checkin}")).await.expect(200);
    assert_eq!((&kept["mood"], &kept["note"]), (&json!(2), &json!("B")));
    assert_eq!(app.count("journal_entries").await, 1, "and no copy");
    // A creation that comes again does not bring back what was deleted since.
    let id = new_id(&app);
    let make = op(&app, "create", (ENTRIES, id), None, text("gone"));
    push_one(&ana, &make, "applied").await;
    push_one(&ana, &op(&app, "delete", (ENTRIES, id), Some(1), Value::Null), "applied").await;
    push_one(&ana, &make, "duplicate").await;
    ana.get(&format!("/v1/journal/entries/{id}")).await.refused(404, "not_found");
}

async fn an_operation_id_belongs_to_one_operation(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let first = op(&app, "create", ("checkins", new_id(&app)), None, json!({"mood": 5, "energy": 1}));
    push_one(&ana, &first, "applied").await;
    let mut other = first.clone();
    other["fields"]["mood"] = json!(6);
    let refused = push_one(&ana, &other, "refused").await;
    assert_eq!(refused["problem"]["errors"][0]["pointer"], "/ops/0/op_id");
    assert_eq!(refused["problem"]["errors"][0]["code"], "op_id_reused");
    // The same, written in another order.
    let text = format!("{{\"ops\":[{first}]}}")
        .replace("{\"energy\":1,\"mood\":5}", "{ \"mood\": 5, \"energy\": 1 }");
    assert!(text.contains("\"mood\": 5"));
    let request = ana.request(axum::http::Method::POST, "/v1/sync").await.text(text);
    assert_eq!(request.send().await.expect(200)["results"][0]["status"], "duplicate");
    push_one(&ben, &first, "applied").await;
}

async fn operations_without_an_id_are_known_by_what_they_say(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.entry("first").await;
    let bare = |kind: &str, base: i64, words: &str| json!({"collection": ENTRIES, "kind": kind, "id": entry, "base_version": base, "fields": {"fields": {"text": words}}});
    push_one(&ana, &bare("update", 1, "A"), "applied").await;
    push_one(&ana, &bare("update", 2, "B"), "applied").await;
    push_one(&ana, &bare("update", 1, "A"), "duplicate").await;
    assert_eq!(entry_of(&ana, &entry).await["fields"]["text"], "B");
    assert_eq!(app.count("journal_entries").await, 1);
}

async fn two_texts_of_one_entry_are_both_kept(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("as it was").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &text("from the tablet")).await.expect(200);
    let late = op(&app, "update", (ENTRIES, entry.parse().unwrap()), Some(1), text("from the phone"));
    let result = push_one(&ana, &late, "conflict").await;
    assert_eq!(result["current"]["journal_entry"]["fields"]["text"], "from the tablet");
    assert_eq!((&result["version"], &result["copy"]["collection"]), (&json!(2), &json!(ENTRIES)));
    let copy = entry_of(&ana, result["copy"]["id"].as_str().unwrap()).await;
    assert_eq!((&copy["fields"]["text"], &copy["conflict_of"]), (&json!("from the phone"), &json!(entry)));
    assert_eq!((&copy["title"], &copy["state"]), (&json!("as it was"), &json!("final")));
    assert!(entry_of(&ana, &entry).await.get("conflict_of").is_none());
    let seen = bo.get(&format!("/v1/patients/{}/journal/entries", ana.id)).await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1, "the copy is shared with nobody");
    let again = push_one(&ana, &late, "duplicate").await;
    assert_eq!(again["copy"], result["copy"], "a lost answer can be had again");
    assert_eq!(app.count("journal_entries").await, 2);
    // A creation under an id that has other words is the same case.
    let other = op(&app, "create", (ENTRIES, entry.parse().unwrap()), None, text("a third"));
    push_one(&ana, &other, "conflict").await;
    assert_eq!(entry_of(&ana, &entry).await["fields"]["text"], "from the tablet");
}

async fn two_notes_of_one_checkin_are_both_kept(app: TestApp) {
    let ana = app.patient("ana").await;
    let checkin: Uuid = id_of(&ana.checkin(3).await).parse().unwrap();
    let path = format!("/v1/checkins/{checkin}");
    ana.patch(&path, 1, &json!({"note": "from the tablet", "energy": 2})).await.expect(200);
    let late =
        op(&app, "update", ("checkins", checkin), Some(1), json!({"note": "from the phone", "mood": 6}));
    let result = push_one(&ana, &late, "conflict").await;
    let kept = ana.get(&path).await.expect(200);
    assert_eq!(
        (&kept["note"], &kept["mood"], &kept["energy"]),
        (&json!("from the tablet"), &json!(6), &json!(2))
    );
    assert_eq!(result["current"]["checkin"], kept);
    assert_eq!(result["copy"]["collection"], ENTRIES);
    let copy = entry_of(&ana, result["copy"]["id"].as_str().unwrap()).await;
    assert_eq!((&copy["fields"]["text"], &copy["state"]), (&json!("from the phone"), &json!("draft")));
    assert_eq!(copy["conflict_of"], json!(checkin));
    let clear = op(&app, "update", ("checkins", checkin), Some(1), json!({"note": null}));
    push_one(&ana, &clear, "conflict").await;
    assert_eq!(ana.get(&path).await.expect(200)["note"], "from the tablet");
    let mean_it = op(&app, "update", ("checkins", checkin), Some(3), json!({"note": null}));
    push_one(&ana, &mean_it, "applied").await;
    assert!(ana.get(&path).await.expect(200).get("note").is_none());
}

async fn words_of_a_reminder_are_both_kept(app: TestApp) {
    let ana = app.patient("ana").await;
    let rule =
        json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "09:00"}, "title": "one"});
    let id = id_of(&ana.post("/v1/reminders", &rule).await.expect(201));
    ana.patch(&format!("/v1/reminders/{id}"), 1, &json!({"title": "two"})).await.expect(200);
    let row = ("reminders", id.parse().unwrap());
    let later = json!({"schedule": {"kind": "daily", "time": "10:00"}});
    push_one(&ana, &op(&app, "update", row, Some(1), later.clone()), "applied").await;
    push_one(&ana, &op(&app, "update", row, Some(1), later), "duplicate").await;
    let result =
        push_one(&ana, &op(&app, "update", row, Some(1), json!({"title": "three"})), "conflict").await;
    let there = ana.get(&format!("/v1/reminders/{id}")).await.expect(200);
    assert_eq!((&there["title"], &there["schedule"]["time"]), (&json!("two"), &json!("10:00")));
    let copy = format!("/v1/reminders/{}", result["copy"]["id"].as_str().unwrap());
    let copy = ana.get(&copy).await.expect(200);
    assert_eq!((&copy["title"], &copy["active"]), (&json!("three"), &json!(false)));
}

async fn what_is_no_text_is_laid_over_what_is_there(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"state": "draft", "fields": {"text": "words"}});
    let entry = id_of(&ana.post("/v1/journal/entries", &body).await.expect(201));
    let path = format!("/v1/journal/entries/{entry}");
    ana.patch(&path, 1, &json!({"state": "final"})).await.expect(200);
    let row = (ENTRIES, entry.parse().unwrap());
    let late = json!({"to_talk_about": true, "state": "draft", "title": null});
    push_one(&ana, &op(&app, "update", row, Some(1), late), "applied").await;
    let kept = ana.get(&path).await.expect(200);
    assert_eq!(
        (&kept["to_talk_about"], &kept["state"], &kept["version"]),
        (&json!(true), &json!("final"), &json!(3))
    );
    push_one(&ana, &op(&app, "update", row, Some(1), text("words")), "duplicate").await;
    assert_eq!(app.count("journal_entries").await, 1);
}

async fn an_edit_wins_over_a_deletion(app: TestApp) {
    let ana = app.patient("ana").await;
    let (entry, checkin) = (ana.entry("a").await, ana.checkin(3).await);
    let path = format!("/v1/journal/entries/{entry}");
    ana.patch(&path, 1, &text("b")).await.expect(200);
    ana.delete_at(&path, 2).await.expect(204);
    ana.delete_at(&format!("/v1/checkins/{}", id_of(&checkin)), 1).await.expect(204);
    let edit = op(&app, "update", (ENTRIES, entry.parse().unwrap()), Some(1), text("words"));
    let result = push_one(&ana, &edit, "applied").await;
    let version = result["version"].as_i64().unwrap();
    assert!(version > 2, "above every version it had: {version}");
    assert_eq!(entry_of(&ana, &entry).await["fields"]["text"], "words");
    let stale = op(&app, "update", (ENTRIES, entry.parse().unwrap()), Some(2), text("other"));
    push_one(&ana, &stale, "conflict").await;
    // A change that does not say all of it cannot bring a row back by itself.
    let row = ("checkins", id_of(&checkin).parse().unwrap());
    let part = op(&app, "update", row, Some(1), json!({"note": "words"}));
    let result = push_one(&ana, &part, "refused").await;
    assert_eq!(result["problem"]["code"], "deleted_elsewhere");
    assert_eq!(result["problem"]["errors"][0]["pointer"], "/ops/0/fields/mood");
    let whole = json!({"mood": 3, "note": "words", "taken_at": checkin["taken_at"]});
    push_one(&ana, &op(&app, "create", row, None, whole), "applied").await;
    let (all, _) = pages(&ana, None, 100).await;
    assert_eq!(ids(&all, "checkins", "upserts"), [id_of(&checkin)]);
    assert!(ids(&all, "checkins", "deleted").is_empty());
}

async fn a_deletion_of_what_was_not_seen_is_a_conflict(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.entry("a").await;
    ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &text("b")).await.expect(200);
    let row = (ENTRIES, entry.parse().unwrap());
    let late = op(&app, "delete", row, Some(1), Value::Null);
    for _ in 0..2 {
        let result = push_one(&ana, &late, "conflict").await;
        assert_eq!(result["current"]["journal_entry"]["fields"]["text"], "b");
        assert!(result.get("copy").is_none());
    }
    push_one(&ana, &op(&app, "delete", row, Some(2), Value::Null), "applied").await;
    push_one(&ana, &op(&app, "delete", row, Some(2), Value::Null), "duplicate").await;
}

async fn further_changes_before_the_answer_follow_the_first(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.entry("a").await;
    let row = (ENTRIES, entry.parse().unwrap());
    let first = op(&app, "update", row, Some(1), text("b"));
    push_one(&ana, &first, "applied").await;
    // The answer was lost, so the phone still has version 1 when it goes on.
    let second = op(&app, "update", row, Some(1), text("c"));
    let third = op(&app, "update", row, Some(1), json!({"title": "t"}));
    let results = push(&ana, &[first.clone(), second.clone(), third.clone()]).await;
    let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, ["duplicate", "applied", "applied"]);
    let kept = entry_of(&ana, &entry).await;
    assert_eq!(
        (&kept["fields"]["text"], &kept["title"], &kept["version"]),
        (&json!("c"), &json!("t"), &json!(4))
    );
    assert!(push(&ana, &[first, second, third]).await.iter().all(|result| result["status"] == "duplicate"));
    assert_eq!(app.count("journal_entries").await, 1, "nobody contradicted anybody");
    let id = new_id(&app);
    let quick = [
        op(&app, "create", ("checkins", id), None, json!({"mood": 3})),
        op(&app, "update", ("checkins", id), None, json!({"mood": 4})),
        op(&app, "delete", ("checkins", id), None, Value::Null),
    ];
    assert!(push(&ana, &quick).await.iter().all(|result| result["status"] == "applied"));
    assert_eq!(app.count("checkins").await, 0);
}

async fn another_patients_ids_tell_nothing(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let hers = ana.entry("hers").await;
    let (free, taken) = (new_id(&app), hers.parse().unwrap());
    for kind in ["update", "delete"] {
        let fields = if kind == "update" { json!({"title": "x"}) } else { Value::Null };
        let mut answers =
            [taken, free].map(|id| (id, op(&app, kind, (ENTRIES, id), Some(1), fields.clone())));
        let mut shapes = Vec::new();
        for (_, op) in &mut answers {
            let mut result = push(&ben, std::slice::from_ref(op)).await.remove(0);
            result.as_object_mut().unwrap().remove("id");
            shapes.push(result);
        }
        assert_eq!(shapes[0], shapes[1], "{kind}");
    }
    push_one(&ben, &op(&app, "create", (ENTRIES, taken), None, text("his")), "applied").await;
    assert_eq!(entry_of(&ana, &hers).await["fields"]["text"], "hers");
    assert_eq!(entry_of(&ben, &hers).await["fields"]["text"], "his");
}

async fn a_very_low_checkin_brings_its_card_each_time(app: TestApp) {
    let ana = app.patient("ana").await;
    let low =
        op(&app, "create", ("checkins", new_id(&app)), None, json!({"mood": 0, "emotions": ["hopeless"]}));
    for status in ["applied", "duplicate"] {
        let result = push_one(&ana, &low, status).await;
        assert!(result["current"]["checkin"]["crisis_card"]["message"].is_string(), "{result}");
    }
    assert_eq!(app.count("alerts").await, 1);
}

async fn reminders_are_planned_with_the_push(app: TestApp) {
    let ana = app.patient("ana").await;
    let rule = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"}, "title": "offline"});
    let id = new_id(&app);
    push_one(&ana, &op(&app, "create", ("reminders", id), None, rule), "applied").await;
    let planned = |state: &str| format!("SELECT id FROM notifications WHERE state = '{state}'");
    assert_eq!(app.query(&planned("planned"), vec![]).await.len(), 1);
    push_one(&ana, &op(&app, "delete", ("reminders", id), Some(1), Value::Null), "applied").await;
    assert_eq!(app.query(&planned("planned"), vec![]).await.len(), 0);
    assert_eq!(app.query(&planned("cancelled"), vec![]).await.len(), 1);
}
