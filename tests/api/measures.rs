//! Questionnaires over HTTP: their texts, what is answered, what it raises, and what the care team sees of it.

mod care;
pub mod clinic;

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![
    forms_come_without_a_login_in_the_readers_language,
    an_answered_form_is_scored_kept_and_sealed,
    an_unfinished_form_is_kept_without_a_total,
    later_results_are_compared_with_earlier_ones,
    what_is_wrong_with_a_form_is_named,
    the_daily_form_is_a_checkin,
    item_nine_commits_its_alert_and_answers_with_the_card,
    what_was_to_be_shared_is_kept_when_sharing_was_withdrawn,
    worsening_raises_an_alert_only_after_an_earlier_result,
    thresholds_of_our_own_forms_wait_for_the_signature,
    a_repeated_request_has_one_effect,
];

pub fn answers(prefix: &str, given: &str) -> Vec<Value> {
    let numbered = given.chars().enumerate().filter(|(_, answer)| *answer != '-');
    numbered
        .map(|(index, answer)| json!({"item": format!("{prefix}.{}", index + 1), "choice": answer.to_string()}))
        .collect()
}

pub fn form(measure: &str, given: &str) -> Value {
    let prefix = measure.replace('-', "");
    json!({"measure_id": measure, "version": "1.0.0", "language": "en", "answers": answers(&prefix, given)})
}

async fn hand_in(who: &Person, form: &Value) -> Value {
    who.post("/v1/measure-responses", form).await.expect(201)
}

fn with(mut form: Value, field: &str, value: Value) -> Value {
    form[field] = value;
    form
}

async fn alerts(app: &TestApp) -> Vec<(String, String)> {
    let rows = app.query("SELECT rule, level FROM alerts ORDER BY rule", vec![]).await;
    rows.iter().map(|row| (row.try_get("", "rule").unwrap(), row.try_get("", "level").unwrap())).collect()
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|(rule, level)| ((*rule).to_owned(), (*level).to_owned())).collect()
}

async fn forms_come_without_a_login_in_the_readers_language(app: TestApp) {
    let list = app.anon().get("/v1/measures").await.expect(200);
    let ids: Vec<&str> =
        list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        [
            "daily-check-in",
            "gad-2",
            "gad-7",
            "pcl-5",
            "phq-2",
            "phq-9",
            "post-session-check",
            "pre-session-check",
            "session-reflection"
        ]
    );
    for one in list["items"].as_array().unwrap() {
        assert!(!one["licence_notice"].as_str().unwrap().is_empty(), "{one}");
    }
    let spanish = async |id: &str| {
        let request = app.anon().request(axum::http::Method::GET, &format!("/v1/measures/{id}")).await;
        request.header("accept-language", "es-MX, en;q=0.5").send().await
    };
    let reply = spanish("phq-9").await;
    assert_eq!(reply.headers["content-language"], "es");
    let tag = reply.headers["etag"].to_str().unwrap().to_owned();
    let phq = reply.expect(200);
    assert_eq!(
        (phq["title"].as_str().unwrap(), phq["version"].as_str()),
        ("Cuestionario sobre la Salud del Paciente-9", Some("1.0.0"))
    );
    assert!(phq["loinc_notice"].as_str().unwrap().contains("Regenstrief Institute"));
    assert!(phq["licence_notice"].as_str().unwrap().contains("Spitzer"));
    assert!(phq["not_monitored"].as_str().unwrap().starts_with("Nadie vigila"));
    assert_eq!(phq["items"].as_array().unwrap().len(), 10);
    assert_eq!(phq["items"][8]["sensitive"], true);
    assert_eq!(phq["items"][0]["options"][3]["value"], "3");
    assert_eq!(phq["scores"][0]["bands"][4]["label"], "Grave");
    let whole = phq.to_string();
    for hidden in ["clinician", "safety", "cutoff"] {
        assert!(!whole.to_lowercase().contains(hidden), "{hidden}");
    }
    let pcl = spanish("pcl-5").await;
    assert_eq!(pcl.headers["content-language"], "en", "a validated scale is never translated by machine");
    let pcl = pcl.expect(200);
    assert_eq!((&pcl["language"], &pcl["languages"]), (&json!("en"), &json!(["en"])));
    let again = app.anon().request(axum::http::Method::GET, "/v1/measures/phq-9").await;
    let again = again.header("accept-language", "es").header("if-none-match", &tag).send().await;
    assert_eq!(again.status, 304);
    let english = app.anon().request(axum::http::Method::GET, "/v1/measures/phq-9").await;
    assert_eq!(
        english.header("if-none-match", &tag).send().await.status,
        200,
        "another language is another text"
    );
    app.anon().get("/v1/measures/who-5").await.refused(404, "not_found");
}

