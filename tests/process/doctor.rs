//! What `afterglow doctor` sees, and that it changes nothing.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    child::{Ended, Folder, Running, afterglow, run_to_its_end},
    harness::Smtp,
};

fn doctor(folder: &Folder) -> Ended {
    run_to_its_end(afterglow(folder.path(), &["doctor"]), "")
}

/// The mark of one thing.
#[track_caller]
fn mark<'a>(ended: &'a Ended, subject: &str) -> &'a str {
    let of_subject = |line: &&str| line.get(5..).is_some_and(|rest| rest.starts_with(subject));
    let line = ended.stdout.lines().find(of_subject).unwrap_or_else(|| panic!("{subject}: {ended:?}"));
    line.split_whitespace().next().unwrap()
}

async fn served() -> Folder {
    let folder = Folder::new();
    let mut server = Running::start(afterglow(folder.path(), &["serve"]));
    server.address().await;
    folder
}

#[test]
fn the_doctor_makes_nothing_where_nothing_is() {
    let folder = Folder::new();
    let ended = doctor(&folder);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(mark(&ended, "data folder"), "FAIL");
    assert!(ended.stdout.contains("afterglow serve"), "{ended:?}");
    assert!(!folder.data().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_a_fresh_house_in_order() {
    let folder = served().await;
    let ended = doctor(&folder);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for subject in ["configuration", "data folder", "keys", "database", "migrations", "clock", "reminders"] {
        assert_eq!(mark(&ended, subject), "ok", "{ended:?}");
    }
    // How old they are depends on when this is run.
    assert!(["ok", "warn"].contains(&mark(&ended, "crisis numbers")), "{ended:?}");
    assert_eq!(mark(&ended, "push contact"), "warn");
    assert_eq!(mark(&ended, "mail"), "warn");
}

/// By the settings of a mail server on loopback.
fn doctor_with_mail(folder: &Folder, port: u16) -> Ended {
    let mut command = afterglow(folder.path(), &["doctor"]);
    command.env("AFTERGLOW_MAIL__SMTP_HOST", "127.0.0.1");
    command.env("AFTERGLOW_MAIL__SMTP_PORT", port.to_string());
    command.env("AFTERGLOW_MAIL__SMTP_TLS", "none");
    run_to_its_end(command, "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_knocks_at_the_mail_server_and_sends_nothing() {
    let folder = served().await;
    let smtp = Smtp::start().await;
    let port = smtp.port;
    let ended = doctor_with_mail(&folder, port);
    assert_eq!((ended.code, mark(&ended, "mail")), (Some(0), "ok"), "{ended:?}");
    assert!(smtp.received().is_empty());
    drop(smtp);
    let ended = doctor_with_mail(&folder, port);
    assert_eq!((ended.code, mark(&ended, "mail")), (Some(1), "FAIL"), "{ended:?}");
    assert!(ended.stdout.contains("smtp_port"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_what_is_wrong() {
    let folder = served().await;
    let key = folder.data().join("keys/index.toml");
    fs::set_permissions(folder.data(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(mark(&doctor(&folder), "data folder"), "warn");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = doctor(&folder);
    assert_eq!((ended.code, mark(&ended, "keys")), (Some(1), "FAIL"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let file = folder.data().join("afterglow.db");
    fs::remove_file(&file).unwrap();
    let ended = doctor(&folder);
    assert_eq!((ended.code, mark(&ended, "database")), (Some(1), "FAIL"));
    assert!(!file.exists(), "the doctor made a database");
    let mut command = afterglow(folder.path(), &["doctor"]);
    command.env("AFTERGLOW_SCHEDULER__POLL_SECONDS", "0");
    let ended = run_to_its_end(command, "");
    assert_eq!((ended.code, mark(&ended, "configuration")), (Some(1), "FAIL"));
    assert!(ended.stdout.contains("scheduler.poll_seconds"), "{ended:?}");
}
