//! H9: a request that is repeated after its server died has one effect.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use afterglow::db::Engine;
use serde_json::{Value, json};

use crate::{
    child::{PATIENCE, Running},
    kill9::Client,
    world::{World, run, soak},
};

#[test]
fn h9_a_repeated_request_on_sqlite_has_one_effect_across_a_kill() {
    run(Engine::Sqlite, one_effect_across_a_kill);
}

#[test]
fn h9_a_repeated_request_on_postgres_has_one_effect_across_a_kill() {
    run(Engine::Postgres, one_effect_across_a_kill);
}

/// None when no whole answer came.
async fn post(client: &Client, address: SocketAddr, key: &str) -> Option<(u16, Value)> {
    let body = json!({"mood": 6, "note": key}).to_string();
    let request = client.http.post(format!("http://{address}/v1/checkins")).bearer_auth(&client.token);
    let request =
        request.header("content-type", "application/json").header("idempotency-key", key).body(body);
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, serde_json::from_str(&response.text().await.ok()?).ok()?))
}

/// Killed while it answers, at an instant of its own each time; the phone asks again until it is told.
async fn one_effect_across_a_kill(world: Arc<World>) {
    world.fill(1).await;
    let kills = soak(30, 4);
    let mut server = Running::start(world.afterglow(&["serve", "--no-worker"]));
    let mut address = server.address().await;
    let ana = Client::log_in(address, "patient-0").await;
    for kill in 0..kills {
        let key = format!("key-{kill}");
        let mut asked = tokio::spawn({
            let (client, key) = (ana.clone(), key.clone());
            async move { post(&client, address, &key).await }
        });
        let [later] = world.app.random.bytes::<1>();
        // The last one is answered first, so that one at least repeats what it knows.
        let most = if kill + 1 == kills { PATIENCE } else { Duration::from_micros(u64::from(later) * 100) };
        let answered = tokio::time::timeout(most, &mut asked).await;
        server.kill();
        let early = match answered {
            Ok(answer) => answer.unwrap(),
            Err(_) => asked.await.unwrap(),
        };
        server = Running::start(world.afterglow(&["serve", "--no-worker"]));
        address = server.address().await;
        let (status, told) = post(&ana, address, &key).await.unwrap();
        assert_eq!(status, 201, "{told}");
        if let Some((status, before)) = early {
            assert_eq!((status, &before), (201, &told), "the same answer");
        }
        let list = ana.read(address, "/v1/checkins?limit=100").await;
        assert_eq!(list["items"].as_array().unwrap().len(), kill + 1, "{list}");
    }
    server.signal("TERM");
    assert_eq!(server.ends_within(PATIENCE).await, Some(0), "{}", server.said());
}
