//! English and Spanish wherever a patient meets text. That every refusal is known in Spanish is asked by the harness
//! at each refusal of every test, and by `src/messages/source.rs` of the source.

use std::{collections::BTreeSet, fs, path::Path};

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{TestApp, both_engines};

both_engines![the_account_decides_the_language, without_an_account_the_client_decides];

/// Content in English only, and why.
const ENGLISH_ONLY: [(&str, &str); 1] =
    [("measures/pcl-5.json", "a validated scale; there is no published Spanish version to take")];

async fn the_account_decides_the_language(app: TestApp) {
    let ana = app.patient("ana").await;
    ana.patch("/v1/me", 1, &json!({"locale": "es-MX"})).await.expect(200);
    for (path, body) in [
        ("/v1/checkins", json!({"mood": 11, "note": "x".repeat(2001)})),
        ("/v1/checkins", json!({"mood": "high"})),
        ("/v1/checkins", json!({"mood": 5, "extra": 1})),
        ("/v1/checkins", json!({})),
        ("/v1/journal/entries", json!({"fields": {"text": "a\u{0}b"}})),
        ("/v1/patients/0198f000-0000-7000-8000-000000000000/sessions", json!({})),
    ] {
        let request = ana.request(Method::POST, path).await.header("accept-language", "en");
        let reply = request.json(&body).send().await;
        assert_eq!(reply.headers["content-language"], "es");
        assert!(reply.headers.get("vary").is_none(), "the account decides");
        let problem = reply.json();
        let errors = problem["errors"].as_array().into_iter().flatten();
        for said in std::iter::once(&problem).chain(errors).map(|one| one["detail"].as_str().unwrap()) {
            assert!(afterglow::messages::spanish(said).is_none(), "{path} {body} says in English: {said}");
        }
    }
    let broken = ana.request(Method::POST, "/v1/checkins").await.text("{\"mood\": ").send().await;
    assert!(broken.json()["detail"].as_str().unwrap().starts_with("El contenido no es JSON válido"));
    // The code and the title are for programs and stay.
    let problem =
        ana.get("/v1/checkins/0198f000-0000-7000-8000-000000000000").await.refused(404, "not_found");
    assert_eq!(
        (&problem["title"], &problem["detail"]),
        (&json!("Not Found"), &json!("Aquí no hay nada para usted."))
    );
}

async fn without_an_account_the_client_decides(app: TestApp) {
    for (wanted, language, detail) in [
        ("es-AR, en;q=0.1", "es", "Hace falta un token"),
        ("en", "en", "A valid access token"),
        ("fi", "en", "A valid access token"),
    ] {
        let request = app.anon().request(Method::GET, "/v1/me").await.header("accept-language", wanted);
        let reply = request.send().await;
        assert_eq!(
            (&reply.headers["content-language"], &reply.headers["vary"]),
            (&language.parse().unwrap(), &"accept-language".parse().unwrap())
        );
        assert!(reply.refused(401, "unauthenticated")["detail"].as_str().unwrap().starts_with(detail));
    }
    let lost = app.anon().request(Method::GET, "/nowhere").await.header("accept-language", "es").send().await;
    assert_eq!(lost.refused(404, "not_found")["detail"], "Aquí no hay nada para usted.");
}

#[test]
fn content_for_patients_is_there_in_both_languages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("content");
    let (mut wrong, mut texts, mut only) = (Vec::new(), 0, BTreeSet::new());
    for name in files(&folder, "") {
        let content: Value = serde_json::from_str(&fs::read_to_string(folder.join(&name)).unwrap()).unwrap();
        let mut found = Vec::new();
        walk(&content, &name, &mut found, &mut texts);
        if ENGLISH_ONLY.iter().any(|(file, reason)| *file == name && !reason.is_empty()) && !found.is_empty()
        {
            only.insert(name);
        } else {
            wrong.extend(found);
        }
    }
    assert!(texts > 500, "the content has no texts? {texts}");
    assert!(wrong.is_empty(), "in one language only, or with other parts:\n{}", wrong.join("\n"));
    assert_eq!(only.len(), ENGLISH_ONLY.len(), "take out of ENGLISH_ONLY what is translated");
}

fn files(folder: &Path, below: &str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            names.extend(files(folder, &format!("{name}/")));
        } else if name.ends_with(".json")
            && !name.ends_with("schema.json")
            && !name.ends_with("messages.es.json")
        {
            names.push(name);
        }
    }
    names
}

/// Wherever one of the two languages is, the other one is, with the same parts and with other words somewhere.
fn walk(value: &Value, at: &str, wrong: &mut Vec<String>, texts: &mut usize) {
    match value {
        Value::Object(fields) => {
            match (fields.get("en"), fields.get("es")) {
                (None, None) => {}
                (Some(english), Some(spanish)) if shape(english) == shape(spanish) => *texts += 1,
                _ => wrong.push(at.to_owned()),
            }
            fields.iter().for_each(|(name, below)| walk(below, &format!("{at}/{name}"), wrong, texts));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, below)| walk(below, &format!("{at}/{index}"), wrong, texts));
        }
        _ => {}
    }
}

/// The form of a value, and for texts whether there are any words.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(text.trim().is_empty()),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(fields) => fields.iter().map(|(name, below)| (name.clone(), shape(below))).collect(),
        other => other.clone(),
    }
}
