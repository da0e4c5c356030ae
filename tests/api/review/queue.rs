//! What was shared with a therapist and waits for them, and how cheaply they learn that nothing changed.

use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};

use crate::{
    authz::assign,
    harness::{Person, Reply, TestApp, both_engines, counted},
};

both_engines![
    an_empty_queue_reads_well,
    entries_wait_first_shared_first_with_alerts_above,
    the_gravest_alert_is_there_however_many_there_are,
    pages_follow_each_other_while_new_entries_come,
    what_was_reviewed_waits_no_more_until_its_words_change,
    a_frozen_share_stays_reviewed_whatever_is_written_later,
    only_the_words_that_were_read_can_be_marked,
    nobody_marks_what_is_not_shared_with_them,
    a_poll_costs_one_statement_while_nothing_changes,
    whatever_changes_the_queue_changes_its_tag,
    what_is_private_never_moves_the_tag,
    rights_that_end_empty_the_queue_at_once,
    a_share_that_runs_out_leaves_the_queue_by_itself,
    reads_of_the_queue_are_in_the_access_log,
];

const QUEUE: &str = "/v1/review/queue";

async fn queue(who: &Person) -> Value {
    who.get(QUEUE).await.expect(200)
}

async fn titles(who: &Person) -> Vec<String> {
    let body = queue(who).await;
    let items = body["items"].as_array().unwrap().iter();
    items.map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

async fn shared(ana: &Person, bo: &Person, words: &str, how: &Value) -> String {
    let entry = ana.entry(words).await;
    ana.share(&entry, bo, how).await.expect(200);
    entry
}

async fn mark(who: &Person, patient: &Person, entry: &str, revision: i64) -> Reply {
    let body = json!({"patient_id": patient.id, "revision": revision});
    who.put(&format!("/v1/review/entries/{entry}"), &body).await
}

async fn tag(who: &Person) -> String {
    who.get(QUEUE).await.headers["etag"].to_str().unwrap().to_owned()
}

async fn poll(who: &Person, tag: &str) -> Reply {
    who.request(Method::GET, QUEUE).await.header("if-none-match", tag).send().await
}

async fn an_empty_queue_reads_well(app: TestApp) {
    let dee = app.therapist("dee").await;
    assert_eq!(queue(&dee).await, json!({"alerts": [], "items": []}));
    let bo = app.therapist("bo").await;
    app.patient("ana").await;
    assert_eq!(queue(&bo).await, json!({"alerts": [], "items": []}));
}

async fn entries_wait_first_shared_first_with_alerts_above(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    let late = ana.entry("written first, shared last").await;
    app.advance(Duration::minutes(1));
    let early = shared(&ben, &bo, "shared first", &json!({})).await;
    ana.entry("private").await;
    app.advance(Duration::minutes(1));
    ana.share(&late, &bo, &json!({})).await.expect(200);
    ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    let body = queue(&bo).await;
    let items = body["items"].as_array().unwrap();
    assert_eq!(
        (items[0]["entry_id"].as_str(), items[0]["patient_name"].as_str()),
        (Some(&*early), Some("ben"))
    );
    assert_eq!(
        (items[1]["entry_id"].as_str(), items[1]["title"].as_str()),
        (Some(&*late), Some("written first, shared last"))
    );
    assert_eq!((items.len(), &items[1]["revision"]), (2, &json!(1)));
    assert!(!items[0]["template_title"].as_str().unwrap().is_empty());
    let alert = &body["alerts"][0];
    assert_eq!((&alert["patient_id"], &alert["level"]), (&json!(ana.id), &json!("moderate")));
    assert_eq!(
        (&alert["rule"], alert["says"].as_str().unwrap().is_empty()),
        (&json!("checkin-very-low"), false)
    );
}

async fn pages_follow_each_other_while_new_entries_come(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    for number in 0..5 {
        app.advance(Duration::seconds(1));
        shared(&ana, &bo, &format!("entry {number}"), &json!({})).await;
    }
    let (mut path, mut found) = (format!("{QUEUE}?limit=2"), Vec::new());
    loop {
        let body = bo.get(&path).await.expect(200);
        found.extend(body["items"].as_array().unwrap().iter().map(|item| item["title"].clone()));
        if found.len() == 2 {
            app.advance(Duration::seconds(1));
            shared(&ana, &bo, "entry 5", &json!({})).await;
        }
        let Some(cursor) = body.get("next_cursor").and_then(Value::as_str) else { break };
        path = format!("{QUEUE}?limit=2&cursor={cursor}");
    }
    let wanted: Vec<String> = (0..6).map(|number| format!("entry {number}")).collect();
    assert_eq!(found, wanted);
    let first = bo.get(&format!("{QUEUE}?limit=2")).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let dee = app.therapist("dee").await;
    dee.get(&format!("{QUEUE}?cursor={cursor}")).await.invalid("query/cursor");
    bo.get(&format!("{QUEUE}?limit=0")).await.invalid("query/limit");
}

async fn what_was_reviewed_waits_no_more_until_its_words_change(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = shared(&ana, &bo, "the river", &json!({})).await;
    let marked = mark(&bo, &ana, &entry, 1).await.expect(200);
    assert_eq!((&marked["entry_id"], &marked["revision"]), (&json!(entry), &json!(1)));
    assert!(titles(&bo).await.is_empty());
    // Saying until when it is shared changes no words; marking it twice neither.
    let until = json!({"until": (app.now() + Duration::days(9)).to_rfc3339()});
    ana.share(&entry, &bo, &until).await.expect(200);
    mark(&bo, &ana, &entry, 1).await.expect(200);
    assert!(titles(&bo).await.is_empty());
    ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &json!({"title": "the sea"})).await.expect(200);
    assert_eq!(titles(&bo).await, ["the sea"]);
    mark(&bo, &ana, &entry, 2).await.expect(200);
    ana.unshare(&entry, &bo).await.expect(204);
    ana.patch(&format!("/v1/journal/entries/{entry}"), 2, &json!({"title": "the delta"})).await.expect(200);
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    assert_eq!(titles(&bo).await, ["the delta"], "shared again with other words");
}

