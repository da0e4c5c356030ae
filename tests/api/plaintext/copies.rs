//! What leaves the tables: a patient's archive before it is fetched, and a backup with its wrapped keys.

use std::{
    fs,
    io::{Cursor, Read},
    path::Path,
};

use afterglow::backup::{self, To};
use axum::http::Method;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::canaries::Canaries;
use crate::{
    attachments::wav_of,
    harness::{Person, TestApp, id_of},
};

/// Everything in a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The parts of an archive, unpacked: what is pressed together shows no canary.
fn unpacked(archive: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut bytes = Vec::new();
    for number in 0..zip.len() {
        zip.by_index(number).unwrap().read_to_end(&mut bytes).unwrap();
    }
    bytes
}

async fn write(app: &TestApp, canaries: &Canaries) -> Person {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.entry(&canaries.umlauts("entry")).await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    ana.goal(&canaries.emoji("goal")).await;
    ana.post("/v1/checkins", &json!({"mood": 5, "note": canaries.ascii("note")})).await.expect(201);
    let note = ana.impressions().await;
    ana.voice_note(&note, &wav_of(canaries.ascii("a voice note").repeat(3_000).as_bytes())).await;
    ana
}

pub async fn an_archive_is_sealed(app: TestApp) {
    let canaries = Canaries::new("archive");
    let ana = write(&app, &canaries).await;
    let asked = ana.request(Method::POST, "/v1/me/export").await.send().await.expect(202);
    while afterglow::export::run_due(&app.state).await.unwrap() > 0 {}
    let fetched = ana.get(&format!("/v1/me/exports/{}/file", id_of(&asked))).await;
    assert_eq!(canaries.found_in(&unpacked(&fetched.body)).len(), 4, "she gets all of it");
    let sql = "SELECT content_sealed FROM export_chunks ORDER BY number";
    let rows = app.query(sql, vec![]).await;
    let kept: Vec<Vec<u8>> = rows.iter().map(|row| row.try_get("", "content_sealed").unwrap()).collect();
    let kept = kept.concat();
    assert!(kept.len() >= fetched.body.len());
    assert_eq!(canaries.found_in(&kept), Vec::<String>::new());
    // The signatures of a zip's parts: without them nobody finds anything to unpack either.
    for sign in [&b"PK\x03\x04"[..], b"PK\x01\x02", b"PK\x05\x06", b"records.json"] {
        assert!(!holds(&kept, sign), "the archive is kept as {}", String::from_utf8_lossy(sign));
    }
    assert_eq!(canaries.found_in(&app.store.everything(app.conn()).await), Vec::<String>::new());
}

pub async fn a_backup_is_sealed(app: TestApp) {
    let canaries = Canaries::new("backup");
    let ana = write(&app, &canaries).await;
    let wrapped = app.query("SELECT wrapped FROM data_keys", vec![]).await;
    let wrapped: Vec<Vec<u8>> = wrapped.iter().map(|row| row.try_get("", "wrapped").unwrap()).collect();
    assert!(wrapped.len() > 2);
    let (folder, keys) = (app.store.folder().join("backup"), app.store.folder().join("backup-keys"));
    let passphrase = canaries.ascii("passphrase");
    let (to, passphrase) = ((folder.clone(), keys.clone()), passphrase.into());
    backup::create(&app.state, To { folder: to.0, keys: to.1, passphrase, programs: None }).await.unwrap();
    let (rows, keys) = (files(&folder), files(&keys));
    assert_eq!((rows.len(), keys.len()), (2, 1), "nothing in clear is left beside it");
    for (name, bytes) in rows.into_iter().chain(keys) {
        assert!(bytes.len() > 100, "{name}");
        assert_eq!(canaries.found_in(&bytes), Vec::<String>::new(), "{name}");
        for key in &wrapped {
            let text = BASE64_STANDARD.encode(key);
            assert!(!holds(&bytes, key) && !holds(&bytes, text.as_bytes()), "{name} holds a wrapped key");
        }
        // What the tables keep readable is sealed here as well, however it is packed.
        let id = ana.id.to_string();
        for sign in [&b"SQLite format 3"[..], b"PGDMP", b"accounts", ana.id.as_bytes(), id.as_bytes()] {
            assert!(!holds(&bytes, sign), "{name} holds {}", String::from_utf8_lossy(sign));
        }
    }
}
