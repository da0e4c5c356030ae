//! Words that a careless program would take for commands: SQL, paths, templates, in every place that takes words.

use serde_json::json;

use crate::{
    harness::{TestApp, both_engines},
    openapi::operations,
};

both_engines![
    h5_sql_in_every_path_query_and_header_is_only_words,
    h5_sql_in_a_body_is_kept_as_the_words_it_is,
];

const HOSTILE: [&str; 6] = [
    "' OR '1'='1",
    "'; DROP TABLE accounts; --",
    "1); DELETE FROM checkins; --",
    "$1' UNION SELECT password_hash FROM accounts --",
    "../../../../etc/passwd",
    "\u{202e}{{7*7}}${jndi:ldap://x}%s%n",
];

/// Every byte escaped, so that nothing has a meaning to the path.
fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn h5_sql_in_every_path_query_and_header_is_only_words(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let before = (app.count("accounts").await, app.count("checkins").await);
    for operation in operations() {
        for (number, words) in HOSTILE.into_iter().enumerate() {
            let who = if number % 2 == 0 { &ana } else { &bo };
            let (shown, hidden) =
                (percent_encoded(words), words.replace(|letter: char| !letter.is_ascii(), ""));
            let path = operation
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { shown.as_str() } else { part });
            let path = path.collect::<Vec<_>>().join("/");
            let query =
                format!("?cursor={shown}&limit={shown}&since={shown}&q={shown}&from={shown}&bucket={shown}");
            let request = who.request(operation.method.parse().unwrap(), &format!("{path}{query}")).await;
            let request = request.header("if-match", &hidden).header("if-none-match", &hidden);
            let request = request.header("idempotency-key", &hidden).header("accept-language", &hidden);
            // Nothing that would end their own login.
            if operation.id == "delete_login" {
                continue;
            }
            let reply = request.json(&json!({ "id": words })).send().await;
            assert!(reply.status.as_u16() < 500, "{} with {words}: {}", operation.id, reply.status);
        }
    }
    assert_eq!((app.count("accounts").await, app.count("checkins").await), before);
}

async fn h5_sql_in_a_body_is_kept_as_the_words_it_is(app: TestApp) {
    let ana = app.patient("ana").await;
    for words in HOSTILE {
        let made = ana.post("/v1/checkins", &json!({"mood": 5, "note": words})).await.expect(201);
        let path = format!("/v1/checkins/{}", made["id"].as_str().unwrap());
        assert_eq!(ana.get(&path).await.expect(200)["note"], words);
        ana.entry(words).await;
        let path = format!("/v1/journal/entries/search?q={}", percent_encoded(words));
        assert!(ana.get(&path).await.status.as_u16() < 500, "{words}");
    }
    assert_eq!(app.count("checkins").await, HOSTILE.len() as i64);
}