async fn an_answered_form_is_scored_kept_and_sealed(app: TestApp) {
    let ana = app.patient("ana").await;
    let taken = (app.now() - Duration::hours(2)).to_rfc3339();
    let reply =
        ana.post("/v1/measure-responses", &with(form("phq-9", "3331000000"), "taken_at", json!(taken))).await;
    assert_eq!(reply.headers["etag"], "\"1\"");
    let made = reply.expect(201);
    assert_eq!(
        (&made["state"], &made["total"], &made["band"], &made["scores"]),
        (
            &json!("complete"),
            &json!(10.0),
            &json!("moderate"),
            &json!([{"id": "total", "value": 10.0, "band": "moderate"}])
        )
    );
    assert!(
        made.get("change").is_none() && made.get("crisis_card").is_none() && made.get("message").is_none()
    );
    assert_eq!(made["visible_to_care_team"], false);
    assert_eq!(made["answers"].as_array().unwrap().len(), 10);
    assert_eq!(made["answers"][0], json!({"item": "phq9.1", "choice": "3"}));
    let path = format!("/v1/measure-responses/{}", id_of(&made));
    assert_eq!(ana.get(&path).await.expect(200), made);
    let ben = app.patient("ben").await;
    ben.get(&path).await.refused(404, "not_found");
    ben.request(axum::http::Method::PUT, &format!("{path}/share"))
        .await
        .send()
        .await
        .refused(404, "not_found");
    let rows = app.query("SELECT answers_sealed FROM measure_responses", vec![]).await;
    let sealed: Vec<u8> = rows[0].try_get("", "answers_sealed").unwrap();
    assert!(!sealed.windows(4).any(|window| window == b"phq9"));
}

async fn an_unfinished_form_is_kept_without_a_total(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = hand_in(&ana, &form("gad-7", "333333-")).await;
    assert_eq!((&made["state"], &made["scores"]), (&json!("partial"), &json!([])));
    assert!(made.get("total").is_none() && made.get("band").is_none());
    let made = hand_in(&ana, &form("phq-9", "--------1")).await;
    assert!(made["crisis_card"]["message"].as_str().unwrap().contains("not watched around the clock"));
    assert_eq!(alerts(&app).await, pairs(&[("phq9-item9-any", "high")]));
}

async fn later_results_are_compared_with_earlier_ones(app: TestApp) {
    let ana = app.patient("ana").await;
    hand_in(&ana, &form("phq-9", "333323300")).await;
    app.advance(Duration::days(7));
    hand_in(&ana, &form("phq-9", "33333-300")).await;
    app.advance(Duration::days(7));
    let second = hand_in(&ana, &form("phq-9", "333100000")).await;
    assert_eq!(
        second["change"],
        json!({"since_previous": -10.0, "since_baseline": -10.0, "direction": "better", "response": true, "remission": false})
    );
    app.advance(Duration::days(7));
    let third = hand_in(&ana, &form("phq-9", "333110000")).await;
    assert_eq!(
        third["change"],
        json!({"since_previous": 1.0, "since_baseline": -9.0, "direction": "no_meaningful_change",
            "response": false, "remission": false})
    );
    assert!(hand_in(&ana, &form("gad-7", "0000000")).await.get("change").is_none(), "another questionnaire");
    let ben = app.patient("ben").await;
    assert!(hand_in(&ben, &form("phq-9", "000000000")).await.get("change").is_none(), "another patient");
}

