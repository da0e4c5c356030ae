//! An archive whose maker was killed.

use std::{io::Cursor, sync::Arc};

use afterglow::{
    clock::{Clock, SystemClock},
    db::Engine,
};
use chrono::Duration;
use entity::{checkins, ids::CheckinId, jobs, patients};
use sea_orm::{ActiveModelTrait, EntityTrait, sea_query::Expr};
use serde_json::Value;

use crate::{
    child::{Running, eventually},
    kill9::Client,
    world::{World, run},
};

const CHECKINS: i64 = 6_000;

#[test]
fn an_archive_on_sqlite_is_made_although_its_maker_was_killed() {
    run(Engine::Sqlite, an_archive_is_made);
}

#[test]
fn an_archive_on_postgres_is_made_although_its_maker_was_killed() {
    run(Engine::Postgres, an_archive_is_made);
}

/// So many check-ins that an archive of them takes a moment.
async fn write_a_lot(world: &World) {
    let (app, now) = (&world.app, SystemClock.now());
    let patient = patients::Entity::find().one(app.db.reader()).await.unwrap().unwrap().patient_id;
    let rows: Vec<checkins::ActiveModel> = (0..CHECKINS)
        .map(|number| {
            let at = now - Duration::minutes(number);
            let row = checkins::Model {
                patient_id: patient,
                id: CheckinId(app.random.uuid_v7(at)),
                version: 1,
                sync_seq: 1,
                local_date: at.date_naive(),
                local_time: "12:00".into(),
                zone: "UTC".into(),
                scheduled_at: None,
                started_at: None,
                taken_at: at,
                mood: 5,
                anxiety: None,
                energy: None,
                sleep_hours: None,
                detail_sealed: None,
                flagged: false,
                created_at: at,
                updated_at: at,
            };
            checkins::ActiveModel::from(row).reset_all()
        })
        .collect();
    let txn = app.db.begin().await.unwrap();
    for part in rows.chunks(1_000) {
        checkins::Entity::insert_many(part.to_vec()).exec_without_returning(&txn).await.unwrap();
    }
    txn.commit().await.unwrap();
}

async fn an_archive_is_made(world: Arc<World>) {
    world.fill(1).await;
    write_a_lot(&world).await;
    let mut server = Running::start(world.afterglow(&["serve"]));
    let address = server.address().await;
    let ana = Client::log_in(address, "patient-0").await;
    let (status, asked) = ana.post(address, "/v1/me/export", &Value::Null).await.unwrap();
    assert_eq!(status, 202, "{asked}");
    let looking = &world;
    eventually("a worker begins", || async move {
        let job = jobs::Entity::find().one(looking.app.db.reader()).await.unwrap()?;
        (job.state == "claimed").then_some(())
    })
    .await;
    server.kill();
    let left = jobs::Entity::find().one(world.app.db.reader()).await.unwrap();
    assert!(left.is_some(), "it was made before it could be killed");
    // Nobody waits here until the lease of the dead one ends by itself.
    let ended = jobs::Entity::update_many().col_expr(jobs::Column::RunAt, Expr::value(SystemClock.now()));
    ended.exec(world.app.db.writer()).await.unwrap();
    let mut server = Running::start(world.afterglow(&["serve"]));
    let address = server.address().await;
    let path = format!("/v1/me/exports/{}", asked["id"].as_str().unwrap());
    let (asking, path) = (&ana, &path);
    eventually("the archive is made", || async move {
        (asking.read(address, path).await["state"] == "ready").then_some(())
    })
    .await;
    let url = format!("http://{address}{path}/file");
    let reply = ana.http.get(url).bearer_auth(&ana.token).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 200, "{}", server.said());
    let mut archive = zip::ZipArchive::new(Cursor::new(reply.bytes().await.unwrap())).unwrap();
    let records: Value = serde_json::from_reader(archive.by_name("records.json").unwrap()).unwrap();
    assert_eq!(records["tables"]["checkins"].as_array().unwrap().len() as i64, CHECKINS);
    assert_eq!(records["tables"]["accounts"][0]["email"], crate::harness::email("patient-0"));
}
