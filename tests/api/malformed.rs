//! Requests that are wrong in form: each is refused in the one form of errors, with the place that is wrong.

use axum::http::Method;
use serde_json::json;

use crate::{
    harness::{Person, Reply, Request, TestApp, both_engines},
    openapi::{Operation, operations},
};

both_engines![
    every_operation_with_a_body_takes_only_one_json_object,
    unreadable_json_is_400_and_says_where,
    readable_json_of_the_wrong_shape_names_the_field,
    bodies_end_where_the_operation_says,
    what_is_not_json_is_415,
    unknown_paths_and_methods_are_problems_too,
    query_parameters_are_read_strictly,
    if_match_is_needed_where_something_may_be_lost,
    text_is_kept_byte_for_byte,
];

const NO_ID: &str = "0198f000-0000-7000-8000-000000000000";

/// A request of the person who may do this, about something that may not be there.
async fn request(app: &TestApp, operation: &Operation) -> Request {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let who = if operation.path.contains("patient_id") || operation.path.contains("invitations") {
        &bo
    } else {
        &ana
    };
    let therapists = [
        "update_session",
        "sign_form_thresholds",
        "offer_session",
        "decline_session_request",
        "put_entry_review",
        "acknowledge_alert",
        "create_cover",
    ];
    let who = if therapists.contains(&operation.id.as_str()) { &bo } else { who };
    let mia = app.medical("mia").await;
    let who = if operation.id == "put_session_administration" { &mia } else { who };
    let admin = app.admin().await;
    let who = if is_for_admins(operation) { &admin } else { who };
    let path = operation.path.replace("{patient_id}", &ana.id.to_string());
    let path = path.replace("{id}", NO_ID).replace("{member_id}", &bo.id.to_string());
    let path = path.replace("{plan_id}", NO_ID);
    who.request(operation.method.parse().unwrap(), &path).await.if_match(1)
}

fn is_for_admins(operation: &Operation) -> bool {
    let signed_by_clinicians = operation.path.starts_with("/v1/clinic/form-thresholds");
    !signed_by_clinicians && ["/v1/clinic", "/v1/staff"].iter().any(|path| operation.path.starts_with(path))
}

fn with_bodies() -> Vec<&'static Operation> {
    let all: Vec<&Operation> = operations()
        .iter()
        .filter(|operation| !operation.spec["requestBody"]["content"]["application/json"].is_null())
        .collect();
    assert!(all.len() > 12);
    all
}

async fn every_operation_with_a_body_takes_only_one_json_object(app: TestApp) {
    for operation in with_bodies() {
        // A session is looked up before its body is read.
        if operation.id == "update_session" {
            continue;
        }
        for (body, status) in [
            ("", 400),
            ("{", 400),
            ("nul", 400),
            ("\u{feff}{}", 400),
            ("[]", 422),
            ("null", 422),
            ("1", 422),
            ("\"text\"", 422),
            ("{\"nobody_knows_this\":1}", 422),
        ] {
            let reply = request(&app, operation).await.text(body).send().await;
            assert_eq!(reply.status, status, "{} with {body:?}: {}", operation.id, reply.json());
        }
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        let reply = request(&app, operation).await.text(deep).send().await;
        assert!([400, 422].contains(&reply.status.as_u16()), "{}: {}", operation.id, reply.json());
        let reply =
            request(&app, operation).await.bytes("{}").header("content-type", "text/plain").send().await;
        reply.refused(415, "unsupported_media_type");
        app.advance(chrono::Duration::minutes(16));
    }
}

async fn checkin(ana: &Person, body: impl Into<String>) -> Reply {
    ana.request(Method::POST, "/v1/checkins").await.text(body.into()).send().await
}

