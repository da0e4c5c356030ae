//! What an operator meets: the first start, a start that cannot be, and a stop that lets everybody finish.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};

use afterglow::db::Engine;
use serde_json::json;

use crate::{
    child::{Ended, Folder, PATIENCE, Running, afterglow, eventually, run_to_its_end},
    harness::Store,
};

const PASSWORD: &str = "lantern orchard granite sparrow";

/// The command must end with 1 and advice, not with a panic; returns the advice.
fn refusal(ended: Ended) -> String {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    assert!(ended.stderr.starts_with("afterglow: "), "{ended:?}");
    ended.stderr
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_makes_a_private_folder_and_private_keys() {
    let folder = Folder::new();
    let mut server = Running::start(afterglow(folder.path(), &["serve"]));
    server.address().await;
    assert_eq!(mode(&folder.data()), 0o700);
    assert_eq!(mode(&folder.data().join("keys")), 0o700);
    for name in ["kek", "index", "signing", "vapid"] {
        assert_eq!(mode(&folder.data().join(format!("keys/{name}.toml"))), 0o600, "{name}");
    }
    assert!(folder.data().join("afterglow.db").is_file());
    assert!(server.said().contains("afterglow admin create"), "it does not say what to do next");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_vapid_key_is_offered_after_a_restart() {
    let folder = Folder::new();
    let offered = async || {
        let mut server = Running::start(afterglow(folder.path(), &["serve"]));
        let url = format!("http://{}/v1/push/key", server.address().await);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(url).send().await.unwrap().text().await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        (answer["kid"].as_str().unwrap().to_owned(), server)
    };
    let (before, server) = offered().await;
    // Beside the running server, which it does not disturb.
    let rotated = run_to_its_end(afterglow(folder.path(), &["keys", "vapid", "rotate"]), "");
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    drop(server);
    let (after, _server) = offered().await;
    assert_ne!(before, after);
    assert!(rotated.stdout.contains(&format!("added {after}\n")), "{rotated:?}");
    let file = fs::read_to_string(folder.data().join("keys/vapid.toml")).unwrap();
    assert!(file.contains(&before) && file.contains(&after));
    assert_eq!(mode(&folder.data().join("keys/vapid.toml")), 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_sqlite_folder_is_refused_with_advice() {
    let folder = Folder::new();
    let mut server = Running::start(afterglow(folder.path(), &["serve"]));
    server.address().await;
    for command in ["serve", "worker"] {
        let advice = refusal(run_to_its_end(afterglow(folder.path(), &[command]), ""));
        assert!(advice.contains("data_dir: another process"), "{advice}");
        assert!(advice.contains("database.url"), "{advice}");
    }
    // When the first is gone, however it went, there is room again.
    server.kill();
    Running::start(afterglow(folder.path(), &["serve"])).address().await;
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    fs::write(folder.path().join("file"), "not a folder").unwrap();
    let data = folder.path().join("file/data");
    let mut command = afterglow(folder.path(), &["serve"]);
    command.env("AFTERGLOW_DATA_DIR", &data);
    let advice = refusal(run_to_its_end(command, ""));
    assert!(advice.contains("data_dir") && advice.contains(data.to_str().unwrap()), "{advice}");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    fs::create_dir(folder.data()).unwrap();
    fs::set_permissions(folder.data(), fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(folder.data().join("probe"), "").is_ok() {
        println!("skipped: this user may write everywhere");
        return;
    }
    let advice = refusal(run_to_its_end(afterglow(folder.path(), &["serve"]), ""));
    assert!(advice.contains(folder.data().to_str().unwrap()), "{advice}");
}

#[test]
fn production_with_nothing_configured_names_every_setting_and_the_command_that_makes_keys() {
    let folder = Folder::new();
    let secret = "c2VjcmV0LXRoYXQtbXVzdC1ub3QtYmUtcHJpbnRlZCE";
    let mut command = afterglow(folder.path(), &["serve"]);
    command
        .env("AFTERGLOW_ENVIRONMENT", "production")
        .env("AFTERGLOW_DATABASE__URL", format!("mysql://afterglow:{secret}@localhost/afterglow"));
    let advice = refusal(run_to_its_end(command, ""));
    for setting in [
        "app_url:",
        "auth.issuer:",
        "push.subject:",
        "mail.smtp_host:",
        "push.allow_loopback:",
        "database.url:",
        "keys.kek_file:",
        "keys.signing_key_file:",
        "keys.index_key_file:",
        "keys.vapid_file:",
    ] {
        assert!(advice.contains(setting), "no {setting} in {advice}");
    }
    assert!(advice.contains("afterglow keys generate --out"), "{advice}");
    assert!(!advice.contains(secret), "it prints a password");
    assert!(!folder.data().exists(), "production makes nothing by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_a_slow_request_finish_and_exits_0() {
    let folder = Folder::new();
    let mut server = Running::start(afterglow(folder.path(), &["serve"]));
    let address = server.address().await;
    let clinic = ["admin", "create", "--clinic", "Praxis", "--country", "DE", "--zone", "Europe/Berlin"];
    let admin = ["--email", "ada@example.org", "--password-stdin"];
    let made = run_to_its_end(afterglow(folder.path(), &[&clinic[..], &admin[..]].concat()), PASSWORD);
    assert_eq!(made.code, Some(0), "{made:?}");
    let body = json!({"email": "ada@example.org", "password": PASSWORD}).to_string();
    let mut slow = TcpStream::connect(address).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /v1/auth/login HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    // The server has the request in its hands when it asks for the rest.
    let mut asked = [0; 25];
    slow.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.signal("TERM");
    eventually("nobody new is let in", || async move { TcpStream::connect(address).err() }).await;
    slow.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("access_token"), "{answer}");
    assert_eq!(server.ends_within(Duration::from_secs(20)).await, Some(0), "{}", server.said());
}

#[test]
fn an_admin_is_made_with_what_was_asked_for_or_not_at_all() {
    let folder = Folder::new();
    let clinic = ["admin", "create", "--clinic", "Praxis", "--country", "DE", "--zone", "Europe/Berlin"];
    let admin = |also: &str| {
        let more = ["--email", "ada@example.org", "--password-stdin", "--also", also];
        run_to_its_end(afterglow(folder.path(), &[&clinic[..], &more[..]].concat()), PASSWORD)
    };
    let misspelt = admin("therapist,medicla");
    assert_eq!(misspelt.code, Some(2), "{misspelt:?}");
    assert!(misspelt.stderr.contains("medicla") && misspelt.stderr.contains("medical"), "{misspelt:?}");
    assert_eq!(admin("therapist,medical").code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_in_another_place_is_as_private() {
    for form in ["sqlite:", "sqlite://"] {
        let folder = Folder::new();
        let file = folder.path().join("elsewhere.db");
        let mut command = afterglow(folder.path(), &["serve"]);
        command.env("AFTERGLOW_DATABASE__URL", format!("{form}{}", file.display()));
        Running::start(command).address().await;
        assert_eq!(mode(&file), 0o600, "{form}");
    }
}

/// Tells the whole story and must end well, with nothing left behind.
fn demo(arguments: &[&str]) {
    let folder = Folder::new();
    let ended = run_to_its_end(afterglow(folder.path(), arguments), "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("Every step above was verified."), "{ended:?}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "the demo leaves {left:?}");
}

#[test]
fn the_demo_verifies_itself_on_sqlite() {
    demo(&["demo", "--exit"]);
}

#[test]
fn the_demo_verifies_itself_on_postgres() {
    match Store::fresh(Engine::Postgres) {
        Some(store) => demo(&["demo", "--exit", "--database-url", store.url()]),
        None => println!("skipped: no PostgreSQL"),
    }
}

#[test]
fn the_printed_contract_is_the_committed_one() {
    let folder = Folder::new();
    let printed = run_to_its_end(afterglow(folder.path(), &["openapi"]), "");
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(printed.stdout.starts_with("openapi: 3.1"), "{:.80}", printed.stdout);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.yaml");
    match fs::read_to_string(committed) {
        Ok(committed) => assert_eq!(printed.stdout, committed, "run `afterglow openapi > openapi.yaml`"),
        Err(error) => println!("skipped: no openapi.yaml ({error})"),
    }
}
