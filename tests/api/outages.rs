//! The database is away or full: a problem with 503 that says to come back, nothing half done, and recovery by itself.

use afterglow::db::Engine;
use axum::http::{Method, StatusCode};
use chrono::Duration;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::harness::{Person, Reply, Store, TestApp, both_engines, id_of, run_on};

both_engines![
    a_database_that_is_away_is_503_until_it_is_back,
    it_is_ready_with_what_it_knows_of,
    a_full_disk_is_503_and_nothing_is_half_done,
    whoever_goes_away_while_a_transaction_begins_leaves_none_open,
    two_processes_on_one_database_see_each_others_changes,
    what_a_database_says_of_a_row_is_not_printed,
];

#[test]
fn what_was_acknowledged_outlives_a_restart_and_a_crash_of_postgres() {
    run_on(Store::apart(), acknowledged_writes_outlive_restarts);
}

#[track_caller]
fn away(reply: Reply) {
    let seconds: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    reply.refused(503, "unavailable");
}

async fn ask_everything(ana: &Person, bo: &Person) -> Vec<Reply> {
    let app = &ana.app;
    let starts_at = (app.now() + Duration::days(2)).to_rfc3339();
    let login = json!({"email": "ana@example.org", "password": crate::harness::PASSWORD});
    vec![
        ana.get("/v1/me").await,
        ana.get("/v1/checkins").await,
        ana.post("/v1/checkins", &json!({"mood": 5})).await,
        ana.request(Method::POST, "/v1/checkins").await.key("k").json(&json!({"mood": 5})).send().await,
        ana.request(Method::POST, "/v1/auth/logout").await.send().await,
        bo.get(&format!("/v1/patients/{}/journal/entries", ana.id)).await,
        bo.post(
            &format!("/v1/patients/{}/sessions", ana.id),
            &json!({"kind": "integration", "starts_at": starts_at}),
        )
        .await,
        app.anon().post("/v1/auth/login", &login).await,
        app.anon().post("/v1/auth/refresh", &json!({"refresh_token": ana.refresh_token()})).await,
        app.anon().get("/v1/invitation-codes/00000-00000-0").await,
        app.anon().get("/readyz").await,
    ]
}

/// Servers are replaced one after the other: the older ones go on beside a newer one's additions.
async fn it_is_ready_with_what_it_knows_of(app: TestApp) {
    app.anon().get("/readyz").await.expect(200);
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20991231_000001_later', 0)";
    app.execute(newer, vec![]).await;
    app.anon().get("/readyz").await.expect(200);
    app.execute("DELETE FROM seaql_migrations WHERE version LIKE 'm2026%'", vec![]).await;
    app.anon().get("/readyz").await.refused(503, "unavailable");
    app.execute("DROP TABLE seaql_migrations", vec![]).await;
    app.anon().get("/readyz").await.refused(503, "unavailable");
    assert!(
        app.conn().execute_unprepared("SELECT 1 FROM seaql_migrations").await.is_err(),
        "to ask makes nothing"
    );
}

/// SQLite's file cannot go away under a process that holds it open.
async fn a_database_that_is_away_is_503_until_it_is_back(app: TestApp) {
    if app.engine() == Engine::Sqlite {
        return;
    }
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    ana.checkin(5).await;
    app.store.cut_off().await;
    for _ in 0..2 {
        ask_everything(&ana, &bo).await.into_iter().for_each(away);
        app.anon().get("/healthz").await.expect(200);
    }
    app.store.restore().await;
    app.anon().get("/readyz").await.expect(200);
    let kept = ana.get("/v1/checkins").await.expect(200);
    assert_eq!(kept["items"].as_array().unwrap().len(), 1);
    for reply in ask_everything(&ana, &bo).await.into_iter().take(4) {
        assert!(reply.status.is_success(), "{reply:?}");
    }
}

/// Writes until told to stop; the check-ins that were acknowledged. What was not is a 503.
async fn keep_writing(ana: Person, stop: CancellationToken) -> Vec<String> {
    let mut kept = Vec::new();
    while !stop.is_cancelled() {
        let reply = ana.post("/v1/checkins", &json!({"mood": 5})).await;
        if reply.status == StatusCode::CREATED {
            kept.push(id_of(&reply.expect(201)));
        } else {
            away(reply);
        }
    }
    kept
}

