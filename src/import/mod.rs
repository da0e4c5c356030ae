//! Reading a patient's archive into this installation: a patient who changes clinics brings it along. Their records
//! come with their ids and nothing of them is lost; what bound them to the other clinic stays behind, and
//! `tables.rs` says why. All of it is one transaction, read back and compared before it counts.

mod archive;
mod files;
mod rows;
mod tables;

use std::collections::BTreeMap;

use entity::{
    accounts, data_keys,
    ids::{AccountId, ClinicId, PatientId},
    patients, zone_history,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Map, Value};

pub use self::archive::Archive;
use self::rows::wrong;
use crate::{
    accounts::{Capabilities, Capability, NewAccount, create_account, wrapped},
    app::AppState,
    audit::Event,
    care,
    db::{WriteTx, Writing},
    error::ApiError,
    export::{self, Keys},
    fhir, reminders,
    sync::{self, Reader},
    vault::{KeyOwner, OwnerKind},
};

/// Why an archive was not read in. Says where, and never what stood there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("this is no archive of Afterglow: {0}")]
    NoArchive(&'static str),
    #[error("{at}: {why}")]
    Record { at: String, why: &'static str },
    #[error("{0}")]
    Refused(String),
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("{0:?}")]
    Failed(ApiError),
}

impl From<ApiError> for ImportError {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<sea_orm::DbErr> for ImportError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Failed(error.into())
    }
}

/// What was read in.
#[derive(Debug)]
pub struct Imported {
    pub patient: PatientId,
    pub email: String,
    /// How many rows of each kind of record.
    pub rows: BTreeMap<&'static str, usize>,
    pub files: usize,
}

/// Reads the archive in, for a patient whom this therapist will care for. `email` replaces the address in the archive.
pub async fn import(
    app: &AppState,
    archive: &mut Archive,
    therapist: &str,
    email: Option<String>,
) -> Result<Imported, ImportError> {
    let therapist = find_therapist(app, therapist).await?;
    let account = account(app, archive, therapist.clinic_id, email).await?;
    let (patient, email) = (PatientId(account.id.0), account.email.clone());
    let writing = Writing {
        actor: therapist.id,
        stream: therapist.clinic_id.0,
        patient: None,
        request_id: "command-line",
    };
    let mut failure = None;
    let written =
        app.db.write(&writing, async |tx| match write(app, tx, archive, account, &therapist).await {
            Ok(imported) => Ok(imported),
            Err(ImportError::Failed(error)) => Err(error),
            Err(other) => {
                failure = Some(other);
                Err(ApiError::NotFound)
            }
        });
    let written = written.await;
    match (written, failure) {
        (_, Some(failure)) => Err(failure),
        (written, None) => {
            written.map(|(rows, files)| Imported { patient, email, rows, files }).map_err(Into::into)
        }
    }
}

async fn find_therapist(app: &AppState, address: &str) -> Result<accounts::Model, ImportError> {
    let found = accounts::Entity::find()
        .filter(accounts::Column::EmailIndex.eq(app.vault.index().email(address)))
        .filter(accounts::Column::State.eq("active"))
        .one(app.db.reader())
        .await?;
    found.filter(|one| Capabilities::parse(&one.capabilities).has(Capability::Therapist)).ok_or_else(|| {
        ImportError::Refused(
            "--therapist: nobody here with this address is a therapist; the patient comes into their care."
                .into(),
        )
    })
}

/// The account to be: of the archive's id, with a password that nobody knows.
async fn account(
    app: &AppState,
    archive: &Archive,
    clinic: ClinicId,
    email: Option<String>,
) -> Result<NewAccount, ImportError> {
    let row = archive.account()?;
    let text = |name: &'static str| {
        let found = row.get(name).and_then(Value::as_str).filter(|text| !text.is_empty() && text.len() < 500);
        found.map(str::to_owned).ok_or_else(|| wrong(format!("/tables/accounts/0/{name}"), "is missing"))
    };
    let zone = text("zone")?;
    if reminders::rules::localtime::Zone::parse(&zone).is_err() {
        return Err(wrong("/tables/accounts/0/zone".into(), "is no time zone"));
    }
    let unknown: [u8; 32] = app.random.bytes();
    let unknown: String = unknown.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(NewAccount {
        id: AccountId(archive.patient()),
        clinic,
        is_patient: true,
        capabilities: Capabilities::new(Vec::new()),
        profession: None,
        email: email.map_or_else(|| text("email"), Ok)?,
        display_name: text("name")?,
        zone,
        locale: text("locale")?,
        password_hash: app.passwords.hash(&unknown).await?,
    })
}

