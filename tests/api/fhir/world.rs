//! A patient with something of every kind that a bundle can have, and of every fate that keeps something out of it.

use axum::http::Method;
use chrono::Duration;
use serde_json::json;

use crate::{
    authz::{administration, assign},
    harness::{Person, TestApp, id_of},
    measures::form,
    review::night,
};

/// Words that would be markup if anybody let them.
pub const HOSTILE: &str = "</div><script>alert(\"1\")</script> & 'words'";

/// Ana with something of every kind, her therapist Bo, and Mia who is medical staff.
pub struct World {
    pub ana: Person,
    pub bo: Person,
    pub mia: Person,
    pub dosing: String,
    pub planned: String,
    pub live: String,
    pub frozen: String,
    pub goal: String,
}

impl World {
    pub async fn new(app: &TestApp) -> Self {
        let (ana, bo, mia) = (app.patient("ana").await, app.therapist("bo").await, app.medical("mia").await);
        assign(app, &ana, &mia).await;
        night(app, &app.therapist("dee").await, "09:00", "17:00").await;
        for purpose in ["sharing_with_care_team", "reminders"] {
            let answer =
                json!({"purpose": purpose, "decision": "given", "text_version": "1", "language": "en"});
            ana.post("/v1/consents", &answer).await.expect(201);
        }
        let dosing = id_of(&bo.schedule(&ana, "dosing", app.now()).await);
        bo.step(&format!("/v1/sessions/{dosing}/start"), 1).await.expect(200);
        answers(app, &ana, &bo).await;
        let goal = goals(&ana, &bo, &mia).await;
        let planned = sessions(app, (&ana, &bo, &mia), &dosing).await;
        let (live, frozen) = journal(&ana, &bo, &mia).await;
        let world = Self { ana, bo, mia, dosing, planned, live, frozen, goal };
        world.words_of_the_patient().await;
        world
    }

    async fn words_of_the_patient(&self) {
        let ana = &self.ana;
        let plan = json!({"coping": ["walk to the river"]});
        ana.request(Method::PUT, "/v1/safety-plan").await.if_match(0).json(&plan).send().await.expect(200);
        let rule = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"}, "body": "my own rule"});
        ana.post("/v1/reminders", &rule).await.expect(201);
        let wish = json!({"kind": "new", "note": "a note to the clinic",
            "preferred": [{"from": "2026-12-01T09:00:00Z", "until": "2026-12-01T12:00:00Z"}]});
        ana.post("/v1/sessions/requests", &wish).await.expect(201);
    }
}

/// What she answered: one form that was asked for, one of her own, and check-ins of July and of today.
async fn answers(app: &TestApp, ana: &Person, bo: &Person) {
    let asked = json!({"measure_id": "phq-9", "due_at": (app.now() + Duration::days(3)).to_rfc3339()});
    let asked = bo.post(&format!("/v1/patients/{}/measure-assignments", ana.id), &asked).await.expect(201);
    let mut filled = form("phq-9", "3331111010");
    filled["assignment_id"] = asked["id"].clone();
    ana.post("/v1/measure-responses", &filled).await.expect(201);
    ana.post("/v1/measure-responses", &form("gad-2", "33")).await.expect(201);
    let july = json!({"mood": 6, "anxiety": 4, "sleep_hours": 7.5, "emotions": ["hopeful"], "note": "only for me",
        "taken_at": "2026-07-15T20:02:00Z"});
    let july = ana.post("/v1/checkins", &july).await.expect(201);
    ana.patch(&format!("/v1/checkins/{}", id_of(&july)), 1, &json!({"mood": 5})).await.expect(200);
    ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    let alerts = bo.get("/v1/alerts").await.expect(200);
    let low =
        alerts["items"].as_array().unwrap().iter().find(|one| one["rule"] == "checkin-very-low").unwrap();
    let reason = json!({"reason": "a note of the process"});
    bo.post(&format!("/v1/alerts/{}/acknowledge", id_of(low)), &reason).await.expect(200);
}

