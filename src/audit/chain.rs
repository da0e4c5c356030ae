//! Appending to a chain.

use chrono::{DateTime, Utc};
use entity::{audit_events, audit_heads, ids::AccountId};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect, Set,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use crate::{db::Engine, vault::Mac};

/// Rows of one insert; a database takes only so many values in a statement.
const CHUNK: usize = 1_000;

/// The key of all chains of this installation.
#[derive(Clone)]
pub struct AuditKey(Mac);

impl AuditKey {
    pub fn new(mac: Mac) -> Self {
        Self(mac)
    }

    /// For the anchors, which are signed apart from the rows.
    pub(super) fn of_anchors(&self) -> Mac {
        self.0.derive("anchor")
    }
}

/// How an audited act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// One act, before it is known when and in which request it happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// Slice and verb, such as `journal.share`.
    pub action: &'static str,
    /// The person whose data it is about.
    pub subject: Option<Uuid>,
    /// Table and id, such as `journal_entries/0198…`; never contents.
    pub resource: String,
    pub outcome: Outcome,
}

impl Event {
    pub fn new(action: &'static str, subject: impl Into<Uuid>, resource: impl Into<String>) -> Self {
        Self { action, subject: Some(subject.into()), resource: resource.into(), outcome: Outcome::Done }
    }

    pub fn refused(self) -> Self {
        Self { outcome: Outcome::Refused, ..self }
    }

    pub fn stamp(self, at: DateTime<Utc>, actor: Option<AccountId>, request_id: &str) -> Stamped {
        Stamped { event: self, at, actor, request_id: request_id.to_owned() }
    }
}

/// One act with its circumstances: a row to be.
#[derive(Debug, Clone)]
pub struct Stamped {
    event: Event,
    at: DateTime<Utc>,
    actor: Option<AccountId>,
    request_id: String,
}

impl Stamped {
    fn into_row(self, stream: Uuid, seq: i64) -> audit_events::Model {
        audit_events::Model {
            stream,
            seq,
            at: self.at,
            actor_id: self.actor.map(|actor| actor.0),
            action: self.event.action.to_owned(),
            subject_id: self.event.subject,
            resource: self.event.resource,
            outcome: self.event.outcome.as_str().to_owned(),
            request_id: self.request_id,
            mac: Vec::new(),
        }
    }
}

/// The tag of a row: over everything in it, and the tag before it.
pub(super) fn link(key: &AuditKey, row: &audit_events::Model, previous: &[u8]) -> Vec<u8> {
    key.0
        .sign(&[
            row.stream.as_bytes(),
            &row.seq.to_be_bytes(),
            &row.at.timestamp_millis().to_be_bytes(),
            row.actor_id.unwrap_or_default().as_bytes(),
            row.action.as_bytes(),
            row.subject_id.unwrap_or_default().as_bytes(),
            row.resource.as_bytes(),
            row.outcome.as_bytes(),
            row.request_id.as_bytes(),
            previous,
        ])
        .to_vec()
}

/// Appends rows to a stream. Call it last in a transaction: it holds the stream's head until the commit.
pub async fn append(
    txn: &DatabaseTransaction,
    engine: Engine,
    key: &AuditKey,
    stream: Uuid,
    rows: Vec<Stamped>,
) -> Result<(), DbErr> {
    let (mut seq, mut mac) = head(txn, engine, stream).await?;
    let mut models = Vec::with_capacity(rows.len());
    for row in rows {
        seq += 1;
        let mut row = row.into_row(stream, seq);
        row.mac = link(key, &row, &mac);
        mac.clone_from(&row.mac);
        models.push(audit_events::ActiveModel::from(row).reset_all());
    }
    while !models.is_empty() {
        let rest = models.split_off(models.len().min(CHUNK));
        audit_events::Entity::insert_many(models).exec_without_returning(txn).await?;
        models = rest;
    }
    audit_heads::Entity::update_many()
        .col_expr(audit_heads::Column::Seq, Expr::value(seq))
        .col_expr(audit_heads::Column::Mac, Expr::value(mac))
        .filter(audit_heads::Column::Stream.eq(stream))
        .exec(txn)
        .await?;
    Ok(())
}

/// Locks and reads the head of a stream, making it on first use.
async fn head(txn: &DatabaseTransaction, engine: Engine, stream: Uuid) -> Result<(i64, Vec<u8>), DbErr> {
    loop {
        let mut query = audit_heads::Entity::find_by_id(stream);
        if engine == Engine::Postgres {
            query = query.lock_exclusive();
        }
        if let Some(head) = query.one(txn).await? {
            return Ok((head.seq, head.mac));
        }
        let first = audit_heads::ActiveModel { stream: Set(stream), seq: Set(0), mac: Set(Vec::new()) };
        audit_heads::Entity::insert(first)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(txn)
            .await?;
    }
}