async fn write(
    app: &AppState,
    tx: &WriteTx,
    archive: &mut Archive,
    account: NewAccount,
    therapist: &accounts::Model,
) -> Result<(BTreeMap<&'static str, usize>, usize), ImportError> {
    let (patient, locale, zone) = (PatientId(account.id.0), account.locale.clone(), account.zone.clone());
    refuse_known(tx, account.id).await?;
    if !create_account(tx.conn(), &app.vault, account, tx.now()).await? {
        return Err(ImportError::Refused(
            "this e-mail address already has an account here; give another one with --email.".into(),
        ));
    }
    care::begin(app, tx, patient, therapist.id, therapist.clinic_id).await?;
    let keys = keys(app, tx, patient, therapist.clinic_id).await?;
    let to = rows::Target { patient, clinic: therapist.clinic_id, keys: &keys, now: tx.now() };
    let mut tables = archive.take_tables()?;
    tables::close(&mut tables, &to);
    // The archive has the zones of their life; an account begins with the one it has.
    if tables.contains_key("zone_history") {
        let begun = zone_history::Column::PatientId.eq(patient);
        zone_history::Entity::delete_many().filter(begun).exec(tx.conn()).await?;
    }
    let rows = tables::insert(tx.conn(), &tables, &to).await?;
    let files = files::store(tx, archive, &keys.patient, patient).await?;
    note_sync(tx, patient).await?;
    reminders::replan_patient(tx, patient).await?;
    compare(tx, &tables, &to).await?;
    show(app, tx, &keys, (patient, &zone, &locale)).await?;
    tx.audit(Event::new("import.records", patient, format!("accounts/{patient}")));
    tx.wake_scheduler();
    Ok((rows, files))
}

async fn refuse_known(tx: &WriteTx, id: AccountId) -> Result<(), ImportError> {
    let here = accounts::Entity::find_by_id(id).one(tx.conn()).await?.is_some();
    // An erased patient's account is gone; the key of the clinic's record about them stays.
    let erased = data_keys::Entity::find().filter(data_keys::Column::OwnerId.eq(id.0)).one(tx.conn()).await?;
    if here || erased.is_some() {
        return Err(ImportError::Refused(
            "this patient is, or was, in this installation already; nothing is written over.".into(),
        ));
    }
    Ok(())
}

async fn keys(
    app: &AppState,
    tx: &WriteTx,
    patient: PatientId,
    clinic: ClinicId,
) -> Result<Keys, ImportError> {
    let mut own = Vec::new();
    for kind in [OwnerKind::Patient, OwnerKind::ClinicRecord] {
        let row = wrapped(tx.conn(), KeyOwner::new(kind, patient)).await?;
        own.push(app.vault.unwrap(&row).map_err(ApiError::from)?);
    }
    let record = own.pop();
    let patient = own.pop().ok_or(ApiError::NotFound)?;
    Ok(Keys { patient, record, clinic: care::clinic_key(app, clinic).await? })
}

/// Reads everything as it will be asked for: what could not be shown is found here, and not on the patient's phone.
async fn show(
    app: &AppState,
    tx: &WriteTx,
    keys: &Keys,
    (patient, zone, locale): (PatientId, &str, &str),
) -> Result<(), ImportError> {
    let reader = Reader {
        conn: tx.conn(),
        patient,
        key: &keys.patient,
        vault: &app.vault,
        measures: &app.measures,
        zone,
        locale,
        now: tx.now(),
        card: None,
    };
    let unfit = |_| wrong("/tables".into(), "has a record that cannot be shown here");
    sync::read_all(&reader).await.map_err(unfit)?;
    let opening = fhir::Keys { patient: &keys.patient, record: keys.record.as_ref(), clinic: &keys.clinic };
    fhir::load(app, tx.conn(), (patient, opening), (fhir::Reader::Own, locale)).await.map(drop).map_err(unfit)
}

/// Everything came with one change.
async fn note_sync(tx: &WriteTx, patient: PatientId) -> Result<(), ImportError> {
    patients::Entity::update_many()
        .col_expr(patients::Column::SyncSeq, Expr::value(rows::SYNC_SEQ))
        .filter(patients::Column::PatientId.eq(patient))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Reads all of it back, opened again, and compares it with what the archive says.
async fn compare(
    tx: &WriteTx,
    tables: &Map<String, Value>,
    to: &rows::Target<'_>,
) -> Result<(), ImportError> {
    let stored = export::records(tx.conn(), to.patient, to.keys).await?;
    for (table, rows) in tables {
        let there = stored.get(table).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (number, row) in rows.as_array().into_iter().flatten().enumerate() {
            if !there.contains(row) {
                return Err(wrong(format!("/tables/{table}/{number}"), "does not come back as it was"));
            }
        }
    }
    Ok(())
}
