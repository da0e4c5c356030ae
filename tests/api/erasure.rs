//! P2: what a patient's erasure takes, what it leaves, and what it leaves alone.

use std::collections::BTreeMap;

use afterglow::{db::Engine, erasure::run_due};
use axum::http::Method;
use chrono::Duration;
use entity::{
    TABLES,
    data_map::{Erasure, Owner, TableRule},
};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    attachments::wav_of,
    authz::{administration, assign, subscription},
    harness::{PASSWORD, Person, TestApp, both_engines, email, id_of},
    measures::form,
};

both_engines![
    p2_everything_of_a_patient_goes_and_nothing_of_others,
    p2_what_named_the_patient_is_in_no_file,
    p2_erasure_waits_a_week_and_can_be_stopped,
    p2_a_device_left_open_cannot_erase,
    p2_two_workers_erase_once,
    p2_one_that_cannot_be_erased_holds_nobody_else_up,
    p2_the_destroyed_key_is_in_no_page_of_the_engines_files,
    what_goes_and_what_stays_is_said_before,
];

pub async fn ask(who: &Person) -> Value {
    who.request(Method::POST, "/v1/me/erasure").await.send().await.expect(200)
}

pub fn owner_column(table: &TableRule) -> Option<&'static str> {
    match table.owner {
        Owner::Patient(column) | Owner::Account(column) | Owner::KeyOwner(column) => Some(column),
        Owner::Login(_) | Owner::Clinic(_) | Owner::Nobody => None,
    }
}

/// How many rows of each table are somebody's.
async fn rows_of(app: &TestApp, person: Uuid) -> BTreeMap<&'static str, i64> {
    let mut counts = BTreeMap::new();
    for table in TABLES {
        let Some(column) = owner_column(table) else { continue };
        let sql = format!("SELECT COUNT(*) AS n FROM {} WHERE {column} = $1", table.table);
        let rows = app.query(&sql, vec![person.into()]).await;
        counts.insert(table.table, rows[0].try_get::<i64>("", "n").unwrap());
    }
    counts
}

/// A row of Ana's in every table whose rows go.
pub async fn live(app: &TestApp, ana: &Person, bo: &Person) {
    let post = async |path: &str, body: Value| ana.post(path, &body).await.expect(201);
    let request = ana.request(Method::POST, "/v1/checkins").await.key("once");
    request.json(&json!({"mood": 0, "note": "words"})).send().await.expect(201);
    let entry = ana.entry("words").await;
    ana.share(&entry, bo, &json!({})).await.expect(200);
    post(&format!("/v1/journal/entries/{entry}/comments"), json!({"text": "words"})).await;
    post("/v1/journal/entries", json!({"fields": {"text": "words"}, "tags": ["words"]})).await;
    let note = ana.impressions().await;
    ana.voice_note(&note, &wav_of(&[7; 9_000])).await;
    let goal = post("/v1/goals", json!({"title": "words", "entry_ids": [entry]})).await;
    ana.share_goal(&id_of(&goal), bo, &json!({})).await.expect(200);
    post(&format!("/v1/goals/{}/progress", id_of(&goal)), json!({"note": "words"})).await;
    let other = ana.goal("words").await;
    ana.delete_at(&format!("/v1/goals/{other}"), 1).await.expect(204);
    let schedule = json!({"kind": "daily", "time": "20:00"});
    let rule = json!({"category": "mindfulness", "schedule": schedule, "body": "words"});
    post("/v1/reminders", rule).await;
    ana.patch("/v1/me/delivery-policy", 1, &json!({"daily_cap": 3})).await.expect(200);
    ana.patch("/v1/me", 1, &json!({"time_zone": "Asia/Kathmandu"})).await.expect(200);
    ana.request(Method::PUT, "/v1/safety-plan")
        .await
        .if_match(0)
        .json(&json!({"coping": ["words"]}))
        .send()
        .await
        .expect(200);
    let prompts = ana.get("/v1/prompts").await.expect(200);
    let favourite = format!("/v1/prompts/{}/favourite", prompts["items"][0]["id"].as_str().unwrap());
    ana.put(&favourite, &Value::Null).await.expect(204);
    ana.get("/v1/prompts/today").await.expect(200);
    let session = bo.schedule(ana, "preparation", app.now() + Duration::days(3)).await;
    let session = format!("/v1/sessions/{}", id_of(&session));
    ana.put(&format!("{session}/readiness/questions-noted"), &json!({"done": true})).await.expect(200);
    ana.patch(&format!("{session}/intention"), 1, &json!({"text": "words"})).await.expect(200);
    recorded(app, ana, bo).await;
    let hers = format!("/v1/patients/{}", ana.id);
    let asked = json!({"measure_id": "gad-7", "due_at": app.now() + Duration::days(7)});
    bo.post(&format!("{hers}/measure-assignments"), &asked).await.expect(201);
    let plan = json!({"template_id": "kap-weekly-4", "first_dosing_on": "2027-01-04", "route": "im", "without_measures": true});
    bo.post(&format!("{hers}/plans"), &plan).await.expect(201);
    let follows = json!({"to_member_id": app.therapist("dee").await.id});
    bo.post(&format!("{hers}/handovers"), &follows).await.expect(201);
    post("/v1/measure-responses", form("phq-9", "333323301")).await;
    post("/v1/push/subscriptions", subscription(&format!("https://fcm.googleapis.com/fcm/send/{}", ana.id)))
        .await;
    let text = ana.get("/v1/consent-texts").await.expect(200)["items"][0].clone();
    let answer = json!({"purpose": text["purpose"], "text_version": text["version"], "language": "en", "decision": "given"});
    post("/v1/consents", answer).await;
    let op = json!({"op_id": Uuid::from_u128(7), "collection": "checkins", "kind": "create", "id": Uuid::from_u128(8),
        "fields": {"mood": 5}});
    ana.post("/v1/sync", &json!({"ops": [op]})).await.expect(200);
    unasked(app, ana).await;
}

