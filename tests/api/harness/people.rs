//! People, made as they are made outside: the first admin from the command line, everybody else by invitation.

use std::sync::{Arc, Mutex};

use afterglow::{
    accounts::{Capabilities, Capability, NewAccount, create_account, seed_place, wrapped},
    care::{NewClinic, create_clinic},
    vault::{KeyOwner, OwnerKind},
};
use axum::http::Method;
use chrono::{DateTime, Duration, Utc};
use entity::ids::{AccountId, ClinicId};
use sea_orm::TransactionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Reply, Request, TestApp};

pub const PASSWORD: &str = "violet harbour copper meadow";
const HOME: &str = "home";
/// What every authenticator app of these people holds.
pub const SEED: [u8; 20] = *b"a seed of all tests.";

/// Somebody with an account and one device, or nobody in particular. Renews the access token when the clock moved on,
/// as a phone does.
#[derive(Clone)]
pub struct Person {
    pub app: TestApp,
    pub name: String,
    pub id: Uuid,
    tokens: Option<Arc<Mutex<Tokens>>>,
}

/// Somebody as the application remembers them: without the application, which would otherwise never end.
pub struct Known {
    name: String,
    id: Uuid,
    tokens: Option<Arc<Mutex<Tokens>>>,
}

struct Tokens {
    access: String,
    refresh: String,
    /// What the device proves by that it is known.
    device: Option<String>,
    until: DateTime<Utc>,
}

impl TestApp {
    /// Nobody in particular.
    pub fn anon(&self) -> Person {
        Person { app: self.clone(), name: "anon".into(), id: Uuid::nil(), tokens: None }
    }

    /// The admin of the clinic everybody belongs to.
    pub async fn admin(&self) -> Person {
        self.admin_of(HOME).await
    }

    /// The admin of another clinic.
    pub async fn admin_of(&self, clinic: &str) -> Person {
        let name = format!("admin-{clinic}");
        if let Some(person) = self.known(&name).await {
            return person;
        }
        let id = self.found(clinic, &name).await;
        self.enrol(id).await;
        let person = self.log_in(&name).await;
        self.remember(person).await
    }

    /// A therapist of the clinic everybody belongs to.
    pub async fn therapist(&self, name: &str) -> Person {
        self.therapist_of(HOME, name).await
    }

    /// A therapist of another clinic.
    pub async fn therapist_of(&self, clinic: &str, name: &str) -> Person {
        self.staff_of(clinic, "therapist", name).await
    }

    /// Medical staff of the clinic everybody belongs to, who are no therapists.
    pub async fn medical(&self, name: &str) -> Person {
        self.staff_of(HOME, "medical", name).await
    }

    /// Whoever keeps the calendar of the clinic everybody belongs to.
    pub async fn coordinator(&self, name: &str) -> Person {
        self.staff_of(HOME, "coordinator", name).await
    }

    /// A member of staff with one capability.
    pub async fn staff_of(&self, clinic: &str, capability: &str, name: &str) -> Person {
        if let Some(person) = self.known(name).await {
            return person;
        }
        let admin = self.admin_of(clinic).await;
        let profession = if capability == "therapist" { "Psychotherapist" } else { "Staff" };
        let invitation = json!({"kind": "staff", "capabilities": [capability], "profession": profession});
        let person = self.join(&admin, &invitation, name).await;
        self.enrol(person.id).await;
        self.remember(person).await
    }

    /// A therapist who has just registered, and has no second factor yet.
    pub async fn newcomer(&self, name: &str) -> Person {
        let admin = self.admin_of(HOME).await;
        self.join(&admin, &json!({"kind": "staff", "capabilities": ["therapist"]}), name).await
    }

    /// Gives a member of staff a second factor, straight in the database: enrolling has tests of its own.
    pub async fn enrol(&self, account: Uuid) {
        let owner = KeyOwner::new(OwnerKind::Account, account);
        let key = self.state.vault.unwrap(&wrapped(self.conn(), owner).await.unwrap()).unwrap();
        let sealed = key.seal(seed_place(account.into()), &SEED);
        let enrolled = "UPDATE accounts SET totp_seed_sealed = $1, totp_confirmed_at = $2 WHERE id = $3";
        self.execute(enrolled, vec![sealed.into(), self.now().into(), account.into()]).await;
        self.execute("UPDATE logins SET assurance = 'totp' WHERE account_id = $1", vec![account.into()])
            .await;
    }

    /// The code that everybody's authenticator app shows now.
    pub fn totp_code(&self) -> String {
        code_of(&SEED, self.now())
    }

