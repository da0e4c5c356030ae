//! What therapists propose and see of a patient's goals.

use axum::http::Method;
use chrono::Duration;
use serde_json::json;

use crate::{
    authz::assign,
    goals::{own, seen, set},
    harness::{Person, TestApp, both_engines, id_of},
};

both_engines![
    own_goals_are_unseen_until_shared,
    a_share_ends_at_its_instant,
    a_proposal_counts_once_the_patient_agrees,
    a_declined_proposal_can_still_be_taken_up,
    agreeing_when_the_therapist_is_gone_shares_nothing,
    ending_care_closes_goals_and_proposals,
    staff_never_see_links_or_notes,
    what_therapists_do_is_in_the_audit_chain,
];

async fn listed(therapist: &Person, patient: &Person) -> Vec<String> {
    let list = therapist.get(&format!("/v1/patients/{}/goals", patient.id)).await.expect(200);
    list["items"].as_array().unwrap().iter().map(id_of).collect()
}

async fn own_goals_are_unseen_until_shared(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    let goal = ana.goal("mine").await;
    seen(&bo, &ana, &goal).await.refused(404, "not_found");
    assert!(listed(&bo, &ana).await.is_empty());
    let share = ana.share_goal(&goal, &bo, &json!({})).await.expect(200);
    assert_eq!(share["member_id"], bo.id.to_string());
    assert_eq!(ana.get(&format!("{}/shares", own(&goal))).await.expect(200)["items"], json!([share]));
    assert_eq!(seen(&bo, &ana, &goal).await.expect(200)["title"], "mine");
    assert_eq!(listed(&bo, &ana).await, std::slice::from_ref(&goal));
    assign(&app, &ana, &dee).await;
    seen(&dee, &ana, &goal).await.refused(404, "not_found");
    ana.patch(&own(&goal), 1, &json!({"title": "mine, better"})).await.expect(200);
    assert_eq!(seen(&bo, &ana, &goal).await.expect(200)["title"], "mine, better");
    ana.delete(&format!("{}/shares/{}", own(&goal), bo.id)).await.expect(204);
    seen(&bo, &ana, &goal).await.refused(404, "not_found");
    assert!(listed(&bo, &ana).await.is_empty());
    ana.delete(&format!("{}/shares/{}", own(&goal), bo.id)).await.refused(404, "not_found");
    ana.share_goal(&goal, &app.therapist_of("elsewhere", "eve").await, &json!({}))
        .await
        .refused(404, "not_found");
}

async fn a_share_ends_at_its_instant(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let goal = ana.goal("mine").await;
    for (until, pointer) in [("2026-11-22T12:00:00Z", "/until"), ("+10000-01-01T00:00:00Z", "/until")] {
        ana.share_goal(&goal, &bo, &json!({ "until": until })).await.invalid(pointer);
    }
    ana.share_goal(&goal, &bo, &json!({"until": "2026-11-22T12:01:00Z"})).await.expect(200);
    seen(&bo, &ana, &goal).await.expect(200);
    app.advance(Duration::minutes(1));
    seen(&bo, &ana, &goal).await.refused(404, "not_found");
    assert!(listed(&bo, &ana).await.is_empty());
    assert_eq!(ana.get(&format!("{}/shares", own(&goal))).await.expect(200)["items"], json!([]));
    ana.share_goal(&goal, &bo, &json!({})).await.expect(200);
    seen(&bo, &ana, &goal).await.expect(200);
}

async fn a_proposal_counts_once_the_patient_agrees(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    assign(&app, &ana, &dee).await;
    let goal = bo.propose(&ana, "as we discussed").await;
    let proposal = ana.get(&own(&goal)).await.expect(200);
    assert_eq!(
        (&proposal["lifecycle_status"], &proposal["proposed_by"]),
        (&json!("proposed"), &json!(bo.id))
    );
    assert_eq!(seen(&bo, &ana, &goal).await.expect(200)["lifecycle_status"], "proposed");
    seen(&dee, &ana, &goal).await.refused(404, "not_found");
    for words in [
        json!({"title": "mine"}),
        json!({"steps": []}),
        json!({"description": null}),
        json!({"entry_ids": []}),
    ] {
        ana.patch(&own(&goal), 1, &words).await.refused(409, "goal_not_agreed");
    }
    for status in ["active", "accepted", "completed"] {
        let refused = ana.patch(&own(&goal), 1, &json!({ "lifecycle_status": status })).await;
        refused.refused(409, "wrong_goal_state");
    }
    ana.post(&format!("{}/progress", own(&goal)), &json!({"note": "n"}))
        .await
        .refused(409, "goal_not_agreed");
    ana.share_goal(&goal, &dee, &json!({})).await.refused(409, "goal_not_agreed");
    let path = format!("{}/agree", own(&goal));
    let agreed = ana.request(Method::POST, &path).await.send().await.expect(200);
    assert_eq!((&agreed["lifecycle_status"], &agreed["version"]), (&json!("active"), &json!(2)));
    assert!(agreed["agreed_at"].is_string());
    assert_eq!(ana.request(Method::POST, &path).await.send().await.expect(200), agreed, "twice is once");
    ana.patch(&own(&goal), 2, &json!({"title": "mine now"})).await.expect(200);
    assert_eq!(seen(&bo, &ana, &goal).await.expect(200)["title"], "mine now");
    let shares = ana.get(&format!("{}/shares", own(&goal))).await.expect(200);
    assert_eq!(shares["items"][0]["member_id"], json!(bo.id));
    ana.delete(&format!("{}/shares/{}", own(&goal), bo.id)).await.expect(204);
    seen(&bo, &ana, &goal).await.refused(404, "not_found");
}

