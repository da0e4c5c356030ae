//! Pages of what changed.

use chrono::Duration;
use serde_json::{Value, json};

use super::{ids, new_id, op, page, pages, push, text};
use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![
    what_changed_comes_once_and_then_no_more,
    a_page_that_ends_inside_one_transaction_loses_nothing,
    a_deleted_row_is_named_and_one_that_came_back_is_not,
    shares_and_the_end_of_care_travel_with_their_entry,
    comments_and_tags_travel_with_their_entry,
    goals_and_their_notes_travel,
    sessions_and_the_delivery_policy_are_read,
    a_device_that_was_away_too_long_begins_again,
    old_deletions_do_not_stop_a_device_that_begins,
    a_device_ahead_of_the_counter_begins_again,
    what_is_wrong_with_a_pull_is_named,
    ten_thousand_changes_come_complete,
];

fn total(pages: &[Value]) -> usize {
    let count = |part: &Value| {
        let length = |name: &str| part[name].as_array().map_or(0, Vec::len);
        length("upserts") + length("deleted")
    };
    pages.iter().flat_map(|page| page.as_object().unwrap().values()).map(count).sum()
}

async fn what_changed_comes_once_and_then_no_more(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let (first, nothing) = pages(&ana, None, 100).await;
    assert_eq!((total(&first), &first[0]["reset"]), (0, &json!(false)));
    let made = ana.checkin(5).await;
    let entry = ana.entry("words").await;
    let rule = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "09:00"}});
    let rule = ana.post("/v1/reminders", &rule).await.expect(201);
    ben.checkin(3).await;
    let (all, next) = pages(&ana, Some(&nothing), 100).await;
    assert_eq!(all[0]["checkins"]["upserts"], json!([made]));
    assert_eq!(all[0]["reminders"]["upserts"], json!([rule]));
    let own = &all[0]["journal_entries"]["upserts"][0];
    assert_eq!(
        (&own["id"], &own["fields"]["text"], &own["shares"]),
        (&json!(entry), &json!("words"), &json!([]))
    );
    assert_eq!(total(&all), 3, "nothing of Ben's: {all:?}");
    assert_eq!(total(&pages(&ana, Some(&next), 100).await.0), 0);
    let path = format!("/v1/checkins/{}", id_of(&made));
    let changed = ana.patch(&path, 1, &json!({"mood": 6})).await.expect(200);
    let (all, _) = pages(&ana, Some(&next), 100).await;
    assert_eq!((total(&all), &all[0]["checkins"]["upserts"]), (1, &json!([changed])));
}

async fn a_page_that_ends_inside_one_transaction_loses_nothing(app: TestApp) {
    let ana = app.patient("ana").await;
    let mut wanted = Vec::new();
    let mut ops = Vec::new();
    for number in 0..7 {
        let (checkin, entry) = (new_id(&app), new_id(&app));
        ops.push(op(&app, "create", ("checkins", checkin), None, json!({"mood": number})));
        ops.push(op(&app, "create", ("journal_entries", entry), None, text("words")));
        wanted.extend([checkin.to_string(), entry.to_string()]);
    }
    push(&ana, &ops).await;
    wanted.sort();
    let (first, at_start) = pages(&ana, None, 100).await;
    assert_eq!(total(&first), 14);
    for limit in [1, 2, 3, 5, 13, 14] {
        let (all, _) = pages(&ana, None, limit).await;
        assert!(all.iter().all(|page| total(std::slice::from_ref(page)) <= limit));
        let mut seen = [ids(&all, "checkins", "upserts"), ids(&all, "journal_entries", "upserts")].concat();
        seen.sort();
        assert_eq!(seen, wanted, "{limit}");
    }
    // And deletions of several collections in one transaction, some under one id.
    let twin = new_id(&app);
    let row = |name| (name, twin);
    let make = [
        op(&app, "create", row("checkins"), None, json!({"mood": 1})),
        op(&app, "create", row("journal_entries"), None, text("twin")),
    ];
    push(&ana, &make).await;
    let gone: Vec<Value> = ["checkins", "journal_entries"]
        .map(|name| op(&app, "delete", row(name), Some(1), Value::Null))
        .into();
    push(&ana, &gone).await;
    let (all, _) = pages(&ana, Some(&at_start), 1).await;
    assert_eq!(ids(&all, "checkins", "deleted"), [twin.to_string()]);
    assert_eq!(ids(&all, "journal_entries", "deleted"), [twin.to_string()]);
}

async fn a_deleted_row_is_named_and_one_that_came_back_is_not(app: TestApp) {
    let ana = app.patient("ana").await;
    let (_, start) = pages(&ana, None, 100).await;
    let id = id_of(&ana.checkin(5).await);
    ana.delete_at(&format!("/v1/checkins/{id}"), 1).await.expect(204);
    let (all, _) = pages(&ana, Some(&start), 100).await;
    assert_eq!((ids(&all, "checkins", "deleted"), total(&all)), (vec![id.clone()], 1));
    let back = op(&app, "create", ("checkins", id.parse().unwrap()), None, json!({"mood": 4}));
    push(&ana, &[back]).await;
    let (all, _) = pages(&ana, Some(&start), 100).await;
    assert_eq!((ids(&all, "checkins", "upserts"), total(&all)), (vec![id], 1));
}

