//! Whom to call, without a login or a database; and the plan for a hard hour.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Person, Reply, TestApp, both_engines};

both_engines![
    crisis_resources_need_no_database,
    crisis_resources_speak_the_readers_language,
    a_country_nobody_knows_still_gets_an_answer,
    a_safety_plan_comes_back_and_two_phones_do_not_undo_each_other,
    what_is_wrong_with_a_safety_plan_is_named,
];

async fn crisis_resources_need_no_database(app: TestApp) {
    app.store.cut_off().await;
    let reply = app.anon().get("/v1/crisis-resources?country=US").await;
    assert_eq!(reply.headers["cache-control"], "public, max-age=86400");
    let body = reply.expect(200);
    assert_eq!((&body["emergency"], &body["services"][0]["phone"]), (&json!(["911"]), &json!(["988"])));
    assert_eq!(body["immediate"], "If you or someone else is in danger right now, call 911.");
    // A token does not make it ask for the account.
    let odd = app
        .anon()
        .request(Method::GET, "/v1/crisis-resources?country=US")
        .await
        .bearer("no token")
        .send()
        .await;
    assert_eq!(odd.expect(200), body);
    app.store.restore().await;
}

async fn crisis_resources_speak_the_readers_language(app: TestApp) {
    let ask = async |path: &str, language: &str| {
        app.anon().request(Method::GET, path).await.header("accept-language", language).send().await
    };
    let spanish = ask("/v1/crisis-resources?country=es", "es-ES,en;q=0.5").await.expect(200);
    assert_eq!(spanish["country_name"], "España");
    assert_eq!(ask("/v1/crisis-resources?country=ES&locale=es", "en").await.expect(200), spanish);
    let french = ask("/v1/crisis-resources?country=FR&locale=fr", "en").await.expect(200);
    assert!(french["immediate"].as_str().unwrap().contains("appelez le 112"), "{french}");
}

async fn a_country_nobody_knows_still_gets_an_answer(app: TestApp) {
    let get = async |query: &str| app.anon().get(&format!("/v1/crisis-resources{query}")).await;
    for query in ["", "?country=JP", "?country=ZZ"] {
        let body = get(query).await.expect(200);
        assert_eq!(body["directory"][0]["web"], "https://findahelpline.com", "{query}");
        assert!(body["immediate"].as_str().unwrap().contains("112"), "{query}");
    }
    get("?country=Spain").await.invalid("query/country");
    get("?land=ES").await.invalid("query/land");
}

async fn put(who: &Person, version: i64, plan: &Value) -> Reply {
    who.request(Method::PUT, "/v1/safety-plan").await.if_match(version).json(plan).send().await
}

async fn a_safety_plan_comes_back_and_two_phones_do_not_undo_each_other(app: TestApp) {
    let ana = app.patient("ana").await;
    let empty = ana.get("/v1/safety-plan").await;
    assert_eq!(empty.headers["etag"], "\"0\"");
    let empty = empty.expect(200);
    assert_eq!(
        (&empty["version"], &empty["plan"]["coping"], &empty["updated_at"]),
        (&json!(0), &json!([]), &Value::Null)
    );
    assert!(empty["notice"].as_str().unwrap().contains("around the clock"));
    let plan = json!({"warning_signs": ["I stop answering"], "coping": ["the river"],
        "people": [{"name": "Marta", "phone": "+34 600 000 000"}], "professionals": [{"name": "Dr Bo"}],
        "means": ["tablets at my brother's"], "reasons": ["my daughter"]});
    ana.put("/v1/safety-plan", &plan).await.refused(428, "if_match_required");
    let first = put(&ana, 0, &plan).await.expect(200);
    for (part, content) in plan.as_object().unwrap() {
        assert_eq!(&first["plan"][part], content, "{part}");
    }
    // The other phone has not seen it yet.
    put(&ana, 0, &json!({"coping": ["nothing"]})).await.refused(412, "stale_version");
    assert_eq!(ana.get("/v1/safety-plan").await.expect(200), first);
    let second = put(&ana, 1, &json!({"coping": ["the river", "tea"]})).await.expect(200);
    assert_eq!((&second["version"], &second["plan"]["people"]), (&json!(2), &json!([])));
    let ben = app.patient("ben").await;
    assert_eq!(ben.get("/v1/safety-plan").await.expect(200)["version"], 0);
}

async fn what_is_wrong_with_a_safety_plan_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    let long = "x".repeat(501);
    for (plan, pointer) in [
        (json!({"coping": [""]}), "/coping/0"),
        (json!({"means": ["fine", long]}), "/means/1"),
        (json!({"reasons": vec!["one"; 21]}), "/reasons"),
        (json!({"people": [{"name": ""}]}), "/people/0/name"),
        (json!({"professionals": [{"name": "Dr Bo", "phone": "1".repeat(51)}]}), "/professionals/0/phone"),
        (json!({"friends": []}), "/friends"),
        (json!({"people": [{"name": "Bo", "mail": "b@example.org"}]}), "/people/0/mail"),
    ] {
        put(&ana, 0, &plan).await.invalid(pointer);
    }
    assert_eq!(ana.get("/v1/safety-plan").await.expect(200)["version"], 0);
}
