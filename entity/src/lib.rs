//! The tables as sea-orm entities, one file each, and the data map that says how every column is treated.

pub mod accounts;
pub mod administrations;
pub mod alerts;
pub mod attachment_chunks;
pub mod attachments;
pub mod audit_events;
pub mod audit_heads;
pub mod care_relations;
pub mod checkins;
pub mod clinic_plan_templates;
pub mod clinics;
pub mod consents;
pub mod covers;
pub mod data_keys;
pub mod data_map;
pub mod deliveries;
pub mod delivery_policies;
pub mod erasures;
pub mod export_chunks;
pub mod exports;
pub mod goal_entries;
pub mod goal_progress;
pub mod goal_shares;
pub mod goals;
pub mod handovers;
pub mod idempotency_keys;
pub mod ids;
pub mod invitations;
pub mod jobs;
pub mod journal_comments;
pub mod journal_entries;
pub mod journal_revisions;
pub mod journal_shares;
pub mod known_devices;
pub mod login_attempts;
pub mod logins;
pub mod measure_assignments;
pub mod measure_responses;
pub mod notifications;
pub mod patients;
pub mod plans;
pub mod prompt_favourites;
pub mod prompt_offers;
pub mod push_subscriptions;
pub mod recovery_codes;
pub mod refresh_tokens;
pub mod reminders;
pub mod reset_requests;
pub mod reset_tokens;
pub mod safety_plans;
pub mod session_readiness;
pub mod session_requests;
pub mod sessions;
pub mod sync_ops;
pub mod tombstones;
pub mod zone_history;

/// Every table, in the order in which the first migration makes them.
pub const TABLES: &[&data_map::TableRule] = &[
    &clinics::RULES,
    &accounts::RULES,
    &patients::RULES,
    &data_keys::RULES,
    &logins::RULES,
    &refresh_tokens::RULES,
    &login_attempts::RULES,
    &invitations::RULES,
    &care_relations::RULES,
    &consents::RULES,
    &checkins::RULES,
    &journal_entries::RULES,
    &journal_revisions::RULES,
    &journal_shares::RULES,
    &sessions::RULES,
    &reminders::RULES,
    &delivery_policies::RULES,
    &zone_history::RULES,
    &notifications::RULES,
    &deliveries::RULES,
    &push_subscriptions::RULES,
    &alerts::RULES,
    &tombstones::RULES,
    &idempotency_keys::RULES,
    &audit_events::RULES,
    &audit_heads::RULES,
    &jobs::RULES,
    &sync_ops::RULES,
    &safety_plans::RULES,
    &prompt_favourites::RULES,
    &prompt_offers::RULES,
    &session_readiness::RULES,
    &session_requests::RULES,
    &administrations::RULES,
    &goals::RULES,
    &goal_progress::RULES,
    &goal_entries::RULES,
    &goal_shares::RULES,
    &journal_comments::RULES,
    &attachments::RULES,
    &attachment_chunks::RULES,
    &measure_assignments::RULES,
    &measure_responses::RULES,
    &plans::RULES,
    &clinic_plan_templates::RULES,
    &erasures::RULES,
    &covers::RULES,
    &handovers::RULES,
    &exports::RULES,
    &export_chunks::RULES,
    &recovery_codes::RULES,
    &known_devices::RULES,
    &reset_requests::RULES,
    &reset_tokens::RULES,
];
