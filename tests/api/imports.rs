//! A patient who changes clinics takes their records along: out of one installation, into another, and out again.

use std::{
    fs::File,
    io::{Cursor, Read, Write},
    path::PathBuf,
};

use afterglow::{
    export::run_due,
    import::{Archive, ImportError, Imported, import},
};
use chrono::Duration;
use serde_json::{Value, json};
use uuid::Uuid;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::{
    attachments::wav_of,
    erasure::live,
    exports::{ask, file, part},
    harness::{PASSWORD, Person, TestApp, both_engines, email, id_of},
};

both_engines![
    nothing_is_lost_on_the_way_to_another_installation,
    what_is_no_archive_is_refused_and_leaves_nothing,
];

/// Tables that do not come along.
const LEFT: [&str; 16] = [
    "accounts",
    "audit_events",
    "care_relations",
    "consents",
    "deliveries",
    "erasures",
    "goal_shares",
    "handovers",
    "journal_shares",
    "known_devices",
    "logins",
    "notifications",
    "patients",
    "push_subscriptions",
    "recovery_codes",
    "tombstones",
];

async fn archive_of(app: &TestApp, who: &Person) -> Vec<u8> {
    let asked = ask(who).await;
    while run_due(&app.state).await.unwrap() > 0 {}
    file(who, &asked).await
}

fn records(archive: &[u8]) -> Value {
    serde_json::from_slice(&part(archive, "records.json")).unwrap()
}

/// The archive where `afterglow import` finds it.
fn saved(app: &TestApp, archive: &[u8]) -> PathBuf {
    let path = app.store.folder().join("brought.zip");
    std::fs::write(&path, archive).unwrap();
    path
}

async fn read_in(app: &TestApp, archive: &[u8]) -> Result<Imported, ImportError> {
    let mut archive = Archive::open(&saved(app, archive))?;
    import(&app.state, &mut archive, &email("eve"), None).await
}

/// She asks for a new password, as anybody does who forgot theirs.
async fn comes_in(app: &TestApp, name: &str) -> Person {
    app.anon().post("/v1/auth/password-reset", &json!({ "email": email(name) })).await.expect(202);
    app.advance(Duration::minutes(5));
    let token = crate::recovery::token(app).await;
    let new = json!({"token": token, "password": PASSWORD});
    app.anon().post("/v1/auth/password-reset/confirm", &new).await.expect(204);
    app.log_in(name).await
}

async fn written(app: &TestApp, ana: &Person, bo: &Person) -> String {
    live(app, ana, bo).await;
    let entry = ana.entry("not shared with anybody").await;
    for text in ["[1,  2]", r#"{"b": 1, "a": 2}"#, "\u{1f30a} words\nof two lines"] {
        let path = format!("/v1/journal/entries/{entry}/comments");
        ana.post(&path, &json!({ "text": text })).await.expect(201);
    }
    let mut form = crate::measures::form("gad-7", "1111111");
    form["shared"] = json!(true);
    ana.post("/v1/measure-responses", &form).await.expect(201);
    let session = id_of(&bo.schedule(ana, "integration", app.now() + Duration::days(30)).await);
    let intention = json!({"text": "for Bo", "shared": true});
    ana.patch(&format!("/v1/sessions/{session}/intention"), 1, &intention).await.expect(200);
    let note = ana.impressions().await;
    ana.voice_note(&note, &wav_of(&[9; 700_000])).await
}

