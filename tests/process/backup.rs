//! A backup made beside a running server, and what comes back of it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use afterglow::{
    db::Engine,
    demo::receiver::Received,
    erasure::{self, read_ledger},
};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::json;

use crate::{
    child::{Ended, PATIENCE, Running, run_to_its_end},
    harness::{PASSWORD, Store, email},
    kill9::Client,
    world::{World, run},
};

#[test]
fn a_backup_of_sqlite_comes_back_without_those_who_were_erased_since() {
    run(Engine::Sqlite, a_backup_comes_back);
}

#[test]
fn a_backup_of_postgres_comes_back_without_those_who_were_erased_since() {
    run(Engine::Postgres, a_backup_comes_back);
}

#[test]
fn a_damaged_backup_of_sqlite_is_refused() {
    run(Engine::Sqlite, a_damaged_backup_is_refused);
}

#[test]
fn a_damaged_backup_of_postgres_is_refused() {
    run(Engine::Postgres, a_damaged_backup_is_refused);
}

fn passphrase(world: &World, name: &str, words: &str) -> PathBuf {
    let file = world.store.folder().join(name);
    fs::write(&file, words).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// A place for what comes back: nothing at all on SQLite, a database without a table on PostgreSQL.
pub async fn empty(engine: Engine) -> Store {
    let store = Store::fresh(engine).unwrap();
    match engine {
        Engine::Sqlite => fs::remove_file(store.folder().join("afterglow.db")).unwrap(),
        Engine::Postgres => {
            let conn = Database::connect(store.url()).await.unwrap();
            Migrator::down(&conn, None).await.unwrap();
            conn.execute_unprepared("DROP TABLE seaql_migrations").await.unwrap();
            conn.close().await.unwrap();
        }
    }
    store
}

fn on(mut command: Command, store: &Store) -> Command {
    command.env("AFTERGLOW_DATABASE__URL", store.url());
    command
}

fn make(world: &World, out: &Path, keys: &Path, words: &Path) -> Ended {
    let command = world.afterglow(&[
        "backup",
        "--out",
        out.to_str().unwrap(),
        "--keys-out",
        keys.to_str().unwrap(),
        "--passphrase-file",
        words.to_str().unwrap(),
    ]);
    run_to_its_end(command, "")
}

fn restore(world: &World, store: &Store, from: &Path, keys: &Path, words: &Path) -> Ended {
    restore_with(world, store, [from, keys, words], &[])
}

fn restore_with(world: &World, store: &Store, [from, keys, words]: [&Path; 3], more: &[&str]) -> Ended {
    let mut command = world.afterglow(&["restore", "--from"]);
    command.arg(from).arg("--keys").arg(keys).arg("--passphrase-file").arg(words).args(more);
    run_to_its_end(on(command, store), "")
}

async fn count(conn: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(conn.get_database_backend(), sql);
    conn.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

/// A folder with what a backup left that was killed.
fn left_by_one_that_was_killed(world: &World) -> PathBuf {
    let out = world.store.folder().join("backup");
    fs::create_dir_all(&out).unwrap();
    let of_sqlite = [".data.db", ".data.db-journal", ".data.db-wal"].into_iter();
    let left = of_sqlite.filter(|_| world.store.engine() == Engine::Sqlite).chain([".data.afterglow.part"]);
    for name in left {
        fs::write(out.join(name), "what is not sealed").unwrap();
    }
    out
}

/// Whoever asked for it is erased.
async fn a_week_passes(world: &World) {
    let (conn, long_ago) = (world.app.db.writer(), chrono::DateTime::UNIX_EPOCH);
    let sql = "UPDATE erasures SET due_at = $1";
    let due = Statement::from_sql_and_values(conn.get_database_backend(), sql, [long_ago.into()]);
    conn.execute_raw(due).await.unwrap();
    assert_eq!(erasure::run_due(&world.app).await.unwrap(), 1);
    assert_eq!(read_ledger(&world.app.config.erasure_ledger()).unwrap().len(), 1);
}

fn nobody_is_reminded_of_what_is_past(world: &World) {
    // That Ana logged in on a device that is new to her account is no reminder.
    let title = |push: &Received| push.plaintext_json["notification"]["title"].clone();
    let pushes = world.push.received();
    assert!(pushes.iter().all(|push| title(push) == "Please check your account"), "{pushes:?}");
}

async fn a_backup_comes_back(world: Arc<World>) {
    world.fill(3).await;
    let mut server = Running::start(world.afterglow(&["serve", "--no-worker"]));
    let address = server.address().await;
    let ana = Client::log_in(address, "patient-0").await;
    let ben = Client::log_in(address, "patient-1").await;
    let note = json!({"mood": 6, "note": "a canary before the backup"});
    let (status, before) = ana.post(address, "/v1/checkins", &note).await.unwrap();
    assert_eq!(status, 201);
    ben.post(address, "/v1/checkins", &note).await.unwrap();
    let (out, keys) = (left_by_one_that_was_killed(&world), world.store.folder().join("backup-keys"));
    let words = passphrase(&world, "words", "lantern orchard granite sparrow\n");
    let made = make(&world, &out, &keys, &words);
    assert_eq!(made.code, Some(0), "{made:?}");
    let again = make(&world, &out, &keys, &words);
    assert!(again.code == Some(1) && again.stderr.contains("name a new folder"), "{again:?}");
    assert!(
        fs::read_dir(&out)
            .unwrap()
            .flatten()
            .all(|file| !file.file_name().to_string_lossy().starts_with('.'))
    );
    // The server goes on; Ben has everything erased.
    let (status, after) = ana.post(address, "/v1/checkins", &note).await.unwrap();
    assert_eq!(status, 201);
    assert_eq!(ben.post(address, "/v1/me/erasure", &json!(null)).await.unwrap().0, 200);
    server.signal("TERM");
    assert_eq!(server.ends_within(PATIENCE).await, Some(0), "{}", server.said());
    a_week_passes(&world).await;
    let store = empty(world.store.engine()).await;
    let restored = restore(&world, &store, &out, &keys, &words);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert!(restored.stdout.contains("1 of 1 patients"), "{restored:?}");
    assert!(restored.stdout.contains("taken away from staff since is back"), "{restored:?}");
    let conn = Database::connect(store.url()).await.unwrap();
    let expired = "SELECT COUNT(*) AS n FROM notifications WHERE state = 'expired' AND reason = 'restored' \
        AND origin_kind <> 'account'";
    assert_eq!(count(&conn, expired).await, 2, "reminders of the past, but those of Ben");
    assert_eq!(count(&conn, "SELECT COUNT(*) AS n FROM data_keys WHERE owner_kind = 'patient'").await, 2);
    assert_eq!(count(&conn, "SELECT COUNT(*) AS n FROM patients WHERE sync_floor >= 1000000").await, 2);
    conn.close().await.unwrap();
    let mut server = Running::start(on(world.afterglow(&["serve"]), &store));
    let address = server.address().await;
    let path = |checkin: &serde_json::Value| format!("/v1/checkins/{}", checkin["id"].as_str().unwrap());
    assert_eq!(ana.get(address, &path(&before)).await, 401, "logins of before have ended");
    let ana = Client::log_in(address, "patient-0").await;
    assert_eq!(ana.get(address, &path(&before)).await, 200);
    assert_eq!(ana.get(address, &path(&after)).await, 404);
    let ben = Client { token: String::new(), ..ana.clone() };
    let body = json!({"email": email("patient-1"), "password": PASSWORD});
    assert_eq!(ben.post(address, "/v1/auth/login", &body).await.unwrap().0, 401, "Ben stays erased");
    server.signal("TERM");
    assert_eq!(server.ends_within(PATIENCE).await, Some(0), "{}", server.said());
    nobody_is_reminded_of_what_is_past(&world);
    let anchors = world.store.folder().join("data/audit-anchors.jsonl");
    let audit = ["audit", "verify", "--anchor", anchors.to_str().unwrap()];
    let audit = run_to_its_end(on(world.afterglow(&audit), &store), "");
    assert_eq!(audit.code, Some(0), "{audit:?}");
    let full = restore(&world, &store, &out, &keys, &words);
    assert_eq!(full.code, Some(1), "a database that is not empty: {full:?}");
}

async fn a_damaged_backup_is_refused(world: Arc<World>) {
    world.fill(1).await;
    let (out, keys) = (world.store.folder().join("backup"), world.store.folder().join("backup-keys"));
    let words = passphrase(&world, "words", "lantern orchard granite sparrow");
    let short = passphrase(&world, "short", "sparrow");
    let refused = make(&world, &out, &keys, &short);
    assert!(refused.code == Some(1) && refused.stderr.contains("--passphrase-file"), "{refused:?}");
    let made = make(&world, &out, &keys, &words);
    assert_eq!(made.code, Some(0), "{made:?}");
    let store = empty(world.store.engine()).await;
    let other = passphrase(&world, "other", "some other words than these");
    let refused = |ended: Ended| {
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        ended.stderr
    };
    // Nobody was erased, so there is no ledger; only the operator can know that none is missing.
    let said = refused(restore(&world, &store, &out, &keys, &words));
    let ledger = world.app.config.erasure_ledger();
    assert!(said.contains(ledger.to_str().unwrap()) && said.contains("--no-erasures"), "{said}");
    let restore = |words: &Path| restore_with(&world, &store, [&out, &keys, words], &["--no-erasures"]);
    refused(restore(&other));
    for file in [out.join("manifest.afterglow"), out.join("data.afterglow"), keys.join("keys.afterglow")] {
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        let place = flipped.len() - 20;
        flipped[place] ^= 4;
        fs::write(&file, flipped).unwrap();
        refused(restore(&words));
        fs::write(&file, &whole).unwrap();
    }
    an_old_log_is_in_the_way(&store, || refused(restore(&words)));
    // Somebody looks at the new machine first. Of an empty database there is much to say, and nothing is made in it.
    let looked = run_to_its_end(on(world.afterglow(&["doctor"]), &store), "");
    assert_eq!(looked.code, Some(1), "{looked:?}");
    let restored = restore(&words);
    assert_eq!(restored.code, Some(0), "nothing was left of what was refused: {restored:?}");
}

/// What a killed server leaves beside its file: SQLite would play it into the restored one.
fn an_old_log_is_in_the_way(store: &Store, restore: impl Fn() -> String) {
    if store.engine() == Engine::Postgres {
        return;
    }
    for rest in ["-wal", "-journal"] {
        let log = store.folder().join(format!("afterglow.db{rest}"));
        fs::write(&log, "of the old database").unwrap();
        let said = restore();
        assert!(said.contains(log.to_str().unwrap()), "{said}");
        fs::remove_file(log).unwrap();
    }
}
