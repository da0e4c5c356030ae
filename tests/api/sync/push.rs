//! What phones did while they were offline.

use chrono::Duration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{new_id, op, pages, push, push_one, text};
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
    another_patients_ids_tell_nothing,
    a_very_low_checkin_brings_its_card_each_time,
    reminders_are_planned_with_the_push,
];

pub const ENTRIES: &str = "journal_entries";

pub async fn entry_of(who: &Person, id: impl std::fmt::Display) -> Value {
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
        (op(&app, "delete", ("plans", new_id(&app)), Some(1), Value::Null), Some("/ops/10/collection")),
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
    // What it had begun is taken back with it: the deletion of this row stays remembered.
    ana.delete_at(&format!("/v1/checkins/{made}"), 1).await.expect(204);
    let back = op(&app, "create", ("checkins", made), None, json!({"mood": 5, "taken_at": far}));
    push_one(&ana, &back, "refused").await;
    assert_eq!(app.count("tombstones").await, 1);
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
