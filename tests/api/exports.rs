//! The patient's own archive: all of it, only theirs, only for a short time, and only as long as they have the right.

use std::io::{Cursor, Read};

use afterglow::{
    db::Engine,
    export::{run_due, sweep},
};
use axum::http::Method;
use chrono::Duration;
use entity::{
    TABLES,
    data_map::{Export, Owner},
};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    attachments::wav_of,
    erasure::{live, owner_column},
    harness::{Person, TestApp, both_engines, email, id_of, run},
};

both_engines![
    an_archive_holds_everything_of_the_patient_and_nothing_of_others,
    an_archive_needs_a_password_from_a_moment_ago,
    an_archive_goes_by_itself_and_is_replaced_by_the_next,
    an_archive_that_a_dead_worker_began_is_begun_anew,
    rights_that_end_take_the_archive_away,
    an_archive_that_fails_again_and_again_is_given_up,
    an_archive_whose_making_ends_the_process_is_given_up,
];

pub async fn ask(who: &Person) -> Value {
    who.request(Method::POST, "/v1/me/export").await.send().await.expect(202)
}

pub async fn file(who: &Person, export: &Value) -> Vec<u8> {
    let reply = who.get(&format!("/v1/me/exports/{}/file", id_of(export))).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.headers["content-type"], "application/zip");
    assert_eq!(reply.headers["content-length"], reply.body.len().to_string());
    reply.body.to_vec()
}

pub fn part(archive: &[u8], name: &str) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut bytes = Vec::new();
    zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn contains(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|window| window == words.as_bytes())
}

async fn an_archive_holds_everything_of_the_patient_and_nothing_of_others(app: TestApp) {
    let bo = app.therapist("bo").await;
    let cy = app.therapist("cy").await;
    let (ana, ben) = (app.patient_of(&bo, "ana").await, app.patient_of(&cy, "ben").await);
    live(&app, &ana, &bo).await;
    live(&app, &ben, &cy).await;
    ben.entry("only in the diary of somebody else").await;
    let entry = ana.entry("words that only she wrote").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    let comment = json!({"text": "words of her therapist"});
    let path = format!("/v1/patients/{}/journal/entries/{entry}/comments", ana.id);
    bo.post(&path, &comment).await.expect(201);
    let note = ana.impressions().await;
    let sound = wav_of(&[9; 700_000]);
    let voice = ana.voice_note(&note, &sound).await;
    ana.request(Method::POST, "/v1/me/erasure").await.send().await.expect(200);
    let asked = ask(&ana).await;
    assert_eq!(asked["state"], "building");
    for made in [1, 1, 0] {
        assert_eq!(run_due(&app.state).await.unwrap(), made, "one for each of them");
    }
    let ready = ana.get(&format!("/v1/me/exports/{}", id_of(&asked))).await.expect(200);
    assert_eq!(ready["state"], "ready");
    let archive = file(&ana, &asked).await;
    assert_eq!(ready["bytes"], archive.len());
    let records = part(&archive, "records.json");
    let page = String::from_utf8(part(&archive, "readable.html")).unwrap();
    let exchange = part(&archive, "fhir.json");
    for words in ["words that only she wrote", "words of her therapist"] {
        assert!(contains(&exchange, words), "{words}");
    }
    for words in
        ["words that only she wrote", "words of her therapist", "words of the clinic", email("ana").as_str()]
    {
        assert!(contains(&records, words) && page.contains(words), "{words}");
    }
    for secret in ["only in the diary", &ben.id.to_string(), "$argon2", email("ben").as_str()] {
        assert!(!contains(&records, secret) && !page.contains(secret), "{secret}");
        assert!(!contains(&exchange, secret), "{secret}");
    }
    assert_eq!(part(&archive, &format!("files/{voice}.wav")), sound);
    let document: Value = serde_json::from_slice(&records).unwrap();
    complete(&app, &document, ana.id).await;
    let sql = "SELECT COUNT(*) AS n FROM audit_events WHERE action LIKE 'export.%' AND subject_id = $1";
    let noted: i64 = app.query(sql, vec![ana.id.into()]).await[0].try_get("", "n").unwrap();
    assert_eq!(noted, 2, "asked for and taken");
}

