//! The clinic, invitations, the care team.

use afterglow::{care, db::Writing};
use chrono::Duration;
use entity::ids::PatientId;
use serde_json::{Value, json};

use crate::{
    authz::assign,
    harness::{Person, TestApp, both_engines, id_of, registration},
};

both_engines![
    everybody_sees_their_own_clinic,
    a_code_is_shown_once_and_listed_without,
    a_revoked_code_works_no_more,
    a_code_ends_after_a_week,
    a_used_invitation_is_not_revoked,
    what_is_wrong_with_an_invitation_is_named,
    invented_codes_lead_nowhere,
    guessing_codes_is_stopped,
    patients_end_care_and_it_is_audited,
    an_open_invitation_is_printed_and_a_closed_one_is_not,
    a_coordinator_invites_into_somebodys_care,
    invited_staff_get_what_the_admin_gave_them,
    whoever_was_stopped_comes_back_by_no_invitation,
    a_role_that_is_lost_takes_only_its_own_invitations,
    admins_see_and_revoke_each_others_invitations_of_staff,
    a_change_that_waited_while_care_ended_is_refused,
];

async fn everybody_sees_their_own_clinic(app: TestApp) {
    let (ana, eve) = (app.patient("ana").await, app.therapist_of("elsewhere", "eve").await);
    let hers = ana.get("/v1/clinic").await.expect(200);
    assert_eq!(
        (&hers["name"], &hers["country"], &hers["phone"]),
        (&json!("home"), &json!("DE"), &json!("+49 30 901820"))
    );
    assert_eq!(eve.get("/v1/clinic").await.expect(200)["name"], "elsewhere");
    assert_eq!(app.therapist("bo").await.get("/v1/clinic").await.expect(200), hers);
}

async fn a_code_is_shown_once_and_listed_without(app: TestApp) {
    let bo = app.therapist("bo").await;
    let made =
        bo.post("/v1/invitations", &json!({"kind": "patient", "label": "Tuesday's"})).await.expect(201);
    assert_eq!(made["code"].as_str().unwrap().len(), 13);
    app.advance(Duration::seconds(1));
    bo.post("/v1/invitations", &json!({"kind": "patient"})).await.expect(201);
    let list = bo.get("/v1/invitations").await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[1]["id"], &items[1]["label"]), (2, &made["id"], &json!("Tuesday's")));
    assert!(items.iter().all(|item| item.get("code").is_none()), "{list}");
    assert!(
        items[0].get("label").is_none() && items[0].get("used_at").is_none(),
        "absent means none: {list}"
    );
}

async fn a_revoked_code_works_no_more(app: TestApp) {
    let bo = app.therapist("bo").await;
    let made = bo.post("/v1/invitations", &json!({"kind": "patient"})).await.expect(201);
    let (path, code) = (format!("/v1/invitations/{}", id_of(&made)), made["code"].as_str().unwrap());
    bo.delete(&path).await.expect(204);
    bo.delete(&path).await.refused(404, "not_found");
    app.anon().get(&format!("/v1/invitation-codes/{code}")).await.refused(404, "not_found");
    app.anon().post("/v1/auth/register", &registration(code, "ana")).await.invalid("/invitation_code");
    assert!(bo.get("/v1/invitations").await.expect(200)["items"][0]["revoked_at"].is_string());
}

async fn a_code_ends_after_a_week(app: TestApp) {
    let bo = app.therapist("bo").await;
    let code = app.invite(&bo, &json!({"kind": "patient"})).await;
    app.advance(Duration::days(7) - Duration::seconds(1));
    app.anon().get(&format!("/v1/invitation-codes/{code}")).await.expect(200);
    app.advance(Duration::seconds(1));
    app.anon().get(&format!("/v1/invitation-codes/{code}")).await.refused(404, "not_found");
    app.anon().post("/v1/auth/register", &registration(&code, "ana")).await.invalid("/invitation_code");
}