/// Rows that the program makes by itself, now or later.
async fn unasked(app: &TestApp, ana: &Person) {
    let now = || app.now().into();
    let delivery = "INSERT INTO deliveries (recipient_id, notification_id, subscription_id, outcome, attempts, at) \
        SELECT recipient_id, id, id, 'accepted', 1, $2 FROM notifications WHERE recipient_id = $1";
    app.execute(delivery, vec![ana.id.into(), now()]).await;
    ana.request(Method::POST, "/v1/me/export").await.send().await.expect(202);
    let chunk = "INSERT INTO export_chunks (patient_id, export_id, number, content_sealed) \
        SELECT patient_id, id, 99, $2 FROM exports WHERE patient_id = $1";
    app.execute(chunk, vec![ana.id.into(), vec![0_u8].into()]).await;
    let code = "INSERT INTO recovery_codes (account_id, code_hash, created_at) VALUES ($1, $2, $3)";
    app.execute(code, vec![ana.id.into(), vec![0_u8].into(), now()]).await;
    let token = "INSERT INTO reset_tokens (account_id, kind, token_hash, created_at, expires_at) \
        VALUES ($1, 'mail', $2, $3, $3)";
    app.execute(token, vec![ana.id.into(), ana.id.as_bytes().to_vec().into(), now()]).await;
    let job = "INSERT INTO jobs (id, kind, owner_id, payload_sealed, state, run_at, fence, attempts, created_at) \
        VALUES ($1, 'other', $1, $2, 'waiting', $3, 0, 0, $3)";
    app.execute(job, vec![ana.id.into(), vec![0_u8].into(), now()]).await;
}

/// What the clinic writes about Ana: an answer to a wish, a comment, and what she was given.
async fn recorded(app: &TestApp, ana: &Person, bo: &Person) {
    let wish = json!({"from": app.now() + Duration::days(9), "until": app.now() + Duration::days(10)});
    let wish = json!({"kind": "new", "note": "words", "preferred": [wish]});
    let wish = id_of(&ana.post("/v1/sessions/requests", &wish).await.expect(201));
    let decline = bo.request(Method::POST, &format!("/v1/sessions/requests/{wish}/decline")).await;
    decline.if_match(1).json(&json!({"message": "words of the clinic"})).send().await.expect(200);
    let mia = app.medical("mia").await;
    assign(app, ana, &mia).await;
    let session = id_of(&bo.schedule(ana, "dosing", app.now()).await);
    let given = mia.request(Method::PUT, &format!("/v1/sessions/{session}/administration")).await;
    let mut record = administration(app.now());
    record.as_object_mut().unwrap().remove("correction");
    given.if_match(0).json(&record).send().await.expect(200);
}

