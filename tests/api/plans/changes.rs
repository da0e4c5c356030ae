//! Plans that are moved, cancelled and completed, and how many statements that takes.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::{at, pair, plan, plans, starts};
use crate::{
    authz::assign,
    harness::{TestApp, both_engines, counted, id_of},
};

both_engines![
    a_longer_plan_takes_no_more_statements,
    shifting_moves_all_that_follows_and_its_reminders,
    cancelling_a_plan_ends_what_is_still_to_come,
    a_plan_is_completed_when_its_sessions_are_over,
];

async fn a_longer_plan_takes_no_more_statements(app: TestApp) {
    let (_, bo) = pair(&app).await;
    // Twice each: spans that open while another test comes or goes may escape the count, none is ever counted twice.
    let mut counts = [[0; 3]; 2];
    for (name, size, left_out) in [("one", 0, 10), ("two", 1, 0), ("three", 0, 10), ("four", 1, 0)] {
        let patient = app.patient_of(&bo, name).await;
        let with = app.therapist(&format!("with-{name}")).await;
        assign(&app, &patient, &with).await;
        let mut body = plan("kap-weekly-4", "im");
        body["member_id"] = json!(with.id);
        let all = bo.get("/v1/plan-templates").await.expect(200);
        let template = all["items"].as_array().unwrap().iter().find(|one| one["id"] == "kap-weekly-4");
        let keys = template.unwrap()["sessions"].as_array().unwrap().iter().map(|one| one["key"].clone());
        body["leave_out"] = keys.rev().take(left_out).collect();
        let (made, started) = counted(async { bo.post(&plans(&patient), &body).await }).await;
        let made = made.expect(201);
        assert_eq!(made["sessions"].as_array().unwrap().len(), 15 - left_out);
        let first = format!("/v1/sessions/{}", id_of(&made["sessions"][0]));
        let to = (starts(&made["sessions"][0]) + Duration::days(1)).to_rfc3339();
        let body = json!({"starts_at": to, "shift_following": true});
        let (moved, shifted) = counted(async { bo.patch(&first, 1, &body).await }).await;
        moved.expect(200);
        let path = format!("{}/{}", plans(&patient), id_of(&made));
        let (ended, cancelled) =
            counted(async { bo.patch(&path, 1, &json!({"state": "cancelled"})).await }).await;
        ended.expect(200);
        for (most, count) in counts[size].iter_mut().zip([started, shifted, cancelled]) {
            *most = count.max(*most);
        }
    }
    assert_eq!(counts[0], counts[1]);
    println!("{:?}: statements to start, shift and cancel a plan: {:?}", app.engine(), counts[1]);
    assert!(counts[1].iter().all(|count| (8..40).contains(count)), "{counts:?}");
}

/// When the pending reminders of a session are due.
async fn due(app: &TestApp, session: &Value) -> Vec<DateTime<Utc>> {
    let id: uuid::Uuid = id_of(session).parse().unwrap();
    let sql = "SELECT due_at FROM notifications WHERE origin_id = $1 AND state = 'planned' ORDER BY due_at";
    let rows = app.query(sql, vec![id.into()]).await;
    rows.iter().map(|row| row.try_get("", "due_at").unwrap()).collect()
}

