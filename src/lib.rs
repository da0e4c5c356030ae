//! Afterglow: the companion backend for ketamine-assisted psychotherapy. Goals, check-ins and an integration journal
//! for patients, reminders that arrive at the right local time, and for therapists what a patient chose to share.

/// Registration, logins, access tokens; who is calling.
pub mod accounts;
/// Where a thing to do leads.
pub mod actions;
/// Alerts: who is told of an answer that calls for somebody, until a named person acknowledges it.
pub mod alerts;
/// The program's parts and its router.
pub mod app;
/// Voice notes and drawings.
pub mod attachments;
/// The chain of who read or changed whose data.
pub mod audit;
/// Backups and restores.
pub mod backup;
/// Clinics, invitations, the care team.
pub mod care;
/// Mood check-ins: the slice to copy.
pub mod checkins;
/// The command line.
pub mod cli;
/// Time and randomness as arguments.
pub mod clock;
/// Settings from file and environment.
pub mod config;
/// What a patient was asked and what they answered.
pub mod consents;
/// The embedded clinical content.
pub mod content;
/// The two databases behind one door.
pub mod db;
/// The story that `afterglow demo` tells, and its push receiver.
pub mod demo;
/// Erasing a patient, a week after they asked.
pub mod erasure;
/// The one error, as problem+json.
pub mod error;
/// Answers whose ETag is made of their bytes.
pub mod etag;
/// The patient's own archive.
pub mod export;
/// Strict extractors.
pub mod extract;
pub mod fhir;
/// Goals: what a patient wants to reach.
pub mod goals;
/// Health checks and documentation pages.
pub mod health;
/// The HTTP server.
pub mod http;
/// Repeated requests with one effect.
pub mod idempotency;
/// Reading an archive of another installation.
pub mod import;
/// Work for later.
pub mod jobs;
/// The integration journal.
pub mod journal;
/// Which language a reader gets.
pub mod language;
/// Files that only grow.
pub mod lines;
/// Mail, by way of an outbox.
pub mod mail;
/// Words in pages and narratives.
pub mod markup;
/// Questionnaires and their scores.
pub mod measures;
/// What refusals say, in the reader's language.
pub mod messages;
/// The contract as a document.
pub mod openapi;
/// Cursors and pages.
pub mod page;
/// What becomes of a panic.
pub mod panics;
/// Treatment plans from templates.
pub mod plans;
#[cfg(test)]
mod printed;
/// Short exercises, and the one for today.
pub mod prompts;
/// Push: subscriptions, sealing, sending.
pub mod push;
/// Standing rules, planning, the ledger.
pub mod reminders;
/// What is kept for a time only.
pub mod retention;
/// The therapist's side: roster, review queue.
pub mod review;
/// Crisis cards, crisis resources, the safety plan.
pub mod safety;
/// Claim, re-check, send, record.
pub mod scheduler;
/// Appointments of a treatment.
pub mod sessions;
/// What offline devices need to learn.
pub mod sync;
/// Logs, metrics, request ids.
pub mod telemetry;
/// Today on one screen, and the pack for hours without a network.
pub mod today;
/// Collected field errors.
pub mod validate;
/// Envelope encryption.
pub mod vault;
