//! Every table of the data map, read for one patient: each column that belongs in the archive, opened if it is sealed.

use entity::{
    TABLES,
    data_map::{ColumnRule, Export, Form, KeyOwner, Owner, TableRule},
    ids::PatientId,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn,
    QueryFilter, QueryOrder, Value as Stored,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    error::{ApiError, ApiResult},
    vault::{DataKey, Place},
};

/// What opens a patient's records: their own key, that of what the clinic recorded about them, and the clinic's.
pub struct Keys {
    pub patient: DataKey,
    pub record: Option<DataKey>,
    pub clinic: DataKey,
}

impl Keys {
    pub fn of(&self, owner: KeyOwner) -> ApiResult<&DataKey> {
        let key = match owner {
            KeyOwner::Patient | KeyOwner::Account => Some(&self.patient),
            KeyOwner::ClinicRecord => self.record.as_ref(),
            KeyOwner::Clinic => Some(&self.clinic),
        };
        key.ok_or(ApiError::NotFound)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the archive does not know {0}; add it to the list in src/export/tables.rs")]
struct Unknown(String);

/// The column by which rows are found to be a patient's; none for tables that are nobody's alone.
pub fn owner_column(table: &TableRule) -> Option<&'static str> {
    let exported = table.columns.iter().any(|column| column.export == Export::Yes);
    match table.owner {
        // Their bytes are files of the archive.
        _ if !exported || table.table == "attachment_chunks" => None,
        // Who read or changed what of theirs.
        Owner::Clinic(_) if table.table == "audit_events" => Some("subject_id"),
        Owner::Patient(column) | Owner::Account(column) | Owner::KeyOwner(column) => Some(column),
        Owner::Login(_) | Owner::Clinic(_) | Owner::Nobody => None,
    }
}

/// All records, by table.
pub async fn records(
    conn: &impl ConnectionTrait,
    patient: PatientId,
    keys: &Keys,
) -> ApiResult<Map<String, Value>> {
    let mut all = Map::new();
    for table in TABLES {
        let Some(owner) = owner_column(table) else { continue };
        let rows = read(conn, table, owner, patient.0, keys).await?;
        all.insert(table.table.to_owned(), Value::Array(rows));
    }
    Ok(all)
}

macro_rules! tables {
    ($($table:ident),* $(,)?) => {
        async fn read(
            conn: &impl ConnectionTrait,
            rules: &'static TableRule,
            owner: &str,
            id: Uuid,
            keys: &Keys,
        ) -> ApiResult<Vec<Value>> {
            match rules.table {
                $(stringify!($table) => rows::<entity::$table::Entity>(conn, rules, owner, id, keys).await,)*
                other => Err(ApiError::internal(Unknown(other.to_owned()))),
            }
        }

        /// Every table of an archive.
        pub const LISTED: &[&str] = &[$(stringify!($table)),*];
    };
}

tables![
    accounts,
    administrations,
    alerts,
    attachments,
    audit_events,
    care_relations,
    checkins,
    consents,
    deliveries,
    delivery_policies,
    erasures,
    goal_entries,
    goal_progress,
    goal_shares,
    goals,
    handovers,
    journal_comments,
    journal_entries,
    journal_revisions,
    journal_shares,
    known_devices,
    logins,
    measure_assignments,
    measure_responses,
    notifications,
    patients,
    plans,
    prompt_favourites,
    prompt_offers,
    push_subscriptions,
    recovery_codes,
    reminders,
    safety_plans,
    session_readiness,
    session_requests,
    sessions,
    tombstones,
    zone_history,
];

pub fn column<E: EntityTrait>(name: &str) -> ApiResult<E::Column> {
    let found = E::Column::iter().find(|column| column.as_str() == name);
    found.ok_or_else(|| ApiError::internal(Unknown(name.to_owned())))
}

async fn rows<E>(
    conn: &impl ConnectionTrait,
    rules: &'static TableRule,
    owner: &str,
    id: Uuid,
    keys: &Keys,
) -> ApiResult<Vec<Value>>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + Sync,
{
    let mut query = E::find().filter(column::<E>(owner)?.eq(id));
    for key in E::PrimaryKey::iter() {
        query = query.order_by_asc(key.into_column());
    }
    let models = query.all(conn).await?;
    models.iter().map(|model| row::<E>(model, rules, (owner, id), keys)).collect()
}

fn row<E>(model: &E::Model, rules: &'static TableRule, owner: (&str, Uuid), keys: &Keys) -> ApiResult<Value>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    let mut fields = Map::new();
    for rule in rules.columns.iter().filter(|rule| rule.export == Export::Yes) {
        let stored = model.get(column::<E>(rule.column)?);
        let (name, value) = match (rule.form, stored) {
            (Form::Sealed(by), Stored::Bytes(Some(sealed))) => {
                let place = place::<E>(|key| model.get(key), (rules, rule), owner);
                let text = String::from_utf8_lossy(&keys.of(by)?.open(place, &sealed)?).into_owned();
                (
                    name_of(rule),
                    Some(if are_words(rules, rule) { Value::String(text) } else { readable(text) }),
                )
            }
            (_, stored) => (rule.column, clear(stored)),
        };
        fields.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(Value::Object(fields))
}

/// What a column is called in an archive.
pub fn name_of(rule: &ColumnRule) -> &'static str {
    rule.column.trim_end_matches("_sealed")
}

/// Sealed columns that hold what somebody typed and nothing else: what looks like a structure there is none.
const WORDS: [(&str, &str); 8] = [
    ("accounts", "email_sealed"),
    ("accounts", "name_sealed"),
    ("attachments", "hash_sealed"),
    ("goal_progress", "note_sealed"),
    ("journal_comments", "body_sealed"),
    ("known_devices", "device_name_sealed"),
    ("logins", "device_name_sealed"),
    ("session_requests", "note_sealed"),
];

fn are_words(rules: &TableRule, rule: &ColumnRule) -> bool {
    WORDS.contains(&(rules.table, rule.column))
}

/// A value is sealed for its row: the id behind the owner's, and the number behind that.
pub fn place<E: EntityTrait>(
    stored: impl Fn(E::Column) -> Stored,
    (rules, rule): (&'static TableRule, &'static ColumnRule),
    (owner, id): (&str, Uuid),
) -> Place {
    let mut place = Place::new(rules.table, rule.column, id);
    for key in E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column) {
        match stored(key) {
            Stored::Uuid(Some(id)) if key.as_str() != owner => place = place.of_row(id),
            Stored::Int(Some(number)) => place = place.part(number),
            Stored::BigInt(Some(number)) => place = place.part(number),
            _ => {}
        }
    }
    place
}

