//! What values have to be like, alone and together, and what production refuses.

use std::{ops::RangeInclusive, path::Path};

use secrecy::ExposeSecret;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use super::{Config, Problems, SmtpTls};

const MAKE_KEYS: &str = "make it with `afterglow keys generate --out DIR`";
// What security reviews ask of Argon2id: 19 MiB and two passes.
const LEAST_MEMORY_KIB: u32 = 19_456;
const LEAST_ITERATIONS: u32 = 2;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    numbers(config, problems);
    addresses(config, problems);
    database(config, problems);
    push(config, problems);
    mail(config, problems);
    apns(config, problems);
    if EnvFilter::try_new(&config.log.filter).is_err() {
        problems.add("log.filter", "is not a filter; write for instance info,afterglow=debug");
    }
    if config.data_dir.as_os_str().is_empty() {
        problems.add("data_dir", "must name a folder");
    }
    if config.is_production() {
        production(config, problems);
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    problems: &mut Problems,
    setting: &str,
    value: T,
    bounds: RangeInclusive<T>,
) {
    if !bounds.contains(&value) {
        problems.add(setting, format!("must be from {} to {}", bounds.start(), bounds.end()));
    }
}

fn numbers(config: &Config, problems: &mut Problems) {
    let (server, auth) = (&config.server, &config.auth);
    within(problems, "server.header_timeout_seconds", server.header_timeout_seconds, 1..=300);
    within(problems, "server.idle_timeout_seconds", server.idle_timeout_seconds, 1..=3_600);
    within(problems, "server.request_timeout_seconds", server.request_timeout_seconds, 1..=600);
    within(problems, "server.max_connections", server.max_connections, 1..=1_000_000);
    within(problems, "database.max_connections", config.database.max_connections, 1..=1_000);
    within(problems, "auth.access_token_seconds", auth.access_token_seconds, 60..=3_600);
    within(problems, "auth.patient_max_days", auth.patient_max_days, 1..=365);
    within(problems, "auth.patient_idle_days", auth.patient_idle_days, 1..=auth.patient_max_days.max(1));
    within(problems, "auth.staff_max_hours", auth.staff_max_hours, 1..=12);
    within(problems, "auth.staff_idle_minutes", auth.staff_idle_minutes, 1..=60);
    if auth.staff_idle_minutes * 60 < auth.access_token_seconds {
        problems.add(
            "auth.staff_idle_minutes",
            "must be as long as auth.access_token_seconds, or people are logged out while they work",
        );
    }
    within(problems, "auth.argon2_iterations", auth.argon2_iterations, 1..=100);
    within(problems, "auth.argon2_parallelism", auth.argon2_parallelism, 1..=64);
    within(
        problems,
        "auth.argon2_memory_kib",
        auth.argon2_memory_kib,
        8 * auth.argon2_parallelism.min(64)..=4_194_304,
    );
    within(problems, "auth.argon2_concurrency", auth.argon2_concurrency, 1..=256);
    within(problems, "push.batch_size", config.push.batch_size, 1..=1_000);
    within(problems, "push.per_origin_concurrency", config.push.per_origin_concurrency, 1..=1_000);
    within(problems, "scheduler.poll_seconds", config.scheduler.poll_seconds, 1..=300);
    within(problems, "scheduler.lease_seconds", config.scheduler.lease_seconds, 15..=3_600);
    let retention = &config.retention;
    within(problems, "retention.ended_logins_days", retention.ended_logins_days, 1..=3_650);
    within(problems, "retention.invitations_days", retention.invitations_days, 7..=3_650);
    within(problems, "retention.clinic_record_years", retention.clinic_record_years, 1..=100);
    within(problems, "scheduler.ledger_days", config.scheduler.ledger_days, 90..=36_500);
    within(problems, "attachments.patient_mib", config.attachments.patient_mib, 20..=1_048_576);
}

fn addresses(config: &Config, problems: &mut Problems) {
    let server = &config.server;
    if web_address(&config.app_url).is_none() {
        problems.add(
            "app_url",
            "must be the absolute address of the patients' app, such as https://app.example.org/",
        );
    }
    if web_address(&config.auth.issuer).is_none() {
        problems
            .add("auth.issuer", "must be the public address of this API, such as https://api.example.org");
    }
    if config.auth.audience.is_empty() {
        problems.add("auth.audience", "must not be empty");
    }
    if server.metrics_listen == Some(server.listen) && server.listen.port() != 0 {
        problems.add("server.metrics_listen", "must differ from server.listen");
    }
    if server.trusted_proxies.iter().any(|network| network.prefix() == 0) {
        problems.add(
            "server.trusted_proxies",
            "must not contain every address; name your proxies' networks only",
        );
    }
    if !server.cors_origins.iter().all(|origin| is_origin(origin)) {
        problems.add(
            "server.cors_origins",
            "must be origins such as https://app.example.org, without a path and not *",
        );
    }
}

fn web_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && plain).then_some(url)
}

/// An origin exactly as browsers send it.
fn is_origin(text: &str) -> bool {
    web_address(text).is_some_and(|url| url.origin().ascii_serialization() == text)
}

