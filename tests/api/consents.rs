//! Consents: the texts, the answers, and what a withdrawal ends.

use axum::http::Method;
use chrono::Duration;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::harness::{Person, Reply, TestApp, both_engines, id_of};

both_engines![
    texts_are_shown_in_the_readers_language,
    what_was_shown_is_kept,
    an_old_text_is_refused_by_naming_the_current_one,
    what_is_wrong_with_an_answer_is_named,
    withdrawing_sharing_closes_every_share_at_once,
    an_intention_is_closed_for_good_by_a_withdrawal,
    nothing_is_shared_while_sharing_is_withdrawn,
    withdrawing_reminders_ends_what_is_to_come_and_giving_again_plans_it_anew,
    the_sweep_leaves_those_who_withdrew_alone,
    a_repeated_answer_is_one_answer,
    answers_are_paged_latest_first_and_only_ones_own,
    an_answer_is_never_changed,
];

const SHARING: &str = "sharing_with_care_team";

async fn answer(who: &Person, purpose: &str, decision: &str) -> Reply {
    let body = json!({"purpose": purpose, "decision": decision, "text_version": "1"});
    who.post("/v1/consents", &body).await
}

async fn standing(who: &Person, purpose: &str) -> Value {
    let list = who.get("/v1/consents").await.expect(200);
    let standing = list["standing"].as_array().unwrap();
    standing.iter().find(|one| one["purpose"] == purpose).unwrap().clone()
}

/// Whether another language might have given another answer.
fn varies(reply: &Reply) -> bool {
    reply.headers.get_all("vary").iter().any(|value| value == "accept-language")
}

async fn texts_are_shown_in_the_readers_language(app: TestApp) {
    let ask = async |language: &str| {
        let request = app.anon().request(Method::GET, "/v1/consent-texts").await;
        request.header("accept-language", language).send().await
    };
    let reply = ask("es-MX, en;q=0.5").await;
    assert_eq!(reply.headers["content-language"], "es");
    assert!(varies(&reply), "the client decides");
    let spanish = reply.expect(200);
    assert_eq!(spanish["items"][0]["title"], "Recordatorios");
    assert_eq!(ask("fi").await.expect(200)["items"][0]["title"], "Reminders");
    let ana = app.patient("ana").await;
    ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    let request = ana.request(Method::GET, "/v1/consent-texts").await;
    let hers = request.header("accept-language", "en").send().await;
    assert!(!varies(&hers), "the account decides");
    assert_eq!(hers.expect(200), spanish);
}

async fn what_was_shown_is_kept(app: TestApp) {
    let ana = app.patient("ana").await;
    assert_eq!(standing(&ana, SHARING).await["state"], "not_asked");
    let shown = app.anon().get("/v1/consent-texts").await.expect(200)["items"][1].clone();
    let body = json!({"purpose": SHARING, "decision": "given", "text_version": "1", "language": "es"});
    let spanish = ana.post("/v1/consents", &body).await.expect(201);
    assert_eq!((&spanish["language"], &spanish["text_version"]), (&json!("es"), &json!("1")));
    assert_ne!(spanish["text_sha256"], shown["text_sha256"]);
    let english = answer(&ana, SHARING, "given").await.expect(201);
    assert_eq!(english["text_sha256"], shown["text_sha256"]);
    assert_eq!(standing(&ana, SHARING).await["state"], "given");
    // Withdrawing needs to know nothing of versions.
    ana.post("/v1/consents", &json!({"purpose": SHARING, "decision": "withdrawn"})).await.expect(201);
    let stands = standing(&ana, SHARING).await;
    assert_eq!((&stands["state"], &stands["text_version"]), (&json!("withdrawn"), &json!("1")));
    assert_eq!(app.count("consents").await, 3);
}

async fn an_old_text_is_refused_by_naming_the_current_one(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"purpose": SHARING, "decision": "given", "text_version": "0"});
    let problem = ana.post("/v1/consents", &body).await.invalid("/text_version");
    assert_eq!(problem["errors"][0]["code"], "text_not_current");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("version 1 "), "{problem}");
    assert_eq!(app.count("consents").await, 0);
}

