//! Alerts climb until a named person takes them upon them.

use afterglow::{demo::receiver::PushReceiver, mail, scheduler};
use axum::http::Method;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::{
    authz::assign,
    harness::{Person, Received, Smtp, TestApp, both_engines, email, id_of},
    mail::through,
    review::{cover, night, register, tick},
};

both_engines![
    a_night_with_nobody_answering_ends_at_the_clinics_line,
    within_hours_everybody_waits_for_the_clinic_to_open,
    an_acknowledged_alert_climbs_no_further,
    two_who_answer_at_once_are_one_name,
    whoever_left_is_not_told_and_sees_nothing,
    a_step_with_nobody_in_it_goes_straight_on,
    without_a_policy_the_clinic_is_told_in_its_hours,
    what_waits_for_the_next_review_rings_nowhere,
    the_patient_sees_who_was_told_and_when,
    a_mail_tells_beside_the_push_and_not_of_what_is_over,
    a_mail_server_that_is_down_holds_up_no_alert,
    one_who_cannot_be_written_to_keeps_it_from_nobody,
    whoever_stands_in_is_told_instead,
    two_workers_tell_each_step_once,
    nobody_acknowledges_what_they_may_not_see,
];

pub async fn very_low(ana: &Person) {
    ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
}

async fn open_alerts(who: &Person) -> Vec<Value> {
    who.get("/v1/alerts").await.expect(200)["items"].as_array().unwrap().clone()
}

async fn acknowledge(who: &Person, alert: &str, reason: &str) -> crate::harness::Reply {
    who.post(&format!("/v1/alerts/{alert}/acknowledge"), &json!({ "reason": reason })).await
}

/// Who has been told in which step.
pub async fn told(app: &TestApp) -> Vec<(uuid::Uuid, String, String)> {
    let sql = "SELECT recipient_id, category, slot FROM notifications WHERE origin_kind = 'alert' ORDER BY created_at, slot";
    let rows = app.query(sql, vec![]).await;
    rows.iter()
        .map(|row| {
            let slot: String = row.try_get("", "slot").unwrap();
            let step = slot.rsplit(':').next().unwrap().to_owned();
            (row.try_get("", "recipient_id").unwrap(), row.try_get("", "category").unwrap(), step)
        })
        .collect()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub fn steps(told: &[(uuid::Uuid, String, String)]) -> Vec<(&str, &str)> {
    told.iter().map(|(_, category, step)| (category.as_str(), step.as_str())).collect()
}

async fn a_night_with_nobody_answering_ends_at_the_clinics_line(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    // Nobody has a device: what cannot be sent is written down, and the ladder goes on.
    night(&app, &dee, "00:00", "23:59").await;
    very_low(&ana).await;
    tick(&app).await;
    assert_eq!(steps(&told(&app).await), [("alert_care_team", "0")]);
    assert!(open_alerts(&dee).await.is_empty(), "it has not come to Dee yet");
    for _ in 0..12 * 6 {
        app.advance(Duration::minutes(10));
        tick(&app).await;
    }
    let told = told(&app).await;
    let found = steps(&told);
    assert_eq!(&found[..2], [("alert_care_team", "0"), ("alert_covering", "1")]);
    let line: Vec<_> = found[2..].iter().map(|(category, _)| *category).collect();
    assert!(
        line.len() >= 4 && line.iter().all(|one| *one == "alert_line"),
        "the line is told again: {found:?}"
    );
    for (recipient, category, _) in &told {
        match category.as_str() {
            "alert_care_team" => assert_eq!(*recipient, bo.id),
            "alert_covering" => assert_eq!(*recipient, dee.id),
            _ => assert!([bo.id, dee.id].contains(recipient)),
        }
    }
    let seen = open_alerts(&dee).await;
    assert_eq!((&seen[0]["patient_name"], &seen[0]["rule"]), (&json!("ana"), &json!("checkin-very-low")));
    assert_eq!(open_alerts(&bo).await.len(), 1, "never dropped");
    let reasons = "SELECT DISTINCT state, reason FROM notifications WHERE origin_kind = 'alert'";
    let rows = app.query(reasons, vec![]).await;
    assert_eq!((rows.len(), rows[0].try_get::<String>("", "reason").unwrap()), (1, "no_device".to_owned()));
}

async fn within_hours_everybody_waits_for_the_clinic_to_open(app: TestApp) {
    let (ana, dee) = (app.patient("ana").await, app.therapist("dee").await);
    night(&app, &dee, "09:00", "17:00").await;
    // Sunday, 22:00 in Berlin.
    app.advance(Duration::hours(9));
    very_low(&ana).await;
    let mut when = Vec::new();
    for _ in 0..24 * 6 {
        tick(&app).await;
        let count = told(&app).await.len();
        if count > when.len() {
            when.resize(count, app.now());
        }
        app.advance(Duration::minutes(10));
    }
    assert_eq!(
        when[..3],
        [at("2026-11-23T08:00:00Z"), at("2026-11-23T08:30:00Z"), at("2026-11-23T09:30:00Z")]
    );
}

async fn an_acknowledged_alert_climbs_no_further(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    night(&app, &dee, "00:00", "23:59").await;
    very_low(&ana).await;
    tick(&app).await;
    let alert = id_of(&open_alerts(&bo).await[0]);
    acknowledge(&bo, &alert, "").await.invalid("/reason");
    acknowledge(&bo, &alert, &"x".repeat(2_001)).await.invalid("/reason");
    let mine = acknowledge(&bo, &alert, " Called her; she is with her sister. ").await.expect(200);
    let by = &mine["acknowledgement"];
    assert_eq!((&by["member_id"], &by["display_name"]), (&json!(bo.id), &json!("bo")));
    assert_eq!(
        (&by["reason"], mine.get("next_step_at")),
        (&json!("Called her; she is with her sister."), None)
    );
    // Said once more after a lost answer, it stays as it was.
    acknowledge(&bo, &alert, "again").await.expect(200);
    app.advance(Duration::hours(12));
    tick(&app).await;
    assert_eq!(told(&app).await.len(), 1);
    assert!(open_alerts(&bo).await.is_empty());
    let known = bo.get("/v1/alerts?state=acknowledged").await.expect(200);
    assert_eq!(known["items"][0]["acknowledgement"]["reason"], "Called her; she is with her sister.");
    let stored = app.query("SELECT note_sealed FROM alerts", vec![]).await;
    let stored: Vec<u8> = stored[0].try_get("", "note_sealed").unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains("sister"));
    let log = ana.get("/v1/me/access-log").await.expect(200);
    let acts = log["items"].as_array().unwrap().iter().filter(|act| act["action"] == "alerts.acknowledge");
    assert_eq!(acts.count(), 2, "whoever repeats it reads it again: {log}");
    let roster = bo.get("/v1/patients").await.expect(200);
    assert!(roster["items"][0].get("open_alerts").is_none());
}

