//! The journal, and what a therapist sees of it.

use chrono::Duration;
use serde_json::{Value, json};

use crate::{
    authz::assign,
    harness::{Person, Reply, TestApp, both_engines, id_of},
};

both_engines![
    an_entry_comes_back_and_keeps_its_revisions,
    a_patch_keeps_clears_and_sets,
    what_is_wrong_with_an_entry_is_named,
    a_final_entry_does_not_become_a_draft_again,
    therapist_without_grant_gets_404,
    a_shared_entry_is_read_and_unsharing_closes_it_at_once,
    a_frozen_share_shows_what_was_shared_and_a_live_one_what_is,
    a_share_ends_at_its_instant,
    sharing_again_replaces_how,
    a_draft_is_never_shared,
    ending_care_closes_everything_shared,
    a_deleted_entry_is_gone_for_everybody,
    shared_entries_come_in_stable_pages,
    every_therapist_read_is_in_the_audit_chain,
    a_read_that_cannot_be_recorded_shows_nothing,
    a_change_that_cannot_be_recorded_does_not_happen,
];

fn own(entry: &str) -> String {
    format!("/v1/journal/entries/{entry}")
}

async fn seen(therapist: &Person, patient: &Person, entry: &str) -> Reply {
    therapist.get(&format!("/v1/patients/{}/journal/entries/{entry}", patient.id)).await
}

async fn listed(therapist: &Person, patient: &Person) -> Vec<Value> {
    let list = therapist.get(&format!("/v1/patients/{}/journal/entries", patient.id)).await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn an_entry_comes_back_and_keeps_its_revisions(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"title": "The morning after", "fields": {"text": "The river.", "emotions": ["curious"]}, "to_talk_about": true});
    let reply = ana.post("/v1/journal/entries", &body).await;
    assert_eq!(reply.headers["etag"], "\"1\"");
    let made = reply.expect(201);
    assert_eq!(
        (&made["title"], &made["fields"], &made["to_talk_about"]),
        (&body["title"], &body["fields"], &json!(true))
    );
    assert_eq!(
        (&made["state"], &made["template_id"], &made["revision"]),
        (&json!("final"), &json!("free-note"), &json!(1))
    );
    let path = own(&id_of(&made));
    assert_eq!(ana.get(&path).await.expect(200), made);
    let words = ana.patch(&path, 1, &json!({"fields": {"text": "The wide river."}})).await.expect(200);
    assert_eq!(
        (&words["version"], &words["revision"], &words["fields"]),
        (&json!(2), &json!(2), &json!({"text": "The wide river."}))
    );
    let mark = ana.patch(&path, 2, &json!({"to_talk_about": false})).await.expect(200);
    assert_eq!(
        (&mark["version"], &mark["revision"]),
        (&json!(3), &json!(2)),
        "the same words are no new revision"
    );
    assert_eq!(app.count("journal_revisions").await, 2);
    ana.patch(&path, 2, &json!({"title": "late"})).await.refused(412, "stale_version");
    ana.delete_at(&path, 2).await.refused(412, "stale_version");
    assert_eq!(ana.get(&path).await.expect(200), mark);
}

async fn a_patch_keeps_clears_and_sets(app: TestApp) {
    let ana = app.patient("ana").await;
    let path = own(&ana.entry("words").await);
    let kept = ana.patch(&path, 1, &json!({})).await.expect(200);
    assert_eq!((&kept["title"], &kept["revision"]), (&json!("words"), &json!(1)));
    let cleared = ana.patch(&path, 2, &json!({"title": null})).await.expect(200);
    assert!(cleared.get("title").is_none());
    assert_eq!(ana.patch(&path, 3, &json!({"title": "new"})).await.expect(200)["title"], "new");
}

