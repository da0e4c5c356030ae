//! Settings of what outlives single records: the audit chain, the ledger of erasures, and how long things are kept.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[audit]`: what shows later that the chain of who read what is whole.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// File to which the heads of the chains are appended; empty: `audit-anchors.jsonl` in `data_dir`.
    pub anchor_file: PathBuf,
}

/// `[erasure]`: what a restored backup is held against.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ErasureConfig {
    /// File to which every erasure is appended; empty: `erasures.jsonl` in `data_dir`.
    pub ledger_file: PathBuf,
}

/// `[retention]`: what is kept for a time only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Logins that have ended, in days.
    pub ended_logins_days: i64,
    /// Invitations that were used, revoked or ran out, in days.
    pub invitations_days: i64,
    /// What the clinic keeps of an erased patient, in years.
    pub clinic_record_years: i64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { ended_logins_days: 90, invitations_days: 180, clinic_record_years: 10 }
    }
}
