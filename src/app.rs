//! The program's parts put together, and the one router.

use std::{
    ops::Deref,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::Response,
};
use tokio::sync::Notify;
use tower::ServiceBuilder;
use tower_http::{cors::CorsLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    accounts::{self, Hashing, Passwords, Tokens},
    alerts, attachments,
    audit::{AuditKey, Reads, record_refusals},
    care, checkins,
    clock::{Clock, Random},
    config::Config,
    consents,
    db::{Db, Opening},
    erasure,
    error::render_problems,
    etag::is_known,
    export, fhir, goals, health, journal, mail, measures,
    openapi::ApiDoc,
    panics, plans, prompts, push, reminders, review,
    safety::{self, Directory},
    sessions, sync, telemetry, today,
    vault::{Mac, Vault, keyfile::KeySet},
};

/// Largest body of an ordinary operation, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;
/// Largest body of a journal operation, in bytes.
pub const JOURNAL_BODY_LIMIT: usize = 1024 * 1024;

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<App>);

/// The parts.
pub struct App {
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub db: Db,
    pub vault: Vault,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub reads: Reads,
    pub push: push::Sender,
    pub mail: mail::Sender,
    /// Whom to call in a crisis; in memory, so that it works when nothing else does.
    pub crisis: Directory,
    pub measures: measures::Catalogue,
    /// What is left in the database's files of what was deleted.
    pub remains: erasure::Remains,
    /// Nudges the scheduler's loop.
    pub wake: Arc<Notify>,
    pub cursor_mac: Mac,
    pub idempotency_mac: Mac,
    pub refresh_mac: Mac,
    pub limits_mac: Mac,
    pub receipt_mac: Mac,
}

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