async fn what_is_wrong_with_a_form_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    let good = || form("gad-2", "00");
    let answered = |answers: Value| with(good(), "answers", answers);
    let of = |measure: &str, answers: Value| json!({"measure_id": measure, "version": "1.0.0", "language": "en", "answers": answers});
    let ahead = (app.now() + Duration::hours(1)).to_rfc3339();
    let old = (app.now() - Duration::days(400)).to_rfc3339();
    for (body, pointer) in [
        (json!({}), "/measure_id"),
        (with(good(), "measure_id", json!("who-5")), "/measure_id"),
        (with(good(), "version", json!("0.9.0")), "/version"),
        (with(good(), "language", json!("fr")), "/language"),
        (with(form("pcl-5", "0"), "language", json!("es")), "/language"),
        (with(good(), "taken_at", json!(ahead)), "/taken_at"),
        (with(good(), "taken_at", json!(old)), "/taken_at"),
        (with(good(), "started_at", json!(ahead)), "/started_at"),
        (with(good(), "assignment_id", json!("0198f000-0000-7000-8000-000000000000")), "/assignment_id"),
        (with(good(), "colour", json!("red")), "/colour"),
        (answered(json!([])), "/answers"),
        (answered(json!([{"item": "gad2.3", "choice": "0"}])), "/answers/0/item"),
        (answered(json!([{"item": "gad2.1", "choice": "4"}])), "/answers/0/choice"),
        (answered(json!([{"item": "gad2.1", "choice": 0}])), "/answers/0/choice"),
        (answered(json!([{"item": "gad2.1"}])), "/answers/0/choice"),
        (answered(json!([{"item": "gad2.1", "choice": "0", "number": 0}])), "/answers/0/number"),
        (
            answered(json!([{"item": "gad2.1", "choice": "0"}, {"item": "gad2.1", "choice": "1"}])),
            "/answers/1/item",
        ),
        (answered(json!([{"item": "gad2.1", "colour": "red"}])), "/answers/0/colour"),
        (of("post-session-check", json!([{"item": "post.present", "number": 11}])), "/answers/0/number"),
        (of("post-session-check", json!([{"item": "post.present", "number": 4.5}])), "/answers/0/number"),
        (
            of("post-session-check", json!([{"item": "post.feel-safe", "boolean": "no"}])),
            "/answers/0/boolean",
        ),
        (of("post-session-check", json!([{"item": "post.symptoms", "choices": []}])), "/answers/0/choices"),
        (
            of("post-session-check", json!([{"item": "post.symptoms", "choices": ["none", "nausea"]}])),
            "/answers/0/choices",
        ),
        (
            of("post-session-check", json!([{"item": "post.symptoms", "choices": ["nausea", "x"]}])),
            "/answers/0/choices/1",
        ),
        (
            of("post-session-check", json!([{"item": "post.symptoms", "choices": ["nausea", "nausea"]}])),
            "/answers/0/choices/1",
        ),
        (
            of("pre-session-check", json!([{"item": "pre.intention", "text": "x".repeat(501)}])),
            "/answers/0/text",
        ),
        (of("pre-session-check", json!([{"item": "pre.intention", "text": ""}])), "/answers/0/text"),
        (of("pre-session-check", json!([{"item": "pre.intention", "text": "a\u{0}b"}])), "/answers/0/text"),
    ] {
        ana.post("/v1/measure-responses", &body).await.invalid(pointer);
    }
    assert_eq!(app.count("measure_responses").await, 0);
}

async fn the_daily_form_is_a_checkin(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let body = json!({"measure_id": "daily-check-in", "version": "1.0.0", "language": "en",
        "answers": [{"item": "checkin.mood", "number": 5}]});
    ana.post("/v1/measure-responses", &body).await.refused(422, "use_checkins");
    let body =
        json!({"measure_id": "daily-check-in", "due_at": (app.now() + Duration::days(1)).to_rfc3339()});
    let path = format!("/v1/patients/{}/measure-assignments", ana.id);
    bo.post(&path, &body).await.refused(422, "use_checkins");
    app.anon().get("/v1/measures/daily-check-in").await.expect(200);
}

async fn item_nine_commits_its_alert_and_answers_with_the_card(app: TestApp) {
    let ana = app.patient("ana").await;
    let calm = hand_in(&ana, &form("phq-9", "000000000")).await;
    assert!(calm.get("crisis_card").is_none() && calm.get("message").is_none(), "a zero says nothing");
    assert_eq!(alerts(&app).await, []);
    app.advance(Duration::days(1));
    let made = hand_in(&ana, &form("phq-9", "333333332")).await;
    assert!(
        made["crisis_card"]["message"].as_str().unwrap().contains("you do not have to handle them alone")
    );
    assert!(made.get("message").is_none(), "the gravest once");
    let wanted = [("phq9-item9-frequent", "urgent"), ("phq9-severe", "high")];
    assert_eq!(alerts(&app).await, pairs(&wanted), "one a flag");
    let rows = app.query("SELECT source_kind, source_id FROM alerts", vec![]).await;
    for row in rows {
        let source: uuid::Uuid = row.try_get("", "source_id").unwrap();
        assert_eq!(
            (row.try_get("", "source_kind"), source.to_string()),
            (Ok("measure_response".to_owned()), id_of(&made))
        );
    }
    let again = ana.get(&format!("/v1/measure-responses/{}", id_of(&made))).await.expect(200);
    assert!(again.to_string().find("phq9-item9").is_none(), "no scores of risk for patients: {again}");
}