    /// Adds a code for whoever needs one. The clock stands still, so the step is made good again.
    async fn with_code(&self, name: &str, mut body: Value) -> Value {
        let index = self.state.vault.index().email(&email(name));
        let unspent = "UPDATE accounts SET totp_last_step = NULL \
            WHERE email_index = $1 AND totp_confirmed_at IS NOT NULL RETURNING id";
        if !self.query(unspent, vec![index.into()]).await.is_empty() {
            body["totp_code"] = json!(self.totp_code());
        }
        body
    }

    /// A patient in Bo's care.
    pub async fn patient(&self, name: &str) -> Person {
        let bo = self.therapist("bo").await;
        self.patient_of(&bo, name).await
    }

    /// A patient in this therapist's care.
    pub async fn patient_of(&self, therapist: &Person, name: &str) -> Person {
        if let Some(person) = self.known(name).await {
            return person;
        }
        let person = self.join(therapist, &json!({"kind": "patient"}), name).await;
        self.remember(person).await
    }

    /// Takes away what a member of staff may do, as an admin does when somebody leaves.
    pub async fn stop(&self, who: &Person) {
        let nothing = json!({"capabilities": []});
        self.admin().await.patch(&format!("/v1/staff/{}", who.id), 1, &nothing).await.expect(200);
    }

    /// A code of a fresh invitation.
    pub async fn invite(&self, host: &Person, invitation: &Value) -> String {
        let body = host.post("/v1/invitations", invitation).await.expect(201);
        body["code"].as_str().unwrap().to_owned()
    }

    async fn join(&self, host: &Person, invitation: &Value, name: &str) -> Person {
        let code = self.invite(host, invitation).await;
        let pair = self.anon().post("/v1/auth/register", &registration(&code, name)).await.expect(201);
        self.person(name, &pair)
    }

    /// The same person on one more device.
    pub async fn log_in(&self, name: &str) -> Person {
        let body = json!({"email": email(name), "password": PASSWORD, "device_name": "another device"});
        let body = self.with_code(name, body).await;
        let pair = self.anon().post("/v1/auth/login", &body).await.expect(200);
        self.person(name, &pair)
    }

    /// Somebody behind a pair of tokens.
    pub fn person(&self, name: &str, pair: &Value) -> Person {
        let id = pair["account_id"].as_str().unwrap().parse().unwrap();
        let tokens = Some(Arc::new(Mutex::new(tokens(self, pair))));
        Person { app: self.clone(), name: name.to_owned(), id, tokens }
    }

    async fn known(&self, name: &str) -> Option<Person> {
        let people = self.people.lock().await;
        let known = people.iter().find(|known| known.name == name)?;
        Some(Person {
            app: self.clone(),
            name: known.name.clone(),
            id: known.id,
            tokens: known.tokens.clone(),
        })
    }

    async fn remember(&self, person: Person) -> Person {
        let known = Known { name: person.name.clone(), id: person.id, tokens: person.tokens.clone() };
        self.people.lock().await.push(known);
        person
    }

    /// A clinic and its first admin, as `afterglow admin create` makes them.
    async fn found(&self, clinic: &str, admin: &str) -> Uuid {
        let (state, now) = (&self.state, self.now());
        let id = ClinicId(state.random.uuid_v7(now));
        let first = AccountId(state.random.uuid_v7(now));
        let account = NewAccount {
            id: first,
            clinic: id,
            is_patient: false,
            capabilities: Capabilities::new(vec![Capability::Admin]),
            profession: None,
            email: email(admin),
            display_name: admin.to_owned(),
            zone: "Europe/Berlin".into(),
            locale: "en".into(),
            password_hash: state.passwords.hash(PASSWORD).await.unwrap(),
        };
        let rooms = NewClinic {
            id,
            name: clinic,
            country: "DE",
            zone: "Europe/Berlin",
            phone: Some("+49 30 901820"),
        };
        let txn = self.conn().begin().await.unwrap();
        create_clinic(&txn, &state.vault, rooms, now).await.unwrap();
        assert!(create_account(&txn, &state.vault, account, now).await.unwrap());
        txn.commit().await.unwrap();
        first.0
    }
}

/// The code that an authenticator app with this seed shows at an instant.
pub fn code_of(seed: &[u8], at: DateTime<Utc>) -> String {
    let totp = totp_rs::Builder::new().with_secret(seed.to_vec()).build().unwrap();
    totp.generate(at.timestamp().try_into().unwrap()).to_string()
}

