//! The settings, one struct a section, with their defaults. `config.example.toml` explains them to operators.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::values::{address, address_or_empty, empty_or_address, hidden, list};
use crate::http::network::IpNetwork;

/// What this installation is for. Production refuses whatever is only convenient.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// A machine to work on; keys are made by themselves.
    #[default]
    Development,
    /// Real people.
    Production,
}

/// When SQLite forces a commit to the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SqliteSynchronous {
    /// At every commit: nothing that was answered is lost when the power fails.
    #[default]
    Full,
    /// At checkpoints: faster; a power failure may lose the last commits, but never corrupts the file.
    Normal,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// `[server]`: the HTTP listeners and their limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port of the API.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Address and port of `/metrics`; an empty text turns it off.
    #[serde(serialize_with = "address_or_empty", deserialize_with = "empty_or_address")]
    pub metrics_listen: Option<SocketAddr>,
    /// Longest time to send the head of a request, and for its body to stand still, in seconds.
    pub header_timeout_seconds: u64,
    /// Longest time a connection may wait for its next request, in seconds.
    pub idle_timeout_seconds: u64,
    /// Longest time to receive and answer a request, in seconds.
    pub request_timeout_seconds: u64,
    /// Connections held at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// Networks of the reverse proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "list")]
    pub trusted_proxies: Vec<IpNetwork>,
    /// Origins of web apps that may call the API from a browser.
    #[serde(deserialize_with = "list")]
    pub cors_origins: Vec<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            metrics_listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9464))),
            header_timeout_seconds: 10,
            idle_timeout_seconds: 60,
            request_timeout_seconds: 30,
            max_connections: 10_000,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
        }
    }
}

/// `[database]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite://…` or `postgres://…`; empty: the SQLite file `afterglow.db` in `data_dir`.
    #[serde(serialize_with = "hidden")]
    pub url: SecretString,
    /// Upper bound of the connection pool.
    pub max_connections: u32,
    /// Durability of a SQLite commit; PostgreSQL ignores it.
    pub sqlite_synchronous: SqliteSynchronous,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: SecretString::default(),
            max_connections: 10,
            sqlite_synchronous: SqliteSynchronous::default(),
        }
    }
}

/// `[keys]`: where the key files are. Empty paths mean `data_dir/keys` in development.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// The key-encryption keys.
    pub kek_file: PathBuf,
    /// The key-encryption keys themselves as `kid:base64`, the active one last; only from the environment.
    #[serde(skip_serializing)]
    pub kek: SecretString,
    /// The Ed25519 keys that sign access tokens.
    pub signing_key_file: PathBuf,
    /// The keys of blind indexes and of server-made tags.
    pub index_key_file: PathBuf,
    /// The P-256 keys that identify this server to push services.
    pub vapid_file: PathBuf,
}

impl KeysConfig {
    /// Whether the key-encryption keys come from the environment instead of a file.
    pub fn kek_from_environment(&self) -> bool {
        !self.kek.expose_secret().is_empty()
    }
}

/// `[auth]`: tokens, logins and password hashing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// `iss` of access tokens: the public address of this API.
    pub issuer: String,
    /// `aud` of access tokens.
    pub audience: String,
    /// Life of an access token, in seconds.
    pub access_token_seconds: i64,
    /// A patient's login ends after so many days without use.
    pub patient_idle_days: i64,
    /// A patient's login ends after so many days in any case.
    pub patient_max_days: i64,
    /// A staff login ends after so many minutes without use.
    pub staff_idle_minutes: i64,
    /// A staff login ends after so many hours in any case.
    pub staff_max_hours: i64,
    /// Memory of one Argon2id hash, in KiB.
    pub argon2_memory_kib: u32,
    /// Passes of one Argon2id hash.
    pub argon2_iterations: u32,
    /// Lanes of one Argon2id hash.
    pub argon2_parallelism: u32,
    /// Hashes computed at once.
    pub argon2_concurrency: usize,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8080".to_owned(),
            audience: "afterglow".to_owned(),
            access_token_seconds: 600,
            patient_idle_days: 90,
            patient_max_days: 365,
            staff_idle_minutes: 30,
            staff_max_hours: 12,
            argon2_memory_kib: 19_456,
            argon2_iterations: 2,
            argon2_parallelism: 1,
            argon2_concurrency: 2,
        }
    }
}