async fn what_is_wrong_with_an_answer_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    for (body, pointer) in [
        (json!({"purpose": "research", "decision": "given", "text_version": "1"}), "/purpose"),
        (json!({"purpose": SHARING, "decision": "maybe", "text_version": "1"}), "/decision"),
        (json!({"purpose": SHARING, "text_version": "1"}), "/decision"),
        (json!({"purpose": SHARING, "decision": "given"}), "/text_version"),
        (json!({"purpose": SHARING, "decision": "given", "text_version": ""}), "/text_version"),
        (json!({"purpose": SHARING, "decision": "withdrawn", "text_version": "9"}), "/text_version"),
        (
            json!({"purpose": SHARING, "decision": "given", "text_version": "1", "language": "fi"}),
            "/language",
        ),
        (
            json!({"purpose": SHARING, "decision": "given", "text_version": "1", "given_at": "2026-01-01T00:00:00Z"}),
            "/given_at",
        ),
    ] {
        let problem = ana.post("/v1/consents", &body).await.expect(422);
        let pointers = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(
            pointers == pointer || pointers.is_empty() || pointer.starts_with(pointers),
            "{pointer}: {problem}"
        );
    }
    assert_eq!(app.count("consents").await, 0);
}

async fn withdrawing_sharing_closes_every_share_at_once(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    let entry = ana.entry("for Bo").await;
    let of_ben = ben.entry("of Ben").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    ben.share(&of_ben, &bo, &json!({})).await.expect(200);
    let path = format!("/v1/patients/{}/journal/entries/{entry}", ana.id);
    bo.get(&path).await.expect(200);
    let seq = async || -> i64 {
        let rows = app
            .query("SELECT sync_seq FROM journal_entries WHERE patient_id = $1", vec![ana.id.into()])
            .await;
        rows[0].try_get("", "sync_seq").unwrap()
    };
    let before = seq().await;
    answer(&ana, SHARING, "withdrawn").await.expect(201);
    bo.get(&path).await.refused(404, "not_found");
    let shares = ana.get(&format!("/v1/journal/entries/{entry}/shares")).await.expect(200);
    assert_eq!(shares["items"], json!([]));
    assert!(seq().await > before, "her other devices learn of it");
    bo.get(&format!("/v1/patients/{}/journal/entries/{of_ben}", ben.id)).await.expect(200);
}

async fn an_intention_is_closed_for_good_by_a_withdrawal(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let session = id_of(&bo.schedule(&ana, "preparation", app.now() + Duration::days(9)).await);
    let own = format!("/v1/sessions/{session}/intention");
    ana.patch(&own, 1, &json!({"text": "to rest", "shared": true})).await.expect(200);
    let theirs = format!("/v1/patients/{}/sessions/{session}/preparation", ana.id);
    assert_eq!(bo.get(&theirs).await.expect(200)["intention"], "to rest");
    answer(&ana, SHARING, "withdrawn").await.expect(201);
    assert!(bo.get(&theirs).await.expect(200)["intention"].is_null());
    answer(&ana, SHARING, "given").await.expect(201);
    assert!(bo.get(&theirs).await.expect(200)["intention"].is_null(), "nothing is shared by itself");
    assert_eq!(ana.get(&own).await.expect(200), json!({"text": "to rest", "shared": false}));
}

async fn nothing_is_shared_while_sharing_is_withdrawn(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("for Bo").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    answer(&ana, SHARING, "withdrawn").await.expect(201);
    let refused = ana.share(&entry, &bo, &json!({})).await.refused(409, "sharing_withdrawn");
    assert!(refused["detail"].as_str().unwrap().contains("Give it again"), "{refused}");
    // In the same instant: the later answer counts.
    answer(&ana, SHARING, "given").await.expect(201);
    let path = format!("/v1/patients/{}/journal/entries/{entry}", ana.id);
    bo.get(&path).await.refused(404, "not_found");
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    bo.get(&path).await.expect(200);
}