async fn two_who_answer_at_once_are_one_name(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    assign(&app, &ana, &dee).await;
    very_low(&ana).await;
    let alert = id_of(&open_alerts(&bo).await[0]);
    let (one, two) = tokio::join!(acknowledge(&bo, &alert, "mine"), acknowledge(&dee, &alert, "no, mine"));
    let mut answers = [one.status.as_u16(), two.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [200, 409]);
    let known = bo.get("/v1/alerts?state=acknowledged").await.expect(200);
    let winner = if one.status == 200 { "mine" } else { "no, mine" };
    assert_eq!(known["items"][0]["acknowledgement"]["reason"], winner);
}

async fn whoever_left_is_not_told_and_sees_nothing(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    night(&app, &dee, "00:00", "23:59").await;
    let push = PushReceiver::start_with(app.state.clock.clone()).await.unwrap();
    register(&bo, &push).await;
    very_low(&ana).await;
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    tick(&app).await;
    let first = told(&app).await;
    assert_eq!(steps(&first), [("alert_covering", "1")], "nobody is left in the first step");
    assert!(open_alerts(&bo).await.is_empty());
    bo.post("/v1/alerts/0193a1f0-7c00-7000-8000-000000000001/acknowledge", &json!({"reason": "x"}))
        .await
        .refused(404, "not_found");
}

async fn a_step_with_nobody_in_it_goes_straight_on(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    night(&app, &dee, "00:00", "23:59").await;
    app.stop(&dee).await;
    very_low(&ana).await;
    tick(&app).await;
    app.advance(Duration::minutes(30));
    tick(&app).await;
    let found = told(&app).await;
    assert_eq!(steps(&found), [("alert_care_team", "0"), ("alert_line", "2")]);
    assert_eq!(found[1].0, bo.id);
}

