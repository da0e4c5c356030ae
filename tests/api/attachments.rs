//! Voice notes and drawings: uploaded in parts, checked, stripped, shared, frozen, deleted.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::Method;
use chrono::Duration;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Person, Reply, TestApp, both_engines, id_of};

both_engines![
    a_voice_note_comes_back_as_it_was_sent_and_is_in_its_entry,
    an_interrupted_upload_goes_on_where_it_stopped,
    damaged_and_mistyped_uploads_are_refused_and_not_kept,
    what_is_wrong_with_an_announcement_is_named,
    where_a_picture_was_taken_is_not_kept,
    completing_twice_at_once_keeps_the_file,
    a_therapist_gets_what_the_shared_revision_shows,
    a_field_takes_only_complete_attachments_of_its_entry,
    deleting_an_attachment_or_its_entry_leaves_nothing,
    an_abandoned_upload_goes_after_a_day,
    moved_swapped_and_missing_chunks_do_not_open,
    limits_hold_for_an_entry_and_for_a_patient,
];

const PART: usize = 256 * 1024;

/// Sound of this length; every byte differs from its neighbours.
pub fn wav(length: usize) -> Vec<u8> {
    let sound: Vec<u8> = (0..length).map(|n| (n * 7 % 251) as u8).collect();
    wav_of(&sound)
}

/// A file with this for sound.
pub fn wav_of(sound: &[u8]) -> Vec<u8> {
    riff_wave(&[(b"fmt ", &[1; 16]), (b"data", sound)])
}

fn riff_wave(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    for (name, content) in chunks {
        body.extend_from_slice(*name);
        body.extend_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
        body.extend_from_slice(content);
        body.resize(body.len() + content.len() % 2, 0);
    }
    [b"RIFF".as_slice(), &u32::try_from(body.len()).unwrap().to_le_bytes(), &body].concat()
}

fn jpeg(words: &[u8]) -> Vec<u8> {
    let segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], length.as_slice(), content].concat()
    };
    [
        b"\xff\xd8".as_slice(),
        &segment(0xe1, &[b"Exif\0\0", words].concat()),
        &segment(0xc0, &[8, 0, 9, 0, 9, 1, 1, 0x11, 0]),
        &segment(0xda, &[1, 1, 0, 0, 63, 0]),
        b"pixels\xff\xd9",
    ]
    .concat()
}

fn of(entry: &str) -> String {
    format!("/v1/journal/entries/{entry}/attachments")
}

impl Person {
    /// An entry with fields for files.
    pub async fn impressions(&self) -> String {
        let body = json!({"template_id": "first-impressions", "fields": {"words": ["river"]}});
        id_of(&self.post("/v1/journal/entries", &body).await.expect(201))
    }

    pub async fn announce(&self, entry: &str, field: &str, media: &str, bytes: usize) -> String {
        let body = json!({"field": field, "media_type": media, "bytes": bytes});
        id_of(&self.post(&of(entry), &body).await.expect(201))
    }

    pub async fn part(&self, entry: &str, id: &str, number: usize, bytes: &[u8]) -> Reply {
        let path = format!("{}/{id}/parts/{number}", of(entry));
        let request = self.request(Method::PUT, &path).await.bytes(bytes.to_vec());
        request.header("content-type", "application/octet-stream").send().await
    }

    pub async fn complete(&self, entry: &str, id: &str) -> Reply {
        self.request(Method::POST, &format!("{}/{id}/complete", of(entry))).await.send().await
    }

    /// Announces and sends a file whole.
    pub async fn send_file(&self, entry: &str, field: &str, media: &str, file: &[u8]) -> String {
        let id = self.announce(entry, field, media, file.len()).await;
        for (number, part) in file.chunks(PART).enumerate() {
            self.part(entry, &id, number, part).await.expect(200);
        }
        id
    }

    pub async fn voice_note(&self, entry: &str, file: &[u8]) -> String {
        let id = self.send_file(entry, "voice", "audio/wav", file).await;
        self.complete(entry, &id).await.expect(200);
        id
    }

    async fn file(&self, entry: &str, id: &str) -> Reply {
        self.get(&format!("{}/{id}", of(entry))).await
    }
}

