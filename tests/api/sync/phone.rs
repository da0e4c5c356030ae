//! A phone as the contract asks it to be: it keeps rows and what was not acknowledged, sends, and asks what changed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{new_id, op, page};
use crate::harness::{Person, TestApp};

/// Collection and id.
pub type Row = (&'static str, Uuid);

pub const COLLECTIONS: [&str; 4] = ["checkins", "journal_entries", PLAN, INTENTION];
const PLAN: &str = "safety_plan";
const INTENTION: &str = "session_intentions";

/// What may be lost, because somebody who had it before their eyes replaced or deleted it.
#[derive(Default)]
pub struct Words {
    pub written: BTreeSet<String>,
    pub let_go: BTreeSet<String>,
    replaced: BTreeMap<Row, Vec<String>>,
}

pub struct Phone {
    app: TestApp,
    who: Person,
    /// The one session that is prepared for.
    session: Uuid,
    rows: BTreeMap<Row, Value>,
    since: Option<String>,
    pending: Vec<(Row, Value)>,
    /// Everything that was ever sent.
    sent: Vec<Vec<Value>>,
}

pub fn words_of((collection, _): Row, row: &Value) -> Option<String> {
    let words = match collection {
        "checkins" => &row["note"],
        // As it is sent, and as it comes.
        PLAN => row.get("plan").unwrap_or(row).pointer("/coping/0").unwrap_or(&Value::Null),
        INTENTION => &row["text"],
        _ => &row["fields"]["text"],
    };
    words.as_str().map(str::to_owned)
}

fn fields((collection, _): Row, words: &str) -> Value {
    match collection {
        "checkins" => json!({ "note": words }),
        PLAN => json!({"coping": [words]}),
        INTENTION => json!({ "text": words }),
        _ => json!({"fields": {"text": words}}),
    }
}

impl Phone {
    pub fn new(app: &TestApp, (who, session): (&Person, Uuid)) -> Self {
        let (rows, pending, sent) = Default::default();
        Self { app: app.clone(), who: who.clone(), session, rows, since: None, pending, sent }
    }

    pub fn rows(&self) -> &BTreeMap<Row, Value> {
        &self.rows
    }

    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// What the person sees: the last thing they did here, else what came from the server.
    fn seen(&self, row: Row) -> Option<String> {
        let mine = self.pending.iter().rev().filter(|(one, _)| *one == row);
        let said = mine.map(|(_, op)| &op["fields"]).find_map(|fields| words_of(row, fields));
        said.or_else(|| self.rows.get(&row).and_then(|kept| words_of(row, kept)))
    }

    fn pick(&self, pick: usize) -> Option<Row> {
        let mut all: BTreeSet<Row> = self.rows.keys().copied().collect();
        for (row, op) in &self.pending {
            if op["kind"] == "delete" {
                all.remove(row)
            } else {
                all.insert(*row)
            };
        }
        all.iter().nth(pick % all.len().max(1)).copied()
    }

    /// The version that the first change that is still pending was made on, else that of the row.
    fn base(&self, row: Row) -> Option<i64> {
        match self.pending.iter().find(|(one, _)| *one == row) {
            Some((_, op)) => op["base_version"].as_i64(),
            None => self.rows.get(&row).and_then(|kept| kept["version"].as_i64()),
        }
    }

    pub fn write(&mut self, collection: usize, words: &mut Words) {
        let row = match COLLECTIONS[collection % COLLECTIONS.len()] {
            // Of these there is one, and whoever sees one edits it.
            PLAN => (PLAN, self.who.id),
            INTENTION => (INTENTION, self.session),
            other => (other, new_id(&self.app)),
        };
        if self.seen(row).is_some() {
            return self.edit_row(row, words);
        }
        let text = self.fresh(words);
        self.pending.push((row, self.creation(row, &text)));
    }

    fn creation(&self, row: Row, text: &str) -> Value {
        let mut all = fields(row, text);
        if row.0 == "checkins" {
            all["mood"] = json!(5);
            all["taken_at"] = json!(self.app.now().to_rfc3339());
        }
        op(&self.app, "create", row, None, all)
    }

    fn fresh(&self, words: &mut Words) -> String {
        let text = format!("words {}", new_id(&self.app));
        words.written.insert(text.clone());
        text
    }

    pub fn edit(&mut self, pick: usize, words: &mut Words) {
        if let Some(row) = self.pick(pick) {
            self.edit_row(row, words);
        }
    }

    fn edit_row(&mut self, row: Row, words: &mut Words) {
        let text = self.fresh(words);
        if let Some(seen) = self.seen(row) {
            // An entry keeps what it said before; all others do not.
            if row.0 == "journal_entries" {
                words.replaced.entry(row).or_default().push(seen);
            } else {
                words.let_go.insert(seen);
            }
        }
        let change = op(&self.app, "update", row, self.base(row), fields(row, &text));
        self.pending.push((row, change));
    }

    /// Changes a number, which stands beside the words.
    pub fn rate(&mut self, pick: usize, mood: usize) {
        let Some(row) = self.pick(pick).filter(|row| row.0 == "checkins") else { return };
        let change = op(&self.app, "update", row, self.base(row), json!({"mood": mood % 11}));
        self.pending.push((row, change));
    }

    pub fn delete(&mut self, pick: usize, words: &mut Words) {
        let stays = |row: &Row| [PLAN, INTENTION].contains(&row.0);
        let Some(row) = self.pick(pick).filter(|row| !stays(row)) else { return };
        words.let_go.extend(self.seen(row));
        words.let_go.extend(words.replaced.get(&row).cloned().unwrap_or_default());
        let gone = op(&self.app, "delete", row, self.base(row), Value::Null);
        self.pending.push((row, gone));
    }

    /// Sends what is pending. The answer may be lost on the way.
    pub async fn push(&mut self, lost: bool) {
        if self.pending.is_empty() {
            return;
        }
        let ops: Vec<Value> = self.pending.iter().map(|(_, op)| op.clone()).collect();
        let results = super::push(&self.who, &ops).await;
        self.sent.push(ops);
        if lost {
            return;
        }
        let done = std::mem::take(&mut self.pending);
        for ((row, op), result) in done.into_iter().zip(results) {
            if result["status"] == "refused" {
                assert_eq!(result["problem"]["code"], "deleted_elsewhere", "{op}: {result}");
                // Words that cannot come back alone come back whole; a number alone is let go.
                if let Some(text) = words_of(row, &op["fields"]) {
                    self.pending.push((row, self.creation(row, &text)));
                }
            }
        }
    }

    /// Sends something again that was sent long ago, as a network does that repeats itself.
    pub async fn repeat(&self, pick: usize) {
        if let Some(ops) = self.sent.get(pick % self.sent.len().max(1)) {
            super::push(&self.who, ops).await;
        }
    }

    pub async fn pull(&mut self, limit: usize) {
        loop {
            let page = page(&self.who, self.since.as_deref(), limit).await;
            assert_eq!(page["reset"], false);
            for collection in COLLECTIONS {
                for gone in page[collection]["deleted"].as_array().unwrap() {
                    self.rows.remove(&(collection, gone.as_str().unwrap().parse().unwrap()));
                }
                for row in page[collection]["upserts"].as_array().unwrap() {
                    let id = row["id"].as_str().unwrap().parse().unwrap();
                    self.rows.insert((collection, id), row.clone());
                }
            }
            self.since = Some(page["next"].as_str().unwrap().to_owned());
            if page["has_more"] == false {
                return;
            }
        }
    }
}