async fn shifting_moves_all_that_follows_and_its_reminders(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.post(&plans(&ana), &plan("kap-weekly-4", "im")).await.expect(201);
    let path = format!("{}/{}", plans(&ana), id_of(&made));
    let before = made["sessions"].as_array().unwrap().clone();
    let third = before.iter().position(|one| one["plan_key"] == "dosing-2").unwrap();
    let mut reminders = Vec::new();
    for session in &before {
        reminders.push(due(&app, session).await);
    }
    let target = format!("/v1/sessions/{}", id_of(&before[third]));
    let lone = bo.schedule(&ana, "evaluation", at("2026-11-30T08:00:00Z")).await;
    let moved_to = json!({"starts_at": "2026-12-01T08:00:00Z", "shift_following": true});
    bo.patch(&format!("/v1/sessions/{}", id_of(&lone)), 1, &moved_to).await.invalid("/shift_following");
    bo.patch(&target, 1, &json!({"shift_following": true})).await.invalid("/shift_following");
    // A whole week later, so that every day stays the weekday it was.
    let to = (starts(&before[third]) + Duration::days(7)).to_rfc3339();
    bo.patch(&target, 1, &json!({"starts_at": to, "shift_following": true})).await.expect(200);
    let after = bo.get(&path).await.expect(200)["sessions"].as_array().unwrap().clone();
    for (index, (old, new)) in before.iter().zip(&after).enumerate() {
        let days = if index < third { 0 } else { 7 };
        assert_eq!(starts(new), starts(old) + Duration::days(days), "{}", old["plan_key"]);
        assert_eq!(new["version"], if index < third { 1 } else { 2 });
        let now = due(&app, new).await;
        // What depended on the next dosing day may come or go; what is there moved along.
        let moved: Vec<_> = reminders[index].iter().map(|due| *due + Duration::days(days)).collect();
        let kept = moved.iter().filter(|due| now.contains(due)).count();
        assert!(!now.is_empty() && kept * 10 >= moved.len() * 8, "{index}: {now:?} {moved:?}");
    }
    let doubled = "SELECT slot FROM notifications WHERE state = 'planned' GROUP BY origin_id, template_id, slot HAVING COUNT(*) > 1";
    assert!(app.query(doubled, vec![]).await.is_empty());
    let ended = "SELECT DISTINCT reason FROM notifications WHERE state = 'cancelled'";
    let reasons: BTreeSet<String> =
        app.query(ended, vec![]).await.iter().map(|row| row.try_get("", "reason").unwrap()).collect();
    assert!(reasons.contains("session_moved"), "{reasons:?}");
    let asked = ana.get("/v1/measure-assignments?limit=100").await.expect(200);
    let opens: BTreeSet<&str> =
        asked["items"].as_array().unwrap().iter().map(|one| one["opens_at"].as_str().unwrap()).collect();
    // The one before the moved session stays where it was.
    assert!(opens.contains("2026-12-18T07:00:00Z") && opens.contains("2027-01-24T07:00:00Z"), "{opens:?}");
    // Nothing moves into what is taken, and then nothing has moved at all.
    bo.schedule(&ana, "integration", starts(&after[13]) + Duration::days(1)).await;
    let to = (starts(&after[third]) + Duration::days(1)).to_rfc3339();
    let body = json!({"starts_at": to, "shift_following": true});
    bo.patch(&target, 2, &body).await.refused(409, "session_overlap");
    assert_eq!(bo.get(&path).await.expect(200)["sessions"], json!(after));
    let past = json!({"starts_at": "2026-11-02T08:00:00Z", "shift_following": true});
    bo.patch(&target, 2, &past).await.invalid("/starts_at");
}

async fn cancelling_a_plan_ends_what_is_still_to_come(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let made = bo.post(&plans(&ana), &plan("kap-weekly-4", "im")).await.expect(201);
    let path = format!("{}/{}", plans(&ana), id_of(&made));
    let other = bo.schedule(&ana, "integration", at("2027-03-01T15:00:00Z")).await;
    app.clock.set(starts(&made["sessions"][0]) + Duration::minutes(70));
    bo.step(&format!("/v1/sessions/{}/complete", id_of(&made["sessions"][0])), 1).await.expect(200);
    bo.patch(&path, 1, &json!({"state": "active"})).await.invalid("/state");
    bo.patch(&path, 2, &json!({"state": "cancelled"})).await.refused(412, "stale_version");
    let ended = bo.patch(&path, 1, &json!({"state": "cancelled"})).await.expect(200);
    assert_eq!((&ended["state"], &ended["version"]), (&json!("cancelled"), &json!(2)));
    let states: Vec<&str> =
        ended["sessions"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states[0], "completed");
    assert!(states[1..].iter().all(|state| *state == "cancelled"), "{states:?}");
    for session in &made["sessions"].as_array().unwrap()[1..] {
        assert!(due(&app, session).await.is_empty());
    }
    assert!(!due(&app, &other).await.is_empty(), "what is not part of the plan stays");
    let sql = "SELECT id FROM measure_assignments WHERE state = 'open'";
    assert!(app.query(sql, vec![]).await.is_empty());
    bo.patch(&path, 2, &json!({"state": "completed"})).await.refused(409, "wrong_plan_state");
    // Its times are free again.
    let mut again = plan("kap-weekly-4", "im");
    again["leave_out"] = json!(["evaluation-1"]);
    bo.post(&plans(&ana), &again).await.expect(201);
}

async fn a_plan_is_completed_when_its_sessions_are_over(app: TestApp) {
    let (ana, bo) = pair(&app).await;
    let mut body = plan("maintenance-monthly-3", "im");
    let rest = ["integration-1", "preparation-2", "dosing-2", "integration-2", "preparation-3", "dosing-3"];
    body["leave_out"] = json!([rest.as_slice(), &["integration-3", "follow-up-1"]].concat());
    let made = bo.post(&plans(&ana), &body).await.expect(201);
    assert_eq!(made["sessions"].as_array().unwrap().len(), 2);
    let path = format!("{}/{}", plans(&ana), id_of(&made));
    bo.patch(&path, 1, &json!({"state": "completed"})).await.refused(409, "sessions_left");
    app.clock.set(starts(&made["sessions"][1]) + Duration::hours(4));
    for session in made["sessions"].as_array().unwrap() {
        bo.step(&format!("/v1/sessions/{}/complete", id_of(session)), 1).await.expect(200);
    }
    assert_eq!(bo.patch(&path, 1, &json!({"state": "completed"})).await.expect(200)["state"], "completed");
    assert_eq!(ana.get("/v1/plans").await.expect(200)["items"][0]["state"], "completed");
}