/// Every row and every column that the data map says, and no other.
async fn complete(app: &TestApp, document: &Value, patient: Uuid) {
    for table in TABLES {
        let exported = |column: &&entity::data_map::ColumnRule| column.export == Export::Yes;
        let columns: Vec<&str> = table.columns.iter().filter(exported).map(|rule| rule.column).collect();
        let owner = if table.table == "audit_events" { Some("subject_id") } else { owner_column(table) };
        let Some(owner) = owner.filter(|_| !columns.is_empty() && table.table != "attachment_chunks") else {
            assert!(document["tables"].get(table.table).is_none(), "{}", table.table);
            continue;
        };
        let there =
            document["tables"][table.table].as_array().unwrap_or_else(|| panic!("no {}", table.table));
        assert!(!there.is_empty(), "`live` makes no row in {}", table.table);
        let whose = format!("FROM {} WHERE {owner} = $1", table.table);
        let sql = format!("SELECT COUNT(*) AS n {whose}");
        let count: i64 = app.query(&sql, vec![patient.into()]).await[0].try_get("", "n").unwrap();
        // Taking the archive is itself noted, after it was made.
        let late = i64::from(table.table == "audit_events");
        assert_eq!(there.len() as i64, count - late, "{}", table.table);
        for column in columns {
            let sql = format!("SELECT COUNT(*) AS n {whose} AND {column} IS NOT NULL");
            let filled: i64 = app.query(&sql, vec![patient.into()]).await[0].try_get("", "n").unwrap();
            let name = column.trim_end_matches("_sealed");
            let shown = there.iter().filter(|row| row.get(name).is_some()).count() as i64;
            let late = if filled > shown { late } else { 0 };
            assert_eq!(shown, filled - late, "{}.{column}", table.table);
            assert!(shown > 0 || !column.ends_with("_sealed"), "`live` fills no {}.{column}", table.table);
        }
        let allowed = |name: &String| {
            table.columns.iter().filter(exported).any(|rule| rule.column.trim_end_matches("_sealed") == name)
        };
        for row in there {
            assert!(row.as_object().unwrap().keys().all(allowed), "{}: {row}", table.table);
        }
        let own = matches!(table.owner, Owner::Patient(_));
        assert!(!own || there.iter().all(|row| row["patient_id"] == patient.to_string()), "{}", table.table);
    }
}

async fn an_archive_needs_a_password_from_a_moment_ago(app: TestApp) {
    let ana = app.patient("ana").await;
    let asked = ask(&ana).await;
    let path = format!("/v1/me/exports/{}/file", id_of(&asked));
    ana.get(&path).await.refused(409, "export_not_ready");
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    app.advance(Duration::minutes(5) + Duration::seconds(1));
    ana.get(&path).await.refused(403, "step_up_required");
    ana.request(Method::POST, "/v1/me/export").await.send().await.refused(403, "step_up_required");
    let ana = app.log_in("ana").await;
    file(&ana, &asked).await;
    let ben = app.patient("ben").await;
    ben.get(&path).await.refused(404, "not_found");
}

async fn an_archive_goes_by_itself_and_is_replaced_by_the_next(app: TestApp) {
    let ana = app.patient("ana").await;
    let first = ask(&ana).await;
    assert_eq!(ask(&ana).await, first, "one that is being made is answered again");
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    assert_eq!(run_due(&app.state).await.unwrap(), 0);
    let second = ask(&ana).await;
    assert_ne!(id_of(&first), id_of(&second));
    ana.get(&format!("/v1/me/exports/{}", id_of(&first))).await.refused(404, "not_found");
    assert_eq!(app.count("exports").await, 1);
    assert_eq!(app.count("export_chunks").await, 0);
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    app.advance(Duration::hours(48));
    let ana = app.log_in("ana").await;
    ana.get(&format!("/v1/me/exports/{}/file", id_of(&second))).await.refused(404, "not_found");
    assert_eq!(sweep(&app.state).await.unwrap(), 1);
    nothing_is_left(&app).await;
}

async fn jobs(app: &TestApp) -> i64 {
    let rows = app.query("SELECT COUNT(*) AS n FROM jobs WHERE kind = 'export'", vec![]).await;
    rows[0].try_get("", "n").unwrap()
}

async fn nothing_is_left(app: &TestApp) {
    assert_eq!(jobs(app).await, 0);
    for table in ["exports", "export_chunks"] {
        assert_eq!(app.count(table).await, 0, "{table}");
    }
}

