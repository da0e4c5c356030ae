//! Handing a patient over: who follows, and what of the old shares they get.

use serde_json::{Value, json};

use crate::harness::{Person, Reply, TestApp, both_engines, id_of};

both_engines![
    a_patient_takes_all_shares_along_in_one_act,
    some_or_none_of_the_shares_go_along,
    what_the_new_one_read_already_stays_as_it_was,
    what_was_planned_goes_along,
    whose_care_has_ended_is_in_nobodys_way,
    nothing_changes_until_the_patient_answers,
    what_is_wrong_with_an_answer_changes_nothing,
    another_patients_proposal_is_nothing,
];

async fn propose(who: &Person, ana: &Person, to: &Person) -> Reply {
    who.post(&format!("/v1/patients/{}/handovers", ana.id), &json!({"to_member_id": to.id})).await
}

async fn accept(ana: &Person, id: &str, body: &Value) -> Reply {
    ana.post(&format!("/v1/me/handovers/{id}/accept"), body).await
}

async fn read(who: &Person, ana: &Person, entry: &str) -> u16 {
    who.get(&format!("/v1/patients/{}/journal/entries/{entry}", ana.id)).await.status.as_u16()
}

struct World {
    ana: Person,
    bo: Person,
    dee: Person,
    live: String,
    frozen: String,
    goal: String,
    id: String,
}

async fn world(app: &TestApp) -> World {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    let (live, frozen, goal) =
        (ana.entry("live").await, ana.entry("frozen").await, ana.goal("to walk").await);
    ana.share(&live, &bo, &json!({})).await.expect(200);
    ana.share(&frozen, &bo, &json!({"frozen": true})).await.expect(200);
    ana.share_goal(&goal, &bo, &json!({})).await.expect(200);
    ana.entry("private").await;
    let id = id_of(&propose(&bo, &ana, &dee).await.expect(201));
    World { ana, bo, dee, live, frozen, goal, id }
}