/// Why the program could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("database.url: the database cannot be opened: {0}")]
    Database(#[from] sea_orm::DbErr),
    #[error(transparent)]
    SigningKey(#[from] accounts::BadSigningKey),
    #[error(transparent)]
    Hashing(#[from] accounts::BadHashing),
    #[error("push: {0}")]
    Push(#[from] push::BuildError),
    #[error(transparent)]
    Mail(#[from] mail::BadMail),
    #[error("safety.crisis_resources_file: {0}")]
    Crisis(#[from] safety::BadDirectory),
    #[error(transparent)]
    Measures(#[from] measures::CatalogueError),
}

impl AppState {
    /// Opens the database and puts the parts together; starts the task that records reads.
    pub async fn build(
        config: Config,
        keys: &KeySet,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, BuildError> {
        let vault = Vault::new(keys, random.clone()).watching(&config.keys, config.environment);
        let wake = Arc::new(Notify::new());
        let url = config.database_url();
        let opening = Opening {
            url: &url,
            max_connections: config.database.max_connections,
            sqlite_full_sync: config.sqlite_full_sync(),
        };
        let db = Db::open(
            &opening,
            (clock.clone(), random.clone()),
            AuditKey::new(vault.mac("audit")),
            wake.clone(),
        )
        .await?;
        let auth = &config.auth;
        let hashing = Hashing {
            memory_kib: auth.argon2_memory_kib,
            iterations: auth.argon2_iterations,
            parallelism: auth.argon2_parallelism,
            concurrency: auth.argon2_concurrency,
        };
        Ok(Self(Arc::new(App {
            tokens: Tokens::new(&keys.signing, &auth.issuer, &auth.audience, auth.access_token_seconds)?,
            passwords: Passwords::new(hashing, random.clone())?,
            reads: Reads::start(db.clone()),
            crisis: crisis_directory(&config, clock.as_ref())?,
            push: push::Sender::new(&config, keys, vault.mac("topic").sign(&[b"key"]))?,
            mail: mail::Sender::new(&config)?,
            measures: measures::Catalogue::load(&config.measures)?,
            remains: erasure::Remains::default(),
            cursor_mac: vault.mac("cursor"),
            idempotency_mac: vault.mac("idempotency"),
            refresh_mac: vault.mac("refresh"),
            limits_mac: vault.mac("limits"),
            receipt_mac: vault.mac("receipt"),
            config,
            clock,
            random,
            db,
            vault,
            wake,
        })))
    }
}

/// The embedded crisis services with the operator's own over them. Old numbers are still shown, with a warning here.
fn crisis_directory(config: &Config, clock: &dyn Clock) -> Result<Directory, safety::BadDirectory> {
    let directory = match &config.safety.crisis_resources_file {
        Some(file) => Directory::embedded().with_file(file)?,
        None => Directory::embedded(),
    };
    let age = directory.age_in_days(clock.now().date_naive());
    if age > safety::STALE_AFTER_DAYS {
        tracing::warn!(
            age,
            "crisis numbers were not checked for more than 90 days; call them and renew safety.crisis_resources_file"
        );
    }
    Ok(directory)
}

/// All operations, with their document.
pub fn api() -> OpenApiRouter<AppState> {
    let v1 = OpenApiRouter::new()
        .merge(accounts::router())
        .merge(care::router())
        .merge(consents::router())
        .merge(erasure::router())
        .merge(export::router())
        .merge(fhir::router())
        .merge(checkins::router())
        .merge(journal::router())
        .merge(sessions::router())
        .merge(reminders::router())
        .merge(push::router())
        .merge(safety::router())
        .merge(prompts::router())
        .merge(goals::router())
        .merge(attachments::router())
        .merge(measures::router())
        .merge(reminders::delivery_router())
        .merge(sync::router())
        .merge(today::router())
        .merge(plans::router())
        .merge(review::router())
        .merge(alerts::router());
    OpenApiRouter::with_openapi(ApiDoc::openapi())
        .nest("/v1", v1)
        .merge(accounts::well_known())
        .merge(health::router())
}

/// All operations and the documents about them: the same for every application of a process, and slow to put together.
static OPERATIONS: LazyLock<Router<AppState>> = LazyLock::new(|| {
    let (router, document) = api().split_for_parts();
    router.merge(health::documents(document))
});

/// The router with everything around it: limits, ids, logs, problems. One layer of many, the outermost first: each
/// layer that is added by itself is boxed by the router, and cloned for each request.
pub fn router(app: AppState) -> Router {
    let timeout = std::time::Duration::from_secs(app.config.server.request_timeout_seconds);
    let around = ServiceBuilder::new()
        .layer(middleware::from_fn(telemetry::request_id))
        .layer(middleware::from_fn(telemetry::access_log))
        .layer(header_unless_set(header::REFERRER_POLICY, "no-referrer"))
        .layer(header_unless_set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"))
        .layer(header_unless_set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header_unless_set(header::CACHE_CONTROL, "no-store"))
        .layer(middleware::from_fn(render_problems))
        .layer(middleware::from_fn_with_state(app.clone(), record_refusals))
        .layer(cors(&app.config))
        .layer(panics::catch())
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout))
        .layer(middleware::from_fn(not_modified))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    OPERATIONS.clone().layer(around).with_state(app)
}

fn header_unless_set(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Middleware: 304 instead of a body that the client already has (RFC 9110, section 13.1.2). The handler has run, so
/// whoever may no longer read it learns nothing by asking this way.
async fn not_modified(request: Request, next: Next) -> Response {
    let known = match *request.method() {
        Method::GET => request.headers().get(header::IF_NONE_MATCH).cloned(),
        _ => None,
    };
    let response = next.run(request).await;
    let etag = response.headers().get(header::ETAG);
    let same = etag.zip(known.as_ref()).is_some_and(|(etag, known)| is_known(etag, known));
    if response.status() != StatusCode::OK || !same {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        parts.headers.remove(name);
    }
    Response::from_parts(parts, Body::empty())
}

/// Closed unless origins are configured.
fn cors(config: &Config) -> CorsLayer {
    let origins: Vec<HeaderValue> =
        config.server.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER])
}
