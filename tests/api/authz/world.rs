//! Everybody who asks, and how they ask about a thing of Ana's.

use axum::http::Method;
use serde_json::Value;

use super::things::{self, Thing};
use crate::{
    attachments::wav,
    harness::{Person, Reply, TestApp},
    openapi::Operation,
};

/// Everybody, and Ana's things.
pub struct World {
    pub app: TestApp,
    pub ana: Person,
    pub bo: Person,
    /// Everybody who asks, in the order of the table's columns.
    pub people: Vec<Person>,
}

impl World {
    pub async fn new(app: TestApp) -> Self {
        let ana = app.patient("ana").await;
        let bo = app.therapist("bo").await;
        let former = app.therapist("fay").await;
        things::assign(&app, &ana, &former).await;
        let entry = ana.entry("what the former therapist once read").await;
        ana.share(&entry, &former, &serde_json::json!({})).await.expect(200);
        former.get(&format!("/v1/patients/{}/journal/entries/{entry}", ana.id)).await.expect(200);
        ana.delete(&format!("/v1/care-team/{}", former.id)).await.expect(204);
        let gone = app.log_in("ana").await;
        gone.request(Method::POST, "/v1/auth/logout").await.send().await.expect(204);
        let (mia, max) = (app.medical("mia").await, app.medical("max").await);
        things::assign(&app, &ana, &mia).await;
        let cleo = app.coordinator("cleo").await;
        let people = vec![
            app.anon(),
            ana.clone(),
            app.patient("ben").await,
            app.therapist("dee").await,
            bo.clone(),
            former,
            app.therapist_of("elsewhere", "eve").await,
            app.admin().await,
            gone,
            mia,
            max,
            cleo,
            app.staff_of("elsewhere", "coordinator", "cid").await,
        ];
        Self { app, ana, bo, people }
    }

    pub async fn ask(&self, who: &Person, operation: &Operation, thing: &Thing) -> Reply {
        self.ask_at(1, who, operation, thing).await
    }

    /// Asks for what is at `version`, where that has to be said.
    pub async fn ask_at(&self, version: i64, who: &Person, operation: &Operation, thing: &Thing) -> Reply {
        let mut path = operation.path.replace("{patient_id}", &thing.patient);
        let names = [
            ("{id}", &thing.id),
            ("{member_id}", &thing.member),
            ("{code}", &thing.id),
            ("{prompt_id}", &thing.id),
            ("{item}", &"questions-noted".to_owned()),
            ("{revision}", &"1".to_owned()),
            ("{plan_id}", &thing.id),
        ];
        for (name, value) in names {
            path = path.replace(name, value);
        }
        path = path.replace("{attachment_id}", &thing.attachment).replace("{number}", "0");
        assert!(!path.contains('{'), "{}: fill {path}", operation.id);
        match operation.id.as_str() {
            "preview_journal_entry" => path.push_str(&format!("?member_id={}", thing.member)),
            "search_journal_entries" => path.push_str("?q=words"),
            _ => {}
        }
        let method: Method = operation.method.parse().unwrap();
        let mut request = who.request(method, &path).await;
        if operation.takes_version() {
            request = request.if_match(version);
        }
        if let Value::Object(_) = &thing.body {
            request = request.json(&thing.body);
        }
        if operation.id == "put_attachment_part" {
            request = request.bytes(wav(100)).header("content-type", "application/octet-stream");
        }
        request.send().await
    }
}
