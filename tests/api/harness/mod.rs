//! Everything a test needs: an application on a fresh database of either engine, a clock that stands still, people
//! who came through the real API, and answers that check themselves.

mod engines;
mod http;
mod people;
mod postgres;
mod smtp;
mod statements;

use std::{
    future::Future,
    ops::Deref,
    panic,
    sync::{Arc, Mutex},
};

use afterglow::{
    app::{self, AppState},
    clock::{MockClock, SystemRandom},
    config::{Config, SqliteSynchronous},
    db::Engine,
    vault::keyfile::KeySet,
};
use axum::{Router, http::Method};
use chrono::{DateTime, Duration, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, ExecResult, QueryResult, Statement, Value as Parameter};

pub use engines::Store;
pub use http::{Reply, Request};
pub use people::{PASSWORD, Person, code_of, email, id_of, registration};
pub use postgres::{Cluster, cluster};
pub use smtp::{Received, Smtp};
pub use statements::counted;

/// Where every test begins: a Sunday noon, six weeks after the end of summer time in Europe.
pub const START: &str = "2026-11-22T12:00:00Z";

/// Makes the two tests of each function: `name::sqlite` and `name::postgres`.
macro_rules! both_engines {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                crate::harness::run(afterglow::db::Engine::Sqlite, super::$name);
            }

            #[test]
            fn postgres() {
                crate::harness::run(afterglow::db::Engine::Postgres, super::$name);
            }
        }
    )*};
}
pub(crate) use both_engines;

/// Runs one test on one engine; without PostgreSQL it says so and passes.
pub fn run<F>(engine: Engine, test: impl FnOnce(TestApp) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    run_on(Store::fresh(engine), test);
}

/// The same on a database that is there already.
pub fn run_on<F>(store: Option<Store>, test: impl FnOnce(TestApp) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(store) = store else {
        println!("skipped: no PostgreSQL");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let app = TestApp::on(store).await;
        let database = app.clone();
        let ended = tokio::spawn(test(app)).await;
        database.state.db.clone().close().await.ok();
        ended
    });
    // Connections are gone before the database is.
    drop(runtime);
    if let Err(error) = ended {
        panic::resume_unwind(error.into_panic());
    }
}

/// An application on a database of its own. Cheap to clone.
#[derive(Clone)]
pub struct TestApp(Arc<Inner>);

pub struct Inner {
    pub state: AppState,
    pub clock: Arc<MockClock>,
    pub keys: KeySet,
    pub store: Store,
    router: Router,
    people: tokio::sync::Mutex<Vec<people::Known>>,
    /// Bodies of all errors that were answered, for whoever looks for leaks.
    problems: Mutex<Vec<u8>>,
}

impl Deref for TestApp {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl TestApp {
    async fn on(store: Store) -> Self {
        let clock = Arc::new(MockClock::at(START.parse().unwrap()));
        let keys = KeySet::generate().unwrap();
        let state = build(&store, &keys, clock.clone()).await;
        let router = app::router(state.clone());
        let (people, problems) = Default::default();
        Self(Arc::new(Inner { state, clock, keys, store, router, people, problems }))
    }

    /// Another installation: a database, keys and people of its own.
    pub async fn elsewhere(&self) -> TestApp {
        Self::on(Store::fresh(self.engine()).unwrap()).await
    }

    /// Another process on the same database, with the same keys and the same clock.
    pub async fn beside(&self) -> Beside {
        self.beside_with(&self.keys, |_| ()).await
    }

    /// Another process on the same database, with other keys and settings.
    pub async fn beside_with(&self, keys: &KeySet, change: impl FnOnce(&mut Config)) -> Beside {
        let state = build_with(&self.store, keys, self.clock.clone(), change).await;
        Beside { app: self.clone(), router: app::router(state.clone()), state }
    }

    /// Sends what is due, and returns everything in the folder of mails, in the order in which it left: the whole text
    /// of each.
    pub async fn mails(&self) -> Vec<String> {
        afterglow::accounts::answer_requests(&self.state).await.unwrap();
        while afterglow::mail::tick(&self.state).await.unwrap().claimed > 0 {}
        let folder = self.state.config.data_dir.join("mail");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .map(|files| files.map(|file| file.unwrap().path()).collect())
            .unwrap_or_default();
        files.sort();
        // Long lines are cut for the way, with a sign at their end.
        let read = |file| std::fs::read_to_string(file).unwrap().replace("=\r\n", "");
        files.iter().map(read).collect()
    }

    pub fn engine(&self) -> Engine {
        self.store.engine()
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.state.clock.now()
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// The database behind the application, past all its rules.
    pub fn conn(&self) -> &DatabaseConnection {
        self.state.db.writer()
    }

    pub async fn execute(&self, sql: &str, values: Vec<Parameter>) -> ExecResult {
        self.conn().execute_raw(self.statement(sql, values)).await.unwrap()
    }

    pub async fn query(&self, sql: &str, values: Vec<Parameter>) -> Vec<QueryResult> {
        self.conn().query_all_raw(self.statement(sql, values)).await.unwrap()
    }

    pub async fn count(&self, table: &str) -> i64 {
        let rows = self.query(&format!("SELECT COUNT(*) AS n FROM {table}"), vec![]).await;
        rows[0].try_get("", "n").unwrap()
    }

    pub fn statement(&self, sql: &str, values: Vec<Parameter>) -> Statement {
        Statement::from_sql_and_values(self.conn().get_database_backend(), sql, values)
    }

    /// Every error body that was answered so far.
    pub fn problems(&self) -> Vec<u8> {
        self.problems.lock().unwrap().clone()
    }
}

/// A second process.
pub struct Beside {
    app: TestApp,
    router: Router,
    pub state: AppState,
}

impl Beside {
    pub fn request(&self, method: Method, path: &str, token: &str) -> Request {
        Request::new(&self.app, method, path).to(self.router.clone()).bearer(token)
    }
}

async fn build(store: &Store, keys: &KeySet, clock: Arc<MockClock>) -> AppState {
    build_with(store, keys, clock, |_| ()).await
}

async fn build_with(
    store: &Store,
    keys: &KeySet,
    clock: Arc<MockClock>,
    change: impl FnOnce(&mut Config),
) -> AppState {
    let mut config = Config::development(store.folder());
    config.database.url = store.url().into();
    config.database.sqlite_synchronous = SqliteSynchronous::Normal;
    // Enough to be Argon2id, and no more: nobody attacks these passwords.
    config.auth.argon2_memory_kib = 16;
    config.auth.argon2_iterations = 1;
    // So that a test can be the push service.
    config.push.allow_loopback = true;
    config.push.subject = "mailto:operations@example.org".into();
    change(&mut config);
    AppState::build(config, keys, clock, Arc::new(SystemRandom)).await.unwrap()
}
