//! Settings from one TOML file and from `AFTERGLOW_*` variables, which win. Reading them finds all mistakes at once,
//! each with the setting's name and what to do, never with its value: a value may be a secret.

mod check;
mod load;
mod records;
mod sections;
#[cfg(test)]
mod tests;
mod values;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use records::{AuditConfig, ErasureConfig, RetentionConfig};
pub use sections::{
    ApnsConfig, AttachmentsConfig, AuthConfig, DatabaseConfig, Environment, FcmConfig, KeysConfig, LogConfig,
    LogFormat, MailConfig, MeasuresConfig, PushConfig, SafetyConfig, SchedulerConfig, ServerConfig, SmtpTls,
    SqliteSynchronous,
};

/// All settings. Secrets in it are neither printed by `Debug` nor serialised.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What this installation is for.
    pub environment: Environment,
    /// Folder of the SQLite file and, in development, of the keys.
    pub data_dir: PathBuf,
    /// Where a tapped notification leads: the absolute address of the patients' app.
    pub app_url: String,
    /// The HTTP listeners.
    pub server: ServerConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// Key files.
    pub keys: KeysConfig,
    /// Tokens, logins, password hashing.
    pub auth: AuthConfig,
    /// Web Push.
    pub push: PushConfig,
    /// Apple's push service.
    pub apns: ApnsConfig,
    /// Google's push service.
    pub fcm: FcmConfig,
    /// The loop that sends reminders.
    pub scheduler: SchedulerConfig,
    /// What helps in a crisis.
    pub safety: SafetyConfig,
    /// Logs.
    pub log: LogConfig,
    /// How mails leave.
    pub mail: MailConfig,
    /// The chain of who read what.
    pub audit: AuditConfig,
    /// The ledger of erasures.
    pub erasure: ErasureConfig,
    /// What is kept for a time only.
    pub retention: RetentionConfig,
    /// Voice notes and drawings.
    pub attachments: AttachmentsConfig,
    /// Questionnaires beyond those of the binary.
    pub measures: MeasuresConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            environment: Environment::default(),
            data_dir: PathBuf::from("data"),
            app_url: "http://127.0.0.1:8080/".to_owned(),
            server: ServerConfig::default(),
            database: DatabaseConfig::default(),
            keys: KeysConfig::default(),
            auth: AuthConfig::default(),
            push: PushConfig::default(),
            apns: ApnsConfig::default(),
            fcm: FcmConfig::default(),
            scheduler: SchedulerConfig::default(),
            safety: SafetyConfig::default(),
            log: LogConfig::default(),
            mail: MailConfig::default(),
            audit: AuditConfig::default(),
            erasure: ErasureConfig::default(),
            retention: RetentionConfig::default(),
            attachments: AttachmentsConfig::default(),
            measures: MeasuresConfig::default(),
        }
    }
}

impl Config {
    /// Reads and checks the settings. The file is `path`, else the one `AFTERGLOW_CONFIG` names, else
    /// `./afterglow.toml` if there is one.
    ///
    /// # Errors
    /// All problems found: an unreadable file, unknown settings, values of the wrong kind or out of bounds, and
    /// what production refuses.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        load::load(path)
    }

    /// The defaults for development with everything inside `data_dir`, as tests and the demo need them.
    pub fn development(data_dir: impl Into<PathBuf>) -> Self {
        let mut config = Self { data_dir: data_dir.into(), ..Self::default() };
        config.fill_key_paths();
        config
    }

    /// The folder of the keys that development makes for itself.
    pub fn development_keys_dir(&self) -> PathBuf {
        self.data_dir.join("keys")
    }

    /// Where the database is, with the default filled in. May contain a password.
    pub fn database_url(&self) -> Zeroizing<String> {
        let url = self.database.url.expose_secret();
        Zeroizing::new(if url.is_empty() {
            format!("sqlite://{}", self.data_dir.join("afterglow.db").display())
        } else {
            url.to_owned()
        })
    }

    /// Where the heads of the audit chains are written, with the default filled in.
    pub fn anchor_file(&self) -> PathBuf {
        self.named_or(&self.audit.anchor_file, "audit-anchors.jsonl")
    }

    /// Where erasures are written, with the default filled in.
    pub fn erasure_ledger(&self) -> PathBuf {
        self.named_or(&self.erasure.ledger_file, "erasures.jsonl")
    }

    fn named_or(&self, named: &Path, name: &str) -> PathBuf {
        if named.as_os_str().is_empty() { self.data_dir.join(name) } else { named.to_owned() }
    }

    /// Whether SQLite syncs at every commit.
    pub fn sqlite_full_sync(&self) -> bool {
        self.database.sqlite_synchronous == SqliteSynchronous::Full
    }

    /// Whether real people are behind this installation.
    pub fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }

    /// Development finds its keys without being told where; production says so on purpose, apart from the data.
    fn fill_key_paths(&mut self) {
        if self.is_production() {
            return;
        }
        let dir = self.development_keys_dir();
        let files = [
            (&mut self.keys.kek_file, "kek.toml"),
            (&mut self.keys.signing_key_file, "signing.toml"),
            (&mut self.keys.index_key_file, "index.toml"),
            (&mut self.keys.vapid_file, "vapid.toml"),
        ];
        for (path, name) in files {
            if path.as_os_str().is_empty() {
                *path = dir.join(name);
            }
        }
    }
}

/// One thing to correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The setting, such as `push.subject`.
    pub setting: String,
    /// What is wrong and what to do; without the value.
    pub advice: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.advice)
    }
}

/// The settings cannot be used. Holds everything that has to be corrected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty.
    pub problems: Vec<ConfigProblem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

/// Collects problems while settings are read and checked.
#[derive(Default)]
struct Problems(Vec<ConfigProblem>);

impl Problems {
    fn add(&mut self, setting: impl Into<String>, advice: impl Into<String>) {
        self.0.push(ConfigProblem { setting: setting.into(), advice: advice.into() });
    }

    fn into_result(self) -> Result<(), ConfigError> {
        if self.0.is_empty() { Ok(()) } else { Err(ConfigError { problems: self.0 }) }
    }
}
