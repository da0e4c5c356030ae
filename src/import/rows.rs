//! Rows of JSON become rows of a table again: every column of its own kind, and sealed anew where it is sealed.

use chrono::{DateTime, NaiveDate, Utc};
use entity::{
    data_map::{ColumnRule, Export, Form, TableRule},
    ids::{ClinicId, PatientId},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ColumnType, ConnectionTrait, EntityTrait, IntoActiveModel, Value as Stored,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::ImportError;
use crate::export::{Keys, column, name_of, owner_column, place};

/// The number of the one change with which all of it came.
pub const SYNC_SEQ: i64 = 1;
/// Rows of one statement: few enough for the parameters that SQLite takes.
const ROWS: usize = 200;

/// Whose records they become.
pub struct Target<'a> {
    pub patient: PatientId,
    pub clinic: ClinicId,
    pub keys: &'a Keys,
    pub now: DateTime<Utc>,
}

pub fn wrong(at: String, why: &'static str) -> ImportError {
    ImportError::Record { at, why }
}

/// Writes all rows of a table; returns how many.
pub async fn insert<E>(
    conn: &impl ConnectionTrait,
    rules: &'static TableRule,
    rows: &[Value],
    to: &Target<'_>,
) -> Result<usize, ImportError>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    let mut all = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        let at = format!("/tables/{}/{number}", rules.table);
        let row = row.as_object().ok_or_else(|| wrong(at.clone(), "is no object"))?;
        all.push(active::<E>(rules, row, to, &at)?);
    }
    let count = all.len();
    while !all.is_empty() {
        let some = all.split_off(all.len().saturating_sub(ROWS));
        E::insert_many(some).exec_without_returning(conn).await.map_err(|_| {
            // What a database says may quote the row.
            wrong(
                format!("/tables/{}", rules.table),
                "was refused by the database: a row is there twice, or is invalid",
            )
        })?;
    }
    Ok(count)
}

fn active<E>(
    rules: &'static TableRule,
    row: &Map<String, Value>,
    to: &Target<'_>,
    at: &str,
) -> Result<E::ActiveModel, ImportError>
where
    E: EntityTrait,
    E::ActiveModel: ActiveModelTrait<Entity = E>,
{
    let known = |name: &String| rules.columns.iter().any(|rule| carried(rule) && name_of(rule) == name);
    if !row.keys().all(known) {
        return Err(wrong(at.to_owned(), "has a field that is unknown here; update this installation"));
    }
    let owner = owner_column(rules).unwrap_or_default();
    if row.get(owner).and_then(Value::as_str) != Some(&to.patient.0.to_string()) {
        return Err(wrong(format!("{at}/{owner}"), "is somebody else"));
    }
    let mut active = <E::ActiveModel as ActiveModelTrait>::default();
    let is_sealed = |rule: &&ColumnRule| matches!(rule.form, Form::Sealed(_));
    // The place for which a value is sealed is made of the row's ids: they come first.
    for sealed in [false, true] {
        for rule in rules.columns.iter().filter(|rule| is_sealed(rule) == sealed) {
            let column = column::<E>(rule.column)?;
            let given = row.get(name_of(rule));
            let here = format!("{at}/{}", name_of(rule));
            let stored = match (rule.form, given) {
                (Form::Sealed(by), Some(value)) => {
                    let ids = |key: E::Column| active.get(key).into_value().unwrap_or(Stored::Bool(None));
                    let place = place::<E>(ids, (rules, rule), (owner, to.patient.0));
                    Stored::Bytes(Some(to.keys.of(by)?.seal(place, text(value, &here)?.as_bytes())))
                }
                (_, Some(_)) if rule.column == "clinic_id" => Stored::Uuid(Some(to.clinic.0)),
                (_, Some(value)) => typed(&kind(column), value, &here)?,
                (_, None) => absent(rule, &kind(column), row),
            };
            active.try_set(column, stored).map_err(|_| wrong(here, "is missing, or of another kind"))?;
        }
    }
    Ok(active)
}

fn carried(rule: &ColumnRule) -> bool {
    rule.export == Export::Yes
}

fn kind<C: ColumnTrait>(column: C) -> ColumnType {
    column.def().get_column_type().clone()
}

/// Structures were texts before they were in an archive.
fn text(value: &Value, at: &str) -> Result<String, ImportError> {
    match value {
        Value::String(text) if text.contains('\0') => Err(wrong(at.to_owned(), "has a NUL in it")),
        Value::String(text) => Ok(text.clone()),
        Value::Object(_) | Value::Array(_) => Ok(value.to_string()),
        _ => Err(wrong(at.to_owned(), "is no text")),
    }
}

fn typed(kind: &ColumnType, value: &Value, at: &str) -> Result<Stored, ImportError> {
    let words = value.as_str();
    let found = match kind {
        ColumnType::Uuid => words.and_then(|text| text.parse::<Uuid>().ok()).map(Into::into),
        ColumnType::Integer => value.as_i64().and_then(|number| i32::try_from(number).ok()).map(Into::into),
        ColumnType::BigInteger => value.as_i64().map(Into::into),
        ColumnType::Double | ColumnType::Float => value.as_f64().map(Into::into),
        ColumnType::Boolean => value.as_bool().map(Into::into),
        ColumnType::Date => words.and_then(|text| text.parse::<NaiveDate>().ok()).map(Into::into),
        ColumnType::TimestampWithTimeZone => {
            words.and_then(|text| text.parse::<DateTime<Utc>>().ok()).map(Into::into)
        }
        ColumnType::Text | ColumnType::String(_) => Some(text(value, at)?.into()),
        _ => None,
    };
    found.ok_or_else(|| wrong(at.to_owned(), "is of another kind"))
}

/// What a column holds that an archive does not have, or that was empty.
fn absent(rule: &ColumnRule, kind: &ColumnType, row: &Map<String, Value>) -> Stored {
    let number = match (rule.column, carried(rule)) {
        (_, true) => None,
        ("version", _) => Some(1),
        ("sync_seq", _) => Some(SYNC_SEQ),
        // A file is in an archive when all of it has come.
        ("received", _) => row.get("bytes").and_then(Value::as_i64),
        _ => Some(0),
    };
    match kind {
        ColumnType::Integer => Stored::Int(number.and_then(|number| i32::try_from(number).ok())),
        ColumnType::BigInteger => Stored::BigInt(number),
        ColumnType::Double | ColumnType::Float => Stored::Double(None),
        ColumnType::Uuid => Stored::Uuid(None),
        ColumnType::Boolean => Stored::Bool(None),
        ColumnType::Date => Stored::ChronoDate(None),
        ColumnType::TimestampWithTimeZone => Stored::ChronoDateTimeUtc(None),
        ColumnType::Text | ColumnType::String(_) => Stored::String(None),
        _ => Stored::Bytes(None),
    }
}
