//! Cursors: opaque, bound to one account and one operation, and stable under inserts because they name the last row
//! that was seen rather than a position.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    error::{ApiError, ApiResult},
    validate::{Checks, Validate},
    vault::Mac,
};

/// How many items, and after which.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items in a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Validate for PageQuery {
    fn validate(&self, checks: &mut Checks) {
        checks.range("query/limit", self.limit, 1, 100);
    }
}

/// The last row of the page before: its sort time and its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub at: DateTime<Utc>,
    pub id: Uuid,
}

const BODY: usize = 24;
const TAG: usize = 12;

impl Cursor {
    /// Text for the client. `scope` names account and operation: a cursor is refused anywhere else.
    pub fn encode(&self, mac: &Mac, scope: &str) -> String {
        let mut bytes = self.body().to_vec();
        bytes.extend_from_slice(&Self::tag(mac, scope, &bytes));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Cursor::encode`] wrote for the same scope, else 422.
    pub fn decode(text: &str, mac: &Mac, scope: &str) -> ApiResult<Self> {
        Self::read(text, mac, scope).ok_or_else(|| {
            ApiError::invalid_field(
                "query/cursor",
                "invalid_cursor",
                "is not a cursor of this list; leave it out to start at the first page",
            )
        })
    }

    fn read(text: &str, mac: &Mac, scope: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY)?;
        verify_slices_are_equal(tag, &Self::tag(mac, scope, body)).ok()?;
        let millis = i64::from_be_bytes(body[..8].try_into().ok()?);
        Some(Self { at: DateTime::from_timestamp_millis(millis)?, id: Uuid::from_slice(&body[8..]).ok()? })
    }

    fn body(&self) -> [u8; BODY] {
        let mut body = [0; BODY];
        body[..8].copy_from_slice(&self.at.timestamp_millis().to_be_bytes());
        body[8..].copy_from_slice(self.id.as_bytes());
        body
    }

    fn tag(mac: &Mac, scope: &str, body: &[u8]) -> [u8; TAG] {
        let full = mac.sign(&[b"cursor", scope.as_bytes(), body]);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&full[..TAG]);
        tag
    }
}

/// A page asked for, checked and ready for a query.
#[derive(Debug, Clone)]
pub struct Page {
    limit: u64,
    after: Option<Cursor>,
    scope: String,
}

impl PageQuery {
    /// Checks the cursor against the account and operation it is used with.
    pub fn page(&self, mac: &Mac, account: Uuid, operation: &str) -> ApiResult<Page> {
        let scope = format!("{operation}:{account}");
        let after = self.cursor.as_deref().map(|text| Cursor::decode(text, mac, &scope)).transpose()?;
        Ok(Page { limit: self.limit.unwrap_or(20), after, scope })
    }
}

impl Page {
    /// Newest first by `(at, id)`; asks for one row more than the page holds, to know whether another page follows.
    pub fn newest_first<E: EntityTrait>(&self, query: Select<E>, at: E::Column, id: E::Column) -> Select<E> {
        let query = match self.after {
            None => query,
            Some(after) => query.filter(
                Condition::any()
                    .add(at.lt(after.at))
                    .add(Condition::all().add(at.eq(after.at)).add(id.lt(after.id))),
            ),
        };
        query.order_by_desc(at).order_by_desc(id).limit(self.limit + 1)
    }

    /// The same for statements written by hand: where to go on (exclusive), and how many rows to ask for.
    pub fn bounds(&self) -> (Cursor, i64) {
        // The end of the year 9999: later than anything stored, and still an instant for both engines.
        let end = DateTime::from_timestamp_millis(253_402_300_799_000).unwrap_or_default();
        let start = Cursor { at: end, id: Uuid::max() };
        (self.after.unwrap_or(start), i64::try_from(self.limit + 1).unwrap_or(i64::MAX))
    }

    /// Where an ascending list goes on (exclusive), and how many rows to ask for.
    pub fn bounds_ascending(&self) -> (Cursor, i64) {
        let start = Cursor { at: DateTime::<Utc>::UNIX_EPOCH, id: Uuid::nil() };
        (self.after.unwrap_or(start), i64::try_from(self.limit + 1).unwrap_or(i64::MAX))
    }

    /// Whether this is the first page.
    pub fn is_first(&self) -> bool {
        self.after.is_none()
    }

    /// A cursor of this list that goes on after `at`.
    pub fn after(&self, mac: &Mac, at: Cursor) -> String {
        at.encode(mac, &self.scope)
    }

    /// How many items the page may hold.
    pub fn size(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    /// Cuts the extra row off again and names the last one that stays.
    pub fn finish<R>(&self, rows: &mut Vec<R>, mac: &Mac, cursor: impl Fn(&R) -> Cursor) -> Option<String> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        rows.last().filter(|_| more).map(|row| cursor(row).encode(mac, &self.scope))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCOPE: &str = "list_checkins:ana";

    fn cursors() -> impl Strategy<Value = Cursor> {
        (0_i64..253_402_300_800_000, any::<u128>()).prop_map(|(millis, id)| Cursor {
            at: DateTime::from_timestamp_millis(millis).unwrap(),
            id: Uuid::from_u128(id),
        })
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_where_it_was_given(cursor in cursors(), scope in "\\PC{0,40}") {
            let mac = Mac::new(b"key");
            let text = cursor.encode(&mac, SCOPE);
            prop_assert_eq!(Cursor::decode(&text, &mac, SCOPE).unwrap(), cursor);
            prop_assert!(scope == SCOPE || Cursor::decode(&text, &mac, &scope).is_err());
            prop_assert!(Cursor::decode(&text, &Mac::new(b"other"), SCOPE).is_err());
        }

        #[test]
        fn a_changed_cursor_is_refused(cursor in cursors(), at in 0_usize..48, letter in "[A-Za-z0-9_=+/-]", cut in 0_usize..48) {
            let mac = Mac::new(b"key");
            let text = cursor.encode(&mac, SCOPE);
            let mut changed = text.clone();
            changed.replace_range(at..=at, &letter);
            prop_assert!(changed == text || Cursor::decode(&changed, &mac, SCOPE).is_err());
            prop_assert!(Cursor::decode(&text[..cut], &mac, SCOPE).is_err());
            prop_assert!(Cursor::decode(&(text + &letter), &mac, SCOPE).is_err());
        }

        #[test]
        fn no_other_text_is_a_cursor(text in "\\PC{0,80}|[A-Za-z0-9_-]{48}") {
            prop_assert!(Cursor::decode(&text, &Mac::new(b"key"), SCOPE).is_err());
        }
    }
}
