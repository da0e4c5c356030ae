use std::{collections::BTreeMap, fs};

use figment::{
    Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map},
};
use secrecy::SecretString;

use super::*;

const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Stands in for environment variables, which a test cannot set for itself alone.
struct Variables(&'static str);

impl Provider for Variables {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment variable(s)")
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Toml::string(self.0).data()
    }
}

fn read(file: &str) -> Result<Config, ConfigError> {
    read_with(file, "")
}

fn read_with(file: &str, variables: &'static str) -> Result<Config, ConfigError> {
    load::build(file, Variables(variables), Problems::default())
}

fn problems(file: &str) -> BTreeMap<String, String> {
    let error = read(file).expect_err("this should be refused");
    error.problems.into_iter().map(|problem| (problem.setting, problem.advice)).collect()
}

fn settings(file: &str) -> Vec<String> {
    problems(file).into_keys().collect()
}

/// All settings with their values, as `section.name`.
fn flat(table: &toml::Table) -> BTreeMap<String, toml::Value> {
    let mut all = BTreeMap::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(fields) => {
                all.extend(fields.iter().map(|(field, value)| (format!("{name}.{field}"), value.clone())));
            }
            value => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
    all
}

#[test]
fn the_example_shows_every_setting_with_its_default() {
    let shown: toml::Table = toml::from_str(EXAMPLE).unwrap();
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    assert_eq!(flat(&shown), flat(&defaults));
    assert!(EXAMPLE.contains("AFTERGLOW_KEYS__KEK="));
    read(EXAMPLE).unwrap();
}

#[test]
fn the_example_explains_every_setting() {
    let lines: Vec<_> = EXAMPLE.lines().collect();
    for pair in lines.windows(2) {
        let is_setting = pair[1].contains(" = ") && !pair[1].starts_with('#');
        let costs_together = pair[1].starts_with("argon2_");
        assert!(!is_setting || costs_together || pair[0].starts_with('#'), "{}", pair[1]);
    }
}

#[test]
fn nothing_configured_is_a_development_installation() {
    let config = read("").unwrap();
    assert!(!config.is_production() && config.sqlite_full_sync());
    assert_eq!(*config.database_url(), "sqlite://data/afterglow.db");
    assert_eq!(config.keys.kek_file, Path::new("data/keys/kek.toml"));
    assert_eq!(config.keys.vapid_file, Path::new("data/keys/vapid.toml"));
}

#[test]
fn variables_win_over_the_file_and_lists_take_commas() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\nidle_timeout_seconds = 7";
    let variables = "[server]\nlisten = \"127.0.0.1:2\"\ntrusted_proxies = \"10.0.0.0/8, fd00::/8\"\nmetrics_listen = \"\"";
    let server = read_with(file, variables).unwrap().server;
    assert_eq!(server.listen.port(), 2);
    assert_eq!(server.idle_timeout_seconds, 7);
    assert_eq!(server.metrics_listen, None);
    assert_eq!(server.trusted_proxies.len(), 2);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let file = r#"
        app_link = "https://app.example.org"
        app_url = 7
        environment = "staging"
        [server]
        listen = "localhost"
        listne = "127.0.0.1:1"
        idle_timeout_seconds = 0
        trusted_proxies = ["10.0.0.0/33"]
        [push]
        subject = "me"
        extra_hosts = ["https://push.example.org"]
        [sevrer]
        listen = "127.0.0.1:1"
        [log]
        filter = "a=b=c"
    "#;
    let expected = [
        "app_link",
        "app_url",
        "environment",
        "log.filter",
        "push.extra_hosts",
        "push.subject",
        "server.idle_timeout_seconds",
        "server.listen",
        "server.listne",
        "server.trusted_proxies",
        "sevrer",
    ];
    assert_eq!(settings(file), expected);
}

#[test]
fn a_setting_from_a_variable_is_traced_to_it() {
    let error = read_with("", "[server]\nlisten = \"nowhere\"\nlisene = 1").unwrap_err().to_string();
    assert!(
        error.contains("AFTERGLOW_SERVER__LISTEN)") && error.contains("AFTERGLOW_SERVER__LISENE)"),
        "{error}"
    );
}

#[test]
fn no_message_and_no_debug_shows_a_value() {
    let files = [
        "[keys]\nkek = \"hunter2\"",
        "[keys]\nkek = [\"hunter2\"]",
        "[database]\nurl = \"mysql://hunter2@host\"",
        "[database]\nurl = [\"hunter2\"]",
        "[database]\nurl = \"hunter2",
        "[database]\nurl = hunter2",
        "database = \"hunter2\"",
        "app_url = \"https://user:hunter2@host\"",
        "[server]\nlisten = \"hunter2\"\ntrusted_proxies = [\"hunter2\"]\ncors_origins = [\"hunter2\"]",
        "[log]\nformat = \"hunter2\"\nfilter = \"=hunter2=\"",
    ];
    for file in files {
        let error = read(file).expect_err(file);
        assert!(!format!("{error}{error:?}").contains("hunter2"), "{error}");
    }
    let mut config = Config::default();
    config.keys.kek = SecretString::from("hunter2");
    config.database.url = SecretString::from("postgres://a:hunter2@b/c");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!toml::to_string(&config).unwrap().contains("hunter2"));
    assert_eq!(*config.database_url(), "postgres://a:hunter2@b/c");
}

