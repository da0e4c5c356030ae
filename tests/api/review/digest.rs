//! The digest before a session, and what standing in opens and what not.

use axum::http::Method;
use chrono::Duration;
use serde_json::{Value, json};

use crate::{
    harness::{Person, TestApp, both_engines, counted, id_of},
    review::{cover, night},
};

both_engines![
    a_patient_without_data_has_a_digest_that_reads_well,
    a_digest_puts_together_what_was_shared,
    what_is_not_shared_is_in_no_digest,
    changes_are_told_against_the_last_and_the_first,
    a_digest_says_when_it_was_last_looked_at,
    the_page_says_the_same_and_loads_nothing,
    whatever_a_patient_writes_stays_words_on_the_page,
    a_long_year_fits_on_the_page_in_the_readers_language,
    a_year_takes_as_many_statements_as_a_day,
    whoever_stands_in_reads_the_digest_without_what_was_shared,
    standing_in_ends_by_itself_or_at_once,
    patients_learn_who_stands_in,
    what_is_wrong_with_standing_in_is_named,
];

async fn digest(who: &Person, patient: &Person) -> Value {
    who.get(&format!("/v1/patients/{}/digest", patient.id)).await.expect(200)
}

async fn page(who: &Person, patient: &Person) -> crate::harness::Reply {
    let path = format!("/v1/patients/{}/digest", patient.id);
    who.request(Method::GET, &path).await.header("accept", "text/html").send().await
}

fn text(reply: &crate::harness::Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

async fn a_patient_without_data_has_a_digest_that_reads_well(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let found = digest(&bo, &ana).await;
    assert_eq!(
        found,
        json!({
            "patient_id": ana.id, "display_name": "ana", "generated_at": found["generated_at"], "covering": false,
            "alerts": [], "to_talk_about": [], "measures": [], "missing_forms": [],
            "days": {"from": "2026-11-09", "to": "2026-11-22", "days": [], "sessions": []},
        })
    );
    let reply = page(&bo, &ana).await;
    assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
    let html = text(&reply);
    for words in [
        "No session is planned.",
        "No check-ins in these days.",
        "None has been filled in.",
        "Nothing is recorded yet.",
    ] {
        assert!(html.contains(words), "{words}");
    }
    assert!(!html.contains("Open alerts"));
}

/// Ana, with something of everything.
async fn practice(app: &TestApp) -> (Person, Person) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    night(app, &app.therapist("dee").await, "09:00", "17:00").await;
    let asked = json!({"measure_id": "phq-9", "due_at": (app.now() + Duration::days(3)).to_rfc3339()});
    let first = bo.post(&format!("/v1/patients/{}/measure-assignments", ana.id), &asked).await.expect(201);
    let mut form = crate::measures::form("phq-9", "3331111000");
    form["assignment_id"] = first["id"].clone();
    ana.post("/v1/measure-responses", &form).await.expect(201);
    app.advance(Duration::days(1));
    let mut form = crate::measures::form("phq-9", "1111100000");
    form["shared"] = json!(true);
    ana.post("/v1/measure-responses", &form).await.expect(201);
    let asked = json!({"measure_id": "gad-7", "due_at": (app.now() + Duration::days(3)).to_rfc3339()});
    bo.post(&format!("/v1/patients/{}/measure-assignments", ana.id), &asked).await.expect(201);
    let session = bo.schedule(&ana, "dosing", app.now() + Duration::days(2)).await;
    let path = format!("/v1/sessions/{}", id_of(&session));
    ana.patch(&format!("{path}/intention"), 1, &json!({"text": "To meet my grief", "shared": true}))
        .await
        .expect(200);
    ana.put(&format!("{path}/readiness/ride-home"), &json!({"done": true})).await.expect(200);
    ana.post("/v1/checkins", &json!({"mood": 4, "anxiety": 7, "energy": 3, "sleep_hours": 6.5}))
        .await
        .expect(201);
    ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    let entry = json!({"title": "The river again", "fields": {"text": "words"}, "to_talk_about": true});
    let entry = id_of(&ana.post("/v1/journal/entries", &entry).await.expect(201));
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    (ana, bo)
}