async fn a_voice_note_comes_back_as_it_was_sent_and_is_in_its_entry(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.impressions().await;
    let file = wav(2 * PART + 1_000);
    let id = ana.send_file(&entry, "voice", "audio/wav", &file).await;
    let before = ana.get(&format!("/v1/journal/entries/{entry}")).await.expect(200);
    assert!(before["fields"].get("voice").is_none(), "not before it is complete");
    ana.file(&entry, &id).await.refused(409, "upload_incomplete");
    let done = ana.complete(&entry, &id).await.expect(200);
    assert_eq!((&done["entry_version"], &done["entry_revision"]), (&json!(2), &json!(2)));
    assert_eq!(done["attachment"]["state"], "complete");
    assert_eq!(ana.complete(&entry, &id).await.expect(200), done, "once more changes nothing");
    let after = ana.get(&format!("/v1/journal/entries/{entry}")).await.expect(200);
    assert_eq!((&after["fields"]["voice"], &after["version"]), (&json!(id), &json!(2)));
    assert_eq!(after["fields"]["words"], json!(["river"]));
    let reply = ana.file(&entry, &id).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body == file, "other bytes came back");
    for (name, value) in [
        ("content-type", "audio/wav"),
        ("content-length", &file.len().to_string()),
        ("content-disposition", "attachment; filename=\"audio.wav\""),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(reply.headers[name], value, "{name}");
    }
    assert_eq!(ana.get(&of(&entry)).await.expect(200)["items"], json!([done["attachment"]]));
}

async fn an_interrupted_upload_goes_on_where_it_stopped(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.impressions().await;
    let file = wav(3 * PART);
    let parts: Vec<&[u8]> = file.chunks(PART).collect();
    let id = ana.announce(&entry, "voice", "audio/wav", file.len()).await;
    let sent = ana.part(&entry, &id, 0, parts[0]).await.expect(200);
    assert_eq!(
        (&sent["received"], &sent["next_part"], &sent["part_bytes"]),
        (&json!(PART), &json!(1), &json!(PART))
    );
    let problem = ana.part(&entry, &id, 2, parts[2]).await.refused(409, "wrong_part");
    assert_eq!(problem["errors"][0]["detail"], "continue with part 1");
    ana.part(&entry, &id, 9, parts[2]).await.refused(409, "wrong_part");
    assert_eq!(ana.part(&entry, &id, 0, parts[0]).await.expect(200), sent, "the same once more");
    ana.part(&entry, &id, 0, parts[1]).await.refused(409, "part_differs");
    ana.complete(&entry, &id).await.refused(409, "upload_incomplete");
    ana.part(&entry, &id, 1, &parts[1][1..]).await.invalid("header/Content-Length");
    ana.part(&entry, &id, 1, &file[..PART + 1]).await.refused(413, "body_too_large");
    let text = ana.request(Method::PUT, &format!("{}/{id}/parts/1", of(&entry))).await.text("{}");
    text.send().await.refused(415, "unsupported_media_type");
    let number = ana.request(Method::PUT, &format!("{}/{id}/parts/one", of(&entry))).await;
    number.header("content-type", "application/octet-stream").send().await.invalid("path/number");
    let listed = ana.get(&of(&entry)).await.expect(200);
    assert_eq!(listed["items"][0], sent);
    for (number, part) in parts.iter().enumerate().skip(1) {
        ana.part(&entry, &id, number, part).await.expect(200);
    }
    ana.complete(&entry, &id).await.expect(200);
    assert!(ana.file(&entry, &id).await.body == file);
    ana.part(&entry, &id, 0, parts[0]).await.refused(409, "already_complete");
}

async fn damaged_and_mistyped_uploads_are_refused_and_not_kept(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.impressions().await;
    let body = json!({"field": "voice", "media_type": "audio/wav", "bytes": 44, "sha256": "0".repeat(64)});
    let id = id_of(&ana.post(&of(&entry), &body).await.expect(201));
    ana.part(&entry, &id, 0, &wav(0)).await.expect(200);
    ana.complete(&entry, &id).await.invalid("/sha256");
    for (field, media, content) in [
        ("voice", "audio/mpeg", wav(1_000)),
        ("voice", "audio/wav", b"<html><script>alert(1)</script>".to_vec()),
        ("voice", "audio/webm", wav(1_000)),
        ("drawing", "image/png", jpeg(b"x")),
        ("drawing", "image/jpeg", b"\xff\xd8\xff\xe1\x00".to_vec()),
    ] {
        let id = ana.send_file(&entry, field, media, &content).await;
        ana.complete(&entry, &id).await.refused(415, "unsupported_media");
        ana.complete(&entry, &id).await.refused(404, "not_found");
    }
    assert_eq!((app.count("attachments").await, app.count("attachment_chunks").await), (0, 0));
    assert_eq!(ana.get(&format!("/v1/journal/entries/{entry}")).await.expect(200)["version"], 1);
}

