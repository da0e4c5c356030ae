use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    sync::Barrier,
    thread,
};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::*;
use crate::config::Config;

/// A folder of its own, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = u64::from_be_bytes(random_secret().unwrap()[..8].try_into().unwrap());
        Self(std::env::temp_dir().join(format!("afterglow-keys-{name:x}")))
    }

    fn config(&self) -> KeysConfig {
        Config::development(&self.0).keys
    }

    fn with_keys(made_for: Environment) -> Self {
        let folder = Self::new();
        generate_missing(&folder.0.join("keys"), made_for).unwrap();
        folder
    }

    /// Replaces the text of one key file, keeping its mode.
    fn edit(&self, name: &str, change: impl FnOnce(String) -> String) {
        let path = self.0.join("keys").join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, change(text)).unwrap();
    }

    fn refusal(&self) -> String {
        load(&self.config(), Environment::Development)
            .err()
            .expect("these keys should be refused")
            .to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn kek_file(entries: &[(&str, &[u8])]) -> String {
    let mut text = "version = 1\nmade_for = \"development\"\n".to_owned();
    for (kid, secret) in entries {
        text.push_str(&format::entry("kek", kid, "secret", secret));
    }
    text
}

#[test]
fn generated_keys_load_and_stay() {
    let folder = Folder::with_keys(Environment::Development);
    let first = load(&folder.config(), Environment::Development).unwrap();
    assert_eq!(
        generate_missing(&folder.0.join("keys"), Environment::Development).unwrap(),
        Vec::<PathBuf>::new()
    );
    let second = load(&folder.config(), Environment::Development).unwrap();
    assert_eq!(first.keks[0].kid, second.keks[0].kid);
    assert_eq!(first.keks[0].secret, second.keks[0].secret);
    assert_eq!(first.active_index_key().kid, second.active_index_key().kid);
}

#[test]
fn only_a_missing_file_is_made_again() {
    let folder = Folder::with_keys(Environment::Development);
    let before = load(&folder.config(), Environment::Development).unwrap();
    let lost = folder.0.join("keys/vapid.toml");
    fs::remove_file(&lost).unwrap();
    assert_eq!(generate_missing(&folder.0.join("keys"), Environment::Development).unwrap(), [lost]);
    let after = load(&folder.config(), Environment::Development).unwrap();
    assert_eq!(before.keks[0].secret, after.keks[0].secret);
    assert_ne!(before.vapid[0].pkcs8, after.vapid[0].pkcs8);
}

#[test]
fn files_and_folder_belong_to_the_owner_alone() {
    let folder = Folder::with_keys(Environment::Development);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0.join("keys")), 0o700);
    for entry in fs::read_dir(folder.0.join("keys")).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn parallel_starts_agree_on_the_keys() {
    let folder = Folder::new();
    let barrier = Barrier::new(8);
    let kids: Vec<_> = thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    generate_missing(&folder.0.join("keys"), Environment::Development).unwrap();
                    let keys = load(&folder.config(), Environment::Development).unwrap();
                    (keys.keks[0].kid.clone(), keys.signing[0].kid.clone(), keys.token_key)
                })
            })
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(kids.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_draft_left_by_a_crash_is_no_obstacle() {
    let folder = Folder::new();
    disk::private_folder(&folder.0.join("keys")).unwrap();
    fs::write(folder.0.join("keys/.kek.toml.new"), "half").unwrap();
    generate_missing(&folder.0.join("keys"), Environment::Development).unwrap();
    load(&folder.config(), Environment::Development).unwrap();
}

#[test]
fn files_open_to_others_are_refused() {
    for mode in [0o640, 0o604, 0o620, 0o610] {
        let folder = Folder::with_keys(Environment::Development);
        fs::set_permissions(folder.0.join("keys/index.toml"), Permissions::from_mode(mode)).unwrap();
        let refusal = folder.refusal();
        assert!(refusal.contains("keys.index_key_file") && refusal.contains("chmod 600"), "{refusal}");
    }
}

#[test]
fn missing_files_are_named_with_the_command_that_makes_them() {
    let refusal = Folder::new().refusal();
    assert!(
        refusal.starts_with("keys.kek_file: ") && refusal.contains("afterglow keys generate"),
        "{refusal}"
    );
}

#[test]
fn development_keys_are_refused_in_production_only() {
    let development = Folder::with_keys(Environment::Development);
    let error = load(&development.config(), Environment::Production).err().unwrap();
    assert!(matches!(error, KeyError::Development { setting: "keys.kek_file" }));
    let production = Folder::with_keys(Environment::Production);
    load(&production.config(), Environment::Production).unwrap();
    load(&production.config(), Environment::Development).unwrap();
}

#[test]
fn weak_secrets_are_refused() {
    let counting: Vec<u8> = (0..32).collect();
    let cases: [(&[u8], &str); 6] = [
        (&[0; 32], "placeholder"),
        (&[0xff; 32], "placeholder"),
        (&counting, "example"),
        (b"correct horse battery staple 123", "text"),
        (&[7; 31], "32 bytes"),
        (b"", "32 bytes"),
    ];
    for (secret, reason) in cases {
        let folder = Folder::with_keys(Environment::Development);
        folder.edit("kek.toml", |_| kek_file(&[("a", secret)]));
        let refusal = folder.refusal();
        assert!(refusal.contains("keys.kek_file: key `a`") && refusal.contains(reason), "{refusal}");
    }
}

#[test]
fn repeated_names_and_secrets_are_refused() {
    let folder = Folder::with_keys(Environment::Development);
    let (one, two) = (random_secret().unwrap(), random_secret().unwrap());
    folder.edit("kek.toml", |_| kek_file(&[("a", &one[..]), ("a", &two[..])]));
    assert!(folder.refusal().contains("repeats the name"));
    folder.edit("kek.toml", |_| kek_file(&[("a", &one[..]), ("b", &one[..])]));
    assert!(folder.refusal().contains("repeats the secret"));
    let shared =
        load(&Folder::with_keys(Environment::Development).config(), Environment::Development).unwrap();
    folder.edit("kek.toml", |_| kek_file(&[("a", &shared.token_key[..])]));
    let line = format::token_key_line(&shared.token_key);
    folder.edit("index.toml", |text| {
        text.lines()
            .map(|old| if old.starts_with("token_key") { line.trim_end() } else { old })
            .fold(String::new(), |whole, line| whole + line + "\n")
    });
    assert!(folder.refusal().contains("keys.index_key_file: key `token_key` repeats the secret"));
}

#[test]
fn unreadable_content_is_refused_without_being_quoted() {
    type Edit = fn(String) -> String;
    let edits: [(&str, Edit); 6] = [
        ("kek.toml", |_| "version = 1\nmade_for = \"development\"\nkek = \"hunter2\"".to_owned()),
        ("kek.toml", |_| "hunter2".to_owned()),
        ("kek.toml", |text| text.replace("version = 1", "version = 2")),
        ("index.toml", |text| text.replace("token_key", "hunter2")),
        ("signing.toml", |_| "version = 1\nmade_for = \"development\"\n".to_owned()),
        ("vapid.toml", |text| text.replace("kid = \"", "kid = \"hunter 2 ")),
    ];
    for (name, edit) in edits {
        let folder = Folder::with_keys(Environment::Development);
        folder.edit(name, edit);
        let refusal = folder.refusal();
        assert!(refusal.starts_with("keys."), "{refusal}");
        assert!(!refusal.contains("hunter"), "{refusal}");
    }
}

#[test]
fn private_keys_of_another_kind_are_refused() {
    let folder = Folder::with_keys(Environment::Development);
    let keys = load(&folder.config(), Environment::Development).unwrap();
    let head = format::head(Environment::Development, "swapped");
    folder.edit("signing.toml", |_| {
        format!("{}{}", *head, *format::entry("signing", "s", "pkcs8", &keys.vapid[0].pkcs8))
    });
    assert!(folder.refusal().contains("keys.signing_key_file: key `s` is not an Ed25519 key"));
}

#[test]
fn a_signing_key_is_version_1_whichever_version_was_stored() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let version_2 = pair.to_pkcs8().unwrap();
    assert_ne!(version_2.as_ref().len(), 48);
    let folder = Folder::with_keys(Environment::Development);
    let head = format::head(Environment::Development, "version 2");
    folder.edit("signing.toml", |_| {
        format!("{}{}", *head, *format::entry("signing", "s", "pkcs8", version_2.as_ref()))
    });
    for folder in [folder, Folder::with_keys(Environment::Development)] {
        let keys = load(&folder.config(), Environment::Development).unwrap();
        let encoding = jsonwebtoken::EncodingKey::from_ed_der(&keys.signing[0].pkcs8);
        jsonwebtoken::jwk::Jwk::from_encoding_key(&encoding, jsonwebtoken::Algorithm::EdDSA).unwrap();
        let encoding = jsonwebtoken::EncodingKey::from_ec_der(&keys.vapid[0].pkcs8);
        jsonwebtoken::jwk::Jwk::from_encoding_key(&encoding, jsonwebtoken::Algorithm::ES256).unwrap();
    }
}