async fn p2_everything_of_a_patient_goes_and_nothing_of_others(app: TestApp) {
    let bo = app.therapist("bo").await;
    let cy = app.therapist("cy").await;
    let (ana, ben) = (app.patient_of(&bo, "ana").await, app.patient_of(&cy, "ben").await);
    live(&app, &ana, &bo).await;
    live(&app, &ben, &cy).await;
    let (gone, kept) = (ana.id, ben.id);
    ask(&ana).await;
    app.advance(Duration::days(7));
    let (before, others) = (rows_of(&app, gone).await, rows_of(&app, kept).await);
    let going = |table: &&&TableRule| table.erasure == Erasure::RowsGo && owner_column(table).is_some();
    let empty: Vec<&str> =
        TABLES.iter().filter(going).map(|table| table.table).filter(|table| before[table] == 0).collect();
    assert!(empty.is_empty(), "`live` makes no row in {empty:?}");
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    let after = rows_of(&app, gone).await;
    for table in TABLES {
        let Some(count) = after.get(table.table) else { continue };
        let wanted = match (table.table, table.erasure) {
            // The clinic's key of its own record.
            ("data_keys", _) => 1,
            (_, Erasure::RowsGo) => 0,
            (name, Erasure::Stays(_)) => before[name],
        };
        assert_eq!(*count, wanted, "{}", table.table);
    }
    assert!(before["alerts"] > 0 && before["consents"] > 0);
    let sql = "SELECT owner_kind FROM data_keys WHERE owner_id = $1";
    let key: String = app.query(sql, vec![gone.into()]).await[0].try_get("", "owner_kind").unwrap();
    assert_eq!(key, "clinic_record");
    assert_eq!(rows_of(&app, kept).await, others);
    let left = "SELECT COUNT(*) AS n FROM notifications WHERE subject_patient_id = $1";
    assert_eq!(app.query(left, vec![gone.into()]).await[0].try_get::<i64>("", "n").unwrap(), 0);
    let tokens = "SELECT COUNT(*) AS n FROM refresh_tokens t WHERE NOT EXISTS \
        (SELECT 1 FROM logins l WHERE l.id = t.login_id)";
    assert_eq!(app.query(tokens, vec![]).await[0].try_get::<i64>("", "n").unwrap(), 0);
}

async fn p2_what_named_the_patient_is_in_no_file(app: TestApp) {
    let bo = app.therapist("bo").await;
    let ana = app.patient_of(&bo, "ana").await;
    let entry = ana.entry("words").await;
    ana.share(&entry, &bo, &json!({})).await.expect(200);
    let sql = "SELECT a.email_index, a.email_sealed, a.name_sealed, a.password_hash, k.wrapped, r.body_sealed \
        FROM accounts a JOIN data_keys k ON k.owner_id = a.id AND k.owner_kind = 'patient' \
        JOIN journal_revisions r ON r.patient_id = a.id WHERE a.id = $1";
    let row = &app.query(sql, vec![ana.id.into()]).await[0];
    let mut traces: Vec<Vec<u8>> = ["email_index", "email_sealed", "name_sealed", "wrapped", "body_sealed"]
        .map(|column| row.try_get("", column).unwrap())
        .to_vec();
    traces.push(row.try_get::<String>("", "password_hash").unwrap().into_bytes());
    let hits = |bytes: &[u8]| {
        // A dump of PostgreSQL shows bytes as hexadecimal.
        let shown = |trace: &[u8]| data_encoding::HEXLOWER.encode(trace).into_bytes();
        let there = |wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
        traces.iter().filter(|trace| there(trace) || there(&shown(trace))).count()
    };
    assert_eq!(hits(&app.store.everything(app.conn()).await), traces.len(), "the search finds what is there");
    ask(&ana).await;
    app.advance(Duration::days(7));
    let phone = app.log_in("ana").await;
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    assert_eq!(hits(&app.store.everything(app.conn()).await), 0);
    phone.get("/v1/me").await.refused(401, "unauthenticated");
    let pair = json!({"email": email("ana"), "password": PASSWORD});
    app.anon().post("/v1/auth/login", &pair).await.refused(401, "wrong_credentials");
    let path = format!("/v1/patients/{}/journal/entries", ana.id);
    let bo = app.log_in("bo").await;
    bo.get(&path).await.refused(404, "not_found");
    bo.get("/v1/invitations").await.expect(200);
}