async fn a_frozen_share_stays_reviewed_whatever_is_written_later(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = shared(&ana, &bo, "as it was", &json!({"frozen": true})).await;
    mark(&bo, &ana, &entry, 1).await.expect(200);
    let known = tag(&bo).await;
    ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &json!({"title": "as it is"})).await.expect(200);
    assert_eq!(poll(&bo, &known).await.status, 304, "nobody learns that she went on writing");
    assert!(titles(&bo).await.is_empty());
}

async fn only_the_words_that_were_read_can_be_marked(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = shared(&ana, &bo, "first words", &json!({})).await;
    ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &json!({"title": "other words"})).await.expect(200);
    mark(&bo, &ana, &entry, 1).await.refused(409, "entry_changed");
    mark(&bo, &ana, &entry, 3).await.refused(409, "entry_changed");
    mark(&bo, &ana, &entry, 0).await.invalid("/revision");
    let path = format!("/v1/review/entries/{entry}");
    bo.put(&path, &json!({"patient_id": "ana", "revision": 1})).await.invalid("/patient_id");
    bo.put(&path, &json!({"revision": 1})).await.invalid("/patient_id");
    bo.put(&path, &json!({"patient_id": ana.id, "revision": 2, "seen": true})).await.invalid("/seen");
    assert_eq!(titles(&bo).await, ["other words"]);
    mark(&bo, &ana, &entry, 2).await.expect(200);
}