async fn states(who: &Person) -> Vec<(String, String)> {
    let ledger = who.get("/v1/notifications?limit=100").await.expect(200);
    let mut states: Vec<(String, String)> = ledger["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["state"].as_str().unwrap().into(), row["reason"].as_str().unwrap_or("").into()))
        .collect();
    states.sort();
    states.dedup();
    states
}

async fn withdrawing_reminders_ends_what_is_to_come_and_giving_again_plans_it_anew(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    bo.schedule(&ana, "dosing", app.now() + Duration::days(9)).await;
    let daily = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "09:00"}});
    ana.post("/v1/reminders", &daily).await.expect(201);
    let open = async || {
        let ledger = ana.get("/v1/notifications?limit=100").await.expect(200);
        let rows = ledger["items"].as_array().unwrap().iter().filter(|row| row["state"] == "planned");
        rows.map(|row| (row["due_at"].to_string(), row["title"].to_string())).collect::<Vec<_>>()
    };
    let planned = open().await;
    assert!(planned.len() > 5, "{planned:?}");
    answer(&ana, "reminders", "withdrawn").await.expect(201);
    assert_eq!(states(&ana).await, [("cancelled".to_owned(), "consent_withdrawn".to_owned())]);
    // Nothing that happens meanwhile plans anything.
    ana.patch("/v1/me", 1, &json!({"time_zone": "America/New_York"})).await.expect(200);
    ana.patch("/v1/me", 1, &json!({"time_zone": "Europe/Berlin"})).await.expect(200);
    assert_eq!(open().await, []);
    answer(&ana, "reminders", "given").await.expect(201);
    assert_eq!(open().await, planned);
}

async fn the_sweep_leaves_those_who_withdrew_alone(app: TestApp) {
    let ana = app.patient("ana").await;
    let daily = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "09:00"}});
    ana.post("/v1/reminders", &daily).await.expect(201);
    answer(&ana, "reminders", "withdrawn").await.expect(201);
    assert_eq!(afterglow::scheduler::sweep(&app.state).await.unwrap(), 0);
    answer(&ana, "reminders", "given").await.expect(201);
    app.execute("DELETE FROM notifications", vec![]).await;
    assert_eq!(afterglow::scheduler::sweep(&app.state).await.unwrap(), 1);
}

async fn a_repeated_answer_is_one_answer(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"purpose": SHARING, "decision": "given", "text_version": "1"});
    let send = async || {
        let request = ana.request(Method::POST, "/v1/consents").await;
        request.key("consent-1").json(&body).send().await.expect(201)
    };
    assert_eq!(send().await, send().await);
    assert_eq!(app.count("consents").await, 1);
}

async fn answers_are_paged_latest_first_and_only_ones_own(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    for decision in ["given", "withdrawn", "given"] {
        answer(&ana, SHARING, decision).await.expect(201);
        app.advance(Duration::minutes(1));
    }
    let first = ana.get("/v1/consents?limit=2").await.expect(200);
    let decisions = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|one| one["decision"].as_str().unwrap().into()).collect()
    };
    assert_eq!(decisions(&first), ["given", "withdrawn"]);
    let next = format!("/v1/consents?limit=2&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = ana.get(&next).await.expect(200);
    assert_eq!((decisions(&second), second.get("next_cursor")), (vec!["given".to_owned()], None));
    ben.get(&next).await.invalid("query/cursor");
    assert_eq!(ben.get("/v1/consents").await.expect(200)["items"], json!([]));
}

async fn an_answer_is_never_changed(app: TestApp) {
    let ana = app.patient("ana").await;
    answer(&ana, SHARING, "given").await.expect(201);
    for change in ["withdrawn_at = given_at", "text_hash = 'other'", "purpose = 'reminders'"] {
        let changed = app.conn().execute_unprepared(&format!("UPDATE consents SET {change}")).await;
        assert!(changed.unwrap_err().to_string().contains("never changed"), "{change}");
    }
    assert_eq!(standing(&ana, SHARING).await["state"], "given");
    app.execute("DELETE FROM consents WHERE patient_id = $1", vec![ana.id.into()]).await;
}