fn database(config: &Config, problems: &mut Problems) {
    let url = config.database.url.expose_secret();
    let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    if !url.is_empty() && !known {
        problems.add(
            "database.url",
            "must start with sqlite: or postgres://, or be empty for a file in data_dir",
        );
    }
}

fn push(config: &Config, problems: &mut Problems) {
    let push = &config.push;
    if !push.subject.is_empty() && !is_contact(&push.subject) {
        problems
            .add("push.subject", "must be mailto:someone@example.org or an https address that reaches you");
    }
    if !push.extra_hosts.iter().all(|host| is_host(host)) {
        problems.add(
            "push.extra_hosts",
            "must be host names such as push.example.org, without scheme, port or path",
        );
    }
}

fn mail(config: &Config, problems: &mut Problems) {
    let mail = &config.mail;
    if mail.from.parse::<lettre::message::Mailbox>().is_err() {
        problems.add("mail.from", "must be an address such as Afterglow <no-reply@example.org>");
    }
    let local = ["localhost", "127.0.0.1", "::1"].contains(&mail.smtp_host.as_str());
    if !mail.smtp_host.is_empty() && !local && mail.smtp_tls == SmtpTls::None {
        problems
            .add("mail.smtp_tls", "must be implicit or starttls, unless the mail server is on this machine");
    }
    if !mail.smtp_user.is_empty() && mail.smtp_password.expose_secret().is_empty() {
        problems.add("mail.smtp_password", "is missing beside mail.smtp_user");
    }
}

/// What Apple's service needs beside the key.
fn apns(config: &Config, problems: &mut Problems) {
    let apns = &config.apns;
    if apns.key_file.as_os_str().is_empty() {
        return;
    }
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    };
    let settings = [
        ("apns.key_id", &apns.key_id, "must name the key, such as ABC123DEFG"),
        ("apns.team_id", &apns.team_id, "must name the team at Apple, such as DEF123GHIJ"),
        ("apns.bundle_id", &apns.bundle_id, "must name the app, such as org.example.afterglow"),
    ];
    for (setting, text, advice) in settings {
        if !plain(text) {
            problems.add(setting, advice);
        }
    }
}

fn is_contact(text: &str) -> bool {
    match text.strip_prefix("mailto:") {
        Some(address) => {
            address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && is_host(host))
        }
        None => web_address(text).is_some_and(|url| url.scheme() == "https"),
    }
}

fn is_host(text: &str) -> bool {
    matches!(Host::parse(text), Ok(Host::Domain(host)) if !host.is_empty() && host.eq_ignore_ascii_case(text))
}

fn production(config: &Config, problems: &mut Problems) {
    if config.push.allow_loopback {
        problems.add("push.allow_loopback", "is for development; remove it in production");
    }
    if config.push.subject.is_empty() {
        problems.add(
            "push.subject",
            "is required in production: set mailto:someone@example.org, who answers for pushes",
        );
    }
    if config.mail.smtp_host.is_empty() {
        problems.add(
            "mail.smtp_host",
            "is required in production: without mail nobody is told of a stolen password, or gets a new one",
        );
    }
    for (setting, address) in [("app_url", &config.app_url), ("auth.issuer", &config.auth.issuer)] {
        if web_address(address).is_some_and(|url| url.scheme() != "https") {
            problems.add(setting, "must be an https address in production");
        }
    }
    if config.server.cors_origins.iter().any(|origin| origin.starts_with("http:")) {
        problems.add("server.cors_origins", "must be https origins in production");
    }
    if config.auth.argon2_memory_kib < LEAST_MEMORY_KIB {
        problems.add("auth.argon2_memory_kib", format!("must be at least {LEAST_MEMORY_KIB} in production"));
    }
    if config.auth.argon2_iterations < LEAST_ITERATIONS {
        problems.add("auth.argon2_iterations", format!("must be at least {LEAST_ITERATIONS} in production"));
    }
    within(problems, "auth.access_token_seconds", config.auth.access_token_seconds, 60..=600);
    within(problems, "auth.staff_idle_minutes", config.auth.staff_idle_minutes, 1..=30);
    if config.server.metrics_listen.is_some_and(|address| !address.ip().is_loopback()) {
        problems.add(
            "server.metrics_listen",
            "must be a loopback address such as 127.0.0.1:9464 in production; let the collector run beside it",
        );
    }
    key_files(config, problems);
}

fn key_files(config: &Config, problems: &mut Problems) {
    let keys = &config.keys;
    match (keys.kek_from_environment(), keys.kek_file.as_os_str().is_empty()) {
        (true, false) => {
            problems.add("keys.kek_file", "is set beside AFTERGLOW_KEYS__KEK; keep only one of them")
        }
        (true, true) => {}
        (false, _) => key_file("keys.kek_file", &keys.kek_file, problems),
    }
    key_file("keys.signing_key_file", &keys.signing_key_file, problems);
    key_file("keys.index_key_file", &keys.index_key_file, problems);
    key_file("keys.vapid_file", &keys.vapid_file, problems);
}

fn key_file(setting: &str, path: &Path, problems: &mut Problems) {
    if path.as_os_str().is_empty() {
        problems.add(setting, format!("is required in production: {MAKE_KEYS} and name it here"));
    } else if !path.exists() {
        problems.add(setting, format!("names a file that does not exist; {MAKE_KEYS}"));
    }
}
