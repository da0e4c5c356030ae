//! Forms, plans, favourites and what is prepared for a session, on phones that were offline.

use chrono::Duration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ids, new_id, op, pages, push, push::entry_of, push_one};
use crate::{
    harness::{Person, TestApp, both_engines, id_of},
    measures::{clinic::policy, form},
};

both_engines![
    a_form_that_comes_late_commits_its_alert_and_brings_its_card_each_time,
    another_form_under_the_same_id_is_a_form_of_its_own,
    who_sees_a_form_is_changed_and_nothing_else,
    two_safety_plans_are_both_kept,
    two_intentions_are_both_kept_and_a_moved_session_is_no_conflict,
    of_favourites_and_ticks_the_last_word_counts,
    a_delivery_policy_is_laid_over_what_is_there,
    what_hangs_on_others_things_is_refused_like_what_is_not_there,
    plans_and_assignments_are_read,
];

const RESPONSES: &str = "measure_responses";
const PLAN: &str = "safety_plan";
const INTENTIONS: &str = "session_intentions";
const READINESS: &str = "session_readiness";
const FAVOURITES: &str = "prompt_favourites";

async fn a_form_that_comes_late_commits_its_alert_and_brings_its_card_each_time(app: TestApp) {
    let ana = app.patient("ana").await;
    let id = new_id(&app);
    let mut worrying = form("phq-9", "000000001");
    worrying["taken_at"] = json!((app.now() - Duration::days(3)).to_rfc3339());
    let late = op(&app, "create", (RESPONSES, id), None, worrying);
    for status in ["applied", "duplicate"] {
        let result = push_one(&ana, &late, status).await;
        assert!(result["current"]["measure_response"]["crisis_card"]["message"].is_string(), "{result}");
    }
    assert_eq!((app.count(RESPONSES).await, app.count("alerts").await), (1, 1));
    let kept = ana.get(&format!("/v1/measure-responses/{id}")).await.expect(200);
    assert_eq!((&kept["total"], &kept["state"]), (&json!(1.0), &json!("complete")));
    let (all, _) = pages(&ana, None, 100).await;
    assert_eq!(all[0][RESPONSES]["upserts"], json!([kept]), "as it is read, and without the card");
    // Known by what it says, when it is no longer known by its id.
    app.execute("DELETE FROM sync_ops", vec![]).await;
    push_one(&ana, &late, "duplicate").await;
    assert_eq!((app.count(RESPONSES).await, app.count("alerts").await), (1, 1));
}

async fn another_form_under_the_same_id_is_a_form_of_its_own(app: TestApp) {
    let ana = app.patient("ana").await;
    let row = (RESPONSES, new_id(&app));
    push_one(&ana, &op(&app, "create", row, None, form("phq-9", "000000000")), "applied").await;
    let other = op(&app, "create", row, None, form("phq-9", "000000002"));
    let result = push_one(&ana, &other, "conflict").await;
    assert_eq!(result["current"]["measure_response"]["total"], 0.0);
    assert!(result["current"]["measure_response"].get("crisis_card").is_none());
    assert_eq!(result["copy"]["collection"], RESPONSES);
    assert!(result["copy"]["crisis_card"]["message"].is_string(), "{result}");
    let copy = format!("/v1/measure-responses/{}", result["copy"]["id"].as_str().unwrap());
    assert_eq!(ana.get(&copy).await.expect(200)["total"], 2.0);
    let again = push_one(&ana, &other, "duplicate").await;
    assert_eq!(again["copy"], result["copy"]);
    assert_eq!((app.count(RESPONSES).await, app.count("alerts").await), (2, 1));
}