/// One goal that Bo proposed and she agreed to, and one of her own.
async fn goals(ana: &Person, bo: &Person, mia: &Person) -> String {
    let target =
        json!({"measure": "phq-9", "type": "percent-reduction", "value": 50, "due_date": "2027-01-17"});
    let proposal = json!({"title": "Feel less low", "target": target});
    let made = bo.post(&format!("/v1/patients/{}/goals", ana.id), &proposal).await.expect(201);
    ana.post(&format!("/v1/goals/{}/agree", id_of(&made)), &json!({})).await.expect(200);
    ana.share_goal(&id_of(&made), mia, &json!({})).await.expect(200);
    ana.goal("a goal of my own").await;
    id_of(&made)
}

/// A dosing session that was held and recorded, a planned one that was moved, and a plan ahead.
async fn sessions(app: &TestApp, (ana, bo, mia): (&Person, &Person, &Person), dosing: &str) -> String {
    let mut record = administration(app.now());
    let path = format!("/v1/sessions/{dosing}/administration");
    record["correction"].take();
    record.as_object_mut().unwrap().remove("correction");
    mia.request(Method::PUT, &path).await.if_match(0).json(&record).send().await.expect(200);
    app.advance(Duration::minutes(90));
    record["correction"] = json!("the pulse was 72");
    record["vitals"][0]["pulse"] = json!(72);
    record["vitals"][0]["oxygen_saturation"] = json!(97);
    mia.request(Method::PUT, &path).await.if_match(1).json(&record).send().await.expect(200);
    bo.step(&format!("/v1/sessions/{dosing}/complete"), 2).await.expect(200);
    let planned = id_of(&bo.schedule(ana, "integration", app.now() + Duration::days(2)).await);
    let path = format!("/v1/sessions/{planned}");
    ana.patch(&format!("{path}/intention"), 1, &json!({"text": "to meet my grief", "shared": true}))
        .await
        .expect(200);
    bo.patch(&path, 2, &json!({"starts_at": "2027-07-01T10:00:00Z", "location": "telehealth"}))
        .await
        .expect(200);
    let plan = json!({"template_id": "kap-weekly-4", "first_dosing_on": "2027-01-04", "route": "im",
        "without_measures": true});
    bo.post(&format!("/v1/patients/{}/plans", ana.id), &plan).await.expect(201);
    let told = "UPDATE notifications SET state = 'accepted', accepted_at = $2, shown_at = $2 WHERE recipient_id = $1 \
        AND origin_kind = 'session' AND id = (SELECT id FROM notifications WHERE recipient_id = $1 \
        AND origin_kind = 'session' AND state = 'planned' ORDER BY due_at, id LIMIT 1)";
    assert_eq!(app.execute(told, vec![ana.id.into(), app.now().into()]).await.rows_affected(), 1);
    planned
}

/// Entries of every fate: live, frozen, unshared again, for a while only, a draft, and hers alone.
async fn journal(ana: &Person, bo: &Person, mia: &Person) -> (String, String) {
    let live = ana.entry(HOSTILE).await;
    let frozen = ana.entry("as it was frozen").await;
    let gone = ana.entry("taken back").await;
    let over = ana.entry("for an hour").await;
    ana.entry("mine alone").await;
    let draft = json!({"state": "draft", "fields": {"text": "not finished"}});
    ana.post("/v1/journal/entries", &draft).await.expect(201);
    let hour = ana.app.now() + Duration::hours(1);
    for (entry, how) in [
        (&live, json!({})),
        (&frozen, json!({"frozen": true})),
        (&gone, json!({})),
        (&over, json!({"until": hour})),
    ] {
        for member in [bo, mia] {
            ana.share(entry, member, &how).await.expect(200);
        }
    }
    for member in [bo, mia] {
        ana.unshare(&gone, member).await.expect(204);
    }
    ana.app.advance(Duration::hours(1));
    for (entry, words) in [(&live, "written later, for Bo too"), (&frozen, "after the freezing")] {
        let words = json!({"fields": {"text": format!("{words} {HOSTILE}")}});
        ana.patch(&format!("/v1/journal/entries/{entry}"), 1, &words).await.expect(200);
    }
    let below = format!("journal/entries/{live}/comments");
    bo.post(&format!("/v1/patients/{}/{below}", ana.id), &json!({"text": "Thank you."})).await.expect(201);
    ana.app.advance(Duration::minutes(1));
    ana.post(&format!("/v1/{below}"), &json!({"text": "Until Tuesday."})).await.expect(201);
    (live, frozen)
}