async fn unreadable_json_is_400_and_says_where(app: TestApp) {
    let ana = app.patient("ana").await;
    for body in [
        r#"{"mood":5,"note":"\ud800"}"#,
        r#"{"mood":5,"note":"\udc00 \ud800"}"#,
        "{\"mood\":5,\"note\":\"a\u{0}b\"}",
        "{\"mood\":5,\"note\":\"a\nb\"}",
        r#"{"mood":1e400}"#,
        r#"{"mood":-1e999}"#,
        r#"{"mood":5,}"#,
        r#"{"mood":05}"#,
        r#"{"mood":NaN}"#,
        r#"{'mood':5}"#,
        r#"{"mood":5} trailing"#,
        r#"{"mood":5,"note":"\x"}"#,
    ] {
        let problem = checkin(&ana, body).await.refused(400, "malformed_json");
        assert!(!problem["detail"].as_str().unwrap().contains("5,"), "{problem}");
    }
    let invalid_utf8 = [b"{\"mood\":5,\"note\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
    let request = ana.request(Method::POST, "/v1/checkins").await.text(invalid_utf8);
    request.send().await.refused(400, "malformed_json");
    assert_eq!(app.count("checkins").await, 0);
}

async fn readable_json_of_the_wrong_shape_names_the_field(app: TestApp) {
    let ana = app.patient("ana").await;
    for (body, pointer, code) in [
        (r#"{}"#, "/mood", "required"),
        (r#"{"mood":"5"}"#, "/mood", "wrong_type"),
        (r#"{"mood":5.5}"#, "/mood", "wrong_type"),
        (r#"{"mood":null}"#, "/mood", "wrong_type"),
        (r#"{"mood":99999999999999999999}"#, "/mood", "wrong_type"),
        (r#"{"mood":2147483648}"#, "/mood", "wrong_type"),
        (r#"{"mood":11}"#, "/mood", "out_of_range"),
        (r#"{"mood":-1}"#, "/mood", "out_of_range"),
        (r#"{"mood":5,"mood":6}"#, "/mood", "duplicate_field"),
        (r#"{"mood":5,"note":"a","note":"b"}"#, "/note", "duplicate_field"),
        (r#"{"mood":5,"colour":"red"}"#, "/colour", "unknown_field"),
        (r#"{"mood":5,"note":"a\u0000b"}"#, "/note", "nul_character"),
        (r#"{"mood":5,"note":""}"#, "/note", "wrong_length"),
        (r#"{"mood":5,"note":["a"]}"#, "/note", "wrong_type"),
        (r#"{"mood":5,"sleep_hours":7.3}"#, "/sleep_hours", "wrong_step"),
        (r#"{"mood":5,"sleep_hours":24.5}"#, "/sleep_hours", "out_of_range"),
        (r#"{"mood":5,"emotions":"calm"}"#, "/emotions", "wrong_type"),
        (r#"{"mood":5,"emotions":["calm","vengeful"]}"#, "/emotions/1", "unknown_value"),
        (r#"{"mood":5,"emotions":[1]}"#, "/emotions/0", "wrong_type"),
        (r#"{"mood":5,"taken_at":"yesterday"}"#, "/taken_at", "wrong_type"),
        (r#"{"mood":5,"taken_at":"2026-11-22"}"#, "/taken_at", "wrong_type"),
        (r#"{"mood":5,"taken_at":"2026-02-30T10:00:00Z"}"#, "/taken_at", "wrong_type"),
        (r#"{"mood":5,"taken_at":"+262142-01-01T00:00:00Z"}"#, "/taken_at", "impossible_time"),
        (r#"{"mood":5,"started_at":"0000-01-01T00:00:00Z"}"#, "/started_at", "impossible_time"),
    ] {
        let problem = checkin(&ana, body).await.invalid(pointer);
        let errors = problem["errors"].as_array().unwrap();
        let named = errors.iter().find(|error| error["pointer"] == pointer).unwrap();
        assert_eq!(named["code"], code, "{body}: {problem}");
    }
    let long = json!({"mood": 5, "note": "ü".repeat(2001)});
    checkin(&ana, long.to_string()).await.invalid("/note");
    let all = json!({"mood": 12, "anxiety": -3, "energy": 99, "note": "", "emotions": vec!["calm"; 21]});
    let problem = checkin(&ana, all.to_string()).await.expect(422);
    assert_eq!(problem["errors"].as_array().unwrap().len(), 5, "{problem}");
    assert_eq!(app.count("checkins").await, 0);
}

async fn bodies_end_where_the_operation_says(app: TestApp) {
    let ana = app.patient("ana").await;
    let padded = |size: usize| format!("{{\"mood\":5{}}}", " ".repeat(size - 10));
    assert_eq!(padded(100).len(), 100);
    checkin(&ana, padded(64 * 1024)).await.expect(201);
    checkin(&ana, padded(64 * 1024 + 1)).await.refused(413, "body_too_large");
    let entry = |size: usize| format!("{{\"fields\":{{\"text\":\"words\"}}{}}}", " ".repeat(size - 27));
    assert_eq!(entry(100).len(), 100);
    for (size, status) in [(1024 * 1024, 201), (1024 * 1024 + 1, 413)] {
        let request = ana.request(Method::POST, "/v1/journal/entries").await.text(entry(size));
        request.send().await.expect(status);
    }
}

async fn what_is_not_json_is_415(app: TestApp) {
    let ana = app.patient("ana").await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonx",
        "json",
    ] {
        let request = ana.request(Method::POST, "/v1/checkins").await.bytes("{\"mood\":5}");
        request.header("content-type", kind).send().await.refused(415, "unsupported_media_type");
    }
    ana.request(Method::POST, "/v1/checkins").await.bytes("{\"mood\":5}").send().await.expect(415);
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        let request = ana.request(Method::POST, "/v1/checkins").await.bytes("{\"mood\":5}");
        request.header("content-type", kind).send().await.expect(201);
    }
}

async fn unknown_paths_and_methods_are_problems_too(app: TestApp) {
    let ana = app.patient("ana").await;
    for path in
        ["/", "/v1", "/v1/", "/v2/checkins", "/v1/checkins/", "/v1//checkins", "/V1/checkins", "/v1/checkin"]
    {
        assert_eq!(ana.get(path).await.status, 404, "{path}");
        assert_eq!(app.anon().get(path).await.status, 404, "{path}");
    }
    for (method, path, allowed) in [
        (Method::PUT, "/v1/checkins", "GET,HEAD,POST"),
        (Method::DELETE, "/v1/me", "GET,HEAD,PATCH"),
        (Method::POST, "/healthz", "GET,HEAD"),
        (Method::TRACE, "/v1/me", "GET,HEAD,PATCH"),
    ] {
        let reply = ana.request(method.clone(), path).await.send().await;
        let mut given: Vec<&str> =
            reply.headers["allow"].to_str().unwrap().split(',').map(str::trim).collect();
        given.sort_unstable();
        assert_eq!(given.join(","), allowed, "{method} {path}");
        reply.refused(405, "method_not_allowed");
    }
}

async fn query_parameters_are_read_strictly(app: TestApp) {
    let ana = app.patient("ana").await;
    for path in ["/v1/checkins", "/v1/journal/entries", "/v1/sessions", "/v1/notifications"] {
        for wrong in ["0", "101", "-1", "1.5", "many", "99999999999999999999", ""] {
            ana.get(&format!("{path}?limit={wrong}")).await.invalid("query/limit");
        }
        for wrong in ["", "x", "%00", "AAAA", "%F0%9F%90%A4", &"A".repeat(5000)] {
            ana.get(&format!("{path}?cursor={wrong}")).await.invalid("query/cursor");
        }
        ana.get(&format!("{path}?page=2")).await.invalid("query/page");
        ana.get(&format!("{path}?limit=1&limit=2")).await.invalid("query/limit");
        for good in ["?limit=1", "?limit=100", ""] {
            ana.get(&format!("{path}{good}")).await.expect(200);
        }
    }
}

async fn if_match_is_needed_where_something_may_be_lost(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let mut asked = 0;
    for operation in operations() {
        if !operation.takes_version() {
            continue;
        }
        asked += 1;
        let of_requests = operation.path.starts_with("/v1/sessions/requests");
        let others = ["/intention", "/administration"].iter().any(|end| operation.path.ends_with(end));
        let staff = operation.path.starts_with("/v1/sessions") && !of_requests && !others;
        let answers = ["offer_session", "decline_session_request"].contains(&operation.id.as_str());
        let therapist = staff || answers || operation.path.starts_with("/v1/patients");
        let who = if therapist { &bo } else { &ana };
        let mia = app.medical("mia").await;
        let who = if operation.id == "put_session_administration" { &mia } else { who };
        let admin = app.admin().await;
        let who = if is_for_admins(operation) { &admin } else { who };
        let id = if staff {
            bo.schedule(&ana, "integration", app.now() + chrono::Duration::days(3 + asked)).await["id"]
                .clone()
        } else {
            json!(NO_ID)
        };
        let path = operation.path.replace("{id}", id.as_str().unwrap());
        let path = path.replace("{patient_id}", &ana.id.to_string()).replace("{plan_id}", NO_ID);
        let plain = || async { who.request(operation.method.parse().unwrap(), &path).await.json(&json!({})) };
        plain().await.send().await.refused(428, "if_match_required");
        for wrong in ["1", "\"x\"", "*", "W/\"1\"", "\"1\", \"2\"", "", "\"99999999999\"", "\"1"] {
            plain().await.header("if-match", wrong).send().await.invalid("header/If-Match");
        }
        plain().await.if_match(1).if_match(1).send().await.invalid("header/If-Match");
    }
    assert!(asked >= 11, "{asked}");
}

async fn text_is_kept_byte_for_byte(app: TestApp) {
    let ana = app.patient("ana").await;
    for text in [
        " leading and trailing \n\t",
        "e\u{301} is not \u{e9}",
        "👩🏽‍🚀 \u{202e}turned\u{202c} \u{200b}",
        "' OR 1=1; DROP TABLE checkins; --",
        "\\u0041 \\ \" / \u{7f}\u{85}\u{2028}",
        "<script>alert(1)</script> ${jndi:ldap://x} {{7*7}} %s%n",
    ] {
        let made = ana.post("/v1/checkins", &json!({"mood": 5, "note": text})).await.expect(201);
        let path = format!("/v1/checkins/{}", made["id"].as_str().unwrap());
        assert_eq!(ana.get(&path).await.expect(200)["note"], text);
        let made = ana
            .post("/v1/journal/entries", &json!({"title": text, "fields": {"text": text}}))
            .await
            .expect(201);
        let path = format!("/v1/journal/entries/{}", made["id"].as_str().unwrap());
        let kept = ana.get(&path).await.expect(200);
        assert_eq!((&kept["title"], &kept["fields"]["text"]), (&json!(text), &json!(text)));
    }
}
