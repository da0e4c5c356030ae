//! Schema changes, one file each; they never import the entities, so that an old change keeps meaning what it meant.

pub use sea_orm_migration::prelude::*;

mod columns;
mod m20261122_000001_people;
mod m20261122_000002_records;
mod m20261122_000003_reminders;
mod m20261122_000004_goals;
mod m20261122_000005_journal;
mod m20261122_000006_attachments;
mod m20261122_000007_consents;
mod m20261122_000008_sync;
mod m20261122_000009_measures;
mod m20261122_000010_prompts;
mod m20261122_000011_plans;
mod m20261122_000012_readiness;
mod m20261123_000024_erasures;
mod m20261123_000025_thresholds;
mod m20261126_000035_session_requests;
mod m20261126_000036_administrations;
mod m20261126_000037_invitation_codes;
mod m20261126_000040_standing;
mod m20261126_000041_timeline;
mod m20261126_000050_past_window;
mod m20261126_000070_review;
mod m20261126_000075_factors;
mod m20261126_000076_resets;
mod m20261126_000080_exports;
mod m20261126_000081_push_subscriptions_fill;
mod m20261126_000090_alert_ladder;
mod m20261126_000091_handovers;
mod m20261126_000096_consents_ended;
mod m20261126_000097_recovery_waits;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_people::Migration),
            Box::new(m20261122_000002_records::Migration),
            Box::new(m20261122_000003_reminders::Migration),
            Box::new(m20261122_000004_goals::Migration),
            Box::new(m20261122_000005_journal::Migration),
            Box::new(m20261122_000006_attachments::Migration),
            Box::new(m20261122_000007_consents::Migration),
            Box::new(m20261122_000008_sync::Migration),
            Box::new(m20261122_000009_measures::Migration),
            Box::new(m20261122_000010_prompts::Migration),
            Box::new(m20261122_000011_plans::Migration),
            Box::new(m20261122_000012_readiness::Migration),
            Box::new(m20261123_000024_erasures::Migration),
            Box::new(m20261123_000025_thresholds::Migration),
            Box::new(m20261126_000035_session_requests::Migration),
            Box::new(m20261126_000036_administrations::Migration),
            Box::new(m20261126_000037_invitation_codes::Migration),
            Box::new(m20261126_000040_standing::Migration),
            Box::new(m20261126_000041_timeline::Migration),
            Box::new(m20261126_000050_past_window::Migration),
            Box::new(m20261126_000070_review::Migration),
            Box::new(m20261126_000075_factors::Migration),
            Box::new(m20261126_000076_resets::Migration),
            Box::new(m20261126_000080_exports::Migration),
            Box::new(m20261126_000081_push_subscriptions_fill::Migration),
            Box::new(m20261126_000090_alert_ladder::Migration),
            Box::new(m20261126_000091_handovers::Migration),
            Box::new(m20261126_000096_consents_ended::Migration),
            Box::new(m20261126_000097_recovery_waits::Migration),
        ]
    }
}