/// The phone was offline, and the patient changed their mind on another one.
async fn what_was_to_be_shared_is_kept_when_sharing_was_withdrawn(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let withdrawn =
        json!({"purpose": "sharing_with_care_team", "decision": "withdrawn", "text_version": "1"});
    ana.post("/v1/consents", &withdrawn).await.expect(201);
    let form = with(form("phq-9", "000000003"), "shared", json!(true));
    let made = hand_in(&ana, &form).await;
    assert!(made["crisis_card"]["message"].is_string(), "{made}");
    assert_eq!(made.get("shared_at"), None);
    assert_eq!(alerts(&app).await.len(), 1);
    let seen = bo.get(&format!("/v1/patients/{}/measure-responses", ana.id)).await.expect(200);
    assert_eq!(seen["items"], json!([]));
}

async fn worsening_raises_an_alert_only_after_an_earlier_result(app: TestApp) {
    let ana = app.patient("ana").await;
    hand_in(&ana, &form("gad-7", "3331000")).await;
    assert_eq!(alerts(&app).await, []);
    app.advance(Duration::days(7));
    hand_in(&ana, &form("gad-7", "3333100")).await;
    assert_eq!(alerts(&app).await, [], "three points are not enough");
    // A form from the time before, sent late, is compared with what came before it.
    let early = (app.now() - Duration::days(20)).to_rfc3339();
    hand_in(&ana, &with(form("gad-7", "3333200"), "taken_at", json!(early))).await;
    assert_eq!(alerts(&app).await, []);
    app.advance(Duration::days(7));
    hand_in(&ana, &form("gad-7", "3333320")).await;
    assert_eq!(
        alerts(&app).await,
        pairs(&[("gad7-severe", "moderate")]),
        "nobody has signed how much is worse"
    );
    sign_thresholds(&app.log_in("bo").await).await;
    app.execute("DELETE FROM alerts", vec![]).await;
    let ben = app.patient("ben").await;
    hand_in(&ben, &form("gad-7", "3331000")).await;
    app.advance(Duration::days(7));
    let made = hand_in(&ben, &form("gad-7", "3333320")).await;
    assert_eq!(alerts(&app).await, pairs(&[("gad7-severe", "moderate"), ("gad7-worse", "moderate")]));
    assert!(made.get("crisis_card").is_none());
    assert!(!made["message"].as_str().unwrap().is_empty());
}

async fn sign_thresholds(bo: &Person) {
    let read = bo.get("/v1/clinic/form-thresholds").await.expect(200);
    let signature = json!({"content": read["content"]});
    bo.put("/v1/clinic/form-thresholds/signature", &signature).await.expect(200);
}

async fn thresholds_of_our_own_forms_wait_for_the_signature(app: TestApp) {
    let ana = app.patient("ana").await;
    let altered = json!({"measure_id": "post-session-check", "version": "1.0.0", "language": "en",
        "answers": [{"item": "post.distress", "number": 9}, {"item": "post.want-contact", "boolean": true}]});
    let made = hand_in(&ana, &altered).await;
    assert!(made.get("crisis_card").is_none());
    assert_eq!(alerts(&app).await, pairs(&[("post-wants-contact", "moderate")]));
    sign_thresholds(&app.log_in("bo").await).await;
    let made = hand_in(&ana, &altered).await;
    assert!(made["crisis_card"]["message"].as_str().unwrap().contains("Stay with someone you trust"));
    let wanted = [("post-still-altered", "high"), ("post-wants-contact", "moderate")];
    assert_eq!(alerts(&app).await, pairs(&wanted), "of one flag the graver rule rings");
}

async fn a_repeated_request_has_one_effect(app: TestApp) {
    let ana = app.patient("ana").await;
    let send = async || {
        let request = ana.request(axum::http::Method::POST, "/v1/measure-responses").await;
        request.key("once").json(&form("phq-9", "000000001")).send().await.expect(201)
    };
    assert_eq!(send().await, send().await);
    assert_eq!((app.count("measure_responses").await, app.count("alerts").await), (1, 1));
}