async fn a_used_invitation_is_not_revoked(app: TestApp) {
    let (_, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let list = bo.get("/v1/invitations").await.expect(200);
    assert!(list["items"][0]["used_at"].is_string());
    bo.delete(&format!("/v1/invitations/{}", id_of(&list["items"][0]))).await.refused(404, "not_found");
}

async fn what_is_wrong_with_an_invitation_is_named(app: TestApp) {
    let (bo, admin) = (app.therapist("bo").await, app.admin().await);
    for (who, body, pointer) in [
        (&bo, json!({"kind": "patient", "capabilities": ["therapist"]}), "/capabilities"),
        (&bo, json!({"kind": "patient", "profession": "Nurse"}), "/profession"),
        (&bo, json!({"kind": "patient", "label": ""}), "/label"),
        (&bo, json!({"kind": "patient", "label": "x".repeat(121)}), "/label"),
        (&bo, json!({"kind": "visitor"}), "/kind"),
        (&bo, json!({}), "/kind"),
        (&admin, json!({"kind": "staff"}), "/capabilities"),
        (&admin, json!({"kind": "staff", "capabilities": []}), "/capabilities"),
        (&admin, json!({"kind": "staff", "capabilities": ["owner"]}), "/capabilities/0"),
        (&admin, json!({"kind": "staff", "capabilities": vec!["admin"; 5]}), "/capabilities"),
        (
            &admin,
            json!({"kind": "staff", "capabilities": ["admin"], "profession": "x".repeat(81)}),
            "/profession",
        ),
    ] {
        who.post("/v1/invitations", &body).await.invalid(pointer);
    }
}

async fn invented_codes_lead_nowhere(app: TestApp) {
    let bo = app.therapist("bo").await;
    let code = app.invite(&bo, &json!({"kind": "patient"})).await;
    let mistyped = format!("{}{}", if code.starts_with('A') { "B" } else { "A" }, &code[1..]);
    for wrong in ["x", "00000-00000-0", "%20", "'%20OR%201=1", &mistyped, &"A".repeat(4000)] {
        app.anon().get(&format!("/v1/invitation-codes/{wrong}")).await.refused(404, "not_found");
    }
    app.anon().get(&format!("/v1/invitation-codes/{}", code.to_lowercase())).await.expect(200);
}

async fn guessing_codes_is_stopped(app: TestApp) {
    for _ in 0..300 {
        app.anon().get("/v1/invitation-codes/00000-00000-0").await.refused(404, "not_found");
    }
    let stopped = app.anon().get("/v1/invitation-codes/00000-00000-0").await;
    assert!(stopped.headers.contains_key("retry-after"));
    stopped.refused(429, "too_many_attempts");
    let login = json!({"email": "a@example.org", "password": "x"});
    app.anon().post("/v1/auth/login", &login).await.refused(429, "too_many_attempts");
    app.advance(Duration::minutes(16));
    app.anon().get("/v1/invitation-codes/00000-00000-0").await.refused(404, "not_found");
}

async fn patients_end_care_and_it_is_audited(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    assign(&app, &ana, &dee).await;
    assert_eq!(ana.get("/v1/care-team").await.expect(200)["items"].as_array().unwrap().len(), 2);
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.refused(404, "not_found");
    let left = ana.get("/v1/care-team").await.expect(200);
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    assert_eq!(left["items"][0]["member_id"], dee.id.to_string());
    let rows = app.query("SELECT resource FROM audit_events WHERE action = 'care.end'", vec![]).await;
    let resources: Vec<String> = rows.iter().map(|row| row.try_get("", "resource").unwrap()).collect();
    assert_eq!(resources, [format!("accounts/{}", bo.id)]);
    // Care can begin again, and what was shared before stays closed.
    assign(&app, &ana, &bo).await;
    let path = format!("/v1/patients/{}/journal/entries", ana.id);
    assert_eq!(bo.get(&path).await.expect(200)["items"], json!([]));
}

async fn an_open_invitation_is_printed_and_a_closed_one_is_not(app: TestApp) {
    let bo = app.therapist("bo").await;
    let made = bo.post("/v1/invitations", &json!({"kind": "patient"})).await.expect(201);
    let (code, page) = (made["code"].as_str().unwrap(), format!("/v1/invitations/{}/page", id_of(&made)));
    let reply = bo.get(&format!("{page}?locale=es")).await;
    assert_eq!((reply.status.as_u16(), &reply.headers["content-language"]), (200, &"es".parse().unwrap()));
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert_eq!(reply.headers["cache-control"], "no-store");
    let html = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(html.contains(code) && html.contains("<svg") && html.contains("Su invitación"), "{html}");
    let kept = async || {
        let rows = app.query("SELECT id FROM invitations WHERE code_sealed IS NOT NULL", vec![]).await;
        rows.len()
    };
    let before = kept().await;
    app.anon().post("/v1/auth/register", &registration(code, "new")).await.expect(201);
    bo.get(&page).await.refused(404, "not_found");
    assert_eq!(kept().await, before - 1, "a code that was used is kept nowhere");
    let second = bo.post("/v1/invitations", &json!({"kind": "patient"})).await.expect(201);
    bo.delete(&format!("/v1/invitations/{}", id_of(&second))).await.expect(204);
    assert_eq!(kept().await, before - 1);
    let third = bo.post("/v1/invitations", &json!({"kind": "patient"})).await.expect(201);
    let page = format!("/v1/invitations/{}/page", id_of(&third));
    bo.get(&page).await.headers["content-security-policy"].to_str().unwrap();
    app.advance(Duration::days(7));
    bo.get(&page).await.refused(404, "not_found");
}

async fn a_coordinator_invites_into_somebodys_care(app: TestApp) {
    let (bo, cleo, mia) =
        (app.therapist("bo").await, app.coordinator("cleo").await, app.medical("mia").await);
    let invite = |member: Value| json!({"kind": "patient", "member_id": member});
    cleo.post("/v1/invitations", &json!({"kind": "patient"})).await.invalid("/member_id");
    let eve = app.therapist_of("elsewhere", "eve").await;
    for nobody in [json!(cleo.id), json!(eve.id), json!("0198f000-0000-7000-8000-000000000000")] {
        cleo.post("/v1/invitations", &invite(nobody)).await.invalid("/member_id");
    }
    let staff = json!({"kind": "staff", "capabilities": ["therapist"], "member_id": bo.id});
    app.admin().await.post("/v1/invitations", &staff).await.invalid("/member_id");
    let made = cleo.post("/v1/invitations", &invite(json!(bo.id))).await.expect(201);
    assert_eq!(cleo.get(&format!("/v1/invitations/{}/page", id_of(&made))).await.status, 200);
    let joined = registration(made["code"].as_str().unwrap(), "ana");
    let ana = app.person("ana", &app.anon().post("/v1/auth/register", &joined).await.expect(201));
    let team = ana.get("/v1/care-team").await.expect(200);
    assert_eq!(team["items"].as_array().unwrap().len(), 1);
    assert_eq!(team["items"][0]["member_id"], json!(bo.id));
    // Medical staff come into a patient's care with a code, like everybody else.
    let code = app.invite(&cleo, &invite(json!(mia.id))).await;
    let join = json!({"invitation_code": code});
    assert_eq!(ana.post("/v1/care-team", &join).await.expect(201)["member_id"], json!(mia.id));
}

async fn invited_staff_get_what_the_admin_gave_them(app: TestApp) {
    let admin = app.admin().await;
    let invitation = json!({"kind": "staff", "capabilities": ["coordinator", "admin", "coordinator"], "profession": "Front desk"});
    let code = app.invite(&admin, &invitation).await;
    let pair = app.anon().post("/v1/auth/register", &registration(&code, "cleo")).await.expect(201);
    let cleo = app.person("cleo", &pair);
    app.enrol(cleo.id).await;
    let me: Value = cleo.get("/v1/me").await.expect(200);
    assert_eq!((&me["kind"], &me["capabilities"]), (&json!("staff"), &json!(["coordinator", "admin"])));
    cleo.get("/v1/care-team").await.refused(403, "forbidden_role");
    cleo.get(&format!("/v1/patients/{}/sessions", me["id"].as_str().unwrap()))
        .await
        .refused(403, "forbidden_role");
    cleo.post("/v1/checkins", &json!({"mood": 5})).await.refused(403, "forbidden_role");
    // A lost capability counts from the next request on.
    app.invite(&cleo, &json!({"kind": "staff", "capabilities": ["therapist"]})).await;
    app.execute("UPDATE accounts SET capabilities = 'coordinator' WHERE id = $1", vec![cleo.id.into()]).await;
    cleo.post("/v1/invitations", &json!({"kind": "staff", "capabilities": ["therapist"]}))
        .await
        .refused(403, "forbidden_role");
    app.execute("UPDATE accounts SET state = 'closed' WHERE id = $1", vec![cleo.id.into()]).await;
    cleo.get("/v1/me").await.refused(401, "unauthenticated");
}

/// A second admin, who is named Cleo.
async fn second_admin(app: &TestApp) -> Person {
    let admin = app.admin().await;
    let code = app.invite(&admin, &json!({"kind": "staff", "capabilities": ["admin"]})).await;
    let pair = app.anon().post("/v1/auth/register", &registration(&code, "cleo")).await.expect(201);
    let cleo = app.person("cleo", &pair);
    app.enrol(cleo.id).await;
    cleo
}

async fn works(app: &TestApp, code: &str) -> bool {
    app.anon().get(&format!("/v1/invitation-codes/{code}")).await.status == 200
}

async fn whoever_was_stopped_comes_back_by_no_invitation(app: TestApp) {
    let cleo = second_admin(&app).await;
    let (bo, coordinator) = (app.therapist("bo").await, app.coordinator("cor").await);
    let staff = app.invite(&cleo, &json!({"kind": "staff", "capabilities": ["admin"]})).await;
    app.stop(&cleo).await;
    app.anon().post("/v1/auth/register", &registration(&staff, "again")).await.invalid("/invitation_code");
    let own = app.invite(&bo, &json!({"kind": "patient"})).await;
    let into_his_care = app.invite(&coordinator, &json!({"kind": "patient", "member_id": bo.id})).await;
    let others = app.invite(&app.admin().await, &json!({"kind": "staff", "capabilities": ["medical"]})).await;
    app.stop(&bo).await;
    for code in [&own, &into_his_care] {
        app.anon().post("/v1/auth/register", &registration(code, "ana")).await.invalid("/invitation_code");
    }
    assert!(works(&app, &others).await);
    let sealed = "SELECT 1 AS one FROM invitations WHERE code_sealed IS NOT NULL AND revoked_at IS NOT NULL";
    assert_eq!(app.query(sealed, vec![]).await.len(), 0);
}

async fn a_role_that_is_lost_takes_only_its_own_invitations(app: TestApp) {
    let (admin, bo) = (app.admin().await, app.therapist("bo").await);
    let set = async |capabilities: Value| {
        let body = json!({ "capabilities": capabilities });
        admin.patch(&format!("/v1/staff/{}", bo.id), 1, &body).await.expect(200);
    };
    set(json!(["therapist", "admin"])).await;
    let staff = app.invite(&bo, &json!({"kind": "staff", "capabilities": ["therapist"]})).await;
    let patient = app.invite(&bo, &json!({"kind": "patient"})).await;
    set(json!(["therapist", "admin", "coordinator"])).await;
    assert!(works(&app, &staff).await && works(&app, &patient).await);
    set(json!(["therapist"])).await;
    assert_eq!((works(&app, &staff).await, works(&app, &patient).await), (false, true));
}

async fn admins_see_and_revoke_each_others_invitations_of_staff(app: TestApp) {
    let (cleo, admin, bo) = (second_admin(&app).await, app.admin().await, app.therapist("bo").await);
    let staff = json!({"kind": "staff", "capabilities": ["therapist"], "label": "the new one"});
    let made = cleo.post("/v1/invitations", &staff).await.expect(201);
    let patient = bo.post("/v1/invitations", &json!({"kind": "patient"})).await.expect(201);
    let seen = async |who: &Person, id: &Value| {
        let list = who.get("/v1/invitations").await.expect(200);
        list["items"].as_array().unwrap().iter().any(|one| one["id"] == *id)
    };
    assert!(seen(&admin, &made["id"]).await && !seen(&admin, &patient["id"]).await);
    assert!(!seen(&bo, &made["id"]).await);
    let elsewhere = app.admin_of("elsewhere").await;
    assert!(!seen(&elsewhere, &made["id"]).await);
    let path = |made: &Value| format!("/v1/invitations/{}", id_of(made));
    for who in [&elsewhere, &bo] {
        who.delete(&path(&made)).await.refused(404, "not_found");
    }
    admin.delete(&path(&patient)).await.refused(404, "not_found");
    admin.delete(&path(&made)).await.expect(204);
    assert!(!works(&app, made["code"].as_str().unwrap()).await);
}

async fn a_change_that_waited_while_care_ended_is_refused(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let clinic: uuid::Uuid = id_of(&ana.get("/v1/clinic").await.expect(200)).parse().unwrap();
    let session = bo.schedule(&ana, "integration", app.now() + Duration::days(3)).await;
    let body = json!({"kind": "integration", "starts_at": (app.now() + Duration::days(4)).to_rfc3339()});
    let path = format!("/v1/sessions/{}", id_of(&session));
    let patient = Some(PatientId(ana.id));
    let writing = Writing { actor: ana.id.into(), stream: clinic, patient, request_id: "test" };
    let ended = app.state.db.write(&writing, async |tx| {
        care::end(tx, ana.id.into(), bo.id.into(), ana.id.into()).await?;
        // Both are let in by what is committed, and wait for the patient's lock.
        let (one, other) = (bo.clone(), bo.clone());
        let (path, patient, body) = (path.clone(), ana.id, body.clone());
        let create = async move { one.post(&format!("/v1/patients/{patient}/sessions"), &body).await };
        let update = async move { other.patch(&path, 1, &json!({"location": "home"})).await };
        let mut waiting = tokio::spawn(async { tokio::join!(create, update) });
        let early = tokio::time::timeout(std::time::Duration::from_millis(500), &mut waiting).await;
        assert!(early.is_err(), "nobody waited for the lock");
        Ok(waiting)
    });
    let (create, update) = ended.await.unwrap().await.unwrap();
    create.refused(404, "not_found");
    update.refused(404, "not_found");
    assert_eq!(app.count("sessions").await, 1);
    assert_eq!(ana.get(&format!("/v1/sessions/{}", id_of(&session))).await.expect(200)["version"], 1);
}