async fn what_is_wrong_with_an_entry_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    let text = |length: usize| json!({"text": "x".repeat(length)});
    for (body, pointer) in [
        (json!({}), "/fields"),
        (json!({"fields": {}}), "/fields/text"),
        (json!({"fields": text(0)}), "/fields/text"),
        (json!({"fields": text(20_001)}), "/fields/text"),
        (json!({"fields": {"text": "x", "colour": 1}}), "/fields/colour"),
        (json!({"fields": {"text": "x", "emotions": ["wrath"]}}), "/fields/emotions/0"),
        (json!({"fields": {"text": "x", "emotions": vec!["calm"; 21]}}), "/fields/emotions"),
        (json!({"fields": {"text": "a\u{0}b"}}), "/fields/text"),
        (json!({"fields": text(1), "title": ""}), "/title"),
        (json!({"fields": text(1), "title": "x".repeat(201)}), "/title"),
        (json!({"fields": text(1), "template_id": "other"}), "/template_id"),
        (json!({"fields": text(1), "state": "secret"}), "/state"),
        (json!({"fields": text(1), "to_talk_about": "yes"}), "/to_talk_about"),
    ] {
        ana.post("/v1/journal/entries", &body).await.invalid(pointer);
    }
    ana.post("/v1/journal/entries", &json!({"fields": {"text": "🐤".repeat(20_000)}})).await.expect(201);
}

async fn a_final_entry_does_not_become_a_draft_again(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"state": "draft", "fields": {"text": "words"}});
    let path = own(&id_of(&ana.post("/v1/journal/entries", &body).await.expect(201)));
    assert_eq!(ana.patch(&path, 1, &json!({"state": "final"})).await.expect(200)["state"], "final");
    ana.patch(&path, 2, &json!({"state": "draft"})).await.invalid("/state");
}

async fn therapist_without_grant_gets_404(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    let entry = ana.entry("mine").await;
    seen(&bo, &ana, &entry).await.refused(404, "not_found");
    assert!(listed(&bo, &ana).await.is_empty());
    seen(&dee, &ana, &entry).await.refused(404, "not_found");
    dee.get(&format!("/v1/patients/{}/journal/entries", ana.id)).await.refused(404, "not_found");
}

async fn a_shared_entry_is_read_and_unsharing_closes_it_at_once(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let (entry, other) = (ana.entry("for Bo").await, ana.entry("mine").await);
    let share = ana.share(&entry, &bo, &json!({})).await.expect(200);
    assert_eq!(share["member_id"], bo.id.to_string());
    assert!(share.get("until").is_none() && share.get("frozen_revision").is_none());
    let read = seen(&bo, &ana, &entry).await.expect(200);
    assert_eq!((&read["title"], &read["fields"]["text"]), (&json!("for Bo"), &json!("for Bo")));
    assert_eq!(listed(&bo, &ana).await, [read]);
    let shares = format!("{}/shares", own(&entry));
    assert_eq!(ana.get(&shares).await.expect(200)["items"], json!([share]));
    assert_eq!(ana.get(&format!("{}/shares", own(&other))).await.expect(200)["items"], json!([]));
    ana.unshare(&entry, &bo).await.expect(204);
    seen(&bo, &ana, &entry).await.refused(404, "not_found");
    assert!(listed(&bo, &ana).await.is_empty());
    assert_eq!(ana.get(&shares).await.expect(200)["items"], json!([]));
    ana.unshare(&entry, &bo).await.refused(404, "not_found");
    ana.patch(&own(&entry), 1, &json!({"title": "after"})).await.expect(200);
    seen(&bo, &ana, &entry).await.refused(404, "not_found");
}

async fn a_frozen_share_shows_what_was_shared_and_a_live_one_what_is(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    assign(&app, &ana, &dee).await;
    let entry = ana.entry("first").await;
    assert_eq!(ana.share(&entry, &bo, &json!({"frozen": true})).await.expect(200)["frozen_revision"], 1);
    ana.share(&entry, &dee, &json!({})).await.expect(200);
    ana.patch(&own(&entry), 1, &json!({"title": "second", "fields": {"text": "second"}})).await.expect(200);
    for (who, title, revision) in [(&bo, "first", 1), (&dee, "second", 2)] {
        let read = seen(who, &ana, &entry).await.expect(200);
        assert_eq!(
            (&read["title"], &read["fields"]["text"], &read["revision"]),
            (&json!(title), &json!(title), &json!(revision))
        );
        assert_eq!(listed(who, &ana).await, [read]);
    }
}