async fn shares_and_the_end_of_care_travel_with_their_entry(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("for Bo").await;
    let (_, next) = pages(&ana, None, 100).await;
    let share = ana.share(&entry, &bo, &json!({})).await.expect(200);
    let (all, next) = pages(&ana, Some(&next), 100).await;
    assert_eq!(all[0]["journal_entries"]["upserts"][0]["shares"], json!([share]));
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    let (all, _) = pages(&ana, Some(&next), 100).await;
    assert_eq!(ids(&all, "journal_entries", "upserts"), [entry]);
    assert_eq!(all[0]["journal_entries"]["upserts"][0]["shares"], json!([]));
}

async fn comments_and_tags_travel_with_their_entry(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("for Bo").await;
    ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &json!({"tags": ["river"]})).await.expect(200);
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    let (_, next) = pages(&ana, None, 100).await;
    let path = format!("/v1/patients/{}/journal/entries/{entry}/comments", ana.id);
    let comment = bo.post(&path, &json!({"text": "Thank you."})).await.expect(201);
    let (all, _) = pages(&ana, Some(&next), 100).await;
    let seen = &all[0]["journal_entries"]["upserts"][0];
    assert_eq!((&seen["tags"], seen["comments"].as_array().unwrap().len()), (&json!(["river"]), 1));
    assert_eq!(
        (&seen["comments"][0]["id"], &seen["comments"][0]["text"]),
        (&comment["id"], &json!("Thank you."))
    );
}

async fn goals_and_their_notes_travel(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let goal = ana.post("/v1/goals", &json!({"title": "Write"})).await.expect(201);
    let path = format!("/v1/goals/{}", id_of(&goal));
    let note = ana.post(&format!("{path}/progress"), &json!({"note": "Monday"})).await.expect(201);
    ana.share_goal(goal["id"].as_str().unwrap(), &bo, &json!({})).await.expect(200);
    let (all, next) = pages(&ana, None, 1).await;
    assert_eq!(ids(&all, "goals", "upserts"), [id_of(&goal)]);
    assert_eq!(ids(&all, "goal_progress", "upserts"), [id_of(&note)]);
    let shared = all.iter().find_map(|page| page["goals"]["upserts"].get(0)).unwrap();
    assert_eq!((&shared["title"], &shared["shares"][0]["member_id"]), (&json!("Write"), &json!(bo.id)));
    let version = ana.get(&path).await.expect(200)["version"].as_i64().unwrap();
    ana.delete_at(&path, version).await.expect(204);
    assert_eq!(ids(&pages(&ana, Some(&next), 100).await.0, "goals", "deleted"), [id_of(&goal)]);
}

async fn sessions_and_the_delivery_policy_are_read(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let made = bo.schedule(&ana, "integration", app.now() + Duration::days(3)).await;
    let sql = "INSERT INTO delivery_policies (patient_id, version, sync_seq, policy, paused_until, updated_at) \
               VALUES ($1, 1, 1, '{}', $2, $2)";
    app.execute(sql, vec![ana.id.into(), app.now().into()]).await;
    let (all, _) = pages(&ana, None, 1).await;
    assert_eq!(ids(&all, "sessions", "upserts"), [id_of(&made)]);
    let policies: Vec<&Value> =
        all.iter().flat_map(|page| page["delivery_policy"]["upserts"].as_array().unwrap()).collect();
    assert_eq!((policies.len(), &policies[0]["version"]), (1, &json!(1)));
}

/// Deletes a check-in, and lets the sweep forget it.
async fn delete_and_forget(app: &TestApp, who: &Person, id: &str) {
    who.delete_at(&format!("/v1/checkins/{id}"), 1).await.expect(204);
    app.advance(Duration::days(180));
    afterglow::sync::purge(&app.state).await.unwrap();
    assert_eq!(app.count("tombstones").await, 1, "not a moment too early");
    app.advance(Duration::seconds(1));
    afterglow::sync::purge(&app.state).await.unwrap();
    assert_eq!(app.count("tombstones").await, 0);
    assert_eq!(afterglow::sync::purge(&app.state).await.unwrap(), 0);
}

async fn a_device_that_was_away_too_long_begins_again(app: TestApp) {
    let ana = app.patient("ana").await;
    let (gone, kept) = (id_of(&ana.checkin(1).await), id_of(&ana.checkin(2).await));
    let (_, away) = pages(&ana, None, 100).await;
    delete_and_forget(&app, &ana, &gone).await;
    let (_, present) = pages(&ana, None, 100).await;
    let (all, next) = pages(&ana, Some(&away), 100).await;
    assert_eq!(all[0]["reset"], true, "it would keep what is gone for ever");
    assert_eq!(ids(&all, "checkins", "upserts"), [kept]);
    assert_eq!(page(&ana, Some(&next), 100).await["reset"], false);
    assert_eq!(page(&ana, Some(&present), 100).await["reset"], false, "it knew of the deletion");
}

