//! What a slice says about itself so that its rows travel to devices and back. A collection that is only read
//! implements [`Pulled`]; one that devices change implements [`Pushed`] as well. A new one needs a line in
//! [`SyncCollection`], in `dto.rs` (`SyncPage`, `SyncRow`), in `pull.rs` and in `push.rs`; the compiler asks for each.

use chrono::{DateTime, Utc};
use entity::ids::{ClinicId, PatientId};
use sea_orm::{ConnectionTrait, Statement, Value};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::SyncCollection;
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    measures::Catalogue,
    validate::Validate,
    vault::{DataKey, Vault},
};

/// Whose rows are read, and how they are shown.
pub struct Reader<'a, C> {
    pub conn: &'a C,
    pub patient: PatientId,
    pub key: &'a DataKey,
    pub vault: &'a Vault,
    pub measures: &'a Catalogue,
    pub zone: &'a str,
    pub locale: &'a str,
    pub now: DateTime<Utc>,
    /// The language of crisis cards, where the answer is shown at once to the person who wrote.
    pub card: Option<&'a str>,
}

/// Which rows of a collection.
#[derive(Debug, Clone)]
pub enum Rows {
    /// From one place in the order of sync numbers and ids to another, both included.
    Span((i64, Uuid), (i64, Uuid)),
    Ids(Vec<Uuid>),
}

impl Rows {
    /// `select` ends with the condition on the patient, `$1`; `table` is the name it gives to the rows that have
    /// `sync_seq` and `id`. In the order of sync numbers.
    pub fn statement<C: ConnectionTrait>(
        &self,
        reader: &Reader<'_, C>,
        select: &str,
        table: &str,
    ) -> Statement {
        let mut values: Vec<Value> = vec![reader.patient.0.into()];
        let condition = match self {
            // The first part is what the index on (patient_id, sync_seq) serves.
            Self::Span(first, last) => {
                values.extend([first.0.into(), first.1.into(), last.0.into(), last.1.into()]);
                format!(
                    "{table}.sync_seq BETWEEN $2 AND $4 AND ({table}.sync_seq, {table}.id) >= ($2, $3) \
                     AND ({table}.sync_seq, {table}.id) <= ($4, $5)"
                )
            }
            Self::Ids(ids) => {
                let marks: Vec<String> = (2..ids.len() + 2).map(|number| format!("${number}")).collect();
                values.extend(ids.iter().map(|id| Value::from(*id)));
                format!("{table}.id IN ({})", marks.join(", "))
            }
        };
        let sql = format!("{select} AND {condition} ORDER BY {table}.sync_seq, {table}.id");
        Statement::from_sql_and_values(reader.conn.get_database_backend(), sql, values)
    }
}

/// A collection that devices read.
pub trait Pulled {
    /// A row as the collection's own operations show it.
    type View: Send;

    /// With a fixed number of statements, in the order of sync numbers.
    fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> impl Future<Output = ApiResult<Vec<(Uuid, Self::View)>>> + Send;
}

/// A push on its way.
pub struct Push<'a> {
    pub tx: &'a WriteTx,
    pub patient: PatientId,
    pub clinic: ClinicId,
    pub key: &'a DataKey,
    pub measures: &'a Catalogue,
    pub zone: &'a str,
    pub locale: &'a str,
}

/// What became of a change to a row that had been changed elsewhere meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// It says what is there already.
    Same,
    /// It was laid over what is there, and no words were replaced.
    Applied,
    /// Words stood against words: those that are there stay, and the device's are in this row.
    Copied(Uuid),
    /// Nothing was changed; what is there stays.
    Kept,
}

/// A collection that devices change. Input is that of the collection's own operations.
pub trait Pushed: Pulled {
    type Create: DeserializeOwned + Validate + Send;
    type Patch: DeserializeOwned + Validate + Send;
    type Row: Send;
    const KIND: SyncCollection;
    /// Whether rows can be deleted, and then come back with a change.
    const DELETABLE: bool = true;

    fn find(push: &Push<'_>, id: Uuid) -> impl Future<Output = ApiResult<Option<Self::Row>>> + Send;

    fn version(row: &Self::Row) -> i32;

    /// Not found is what a row would belong to under this id, if there is nothing of the patient's.
    fn create(push: &Push<'_>, id: Uuid, input: Self::Create) -> impl Future<Output = ApiResult<()>> + Send;

    /// A change to the row as the device knew it.
    fn update(
        push: &Push<'_>,
        row: Self::Row,
        patch: Self::Patch,
    ) -> impl Future<Output = ApiResult<()>> + Send;

    /// A change to a row that is no longer what the device knew. It must not lose any words.
    fn merge(
        push: &Push<'_>,
        row: Self::Row,
        patch: Self::Patch,
    ) -> impl Future<Output = ApiResult<Merged>> + Send;

    /// Whether a change says enough to create its row anew; 422 with what is missing.
    fn complete(_: &Self::Create) -> ApiResult<()> {
        Ok(())
    }

    /// A creation of what is there, as a change to it.
    fn patch_of(input: Self::Create) -> Self::Patch;

    /// Deletes the row and buries it.
    fn delete(_: &Push<'_>, _: Self::Row) -> impl Future<Output = ApiResult<()>> + Send {
        let detail = "Rows of this collection stay; change it instead, or leave this operation out.";
        std::future::ready(Err(ApiError::conflict("not_deletable", detail)))
    }
}
