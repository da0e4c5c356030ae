//! What people set for themselves, and what admins set for the clinic.

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines};

both_engines![
    a_pause_holds_everything_back_and_its_end_plans_anew,
    what_is_wrong_with_a_pause_is_named,
    a_policy_moves_what_is_still_to_come,
    a_stale_policy_is_refused,
    what_is_wrong_with_a_policy_is_named,
    patients_read_who_read_what_of_theirs,
    one_more_therapist_joins_by_invitation,
    an_invitation_that_does_not_fit_stays_unused,
    a_role_is_gone_from_the_next_request_on,
    the_last_admin_stays_one,
    a_clinic_is_changed_at_its_version,
    the_zone_mode_is_kept,
];

async fn planned(who: &Person) -> Vec<(String, String)> {
    let ledger = who.get("/v1/notifications?limit=100").await.expect(200);
    let rows = ledger["items"].as_array().unwrap().iter().filter(|row| row["state"] == "planned");
    rows.map(|row| (row["category"].as_str().unwrap().into(), row["due_at"].as_str().unwrap().into()))
        .collect()
}

async fn daily(who: &Person, category: &str, time: &str) {
    let body = json!({"category": category, "schedule": {"kind": "daily", "time": time}});
    who.post("/v1/reminders", &body).await.expect(201);
}

async fn a_pause_holds_everything_back_and_its_end_plans_anew(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    bo.schedule(&ana, "dosing", app.now() + Duration::days(9)).await;
    let before = planned(&ana).await;
    assert!(before.len() > 5, "{before:?}");
    let until = app.now() + Duration::days(200);
    ana.put("/v1/me/pause", &json!({"until": until.to_rfc3339()})).await.expect(200);
    assert_eq!(planned(&ana).await, []);
    let ledger = ana.get("/v1/notifications?limit=100").await.expect(200);
    assert!(ledger["items"].as_array().unwrap().iter().any(|row| row["reason"] == "paused"), "{ledger}");
    assert!(ana.get("/v1/me/delivery-policy").await.expect(200)["paused_until"].is_string());
    ana.delete("/v1/me/pause").await.expect(204);
    assert_eq!(planned(&ana).await, before);
    assert!(ana.get("/v1/me/delivery-policy").await.expect(200).get("paused_until").is_none());
}

async fn what_is_wrong_with_a_pause_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    let at = |days: i64| (app.now() + Duration::days(days)).to_rfc3339();
    for until in [json!(at(0)), json!(at(-1)), json!(at(400)), json!("tomorrow"), json!(7), Value::Null] {
        ana.put("/v1/me/pause", &json!({"until": until})).await.invalid("/until");
    }
    ana.put("/v1/me/pause", &json!({})).await.invalid("/until");
    assert_eq!(app.count("delivery_policies").await, 0);
}

async fn a_policy_moves_what_is_still_to_come(app: TestApp) {
    let ana = app.patient("ana").await;
    daily(&ana, "mindfulness", "09:00").await;
    let due = async || planned(&ana).await[0].1.clone();
    assert_eq!(due().await, "2026-11-23T08:00:00Z");
    let window = json!({"category": "mindfulness", "opens": "11:00", "closes": "21:00"});
    let patch = json!({"category_windows": [window], "daily_cap": 2, "lock_screen": "detailed"});
    let policy = ana.patch("/v1/me/delivery-policy", 1, &patch).await.expect(200);
    assert_eq!((&policy["version"], &policy["daily_cap"]), (&json!(2), &json!(2)));
    assert_eq!(policy["window"], json!({"opens": "08:00", "closes": "21:30"}), "what was not sent stays");
    assert_eq!(due().await, "2026-11-23T10:00:00Z");
    let read = ana.get("/v1/me/delivery-policy").await;
    assert_eq!(read.headers["etag"], "\"2\"");
    assert_eq!(read.expect(200), policy);
    let back = json!({"category_windows": [], "daily_cap": null});
    let policy = ana.patch("/v1/me/delivery-policy", 2, &back).await.expect(200);
    assert_eq!((&policy["daily_cap"], &policy["lock_screen"]), (&json!(4), &json!("detailed")));
    assert_eq!(due().await, "2026-11-23T08:00:00Z");
}

async fn a_stale_policy_is_refused(app: TestApp) {
    let ana = app.patient("ana").await;
    ana.patch("/v1/me/delivery-policy", 1, &json!({"daily_cap": 1})).await.expect(200);
    ana.patch("/v1/me/delivery-policy", 1, &json!({"daily_cap": 2})).await.refused(412, "stale_version");
    assert_eq!(ana.get("/v1/me/delivery-policy").await.expect(200)["daily_cap"], 1);
}