async fn nobody_marks_what_is_not_shared_with_them(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    let ben = app.patient("ben").await;
    let (hers, private) = (shared(&ana, &bo, "for Bo", &json!({})).await, ana.entry("for nobody").await);
    mark(&dee, &ana, &hers, 1).await.refused(404, "not_found");
    mark(&bo, &ana, &private, 1).await.refused(404, "not_found");
    mark(&bo, &ben, &hers, 1).await.refused(404, "not_found");
    mark(&ana, &ana, &hers, 1).await.refused(403, "forbidden_role");
    assign(&app, &ana, &dee).await;
    mark(&dee, &ana, &hers, 1).await.refused(404, "not_found");
    ana.unshare(&hers, &bo).await.expect(204);
    mark(&bo, &ana, &hers, 1).await.refused(404, "not_found");
    assert_eq!(
        app.query("SELECT 1 AS one FROM journal_shares WHERE reviewed_at IS NOT NULL", vec![]).await.len(),
        0
    );
}

async fn a_poll_costs_one_statement_while_nothing_changes(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    shared(&ana, &bo, "for Bo", &json!({})).await;
    let known = tag(&bo).await;
    let events = app.count("audit_events").await;
    let request = bo.request(Method::GET, QUEUE).await.header("if-none-match", &known);
    let (reply, statements) = counted(request.send()).await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (304, 0));
    assert_eq!(reply.headers["etag"], known.as_str());
    assert_eq!(statements, 2, "who is asking, and the tag");
    assert_eq!(app.count("audit_events").await, events, "nothing was shown, so nothing is recorded");
    assert_eq!(poll(&bo, "\"other\"").await.status, 200);
}

async fn whatever_changes_the_queue_changes_its_tag(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    assign(&app, &ana, &dee).await;
    let mut known = tag(&bo).await;
    let dees = tag(&dee).await;
    let entry = ana.entry("the river").await;
    let path = format!("/v1/journal/entries/{entry}");
    let until = json!({"until": (app.now() + Duration::days(3)).to_rfc3339()});
    type Change<'a> = (&'a str, std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>);
    let changes: Vec<Change<'_>> = vec![
        ("shared", Box::pin(async { drop(ana.share(&entry, &bo, &json!({})).await.expect(200)) })),
        (
            "new words",
            Box::pin(async { drop(ana.patch(&path, 1, &json!({"title": "sea"})).await.expect(200)) }),
        ),
        (
            "a mark",
            Box::pin(async { drop(ana.patch(&path, 2, &json!({"to_talk_about": true})).await.expect(200)) }),
        ),
        ("reviewed", Box::pin(async { drop(mark(&bo, &ana, &entry, 2).await.expect(200)) })),
        ("shared otherwise", Box::pin(async { drop(ana.share(&entry, &bo, &until).await.expect(200)) })),
        ("unshared", Box::pin(async { drop(ana.unshare(&entry, &bo).await.expect(204)) })),
        ("shared again", Box::pin(async { drop(ana.share(&entry, &bo, &json!({})).await.expect(200)) })),
        (
            "another name",
            Box::pin(async {
                drop(ana.patch("/v1/me", 1, &json!({"display_name": "Anna"})).await.expect(200))
            }),
        ),
        ("deleted", Box::pin(async { drop(ana.delete_at(&path, 3).await.expect(204)) })),
        ("a new patient", Box::pin(async { drop(app.patient("ben").await) })),
    ];
    for (what, change) in changes {
        change.await;
        let reply = poll(&bo, &known).await;
        assert_eq!(reply.status, 200, "{what}");
        known = reply.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(poll(&bo, &known).await.status, 304, "{what}");
    }
    assert_ne!(tag(&dee).await, dees, "her name is also on Dee's list");
    let dees = tag(&dee).await;
    ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    assert_eq!(poll(&bo, &known).await.status, 200, "an alert");
    assert_eq!(poll(&dee, &dees).await.status, 200, "an alert, for everybody in her care team");
}

async fn what_is_private_never_moves_the_tag(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    assign(&app, &ana, &dee).await;
    shared(&ana, &bo, "for Bo", &json!({})).await;
    let (known, dees) = (tag(&bo).await, tag(&dee).await);
    let entry = ana.entry("for nobody").await;
    ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &json!({"title": "still mine"})).await.expect(200);
    ana.delete_at(&format!("/v1/journal/entries/{entry}"), 2).await.expect(204);
    ana.checkin(6).await;
    ana.goal("hers").await;
    let other = shared(&ana, &dee, "for Dee", &json!({})).await;
    ana.patch(&format!("/v1/journal/entries/{other}"), 1, &json!({"title": "for Dee still"}))
        .await
        .expect(200);
    assert_eq!(poll(&bo, &known).await.status, 304);
    assert_eq!(poll(&dee, &dees).await.status, 200);
}

