//! Many rows as parameters whose number does not depend on how many there are. The text of a statement stays the same,
//! so that each connection prepares it once, and no limit of parameters is ever reached.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use sea_orm::{Value, sea_query::Expr};
use uuid::Uuid;

use super::Engine;

/// Owners that a statement is about.
pub struct Ids {
    engine: Engine,
    text: String,
}

impl Ids {
    pub fn new(engine: Engine, ids: impl IntoIterator<Item = Uuid>) -> Self {
        let mut rows = Rows::new(engine, &[("id", Kind::Uuid)]);
        for id in ids {
            rows.push([Cell::Uuid(id)]);
        }
        // A list of one column: PostgreSQL's array, or SQLite's rows of one cell each.
        Self { engine, text: rows.texts().swap_remove(0) }
    }

    /// The condition that a column is one of them, for the `n`th parameter.
    pub fn hold(&self, column: &str, n: usize) -> String {
        match self.engine {
            Engine::Postgres => format!("{column} = ANY(${n}::text::uuid[])"),
            Engine::Sqlite => format!("{column} IN (SELECT unhex(value ->> 0) FROM json_each(${n}))"),
        }
    }

    /// The same for the query builder.
    pub fn among(&self, column: &str) -> Expr {
        let condition = match self.engine {
            Engine::Postgres => self.hold(column, 1),
            // There the builder knows only parameters without a number.
            Engine::Sqlite => format!("{column} IN (SELECT unhex(value ->> 0) FROM json_each(?))"),
        };
        Expr::cust_with_values(condition, [self.value()])
    }

    /// The parameter.
    pub fn value(&self) -> Value {
        self.text.clone().into()
    }
}

/// Owners with one of their rows each. Two lists, one of owners and one of rows, would make a database look up every
/// row for every owner.
pub struct Pairs(Rows);

impl Pairs {
    pub fn new(engine: Engine, pairs: impl IntoIterator<Item = (Uuid, Uuid)>) -> Self {
        let mut rows = Rows::new(engine, &[("owner", Kind::Uuid), ("id", Kind::Uuid)]);
        for (owner, id) in pairs {
            rows.push([Cell::Uuid(owner), Cell::Uuid(id)]);
        }
        Self(rows)
    }

    /// The condition that two columns are one of them, for the query builder.
    pub fn among(self, owner: &str, id: &str) -> Expr {
        let engine = self.0.engine;
        let (mut source, values) = self.0.source(1);
        if engine == Engine::Sqlite {
            // There the builder knows only parameters without a number.
            source = source.replace("$1", "?");
        }
        Expr::cust_with_values(format!("({owner}, {id}) IN (SELECT r.owner, r.id FROM {source})"), values)
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Uuid,
    Text,
    Int,
    Big,
    Bool,
    Time,
    Date,
}

impl Kind {
    fn array(self) -> &'static str {
        match self {
            Self::Uuid => "uuid[]",
            Self::Text => "text[]",
            Self::Int => "int4[]",
            Self::Big => "int8[]",
            Self::Bool => "bool[]",
            Self::Time => "timestamptz[]",
            Self::Date => "date[]",
        }
    }
}

/// One value.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'a> {
    Null,
    Uuid(Uuid),
    Text(&'a str),
    Number(i64),
    Bool(bool),
    Time(DateTime<Utc>),
    Date(NaiveDate),
}

impl From<Option<DateTime<Utc>>> for Cell<'_> {
    fn from(value: Option<DateTime<Utc>>) -> Self {
        value.map_or(Self::Null, Self::Time)
    }
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

/// Rows that a statement reads like a table called `r`.
pub struct Rows {
    engine: Engine,
    columns: &'static [(&'static str, Kind)],
    // PostgreSQL: one text a column. SQLite: one text of all.
    texts: Vec<String>,
    count: usize,
}