async fn what_is_wrong_with_a_policy_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    let window = |category: &str| json!({"category": category, "opens": "08:00", "closes": "09:00"});
    for (patch, pointer) in [
        (json!({"daily_cap": 21}), "/daily_cap"),
        (json!({"window": {"opens": "8", "closes": "09:00"}}), "/window/opens"),
        (json!({"window": {"opens": "08:00"}}), "/window/closes"),
        (json!({"categories_off": ["nonsense"]}), "/categories_off/0"),
        (json!({"category_windows": [window("nonsense")]}), "/category_windows/0/category"),
        (json!({"category_windows": [window("rest"), window("rest")]}), "/category_windows/1/category"),
        (json!({"lock_screen": "loud"}), "/lock_screen"),
        (json!({"paused_until": "2027-01-01T00:00:00Z"}), "/paused_until"),
    ] {
        ana.patch("/v1/me/delivery-policy", 1, &patch).await.invalid(pointer);
    }
}

async fn patients_read_who_read_what_of_theirs(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    let entry = ana.entry("for Bo").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    let path = format!("/v1/patients/{}/journal/entries", ana.id);
    bo.get(&path).await.expect(200);
    app.advance(Duration::seconds(1));
    bo.get(&format!("{path}/{entry}")).await.expect(200);
    let first = ana.get("/v1/me/access-log?limit=1").await.expect(200);
    let read = &first["items"][0];
    assert_eq!((&read["display_name"], &read["action"]), (&json!("bo"), &json!("journal.read_shared")));
    assert_eq!(read["what"], "Read a journal entry that you shared");
    assert_eq!(read["resource"], format!("journal_entries/{entry}"));
    let next = format!("/v1/me/access-log?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(ana.get(&next).await.expect(200)["items"][0]["action"], "journal.list_shared");
    // Her own acts are no access of others, and nobody sees hers.
    let all = ana.get("/v1/me/access-log").await.expect(200);
    assert!(
        all["items"].as_array().unwrap().iter().all(|one| one["member_id"] == bo.id.to_string()),
        "{all}"
    );
    assert_eq!(ben.get("/v1/me/access-log").await.expect(200)["items"], json!([]));
    ben.get(&next).await.invalid("query/cursor");
    ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    let spanish = ana.get("/v1/me/access-log?limit=1").await;
    assert_eq!(spanish.headers["content-language"], "es");
    assert!(spanish.expect(200)["items"][0]["what"].as_str().unwrap().contains("Leyó"));
}

async fn one_more_therapist_joins_by_invitation(app: TestApp) {
    let (ana, dee) = (app.patient("ana").await, app.therapist("dee").await);
    let path = format!("/v1/patients/{}/sessions", ana.id);
    dee.get(&path).await.refused(404, "not_found");
    let code = app.invite(&dee, &json!({"kind": "patient"})).await;
    let body = json!({ "invitation_code": code.to_lowercase() });
    let joined = ana.post("/v1/care-team", &body).await.expect(201);
    assert_eq!((&joined["display_name"], &joined["member_id"]), (&json!("dee"), &json!(dee.id)));
    dee.get(&path).await.expect(200);
    assert_eq!(ana.get("/v1/care-team").await.expect(200)["items"].as_array().unwrap().len(), 2);
    ana.post("/v1/care-team", &body).await.invalid("/invitation_code");
    let entry = ana.entry("for Dee").await;
    ana.share(&entry, &dee, &json!({})).await.expect(200);
    ana.delete(&format!("/v1/care-team/{}", dee.id)).await.expect(204);
    dee.get(&path).await.refused(404, "not_found");
    assert_eq!(ana.get(&format!("/v1/journal/entries/{entry}/shares")).await.expect(200)["items"], json!([]));
}

async fn an_invitation_that_does_not_fit_stays_unused(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let eve = app.therapist_of("elsewhere", "eve").await;
    let join = async |code: &str| ana.post("/v1/care-team", &json!({ "invitation_code": code })).await;
    let again = app.invite(&bo, &json!({"kind": "patient"})).await;
    join(&again).await.refused(409, "already_in_care");
    let foreign = app.invite(&eve, &json!({"kind": "patient"})).await;
    join(&foreign).await.refused(409, "wrong_invitation");
    let staff =
        app.invite(&app.admin().await, &json!({"kind": "staff", "capabilities": ["therapist"]})).await;
    join(&staff).await.refused(409, "wrong_invitation");
    join("00000-00000-0").await.invalid("/invitation_code");
    for code in [again, foreign, staff] {
        app.anon().get(&format!("/v1/invitation-codes/{code}")).await.expect(200);
    }
}

async fn a_role_is_gone_from_the_next_request_on(app: TestApp) {
    let (ana, bo, admin) = (app.patient("ana").await, app.therapist("bo").await, app.admin().await);
    let eve = app.therapist_of("elsewhere", "eve").await;
    let path = format!("/v1/patients/{}/sessions", ana.id);
    bo.get(&path).await.expect(200);
    let member = format!("/v1/staff/{}", bo.id);
    let send = async |path: &str, body: Value| {
        admin.request(axum::http::Method::PATCH, path).await.json(&body).send().await
    };
    let changed = send(&member, json!({"capabilities": []})).await.expect(200);
    assert_eq!((&changed["capabilities"], &changed["profession"]), (&json!([]), &json!("Psychotherapist")));
    bo.get(&path).await.refused(403, "forbidden_role");
    send(&member, json!({"capabilities": ["therapist", "medical"], "profession": null})).await.expect(200);
    bo.get(&path).await.expect(200);
    let staff = admin.get("/v1/staff").await.expect(200);
    let listed = staff["items"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{staff}");
    let bo_listed = listed.iter().find(|one| one["id"] == json!(bo.id)).unwrap();
    assert_eq!((&bo_listed["display_name"], bo_listed.get("profession")), (&json!("bo"), None));
    for stranger in [eve.id, ana.id] {
        send(&format!("/v1/staff/{stranger}"), json!({"capabilities": []})).await.refused(404, "not_found");
    }
    send(&member, json!({"capabilities": ["owner"]})).await.invalid("/capabilities/0");
    send(&member, json!({"profession": ""})).await.invalid("/profession");
}

async fn the_last_admin_stays_one(app: TestApp) {
    let (bo, admin) = (app.therapist("bo").await, app.admin().await);
    let send = async |who: &Person, whom: &Person, capabilities: Value| {
        let path = format!("/v1/staff/{}", whom.id);
        let body = json!({ "capabilities": capabilities });
        who.request(axum::http::Method::PATCH, &path).await.json(&body).send().await
    };
    send(&admin, &admin, json!(["therapist"])).await.refused(409, "last_admin");
    send(&admin, &bo, json!(["therapist", "admin"])).await.expect(200);
    // Each takes the role from the other at once: one of them stays.
    let (one, other) = tokio::join!(send(&admin, &bo, json!([])), send(&bo, &admin, json!([])));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert!(statuses[0] == 200 && [403, 409].contains(&statuses[1]), "{statuses:?}");
}

async fn a_clinic_is_changed_at_its_version(app: TestApp) {
    let (ana, admin) = (app.patient("ana").await, app.admin().await);
    let read = admin.get("/v1/clinic").await;
    assert_eq!(read.headers["etag"], "\"1\"");
    let patch =
        json!({"name": " Harbour Street ", "country": "AT", "time_zone": "Europe/Vienna", "phone": null});
    admin.patch("/v1/clinic", 1, &patch).await.expect(200);
    let seen = ana.get("/v1/clinic").await.expect(200);
    assert_eq!(
        (&seen["name"], &seen["country"], seen.get("phone")),
        (&json!("Harbour Street"), &json!("AT"), None)
    );
    admin.patch("/v1/clinic", 1, &json!({"name": "late"})).await.refused(412, "stale_version");
    for (patch, pointer) in [
        (json!({"country": "Austria"}), "/country"),
        (json!({"country": "at"}), "/country"),
        (json!({"time_zone": "Mars/Base"}), "/time_zone"),
        (json!({"name": "  "}), "/name"),
        (json!({"phone": "1"}), "/phone"),
    ] {
        admin.patch("/v1/clinic", 2, &patch).await.invalid(pointer);
    }
}

async fn the_zone_mode_is_kept(app: TestApp) {
    let ana = app.patient("ana").await;
    assert_eq!(ana.get("/v1/me").await.expect(200)["zone_mode"], "home");
    ana.patch("/v1/me", 1, &json!({"zone_mode": "follow_phone"})).await.expect(200);
    assert_eq!(ana.get("/v1/me").await.expect(200)["zone_mode"], "follow_phone");
    ana.patch("/v1/me", 1, &json!({"zone_mode": "moon"})).await.invalid("/zone_mode");
}