async fn nothing_is_lost_on_the_way_to_another_installation(app: TestApp) {
    let bo = app.therapist("bo").await;
    let ana = app.patient_of(&bo, "ana").await;
    let voice = written(&app, &ana, &bo).await;
    let before = archive_of(&app, &ana).await;

    let other = app.elsewhere().await;
    let eve = other.therapist("eve").await;
    let done = read_in(&other, &before).await.unwrap();
    assert_eq!((done.patient.0, done.email.as_str(), done.files), (ana.id, email("ana").as_str(), 2));
    let moved = comes_in(&other, "ana").await;
    assert_eq!(moved.id, ana.id);
    let after = archive_of(&other, &moved).await;
    let clinic = moved.get("/v1/clinic").await.expect(200)["id"].clone();
    same(&records(&before)["tables"], &records(&after)["tables"], &clinic);
    let sound = format!("files/{voice}.wav");
    assert_eq!(part(&before, &sound), part(&after, &sound));
    for archive in [&before, &after] {
        every_reference_resolves(&serde_json::from_slice(&part(archive, "fhir.json")).unwrap());
    }

    // A device with nothing at hand gets all of it; nobody here reads what was shared there.
    let pulled = moved.get("/v1/sync?limit=500").await.expect(200);
    assert!(pulled["journal_entries"]["upserts"].as_array().unwrap().len() >= 4);
    let shared = eve.get(&format!("/v1/patients/{}/journal/entries", ana.id)).await.expect(200);
    assert_eq!(shared["items"], json!([]));
    let forms = eve.get(&format!("/v1/patients/{}/measure-responses", ana.id)).await.expect(200);
    assert!(!forms.to_string().contains("gad-7"), "{forms}");
    let log = moved.get("/v1/me/access-log").await.expect(200);
    let acts: Vec<&Value> = log["items"].as_array().unwrap().iter().map(|act| &act["action"]).collect();
    assert!(acts.contains(&&json!("import.records")), "{acts:?}");
    let upcoming = moved.get("/v1/reminders/upcoming").await.expect(200);
    assert!(!upcoming["items"].as_array().unwrap().is_empty(), "her own reminder goes on");
    let entry = moved.get("/v1/journal/entries").await.expect(200)["items"][0].clone();
    moved.get(&format!("/v1/journal/entries/{}/comments", id_of(&entry))).await.expect(200);
    for list in ["sessions", "plans", "goals", "alerts", "sessions/requests", "measure-responses"] {
        moved.get(&format!("/v1/{}", if list == "alerts" { "me/alerts" } else { list })).await.expect(200);
    }
    eve.get("/v1/patients").await.expect(200);
    eve.get(&format!("/v1/patients/{}/digest", ana.id)).await.expect(200);

    let again = read_in(&other, &before).await.unwrap_err().to_string();
    assert!(again.contains("already"), "{again}");
}

/// Every record that comes along is there as it was, but for what could not go on.
fn same(before: &Value, after: &Value, clinic: &Value) {
    let ended = |table: &str, state: &Value| match (table, state.as_str()?) {
        ("measure_assignments", "open") | ("plans", "active") | ("sessions", "planned" | "started") => {
            Some("cancelled")
        }
        ("session_requests", "open" | "offered") => Some("withdrawn"),
        _ => None,
    };
    let mut compared = 0;
    for (table, rows) in before.as_object().unwrap() {
        if LEFT.contains(&table.as_str()) {
            continue;
        }
        let there = after[table].as_array().unwrap();
        for row in rows.as_array().unwrap() {
            let mut row = row.clone();
            if row.get("clinic_id").is_some() {
                row["clinic_id"] = clinic.clone();
            }
            // What was opened to the care team there is closed here.
            if table == "measure_responses" {
                row.as_object_mut().unwrap().remove("shared_at");
            }
            if row["intention"]["shared"] == true {
                row["intention"]["shared"] = json!(false);
            }
            let now = ended(table, &row["state"]);
            if let Some(now) = now {
                row["state"] = json!(now);
            }
            let is_it = |other: &&Value| {
                let mut other = (*other).clone();
                if now.is_some() {
                    other["updated_at"] = row["updated_at"].clone();
                }
                other == row
            };
            assert!(there.iter().any(|other| is_it(&other)), "{table}: {row} is not in {there:#?}");
            compared += 1;
        }
        assert_eq!(there.len(), rows.as_array().unwrap().len(), "{table}");
    }
    assert!(compared > 40, "{compared}");
}