#[test]
fn an_added_kek_comes_last_and_keeps_the_others() {
    let folder = Folder::with_keys(Environment::Production);
    let path = folder.0.join("keys/kek.toml");
    let before = load(&folder.config(), Environment::Production).unwrap();
    let kid = append_kek(&path).unwrap();
    let after = load(&folder.config(), Environment::Production).unwrap();
    assert_eq!(after.keks.len(), 2);
    assert_eq!(after.keks[0].secret, before.keks[0].secret);
    assert_eq!(after.keks[1].kid, kid);
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_signing_key_is_published_before_it_signs_and_two_stay() {
    let folder = Folder::with_keys(Environment::Production);
    let path = folder.0.join("keys/signing.toml");
    let signing = || load_signing(&folder.config(), Environment::Production).unwrap();
    let first = signing().remove(0);
    let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
    let (second, from) = rotate_signing(&path, now).unwrap();
    assert_eq!(from, now + chrono::Duration::minutes(10));
    let kids = |keys: &[SigningKey]| keys.iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
    assert_eq!(kids(&signing()), [first.kid.clone(), second.clone()]);
    assert_eq!((&signing()[0].pkcs8, signing()[1].signs_from), (&first.pkcs8, Some(from)));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // Tokens of the first may be about for an hour after the second began.
    let soon = rotate_signing(&path, from + chrono::Duration::minutes(59)).unwrap_err();
    assert!(matches!(soon, KeyError::TooSoon { .. }), "{soon}");
    let (third, _) = rotate_signing(&path, from + chrono::Duration::minutes(60)).unwrap();
    assert_eq!(kids(&signing()), [second, third]);
    load(&folder.config(), Environment::Production).unwrap();
}

#[test]
fn keks_can_come_from_a_variable() {
    let folder = Folder::with_keys(Environment::Production);
    let (one, two) = (random_secret().unwrap(), random_secret().unwrap());
    let (one, two) = (BASE64_STANDARD.encode(&one[..]), BASE64_STANDARD.encode(&two[..]));
    let with = |value: String| {
        let config = KeysConfig { kek: value.into(), kek_file: "nowhere".into(), ..folder.config() };
        load(&config, Environment::Production)
    };
    let keys = with(format!("old:{one}, new:{two}")).unwrap();
    assert_eq!(keys.keks.iter().map(|kek| kek.kid.as_str()).collect::<Vec<_>>(), ["old", "new"]);
    for value in [one.clone(), format!("old:{one},old:{two}"), "a:hunter2".to_owned(), ",".to_owned()] {
        let refusal = with(value).err().unwrap().to_string();
        assert!(refusal.starts_with("AFTERGLOW_KEYS__KEK: "), "{refusal}");
        assert!(!refusal.contains("hunter2") && !refusal.contains(&one), "{refusal}");
    }
}

#[test]
fn keys_in_memory_are_whole() {
    let keys = KeySet::generate().unwrap();
    assert_eq!((keys.keks.len(), keys.signing.len(), keys.vapid.len()), (1, 1, 1));
}

#[test]
fn a_second_index_key_is_refused_because_nothing_would_be_found_with_it() {
    let folder = Folder::with_keys(Environment::Production);
    let other = format::entry("index", "index-2", "secret", &random_secret().unwrap()[..]);
    folder.edit("index.toml", |text| text + &other);
    let refusal = folder.refusal();
    assert!(refusal.starts_with("keys.index_key_file: holds more than one [[index]]"), "{refusal}");
    assert!(refusal.contains("Leave the one that was in use"), "{refusal}");
}

#[test]
fn rotated_vapid_keys_stay_while_they_are_needed() {
    let folder = Folder::with_keys(Environment::Production);
    let file = folder.0.join("keys/vapid.toml");
    let kids = || -> Vec<String> {
        let read = load(&folder.config(), Environment::Production).unwrap();
        read.vapid.into_iter().map(|key| key.kid).collect()
    };
    let first = kids();
    let second = rotate_vapid(&file, &first).unwrap();
    assert_eq!((kids(), second.removed), (vec![first[0].clone(), second.added.clone()], vec![]));
    // Nobody uses the first one any more; a running server may still offer the second.
    let third = rotate_vapid(&file, &["vapid-elsewhere".to_owned()]).unwrap();
    assert_eq!((kids(), third.removed), (vec![second.added, third.added], first));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // A file that cannot be read stays as it is.
    folder.edit("vapid.toml", |text| text.replace("version = 1", "version = 9"));
    let before = fs::read_to_string(&file).unwrap();
    assert!(rotate_vapid(&file, &[]).is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}
