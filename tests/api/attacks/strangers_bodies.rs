//! Foreign ids and extra fields in bodies: refused, and nothing changed.

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines, registration};

both_engines![
    z3_fields_that_only_the_server_sets_are_refused,
    z3_nobody_shares_with_somebody_outside_their_care_team,
    z3_nobody_shares_or_changes_what_is_anothers,
    z3_a_registration_takes_its_role_from_the_invitation,
    z3_a_hostile_path_is_no_id,
];

const SERVERS_OWN: [&str; 12] = [
    "id",
    "role",
    "kind_",
    "clinic_id",
    "patient_id",
    "member_id",
    "account_id",
    "version",
    "created_at",
    "updated_at",
    "flagged",
    "state_",
];

/// What is in the tables that people write to.
async fn contents(app: &TestApp) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in [
        "accounts",
        "invitations",
        "checkins",
        "journal_entries",
        "journal_revisions",
        "journal_shares",
        "sessions",
        "reminders",
        "notifications",
        "care_relations",
        "tombstones",
    ] {
        counts.push(app.count(table).await);
    }
    counts
}

fn bodies(app: &TestApp, ana: &Person) -> Vec<(&'static str, String, Value)> {
    let starts_at = (app.now() + Duration::days(4)).to_rfc3339();
    vec![
        ("ana", "/v1/checkins".into(), json!({"mood": 5})),
        ("ana", "/v1/journal/entries".into(), json!({"fields": {"text": "words"}})),
        (
            "ana",
            "/v1/reminders".into(),
            json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"}}),
        ),
        ("bo", "/v1/invitations".into(), json!({"kind": "patient"})),
        (
            "bo",
            format!("/v1/patients/{}/sessions", ana.id),
            json!({"kind": "integration", "starts_at": starts_at}),
        ),
    ]
}

async fn z3_fields_that_only_the_server_sets_are_refused(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let checkin = ana.checkin(5).await;
    let entry = ana.entry("mine").await;
    let before = contents(&app).await;
    for (who, path, body) in bodies(&app, &ana) {
        let who = if who == "ana" { &ana } else { &bo };
        for field in SERVERS_OWN {
            let mut body = body.clone();
            body[field] = json!("0198f000-0000-7000-8000-000000000000");
            who.post(&path, &body).await.invalid(&format!("/{field}"));
        }
    }
    for (path, good) in [
        (format!("/v1/checkins/{}", checkin["id"].as_str().unwrap()), json!({"mood": 9})),
        (format!("/v1/journal/entries/{entry}"), json!({"title": "other"})),
        ("/v1/me".to_owned(), json!({"display_name": "Other"})),
    ] {
        for field in SERVERS_OWN.into_iter().chain(["email", "capabilities", "epoch"]) {
            let mut body = good.clone();
            body[field] = json!("therapist admin");
            ana.patch(&path, 1, &body).await.invalid(&format!("/{field}"));
        }
    }
    assert_eq!(contents(&app).await, before);
    assert_eq!(ana.get("/v1/me").await.expect(200)["display_name"], "ana");
    assert_eq!(ana.get("/v1/checkins").await.expect(200)["items"][0]["mood"], 5);
}

async fn z3_nobody_shares_with_somebody_outside_their_care_team(app: TestApp) {
    let (ana, ben, dee) = (app.patient("ana").await, app.patient("ben").await, app.therapist("dee").await);
    let eve = app.therapist_of("elsewhere", "eve").await;
    let entry = ana.entry("mine").await;
    let path = format!("/v1/journal/entries/{entry}/shares/0198f000-0000-7000-8000-000000000000");
    let nobody = ana.put(&path, &json!({})).await;
    assert_eq!(nobody.status, 404);
    for stranger in [&dee, &eve, &ben, &ana, &app.admin().await] {
        assert_eq!(
            ana.share(&entry, stranger, &json!({})).await.shape(),
            nobody.shape(),
            "{}",
            stranger.name
        );
    }
    assert_eq!(app.count("journal_shares").await, 0);
    ana.delete(&format!("/v1/care-team/{}", dee.id)).await.refused(404, "not_found");
}

async fn z3_nobody_shares_or_changes_what_is_anothers(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    let entry = ana.entry("hers").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    ben.share(&entry, &bo, &json!({})).await.refused(404, "not_found");
    ben.unshare(&entry, &bo).await.refused(404, "not_found");
    ben.patch(&format!("/v1/journal/entries/{entry}"), 1, &json!({"title": "his"}))
        .await
        .refused(404, "not_found");
    ben.delete_at(&format!("/v1/journal/entries/{entry}"), 1).await.refused(404, "not_found");
    bo.get(&format!("/v1/patients/{}/journal/entries/{entry}", ben.id)).await.refused(404, "not_found");
    assert_eq!(
        bo.get(&format!("/v1/patients/{}/journal/entries/{entry}", ana.id)).await.expect(200)["title"],
        "hers"
    );
    let device = ana.get("/v1/auth/devices").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    ben.delete(&format!("/v1/auth/devices/{device}")).await.refused(404, "not_found");
    ana.get("/v1/me").await.expect(200);
}

async fn z3_a_registration_takes_its_role_from_the_invitation(app: TestApp) {
    let bo = app.therapist("bo").await;
    let code = app.invite(&bo, &json!({"kind": "patient"})).await;
    for field in ["kind", "capabilities", "clinic_id", "member_id", "profession"] {
        let mut body = registration(&code, "mallory");
        body[field] = json!("staff");
        app.anon().post("/v1/auth/register", &body).await.invalid(&format!("/{field}"));
    }
    let pair = app.anon().post("/v1/auth/register", &registration(&code, "mallory")).await.expect(201);
    let me = app.person("mallory", &pair).get("/v1/me").await.expect(200);
    assert_eq!((&me["kind"], &me["capabilities"]), (&json!("patient"), &json!([])));
    let staff = json!({"kind": "staff", "capabilities": ["admin"]});
    bo.post("/v1/invitations", &staff).await.refused(403, "forbidden_role");
    let admin = app.admin().await;
    admin.post("/v1/invitations", &json!({"kind": "patient"})).await.refused(403, "forbidden_role");
}

async fn z3_a_hostile_path_is_no_id(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let plain = "0198f00000007000800000000000000f";
    let braced = "%7B0198f000-0000-7000-8000-000000000000%7D";
    for id in
        ["x", "1", "-1", "null", "%00", "'%20OR%201=1--", "..%2F..%2Fetc", "%F0%9F%90%A4", plain, braced, "*"]
    {
        for path in ["checkins", "journal/entries", "sessions", "reminders"] {
            ana.get(&format!("/v1/{path}/{id}")).await.invalid("path/id");
        }
        ana.delete(&format!("/v1/care-team/{id}")).await.invalid("path/id");
        bo.get(&format!("/v1/patients/{id}/sessions")).await.invalid("path/patient_id");
        bo.get(&format!("/v1/patients/{}/journal/entries/{id}", ana.id)).await.invalid("path/id");
        let share = format!("/v1/journal/entries/0198f000-0000-7000-8000-000000000000/shares/{id}");
        ana.put(&share, &json!({})).await.invalid("path/member_id");
    }
    // Not UTF-8 at all.
    assert!(ana.get("/v1/checkins/%FF%FE").await.status.is_client_error());
    assert!(ana.get("/v1/invitation-codes/%FF").await.status.is_client_error());
}