async fn what_is_wrong_with_an_announcement_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    let (entry, note) = (ana.impressions().await, ana.entry("words").await);
    let good = json!({"field": "voice", "media_type": "audio/webm; codecs=opus", "bytes": 10});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (body, pointer) in [
        (with("field", json!("words")), "/field"),
        (with("field", json!("nothing")), "/field"),
        (with("field", json!("drawing")), "/media_type"),
        (with("media_type", json!("image/png")), "/media_type"),
        (with("bytes", json!(0)), "/bytes"),
        (with("bytes", json!(-1)), "/bytes"),
        (with("sha256", json!("z".repeat(64))), "/sha256"),
        (with("colour", json!("red")), "/colour"),
    ] {
        ana.post(&of(&entry), &body).await.invalid(pointer);
    }
    ana.post(&of(&note), &good).await.invalid("/field");
    ana.post(&of(&entry), &with("media_type", json!("image/svg+xml")))
        .await
        .refused(415, "unsupported_media");
    for bytes in [20 * 1024 * 1024 + 1, i64::MAX] {
        ana.post(&of(&entry), &with("bytes", json!(bytes))).await.refused(413, "attachment_too_large");
    }
    let made = ana.post(&of(&entry), &with("bytes", json!(20 * 1024 * 1024))).await.expect(201);
    assert_eq!((&made["media_type"], &made["received"]), (&json!("audio/webm"), &json!(0)));
}

async fn where_a_picture_was_taken_is_not_kept(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.impressions().await;
    let id = ana.send_file(&entry, "drawing", "image/jpeg", &jpeg(b"52.5200 N 13.4050 E")).await;
    ana.complete(&entry, &id).await.expect(200);
    let body = ana.file(&entry, &id).await.body;
    let holds = |words: &[u8]| body.windows(words.len()).any(|window| window == words);
    assert!(holds(b"pixels") && !holds(b"52.5200") && !holds(b"Exif"));
}

/// The network is slow, and the app asks again while the first answer is under way.
async fn completing_twice_at_once_keeps_the_file(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.impressions().await;
    let file = jpeg(b"x");
    let hash: String = digest(&SHA256, &file).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    for _ in 0..4 {
        let body =
            json!({"field": "drawing", "media_type": "image/jpeg", "bytes": file.len(), "sha256": hash});
        let id = id_of(&ana.post(&of(&entry), &body).await.expect(201));
        ana.part(&entry, &id, 0, &file).await.expect(200);
        for reply in join_all((0..12).map(|_| ana.complete(&entry, &id))).await {
            assert_eq!(reply.expect(200)["attachment"]["state"], "complete");
        }
        assert_eq!(ana.file(&entry, &id).await.status, 200);
    }
}

async fn a_therapist_gets_what_the_shared_revision_shows(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.impressions().await;
    let seen = |id: &str| format!("/v1/patients/{}/journal/entries/{entry}/attachments/{id}", ana.id);
    ana.share(&entry, &bo, &json!({"frozen": true})).await.expect(200);
    let first = ana.voice_note(&entry, &wav(100)).await;
    bo.get(&seen(&first)).await.refused(404, "not_found");
    ana.share(&entry, &bo, &json!({"frozen": true})).await.expect(200);
    let second = ana.voice_note(&entry, &wav(200)).await;
    assert!(bo.get(&seen(&first)).await.body == wav(100));
    bo.get(&seen(&second)).await.refused(404, "not_found");
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    assert!(bo.get(&seen(&second)).await.body == wav(200));
    bo.get(&seen(&first)).await.refused(404, "not_found");
    let unfinished = ana.announce(&entry, "voice", "audio/wav", 10).await;
    bo.get(&seen(&unfinished)).await.refused(404, "not_found");
    ana.unshare(&entry, &bo).await.expect(204);
    bo.get(&seen(&second)).await.refused(404, "not_found");
    let sql = "SELECT COUNT(*) AS n FROM audit_events WHERE action = 'journal.read_shared_attachment'";
    let recorded: i64 = app.query(sql, vec![]).await[0].try_get("", "n").unwrap();
    assert_eq!(recorded, 2);
    let sql = "SELECT COUNT(*) AS n FROM audit_events WHERE action = 'care.refused'";
    let refused: i64 = app.query(sql, vec![]).await[0].try_get("", "n").unwrap();
    assert_eq!(refused, 5, "each attempt is recorded");
}

