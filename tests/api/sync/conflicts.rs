//! Two phones that changed the same thing.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ids, new_id, op, pages, push,
    push::{ENTRIES, entry_of},
    push_one, text,
};
use crate::harness::{TestApp, both_engines, id_of};

both_engines![
    two_texts_of_one_entry_are_both_kept,
    two_notes_of_one_checkin_are_both_kept,
    words_of_a_reminder_are_both_kept,
    words_of_a_goal_and_of_its_notes_are_both_kept,
    what_a_late_change_of_an_entry_says_has_to_fit_its_form,
    tags_of_both_come_together,
    what_is_no_text_is_laid_over_what_is_there,
    an_edit_wins_over_a_deletion,
    a_deletion_of_what_was_not_seen_is_a_conflict,
    further_changes_before_the_answer_follow_the_first,
];

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

async fn words_of_a_goal_and_of_its_notes_are_both_kept(app: TestApp) {
    let ana = app.patient("ana").await;
    let (goal, note) = (new_id(&app), new_id(&app));
    let row = ("goals", goal);
    let steps = json!([{"text": "Find a pen"}]);
    let made = [
        op(&app, "create", row, None, json!({"title": "Write", "description": "a", "steps": steps})),
        op(&app, "create", ("goal_progress", note), None, json!({"goal_id": goal, "note": "Monday"})),
    ];
    assert!(push(&ana, &made).await.iter().all(|result| result["status"] == "applied"));
    let path = format!("/v1/goals/{goal}");
    let step = ana.get(&path).await.expect(200)["steps"][0]["id"].clone();
    ana.patch(&path, 1, &json!({"title": "Write daily"})).await.expect(200);
    let late = json!({"title": "Write weekly", "lifecycle_status": "on-hold", "steps":
        [{"id": step, "text": "Find a pen", "done_at": app.now()}, {"text": "Find paper"}]});
    let result = push_one(&ana, &op(&app, "update", row, Some(1), late.clone()), "conflict").await;
    let kept = ana.get(&path).await.expect(200);
    assert_eq!((&kept["title"], &kept["lifecycle_status"]), (&json!("Write daily"), &json!("on-hold")));
    assert!(kept["steps"][0]["done_at"].is_string() && kept["steps"].as_array().unwrap().len() == 1);
    let copy = entry_of(&ana, result["copy"]["id"].as_str().unwrap()).await;
    assert_eq!(copy["fields"]["text"], "Write weekly\n\nFind paper");
    assert_eq!((&copy["conflict_of"], &copy["state"]), (&json!(goal), &json!("draft")));
    let same = json!({"title": "Write daily", "lifecycle_status": "on-hold"});
    push_one(&ana, &op(&app, "update", row, Some(1), same), "duplicate").await;

    ana.patch(&format!("/v1/goal-progress/{note}"), 1, &json!({"note": "Tuesday"})).await.expect(200);
    let late = op(&app, "update", ("goal_progress", note), Some(1), json!({"note": "Sunday"}));
    let result = push_one(&ana, &late, "conflict").await;
    assert_eq!(result["current"]["goal_progress"]["note"], "Tuesday");
    assert_eq!(entry_of(&ana, result["copy"]["id"].as_str().unwrap()).await["fields"]["text"], "Sunday");
    let lost = json!({"goal_id": new_id(&app), "note": "words"});
    let result =
        push_one(&ana, &op(&app, "create", ("goal_progress", new_id(&app)), None, lost), "refused").await;
    assert_eq!(result["problem"]["errors"][0]["pointer"], "/ops/0/fields/goal_id");
}

async fn what_a_late_change_of_an_entry_says_has_to_fit_its_form(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.entry("a").await;
    ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &text("b")).await.expect(200);
    for wrong in [json!({"text": ""}), json!({"text": "x".repeat(20_001)}), json!({"text": "c", "colour": 1})]
    {
        let late = op(&app, "update", (ENTRIES, entry.parse().unwrap()), Some(1), json!({ "fields": wrong }));
        push_one(&ana, &late, "refused").await;
    }
    assert_eq!(app.count("journal_entries").await, 1);
}

async fn tags_of_both_come_together(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.entry("a").await;
    ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &json!({"tags": ["river"]})).await.expect(200);
    let row = (ENTRIES, entry.parse().unwrap());
    push_one(&ana, &op(&app, "update", row, Some(1), json!({"tags": ["sleep"]})), "applied").await;
    assert_eq!(entry_of(&ana, &entry).await["tags"], json!(["river", "sleep"]));
    push_one(&ana, &op(&app, "update", row, Some(1), json!({"tags": ["sleep"]})), "duplicate").await;
    push_one(&ana, &op(&app, "update", row, Some(1), json!({"tags": null})), "duplicate").await;
    assert_eq!(entry_of(&ana, &entry).await["tags"], json!(["river", "sleep"]));
}