async fn rights_that_end_empty_the_queue_at_once(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let (ben, cai) = (app.patient("ben").await, app.patient("cai").await);
    for patient in [&ana, &ben, &cai] {
        shared(patient, &bo, &patient.name.clone(), &json!({})).await;
    }
    ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    let known = tag(&bo).await;
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    let after = poll(&bo, &known).await;
    let known = after.headers["etag"].to_str().unwrap().to_owned();
    let body = after.expect(200);
    assert_eq!((body["alerts"].as_array().unwrap().len(), body["items"].as_array().unwrap().len()), (0, 2));
    let withdrawn = json!({"purpose": "sharing_with_care_team", "decision": "withdrawn"});
    ben.post("/v1/consents", &withdrawn).await.expect(201);
    assert_eq!(poll(&bo, &known).await.status, 200);
    assert_eq!(titles(&bo).await, ["cai"]);
    let known = tag(&bo).await;
    app.execute("UPDATE accounts SET state = 'closed' WHERE id = $1", vec![cai.id.into()]).await;
    assert_eq!(poll(&bo, &known).await.status, 200);
    assert!(titles(&bo).await.is_empty());
    // A therapist who is none any more is told so, whatever they still have.
    app.execute("UPDATE accounts SET capabilities = 'admin' WHERE id = $1", vec![bo.id.into()]).await;
    poll(&bo, &known).await.refused(403, "forbidden_role");
}

async fn a_share_that_runs_out_leaves_the_queue_by_itself(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    shared(&ana, &bo, "for a day", &json!({"until": (app.now() + Duration::days(1)).to_rfc3339()})).await;
    assert_eq!(titles(&bo).await, ["for a day"]);
    let known = tag(&bo).await;
    app.advance(Duration::hours(23));
    assert_eq!(poll(&bo, &known).await.status, 304);
    app.advance(Duration::hours(1));
    assert_eq!(poll(&bo, &known).await.status, 200);
    assert!(titles(&bo).await.is_empty());
    let roster = bo.get("/v1/patients").await.expect(200);
    assert_eq!(roster["items"][0]["unreviewed"], 0);
}

async fn reads_of_the_queue_are_in_the_access_log(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    let entry = shared(&ana, &bo, "for Bo", &json!({})).await;
    queue(&bo).await;
    mark(&bo, &ana, &entry, 1).await.expect(200);
    let log = ana.get("/v1/me/access-log").await.expect(200);
    let actions: Vec<&Value> = log["items"].as_array().unwrap().iter().map(|item| &item["action"]).collect();
    assert!(actions.starts_with(&[&json!("review.mark"), &json!("review.queue")]), "{actions:?}");
    let log = ben.get("/v1/me/access-log").await.expect(200);
    assert!(!log.to_string().contains("review.queue"), "nothing of Ben was shown");
}

async fn the_gravest_alert_is_there_however_many_there_are(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    for _ in 0..101 {
        ana.post("/v1/measure-responses", &crate::measures::form("gad-2", "33")).await.expect(201);
    }
    app.advance(Duration::minutes(1));
    ana.post("/v1/measure-responses", &crate::measures::form("phq-9", "000000001")).await.expect(201);
    let digest = bo.get(&format!("/v1/patients/{}/digest", ana.id)).await.expect(200);
    let queue = queue(&bo).await;
    assert_eq!(queue["alerts"].as_array().unwrap().len(), 100);
    assert_eq!(queue["alerts"][0]["rule"], "phq9-item9-any");
    assert!(digest.to_string().contains("phq9-item9-any"), "{digest}");
}
