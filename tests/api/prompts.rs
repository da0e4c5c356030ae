//! Exercises: the catalogue, favourites, and the one for today.

use std::collections::BTreeSet;

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines};

both_engines![
    the_catalogue_is_filtered_and_translated,
    todays_prompt_stays_for_the_day_and_rests_for_a_fortnight,
    a_favourite_is_kept_until_it_is_taken_back,
    an_open_alert_leaves_grounding_and_shows_whom_to_call,
    nothing_stirring_comes_on_the_day_of_dosing,
];

async fn ids(who: &Person, query: &str) -> Vec<String> {
    let list = who.get(&format!("/v1/prompts{query}")).await.expect(200);
    list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

async fn today(who: &Person) -> Value {
    who.get("/v1/prompts/today").await.expect(200)
}

async fn the_catalogue_is_filtered_and_translated(app: TestApp) {
    let ana = app.patient("ana").await;
    assert_eq!(ids(&ana, "").await.len(), 71);
    let grounding = ids(&ana, "?category=grounding&max_minutes=3").await;
    assert!(grounding.contains(&"ground-five-senses".to_owned()) && grounding.len() < 20);
    assert!(ids(&ana, "?phase=pre").await.iter().all(|id| id != "kind-hard-day"));
    ana.patch("/v1/me", 1, &json!({"locale": "es-MX"})).await.expect(200);
    let list = ana.get("/v1/prompts?category=grounding").await.expect(200);
    let senses =
        list["items"].as_array().unwrap().iter().find(|one| one["id"] == "ground-five-senses").unwrap();
    assert!(senses["text"].as_str().unwrap().starts_with("Nombre cinco cosas"));
    ana.get("/v1/prompts?phase=later").await.invalid("query/phase");
    ana.get("/v1/prompts?max_minutes=0").await.invalid("query/max_minutes");
}

async fn todays_prompt_stays_for_the_day_and_rests_for_a_fortnight(app: TestApp) {
    let ana = app.patient("ana").await;
    let mut met = BTreeSet::new();
    for day in 0..15 {
        let first = today(&ana).await;
        assert_eq!(today(&ana).await, first, "day {day}");
        assert!(met.insert(first["prompt"]["id"].as_str().unwrap().to_owned()), "day {day}: {first}");
        app.advance(Duration::days(1));
    }
    // What is older than the rest is forgotten.
    let rows = app.query("SELECT COUNT(*) AS n FROM prompt_offers", vec![]).await;
    assert_eq!(rows[0].try_get::<i64>("", "n").unwrap(), 15);
    app.advance(Duration::days(30));
    today(&ana).await;
    assert_eq!(app.count("prompt_offers").await, 1);
}

async fn a_favourite_is_kept_until_it_is_taken_back(app: TestApp) {
    let ana = app.patient("ana").await;
    let path = "/v1/prompts/ground-five-senses/favourite";
    for _ in 0..2 {
        ana.put(path, &Value::Null).await.expect(204);
    }
    assert_eq!(ids(&ana, "?favourite=true").await, ["ground-five-senses"]);
    assert_eq!(ids(&app.patient("ben").await, "?favourite=true").await, Vec::<String>::new());
    ana.delete(path).await.expect(204);
    ana.delete(path).await.expect(204);
    assert_eq!(ids(&ana, "?favourite=true").await, Vec::<String>::new());
    ana.put("/v1/prompts/no-such-exercise/favourite", &Value::Null).await.refused(404, "not_found");
}

async fn an_open_alert_leaves_grounding_and_shows_whom_to_call(app: TestApp) {
    let ana = app.patient("ana").await;
    assert_eq!(today(&ana).await.get("support"), None);
    ana.post("/v1/checkins", &json!({"mood": 0, "emotions": ["hopeless"]})).await.expect(201);
    for _ in 0..18 {
        let offered = today(&ana).await;
        assert_eq!(offered["prompt"]["category"], "grounding", "{offered}");
        assert_eq!(offered["support"]["emergency"], json!(["112"]));
        app.advance(Duration::hours(9));
    }
}

async fn nothing_stirring_comes_on_the_day_of_dosing(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    for day in 0..15 {
        bo.schedule(&ana, "dosing", app.now() + Duration::hours(2)).await;
        let offered = today(&ana).await;
        assert_ne!(offered["prompt"]["care"], "may-stir-memories", "day {day}");
        app.advance(Duration::days(1));
    }
}