async fn a_share_ends_at_its_instant(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("for a day").await;
    let until = |minutes: i64| json!({"until": (app.now() + Duration::minutes(minutes)).to_rfc3339()});
    for wrong in [until(0), until(-1)] {
        ana.share(&entry, &bo, &wrong).await.invalid("/until");
    }
    for wrong in ["tomorrow", "2026-12-01", "2026-13-01T00:00:00Z"] {
        ana.share(&entry, &bo, &json!({ "until": wrong })).await.invalid("/until");
    }
    ana.share(&entry, &bo, &until(60)).await.expect(200);
    app.advance(Duration::minutes(60) - Duration::milliseconds(1));
    seen(&bo, &ana, &entry).await.expect(200);
    app.advance(Duration::milliseconds(1));
    seen(&bo, &ana, &entry).await.refused(404, "not_found");
    assert!(listed(&bo, &ana).await.is_empty());
    assert_eq!(ana.get(&format!("{}/shares", own(&entry))).await.expect(200)["items"], json!([]));
    // SQLite compares instants as text, which years of six digits would break.
    ana.share(&entry, &bo, &json!({"until": "+200000-01-01T00:00:00Z"})).await.invalid("/until");
    ana.share(&entry, &bo, &json!({"until": "9999-01-01T00:00:00Z"})).await.expect(200);
    seen(&bo, &ana, &entry).await.expect(200);
}

async fn sharing_again_replaces_how(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("first").await;
    let until = (app.now() + Duration::minutes(5)).to_rfc3339();
    ana.share(&entry, &bo, &json!({"frozen": true, "until": until})).await.expect(200);
    ana.patch(&own(&entry), 1, &json!({"title": "second"})).await.expect(200);
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    app.advance(Duration::minutes(6));
    assert_eq!(seen(&bo, &ana, &entry).await.expect(200)["title"], "second");
    ana.unshare(&entry, &bo).await.expect(204);
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    seen(&bo, &ana, &entry).await.expect(200);
    assert_eq!(app.count("journal_shares").await, 1);
}

async fn a_draft_is_never_shared(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let body = json!({"state": "draft", "fields": {"text": "unfinished"}});
    let entry = id_of(&ana.post("/v1/journal/entries", &body).await.expect(201));
    ana.share(&entry, &bo, &json!({})).await.refused(409, "draft_not_shared");
    seen(&bo, &ana, &entry).await.refused(404, "not_found");
    ana.patch(&own(&entry), 1, &json!({"state": "final"})).await.expect(200);
    seen(&bo, &ana, &entry).await.refused(404, "not_found");
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    seen(&bo, &ana, &entry).await.expect(200);
}

async fn ending_care_closes_everything_shared(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entries = [ana.entry("one").await, ana.entry("two").await];
    for entry in &entries {
        ana.share(entry, &bo, &json!({})).await.expect(200);
    }
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    for entry in &entries {
        seen(&bo, &ana, entry).await.refused(404, "not_found");
        assert_eq!(ana.get(&format!("{}/shares", own(entry))).await.expect(200)["items"], json!([]));
    }
    assign(&app, &ana, &bo).await;
    seen(&bo, &ana, &entries[0]).await.refused(404, "not_found");
    ana.share(&entries[0], &bo, &json!({})).await.expect(200);
    assert_eq!(listed(&bo, &ana).await.len(), 1);
}

async fn a_deleted_entry_is_gone_for_everybody(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("gone").await;
    ana.patch(&own(&entry), 1, &json!({"title": "gone too"})).await.expect(200);
    ana.share(&entry, &bo, &json!({"frozen": true})).await.expect(200);
    ana.post(&format!("{}/comments", own(&entry)), &json!({"text": "gone too"})).await.expect(201);
    ana.delete_at(&own(&entry), 2).await.expect(204);
    ana.get(&own(&entry)).await.refused(404, "not_found");
    ana.get(&format!("{}/shares", own(&entry))).await.refused(404, "not_found");
    seen(&bo, &ana, &entry).await.refused(404, "not_found");
    for table in ["journal_entries", "journal_revisions", "journal_shares", "journal_comments"] {
        assert_eq!(app.count(table).await, 0, "{table}");
    }
    assert_eq!(app.count("tombstones").await, 1);
}