async fn a_field_takes_only_complete_attachments_of_its_entry(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let (entry, other) = (ana.impressions().await, ana.impressions().await);
    let voice = ana.voice_note(&entry, &wav(100)).await;
    let drawing = ana.send_file(&entry, "drawing", "image/jpeg", &jpeg(b"x")).await;
    let elsewhere = ana.voice_note(&other, &wav(100)).await;
    let bens = ben.impressions().await;
    let bens = ben.voice_note(&bens, &wav(100)).await;
    let path = format!("/v1/journal/entries/{entry}");
    let words = json!(["river"]);
    for (field, id) in [("drawing", &drawing), ("drawing", &voice), ("voice", &elsewhere), ("voice", &bens)] {
        let body = json!({"fields": {"words": words, field: id}});
        ana.patch(&path, 2, &body).await.invalid(&format!("/fields/{field}"));
    }
    ana.complete(&entry, &drawing).await.expect(200);
    let cleared = ana.patch(&path, 3, &json!({"fields": {"words": words}})).await.expect(200);
    assert!(cleared["fields"].get("voice").is_none());
    let body = json!({"fields": {"words": words, "voice": voice, "drawing": drawing}});
    assert_eq!(ana.patch(&path, 4, &body).await.expect(200)["fields"]["voice"], json!(voice));
}

async fn deleting_an_attachment_or_its_entry_leaves_nothing(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let entry = ana.impressions().await;
    let id = ana.voice_note(&entry, &wav(2 * PART)).await;
    ana.share(&entry, &bo, &json!({"frozen": true})).await.expect(200);
    ana.delete(&format!("{}/{id}", of(&entry))).await.expect(204);
    assert_eq!(app.count("attachment_chunks").await, 0);
    ana.file(&entry, &id).await.refused(404, "not_found");
    let seen = format!("/v1/patients/{}/journal/entries/{entry}/attachments/{id}", ana.id);
    bo.get(&seen).await.refused(404, "not_found");
    let after = ana.get(&format!("/v1/journal/entries/{entry}")).await.expect(200);
    assert!(after["fields"].get("voice").is_none());
    ana.voice_note(&entry, &wav(2 * PART)).await;
    let half = ana.announce(&entry, "voice", "audio/wav", 2 * PART).await;
    ana.part(&entry, &half, 0, &wav(2 * PART)[..PART]).await.expect(200);
    ana.delete_at(&format!("/v1/journal/entries/{entry}"), 4).await.expect(204);
    assert_eq!((app.count("attachments").await, app.count("attachment_chunks").await), (0, 0));
}

async fn an_abandoned_upload_goes_after_a_day(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.impressions().await;
    let kept = ana.voice_note(&entry, &wav(100)).await;
    let id = ana.announce(&entry, "voice", "audio/wav", 2 * PART).await;
    ana.part(&entry, &id, 0, &wav(2 * PART)[..PART]).await.expect(200);
    app.advance(Duration::hours(23));
    assert_eq!(afterglow::attachments::sweep(&app.state).await.unwrap(), 0);
    app.advance(Duration::hours(1));
    assert_eq!(afterglow::attachments::sweep(&app.state).await.unwrap(), 1);
    assert_eq!((app.count("attachments").await, app.count("attachment_chunks").await), (1, 1));
    ana.part(&entry, &id, 1, &wav(PART)[..PART]).await.refused(404, "not_found");
    assert!(ana.file(&entry, &kept).await.body == wav(100));
}

async fn moved_swapped_and_missing_chunks_do_not_open(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.impressions().await;
    let file = wav(3 * PART);
    let id = ana.voice_note(&entry, &file).await;
    let broken = |reply: Reply| reply.status != 200 || reply.body != file;
    let swap =
        "UPDATE attachment_chunks SET number = CASE number WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE number END + 100";
    app.execute(swap, vec![]).await;
    app.execute("UPDATE attachment_chunks SET number = number - 100", vec![]).await;
    assert!(broken(ana.file(&entry, &id).await), "swapped");
    app.execute(swap, vec![]).await;
    app.execute("UPDATE attachment_chunks SET number = number - 100", vec![]).await;
    assert!(!broken(ana.file(&entry, &id).await));
    // A row that claims to be shorter, so that its last chunk is not missed.
    app.execute("UPDATE attachments SET bytes = $1", vec![(3 * PART as i32).into()]).await;
    ana.file(&entry, &id).await.refused(500, "internal");
}

async fn limits_hold_for_an_entry_and_for_a_patient(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.impressions().await;
    let body = json!({"field": "voice", "media_type": "audio/wav", "bytes": 20 * 1024 * 1024});
    for _ in 0..10 {
        ana.post(&of(&entry), &body).await.expect(201);
    }
    ana.post(&of(&entry), &body).await.refused(409, "too_many_attachments");
    // 1024 MiB hold 51 of them.
    let mut entries = vec![];
    for _ in 0..5 {
        entries.push(ana.impressions().await);
    }
    let mut taken = 10;
    for number in 0..42 {
        let reply = ana.post(&of(&entries[number / 10]), &body).await;
        if reply.status != 201 {
            reply.refused(409, "no_space_left");
            break;
        }
        taken += 1;
    }
    assert_eq!(taken, 51);
}