async fn who_sees_a_form_is_changed_and_nothing_else(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let seen = format!("/v1/patients/{}/measure-responses", ana.id);
    let row = (RESPONSES, new_id(&app));
    push_one(&ana, &op(&app, "create", row, None, form("gad-7", "1111111")), "applied").await;
    assert_eq!(bo.get(&seen).await.expect(200)["items"], json!([]));
    let share = op(&app, "update", row, Some(1), json!({"shared": true}));
    push_one(&ana, &share, "applied").await;
    push_one(&ana, &share, "duplicate").await;
    assert_eq!(bo.get(&seen).await.expect(200)["items"].as_array().unwrap().len(), 1);
    // Late, but clear: it is closed all the same.
    push_one(&ana, &op(&app, "update", row, Some(1), json!({"shared": false})), "applied").await;
    assert_eq!(bo.get(&seen).await.expect(200)["items"], json!([]));
    let acts = app.query("SELECT action FROM audit_events WHERE action LIKE 'measures.%share'", vec![]).await;
    assert_eq!(acts.len(), 2, "both are on record");
    let wrong = [
        (op(&app, "update", row, Some(3), json!({"total": 0})), "/ops/0/fields/total"),
        (op(&app, "create", (RESPONSES, new_id(&app)), None, json!({})), "/ops/1/fields/measure_id"),
        (
            op(&app, "create", (RESPONSES, new_id(&app)), None, form("gad-7", "1111119")),
            "/ops/2/fields/answers/6/choice",
        ),
    ];
    let ops: Vec<Value> = wrong.iter().map(|(op, _)| op.clone()).collect();
    for (result, (_, pointer)) in push(&ana, &ops).await.iter().zip(&wrong) {
        assert_eq!(result["problem"]["errors"][0]["pointer"], *pointer, "{result}");
    }
    let result = push_one(&ana, &op(&app, "delete", row, Some(3), Value::Null), "refused").await;
    assert_eq!(result["problem"]["code"], "not_deletable");
    assert_eq!(app.count(RESPONSES).await, 1);
}

async fn two_safety_plans_are_both_kept(app: TestApp) {
    let ana = app.patient("ana").await;
    let row = (PLAN, ana.id);
    let first = op(&app, "create", row, None, json!({"coping": ["walk"]}));
    assert_eq!(push_one(&ana, &first, "applied").await["current"][PLAN]["version"], 1);
    push_one(&ana, &first, "duplicate").await;
    let tablet = ana.request(axum::http::Method::PUT, "/v1/safety-plan").await.if_match(1);
    tablet.json(&json!({"coping": ["walk", "call Marta"]})).send().await.expect(200);
    let phone = json!({"coping": ["walk", "swim"], "people": [{"name": "Marta", "phone": "600"}]});
    let result = push_one(&ana, &op(&app, "update", row, Some(1), phone), "conflict").await;
    let kept = &ana.get("/v1/safety-plan").await.expect(200)["plan"];
    assert_eq!(
        (&kept["coping"], &kept["people"][0]["name"]),
        (&json!(["walk", "call Marta"]), &json!("Marta"))
    );
    assert_eq!(&result["current"][PLAN]["plan"], kept);
    let copy = entry_of(&ana, result["copy"]["id"].as_str().unwrap()).await;
    assert_eq!((&copy["fields"]["text"], &copy["state"]), (&json!("swim"), &json!("draft")));
    assert_eq!(copy["conflict_of"], json!(ana.id));
    // To clear what was never seen is not what was meant.
    push_one(&ana, &op(&app, "update", row, Some(1), json!({})), "conflict").await;
    assert_eq!(&ana.get("/v1/safety-plan").await.expect(200)["plan"], kept);
    push_one(&ana, &op(&app, "update", row, Some(3), json!({"coping": ["walk"]})), "applied").await;
    assert_eq!(ana.get("/v1/safety-plan").await.expect(200)["plan"]["coping"], json!(["walk"]));
    push_one(&ana, &op(&app, "delete", row, Some(4), Value::Null), "refused").await;
    let (all, _) = pages(&ana, None, 100).await;
    assert_eq!(ids(&all, PLAN, "upserts"), [ana.id.to_string()]);
}