impl Rows {
    pub fn new(engine: Engine, columns: &'static [(&'static str, Kind)]) -> Self {
        let texts = if engine == Engine::Postgres { columns.len() } else { 1 };
        Self { engine, columns, texts: vec![String::new(); texts], count: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a row with a cell for each column.
    pub fn push<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) {
        match self.engine {
            Engine::Postgres => {
                for (text, cell) in self.texts.iter_mut().zip(cells) {
                    text.push(if self.count == 0 { '{' } else { ',' });
                    array_element(text, cell);
                }
            }
            Engine::Sqlite => {
                let text = &mut self.texts[0];
                text.push(if self.count == 0 { '[' } else { ',' });
                for (n, cell) in cells.into_iter().enumerate() {
                    text.push(if n == 0 { '[' } else { ',' });
                    json_element(text, cell);
                }
                text.push(']');
            }
        }
        self.count += 1;
    }

    fn texts(mut self) -> Vec<String> {
        let (open, close) = if self.engine == Engine::Postgres { ("{", '}') } else { ("[", ']') };
        for text in &mut self.texts {
            if self.count == 0 {
                text.push_str(open);
            }
            text.push(close);
        }
        self.texts
    }

    /// What to write after FROM, for parameters from the `first` on, and those parameters.
    pub fn source(self, first: usize) -> (String, Vec<Value>) {
        let columns = self.columns;
        let mut source = String::from(if self.engine == Engine::Postgres { "unnest(" } else { "(SELECT " });
        for (n, (name, kind)) in columns.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            // Writing to a String does not fail.
            let _ = match (self.engine, kind) {
                (Engine::Postgres, kind) => write!(source, "{comma}${}::text::{}", first + n, kind.array()),
                (Engine::Sqlite, Kind::Uuid) => write!(source, "{comma}unhex(cells ->> {n}) AS {name}"),
                (Engine::Sqlite, _) => write!(source, "{comma}cells ->> {n} AS {name}"),
            };
        }
        match self.engine {
            Engine::Postgres => {
                let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
                let _ = write!(source, ") AS r({})", names.join(", "));
            }
            Engine::Sqlite => {
                let _ = write!(source, " FROM cells_of_rows) AS r");
                // Materialised, or each column would write the whole row out anew.
                let rows = format!("SELECT value AS cells FROM json_each(${first})");
                source.insert_str(1, &format!("WITH cells_of_rows AS MATERIALIZED ({rows}) "));
            }
        }
        (source, self.texts().into_iter().map(Value::from).collect())
    }
}

/// An element of a PostgreSQL array's text.
fn array_element(text: &mut String, cell: Cell<'_>) {
    // Writing to a String does not fail.
    let _ = match cell {
        Cell::Null => write!(text, "NULL"),
        Cell::Uuid(id) => write!(text, "{}", id.simple()),
        Cell::Number(number) => write!(text, "{number}"),
        Cell::Bool(value) => write!(text, "{value}"),
        Cell::Time(at) => write!(text, "\"{}\"", instant(at)),
        Cell::Date(date) => write!(text, "{date}"),
        Cell::Text(value) => {
            text.push('"');
            for character in value.chars() {
                if matches!(character, '"' | '\\') {
                    text.push('\\');
                }
                text.push(character);
            }
            text.push('"');
            Ok(())
        }
    };
}

/// An element of a JSON array, as SQLite keeps such values.
fn json_element(text: &mut String, cell: Cell<'_>) {
    let _ = match cell {
        Cell::Null => write!(text, "null"),
        Cell::Uuid(id) => write!(text, "\"{}\"", id.simple()),
        Cell::Number(number) => write!(text, "{number}"),
        Cell::Bool(value) => write!(text, "{}", u8::from(value)),
        Cell::Time(at) => write!(text, "\"{}\"", instant(at)),
        Cell::Date(date) => write!(text, "\"{date}\""),
        Cell::Text(value) => write!(text, "{}", serde_json::Value::from(value)),
    };
}

/// An instant as the driver writes it into SQLite, where instants are compared as texts.
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[(&str, Kind)] = &[("a", Kind::Uuid), ("b", Kind::Text)];

    #[test]
    fn the_text_of_a_statement_does_not_depend_on_how_many_rows_there_are() {
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let sources = [0, 1, 1_000].map(|count| {
                let mut rows = Rows::new(engine, COLUMNS);
                (0..count).for_each(|n| rows.push([Cell::Uuid(Uuid::from_u128(n)), Cell::Null]));
                let (source, values) = rows.source(3);
                (source, values.len())
            });
            assert_eq!(sources[0], sources[1]);
            assert_eq!(sources[0], sources[2]);
        }
    }

    #[test]
    fn no_text_leaves_its_element() {
        let nasty = r#"a"b\c,{d}',"NULL"#;
        let mut rows = Rows::new(Engine::Postgres, COLUMNS);
        rows.push([Cell::Null, Cell::Text(nasty)]);
        assert_eq!(rows.texts(), ["{NULL}", r#"{"a\"b\\c,{d}',\"NULL"}"#]);
        let mut rows = Rows::new(Engine::Sqlite, COLUMNS);
        rows.push([Cell::Null, Cell::Text(nasty)]);
        let read: serde_json::Value = serde_json::from_str(&rows.texts()[0]).unwrap();
        assert_eq!(read, serde_json::json!([[null, nasty]]));
    }
}
