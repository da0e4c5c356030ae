//! Tests across the rules: time against a second time library, the precedence table cell by cell, session diffs.

mod ledger;
mod policy;
mod properties;
mod recurring;
mod session;
mod time;
mod timeline;

use chrono::{DateTime, Utc};

use super::localtime::Zone;

/// An instant from RFC 3339 text.
fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn berlin() -> Zone {
    Zone::parse("Europe/Berlin").unwrap()
}
