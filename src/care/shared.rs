//! `SharedPatient`: a therapist together with a patient in their care. Its fields are private: what belongs to the
//! patient is reached only through `SharedPatient::read` and `SharedPatient::write`, which record the act before
//! the answer leaves.

use std::ops::Deref;

use axum::{extract::FromRequestParts, http::request::Parts};
use entity::ids::PatientId;
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement, Value};

use crate::{
    accounts::{Caller, Clinician, Medical, Therapist},
    app::AppState,
    audit::Event,
    db::{WriteTx, Writing},
    error::{ApiError, ApiResult},
    extract::path_id,
    idempotency::{Answer, Replay},
    vault::{DataKey, KeyColumns, OwnerKind},
};

/// What a use case needs to know of the patient it is about.
#[derive(Debug)]
pub struct Scope {
    pub patient: PatientId,
    /// Opens what the patient wrote; what of it may be opened is the query's business.
    pub key: DataKey,
    pub zone: String,
}

/// A therapist and a patient whose care they take part in.
#[derive(Debug)]
pub struct SharedPatient {
    me: Caller,
    scope: Scope,
}

#[derive(FromQueryResult)]
struct Row {
    zone: String,
    #[sea_orm(nested)]
    key: KeyColumns,
}

const RELATION: &str = "SELECT a.zone, k.kek_id, k.generation, k.wrapped FROM care_relations r \
     JOIN accounts a ON a.id = r.patient_id AND a.state = 'active' \
     JOIN data_keys k ON k.owner_kind = 'patient' AND k.owner_id = r.patient_id \
     WHERE r.patient_id = $1 AND r.member_id = $2 AND r.ended_at IS NULL";

/// Like [`RELATION`], for whoever stands in for a member now.
const COVER: &str = "SELECT a.zone, k.kek_id, k.generation, k.wrapped FROM covers c \
     JOIN care_relations r ON r.member_id = c.member_id AND r.patient_id = $1 AND r.ended_at IS NULL \
     JOIN accounts a ON a.id = r.patient_id AND a.state = 'active' AND a.clinic_id = c.clinic_id \
     JOIN data_keys k ON k.owner_kind = 'patient' AND k.owner_id = r.patient_id \
     WHERE c.covering_id = $2 AND c.ended_at IS NULL AND c.starts_at <= $3 AND c.ends_at > $3 LIMIT 1";

impl SharedPatient {
    /// 404 unless the therapist takes part in the patient's care now.
    pub async fn find(app: &AppState, therapist: Therapist, patient: PatientId) -> ApiResult<Self> {
        Self::open(app, therapist.into_caller(), patient).await
    }

    async fn open(app: &AppState, me: Caller, patient: PatientId) -> ApiResult<Self> {
        let row = select(app, RELATION, vec![patient.0.into(), me.account.0.into()]).await?;
        Self::of(app, me, patient, row.ok_or(ApiError::NotFound)?)
    }

    fn of(app: &AppState, me: Caller, patient: PatientId, row: Row) -> ApiResult<Self> {
        let key = app.vault.unwrap(&row.key.of(OwnerKind::Patient, patient))?;
        Ok(Self { me, scope: Scope { patient, key, zone: row.zone } })
    }

    /// The member of staff.
    pub fn therapist(&self) -> &Caller {
        &self.me
    }

    /// Names a list of this patient's, so that its cursors fit no other patient's.
    pub fn list(&self, operation: &str) -> String {
        format!("{operation}:{}", self.scope.patient)
    }

    /// Reads, records who read what, and only then returns what was read.
    pub async fn read<T>(
        &self,
        app: &AppState,
        action: &'static str,
        resource: String,
        query: impl AsyncFnOnce(&DatabaseConnection, &Scope) -> ApiResult<T>,
    ) -> ApiResult<T> {
        let found = query(app.db.reader(), &self.scope).await?;
        let event = Event::new(action, self.scope.patient, resource);
        let row = event.stamp(app.clock.now(), Some(self.me.account), &self.me.request_id);
        app.reads.record(self.me.clinic.0, row).await?;
        Ok(found)
    }

    /// Writes under the patient's lock, with the act in the audit chain of the same transaction.
    pub async fn write<T>(
        &self,
        app: &AppState,
        action: &'static str,
        resource: String,
        work: impl AsyncFnOnce(&WriteTx, &Scope) -> ApiResult<T>,
    ) -> ApiResult<T> {
        app.db
            .write(&self.writing(), async |tx| {
                tx.audit(Event::new(action, self.scope.patient, resource));
                self.still_in_care(tx).await?;
                work(tx, &self.scope).await
            })
            .await
    }

