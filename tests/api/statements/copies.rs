//! Rows that nobody opens, made of the first one by a statement for many.

use chrono::Duration;
use entity::TABLES;
use sea_orm::Value as Parameter;
use uuid::Uuid;

use super::World;

/// A column, and what it holds in each copy.
type Changed<'a> = (&'a str, Vec<Parameter>);

impl World {
    /// More rows in the database, older than all that were made outside.
    pub(super) async fn copy(&self, id: &str, numbers: &[usize]) {
        let new: Vec<Parameter> = numbers.iter().map(|_| self.new_id().into()).collect();
        let each = |value: &dyn Fn(usize) -> Parameter| numbers.iter().map(|number| value(*number)).collect();
        let long_ago = self.app.now() - Duration::days(300);
        let times: Vec<Parameter> = each(&|number| (long_ago - Duration::minutes(number as i64)).into());
        let at = |column| vec![("id", new.clone()), (column, times.clone())];
        match id {
            "list_checkins" => self.copies_of("checkins", "id", &at("taken_at")).await,
            "list_journal_entries" => self.copy_entries(&new, &times).await,
            "get_review_queue" | "list_shared_entries" => {
                self.copy_entries(&new, &times).await;
                // First shared first: what nobody opens comes last.
                let later = each(&|_| (self.app.now() + Duration::days(300)).into());
                let shared = if id == "get_review_queue" { later } else { times.clone() };
                let changed = [("entry_id", new), ("shared_at", shared)];
                self.copies_of("journal_shares", "entry_id", &changed).await;
            }
            "list_goals" | "list_patient_goals" => self.copies_of("goals", "id", &at("created_at")).await,
            "list_goal_progress" => self.copies_of("goal_progress", "id", &at("created_at")).await,
            "list_sessions" | "list_patient_sessions" => {
                self.copies_of("sessions", "id", &at("starts_at")).await;
            }
            "list_session_requests" | "list_patient_session_requests" => {
                self.copies_of("session_requests", "id", &at("created_at")).await;
            }
            "list_notifications" | "list_upcoming_reminders" => {
                let slots = each(&|number| format!("copy:{number}").into());
                let changed = [("id", new), ("due_at", times), ("slot", slots)];
                self.copies_of("notifications", "id", &changed).await;
            }
            other => self.copy_records(other, numbers, (&new, &times)).await,
        }
    }

    pub(super) async fn copy_entries(&self, new: &[Parameter], times: &[Parameter]) {
        let changed = [("id", new.to_vec()), ("created_at", times.to_vec())];
        self.copies_of("journal_entries", "id", &changed).await;
        self.copies_of("journal_revisions", "entry_id", &[("entry_id", new.to_vec())]).await;
    }

    /// Copies of the first row.
    pub(super) async fn copies_of(&self, table: &str, key: &str, changed: &[Changed<'_>]) {
        self.copy_rows(table, (&format!("t.{key} = $1"), self.first), changed).await;
    }

    /// Copies of the one row for which the condition about `$1` holds: as many as there are values for each column.
    pub(super) async fn copy_rows(&self, table: &str, (one, about): (&str, Uuid), changed: &[Changed<'_>]) {
        let rules = TABLES.iter().find(|rules| rules.table == table).unwrap();
        let names: Vec<&str> = rules.columns.iter().map(|rule| rule.column).collect();
        let column = |name: &&str| match changed.iter().position(|(column, _)| column == name) {
            Some(number) => format!("c.column{}", number + 1),
            None => format!("t.{name}"),
        };
        let columns: Vec<String> = names.iter().map(column).collect();
        let (mut values, mut rows) = (vec![Parameter::from(about)], Vec::new());
        for row in 0..changed[0].1.len() {
            let mut places = Vec::new();
            for (_, of_rows) in changed {
                values.push(of_rows[row].clone());
                places.push(format!("${}", values.len()));
            }
            rows.push(format!("({})", places.join(", ")));
        }
        let (names, columns, values_of) = (names.join(", "), columns.join(", "), rows.join(", "));
        let sql = format!(
            "INSERT INTO {table} ({names}) SELECT {columns} FROM {table} t, (VALUES {values_of}) AS c WHERE {one}"
        );
        let made = self.app.execute(&sql, values).await.rows_affected();
        assert_eq!(usize::try_from(made).unwrap(), rows.len(), "{table}");
    }
}