async fn a_digest_puts_together_what_was_shared(app: TestApp) {
    let (ana, bo) = practice(&app).await;
    let found = digest(&bo, &ana).await;
    assert_eq!(
        found["alerts"].as_array().unwrap().iter().filter(|one| one["rule"] == "checkin-very-low").count(),
        1
    );
    let next = &found["next_session"];
    assert_eq!((&next["kind"], &next["intention"]), (&json!("dosing"), &json!("To meet my grief")));
    let done: Vec<&Value> =
        next["readiness"].as_array().unwrap().iter().filter(|item| item["done"] == true).collect();
    assert_eq!((done.len(), &done[0]["id"]), (1, &json!("ride-home")));
    assert_eq!(
        (&found["to_talk_about"][0]["title"], &found["to_talk_about"][0]["reviewed"]),
        (&json!("The river again"), &json!(false))
    );
    assert_eq!(found["missing_forms"][0]["measure_id"], "gad-7");
    let day = &found["days"]["days"][0];
    assert_eq!(
        (&day["mood"]["mean"], &day["anxiety"]["max"], &day["sleep_hours"]["mean"]),
        (&json!(2.0), &json!(9.0), &json!(6.5))
    );
}

async fn what_is_not_shared_is_in_no_digest(app: TestApp) {
    let (ana, bo) = practice(&app).await;
    let private = json!({"title": "mine alone", "fields": {"text": "words"}, "to_talk_about": true});
    ana.post("/v1/journal/entries", &private).await.expect(201);
    let mine = crate::measures::form("gad-2", "33");
    ana.post("/v1/measure-responses", &mine).await.expect(201);
    let found = digest(&bo, &ana).await;
    assert!(!found.to_string().contains("mine alone"));
    assert_eq!(found["measures"].as_array().unwrap().len(), 1, "nobody asked for the GAD-2");
    let session = id_of(&found["next_session"]);
    ana.patch(&format!("/v1/sessions/{session}/intention"), 2, &json!({"shared": false})).await.expect(200);
    assert_eq!(digest(&bo, &ana).await["next_session"].get("intention"), None);
    ana.patch(&format!("/v1/sessions/{session}/intention"), 3, &json!({"shared": true})).await.expect(200);
    ana.post("/v1/consents", &json!({"purpose": "sharing_with_care_team", "decision": "withdrawn"}))
        .await
        .expect(201);
    let found = digest(&bo, &ana).await;
    assert_eq!((found["next_session"].get("intention"), &found["to_talk_about"]), (None, &json!([])));
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    bo.get(&format!("/v1/patients/{}/digest", ana.id)).await.refused(404, "not_found");
    page(&bo, &ana).await.refused(404, "not_found");
}

async fn changes_are_told_against_the_last_and_the_first(app: TestApp) {
    let (ana, bo) = practice(&app).await;
    let measure = digest(&bo, &ana).await["measures"][0].clone();
    assert_eq!(
        (&measure["title"], &measure["total"], &measure["max"]),
        (&json!("PHQ-9"), &json!(5.0), &json!(27.0))
    );
    assert_eq!(
        (&measure["change"]["since_previous"], &measure["change"]["since_baseline"]),
        (&json!(-8.0), &json!(-8.0))
    );
    assert_eq!(measure["course"], json!([13.0, 5.0]));
    assert_eq!((measure["band"].is_string(), measure["note"].is_string()), (true, true));
    bo.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    let spanish = digest(&bo, &ana).await["measures"][0].clone();
    assert_ne!(spanish["note"], measure["note"]);
    assert!(spanish["note"].as_str().unwrap().starts_with("Mejor"));
}

