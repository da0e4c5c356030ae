//! D3: ciphertexts that were moved or altered open nowhere, and nobody reads anything else instead.

use sea_orm::Value as Parameter;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Person, Reply, TestApp, both_engines};

both_engines![
    d3_a_flipped_bit_anywhere_fails_closed,
    d3_texts_swapped_between_rows_fail_closed,
    d3_texts_swapped_between_columns_fail_closed,
    d3_texts_swapped_between_patients_fail_closed,
    d3_an_older_text_put_back_under_another_revision_fails_closed,
    d3_swapped_data_keys_open_nothing,
];

fn id(text: &str) -> Parameter {
    text.parse::<Uuid>().unwrap().into()
}

async fn sealed(app: &TestApp, sql: &str, values: Vec<Parameter>) -> Vec<u8> {
    app.query(sql, values).await[0].try_get("", "sealed").unwrap()
}

/// 500 that says nothing.
#[track_caller]
fn closed(reply: Reply, secrets: &[&str]) {
    let body = reply.refused(500, "internal");
    assert_eq!(body["detail"], "Something went wrong on our side. Tell support the request_id.");
    for secret in secrets {
        assert!(!body.to_string().contains(secret));
    }
}

async fn checkin(person: &Person, note: &str) -> String {
    let made = person.post("/v1/checkins", &json!({"mood": 5, "note": note})).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

const NOTE: &str = "SELECT detail_sealed AS sealed FROM checkins WHERE id = $1";
const PUT_NOTE: &str = "UPDATE checkins SET detail_sealed = $1 WHERE id = $2";
const BODY: &str =
    "SELECT body_sealed AS sealed FROM journal_revisions WHERE entry_id = $1 AND revision = $2";
const PUT_BODY: &str = "UPDATE journal_revisions SET body_sealed = $1 WHERE entry_id = $2 AND revision = $3";

async fn d3_a_flipped_bit_anywhere_fails_closed(app: TestApp) {
    let ana = app.patient("ana").await;
    let note = checkin(&ana, "the secret note").await;
    let whole = sealed(&app, NOTE, vec![id(&note)]).await;
    let path = format!("/v1/checkins/{note}");
    for at in (0..whole.len()).step_by(3).chain([whole.len() - 1]) {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        app.execute(PUT_NOTE, vec![altered.into(), id(&note)]).await;
        closed(ana.get(&path).await, &["secret"]);
    }
    for cut in
        [vec![], whole[..10].to_vec(), whole[..whole.len() - 1].to_vec(), [whole.clone(), vec![0]].concat()]
    {
        app.execute(PUT_NOTE, vec![cut.into(), id(&note)]).await;
        closed(ana.get(&path).await, &["secret"]);
        closed(ana.get("/v1/checkins").await, &["secret"]);
        closed(ana.patch(&path, 1, &json!({"mood": 7})).await, &["secret"]);
    }
    app.execute(PUT_NOTE, vec![whole.into(), id(&note)]).await;
    let kept = ana.get(&path).await.expect(200);
    assert_eq!((&kept["note"], &kept["mood"]), (&json!("the secret note"), &json!(5)));
}

async fn d3_texts_swapped_between_rows_fail_closed(app: TestApp) {
    let ana = app.patient("ana").await;
    let (one, other) = (checkin(&ana, "first secret").await, checkin(&ana, "second secret").await);
    let (first, second) =
        (sealed(&app, NOTE, vec![id(&one)]).await, sealed(&app, NOTE, vec![id(&other)]).await);
    app.execute(PUT_NOTE, vec![second.into(), id(&one)]).await;
    app.execute(PUT_NOTE, vec![first.into(), id(&other)]).await;
    for note in [one, other] {
        closed(ana.get(&format!("/v1/checkins/{note}")).await, &["first", "second"]);
    }
}

async fn d3_texts_swapped_between_columns_fail_closed(app: TestApp) {
    let ana = app.patient("ana").await;
    let swap = "UPDATE accounts SET name_sealed = email_sealed, email_sealed = name_sealed WHERE id = $1";
    app.execute(swap, vec![ana.id.into()]).await;
    closed(ana.get("/v1/me").await, &["example.org"]);
    let entry = ana.entry("journal secret").await;
    let note = checkin(&ana, "note secret").await;
    let body = sealed(&app, BODY, vec![id(&entry), 1.into()]).await;
    app.execute(PUT_NOTE, vec![body.into(), id(&note)]).await;
    closed(ana.get(&format!("/v1/checkins/{note}")).await, &["secret"]);
}

async fn d3_texts_swapped_between_patients_fail_closed(app: TestApp) {
    let (ana, ben, bo) = (app.patient("ana").await, app.patient("ben").await, app.therapist("bo").await);
    let (hers, his) = (ana.entry("her secret").await, ben.entry("his secret").await);
    for (person, entry) in [(&ana, &hers), (&ben, &his)] {
        person.share(entry, &bo, &json!({})).await.expect(200);
    }
    let body = sealed(&app, BODY, vec![id(&hers), 1.into()]).await;
    app.execute(PUT_BODY, vec![body.into(), id(&his), 1.into()]).await;
    closed(ben.get(&format!("/v1/journal/entries/{his}")).await, &["her secret"]);
    closed(bo.get(&format!("/v1/patients/{}/journal/entries/{his}", ben.id)).await, &["her secret"]);
    closed(bo.get(&format!("/v1/patients/{}/journal/entries", ben.id)).await, &["her secret"]);
    // The whole row under another owner.
    let note = checkin(&ana, "her note").await;
    app.execute("UPDATE checkins SET patient_id = $1 WHERE id = $2", vec![ben.id.into(), id(&note)]).await;
    closed(ben.get(&format!("/v1/checkins/{note}")).await, &["her note"]);
}

async fn d3_an_older_text_put_back_under_another_revision_fails_closed(app: TestApp) {
    let ana = app.patient("ana").await;
    let entry = ana.entry("before the edit").await;
    let path = format!("/v1/journal/entries/{entry}");
    ana.patch(&path, 1, &json!({"fields": {"text": "after the edit"}})).await.expect(200);
    let before = sealed(&app, BODY, vec![id(&entry), 1.into()]).await;
    app.execute(PUT_BODY, vec![before.into(), id(&entry), 2.into()]).await;
    closed(ana.get(&path).await, &["the edit"]);
}

async fn d3_swapped_data_keys_open_nothing(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let note = checkin(&ana, "her note").await;
    let key = "SELECT wrapped AS sealed FROM data_keys WHERE owner_kind = 'patient' AND owner_id = $1";
    let put = "UPDATE data_keys SET wrapped = $1 WHERE owner_kind = 'patient' AND owner_id = $2";
    let (hers, his) =
        (sealed(&app, key, vec![ana.id.into()]).await, sealed(&app, key, vec![ben.id.into()]).await);
    app.execute(put, vec![his.clone().into(), ana.id.into()]).await;
    closed(ana.get(&format!("/v1/checkins/{note}")).await, &["her note"]);
    app.execute(put, vec![hers.into(), ana.id.into()]).await;
    assert_eq!(ana.get(&format!("/v1/checkins/{note}")).await.expect(200)["note"], "her note");
    app.execute("DELETE FROM data_keys WHERE owner_kind = 'patient' AND owner_id = $1", vec![ana.id.into()])
        .await;
    ana.get(&format!("/v1/checkins/{note}")).await.refused(401, "unauthenticated");
}
