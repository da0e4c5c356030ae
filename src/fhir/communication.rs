//! Reminders, planned and sent, and what patient and care team wrote to each other below journal entries.

use std::collections::HashMap;

use entity::ids::{AccountId, JournalEntryId};
use serde_json::{Value, json};

use super::{
    bundle::{Resource, derived, to},
    codes::{concept, hl7, own},
    facts::{Facts, Reminding},
};
use crate::journal::{CommentAuthor, JournalComment};

pub fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    let mut all = Vec::new();
    for one in &facts.reminders {
        all.push(request(facts, one));
        all.extend(sent(facts, one));
    }
    all.extend(comments(facts));
    all
}

fn category() -> Value {
    concept(hl7("communication-category", "reminder", "Reminder"))
}

fn about(facts: &Facts<'_>, one: &Reminding) -> Option<Value> {
    facts.session(one.row.origin_id).map(|row| json!([to("Appointment", row.id)]))
}

fn request(facts: &Facts<'_>, one: &Reminding) -> Resource {
    let row = &one.row;
    let status = match row.state.as_str() {
        "planned" | "claimed" | "retrying" => "active",
        "accepted" => "completed",
        _ => "revoked",
    };
    let why = row.reason.as_ref().unwrap_or(&row.state);
    let body = json!({
        "status": status,
        "statusReason": (status == "revoked").then(|| own(&why.replace('_', "-"))),
        "category": [category()],
        "subject": to("Patient", facts.patient),
        "about": about(facts, one),
        "payload": [{"contentString": one.words}],
        "occurrenceDateTime": facts.clock.instant(row.due_at),
        "authoredOn": facts.clock.instant(row.created_at),
        "recipient": [to("Patient", facts.patient)],
    });
    Resource::new("CommunicationRequest", row.id, body)
}

/// Taken by a push service. Whether it was shown is the patient's to know.
fn sent(facts: &Facts<'_>, one: &Reminding) -> Option<Resource> {
    let row = &one.row;
    let sent = row.accepted_at?;
    let received = row.shown_at.filter(|_| facts.own);
    let body = json!({
        "basedOn": [to("CommunicationRequest", row.id)],
        "status": "completed",
        "category": [category()],
        "subject": to("Patient", facts.patient),
        "about": about(facts, one),
        "sent": facts.clock.instant(sent),
        "received": received.map(|at| facts.clock.instant(at)),
        "recipient": [to("Patient", facts.patient)],
        "payload": [{"contentString": one.words}],
    });
    Some(Resource::new("Communication", derived("sent", row.id), body))
}

/// Each is an answer to the last one of somebody else below the same entry.
fn comments(facts: &Facts<'_>) -> Vec<Resource> {
    let mut threads: HashMap<JournalEntryId, Vec<&JournalComment>> = HashMap::new();
    let mut all = Vec::new();
    for comment in facts.comments.iter().filter(|comment| is_shown(facts, comment.entry_id)) {
        let thread = threads.entry(comment.entry_id).or_default();
        let before = thread.iter().rev().find(|other| other.author_id != comment.author_id);
        all.push(message(facts, comment, before.copied()));
        thread.push(comment);
    }
    all
}

fn is_shown(facts: &Facts<'_>, entry: JournalEntryId) -> bool {
    facts.entries.iter().any(|one| one.id == entry)
}

fn message(facts: &Facts<'_>, comment: &JournalComment, before: Option<&JournalComment>) -> Resource {
    let patient = || to("Patient", facts.patient);
    let (sender, recipient) = match comment.author {
        CommentAuthor::Patient => (patient(), facts.listener.map(practitioner)),
        CommentAuthor::CareTeam => (practitioner(comment.author_id), Some(patient())),
    };
    let body = json!({
        "inResponseTo": before.map(|other| vec![to("Communication", other.id)]),
        "status": "completed",
        "category": [own("journal-comment")],
        "subject": patient(),
        "about": [to("Composition", comment.entry_id)],
        "sent": facts.clock.instant(comment.created_at),
        "sender": sender,
        "recipient": recipient.map(|one| vec![one]),
        "payload": [{"contentString": comment.text}],
    });
    Resource::new("Communication", comment.id, body)
}

fn practitioner(member: AccountId) -> Value {
    to("Practitioner", member)
}
