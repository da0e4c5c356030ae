//! What belongs to others: lists, counts, pages, cursors. (Single things are in the table of `authz`.)

use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};

use crate::{
    authz::{assign, subscription},
    harness::{Person, TestApp, both_engines},
};

both_engines![
    z1_every_answer_to_somebody_with_a_login_is_kept_by_nobody,
    z2_lists_hold_only_ones_own,
    z2_cursors_of_others_and_of_other_lists_are_refused,
    z2_a_therapist_sees_only_what_was_shared_with_them,
    z2_rights_that_ended_are_not_in_any_list,
];

const LISTS: [&str; 7] = [
    "/v1/checkins",
    "/v1/journal/entries",
    "/v1/sessions",
    "/v1/notifications",
    "/v1/reminders",
    "/v1/push/subscriptions",
    "/v1/auth/devices",
];
const PAGED: [&str; 4] = ["/v1/checkins", "/v1/journal/entries", "/v1/sessions", "/v1/notifications"];

async fn fill(person: &Person, bo: &Person, count: i64) {
    for number in 0..count {
        person.checkin(number % 10).await;
        person.entry(&format!("entry {number} of {}", person.name)).await;
        // Each at an hour of their own: Bo is with one of them at a time.
        let hours = i64::from(person.name.as_bytes()[0] % 6) * 2;
        let starts_at = person.app.now() + Duration::days(3 + number) + Duration::hours(hours);
        bo.schedule(person, "integration", starts_at).await;
    }
    let reminder =
        json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"}, "title": "mine"});
    person.post("/v1/reminders", &reminder).await.expect(201);
    person
        .post("/v1/push/subscriptions", &subscription(&format!("http://127.0.0.1:65530/{}", person.name)))
        .await
        .expect(201);
}

fn items(list: &Value) -> &Vec<Value> {
    list["items"].as_array().unwrap()
}

async fn z1_every_answer_to_somebody_with_a_login_is_kept_by_nobody(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    fill(&ana, &bo, 1).await;
    for path in LISTS.into_iter().chain(["/v1/me", "/v1/clinic", "/v1/care-team"]) {
        let reply = ana.get(path).await;
        assert_eq!(reply.headers["cache-control"], "no-store", "{path}");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{path}");
    }
}

async fn z2_lists_hold_only_ones_own(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    for path in LISTS {
        let before = items(&ben.get(path).await.expect(200)).len();
        assert_eq!(before, usize::from(path.ends_with("devices")), "{path}");
    }
    fill(&ana, &bo, 3).await;
    for path in LISTS {
        let list = ben.get(path).await.expect(200);
        assert_eq!(items(&list).len(), usize::from(path.ends_with("devices")), "{path}: {list}");
        assert!(list["next_cursor"].is_null(), "{path}");
        assert!(!items(&ana.get(path).await.expect(200)).is_empty(), "{path}");
    }
    fill(&ben, &bo, 1).await;
    let ids = |list: &Value| items(list).iter().map(|item| item["id"].to_string()).collect::<Vec<_>>();
    for path in LISTS {
        let (hers, his) = (ana.get(path).await.expect(200), ben.get(path).await.expect(200));
        assert!(ids(&hers).iter().all(|id| !ids(&his).contains(id)), "{path}");
    }
    let invitations = app.therapist("dee").await.get("/v1/invitations").await.expect(200);
    assert!(items(&invitations).is_empty());
}