#[test]
fn a_key_in_the_file_is_refused_but_not_in_a_variable() {
    assert_eq!(settings("[keys]\nkek = \"a:b\""), ["keys.kek"]);
    assert!(read_with("", "[keys]\nkek = \"a:b\"").unwrap().keys.kek_from_environment());
}

#[test]
fn production_refuses_what_is_only_convenient() {
    let file = r#"
        environment = "production"
        [server]
        cors_origins = ["http://app.example.org"]
        metrics_listen = "0.0.0.0:9464"
        [auth]
        access_token_seconds = 601
        staff_idle_minutes = 31
        argon2_memory_kib = 64
        argon2_iterations = 1
        [push]
        allow_loopback = true
        [keys]
        vapid_file = "does/not/exist.toml"
    "#;
    let problems = problems(file);
    let expected = [
        "app_url",
        "auth.access_token_seconds",
        "auth.argon2_iterations",
        "auth.argon2_memory_kib",
        "auth.issuer",
        "auth.staff_idle_minutes",
        "keys.index_key_file",
        "keys.kek_file",
        "keys.signing_key_file",
        "keys.vapid_file",
        "mail.smtp_host",
        "push.allow_loopback",
        "push.subject",
        "server.cors_origins",
        "server.metrics_listen",
    ];
    assert_eq!(problems.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(problems["keys.vapid_file"].contains("afterglow keys generate --out"));
}

#[test]
fn a_complete_production_file_is_accepted() {
    // Only its existence is looked at here; keys are read by the vault.
    let file = |rest: &str| {
        format!(
            r#"environment = "production"
            app_url = "https://app.example.org/"
            [auth]
            issuer = "https://api.example.org"
            [push]
            subject = "mailto:ops@example.org"
            extra_hosts = ["push.example.org"]
            [mail]
            smtp_host = "mail.example.org"
            [keys]
            signing_key_file = "Cargo.toml"
            index_key_file = "Cargo.toml"
            vapid_file = "Cargo.toml"
            {rest}"#
        )
    };
    let config = read(&file("kek_file = \"Cargo.toml\"")).unwrap();
    assert!(config.is_production());
    read_with(&file(""), "[keys]\nkek = \"a:b\"").unwrap();
    let both = read_with(&file("kek_file = \"Cargo.toml\""), "[keys]\nkek = \"a:b\"").unwrap_err();
    assert_eq!(both.problems[0].setting, "keys.kek_file");
}

#[test]
fn single_values_are_checked() {
    let cases = [
        ("[server]\ntrusted_proxies = [\"0.0.0.0/0\"]", "server.trusted_proxies"),
        ("[server]\ncors_origins = [\"*\"]", "server.cors_origins"),
        ("[server]\ncors_origins = [\"https://app.example.org/\"]", "server.cors_origins"),
        ("[server]\nmetrics_listen = \"127.0.0.1:8080\"", "server.metrics_listen"),
        ("[server]\nmax_connections = -1", "server.max_connections"),
        ("app_url = \"/app\"", "app_url"),
        ("app_url = \"javascript:alert(1)\"", "app_url"),
        ("data_dir = \"\"", "data_dir"),
        ("[auth]\naudience = \"\"", "auth.audience"),
        ("[auth]\nstaff_idle_minutes = 9", "auth.staff_idle_minutes"),
        ("[auth]\npatient_max_days = 30", "auth.patient_idle_days"),
        ("[auth]\nargon2_parallelism = 64\nargon2_memory_kib = 128", "auth.argon2_memory_kib"),
        ("[push]\nsubject = \"mailto:nobody\"", "push.subject"),
        ("[push]\nsubject = \"http://example.org\"", "push.subject"),
        ("[push]\nextra_hosts = [\"127.0.0.1\"]", "push.extra_hosts"),
        ("[database]\nsqlite_synchronous = \"off\"", "database.sqlite_synchronous"),
    ];
    for (file, setting) in cases {
        assert_eq!(settings(file), [setting], "{file}");
    }
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let error = Config::load(Some(Path::new("does/not/exist.toml"))).unwrap_err();
    assert!(error.problems.iter().any(|problem| problem.setting == "does/not/exist.toml"), "{error}");
}

#[test]
fn a_syntax_error_is_found_by_its_line() {
    let found = settings("app_url = \"http://127.0.0.1/\"\n[server\n");
    assert_eq!(found, ["configuration file, line 2"]);
}

#[test]
fn a_named_file_is_read() {
    let path = std::env::temp_dir().join(format!("afterglow-config-{}.toml", std::process::id()));
    fs::write(&path, "data_dir = \"elsewhere\"").unwrap();
    let config = Config::load(Some(&path));
    fs::remove_file(&path).unwrap();
    assert_eq!(config.unwrap().data_dir, Path::new("elsewhere"));
}
