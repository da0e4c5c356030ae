//! Rows of the records' own lists, as they are made outside and as they are copied.

use chrono::Duration;
use sea_orm::Value as Parameter;
use serde_json::{Value, json};
use uuid::Uuid;

use super::World;
use crate::{
    harness::{Person, TestApp, id_of},
    measures::form,
};

/// Lists whose rows have nothing in them that is sealed for the row.
pub const READABLE: [&str; 7] = [
    "list_access_log",
    "list_consents",
    "list_journal_revisions",
    "list_measure_assignments",
    "list_patient_measure_assignments",
    "list_patient_plans",
    "list_plans",
];

/// What the rows of a list belong to.
pub async fn about(app: &TestApp, (ana, bo): (&Person, &Person), list: &str) -> String {
    match list {
        "list_journal_comments" | "list_journal_revisions" => ana.entry("hers").await,
        "list_shared_comments" => {
            let entry = ana.entry("shared").await;
            ana.share(&entry, bo, &json!({})).await.expect(200);
            entry
        }
        "list_attachments" => ana.impressions().await,
        "list_session_readiness" => id_of(&bo.schedule(ana, "dosing", app.now() + Duration::days(20)).await),
        _ => String::new(),
    }
}

impl World {
    /// One row as it is made outside.
    pub(super) async fn make_record(&self, list: &str, number: usize) -> Uuid {
        let (ana, bo) = (&self.ana, &self.bo);
        let of_ana = |what: &str| format!("/v1/patients/{}/{what}", ana.id);
        let due = (self.app.now() + Duration::days(3)).to_rfc3339();
        let made = match list {
            "search_journal_entries" => return ana.entry("hers").await.parse().unwrap(),
            "list_attachments" => {
                return ana.announce(&self.about, "voice", "audio/wav", 1_000).await.parse().unwrap();
            }
            "list_journal_comments" => {
                let path = format!("/v1/journal/entries/{}/comments", self.about);
                ana.post(&path, &json!({"text": "hers"})).await
            }
            "list_shared_comments" => {
                let path = of_ana(&format!("journal/entries/{}/comments", self.about));
                bo.post(&path, &json!({"text": "his"})).await
            }
            "list_measure_responses" | "list_patient_measure_responses" => {
                let mut form = form("gad-7", "0000000");
                form["shared"] = json!(true);
                ana.post("/v1/measure-responses", &form).await
            }
            "list_measure_assignments" | "list_patient_measure_assignments" => {
                bo.post(&of_ana("measure-assignments"), &json!({"measure_id": "gad-7", "due_at": due})).await
            }
            "list_plans" | "list_patient_plans" => {
                let body = json!({"template_id": "kap-weekly-4", "first_dosing_on": "2027-01-04", "route": "im",
                    "without_measures": true});
                bo.post(&of_ana("plans"), &body).await
            }
            "list_consents" => {
                let body = json!({"purpose": "reminders", "decision": "given", "text_version": "1"});
                ana.post("/v1/consents", &body).await
            }
            other => {
                self.make_nameless(other, number).await;
                return Uuid::nil();
            }
        };
        id_of(&made.expect(201)).parse().unwrap()
    }

    /// Rows that have no id to copy them by.
    async fn make_nameless(&self, list: &str, number: usize) {
        let (ana, bo) = (&self.ana, &self.bo);
        let nth = |items: Value| id_of(&items["items"][number]);
        match list {
            "list_access_log" => {
                bo.get(&format!("/v1/patients/{}/plans", ana.id)).await.expect(200);
            }
            // The first came with the entry.
            "list_journal_revisions" => assert_eq!(number, 0),
            "list_prompts" => {
                let prompt = nth(ana.get("/v1/prompts").await.expect(200));
                ana.put(&format!("/v1/prompts/{prompt}/favourite"), &json!({})).await.expect(204);
            }
            "list_session_readiness" => {
                let all = format!("/v1/sessions/{}/readiness", self.about);
                let item = nth(ana.get(&all).await.expect(200));
                ana.put(&format!("{all}/{item}"), &json!({"done": true})).await.expect(200);
            }
            "list_plan_templates" => {
                let own = |n: usize| {
                    json!({"id": format!("own-{n}"), "title": "Our own", "enabled": true,
                    "measures": [], "sessions": [{"key": "talk", "kind": "evaluation", "day_offset": 0,
                    "location": "telehealth"}]})
                };
                let all: Vec<Value> = (0..=number).map(own).collect();
                let admin = self.app.admin().await;
                let request = admin.request(axum::http::Method::PUT, "/v1/clinic/plan-templates").await;
                let version = i64::try_from(number).unwrap();
                request.if_match(version).json(&json!({ "templates": all })).send().await.expect(200);
            }
            "list_staff" => drop(self.colleague().await),
            other => panic!("{other}: say here how its rows are made"),
        }
    }

    /// More rows in the database, older than all that were made outside.
    pub(super) async fn copy_records(
        &self,
        list: &str,
        numbers: &[usize],
        (new, times): (&[Parameter], &[Parameter]),
    ) {
        let at = |column| [("id", new.to_vec()), (column, times.to_vec())];
        match list {
            "search_journal_entries" => self.copy_entries(new, times).await,
            "list_journal_comments" | "list_shared_comments" => {
                self.copies_of("journal_comments", "id", &at("created_at")).await;
            }
            "list_measure_responses" | "list_patient_measure_responses" => {
                self.copies_of("measure_responses", "id", &at("taken_at")).await;
            }
            "list_measure_assignments" | "list_patient_measure_assignments" => {
                self.copies_of("measure_assignments", "id", &at("due_at")).await;
            }
            "list_plans" | "list_patient_plans" => self.copies_of("plans", "id", &at("created_at")).await,
            "list_consents" => self.copies_of("consents", "id", &at("given_at")).await,
            "list_journal_revisions" => {
                let entry: Uuid = self.about.parse().unwrap();
                let revisions = numbers.iter().map(|number| (i32::try_from(*number).unwrap() + 1).into());
                let first = ("t.entry_id = $1 AND t.revision = 1", entry);
                self.copy_rows("journal_revisions", first, &[("revision", revisions.collect())]).await;
            }
            "list_access_log" => {
                let one = "t.subject_id = $1 AND t.seq > 0 AND t.action = 'plans.list'";
                let before = numbers.iter().map(|number| (-i64::try_from(*number).unwrap()).into());
                let changed = [("seq", before.collect()), ("at", times.to_vec())];
                self.copy_rows("audit_events", (one, self.ana.id), &changed).await;
            }
            other => panic!("{other}: say here which rows are copied"),
        }
    }
}