async fn p2_erasure_waits_a_week_and_can_be_stopped(app: TestApp) {
    let ana = app.patient("ana").await;
    let asked = ask(&ana).await;
    assert_eq!(ask(&ana).await, asked, "asked twice, the first time counts");
    let due: chrono::DateTime<chrono::Utc> = asked["due_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(due, app.now() + Duration::days(7));
    app.advance(Duration::days(7) - Duration::seconds(1));
    assert_eq!(run_due(&app.state).await.unwrap(), 0);
    let ana = app.log_in("ana").await;
    assert_eq!(ana.get("/v1/me/erasure").await.expect(200), asked);
    for _ in 0..2 {
        ana.delete("/v1/me/erasure").await.expect(204);
    }
    assert!(ana.get("/v1/me/erasure").await.expect(200).get("due_at").is_none());
    app.advance(Duration::days(30));
    assert_eq!(run_due(&app.state).await.unwrap(), 0);
    app.log_in("ana").await.get("/v1/me").await.expect(200);
    let sql = "SELECT action FROM audit_events WHERE action LIKE 'erasure%' ORDER BY seq";
    let actions: Vec<String> =
        app.query(sql, vec![]).await.iter().map(|row| row.try_get("", "action").unwrap()).collect();
    assert_eq!(actions, ["erasure.request", "erasure.cancel"]);
}

async fn p2_a_device_left_open_cannot_erase(app: TestApp) {
    let ana = app.patient("ana").await;
    app.advance(Duration::minutes(5) + Duration::seconds(1));
    let asked = ana.request(Method::POST, "/v1/me/erasure").await.send().await;
    asked.refused(403, "step_up_required");
    assert_eq!(app.count("erasures").await, 0);
    ask(&app.log_in("ana").await).await;
    ana.delete("/v1/me/erasure").await.expect(204);
    assert_eq!(app.count("erasures").await, 0, "stopping it needs no password");
}

async fn p2_two_workers_erase_once(app: TestApp) {
    for name in ["ana", "ben"] {
        ask(&app.patient(name).await).await;
    }
    app.advance(Duration::days(7));
    let beside = app.beside().await;
    let (one, other) = tokio::join!(run_due(&app.state), run_due(&beside.state));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    let sql = "SELECT COUNT(*) AS n FROM audit_events WHERE action = 'erasure.done'";
    assert_eq!(app.query(sql, vec![]).await[0].try_get::<i64>("", "n").unwrap(), 2);
    assert_eq!(run_due(&app.state).await.unwrap(), 0, "and the ledger keeps both as done");
    assert_eq!(app.count("erasures").await, 2);
}

/// Has the database refuse to delete somebody's account.
async fn guard(app: &TestApp, whom: Uuid) {
    match app.engine() {
        Engine::Sqlite => {
            let id = data_encoding::HEXLOWER.encode(whom.as_bytes());
            let sql = format!(
                "CREATE TRIGGER guard BEFORE DELETE ON accounts WHEN OLD.id = x'{id}' \
                 BEGIN SELECT RAISE(ABORT, 'guarded'); END"
            );
            app.conn().execute_unprepared(&sql).await.unwrap();
        }
        Engine::Postgres => {
            let sql = format!(
                "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'guarded'; END $$; \
                 CREATE TRIGGER guard BEFORE DELETE ON accounts FOR EACH ROW \
                 WHEN (OLD.id = '{whom}') EXECUTE FUNCTION guard()"
            );
            app.conn().execute_unprepared(&sql).await.unwrap();
        }
    }
}

async fn p2_one_that_cannot_be_erased_holds_nobody_else_up(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    for who in [&ana, &ben] {
        ask(who).await;
        app.advance(Duration::seconds(1));
    }
    guard(&app, ana.id).await;
    app.advance(Duration::days(7));
    assert!(run_due(&app.state).await.is_err(), "it is said");
    let left = app.query("SELECT id FROM accounts WHERE kind = 'patient'", vec![]).await;
    assert_eq!((left.len(), left[0].try_get::<Uuid>("", "id").unwrap()), (1, ana.id));
    let ledger = afterglow::erasure::read_ledger(&app.state.config.erasure_ledger()).unwrap();
    assert_eq!((ledger.len(), ledger[0].patient_id.0), (1, ben.id));
}

async fn p2_the_destroyed_key_is_in_no_page_of_the_engines_files(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let sql = "SELECT wrapped FROM data_keys WHERE owner_id = $1 AND owner_kind = 'patient'";
    let mut keys = Vec::new();
    for who in [&ana, &ben] {
        keys.push(app.query(sql, vec![who.id.into()]).await[0].try_get::<Vec<u8>>("", "wrapped").unwrap());
    }
    let there = async || {
        let bytes = app.store.pages_of_keys(app.conn()).await;
        [&keys[0], &keys[1]].map(|key| bytes.windows(key.len()).any(|window| window == &key[..]))
    };
    assert_eq!(there().await, [true; 2]);
    ask(&ana).await;
    app.advance(Duration::days(7));
    // Somebody reads the old state for a long time: nobody waits for them, and the next round does it.
    let reading = app.state.db.snapshot().await.unwrap();
    reading.query_all_raw(app.statement(sql, vec![ana.id.into()])).await.unwrap();
    assert_eq!(run_due(&app.state).await.unwrap(), 1);
    reading.rollback().await.unwrap();
    assert_eq!(run_due(&app.state).await.unwrap(), 0);
    assert_eq!(there().await, [false, true]);
}

async fn what_goes_and_what_stays_is_said_before(app: TestApp) {
    let ana = app.patient("ana").await;
    let told = ana.get("/v1/me/erasure").await.expect(200);
    assert!(told.get("requested_at").is_none());
    let lines = |key: &str| told[key].as_array().unwrap().len();
    assert!(lines("goes") >= 4 && lines("stays") >= 3, "{told}");
    ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    let spanish = ana.get("/v1/me/erasure").await.expect(200);
    assert!(spanish["goes"][0].as_str().unwrap().starts_with("Su cuenta"), "{spanish}");
}