async fn without_a_policy_the_clinic_is_told_in_its_hours(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    very_low(&ana).await;
    tick(&app).await;
    assert!(told(&app).await.is_empty(), "it is Sunday");
    // Monday, ten in Berlin: the clinic opened at nine.
    app.advance(at("2026-11-23T09:00:00Z") - app.now());
    tick(&app).await;
    assert_eq!(steps(&told(&app).await), [("alert_care_team", "0")]);
    app.advance(Duration::hours(1));
    tick(&app).await;
    let found = told(&app).await;
    assert_eq!(steps(&found), [("alert_care_team", "0"), ("alert_line", "1")]);
    assert_eq!(found[1].0, bo.id, "the only one who treats");
}

async fn what_waits_for_the_next_review_rings_nowhere(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let form = crate::measures::form("gad-2", "33");
    ana.post("/v1/measure-responses", &form).await.expect(201);
    app.advance(Duration::days(2));
    tick(&app).await;
    assert!(told(&app).await.is_empty());
    let seen = open_alerts(&bo).await;
    assert_eq!((seen.len(), seen[0].get("next_step_at")), (1, None));
    assert_eq!(ana.get("/v1/me/alerts").await.expect(200)["items"], json!([]));
}

async fn the_patient_sees_who_was_told_and_when(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    night(&app, &dee, "00:00", "23:59").await;
    let push = PushReceiver::start_with(app.state.clock.clone()).await.unwrap();
    register(&bo, &push).await;
    very_low(&ana).await;
    let own = ana.get("/v1/me/alerts").await.expect(200);
    assert_eq!((own["items"][0]["told"].clone(), own["notice"].is_string()), (json!([]), true));
    tick(&app).await;
    let pushes = push.received();
    assert_eq!(pushes.len(), 1);
    let words = pushes[0].plaintext_json.to_string();
    assert!(words.contains("Please open the app"), "{words}");
    assert!(!words.contains("ana") && !words.to_lowercase().contains("alert"), "{words}");
    let own = ana.get("/v1/me/alerts").await.expect(200);
    let told = &own["items"][0]["told"];
    assert_eq!((told.as_array().unwrap().len(), &told[0]["to"]), (1, &json!("care_team")));
    assert_eq!(told[0]["at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap(), app.now());
    assert_eq!(own["items"][0].get("seen_at"), None);
    app.advance(Duration::minutes(5));
    let alert = id_of(&open_alerts(&bo).await[0]);
    acknowledge(&bo, &alert, "Called her.").await.expect(200);
    let own = ana.get("/v1/me/alerts").await.expect(200);
    assert_eq!((&own["items"][0]["seen_by"], own["items"][0]["seen_at"].is_string()), (&json!("bo"), true));
    assert!(!own.to_string().contains("Called"), "what was written down is the clinic's");
    assert_eq!(dee.get("/v1/alerts").await.expect(200)["items"], json!([]));
    app.patient("ben").await.get("/v1/me/alerts").await.expect(200);
}

async fn a_mail_tells_beside_the_push_and_not_of_what_is_over(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    night(&app, &dee, "00:00", "23:59").await;
    app.execute("DELETE FROM jobs", vec![]).await;
    let smtp = Smtp::start().await;
    let beside = through(&app, smtp.port).await;
    very_low(&ana).await;
    tick(&app).await;
    app.advance(Duration::minutes(3));
    assert_eq!(mail::tick(&beside.state).await.unwrap().sent, 1);
    let received = smtp.received();
    assert!(received[0].to.contains(&email("bo")), "{received:?}");
    let words = &received[0].text;
    assert!(words.contains("Subject: Something needs your attention") && !words.contains("ana"), "{words}");
    let own = ana.get("/v1/me/alerts").await.expect(200);
    assert_eq!(own["items"][0]["told"], json!([{"to": "care_team", "at": json!(app.now())}]));
    // Dee is next; her mail has not left when Bo answers.
    app.advance(Duration::minutes(27));
    tick(&app).await;
    let alert = id_of(&open_alerts(&bo).await[0]);
    acknowledge(&bo, &alert, "Called her.").await.expect(200);
    // Another mail tells Bo of his new login.
    assert_eq!(mail::tick(&beside.state).await.unwrap().dropped, 1);
    let attention = |mail: &&Received| mail.text.contains("needs your attention");
    assert_eq!(smtp.received().iter().filter(attention).count(), 1);
}

async fn a_mail_server_that_is_down_holds_up_no_alert(app: TestApp) {
    let (ana, dee) = (app.patient("ana").await, app.therapist("dee").await);
    night(&app, &dee, "00:00", "23:59").await;
    app.execute("DELETE FROM jobs", vec![]).await;
    let smtp = Smtp::start().await;
    let port = smtp.port;
    drop(smtp);
    let down = through(&app, port).await;
    very_low(&ana).await;
    for _ in 0..4 {
        tick(&app).await;
        let report = mail::tick(&down.state).await.unwrap();
        assert_eq!((report.sent, report.dropped), (0, 0));
        app.advance(Duration::minutes(30));
    }
    let found = told(&app).await;
    assert_eq!(steps(&found)[..3], [("alert_care_team", "0"), ("alert_covering", "1"), ("alert_line", "2")]);
    assert_eq!(
        ana.get("/v1/me/alerts").await.expect(200)["items"][0]["told"],
        json!([]),
        "nobody was reached"
    );
    let smtp = Smtp::start().await;
    let up = through(&app, smtp.port).await;
    app.advance(Duration::hours(1));
    while mail::tick(&up.state).await.unwrap().claimed > 0 {}
    let own = ana.get("/v1/me/alerts").await.expect(200);
    let to: Vec<_> =
        own["items"][0]["told"].as_array().unwrap().iter().map(|one| one["to"].clone()).collect();
    assert_eq!(to.len(), 3, "{own}");
}

async fn one_who_cannot_be_written_to_keeps_it_from_nobody(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let dee = app.therapist("dee").await;
    assign(&app, &ana, &dee).await;
    night(&app, &dee, "00:00", "23:59").await;
    app.execute("DELETE FROM jobs", vec![]).await;
    let broken = vec![bo.id.into(), vec![0_u8; 60].into()];
    app.execute("UPDATE data_keys SET wrapped = $2 WHERE owner_id = $1", broken).await;
    very_low(&ana).await;
    tick(&app).await;
    let mut people: Vec<_> = told(&app).await.into_iter().map(|(who, ..)| who).collect();
    people.sort_unstable();
    let mut both = vec![bo.id, dee.id];
    both.sort_unstable();
    assert_eq!((people, app.count("jobs").await), (both, 1));
}

async fn whoever_stands_in_is_told_instead(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    night(&app, &dee, "00:00", "23:59").await;
    cover(&bo, &dee, app.now() - Duration::hours(1), app.now() + Duration::days(1)).await.expect(201);
    very_low(&ana).await;
    let queue = dee.get("/v1/review/queue").await;
    let known = queue.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(queue.expect(200)["alerts"].as_array().unwrap().len(), 1);
    tick(&app).await;
    assert_eq!(told(&app).await[0], (dee.id, "alert_care_team".into(), "0".into()));
    app.advance(Duration::days(1));
    assert!(open_alerts(&dee).await.is_empty(), "it ends by itself");
    let after =
        dee.request(Method::GET, "/v1/review/queue").await.header("if-none-match", &known).send().await;
    assert_eq!(after.expect(200)["alerts"], json!([]));
}

async fn two_workers_tell_each_step_once(app: TestApp) {
    let (ana, dee) = (app.patient("ana").await, app.therapist("dee").await);
    night(&app, &dee, "00:00", "23:59").await;
    very_low(&ana).await;
    let beside = app.beside().await;
    for _ in 0..6 {
        let (one, two) = tokio::join!(scheduler::tick(&app.state), scheduler::tick(&beside.state));
        one.unwrap();
        two.unwrap();
        app.advance(Duration::minutes(30));
    }
    let found = told(&app).await;
    let mut slots: Vec<_> = found.iter().map(|(who, _, step)| (*who, step.clone())).collect();
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), found.len());
    assert_eq!(steps(&found)[..2], [("alert_care_team", "0"), ("alert_covering", "1")]);
}

async fn nobody_acknowledges_what_they_may_not_see(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let (dee, eve) = (app.therapist("dee").await, app.therapist_of("elsewhere", "eve").await);
    very_low(&ana).await;
    let alert = id_of(&open_alerts(&bo).await[0]);
    for who in [&dee, &eve] {
        acknowledge(who, &alert, "x").await.refused(404, "not_found");
        assert!(open_alerts(who).await.is_empty());
    }
    acknowledge(&ana, &alert, "x").await.refused(403, "forbidden_role");
    app.admin().await.get("/v1/alerts").await.refused(403, "forbidden_role");
    bo.get("/v1/alerts?state=gone").await.invalid("query/state");
    assert_eq!(
        app.query("SELECT 1 AS one FROM alerts WHERE acknowledged_at IS NOT NULL", vec![]).await.len(),
        0
    );
}
