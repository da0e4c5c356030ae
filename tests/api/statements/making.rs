//! How one row of each list is made from outside.

use afterglow::accounts::{Capabilities, Capability, NewAccount, create_account};
use chrono::Duration;
use entity::ids::{AccountId, ClinicId};
use sea_orm::TransactionTrait;
use serde_json::json;
use uuid::Uuid;

use super::World;
use crate::{
    authz::{administration, assign, subscription},
    harness::{Person, email, id_of},
    review::{copy_of, cover},
};

impl World {
    /// One row as it is made outside.
    pub(super) async fn make(&self, id: &str, number: usize) -> Uuid {
        let (ana, bo) = (&self.ana, &self.bo);
        let made = match id {
            "list_checkins" => id_of(&ana.checkin(5).await),
            "list_journal_entries" => ana.entry("hers").await,
            "list_alerts" | "list_own_alerts" | "list_covers" | "list_handovers" => {
                self.of_the_therapist(id).await;
                return Uuid::nil();
            }
            "list_patients" if number == 0 => return Uuid::nil(),
            "list_patients" => {
                copy_of(&self.app, ana).await;
                return Uuid::nil();
            }
            "get_review_queue" | "list_shared_entries" => {
                let entry = ana.entry("shared").await;
                ana.share(&entry, bo, &json!({})).await.expect(200);
                entry
            }
            "list_goals" => ana.goal("hers").await,
            "list_patient_goals" => bo.propose(ana, "his").await,
            "list_goal_progress" => {
                let path = format!("/v1/goals/{}/progress", self.about);
                id_of(&ana.post(&path, &json!({"note": "it goes"})).await.expect(201))
            }
            "list_sessions" | "list_patient_sessions" => {
                id_of(&bo.schedule(ana, "group", self.app.now() + Duration::days(20)).await)
            }
            "list_session_requests" | "list_patient_session_requests" => self.request().await,
            "list_session_administration_versions" | "list_patient_administration_versions" => {
                self.correction(number).await;
                return Uuid::nil();
            }
            "list_notifications" | "list_upcoming_reminders" => return self.notification().await,
            "list_reminders" | "list_patient_reminders" => self.reminder(id).await,
            "list_push_subscriptions" => {
                let body = subscription(&format!("http://127.0.0.1:65530/{}", self.new_id()));
                id_of(&ana.post("/v1/push/subscriptions", &body).await.expect(201))
            }
            "list_devices" if number == 0 => return Uuid::nil(),
            "list_devices" => {
                self.app.advance(Duration::minutes(3));
                self.app.log_in(&ana.name).await;
                return Uuid::nil();
            }
            "list_invitations" if number == 0 => return Uuid::nil(),
            "list_invitations" => id_of(
                &bo.post("/v1/invitations", &json!({"kind": "patient", "label": "hers"})).await.expect(201),
            ),
            "list_care_team" if number == 0 => return Uuid::nil(),
            "list_care_team" => return self.member().await.id,
            "list_journal_shares" | "list_goal_shares" => return self.share_with_another(id).await,
            other => return self.make_record(other, number).await,
        };
        made.parse().unwrap()
    }

    async fn of_the_therapist(&self, id: &str) {
        let (ana, bo, now) = (&self.ana, &self.bo, self.app.now());
        match id {
            "list_covers" => {
                cover(bo, &self.member().await, now, now + Duration::days(1)).await.expect(201);
            }
            "list_handovers" => {
                let sql = "INSERT INTO handovers (patient_id, id, from_member, to_member, proposed_at) \
                    VALUES ($1, $2, $3, $4, $5)";
                let (id, from) = (self.new_id(), self.member().await.id);
                let values = vec![ana.id.into(), id.into(), from.into(), bo.id.into(), now.into()];
                self.app.execute(sql, values).await;
            }
            _ => {
                ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
            }
        }
    }

    async fn reminder(&self, id: &str) -> String {
        let (ana, bo) = (&self.ana, &self.bo);
        let body = json!({"category": "mindfulness", "title": "sit", "active": false,
            "schedule": {"kind": "daily", "time": "09:00"}});
        let made = match id {
            "list_reminders" => ana.post("/v1/reminders", &body).await,
            _ => bo.post(&format!("/v1/patients/{}/reminders", ana.id), &body).await,
        };
        id_of(&made.expect(201))
    }

    async fn share_with_another(&self, id: &str) -> Uuid {
        let (member, nothing_more) = (self.member().await, json!({}));
        let shared = match id {
            "list_journal_shares" => self.ana.share(&self.about, &member, &nothing_more).await,
            _ => self.ana.share_goal(&self.about, &member, &nothing_more).await,
        };
        shared.expect(200);
        Uuid::nil()
    }

    /// A therapist who takes part in her care.
    async fn member(&self) -> Person {
        let member = self.colleague().await;
        assign(&self.app, &self.ana, &member).await;
        member
    }

    /// A therapist of her clinic.
    pub(super) async fn colleague(&self) -> Person {
        let (state, now) = (&self.app.state, self.app.now());
        let clinic = self.ana.get("/v1/clinic").await.expect(200)["id"].as_str().unwrap().parse().unwrap();
        let id = self.new_id();
        let account = NewAccount {
            id: AccountId(id),
            clinic: ClinicId(clinic),
            is_patient: false,
            capabilities: Capabilities::new(vec![Capability::Therapist]),
            profession: None,
            email: email(&id.to_string()),
            display_name: "one of many".into(),
            zone: "Europe/Berlin".into(),
            locale: "en".into(),
            password_hash: "none".into(),
        };
        let txn = self.app.conn().begin().await.unwrap();
        assert!(create_account(&txn, &state.vault, account, now).await.unwrap());
        txn.commit().await.unwrap();
        let mut member = self.app.anon();
        member.id = id;
        member
    }

    /// One more request, though only a few may wait at a time.
    async fn request(&self) -> String {
        let states = async |state: &str| {
            let sql = "UPDATE session_requests SET state = $1 WHERE patient_id = $2";
            self.app.execute(sql, vec![state.into(), self.ana.id.into()]).await;
        };
        states("withdrawn").await;
        let made = self.ana.post("/v1/sessions/requests", &json!({"kind": "new"})).await.expect(201);
        states("open").await;
        id_of(&made)
    }

    /// One more version of what was given.
    async fn correction(&self, number: usize) {
        let mut body = administration(self.app.now());
        if number == 0 {
            body.as_object_mut().unwrap().remove("correction");
        }
        let path = format!("/v1/sessions/{}/administration", self.about);
        let put = self.bo.request(axum::http::Method::PUT, &path).await.if_match(number as i64);
        put.json(&body).send().await.expect(200);
    }

    /// The one notification that all others are copies of.
    async fn notification(&self) -> Uuid {
        self.bo.schedule(&self.ana, "integration", self.app.now() + Duration::days(7)).await;
        let ledger = self.ana.get("/v1/notifications?limit=1").await.expect(200);
        let id: Uuid = id_of(&ledger["items"][0]).parse().unwrap();
        let sql = "DELETE FROM notifications WHERE recipient_id = $1 AND id <> $2";
        self.app.execute(sql, vec![self.ana.id.into(), id.into()]).await;
        id
    }
}