async fn two_intentions_are_both_kept_and_a_moved_session_is_no_conflict(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let session: Uuid =
        id_of(&bo.schedule(&ana, "dosing", app.now() + Duration::days(7)).await).parse().unwrap();
    let row = (INTENTIONS, session);
    let text = async || ana.get(&format!("/v1/sessions/{session}/intention")).await.expect(200);
    push_one(&ana, &op(&app, "create", row, None, json!({"text": "first"})), "applied").await;
    let later = (app.now() + Duration::days(9)).to_rfc3339();
    bo.patch(&format!("/v1/sessions/{session}"), 2, &json!({"starts_at": later})).await.expect(200);
    let result =
        push_one(&ana, &op(&app, "update", row, Some(1), json!({"text": "second"})), "applied").await;
    assert_eq!((&result["version"], &text().await["text"]), (&json!(2), &json!("second")));
    // The tablet writes with a network, the phone comes later.
    ana.patch(&format!("/v1/sessions/{session}/intention"), 4, &json!({"text": "tablet"})).await.expect(200);
    let late = op(&app, "update", row, Some(2), json!({"text": "phone", "shared": true}));
    let result = push_one(&ana, &late, "conflict").await;
    assert_eq!(text().await, json!({"text": "tablet", "shared": false}), "nobody is shown what was not seen");
    let copy = entry_of(&ana, result["copy"]["id"].as_str().unwrap()).await;
    assert_eq!((&copy["fields"]["text"], &copy["conflict_of"]), (&json!("phone"), &json!(session)));
    push_one(&ana, &late, "duplicate").await;
    push_one(&ana, &op(&app, "update", row, Some(2), json!({"text": null})), "conflict").await;
    push_one(&ana, &op(&app, "update", row, Some(2), json!({"shared": true})), "applied").await;
    assert_eq!(text().await, json!({"text": "tablet", "shared": true}));
    let (all, _) = pages(&ana, None, 100).await;
    assert_eq!(all[0][INTENTIONS]["upserts"], json!([result_of(&result, session, "tablet", 4)]));
}

fn result_of(before: &Value, session: Uuid, text: &str, version: i32) -> Value {
    assert_eq!(before["current"]["session_intention"]["id"], json!(session));
    json!({"id": session, "version": version, "text": text, "shared": true})
}

async fn of_favourites_and_ticks_the_last_word_counts(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let session: Uuid =
        id_of(&bo.schedule(&ana, "dosing", app.now() + Duration::days(7)).await).parse().unwrap();
    let (marks, ticks) = ((FAVOURITES, ana.id), (READINESS, session));
    let (_, start) = pages(&ana, None, 100).await;
    let mark = |active: bool| json!({"prompt_id": "ground-five-senses", "active": active});
    let tick = |item: &str, done: bool| json!({"item": item, "done": done});
    let ops = [
        op(&app, "create", marks, None, mark(true)),
        op(&app, "create", ticks, None, tick("ride-home", true)),
        op(&app, "create", ticks, None, tick("day-free", true)),
    ];
    for status in ["applied", "duplicate"] {
        let results = push(&ana, &ops).await;
        assert!(results.iter().all(|result| result["status"] == status), "{results:?}");
        assert_eq!(results[0]["current"][FAVOURITES]["prompt_ids"], json!(["ground-five-senses"]));
        assert_eq!(results[2]["current"][READINESS]["done"], json!(["day-free", "ride-home"]));
    }
    let (all, next) = pages(&ana, Some(&start), 1).await;
    assert_eq!(ids(&all, FAVOURITES, "upserts"), [ana.id.to_string()]);
    assert_eq!(ids(&all, READINESS, "upserts"), [session.to_string()]);
    // With a network meanwhile, and late from the phone: whoever comes last.
    ana.delete("/v1/prompts/ground-five-senses/favourite").await.expect(204);
    let ride = format!("/v1/sessions/{session}/readiness/ride-home");
    ana.put(&ride, &json!({"done": false})).await.expect(200);
    let (all, _) = pages(&ana, Some(&next), 100).await;
    assert_eq!(all[0][FAVOURITES]["upserts"][0]["prompt_ids"], json!([]));
    assert_eq!(all[0][READINESS]["upserts"][0]["done"], json!(["day-free"]));
    assert!(push(&ana, &ops).await.iter().all(|result| result["status"] == "duplicate"));
    let late = [
        op(&app, "update", marks, Some(1), mark(true)),
        op(&app, "update", ticks, Some(1), tick("ride-home", true)),
    ];
    assert!(push(&ana, &late).await.iter().all(|result| result["status"] == "applied"));
    let list = ana.get("/v1/prompts?favourite=true").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    for (row, wrong, pointer) in [
        (marks, json!({"prompt_id": "none", "active": true}), "/ops/0/fields/prompt_id"),
        (marks, json!({"prompt_id": "ground-five-senses"}), "/ops/0/fields/active"),
        (ticks, json!({"item": "companion", "done": true}), "/ops/0/fields/item"),
    ] {
        let result = push_one(&ana, &op(&app, "create", row, None, wrong), "refused").await;
        assert_eq!(result["problem"]["errors"][0]["pointer"], pointer, "{result}");
    }
}