async fn z2_cursors_of_others_and_of_other_lists_are_refused(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    fill(&ana, &bo, 2).await;
    fill(&ben, &bo, 2).await;
    for path in PAGED {
        let page = ana.get(&format!("{path}?limit=1")).await.expect(200);
        let cursor = page["next_cursor"].as_str().unwrap_or_else(|| panic!("{path}: {page}"));
        ana.get(&format!("{path}?limit=1&cursor={cursor}")).await.expect(200);
        ben.get(&format!("{path}?limit=1&cursor={cursor}")).await.invalid("query/cursor");
        for other in PAGED.into_iter().filter(|other| *other != path) {
            ana.get(&format!("{other}?cursor={cursor}")).await.invalid("query/cursor");
        }
        let mut forged = cursor.to_owned();
        forged.replace_range(0..1, if cursor.starts_with('A') { "B" } else { "A" });
        ana.get(&format!("{path}?cursor={forged}")).await.invalid("query/cursor");
    }
    for patient in [&ana, &ben] {
        for entry in items(&patient.get("/v1/journal/entries").await.expect(200)) {
            patient.share(entry["id"].as_str().unwrap(), &bo, &json!({})).await.expect(200);
        }
    }
    let list = format!("/v1/patients/{}/journal/entries", ana.id);
    let page = bo.get(&format!("{list}?limit=1")).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let dee = app.therapist("dee").await;
    assign(&app, &ana, &dee).await;
    dee.get(&format!("{list}?cursor={cursor}")).await.invalid("query/cursor");
    let bens = format!("/v1/patients/{}/journal/entries", ben.id);
    bo.get(&format!("{bens}?cursor={cursor}")).await.invalid("query/cursor");
    ana.get(&format!("/v1/journal/entries?cursor={cursor}")).await.invalid("query/cursor");
}

async fn z2_a_therapist_sees_only_what_was_shared_with_them(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    assign(&app, &ana, &dee).await;
    let (for_bo, for_dee) = (ana.entry("for Bo").await, ana.entry("for Dee").await);
    let private = ana.entry("for nobody").await;
    ana.share(&for_bo, &bo, &json!({})).await.expect(200);
    ana.share(&for_dee, &dee, &json!({})).await.expect(200);
    let list = format!("/v1/patients/{}/journal/entries", ana.id);
    for (who, own, other) in [(&bo, &for_bo, &for_dee), (&dee, &for_dee, &for_bo)] {
        let seen = who.get(&list).await.expect(200);
        assert_eq!(items(&seen).len(), 1);
        assert_eq!(items(&seen)[0]["id"], **own);
        assert!(seen["next_cursor"].is_null());
        who.get(&format!("{list}/{own}")).await.expect(200);
        let hidden = who.get(&format!("{list}/{other}")).await;
        let closed = who.get(&format!("{list}/{private}")).await;
        let absent = who.get(&format!("{list}/0198f000-0000-7000-8000-000000000000")).await;
        assert_eq!(hidden.shape(), absent.shape());
        assert_eq!(closed.shape(), absent.shape());
        assert_eq!(absent.status, 404);
    }
}

async fn z2_rights_that_ended_are_not_in_any_list(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    fill(&ana, &bo, 2).await;
    let entry = ana.entry("shared").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    let session = bo.schedule(&ana, "integration", app.now() + Duration::days(8)).await;
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    let base = format!("/v1/patients/{}", ana.id);
    for path in [
        format!("{base}/journal/entries"),
        format!("{base}/journal/entries/{entry}"),
        format!("{base}/sessions"),
    ] {
        bo.get(&path).await.refused(404, "not_found");
    }
    let session = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    bo.patch(&session, 1, &json!({"location": "home"})).await.refused(404, "not_found");
    for step in ["start", "complete", "cancel", "no-show"] {
        bo.step(&format!("{session}/{step}"), 1).await.refused(404, "not_found");
    }
    let starts_at = (app.now() + Duration::days(2)).to_rfc3339();
    let body = json!({"kind": "integration", "starts_at": starts_at});
    let create = bo.request(Method::POST, &format!("{base}/sessions")).await.key("k").json(&body);
    create.send().await.refused(404, "not_found");
    assert!(items(&ana.get("/v1/care-team").await.expect(200)).is_empty());
    assert_eq!(ana.get(&session).await.expect(200)["version"], 1);
}
