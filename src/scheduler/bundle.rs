//! What comes together comes as one push: important reminders of one session that are due at the same moment, as when it
//! was scheduled late. Each has its own line in the ledger; one of them carries the others.

use entity::notifications;

use crate::{
    content::Priority,
    reminders::{SESSION, lock_screen_key},
};

/// The rows in groups that come as one push, the carrier first. The same rows give the same carrier, so that a second
/// try has the topic of the first.
pub fn bundles(rows: Vec<notifications::Model>) -> Vec<Vec<notifications::Model>> {
    let mut bundles: Vec<Vec<notifications::Model>> = Vec::with_capacity(rows.len());
    for row in rows {
        let together = |bundle: &&mut Vec<notifications::Model>| {
            bundle.first().is_some_and(|first| comes_with(first, &row))
        };
        match bundles.iter_mut().rev().take(LOOKS_BACK).find(together) {
            Some(bundle) => bundle.push(row),
            None => bundles.push(vec![row]),
        }
    }
    for bundle in &mut bundles {
        bundle.sort_by_key(|row| (lock_screen_key(row) != "important", row.id));
    }
    bundles
}

/// Rows of one moment and one recipient stand beside each other in a batch.
const LOOKS_BACK: usize = 16;

fn comes_with(one: &notifications::Model, other: &notifications::Model) -> bool {
    let important =
        |row: &notifications::Model| row.origin_kind == SESSION && row.priority == Priority::High.as_str();
    let same =
        (one.recipient_id, one.origin_id, one.due_at) == (other.recipient_id, other.origin_id, other.due_at);
    same && important(one) && important(other)
}
