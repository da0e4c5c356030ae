//! Things of Ana's, fresh for each request, because some requests use them up.

use afterglow::{care, db::Writing};
use axum::http::Method;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use entity::ids::{ClinicId, PatientId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::World;
use crate::attachments::wav;
use crate::harness::{PASSWORD, Person, TestApp, email, id_of, registration};
use crate::measures::{clinic::policy, form};

/// What a request is about.
pub struct Thing {
    pub patient: String,
    pub id: String,
    pub member: String,
    pub body: Value,
    /// An attachment of the entry in `id`.
    pub attachment: String,
}

/// A public key and a secret as a browser makes them.
pub fn subscription(endpoint: &str) -> Value {
    json!({
        "endpoint": endpoint,
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
        "device_name": "a phone",
        "platform": "android",
    })
}

/// Puts a patient into one more therapist's care.
pub async fn assign(app: &TestApp, patient: &Person, member: &Person) {
    let clinic: Uuid = patient.get("/v1/clinic").await.expect(200)["id"].as_str().unwrap().parse().unwrap();
    let writing = Writing {
        actor: member.id.into(),
        stream: clinic,
        patient: Some(PatientId(patient.id)),
        request_id: "test",
    };
    let (state, clinic) = (&app.state, ClinicId(clinic));
    let begin = state.db.write(&writing, async |tx| {
        care::begin(state, tx, patient.id.into(), member.id.into(), clinic).await
    });
    begin.await.unwrap();
}

/// What a push carries, so that the device can report.
pub fn receipt(app: &TestApp, recipient: &Person, notification: &str, device: &str) -> String {
    let [notification, device] = [notification, device].map(|id| id.parse::<Uuid>().unwrap());
    let ids = [recipient.id, notification, device].map(Uuid::into_bytes).concat();
    let tag = app.state.receipt_mac.sign(&[&ids]);
    BASE64_URL_SAFE_NO_PAD.encode([&ids, &tag[..16]].concat())
}

fn new_uuid(app: &TestApp) -> Uuid {
    app.state.random.uuid_v7(app.now())
}

impl World {
    /// The same request about what is not there.
    pub fn nothing(&self, thing: &Thing) -> Thing {
        let id = || new_uuid(&self.app).to_string();
        Thing {
            patient: id(),
            id: id(),
            member: thing.member.clone(),
            body: thing.body.clone(),
            attachment: id(),
        }
    }

    /// Somebody who is logged out stays logged out, also when the clock has moved on.
    pub async fn revoke_again(&self) {
        let gone = &self.people[8];
        let logout = gone.request(Method::POST, "/v1/auth/logout").await.send().await;
        assert!([204, 401].contains(&logout.status.as_u16()));
    }

    /// What a mail would carry to somebody who asked for a new password.
    async fn reset_token(&self, name: &str) -> String {
        let body = json!({ "email": email(name) });
        self.app.anon().post("/v1/auth/password-reset", &body).await.expect(202);
        self.app.advance(Duration::minutes(5));
        crate::recovery::token(&self.app).await
    }

    /// A fresh thing for one operation, and the body that asks for it.
    #[expect(clippy::too_many_lines, reason = "a table, as long as it is")]
    pub async fn thing(&self, operation: &str) -> Thing {
        let (ana, bo) = (&self.ana, &self.bo);
        let (id, body) = match operation {
            "register_account" => {
                let code = self.app.invite(bo, &json!({"kind": "patient"})).await;
                (String::new(), registration(&code, &new_uuid(&self.app).to_string()))
            }
            "create_login" => (String::new(), json!({"email": email("ben"), "password": PASSWORD})),
            "refresh_login" => {
                let token = self.app.log_in("ben").await.refresh_token();
                (String::new(), json!({ "refresh_token": token }))
            }
            "get_invitation_preview" => (self.app.invite(bo, &json!({"kind": "patient"})).await, Value::Null),
            "delete_device" => (device_of(&self.app.log_in("ana").await).await, Value::Null),
            // To the one it is, so that everybody can log in again.
            "reauthenticate" | "change_password" => (String::new(), json!({ "password": PASSWORD })),
            // Another one each time: so many mails go to no address.
            "request_password_reset" => {
                (String::new(), json!({"email": email(&new_uuid(&self.app).to_string())}))
            }
            "confirm_password_reset" => {
                (String::new(), json!({"token": self.reset_token("ben").await, "password": PASSWORD}))
            }
            "recover_account" => {
                self.app.advance(Duration::minutes(2));
                let path = format!("/v1/patients/{}/recovery", ana.id);
                let made = bo.request(Method::POST, &path).await.send().await.expect(201);
                (String::new(), json!({"email": email("ana"), "code": made["code"], "password": PASSWORD}))
            }
            "cancel_recovery" => {
                let path = format!("/v1/patients/{}/recovery", ana.id);
                bo.request(Method::POST, &path).await.send().await.expect(201);
                (String::new(), Value::Null)
            }
            "confirm_totp" => (String::new(), json!({"code": "000000"})),
            "update_me" => (String::new(), json!({"locale": "en"})),
            "create_invitation" => (String::new(), json!({"kind": "patient"})),
            "delete_invitation" | "get_invitation_page" => (
                id_of(&bo.post("/v1/invitations", &json!({"kind": "patient"})).await.expect(201)),
                Value::Null,
            ),
            "delete_care_team_member" => {
                let helper = self.app.therapist("gil").await;
                assign(&self.app, ana, &helper).await;
                (helper.id.to_string(), Value::Null)
            }
            "get_export" | "download_export" => {
                let ana = self.app.log_in("ana").await;
                let asked = ana.request(Method::POST, "/v1/me/export").await.send().await.expect(202);
                while afterglow::export::run_due(&self.app.state).await.unwrap() > 0 {}
                (id_of(&asked), Value::Null)
            }
            "create_checkin" => (String::new(), json!({"mood": 5})),
            "push_changes" => {
                let op = json!({"collection": "checkins", "kind": "create", "id": new_uuid(&self.app), "fields": {"mood": 5}});
                (String::new(), json!({ "ops": [op] }))
            }
            "get_checkin" | "delete_checkin" => (id_of(&ana.checkin(5).await), Value::Null),
            "update_checkin" => (id_of(&ana.checkin(5).await), json!({"mood": 4})),
            "create_journal_entry" => (String::new(), json!({"fields": {"text": "words"}})),
            "update_journal_entry" => (ana.entry("hers").await, json!({"title": "hers still"})),
            "get_journal_entry"
            | "delete_journal_entry"
            | "list_journal_shares"
            | "list_journal_revisions"
            | "get_journal_revision"
            | "preview_journal_entry"
            | "list_journal_comments" => (ana.entry("hers").await, Value::Null),
            "create_journal_comment" => (ana.entry("hers").await, json!({"text": "a word"})),
            "create_shared_comment" | "list_shared_comments" => {
                let entry = ana.entry("shared with Bo").await;
                ana.share(&entry, bo, &json!({})).await.expect(200);
                (entry, json!({"text": "a word"}))
            }
            "delete_journal_comment" => {
                let path = format!("/v1/journal/entries/{}/comments", ana.entry("hers").await);
                (id_of(&ana.post(&path, &json!({"text": "a word"})).await.expect(201)), Value::Null)
            }
            "delete_shared_comment" => {
                let entry = ana.entry("shared with Bo").await;
                ana.share(&entry, bo, &json!({})).await.expect(200);
                let path = format!("/v1/patients/{}/journal/entries/{entry}/comments", ana.id);
                (id_of(&bo.post(&path, &json!({"text": "a word"})).await.expect(201)), Value::Null)
            }
            "acknowledge_alert" => {
                self.app.execute("DELETE FROM alerts", vec![]).await;
                ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
                let open = bo.get("/v1/alerts").await.expect(200);
                (id_of(&open["items"][0]), json!({"reason": "called her"}))
            }
            "create_cover" | "delete_cover" => {
                let hal = self.app.therapist("hal").await.id;
                let until = self.app.now() + Duration::days(1);
                let body = json!({"covering_member_id": hal, "starts_at": self.app.now(), "ends_at": until});
                let made = bo.post("/v1/covers", &body).await.expect(201);
                (id_of(&made), body)
            }
            "propose_handover" | "withdraw_handover" => {
                let hal = self.app.therapist("hal").await;
                (self.handover(bo, &hal).await, json!({"to_member_id": hal.id}))
            }
            "accept_handover" | "decline_handover" => {
                let (gil, hal) = (self.app.therapist("gil").await, self.app.therapist("hal").await);
                assign(&self.app, ana, &gil).await;
                (self.handover(&gil, &hal).await, json!({"shares": "none"}))
            }
            "put_entry_review" => {
                let entry = ana.entry("shared with Bo").await;
                ana.share(&entry, bo, &json!({})).await.expect(200);
                (entry, json!({"patient_id": ana.id, "revision": 1}))
            }
            "put_journal_share" => (ana.entry("hers").await, json!({})),
            "delete_journal_share" | "get_shared_entry" | "list_shared_entries" => {
                let entry = ana.entry("shared with Bo").await;
                ana.share(&entry, bo, &json!({})).await.expect(200);
                (entry, Value::Null)
            }
            "create_session" => {
                self.clear_calendar().await;
                (String::new(), json!({"kind": "integration", "starts_at": self.next_week()}))
            }
            "create_plan" => {
                self.clear_calendar().await;
                (String::new(), self.plan())
            }
            "get_patient_plan" => (self.started_plan().await, Value::Null),
            "update_patient_plan" => (self.started_plan().await, json!({"state": "cancelled"})),
            "put_clinic_plan_templates" => {
                self.app.execute("DELETE FROM clinic_plan_templates", vec![]).await;
                let path = "/v1/clinic/plan-templates";
                let admin = self.app.admin().await;
                let first =
                    admin.request(Method::PUT, path).await.if_match(0).json(&json!({"templates": []}));
                first.send().await.expect(200);
                (String::new(), json!({"templates": []}))
            }
            "put_clinic_hours" => {
                self.app.execute("UPDATE clinics SET version = 1", vec![]).await;
                let opening = json!({"weekday": "mon", "opens": "08:00", "closes": "18:00"});
                (String::new(), json!({"openings": [opening]}))
            }
            "put_response_policy" | "delete_response_policy" => {
                self.app.execute("UPDATE clinics SET version = 1", vec![]).await;
                let body = if operation == "put_response_policy" { policy() } else { Value::Null };
                (String::new(), body)
            }
            "sign_form_thresholds" => {
                let read = self.app.admin().await.get("/v1/clinic/form-thresholds").await.expect(200);
                (String::new(), json!({"content": read["content"]}))
            }
            "update_session" => (self.session().await, json!({"location": "telehealth"})),
            "get_session" | "cancel_session" => (self.session().await, Value::Null),
            "start_session" | "complete_session" | "mark_session_no_show" => {
                (self.session_of_now().await, Value::Null)
            }
            "create_session_request" => {
                self.app.execute("UPDATE session_requests SET state = 'withdrawn'", vec![]).await;
                (String::new(), json!({"kind": "new", "note": "mornings are hard"}))
            }
            "get_session_request" | "withdraw_session_request" | "get_patient_session_request" => {
                (self.request().await, Value::Null)
            }
            "offer_session" => {
                self.clear_calendar().await;
                let body = json!({"times": [self.next_week()], "kind": "integration", "member_id": bo.id});
                (self.request().await, body)
            }
            "decline_session_request" => (self.request().await, json!({"message": "Please call us."})),
            "accept_session_offer" => {
                self.clear_calendar().await;
                let (id, start) = (self.request().await, self.next_week());
                let body = json!({"times": [start], "kind": "integration"});
                let path = format!("/v1/sessions/requests/{id}/offer");
                let offer = bo.request(Method::POST, &path).await.if_match(1).json(&body);
                offer.send().await.expect(200);
                self.app.execute("UPDATE session_requests SET version = 1", vec![]).await;
                (id, json!({"starts_at": start}))
            }
            "put_session_administration" => (self.administered().await, administration(self.app.now())),
            "get_session_administration"
            | "list_session_administration_versions"
            | "get_patient_administration"
            | "list_patient_administration_versions" => (self.administered().await, Value::Null),
            "create_reminder" => (String::new(), reminder("09:00", true)),
            "get_reminder" | "delete_reminder" => (self.reminder(true).await, Value::Null),
            "update_reminder" => (self.reminder(false).await, json!({"title": "later"})),
            "create_patient_reminder" => (String::new(), reminder("09:00", false)),
            "update_patient_reminder" => (self.set_by_bo().await, json!({"title": "later"})),
            "list_patient_reminders" | "delete_patient_reminder" => (self.set_by_bo().await, Value::Null),
            "put_clinic_timeline" => {
                self.app.execute("UPDATE clinics SET version = 1", vec![]).await;
                (String::new(), json!({"edits": [{"template_id": "dosing-rest", "enabled": false}]}))
            }
            "snooze_notification" => {
                ana.delete("/v1/me/pause").await.expect(204);
                self.session().await;
                let ledger = ana.get("/v1/notifications?limit=1").await.expect(200);
                let id = id_of(&ledger["items"][0]);
                let sql = "UPDATE notifications SET state = 'accepted' WHERE id = $1";
                self.app.execute(sql, vec![id.parse::<Uuid>().unwrap().into()]).await;
                (id, json!({"for": "PT30M"}))
            }
            "mark_notification_opened" | "mark_notification_done" => {
                self.session().await;
                let ledger = ana.get("/v1/notifications?limit=1").await.expect(200);
                (id_of(&ledger["items"][0]), Value::Null)
            }
            "create_push_receipt" => {
                self.session().await;
                let ledger = ana.get("/v1/notifications?limit=1").await.expect(200);
                let token = receipt(&self.app, ana, &id_of(&ledger["items"][0]), &Uuid::nil().to_string());
                (String::new(), json!({"token": token, "event": "shown"}))
            }
            "create_push_subscription" => (String::new(), subscription(&self.endpoint())),
            "delete_push_subscription" | "test_push_subscription" => {
                let made =
                    ana.post("/v1/push/subscriptions", &subscription(&self.endpoint())).await.expect(201);
                let id = id_of(&made);
                self.keep_only_subscription(&id).await;
                (id, Value::Null)
            }
            "put_safety_plan" => {
                let sql = "DELETE FROM safety_plans WHERE patient_id = $1";
                self.app.execute(sql, vec![ana.id.into()]).await;
                let body = json!({"coping": ["a walk"]});
                let first =
                    ana.request(Method::PUT, "/v1/safety-plan").await.if_match(0).json(&body).send().await;
                first.expect(200);
                (String::new(), body)
            }
            "get_session_intention" | "list_session_readiness" | "get_session_preparation" => {
                (self.session().await, Value::Null)
            }
            "update_session_intention" => (self.session().await, json!({"text": "to listen"})),
            "put_session_readiness" => (self.session().await, json!({"done": true})),
            "put_prompt_favourite" | "delete_prompt_favourite" => ("ground-five-senses".into(), Value::Null),
            "create_goal" | "propose_goal" => (String::new(), json!({"title": "write more"})),
            "update_goal" => (ana.goal("hers").await, json!({"title": "hers still"})),
            "get_goal" | "delete_goal" | "list_goal_progress" | "list_goal_shares" => {
                (ana.goal("hers").await, Value::Null)
            }
            "create_goal_progress" => (ana.goal("hers").await, json!({"note": "it goes well"})),
            "update_goal_progress" => (self.progress().await, json!({"note": "it goes better"})),
            "delete_goal_progress" => (self.progress().await, Value::Null),
            "put_goal_share" => (ana.goal("hers").await, json!({})),
            "delete_goal_share" | "get_patient_goal" => {
                let goal = ana.goal("shared with Bo").await;
                ana.share_goal(&goal, bo, &json!({})).await.expect(200);
                (goal, Value::Null)
            }
            "agree_to_goal" => (bo.propose(ana, "as we discussed").await, Value::Null),
            "create_attachment" => {
                let body = json!({"field": "voice", "media_type": "audio/wav", "bytes": 10});
                (ana.impressions().await, body)
            }
            "list_attachments"
            | "get_attachment"
            | "put_attachment_part"
            | "complete_attachment"
            | "delete_attachment"
            | "get_shared_attachment" => (ana.impressions().await, Value::Null),
            "get_measure" => ("gad-7".to_owned(), Value::Null),
            "create_measure_response" => (String::new(), form("gad-7", "0000000")),
            "get_measure_response" | "put_measure_share" | "delete_measure_share" => {
                let made = ana.post("/v1/measure-responses", &form("gad-7", "0000000")).await.expect(201);
                (id_of(&made), Value::Null)
            }
            "create_measure_assignment" => (String::new(), self.measure()),
            "cancel_measure_assignment" => {
                let path = format!("/v1/patients/{}/measure-assignments", ana.id);
                (id_of(&bo.post(&path, &self.measure()).await.expect(201)), Value::Null)
            }
            "update_delivery_policy" => {
                // Everybody asks about a policy that nobody has changed yet.
                self.app.execute("DELETE FROM delivery_policies", vec![]).await;
                (String::new(), json!({"daily_cap": 3}))
            }
            "put_pause" => (String::new(), json!({"until": self.next_week()})),
            "join_care_team" => {
                let hal = self.app.therapist("hal").await;
                let code = self.app.invite(&hal, &json!({"kind": "patient"})).await;
                self.app
                    .execute("DELETE FROM care_relations WHERE member_id = $1", vec![hal.id.into()])
                    .await;
                (String::new(), json!({ "invitation_code": code }))
            }
            "update_staff_member" => {
                (self.app.therapist("gil").await.id.to_string(), json!({"profession": "Nurse"}))
            }
            "update_clinic" => {
                self.app.execute("UPDATE clinics SET version = 1", vec![]).await;
                (String::new(), json!({"phone": "+49 30 901820"}))
            }
            "create_consent" => {
                (String::new(), json!({"purpose": "reminders", "decision": "given", "text_version": "1"}))
            }
            _ => (String::new(), Value::Null),
        };
        let attachment = self.attachment(operation, &id).await;
        Thing { patient: ana.id.to_string(), id, member: bo.id.to_string(), body, attachment }
    }

    /// An attachment of Ana's in the state that the operation needs.
    async fn attachment(&self, operation: &str, entry: &str) -> String {
        let (ana, file) = (&self.ana, wav(100));
        match operation {
            "put_attachment_part" => ana.announce(entry, "voice", "audio/wav", file.len()).await,
            "complete_attachment" => ana.send_file(entry, "voice", "audio/wav", &file).await,
            "get_attachment" | "delete_attachment" => ana.voice_note(entry, &file).await,
            "get_shared_attachment" => {
                let id = ana.voice_note(entry, &file).await;
                ana.share(entry, &self.bo, &json!({})).await.expect(200);
                id
            }
            _ => String::new(),
        }
    }

    async fn handover(&self, from: &Person, to: &Person) -> String {
        let path = format!("/v1/patients/{}/handovers", self.ana.id);
        id_of(&from.post(&path, &json!({"to_member_id": to.id})).await.expect(201))
    }

    fn next_week(&self) -> String {
        (self.app.now() + Duration::days(7)).to_rfc3339()
    }

    async fn progress(&self) -> String {
        let path = format!("/v1/goals/{}/progress", self.ana.goal("hers").await);
        id_of(&self.ana.post(&path, &json!({"note": "it goes"})).await.expect(201))
    }

    fn measure(&self) -> Value {
        json!({"measure_id": "gad-7", "due_at": self.next_week()})
    }

    /// Nobody listens there, so a test push ends at once.
    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:65530/{}", new_uuid(&self.app))
    }

    /// Everybody's, so that the next session finds its time free.
    async fn clear_calendar(&self) {
        self.app.execute("UPDATE sessions SET state = 'cancelled'", vec![]).await;
        self.app.execute("UPDATE measure_assignments SET state = 'cancelled'", vec![]).await;
        self.app.execute("UPDATE clinics SET hours = NULL", vec![]).await;
    }

    fn plan(&self) -> Value {
        let first = (self.app.now() + Duration::days(30)).date_naive().to_string();
        json!({"template_id": "kap-weekly-4", "first_dosing_on": first, "route": "im", "without_measures": true})
    }

    async fn started_plan(&self) -> String {
        self.clear_calendar().await;
        id_of(&self.bo.post(&format!("/v1/patients/{}/plans", self.ana.id), &self.plan()).await.expect(201))
    }

    async fn session(&self) -> String {
        self.clear_calendar().await;
        id_of(&self.bo.schedule(&self.ana, "integration", self.app.now() + Duration::days(7)).await)
    }

    async fn session_of_now(&self) -> String {
        self.clear_calendar().await;
        id_of(&self.bo.schedule(&self.ana, "integration", self.app.now()).await)
    }

    /// Something that Ana asks for; what was asked before no longer waits.
    async fn request(&self) -> String {
        self.app.execute("UPDATE session_requests SET state = 'withdrawn'", vec![]).await;
        id_of(&self.ana.post("/v1/sessions/requests", &json!({"kind": "new"})).await.expect(201))
    }

    /// A dosing session that has just begun; `If-Match: "1"` is its record's first version.
    async fn administered(&self) -> String {
        self.clear_calendar().await;
        let id = id_of(&self.bo.schedule(&self.ana, "dosing", self.app.now()).await);
        let mut record = administration(self.app.now());
        record.as_object_mut().unwrap().remove("correction");
        let path = format!("/v1/sessions/{id}/administration");
        let mia = self.app.medical("mia").await;
        mia.request(Method::PUT, &path).await.if_match(0).json(&record).send().await.expect(200);
        id
    }

    /// One reminder; those of earlier requests go, because nobody may have very many.
    async fn reminder(&self, active: bool) -> String {
        self.app.execute("DELETE FROM reminders WHERE patient_id = $1", vec![self.ana.id.into()]).await;
        id_of(&self.ana.post("/v1/reminders", &reminder("09:00", active)).await.expect(201))
    }

    /// One reminder that her therapist set.
    async fn set_by_bo(&self) -> String {
        self.app.execute("DELETE FROM reminders WHERE patient_id = $1", vec![self.ana.id.into()]).await;
        let path = format!("/v1/patients/{}/reminders", self.ana.id);
        id_of(&self.bo.post(&path, &reminder("09:00", false)).await.expect(201))
    }

    async fn keep_only_subscription(&self, id: &str) {
        let id: Uuid = id.parse().unwrap();
        let sql = "DELETE FROM push_subscriptions WHERE account_id = $1 AND id <> $2";
        self.app.execute(sql, vec![self.ana.id.into(), id.into()]).await;
    }
}

async fn device_of(person: &Person) -> String {
    let devices = person.get("/v1/auth/devices").await.expect(200);
    let items = devices["items"].as_array().unwrap();
    id_of(items.iter().find(|device| device["current"] == true).unwrap())
}

/// What was given, and that it corrects what was recorded before.
pub fn administration(at: DateTime<Utc>) -> Value {
    json!({
        "route": "im", "substance": "ketamine", "doses": [{"amount": 60, "unit": "mg", "given_at": at}],
        "vitals": [{"taken_at": at, "systolic": 128, "diastolic": 82, "pulse": 74}],
        "events": [{"at": at, "what": "Nausea", "severity": "mild"}], "correction": "the pulse was 74",
    })
}

fn reminder(time: &str, active: bool) -> Value {
    json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": time}, "active": active})
}
