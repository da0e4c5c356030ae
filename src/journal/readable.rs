//! The one rule of what staff may read of a journal: entries that are shared with them now, by a patient in whose care
//! they still take part, in the revision that the share shows. Every query for staff takes its rows from here.

/// Rows to select from, called `s`: what each member may read at `now`, which is a parameter such as `$3`. A query
/// narrows them down to its member, patient or entry; both engines fold the two into one, indexes and all.
pub fn readable(now: &str) -> String {
    format!(
        "(SELECT s.patient_id, s.entry_id, s.member_id, s.shared_at, s.until, s.reviewed_at, e.template_id, \
         e.template_version, e.to_talk_about, e.created_at, v.revision, v.body_sealed FROM journal_shares s \
         JOIN care_relations r ON r.patient_id = s.patient_id AND r.member_id = s.member_id AND r.ended_at IS NULL \
         JOIN journal_entries e ON e.patient_id = s.patient_id AND e.id = s.entry_id AND e.state = 'final' \
         JOIN journal_revisions v ON v.patient_id = s.patient_id AND v.entry_id = s.entry_id \
         AND v.revision = COALESCE(s.frozen_revision, e.head_revision) \
         WHERE s.ended_at IS NULL AND (s.until IS NULL OR s.until > {now})) s"
    )
}