async fn old_deletions_do_not_stop_a_device_that_begins(app: TestApp) {
    let ana = app.patient("ana").await;
    let kept = [id_of(&ana.checkin(1).await), id_of(&ana.checkin(2).await)];
    let gone = id_of(&ana.checkin(3).await);
    delete_and_forget(&app, &ana, &gone).await;
    let (all, _) = pages(&ana, None, 1).await;
    assert!(all.iter().all(|page| page["reset"] == false));
    assert_eq!(ids(&all, "checkins", "upserts"), kept);
    // What is deleted and forgotten while it is on its way does stop it.
    let first = page(&ana, None, 1).await;
    ana.delete_at(&format!("/v1/checkins/{}", kept[0]), 1).await.expect(204);
    app.advance(Duration::days(181));
    afterglow::sync::purge(&app.state).await.unwrap();
    assert_eq!(page(&ana, first["next"].as_str(), 1).await["reset"], true);
}

async fn a_device_ahead_of_the_counter_begins_again(app: TestApp) {
    let ana = app.patient("ana").await;
    let kept = id_of(&ana.checkin(1).await);
    ana.checkin(2).await;
    let (_, ahead) = pages(&ana, None, 100).await;
    // As if the database had come from a backup of before the second one.
    app.execute("DELETE FROM checkins WHERE mood = 2", vec![]).await;
    app.execute("UPDATE patients SET sync_seq = sync_seq - 1 WHERE patient_id = $1", vec![ana.id.into()])
        .await;
    let (all, _) = pages(&ana, Some(&ahead), 100).await;
    assert_eq!(all[0]["reset"], true);
    assert_eq!(ids(&all, "checkins", "upserts"), [kept]);
}

async fn what_is_wrong_with_a_pull_is_named(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let (_, next) = pages(&ana, None, 100).await;
    for wrong in ["", "0", "17", "x", "%00", "AAAA", &next[1..], &"A".repeat(5000)] {
        ana.get(&format!("/v1/sync?since={wrong}")).await.invalid("query/since");
    }
    ben.get(&format!("/v1/sync?since={next}")).await.invalid("query/since");
    for wrong in ["0", "501", "-1", "many", ""] {
        ana.get(&format!("/v1/sync?limit={wrong}")).await.invalid("query/limit");
    }
    ana.get("/v1/sync?cursor=x").await.invalid("query/cursor");
    ana.get("/v1/sync?limit=500").await.expect(200);
}

async fn ten_thousand_changes_come_complete(app: TestApp) {
    let ana = app.patient("ana").await;
    for batch in 0..2 {
        let make = |number| {
            op(
                &app,
                "create",
                ("checkins", new_id(&app)),
                None,
                json!({"mood": number % 11, "note": "words"}),
            )
        };
        push(&ana, &(0..100).map(|number| make(batch + number)).collect::<Vec<_>>()).await;
    }
    // Copies of one row under new ids: making ten thousand by the API takes longer than reading them.
    let (row, blank) = ("SELECT * FROM checkins WHERE detail_sealed IS NOT NULL ORDER BY id LIMIT 1", "NULL");
    let columns = "version, local_date, local_time, zone, scheduled_at, started_at, taken_at, mood, anxiety, energy, \
                   sleep_hours, flagged, created_at, updated_at";
    for start in (0..9_800_i64).step_by(100) {
        let ids: Vec<_> = (0..100).map(|_| new_id(&app)).collect();
        let marks: Vec<String> = (0..100)
            .map(|mark| format!("SELECT CAST(${} AS INTEGER) AS n, ${} AS i", 2 * mark + 2, 2 * mark + 3))
            .collect();
        let sql = format!(
            "INSERT INTO checkins (patient_id, id, sync_seq, detail_sealed, {columns}) \
             SELECT patient_id, i, n, {blank}, {columns} FROM ({row}) r, ({}) k WHERE patient_id = $1",
            marks.join(" UNION ALL ")
        );
        let mut values: Vec<sea_orm::Value> = vec![ana.id.into()];
        for (offset, id) in (0_i64..).zip(ids) {
            values.extend([(1_000 + start + offset).into(), id.into()]);
        }
        app.execute(&sql, values).await;
    }
    app.execute("UPDATE patients SET sync_seq = 20000 WHERE patient_id = $1", vec![ana.id.into()]).await;
    let began = std::time::Instant::now();
    let (all, _) = pages(&ana, None, 500).await;
    println!("{:?}: 10,000 changes in {} pages took {:?}", app.engine(), all.len(), began.elapsed());
    let mut seen = ids(&all, "checkins", "upserts");
    assert_eq!((all.len(), seen.len()), (20, 10_000));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 10_000, "each once");
}
