//! The people: one admin, therapists, patients, each with keys and a login.

use chrono::{DateTime, Duration, Utc};
use entity::{
    accounts as account_rows, care_relations,
    ids::{AccountId, CheckinId, ClinicId, JournalEntryId, LoginId, PatientId, RelationId},
    logins, patients, zone_history,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::{PATIENTS_PER_THERAPIST, SeedArgs, writer::Batch};
use crate::{
    accounts::{Capabilities, Capability, NewAccount, account_row, device_place, wrapped},
    app::AppState,
    error::{ApiError, ApiResult},
    reminders::rules::localtime::Zone,
    vault::{DataKey, KeyOwner, OwnerKind},
};

/// What a load tool is told of somebody.
pub struct Person {
    pub role: &'static str,
    pub account: AccountId,
    pub login: LoginId,
    pub email: String,
    pub therapist: Option<AccountId>,
    pub checkin: Option<CheckinId>,
    /// The latest shared entry, or the latest at all.
    pub entry: Option<JournalEntryId>,
}

/// A patient while their records are made.
pub struct Patient {
    pub person: Person,
    pub id: PatientId,
    pub number: usize,
    /// Number and tag of the run: no two seeded patients ever share it.
    pub device: String,
    pub therapist: AccountId,
    pub key: DataKey,
    pub zone: Zone,
    pub joined: DateTime<Utc>,
}

/// Everybody who was made, and what they share.
pub struct Cast {
    pub clinic: ClinicId,
    pub admin: Person,
    pub therapists: Vec<Person>,
    pub patients: Vec<Person>,
    tag: String,
    password_hash: String,
}

const FIRST: [&str; 16] = [
    "Ana", "Ben", "Chiara", "David", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katja", "Luis",
    "Mina", "Noah", "Olga", "Pablo",
];
const LAST: [&str; 11] = [
    "Adler", "Brandt", "Costa", "Dubois", "Ekström", "Fischer", "García", "Horvat", "Ivanova", "Janssen",
    "Keller",
];
/// Where patients live when nothing has to be due.
const ZONES: [&str; 4] = ["Europe/Berlin", "Europe/Lisbon", "America/New_York", "Asia/Tokyo"];
/// One zone for about every hour, to find those where it is late morning.
const AROUND: [&str; 16] = [
    "Pacific/Honolulu",
    "America/Anchorage",
    "America/Phoenix",
    "America/Chicago",
    "America/Puerto_Rico",
    "America/Sao_Paulo",
    "Atlantic/Cape_Verde",
    "Europe/London",
    "Europe/Berlin",
    "Africa/Nairobi",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Bangkok",
    "Asia/Tokyo",
    "Australia/Brisbane",
    "Pacific/Auckland",
];

impl Cast {
    pub fn new(clinic: ClinicId, tag: String, password_hash: String) -> Self {
        let admin = Person {
            role: "admin",
            account: AccountId(clinic.0),
            login: LoginId(clinic.0),
            email: String::new(),
            therapist: None,
            checkin: None,
            entry: None,
        };
        Self { clinic, admin, therapists: Vec::new(), patients: Vec::new(), tag, password_hash }
    }

    /// Gives the admin that came with the clinic a login.
    pub async fn admit_admin(&mut self, app: &AppState, email: &str, batch: &mut Batch) -> ApiResult<()> {
        let account = account_rows::Entity::find()
            .filter(account_rows::Column::EmailIndex.eq(app.vault.index().email(email)))
            .one(app.db.writer())
            .await?
            .ok_or(ApiError::NotFound)?;
        let owner = KeyOwner::new(OwnerKind::Account, account.id);
        let key = app.vault.unwrap(&wrapped(app.db.writer(), owner).await?)?;
        self.admin.account = account.id;
        self.admin.login = log_in(app, account.id, &key, false, batch);
        self.admin.email = email.to_owned();
        Ok(())
    }

    /// A therapist with a login.
    pub fn hire(&mut self, app: &AppState, number: usize, batch: &mut Batch) {
        let email = format!("therapist-{number}-{}@seed.example", self.tag);
        let new = NewAccount {
            capabilities: Capabilities::new(vec![Capability::Therapist]),
            profession: Some("psychotherapist".to_owned()),
            ..self.newcomer(app, number, &email, false)
        };
        let (account, key) = enter(app, new, batch);
        let login = log_in(app, account, &key, false, batch);
        let person =
            Person { role: "therapist", account, login, email, therapist: None, checkin: None, entry: None };
        self.therapists.push(person);
    }

    /// A patient in the care of the therapist whose turn it is.
    pub fn admit_patient(
        &self,
        app: &AppState,
        args: &SeedArgs,
        number: usize,
        batch: &mut Batch,
    ) -> ApiResult<Patient> {
        let now = app.clock.now();
        let email = format!("patient-{number}-{}@seed.example", self.tag);
        let new = self.newcomer(app, number, &email, true);
        let zone = if args.due_in.is_some() {
            daytime_zone(now, number)?
        } else {
            zone(ZONES[number % ZONES.len()])?
        };
        let (account, key) = enter(app, NewAccount { zone: zone.name().to_owned(), ..new }, batch);
        let (id, joined) = (PatientId(account.0), now - days(1 + args.checkins.max(args.journal)));
        let (_, record) = app.vault.create(KeyOwner::new(OwnerKind::ClinicRecord, id));
        batch.keys.push(record.into_row(now));
        // The counter stands where the last of the records about to be made has left it.
        let sync_seq = number_of(args.checkins + args.journal + usize::from(args.due_in.is_some()));
        let counter = patients::ActiveModel {
            patient_id: Set(id),
            sync_seq: Set(sync_seq),
            sync_floor: Set(0),
            timeline_version: Set(0),
        };
        batch.patients.push(counter);
        batch.zones.push(zone_history::ActiveModel {
            patient_id: Set(id),
            from_at: Set(joined),
            zone: Set(zone.name().to_owned()),
        });
        let login = log_in(app, account, &key, true, batch);
        let therapist = self.therapists[(number / PATIENTS_PER_THERAPIST) % self.therapists.len()].account;
        batch.relations.push(care_relations::ActiveModel {
            patient_id: Set(id),
            id: Set(RelationId(app.random.uuid_v7(now))),
            member_id: Set(therapist),
            clinic_id: Set(self.clinic),
            started_at: Set(joined),
            ended_at: Set(None),
            ended_by: Set(None),
            review_seq: Set(0),
        });
        let person = Person {
            role: "patient",
            account,
            login,
            email,
            therapist: Some(therapist),
            checkin: None,
            entry: None,
        };
        let device = format!("{number}-{}", self.tag);
        Ok(Patient { person, id, number, device, therapist, key, zone, joined }.with_latest(app, args))
    }

    fn newcomer(&self, app: &AppState, number: usize, email: &str, is_patient: bool) -> NewAccount {
        NewAccount {
            id: AccountId(app.random.uuid_v7(app.clock.now())),
            clinic: self.clinic,
            is_patient,
            capabilities: Capabilities::default(),
            profession: None,
            email: email.to_owned(),
            display_name: format!("{} {}", FIRST[number % FIRST.len()], LAST[number % LAST.len()]),
            zone: "Europe/Berlin".to_owned(),
            locale: "en".to_owned(),
            password_hash: self.password_hash.clone(),
        }
    }
}

impl Patient {
    /// Names the records that a load tool will ask for before they are made.
    fn with_latest(mut self, app: &AppState, args: &SeedArgs) -> Self {
        let now = app.clock.now();
        self.person.checkin = (args.checkins > 0).then(|| CheckinId(app.random.uuid_v7(now)));
        self.person.entry = (args.journal > 0).then(|| JournalEntryId(app.random.uuid_v7(now)));
        self
    }
}

/// The account's row and key. Passwords of seeded people are one password, hashed once.
fn enter(app: &AppState, new: NewAccount, batch: &mut Batch) -> (AccountId, DataKey) {
    let (id, now) = (new.id, app.clock.now());
    let kind = if new.is_patient { OwnerKind::Patient } else { OwnerKind::Account };
    let (key, wrapped) = app.vault.create(KeyOwner::new(kind, id));
    batch.accounts.push(account_row(&app.vault, &key, new, now));
    batch.keys.push(wrapped.into_row(now));
    (id, key)
}

fn log_in(app: &AppState, account: AccountId, key: &DataKey, is_patient: bool, batch: &mut Batch) -> LoginId {
    let (now, auth) = (app.clock.now(), &app.config.auth);
    let id = LoginId(app.random.uuid_v7(now));
    let (idle, most) = if is_patient {
        (Duration::days(auth.patient_idle_days), Duration::days(auth.patient_max_days))
    } else {
        (Duration::minutes(auth.staff_idle_minutes), Duration::hours(auth.staff_max_hours))
    };
    batch.logins.push(logins::ActiveModel {
        id: Set(id),
        account_id: Set(account),
        epoch: Set(1),
        assurance: Set("password".to_owned()),
        factor_at: Set(now),
        counter: Set(1),
        rotated_at: Set(now),
        device_name_sealed: Set(key.seal_text(device_place(id), "Seeded device")),
        created_at: Set(now),
        last_used_at: Set(now),
        idle_expires_at: Set(now + idle.min(most)),
        expires_at: Set(now + most),
        revoked_at: Set(None),
        revoke_reason: Set(None),
    });
    id
}

fn zone(name: &str) -> ApiResult<Zone> {
    Zone::parse(name).map_err(ApiError::internal)
}

/// A zone where it is late morning, so that what falls due within hours meets no quiet hours.
fn daytime_zone(now: DateTime<Utc>, number: usize) -> ApiResult<Zone> {
    let zones = AROUND.into_iter().map(zone).collect::<ApiResult<Vec<_>>>()?;
    let awake = zones.into_iter().filter(|zone| (10..15).contains(&zone.local(now).hour()));
    let awake: Vec<Zone> = awake.collect();
    awake.get(number % awake.len().max(1)).cloned().ok_or(ApiError::NotFound)
}

/// A count as the database keeps it.
pub fn number_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// So many days.
pub fn days(count: usize) -> Duration {
    Duration::try_days(number_of(count)).unwrap_or_default()
}
