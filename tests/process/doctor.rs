//! What `afterglow doctor` sees, and that it changes nothing.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::child::{Ended, Folder, Running, afterglow, run_to_its_end};

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
    assert_eq!(mark(&ended, "push contact"), "warn");
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