/// Also those to people of the other clinic.
fn every_reference_resolves(bundle: &Value) {
    let entries = bundle["entry"].as_array().unwrap();
    let urls: Vec<&Value> = entries.iter().map(|entry| &entry["fullUrl"]).collect();
    let (text, mut seen) = (bundle.to_string(), 0);
    for reference in text.split("\"reference\":\"").skip(1) {
        let reference = json!(reference.split('"').next().unwrap());
        assert!(urls.contains(&&reference), "{reference}");
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}

/// The archive with another `records.json`, and without the files of the journal if so wanted.
fn changed(archive: &[u8], text: &str, files: bool) -> Vec<u8> {
    let mut zip = ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut made = ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..zip.len() {
        let mut one = zip.by_index(number).unwrap();
        let mut bytes = Vec::new();
        one.read_to_end(&mut bytes).unwrap();
        let name = one.name().unwrap().into_owned();
        if name == "records.json" || (files && name.starts_with("files/")) {
            made.start_file(&name, SimpleFileOptions::default()).unwrap();
            made.write_all(if name == "records.json" { text.as_bytes() } else { &bytes }).unwrap();
        }
    }
    made.finish().unwrap().into_inner()
}

/// What is wrong with an archive, and what is said of it.
fn broken(whole: &[u8], somebody: Uuid) -> Vec<(Vec<u8>, &'static str)> {
    let good = records(whole);
    let text = good.to_string();
    let at = |pointer: &str, value: Value| {
        let mut document = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Object(fields) => drop(fields.insert(name.to_owned(), value)),
            below => below[name.parse::<usize>().unwrap()] = value,
        }
        changed(whole, &document.to_string(), true)
    };
    let twice = good["tables"]["checkins"][0].clone();
    vec![
        (b"words".to_vec(), "no ZIP file"),
        (whole[..whole.len() / 2].to_vec(), "no ZIP file"),
        (changed(whole, &text[..text.len() / 2], true), "cut off"),
        (changed(whole, &text, false), "/files/"),
        (at("/format", json!("another")), "does not say"),
        (at("/version", json!(2)), "newer version"),
        (at("/patient_id", json!("ana")), "whose it is"),
        (at("/patient_id", json!(somebody)), "is somebody else"),
        (at("/tables/unheard_of", json!([])), "/tables/unheard_of"),
        (at("/tables/goals", json!(7)), "/tables/goals: is no list"),
        (at("/tables/goals/0", json!("words")), "/tables/goals/0: is no object"),
        (at("/tables/goals/0/unheard_of", json!(1)), "/tables/goals/0: has a field"),
        (at("/tables/goals/0/patient_id", json!(somebody)), "/tables/goals/0/patient_id"),
        (
            at("/tables/goals/0/created_at", json!("yesterday")),
            "/tables/goals/0/created_at: is of another kind",
        ),
        (at("/tables/goals/0/created_at", Value::Null), "/tables/goals/0/created_at"),
        (at("/tables/goals/0/state", json!("unheard of")), "cannot be shown"),
        (at("/tables/goals/0/detail", json!({"unheard": "of"})), "cannot be shown"),
        (at("/tables/administrations/0/record", json!({"unheard": "of"})), "cannot be shown"),
        (at("/tables/checkins/0/mood", json!(6_000_000_000_i64)), "/tables/checkins/0/mood"),
        (at("/tables/checkins/1", twice), "/tables/checkins"),
        (at("/tables/checkins/0/zone", json!("nul\u{0}")), "NUL"),
        (at("/tables/accounts/0/zone", json!("Mars/Olympus")), "/tables/accounts/0/zone"),
        (at("/tables/accounts/0/email", json!(email("eve"))), "already has an account"),
    ]
}

async fn what_is_no_archive_is_refused_and_leaves_nothing(app: TestApp) {
    let bo = app.therapist("bo").await;
    let ana = app.patient_of(&bo, "ana").await;
    written(&app, &ana, &bo).await;
    let whole = archive_of(&app, &ana).await;
    let other = app.elsewhere().await;
    other.therapist("eve").await;
    let (accounts, audit) = (other.count("accounts").await, other.count("audit_events").await);
    for (archive, said) in broken(&whole, bo.id) {
        let error = read_in(&other, &archive).await.unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
        assert!(!error.contains("words"), "{error}");
        assert_eq!(other.count("accounts").await, accounts, "{said}");
    }
    let mut archive = Archive::open(&saved(&other, &whole)).unwrap();
    let error = import(&other.state, &mut archive, &email("nobody"), None).await.unwrap_err().to_string();
    assert!(error.contains("--therapist"), "{error}");
    for table in ["checkins", "journal_entries", "attachment_chunks", "patients", "care_relations"] {
        assert_eq!(other.count(table).await, 0, "{table}");
    }
    assert_eq!(other.count("audit_events").await, audit);
    File::open(saved(&other, &whole)).unwrap();
    read_in(&other, &whole).await.unwrap();
}
