//! The few column types and index names used everywhere, so that both engines get the same schema.

use sea_orm_migration::prelude::*;

pub fn uuid(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().take()
}

pub fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().take()
}

pub fn int(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().take()
}

pub fn big(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

pub fn boolean(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().take()
}

pub fn double(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).double().take()
}

/// An instant: `timestamptz` on PostgreSQL, RFC 3339 text in UTC on SQLite.
pub fn time(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).timestamp_with_time_zone().take()
}

pub fn date(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).date().take()
}

pub fn blob(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().take()
}

pub fn index(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut statement = Index::create().name(format!("{table}_{}", columns.join("_"))).table(table).take();
    for column in columns {
        statement.col(*column);
    }
    statement
}

pub fn unique(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index(table, columns).unique().take()
}
