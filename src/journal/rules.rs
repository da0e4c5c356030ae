//! What an entry is, without database or clock.

use serde::{Deserialize, Serialize};

use super::{
    dto::{EntryFields, EntryPatch, EntryState},
    form,
    templates::Template,
};
use crate::{
    error::{ApiError, ApiResult},
    extract::Patch,
    validate::Checks,
};

/// The blank page.
pub const FREE_NOTE: &str = "free-note";
/// Its version in `content/journal_templates.json`.
pub const FREE_NOTE_VERSION: &str = "1.0.0";

/// Tags of one entry.
pub const TAGS: usize = 20;
/// Characters of one tag.
pub const TAG: usize = 40;

/// The words of one revision: what is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub fields: EntryFields,
}

/// The words after a patch; equal to `before` when it changes none.
pub fn patched(before: &Body, patch: &EntryPatch) -> Body {
    Body {
        title: patch.title.clone().apply(before.title.clone()),
        fields: patch.fields.clone().unwrap_or_else(|| before.fields.clone()),
    }
}

/// A late change without the clearing of a title that its device may never have seen.
pub fn without_clearing(patch: EntryPatch) -> EntryPatch {
    if patch.title == Patch::Clear { EntryPatch { title: Patch::Keep, ..patch } } else { patch }
}

/// Refuses words that do not fit their form. What a patch leaves alone was checked when it was written, unless a draft
/// becomes final.
pub fn check_patched(
    template: &Template,
    after: &Body,
    patch: &EntryPatch,
    (was, is): (EntryState, EntryState),
) -> ApiResult<()> {
    let mut checks = Checks::default();
    if patch.fields.is_some() || was != is {
        form::check(&mut checks, template, &after.fields, is);
    }
    checks.finish()
}

/// The state after a patch. 422 for a final entry that should become a draft: somebody may already have read it.
pub fn next_state(before: EntryState, wanted: Option<EntryState>) -> ApiResult<EntryState> {
    match (before, wanted) {
        (EntryState::Final, Some(EntryState::Draft)) => Err(ApiError::invalid_field(
            "/state",
            "already_final",
            "a final entry does not become a draft again",
        )),
        (before, wanted) => Ok(wanted.unwrap_or(before)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_that_of_the_content() {
        let content: serde_json::Value =
            serde_json::from_str(include_str!("../../content/journal_templates.json")).unwrap();
        let template = &content["templates"][0];
        assert_eq!(template["id"], FREE_NOTE);
        assert_eq!(template["version"], FREE_NOTE_VERSION);
        assert_eq!(template["fields"][0]["maxLength"], 20_000);
        assert_eq!(template["defaultSharing"], "private");
    }

    #[test]
    fn a_final_entry_stays_final() {
        use EntryState::{Draft, Final};
        assert!(next_state(Final, Some(Draft)).is_err());
        assert_eq!(next_state(Draft, Some(Final)).unwrap(), Final);
        assert_eq!(next_state(Final, None).unwrap(), Final);
    }
}
