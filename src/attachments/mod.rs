//! Voice notes and drawings, for the hour when writing is hard. A file comes in parts, which are sealed as they come
//! and can go on after any interruption. Completing it checks what it is, blanks what it says beside its content, and
//! writes it into its field as a new revision of the entry, with which it is shared, frozen, and deleted from then on.
//! Nobody transcribes it. What is not completed within a day goes.

mod chunks;
mod download;
mod dto;
mod entry;
mod queries;
mod routes;
mod rules;
mod staff;
mod strip;
mod upload;

use utoipa_axum::router::OpenApiRouter;

pub use chunks::{Stored, insert as insert_chunk, load as load_chunk};
pub use entry::require_complete;
pub use queries::{erase_of_entry, sweep};
pub use rules::{AttachmentKind, MediaType, part_length, parts};

use crate::app::AppState;

pub fn router() -> OpenApiRouter<AppState> {
    routes::router().merge(staff::router())
}