fn clear(stored: Stored) -> Option<Value> {
    Some(match stored {
        Stored::Bool(value) => json!(value?),
        Stored::Int(value) => json!(value?),
        Stored::BigInt(value) => json!(value?),
        Stored::Double(value) => json!(value?),
        Stored::String(value) => readable(value?),
        Stored::Uuid(value) => json!(value?),
        Stored::ChronoDate(value) => json!(value?),
        Stored::ChronoDateTimeUtc(value) => json!(value?),
        _ => return None,
    })
}

/// Structures are kept as JSON texts; everything else is words.
fn readable(text: String) -> Value {
    match serde_json::from_str(&text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_a_patient_can_be_read_and_the_others_are_known() {
        let (own, other): (Vec<&TableRule>, Vec<&TableRule>) =
            TABLES.iter().copied().partition(|table| owner_column(table).is_some());
        let own: Vec<&str> = own.iter().map(|table| table.table).collect();
        assert_eq!(
            own.iter().filter(|table| !LISTED.contains(*table)).collect::<Vec<_>>(),
            Vec::<&&str>::new()
        );
        let unused: Vec<&&str> = LISTED.iter().filter(|table| !own.contains(*table)).collect();
        assert_eq!(unused, Vec::<&&str>::new());
        for table in other {
            let exported = table.columns.iter().any(|column| column.export == Export::Yes);
            // What a clinic, or nobody, owns is not a patient's to take.
            let others = matches!(table.owner, Owner::Clinic(_) | Owner::Nobody | Owner::Login(_));
            assert!(!exported || others || table.table == "attachment_chunks", "{}", table.table);
        }
    }
}