/// What a worker leaves that died: its claim, and a piece.
async fn dies_midway(app: &TestApp, export: &Value) {
    let id: Uuid = id_of(export).parse().unwrap();
    let lease = app.now() + Duration::seconds(60);
    let sql = "UPDATE jobs SET state = 'claimed', fence = 1, attempts = 1, lease_until = $2, run_at = $2 WHERE id = $1";
    assert_eq!(app.execute(sql, vec![id.into(), lease.into()]).await.rows_affected(), 1);
    let sql = "INSERT INTO export_chunks (patient_id, export_id, number, content_sealed) \
        SELECT patient_id, id, n, $2 FROM exports CROSS JOIN (SELECT 0 AS n UNION SELECT 7) numbers WHERE id = $1";
    app.execute(sql, vec![id.into(), vec![1_u8].into()]).await;
}

async fn an_archive_that_a_dead_worker_began_is_begun_anew(app: TestApp) {
    let ana = app.patient("ana").await;
    let asked = ask(&ana).await;
    dies_midway(&app, &asked).await;
    assert_eq!(run_due(&app.state).await.unwrap(), 0, "its lease is not over");
    app.advance(Duration::seconds(60));
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    let archive = file(&app.log_in("ana").await, &asked).await;
    assert!(!part(&archive, "readable.html").is_empty());
    assert_eq!(app.count("export_chunks").await, 1);
}

async fn rights_that_end_take_the_archive_away(app: TestApp) {
    let ana = app.patient("ana").await;
    let asked = ask(&ana).await;
    dies_midway(&app, &asked).await;
    app.execute("UPDATE accounts SET state = 'closed' WHERE id = $1", vec![ana.id.into()]).await;
    app.advance(Duration::seconds(60));
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    nothing_is_left(&app).await;
}

async fn an_archive_that_fails_again_and_again_is_given_up(app: TestApp) {
    let ana = app.patient("ana").await;
    let asked = ask(&ana).await;
    ana.entry("words").await;
    app.execute("UPDATE journal_revisions SET body_sealed = $1", vec![vec![0_u8; 40].into()]).await;
    for _ in 0..4 {
        assert!(run_due(&app.state).await.is_err());
        app.advance(Duration::minutes(2));
    }
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    assert_eq!(jobs(&app).await, 0);
    let ana = app.log_in("ana").await;
    let failed = ana.get(&format!("/v1/me/exports/{}", id_of(&asked))).await.expect(200);
    assert_eq!(failed["state"], "failed");
    ask(&ana).await;
}

async fn an_archive_whose_making_ends_the_process_is_given_up(app: TestApp) {
    let ana = app.patient("ana").await;
    let asked = ask(&ana).await;
    dies_midway(&app, &asked).await;
    app.execute("UPDATE jobs SET attempts = 5 WHERE kind = 'export'", vec![]).await;
    app.advance(Duration::seconds(60));
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    let ana = app.log_in("ana").await;
    let failed = ana.get(&format!("/v1/me/exports/{}", id_of(&asked))).await.expect(200);
    assert_eq!((&failed["state"], jobs(&app).await), (&json!("failed"), 0));
    assert_eq!(app.count("export_chunks").await, 0);
}

#[test]
fn a_worker_that_overslept_leaves_the_archive_of_another_alone_on_postgres() {
    run(Engine::Postgres, a_worker_that_overslept_leaves_the_archive_of_another_alone);
}

/// It has claimed the job and reads the keys, which somebody holds; meanwhile its lease ends and another one is done.
async fn a_worker_that_overslept_leaves_the_archive_of_another_alone(app: TestApp) {
    let ana = app.patient("ana").await;
    let asked = ask(&ana).await;
    let holder = app.state.db.begin().await.unwrap();
    holder.execute_unprepared("LOCK TABLE data_keys IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let state = app.state.clone();
    let overslept = tokio::spawn(async move { run_due(&state).await });
    let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'data_keys'::regclass";
    while app.query(waiting, vec![]).await.is_empty() {
        tokio::task::yield_now().await;
    }
    let later = app.now() + Duration::days(1);
    let ready =
        "UPDATE exports SET state = 'ready', chunks = 0, bytes = 0, ready_at = requested_at, expires_at = $1";
    holder.execute_raw(app.statement(ready, vec![later.into()])).await.unwrap();
    holder.execute_raw(app.statement("DELETE FROM jobs WHERE kind = 'export'", vec![])).await.unwrap();
    holder.commit().await.unwrap();
    assert_eq!(overslept.await.unwrap().unwrap(), 1);
    let kept = ana.get(&format!("/v1/me/exports/{}", id_of(&asked))).await.expect(200);
    assert_eq!(kept["state"], "ready");
}