async fn a_patient_takes_all_shares_along_in_one_act(app: TestApp) {
    let World { ana, bo, dee, live, frozen, goal, id } = world(&app).await;
    let offered = ana.get("/v1/me/handovers").await.expect(200)["items"][0].clone();
    assert_eq!(
        (&offered["to_display_name"], &offered["to_profession"]),
        (&json!("dee"), &json!("Psychotherapist"))
    );
    let mut entries: Vec<&str> =
        offered["entry_ids"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    entries.sort_unstable();
    let mut wanted = [live.as_str(), frozen.as_str()];
    wanted.sort_unstable();
    assert_eq!((entries, &offered["goal_ids"]), (wanted.to_vec(), &json!([goal])));
    accept(&ana, &id, &json!({"shares": "all"})).await.expect(204);
    for entry in [&live, &frozen] {
        assert_eq!((read(&bo, &ana, entry).await, read(&dee, &ana, entry).await), (404, 200));
    }
    dee.get(&format!("/v1/patients/{}/goals/{goal}", ana.id)).await.expect(200);
    ana.patch(&format!("/v1/journal/entries/{frozen}"), 1, &json!({"title": "later"})).await.expect(200);
    let seen = dee.get(&format!("/v1/patients/{}/journal/entries/{frozen}", ana.id)).await.expect(200);
    assert_eq!(seen["title"], "frozen", "frozen stays frozen");
    let waiting = dee.get("/v1/review/queue").await.expect(200)["items"].as_array().unwrap().len();
    assert_eq!(waiting, 2, "new to the one who follows");
    let team = ana.get("/v1/care-team").await.expect(200)["items"].clone();
    assert_eq!((team.as_array().unwrap().len(), &team[0]["member_id"]), (1, &json!(dee.id)));
    accept(&ana, &id, &json!({"shares": "all"})).await.refused(404, "not_found");
}

async fn some_or_none_of_the_shares_go_along(app: TestApp) {
    let World { ana, bo, dee, live, frozen, goal, id } = world(&app).await;
    accept(&ana, &id, &json!({"shares": "some", "entry_ids": [live]})).await.expect(204);
    assert_eq!((read(&dee, &ana, &live).await, read(&dee, &ana, &frozen).await), (200, 404));
    dee.get(&format!("/v1/patients/{}/goals/{goal}", ana.id)).await.refused(404, "not_found");
    let back = id_of(&propose(&dee, &ana, &bo).await.expect(201));
    accept(&ana, &back, &json!({"shares": "none"})).await.expect(204);
    assert_eq!((read(&bo, &ana, &live).await, read(&bo, &ana, &frozen).await), (404, 404));
    bo.get("/v1/patients").await.expect(200)["items"][0]["patient_id"].as_str().unwrap();
}

async fn nothing_changes_until_the_patient_answers(app: TestApp) {
    let World { ana, bo, dee, live, id, .. } = world(&app).await;
    assert_eq!((read(&bo, &ana, &live).await, read(&dee, &ana, &live).await), (200, 404));
    dee.delete(&format!("/v1/patients/{}/handovers/{id}", ana.id)).await.refused(404, "not_found");
    ana.post(&format!("/v1/me/handovers/{id}/decline"), &json!({})).await.expect(204);
    accept(&ana, &id, &json!({"shares": "all"})).await.refused(404, "not_found");
    let first = id_of(&propose(&bo, &ana, &dee).await.expect(201));
    let second = id_of(&propose(&bo, &ana, &dee).await.expect(201));
    accept(&ana, &first, &json!({"shares": "all"})).await.refused(404, "not_found");
    bo.delete(&format!("/v1/patients/{}/handovers/{second}", ana.id)).await.expect(204);
    assert_eq!(ana.get("/v1/me/handovers").await.expect(200), json!({"items": []}));
    assert_eq!(read(&bo, &ana, &live).await, 200);
}

async fn what_is_wrong_with_an_answer_changes_nothing(app: TestApp) {
    let World { ana, bo, dee, live, id, .. } = world(&app).await;
    let private = ana.entry("private").await;
    accept(&ana, &id, &json!({"shares": "some", "entry_ids": [live, private]})).await.invalid("/entry_ids/1");
    accept(&ana, &id, &json!({"shares": "some", "goal_ids": [live]})).await.invalid("/goal_ids/0");
    accept(&ana, &id, &json!({"shares": "all", "entry_ids": [live]})).await.invalid("/entry_ids");
    accept(&ana, &id, &json!({"shares": "most"})).await.invalid("/shares");
    let eve = app.therapist_of("elsewhere", "eve").await;
    for who in [&bo, &ana, &eve] {
        propose(&bo, &ana, who).await.invalid("/to_member_id");
    }
    assert_eq!((read(&bo, &ana, &live).await, read(&dee, &ana, &live).await), (200, 404));
    app.stop(&dee).await;
    accept(&ana, &id, &json!({"shares": "all"})).await.refused(404, "not_found");
    assert_eq!(read(&bo, &ana, &live).await, 200);
}

async fn another_patients_proposal_is_nothing(app: TestApp) {
    let World { id, bo, live, ana, .. } = world(&app).await;
    let ben = app.patient("ben").await;
    accept(&ben, &id, &json!({"shares": "all"})).await.refused(404, "not_found");
    assert_eq!(ben.get("/v1/me/handovers").await.expect(200), json!({"items": []}));
    assert_eq!(read(&bo, &ana, &live).await, 200);
}

async fn what_the_new_one_read_already_stays_as_it_was(app: TestApp) {
    let World { ana, dee, frozen, id, .. } = world(&app).await;
    crate::authz::assign(&app, &ana, &dee).await;
    ana.share(&frozen, &dee, &json!({})).await.expect(200);
    accept(&ana, &id, &json!({"shares": "all"})).await.expect(204);
    let path = format!("/v1/journal/entries/{frozen}");
    ana.patch(&path, 1, &json!({"fields": {"text": "written later"}})).await.expect(200);
    let seen = dee.get(&format!("/v1/patients/{}/journal/entries/{frozen}", ana.id)).await.expect(200);
    assert!(seen.to_string().contains("written later"), "live as it was: {seen}");
}

async fn what_was_planned_goes_along(app: TestApp) {
    let World { ana, bo, dee, id, .. } = world(&app).await;
    let ben = app.patient_of(&bo, "ben").await;
    let at = app.now() + chrono::Duration::days(7);
    let session = id_of(&bo.schedule(&ana, "integration", at).await);
    bo.schedule(&ben, "integration", at + chrono::Duration::days(1)).await;
    accept(&ana, &id, &json!({"shares": "none"})).await.expect(204);
    let seen = ana.get(&format!("/v1/sessions/{session}")).await.expect(200);
    assert_eq!((&seen["member_id"], &seen["version"]), (&json!(dee.id), &json!(2)));
    // Bo's calendar has nothing to do with it any more.
    let path = format!("/v1/sessions/{session}");
    dee.patch(&path, 2, &json!({"starts_at": at + chrono::Duration::days(1)})).await.expect(200);
    bo.schedule(&ben, "integration", at).await;
}

async fn whose_care_has_ended_is_in_nobodys_way(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let ben = app.patient_of(&bo, "ben").await;
    let at = app.now() + chrono::Duration::days(7);
    bo.schedule(&ana, "integration", at).await;
    let body = json!({"kind": "integration", "starts_at": at});
    let path = format!("/v1/patients/{}/sessions", ben.id);
    bo.post(&path, &body).await.refused(409, "member_overlap");
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    bo.post(&path, &body).await.expect(201);
}
