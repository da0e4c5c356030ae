//! The integration journal. Entries are the patient's alone until they share one with one member of their care team;
//! unsharing closes it at once, and nothing edited afterwards was ever visible. Drafts are never shared.

mod attached;
mod catalog;
mod comments;
mod dto;
mod find;
pub mod form;
mod history;
mod notice;
mod queries;
mod readable;
mod routes;
mod rules;
mod search;
mod shares;
mod staff;
mod sync;
pub mod templates;

pub use attached::{Standing, clear_attachment, kind_of_field, set_attachment, standing};
pub use comments::{
    CommentAuthor, JournalComment, all_own as own_comments, all_readable as readable_comments,
};
pub use dto::{EntryFields, JournalEntry, SharedEntry};
pub use notice::not_monitored;
pub use queries::{all_final, place as revision_place};
pub use readable::readable;
pub use rules::{Body, FREE_NOTE, FREE_NOTE_VERSION};
pub use staff::{all_shared, shows_attachment};
pub use sync::{JournalEntries, SyncedEntry, keep_note};
pub use templates::title as template_title;
use utoipa_axum::router::OpenApiRouter;

use crate::app::AppState;

pub fn router() -> OpenApiRouter<AppState> {
    routes::router()
        .merge(catalog::router())
        .merge(find::router())
        .merge(history::router())
        .merge(comments::router())
        .merge(shares::router())
        .merge(staff::router())
}