async fn acknowledged_writes_outlive_restarts(app: TestApp) {
    for mode in ["fast", "immediate"] {
        let (ana, stop) = (app.patient("ana").await, CancellationToken::new());
        let writers: Vec<_> = (0..4).map(|_| tokio::spawn(keep_writing(ana.clone(), stop.clone()))).collect();
        while app.count("checkins").await < 20 {}
        let restarting = app.clone();
        tokio::task::spawn_blocking(move || restarting.store.restart(mode)).await.unwrap();
        // Connections of before may be tried first; then all is as it was.
        while ana.get("/v1/me").await.status != StatusCode::OK {}
        ana.post("/v1/checkins", &json!({"mood": 6})).await;
        stop.cancel();
        let mut kept = Vec::new();
        for writer in writers {
            kept.extend(writer.await.unwrap());
        }
        assert!(kept.len() >= 4);
        for id in kept {
            ana.get(&format!("/v1/checkins/{id}")).await.expect(200);
        }
        app.execute("DELETE FROM checkins", vec![]).await;
    }
}

/// PostgreSQL's disk cannot be filled from here; its code is in the same list.
async fn a_full_disk_is_503_and_nothing_is_half_done(app: TestApp) {
    if app.engine() == Engine::Postgres {
        return;
    }
    let ana = app.patient("ana").await;
    let pages = app.query("PRAGMA page_count", vec![]).await[0].try_get_by_index::<i64>(0).unwrap();
    app.query(&format!("PRAGMA max_page_count = {pages}"), vec![]).await;
    let body = json!({"fields": {"text": "x".repeat(20_000)}});
    let before = app.count("journal_entries").await;
    let mut refused = None;
    for _ in 0..50 {
        let reply = ana.request(Method::POST, "/v1/journal/entries").await.json(&body).send().await;
        if reply.status != 201 {
            refused = Some(reply);
            break;
        }
    }
    away(refused.expect("the file has room for ever"));
    let held = app.count("journal_entries").await;
    assert_eq!(held, app.count("journal_revisions").await, "half an entry");
    ana.get("/v1/journal/entries").await.expect(200);
    app.query("PRAGMA max_page_count = 1073741823", vec![]).await;
    ana.post("/v1/journal/entries", &body).await.expect(201);
    assert_eq!(app.count("journal_entries").await, held + 1);
    assert!(held >= before);
}

async fn two_processes_on_one_database_see_each_others_changes(app: TestApp) {
    let ana = app.patient("ana").await;
    let checkin = ana.checkin(5).await;
    let other = app.beside().await;
    let elsewhere = |method: Method, path: &str| other.request(method, path, &ana.access_token());
    let path = format!("/v1/checkins/{}", checkin["id"].as_str().unwrap());
    assert_eq!(elsewhere(Method::GET, &path).send().await.expect(200), checkin);
    elsewhere(Method::DELETE, &path).if_match(1).send().await.expect(204);
    ana.get(&path).await.refused(404, "not_found");
    elsewhere(Method::POST, "/v1/auth/logout").send().await.expect(204);
    ana.get("/v1/me").await.refused(401, "unauthenticated");
}

/// A phone that loses its network drops its request wherever it is, also between BEGIN and its answer. A connection that
/// went back with an open transaction would keep locks for ever, and what the next one writes would never be committed.
async fn whoever_goes_away_while_a_transaction_begins_leaves_none_open(app: TestApp) {
    app.execute("CREATE TABLE written (number INTEGER)", vec![]).await;
    let (rounds, mut begun) = (1_000, 0);
    for steps in (0..rounds).map(|round| round % 250) {
        let goes_away = async {
            for _ in 0..steps {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = goes_away => {}
            transaction = app.state.db.begin() => begun += usize::from(transaction.is_ok()),
        }
        // On whichever connection is next; committed at once, or it is lost with a transaction that is not its own.
        app.execute("INSERT INTO written (number) VALUES (1)", vec![]).await;
    }
    assert!((1..rounds).contains(&begun), "{begun} of {rounds}: nobody went away at that moment");
    let beside = app.beside().await;
    let seen = beside.state.db.reader();
    let count = "SELECT COUNT(*) AS n FROM written";
    let row = seen.query_one_raw(Statement::from_string(seen.get_database_backend(), count)).await.unwrap();
    assert_eq!(row.unwrap().try_get::<i64>("", "n").unwrap(), i64::try_from(rounds).unwrap());
}

/// PostgreSQL quotes the row beside its message, and a log prints errors.
async fn what_a_database_says_of_a_row_is_not_printed(app: TestApp) {
    let ana = app.patient("ana").await;
    let again = "INSERT INTO accounts SELECT * FROM accounts WHERE id = $1";
    let refused = app.conn().execute_raw(app.statement(again, vec![ana.id.into()])).await.unwrap_err();
    if app.engine() == Engine::Postgres {
        assert!(format!("{refused:?}").contains(&ana.id.to_string()), "the search finds what is there");
    }
    let error = afterglow::error::ApiError::from(refused);
    for printed in [format!("{error:?}"), format!("{error:#?}")] {
        assert!(printed.to_lowercase().contains("unique"), "{printed}");
        assert!(!printed.contains(&ana.id.to_string()), "{printed}");
    }
}