async fn a_delivery_policy_is_laid_over_what_is_there(app: TestApp) {
    let ana = app.patient("ana").await;
    let row = ("delivery_policy", ana.id);
    let first = op(&app, "create", row, None, json!({"daily_cap": 3}));
    assert_eq!(push_one(&ana, &first, "applied").await["current"]["delivery_policy"]["daily_cap"], 3);
    push_one(&ana, &first, "duplicate").await;
    ana.patch("/v1/me/delivery-policy", 2, &json!({"lock_screen": "detailed"})).await.expect(200);
    let late = op(&app, "update", row, Some(2), json!({"daily_cap": 2, "categories_off": ["capture"]}));
    let result = push_one(&ana, &late, "applied").await;
    let kept = ana.get("/v1/me/delivery-policy").await.expect(200);
    assert_eq!(result["current"]["delivery_policy"], kept);
    assert_eq!((&kept["daily_cap"], &kept["lock_screen"]), (&json!(2), &json!("detailed")));
    let (all, _) = pages(&ana, None, 100).await;
    assert_eq!(all[0]["delivery_policy"]["upserts"], json!([kept]));
    let wrong = op(&app, "update", row, Some(4), json!({"daily_cap": 21}));
    let result = push_one(&ana, &wrong, "refused").await;
    assert_eq!(result["problem"]["errors"][0]["pointer"], "/ops/0/fields/daily_cap");
}

async fn what_hangs_on_others_things_is_refused_like_what_is_not_there(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    let hers: Uuid =
        id_of(&bo.schedule(&ana, "dosing", app.now() + Duration::days(7)).await).parse().unwrap();
    ana.patch(&format!("/v1/sessions/{hers}/intention"), 1, &json!({"text": "hers"})).await.expect(200);
    for (collection, taken, fields) in [
        (INTENTIONS, hers, json!({"text": "his"})),
        (READINESS, hers, json!({"item": "ride-home", "done": true})),
        (PLAN, ana.id, json!({"coping": ["his"]})),
        (FAVOURITES, ana.id, json!({"prompt_id": "ground-five-senses", "active": true})),
        ("delivery_policy", ana.id, json!({"daily_cap": 3})),
    ] {
        let mut seen = Vec::new();
        for (kind, id) in [("create", taken), ("create", new_id(&app)), ("update", taken)] {
            let late = op(&app, kind, (collection, id), (kind == "update").then_some(1), fields.clone());
            let mut result = push_one(&ben, &late, "refused").await;
            assert_eq!(result["problem"]["errors"][0]["pointer"], "/ops/0/id", "{collection}: {result}");
            result.as_object_mut().unwrap().remove("id");
            seen.push(result);
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{collection}: {seen:?}");
    }
    assert_eq!((app.count("safety_plans").await, app.count(READINESS).await), (0, 0));
    assert_eq!(ana.get(&format!("/v1/sessions/{hers}/intention")).await.expect(200)["text"], "hers");
}

/// A plan of Bo's for Ana, in a clinic that has written down who answers alerts.
async fn planned(app: &TestApp, ana: &Person, bo: &Person) -> Value {
    let admin = app.admin().await;
    let version = admin.get("/v1/clinic").await.expect(200)["version"].as_i64().unwrap();
    let request = admin.request(axum::http::Method::PUT, "/v1/clinic/response-policy").await;
    request.if_match(version).json(&policy()).send().await.expect(200);
    let body = json!({"template_id": "kap-weekly-4", "first_dosing_on": "2027-01-04", "route": "im"});
    bo.post(&format!("/v1/patients/{}/plans", ana.id), &body).await.expect(201)
}

async fn plans_and_assignments_are_read(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    planned(&app, &ana, &bo).await;
    let list =
        async |path: &str| ana.get(&format!("/v1/{path}?limit=100")).await.expect(200)["items"].clone();
    let (plans, mut asked) = (list("plans").await, list("measure-assignments").await);
    let (all, _) = pages(&ana, None, 500).await;
    assert_eq!(all[0]["plans"]["upserts"], plans);
    let mut pulled = all[0]["measure_assignments"]["upserts"].clone();
    for rows in [&mut asked, &mut pulled] {
        rows.as_array_mut().unwrap().sort_by_key(id_of);
    }
    assert!(asked.as_array().unwrap().len() > 3);
    assert_eq!(pulled, asked);
    let id = new_id(&app);
    for collection in ["plans", "measure_assignments"] {
        let result = push_one(&ana, &op(&app, "create", (collection, id), None, json!({})), "refused").await;
        assert_eq!(result["problem"]["errors"][0]["code"], "read_only");
    }
}