async fn a_digest_says_when_it_was_last_looked_at(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    assert_eq!(digest(&bo, &ana).await.get("last_looked_at"), None);
    let first = app.now();
    app.advance(Duration::hours(3));
    let found = digest(&bo, &ana).await;
    let at: chrono::DateTime<chrono::Utc> = found["last_looked_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(at, first);
    assert!(ana.get("/v1/me/access-log").await.expect(200).to_string().contains("review.digest"));
}

async fn the_page_says_the_same_and_loads_nothing(app: TestApp) {
    let (ana, bo) = practice(&app).await;
    let reply = page(&bo, &ana).await;
    let policy = reply.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(
        (&reply.headers["cache-control"], &reply.headers["vary"]),
        (&"no-store".parse().unwrap(), &"accept".parse().unwrap())
    );
    let html = text(&reply);
    for words in [
        "PHQ-9",
        "The river again",
        "To meet my grief",
        "Open alerts",
        "role=\"img\"",
        "<title id=\"chart-mood\">",
    ] {
        assert!(html.contains(words), "{words}");
    }
    for absent in ["<script", " style=", "http://", "https://", "src=", "href=", "@import", "url("] {
        assert!(!html.contains(absent), "{absent}");
    }
    assert_eq!(reply.headers["content-language"], "en");
    bo.patch("/v1/me", 1, &json!({"locale": "es-MX"})).await.expect(200);
    let spanish = text(&page(&bo, &ana).await);
    assert!(
        spanish.contains("Avisos abiertos")
            && spanish.contains("lang=\"es\"")
            && !spanish.contains("Open alerts")
    );
    // The style in the page is the one whose hash the policy allows.
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let hash = data_encoding::BASE64.encode(hash.as_ref());
    assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
}

async fn whatever_a_patient_writes_stays_words_on_the_page(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let hostile = "</style><script>alert(1)</script><img src=x onerror=\"x\">'\"&";
    let entry = json!({"title": hostile, "fields": {"text": "words"}, "to_talk_about": true});
    let entry = id_of(&ana.post("/v1/journal/entries", &entry).await.expect(201));
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    ana.patch("/v1/me", 1, &json!({"display_name": "<b>Ana</b>"})).await.expect(200);
    let session = bo.schedule(&ana, "dosing", app.now() + Duration::days(2)).await;
    let path = format!("/v1/sessions/{}/intention", id_of(&session));
    ana.patch(&path, 1, &json!({"text": hostile, "shared": true})).await.expect(200);
    let html = text(&page(&bo, &ana).await);
    for absent in ["<script", "<img", "<b>"] {
        assert!(!html.contains(absent), "{absent}");
    }
    assert_eq!(html.matches("</style>").count(), 1);
}

async fn a_long_year_fits_on_the_page_in_the_readers_language(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    for _ in 0..3 {
        ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
        app.advance(Duration::days(2));
    }
    for number in 0..8 {
        let entry =
            json!({"title": format!("night {number}."), "fields": {"text": "x"}, "to_talk_about": true});
        let entry = id_of(&ana.post("/v1/journal/entries", &entry).await.expect(201));
        ana.share(&entry, &bo, &json!({})).await.expect(200);
    }
    bo.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    let found = digest(&bo, &ana).await;
    assert_eq!(found["alerts"].as_array().unwrap().len(), 3);
    assert_eq!(found["to_talk_about"].as_array().unwrap().len(), 8);
    let says = found["alerts"][0]["says"].as_str().unwrap();
    assert!(says.contains("ansiedad alta"), "{says}");
    let html = text(&page(&bo, &ana).await);
    assert_eq!(html.matches("ansiedad alta").count(), 1);
    assert!(html.contains("3 veces desde el 22 de noviembre"), "{html}");
    assert_eq!((html.matches("night ").count(), html.matches("Hay más marcadas").count()), (6, 1));
}

async fn a_year_takes_as_many_statements_as_a_day(app: TestApp) {
    let (ana, bo) = practice(&app).await;
    let path = format!("/v1/patients/{}/digest", ana.id);
    let ask = async || {
        let request = bo.request(Method::GET, &path).await;
        let (reply, statements) = counted(request.send()).await;
        reply.expect(200);
        statements
    };
    ask().await;
    let short = ask().await;
    for _ in 0..60 {
        app.advance(Duration::days(6));
        ana.checkin(5).await;
        let mut form = crate::measures::form("gad-7", "1111111");
        form["shared"] = json!(true);
        ana.post("/v1/measure-responses", &form).await.expect(201);
    }
    bo.schedule(&ana, "integration", app.now() + Duration::days(2)).await;
    assert_eq!(ask().await, short);
    println!("digest: {short} statements");
}

async fn whoever_stands_in_reads_the_digest_without_what_was_shared(app: TestApp) {
    let (ana, bo) = practice(&app).await;
    let dee = app.therapist("dee").await;
    dee.get(&format!("/v1/patients/{}/digest", ana.id)).await.refused(404, "not_found");
    let made =
        cover(&bo, &dee, app.now() - Duration::hours(1), app.now() + Duration::days(1)).await.expect(201);
    assert_eq!(made["covering_member_id"], json!(dee.id));
    let found = digest(&dee, &ana).await;
    assert_eq!((&found["covering"], &found["to_talk_about"]), (&json!(true), &json!([])));
    assert!(!found["alerts"].as_array().unwrap().is_empty());
    assert!(text(&page(&dee, &ana).await).contains("You stand in"));
    // It opens nothing else.
    for path in ["journal/entries", "checkins/trend", "measure-responses", "sessions", "goals"] {
        dee.get(&format!("/v1/patients/{}/{path}", ana.id)).await.refused(404, "not_found");
    }
    assert_eq!(dee.get("/v1/patients").await.expect(200)["items"], json!([]));
    assert_eq!(dee.get("/v1/review/queue").await.expect(200)["items"], json!([]));
}

async fn standing_in_ends_by_itself_or_at_once(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    let path = format!("/v1/patients/{}/digest", ana.id);
    let (from, to) = (app.now() + Duration::hours(1), app.now() + Duration::days(1));
    cover(&bo, &dee, from, to).await.expect(201);
    dee.get(&path).await.refused(404, "not_found");
    app.advance(Duration::hours(1));
    dee.get(&path).await.expect(200);
    app.advance(Duration::hours(23));
    dee.get(&path).await.refused(404, "not_found");
    let second = cover(&bo, &dee, app.now(), app.now() + Duration::days(1)).await.expect(201);
    dee.get(&path).await.expect(200);
    let eve = app.therapist_of("elsewhere", "eve").await;
    eve.delete(&format!("/v1/covers/{}", id_of(&second))).await.refused(404, "not_found");
    bo.delete(&format!("/v1/covers/{}", id_of(&second))).await.expect(204);
    dee.get(&path).await.refused(404, "not_found");
    cover(&bo, &dee, app.now(), app.now() + Duration::days(1)).await.expect(201);
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    dee.get(&path).await.refused(404, "not_found");
}

async fn patients_learn_who_stands_in(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    let made = cover(&bo, &dee, app.now(), app.now() + Duration::days(1)).await.expect(201);
    digest(&dee, &ana).await;
    dee.delete(&format!("/v1/covers/{}", id_of(&made))).await.expect(204);
    let log = ana.get("/v1/me/access-log").await.expect(200);
    let seen: Vec<(&str, &str)> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["action"].as_str().unwrap(), one["display_name"].as_str().unwrap()))
        .collect();
    assert_eq!(seen[..3], [("care.cover_end", "dee"), ("review.digest", "dee"), ("care.cover", "bo")]);
    assert_eq!(log["items"][1]["resource"], "digest standing in");
}

async fn what_is_wrong_with_standing_in_is_named(app: TestApp) {
    let (bo, dee) = (app.therapist("bo").await, app.therapist("dee").await);
    let (ana, eve) = (app.patient("ana").await, app.therapist_of("elsewhere", "eve").await);
    let (now, day) = (app.now(), Duration::days(1));
    cover(&bo, &dee, now, now - day).await.invalid("/ends_at");
    cover(&bo, &dee, now - day * 2, now - day).await.invalid("/ends_at");
    cover(&bo, &dee, now, now + day * 93).await.invalid("/ends_at");
    for who in [&bo, &ana, &eve, &app.admin().await] {
        cover(&bo, who, now, now + day).await.invalid("/covering_member_id");
    }
    cover(&ana, &dee, now, now + day).await.refused(403, "forbidden_role");
    assert_eq!(bo.get("/v1/covers").await.expect(200), json!({"items": []}));
    cover(&bo, &dee, now, now + day).await.expect(201);
    for who in [&bo, &dee] {
        assert_eq!(who.get("/v1/covers").await.expect(200)["items"].as_array().unwrap().len(), 1);
    }
}
