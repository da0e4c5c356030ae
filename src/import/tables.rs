//! Which records come along, what stays behind and why, and what cannot go on at another clinic.

use std::collections::BTreeMap;

use entity::TABLES;
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value, json};

use super::{
    ImportError,
    rows::{self, Target},
};

/// What an archive holds and is not read in.
pub const LEFT: [(&str, &str); 16] = [
    ("accounts", "made anew, of the same id, name, address, language and zone"),
    ("audit_events", "the chain of the other installation, which nobody can go on with here"),
    ("care_relations", "people of the other clinic; the new therapist's care begins"),
    ("consents", "were given to the other clinic; this one asks anew"),
    ("deliveries", "what was sent by the other installation"),
    ("erasures", "asked of the other installation"),
    ("goal_shares", "with people of the other clinic; nobody here reads what is not shared anew"),
    ("handovers", "between people of the other clinic"),
    ("journal_shares", "with people of the other clinic; nobody here reads what is not shared anew"),
    ("known_devices", "let in by the other installation"),
    ("logins", "of the other installation"),
    ("notifications", "the ledger of the other installation; what is to come is planned anew"),
    ("patients", "counters of the other installation"),
    ("push_subscriptions", "made with the keys of the other installation"),
    ("recovery_codes", "secrets of the other installation"),
    ("tombstones", "for devices that knew the other installation"),
];

macro_rules! carried {
    ($($table:ident),* $(,)?) => {
        /// Every table that is read in.
        pub const CARRIED: &[&str] = &[$(stringify!($table)),*];

        /// Writes the rows of all tables; returns how many of each.
        pub async fn insert(
            conn: &impl ConnectionTrait,
            tables: &Map<String, Value>,
            to: &Target<'_>,
        ) -> Result<BTreeMap<&'static str, usize>, ImportError> {
            let mut counts = BTreeMap::new();
            for rules in TABLES {
                let Some(Value::Array(all)) = tables.get(rules.table) else { continue };
                let count = match rules.table {
                    $(stringify!($table) => rows::insert::<entity::$table::Entity>(conn, rules, all, to).await?,)*
                    _ => continue,
                };
                if count > 0 {
                    counts.insert(rules.table, count);
                }
            }
            Ok(counts)
        }
    };
}

carried![
    administrations,
    alerts,
    attachments,
    checkins,
    delivery_policies,
    goal_entries,
    goal_progress,
    goals,
    journal_comments,
    journal_entries,
    journal_revisions,
    measure_assignments,
    measure_responses,
    plans,
    prompt_favourites,
    prompt_offers,
    reminders,
    safety_plans,
    session_readiness,
    session_requests,
    sessions,
    zone_history,
];

/// What was still to come at the other clinic: table, states that end, and the state they end in.
const ENDING: [(&str, &[&str], &str); 4] = [
    ("measure_assignments", &["open"], "cancelled"),
    ("plans", &["active"], "cancelled"),
    ("session_requests", &["open", "offered"], "withdrawn"),
    ("sessions", &["planned", "started"], "cancelled"),
];

/// Ends what cannot go on here, and leaves out uploads that were never completed.
pub fn close(tables: &mut Map<String, Value>, to: &Target<'_>) {
    for (table, open, ended) in ENDING {
        for row in tables.get_mut(table).and_then(Value::as_array_mut).into_iter().flatten() {
            let is_open = row["state"].as_str().is_some_and(|state| open.contains(&state));
            if let (true, Some(row)) = (is_open, row.as_object_mut()) {
                row.insert("state".into(), ended.into());
                row.insert("updated_at".into(), json!(to.now));
            }
        }
    }
    close_shares(tables);
    if let Some(files) = tables.get_mut("attachments").and_then(Value::as_array_mut) {
        files.retain(|row| row["state"] == "complete");
    }
    // All of them are this clinic's from now on.
    for row in tables.values_mut().filter_map(Value::as_array_mut).flatten().filter_map(Value::as_object_mut)
    {
        if let Some(clinic) = row.get_mut("clinic_id") {
            *clinic = json!(to.clinic);
        }
    }
}

/// What was opened to another care team is closed to this one until the patient shares it here.
fn close_shares(tables: &mut Map<String, Value>) {
    let mut rows = |table: &str, close: fn(&mut Map<String, Value>)| {
        let rows = tables.get_mut(table).and_then(Value::as_array_mut).into_iter().flatten();
        rows.filter_map(Value::as_object_mut).for_each(close);
    };
    rows("measure_responses", |row| {
        row.remove("shared_at");
    });
    rows("sessions", |row| {
        if let Some(intention) = row.get_mut("intention").and_then(Value::as_object_mut) {
            intention.insert("shared".into(), false.into());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_an_archive_comes_along_or_is_left_for_a_reason() {
        let left = LEFT.map(|(table, _)| table);
        for table in crate::export::LISTED {
            let (carried, left) = (CARRIED.contains(table), left.contains(table));
            assert!(carried != left, "{table}: carried {carried}, left {left}");
        }
        assert_eq!(CARRIED.len() + LEFT.len(), crate::export::LISTED.len());
    }
}