    /// Like [`SharedPatient::write`], for creating requests with an idempotency key.
    pub async fn write_once(
        &self,
        app: &AppState,
        action: &'static str,
        resource: String,
        replay: Option<&Replay>,
        work: impl AsyncFnOnce(&WriteTx, &Scope) -> ApiResult<Answer>,
    ) -> ApiResult<Answer> {
        app.db
            .write_once(&self.writing(), replay, &self.me.key, async |tx| {
                tx.audit(Event::new(action, self.scope.patient, resource));
                self.still_in_care(tx).await?;
                work(tx, &self.scope).await
            })
            .await
    }

    fn writing(&self) -> Writing<'_> {
        Writing { patient: Some(self.scope.patient), ..self.me.writing() }
    }

    /// Under the patient's lock: care may have ended since the request came in.
    async fn still_in_care(&self, tx: &WriteTx) -> ApiResult<()> {
        let statement = Statement::from_sql_and_values(
            tx.conn().get_database_backend(),
            "SELECT 1 AS one FROM care_relations WHERE patient_id = $1 AND member_id = $2 AND ended_at IS NULL",
            [self.scope.patient.0.into(), self.me.account.0.into()],
        );
        tx.conn().query_one_raw(statement).await?.map(drop).ok_or(ApiError::NotFound)
    }
}

async fn select(app: &AppState, sql: &str, values: Vec<Value>) -> ApiResult<Option<Row>> {
    let conn = app.db.reader();
    let statement = Statement::from_sql_and_values(conn.get_database_backend(), sql, values);
    Ok(Row::find_by_statement(statement).one(conn).await?)
}

/// A therapist and a patient in their care, or in that of a colleague they stand in for now. It can only be read, and
/// only the digest.
#[derive(Debug)]
pub struct DigestPatient {
    shared: SharedPatient,
    covering: bool,
}

impl DigestPatient {
    /// Whether the therapist stands in for somebody.
    pub fn covering(&self) -> bool {
        self.covering
    }

    pub fn therapist(&self) -> &Caller {
        self.shared.therapist()
    }

    /// Reads the digest, and records who did.
    pub async fn read<T>(
        &self,
        app: &AppState,
        query: impl AsyncFnOnce(&DatabaseConnection, &Scope) -> ApiResult<T>,
    ) -> ApiResult<T> {
        let resource = if self.covering { "digest standing in" } else { "digest" };
        self.shared.read(app, "review.digest", resource.into(), query).await
    }
}

impl FromRequestParts<AppState> for DigestPatient {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let me = Therapist::from_request_parts(parts, app).await?.into_caller();
        let patient = PatientId(path_id(parts, app, "patient_id").await?);
        let mut values: Vec<Value> = vec![patient.0.into(), me.account.0.into()];
        let (row, covering) = match select(app, RELATION, values.clone()).await? {
            Some(row) => (row, false),
            None => {
                values.push(app.clock.now().into());
                (select(app, COVER, values).await?.ok_or(ApiError::NotFound)?, true)
            }
        };
        Ok(Self { shared: SharedPatient::of(app, me, patient, row)?, covering })
    }
}

impl FromRequestParts<AppState> for SharedPatient {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let therapist = Therapist::from_request_parts(parts, app).await?;
        let patient = path_id(parts, app, "patient_id").await?;
        Self::find(app, therapist, patient.into()).await
    }
}

/// The same door for staff who are no therapists.
macro_rules! further_doors {
    ($($(#[$doc:meta])* $name:ident, $role:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(SharedPatient);

        impl $name {
            /// 404 unless they take part in the patient's care now.
            pub async fn find(app: &AppState, me: $role, patient: PatientId) -> ApiResult<Self> {
                SharedPatient::open(app, Caller::clone(&me), patient).await.map(Self)
            }
        }

        impl Deref for $name {
            type Target = SharedPatient;

            fn deref(&self) -> &SharedPatient {
                &self.0
            }
        }

        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
                let me = $role::from_request_parts(parts, app).await?;
                let patient = path_id(parts, app, "patient_id").await?;
                Self::find(app, me, patient.into()).await
            }
        }
    )*};
}

further_doors! {
    /// Medical staff and a patient in whose care they take part.
    MedicalPatient, Medical;
    /// A therapist or medical staff, and a patient in whose care they take part.
    TreatedPatient, Clinician;
}
