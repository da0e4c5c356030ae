//! Changing the key-encryption key of an installation that people use meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use afterglow::{
    clock::{Clock, SystemClock},
    db::Engine,
    vault::{KeyOwner, OwnerKind},
};
use entity::data_keys;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::json;

use crate::{
    child::{Running, eventually, run_to_its_end, with_metrics},
    kill9::Client,
    world::{World, run, soak},
};

const PEOPLE: usize = 2;

#[test]
fn keys_move_on_sqlite_under_load_however_often_it_is_killed() {
    run(Engine::Sqlite, keys_move_under_load);
}

#[test]
fn keys_move_on_postgres_under_load_however_often_it_is_killed() {
    run(Engine::Postgres, keys_move_under_load);
}

async fn many_keys(world: &World, keys: usize) {
    let (app, now) = (&world.app, SystemClock.now());
    let rows: Vec<data_keys::ActiveModel> = (0..keys)
        .map(|_| {
            let owner = KeyOwner::new(OwnerKind::ClinicRecord, app.random.uuid_v7(now));
            app.vault.create(owner).1.into_row(now)
        })
        .collect();
    let txn = app.db.begin().await.unwrap();
    for part in rows.chunks(1_000) {
        data_keys::Entity::insert_many(part.to_vec()).exec_without_returning(&txn).await.unwrap();
    }
    txn.commit().await.unwrap();
}

/// How many data keys are still under this key-encryption key.
async fn under(world: &World, kid: &str) -> u64 {
    let of = data_keys::Column::KekId.eq(kid);
    data_keys::Entity::find().filter(of).count(world.app.db.reader()).await.unwrap()
}

/// Somebody who writes and reads without a pause until told to stop.
async fn write_and_read(
    client: Client,
    address: std::net::SocketAddr,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) {
    while !stop.load(Ordering::Relaxed) {
        let body = json!({"mood": 6, "note": "written while keys change"});
        let (status, made) = client.post(address, "/v1/checkins", &body).await.unwrap();
        assert_eq!(status, 201, "{made}");
        let path = format!("/v1/checkins/{}", made["id"].as_str().unwrap());
        assert_eq!(client.get(address, &path).await, 200);
        done.fetch_add(1, Ordering::Relaxed);
    }
}

async fn keys_move_under_load(world: Arc<World>) {
    let (keys, kills) = soak((4_000, 10), (600, 3));
    world.fill(PEOPLE).await;
    many_keys(&world, keys).await;
    let old = data_keys::Entity::find().one(world.app.db.reader()).await.unwrap().unwrap().kek_id;
    let before = patients_keys(&world).await;
    let mut server = Running::start(world.afterglow(&["serve"]));
    let address = server.address().await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let client = Client::log_in(address, &format!("patient-{number}")).await;
        people.push(tokio::spawn(write_and_read(client, address, stop.clone(), done.clone())));
    }
    let file = world.store.folder().join("data/keys/kek.toml");
    let added = run_to_its_end(world.afterglow(&["keys", "add-kek", file.to_str().unwrap()]), "");
    assert_eq!(added.code, Some(0), "{added:?}");
    let needed = run_to_its_end(world.afterglow(&["keys", "remove-kek", &old]), "");
    assert_eq!(needed.code, Some(1), "{needed:?}");
    assert!(needed.stderr.contains("are still wrapped"), "{needed:?}");
    let all = under(&world, &old).await;
    for round in 1..=kills {
        let mut rotation = Running::start(world.afterglow(&["keys", "rotate"]));
        let wanted = all - round * all / (kills + 2);
        let looking = &world;
        let old = &old;
        eventually(
            "some keys have moved",
            || async move { (under(looking, old).await <= wanted).then_some(()) },
        )
        .await;
        rotation.kill();
        assert!(under(&world, old).await > 0, "round {round} was not broken off");
    }
    let ended = run_to_its_end(world.afterglow(&["keys", "rotate"]), "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(under(&world, &old).await, 0);
    let removed = run_to_its_end(world.afterglow(&["keys", "remove-kek", &old]), "");
    assert_eq!(removed.code, Some(0), "{removed:?}");
    let so_far = done.load(Ordering::Relaxed);
    let counted = &done;
    eventually("people go on after it", || async move {
        (counted.load(Ordering::Relaxed) > so_far + 4).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for person in people {
        person.await.unwrap();
    }
    server.signal("TERM");
    assert_eq!(server.ends_within(crate::child::PATIENCE).await, Some(0), "{}", server.said());
    what_the_old_key_wrapped_is_gone(&world, &before).await;
    what_the_old_key_wrapped_is_refused(&world, before).await;
    let anchor = world.store.folder().join("data/audit-anchors.jsonl");
    let audit =
        run_to_its_end(world.afterglow(&["audit", "verify", "--anchor", anchor.to_str().unwrap()]), "");
    assert_eq!(audit.code, Some(0), "{audit:?}");
    assert!(audit.stdout.contains("are whole"), "{audit:?}");
}

async fn patients_keys(world: &World) -> Vec<data_keys::Model> {
    data_keys::Entity::find()
        .filter(data_keys::Column::OwnerKind.eq("patient"))
        .all(world.app.db.reader())
        .await
        .unwrap()
}

/// Also from the files, once nobody is in the way any more.
async fn what_the_old_key_wrapped_is_gone(world: &World, before: &[data_keys::Model]) {
    let again = run_to_its_end(world.afterglow(&["keys", "rotate"]), "");
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(!again.stdout.contains("can still be read"), "{again:?}");
    let pages = world.store.pages_of_keys(world.app.db.reader()).await;
    let there = |wrapped: &[u8]| pages.windows(wrapped.len()).any(|window| window == wrapped);
    let now = patients_keys(world).await;
    assert!(now.iter().all(|key| there(&key.wrapped)), "these are the pages of the keys");
    assert!(before.iter().all(|key| !there(&key.wrapped)), "an older wrapping is still in the files");
}

/// A stolen backup from before the rotation, with the key that was taken away: nothing opens, and nothing else is told.
async fn what_the_old_key_wrapped_is_refused(world: &World, before: Vec<data_keys::Model>) {
    for row in before {
        data_keys::ActiveModel::from(row).reset_all().update(world.app.db.writer()).await.unwrap();
    }
    let mut server = Running::start(with_metrics(world.afterglow(&["serve"])));
    let address = server.address().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({"email": crate::harness::email("patient-0"), "password": crate::harness::PASSWORD});
    let request = http.post(format!("http://{address}/v1/auth/login"));
    let request = request.header("content-type", "application/json").body(body.to_string());
    let status = request.send().await.unwrap().status().as_u16();
    assert_eq!(status, 500, "{}", server.said());
    let told = || async { server.said().contains("does not open").then_some(()) };
    eventually("the log tells what is wrong", told).await;
    assert_eq!(server.metrics().await.get("vault_open_failures_total"), Some(&1.0), "and so does the metric");
}