/// `[push]`: Web Push.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PushConfig {
    /// Whom a push service writes to about this server: `mailto:…` or `https:…`.
    pub subject: String,
    /// Development only: send to loopback addresses, and over http.
    pub allow_loopback: bool,
    /// Accept subscriptions at any public host, not only at known push services.
    pub any_public: bool,
    /// Hosts accepted besides the browser vendors' push services.
    #[serde(deserialize_with = "list")]
    pub extra_hosts: Vec<String>,
    /// Reminders claimed in one go.
    pub batch_size: u32,
    /// Requests under way to one push service at once.
    pub per_origin_concurrency: usize,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            subject: String::new(),
            allow_loopback: false,
            any_public: false,
            extra_hosts: Vec::new(),
            batch_size: 500,
            per_origin_concurrency: 256,
        }
    }
}

/// `[apns]`: pushes to iPhone apps from the store. Off without a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApnsConfig {
    /// The signing key that Apple gives out (`AuthKey_….p8`). Empty: off.
    pub key_file: PathBuf,
    /// The key's name.
    pub key_id: String,
    /// The team it belongs to.
    pub team_id: String,
    /// The app.
    pub bundle_id: String,
    /// Apple's service, or its sandbox.
    pub url: String,
}

impl Default for ApnsConfig {
    fn default() -> Self {
        Self {
            key_file: PathBuf::new(),
            key_id: String::new(),
            team_id: String::new(),
            bundle_id: String::new(),
            url: "https://api.push.apple.com".to_owned(),
        }
    }
}

/// `[fcm]`: pushes to Android apps that use Firebase. Off without a service account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FcmConfig {
    /// The JSON file of a service account. Empty: off.
    pub service_account_file: PathBuf,
    /// Google's service.
    pub url: String,
}

impl Default for FcmConfig {
    fn default() -> Self {
        Self { service_account_file: PathBuf::new(), url: "https://fcm.googleapis.com".to_owned() }
    }
}

/// `[scheduler]`: the loop that sends reminders.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulerConfig {
    /// Longest pause between two looks for due reminders, in seconds.
    pub poll_seconds: u64,
    /// A worker that died gives up its claim after so many seconds.
    pub lease_seconds: i64,
    /// How many days the ledger remembers a notification that is over.
    pub ledger_days: i64,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self { poll_seconds: 5, lease_seconds: 60, ledger_days: 730 }
    }
}

/// `[safety]`: what helps in a crisis.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SafetyConfig {
    /// A file with countries that replace those of the embedded crisis directory.
    pub crisis_resources_file: Option<PathBuf>,
}

/// How a connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// From the first byte, usually at port 465.
    #[default]
    Implicit,
    /// After a greeting in clear, usually at port 587; nothing is sent without it.
    Starttls,
    /// Not at all: only for a server on this machine.
    None,
}

/// `[mail]`: how mails leave.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// Host of the mail server; empty: mails become files in `data_dir/mail`, in development only.
    pub smtp_host: String,
    /// Its port; 0: the usual one.
    pub smtp_port: u16,
    /// How the connection is encrypted.
    pub smtp_tls: SmtpTls,
    /// Whom to log in as; empty: nobody.
    pub smtp_user: String,
    /// The password for it.
    #[serde(serialize_with = "hidden")]
    pub smtp_password: SecretString,
    /// The sender, such as `Afterglow <no-reply@example.org>`.
    pub from: String,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            smtp_host: String::new(),
            smtp_port: 0,
            smtp_tls: SmtpTls::default(),
            smtp_user: String::new(),
            smtp_password: SecretString::default(),
            from: "Afterglow <no-reply@localhost>".to_owned(),
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Lines for people or for collectors.
    pub format: LogFormat,
    /// Which levels of which modules are written, in the syntax of tracing's `EnvFilter`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,sqlx=warn,sea_orm=warn,hyper=warn,h2=warn".to_owned() }
    }
}

/// `[attachments]`: voice notes and drawings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttachmentsConfig {
    /// All attachments of one patient together, in MiB.
    pub patient_mib: i64,
}

impl Default for AttachmentsConfig {
    fn default() -> Self {
        Self { patient_mib: 1_024 }
    }
}

/// `[measures]`: questionnaires that the operator installs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeasuresConfig {
    /// Folder with further questionnaire files; empty: none.
    pub extra_dir: PathBuf,
    /// Ids of the questionnaires in it whose licences the operator has read and accepted.
    #[serde(deserialize_with = "list")]
    pub accepted_licences: Vec<String>,
}