async fn a_declined_proposal_can_still_be_taken_up(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let goal = bo.propose(&ana, "as we discussed").await;
    ana.patch(&own(&goal), 1, &json!({"lifecycle_status": "rejected"})).await.expect(200);
    assert_eq!(seen(&bo, &ana, &goal).await.expect(200)["lifecycle_status"], "rejected");
    ana.patch(&own(&goal), 2, &json!({"lifecycle_status": "active"})).await.refused(409, "wrong_goal_state");
    ana.patch(&own(&goal), 2, &json!({"title": "x"})).await.refused(409, "goal_not_agreed");
    let agreed = ana.request(Method::POST, &format!("{}/agree", own(&goal))).await.send().await.expect(200);
    assert_eq!(agreed["lifecycle_status"], "active");
}

async fn agreeing_when_the_therapist_is_gone_shares_nothing(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let goal = bo.propose(&ana, "as we discussed").await;
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    ana.request(Method::POST, &format!("{}/agree", own(&goal))).await.send().await.expect(200);
    assert_eq!(app.count("goal_shares").await, 0);
    assign(&app, &ana, &bo).await;
    seen(&bo, &ana, &goal).await.refused(404, "not_found");
}

async fn ending_care_closes_goals_and_proposals(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let (shared, proposed) = (ana.goal("mine").await, bo.propose(&ana, "his").await);
    ana.share_goal(&shared, &bo, &json!({})).await.expect(200);
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    for goal in [&shared, &proposed] {
        seen(&bo, &ana, goal).await.refused(404, "not_found");
    }
    bo.get(&format!("/v1/patients/{}/goals", ana.id)).await.refused(404, "not_found");
    let body = json!({"title": "one more"});
    bo.post(&format!("/v1/patients/{}/goals", ana.id), &body).await.refused(404, "not_found");
    assign(&app, &ana, &bo).await;
    seen(&bo, &ana, &shared).await.refused(404, "not_found");
    assert_eq!(ana.get(&format!("{}/shares", own(&shared))).await.expect(200)["items"], json!([]));
}

async fn staff_never_see_links_or_notes(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry("private").await;
    let goal = id_of(&set(&ana, &json!({"title": "x", "entry_ids": [entry]})).await);
    ana.post(&format!("{}/progress", own(&goal)), &json!({"note": "only mine"})).await.expect(201);
    ana.share_goal(&goal, &bo, &json!({})).await.expect(200);
    let read = seen(&bo, &ana, &goal).await.expect(200).to_string();
    let list = bo.get(&format!("/v1/patients/{}/goals", ana.id)).await.expect(200).to_string();
    for private in [entry.as_str(), "entry_ids", "only mine", "version"] {
        assert!(!read.contains(private) && !list.contains(private), "{private}");
    }
}

async fn what_therapists_do_is_in_the_audit_chain(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let goal = bo.propose(&ana, "his").await;
    seen(&bo, &ana, &goal).await.expect(200);
    listed(&bo, &ana).await;
    ana.request(Method::POST, &format!("{}/agree", own(&goal))).await.send().await.expect(200);
    ana.delete(&format!("{}/shares/{}", own(&goal), bo.id)).await.expect(204);
    seen(&bo, &ana, &goal).await.expect(404);
    let sql = "SELECT action, outcome FROM audit_events WHERE action LIKE 'goals.%' ORDER BY seq";
    let rows = app.query(sql, vec![]).await;
    let text = |row: &sea_orm::QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
    let acts: Vec<String> =
        rows.iter().map(|row| format!("{} {}", text(row, "action"), text(row, "outcome"))).collect();
    let wanted = [
        "goals.propose done",
        "goals.read done",
        "goals.list done",
        "goals.agree done",
        "goals.share done",
        "goals.unshare done",
    ];
    assert_eq!(acts, wanted);
}