async fn shared_entries_come_in_stable_pages(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let mut shared = Vec::new();
    for number in 0..5 {
        let entry = ana.entry(&format!("entry {number}")).await;
        app.advance(Duration::seconds(1));
        ana.share(&entry, &bo, &json!({})).await.expect(200);
        shared.insert(0, entry);
    }
    let base = format!("/v1/patients/{}/journal/entries?limit=2", ana.id);
    let (mut seen, mut path) = (Vec::new(), base.clone());
    loop {
        let page = bo.get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(id_of));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{base}&cursor={cursor}");
        app.advance(Duration::seconds(1));
        let late = ana.entry("late").await;
        ana.share(&late, &bo, &json!({})).await.expect(200);
    }
    assert_eq!(seen, shared);
}

async fn reads(app: &TestApp, action: &str) -> Vec<(String, String, uuid::Uuid)> {
    let sql = "SELECT resource, outcome, subject_id FROM audit_events WHERE action = $1 ORDER BY seq";
    let rows = app.query(sql, vec![action.into()]).await;
    let row = |row: &sea_orm::QueryResult| {
        (
            row.try_get("", "resource").unwrap(),
            row.try_get("", "outcome").unwrap(),
            row.try_get("", "subject_id").unwrap(),
        )
    };
    rows.iter().map(row).collect()
}

async fn every_therapist_read_is_in_the_audit_chain(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let (entry, closed) = (ana.entry("open").await, ana.entry("closed").await);
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    seen(&bo, &ana, &entry).await.expect(200);
    seen(&bo, &ana, &closed).await.expect(404);
    let done = (format!("journal_entries/{entry}"), "done".to_owned(), ana.id);
    assert_eq!(reads(&app, "journal.read_shared").await, [done]);
    listed(&bo, &ana).await;
    assert_eq!(reads(&app, "journal.list_shared").await, [("journal_entries".into(), "done".into(), ana.id)]);
    bo.get(&format!("/v1/patients/{}/sessions", ana.id)).await.expect(200);
    assert_eq!(reads(&app, "sessions.list").await.len(), 1);
    let before = app.count("audit_events").await;
    ana.get(&own(&entry)).await.expect(200);
    ana.get("/v1/journal/entries").await.expect(200);
    assert_eq!(app.count("audit_events").await, before, "one's own reads are nobody's business");
    let gaps = app.query("SELECT h.seq AS n FROM audit_heads h WHERE h.seq <> (SELECT COUNT(*) FROM audit_events e WHERE e.stream = h.stream)", vec![]).await;
    assert!(gaps.is_empty(), "the chain has gaps");
}

const HIDE: &str = "ALTER TABLE audit_events RENAME TO audit_events_gone";
const SHOW: &str = "ALTER TABLE audit_events_gone RENAME TO audit_events";

async fn a_read_that_cannot_be_recorded_shows_nothing(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("the secret words").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    app.execute(HIDE, vec![]).await;
    for path in ["journal/entries", &format!("journal/entries/{entry}"), "sessions"] {
        let reply = bo.get(&format!("/v1/patients/{}/{path}", ana.id)).await;
        assert!(reply.headers.contains_key("retry-after"), "{path}");
        assert!(!reply.refused(503, "unavailable").to_string().contains("secret"), "{path}");
    }
    ana.get(&own(&entry)).await.expect(200);
    app.execute(SHOW, vec![]).await;
    seen(&bo, &ana, &entry).await.expect(200);
}

async fn a_change_that_cannot_be_recorded_does_not_happen(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("words").await;
    app.execute(HIDE, vec![]).await;
    assert!(ana.share(&entry, &bo, &json!({})).await.status.is_server_error());
    assert!(ana.delete(&format!("/v1/care-team/{}", bo.id)).await.status.is_server_error());
    let starts_at = (app.now() + Duration::days(2)).to_rfc3339();
    let body = json!({"kind": "integration", "starts_at": starts_at});
    assert!(bo.post(&format!("/v1/patients/{}/sessions", ana.id), &body).await.status.is_server_error());
    app.execute(SHOW, vec![]).await;
    let counts =
        (app.count("journal_shares").await, app.count("sessions").await, app.count("notifications").await);
    assert_eq!(counts, (0, 0, 0));
    assert_eq!(ana.get("/v1/care-team").await.expect(200)["items"].as_array().unwrap().len(), 1);
}