pub fn email(name: &str) -> String {
    format!("{name}@example.org")
}

/// What somebody sends who was invited.
pub fn registration(code: &str, name: &str) -> Value {
    json!({
        "invitation_code": code, "email": email(name), "password": PASSWORD, "display_name": name,
        "time_zone": "Europe/Berlin", "locale": "en", "device_name": format!("{name}'s phone"),
    })
}

fn tokens(app: &TestApp, pair: &Value) -> Tokens {
    let text = |field: &str| pair[field].as_str().unwrap().to_owned();
    let life = Duration::seconds(pair["expires_in"].as_i64().unwrap());
    Tokens {
        access: text("access_token"),
        refresh: text("refresh_token"),
        device: pair["device_secret"].as_str().map(str::to_owned),
        until: app.now() + life,
    }
}

impl Person {
    pub fn access_token(&self) -> String {
        self.tokens.as_ref().unwrap().lock().unwrap().access.clone()
    }

    pub fn refresh_token(&self) -> String {
        self.tokens.as_ref().unwrap().lock().unwrap().refresh.clone()
    }

    /// A request with a token that is not expired.
    pub async fn request(&self, method: Method, path: &str) -> Request {
        let request = Request::new(&self.app, method, path);
        let Some(held) = &self.tokens else { return request };
        if held.lock().unwrap().until <= self.app.now() {
            let device = held.lock().unwrap().device.clone();
            let body = json!({"email": email(&self.name), "password": PASSWORD, "device_secret": device});
            let body = self.app.with_code(&self.name, body).await;
            let pair = self.app.anon().post("/v1/auth/login", &body).await.expect(200);
            let fresh = tokens(&self.app, &pair);
            *held.lock().unwrap() = Tokens { device: fresh.device.clone().or(device), ..fresh };
        }
        request.bearer(&self.access_token())
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path).await.send().await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        Box::pin(async { self.request(Method::POST, path).await.json(body).send().await }).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::PUT, path).await.json(body).send().await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, path).await.send().await
    }

    /// Changes what is still at `version`.
    pub async fn patch(&self, path: &str, version: i64, body: &Value) -> Reply {
        self.request(Method::PATCH, path).await.if_match(version).json(body).send().await
    }

    /// Deletes what is still at `version`.
    pub async fn delete_at(&self, path: &str, version: i64) -> Reply {
        self.request(Method::DELETE, path).await.if_match(version).send().await
    }

    /// A POST without a body, on what is still at `version`.
    pub async fn step(&self, path: &str, version: i64) -> Reply {
        self.request(Method::POST, path).await.if_match(version).send().await
    }

    // Short forms of what many tests begin with.

    pub async fn checkin(&self, mood: i64) -> Value {
        self.post("/v1/checkins", &json!({ "mood": mood })).await.expect(201)
    }

    /// Writes an entry and returns its id.
    pub async fn entry(&self, words: &str) -> String {
        let body = json!({"title": words, "fields": {"text": words}});
        id_of(&self.post("/v1/journal/entries", &body).await.expect(201))
    }

    pub async fn share(&self, entry: &str, with: &Person, how: &Value) -> Reply {
        self.put(&format!("/v1/journal/entries/{entry}/shares/{}", with.id), how).await
    }

    pub async fn unshare(&self, entry: &str, with: &Person) -> Reply {
        self.delete(&format!("/v1/journal/entries/{entry}/shares/{}", with.id)).await
    }

    /// Sets a goal and returns its id.
    pub async fn goal(&self, title: &str) -> String {
        id_of(&self.post("/v1/goals", &json!({ "title": title })).await.expect(201))
    }

    /// Proposes a goal to a patient and returns its id.
    pub async fn propose(&self, patient: &Person, title: &str) -> String {
        let path = format!("/v1/patients/{}/goals", patient.id);
        id_of(&self.post(&path, &json!({ "title": title })).await.expect(201))
    }

    pub async fn share_goal(&self, goal: &str, with: &Person, how: &Value) -> Reply {
        self.put(&format!("/v1/goals/{goal}/shares/{}", with.id), how).await
    }

    /// Schedules a session of a patient; `kind` integration, at noon UTC so many days from now.
    pub async fn schedule(&self, patient: &Person, kind: &str, starts_at: DateTime<Utc>) -> Value {
        let body = json!({"kind": kind, "starts_at": starts_at.to_rfc3339()});
        self.post(&format!("/v1/patients/{}/sessions", patient.id), &body).await.expect(201)
    }
}

pub fn id_of(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}
