//! C2: an answer that worries is worth nothing if the power goes with it.

use std::{net::SocketAddr, sync::Arc};

use afterglow::db::Engine;
use entity::alerts;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::{
    child::Running,
    kill9::Client,
    world::{World, run, soak},
};

#[test]
fn c2_an_alert_on_sqlite_outlives_the_server_that_raised_it() {
    run(Engine::Sqlite, an_alert_outlives_the_server);
}

#[test]
fn c2_an_alert_on_postgres_outlives_the_server_that_raised_it() {
    run(Engine::Postgres, an_alert_outlives_the_server);
}

/// Thoughts of death on some days, and nothing else.
fn ninth_item_positive() -> Value {
    let answers: Vec<Value> = (1..=9)
        .map(|item| json!({"item": format!("phq9.{item}"), "choice": if item == 9 { "1" } else { "0" }}))
        .collect();
    json!({"measure_id": "phq-9", "version": "1.0.0", "language": "en", "answers": answers})
}

async fn start(world: &World) -> (Running, SocketAddr) {
    let mut server = Running::start(world.afterglow(&["serve", "--no-worker"]));
    let address = server.address().await;
    (server, address)
}

async fn an_alert_outlives_the_server(world: Arc<World>) {
    world.fill(1).await;
    let (mut server, mut address) = start(&world).await;
    let ana = Client::log_in(address, "patient-0").await;
    for round in 1..=soak(20, 3) {
        let answer = ana.post(address, "/v1/measure-responses", &ninth_item_positive()).await;
        server.kill();
        let (status, response) = answer.unwrap();
        assert_eq!(status, 201, "{response}");
        assert!(response["crisis_card"].is_object(), "round {round}: {response}");
        let raised = alerts::Entity::find().count(world.app.db.reader()).await.unwrap();
        assert_eq!(raised, round, "an alert is gone");
        (server, address) = start(&world).await;
    }
}
