//! The memory of operations that were done: one that is sent again, because its answer was lost, is done once.

use std::collections::HashMap;

use entity::{ids::PatientId, sync_ops};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};
use uuid::Uuid;

use super::dto::SyncOp;
use crate::{
    db::WriteTx,
    error::{ApiError, ApiResult},
    vault::Mac,
};

/// An operation under its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub op_id: Uuid,
    /// Over everything it says, so that an id that is used for something else is noticed.
    fingerprint: [u8; 32],
}

impl Identity {
    pub fn of(op: &SyncOp, mac: &Mac) -> ApiResult<Self> {
        // Read and written again, names in order: some clients write their maps in another order each time.
        let fields: serde_json::Value = match &op.fields {
            Some(raw) => serde_json::from_str(raw.get()).unwrap_or_default(),
            None => serde_json::Value::Null,
        };
        let said = (op.collection, op.kind, op.id, op.base_version, fields);
        let said = serde_json::to_vec(&said).map_err(ApiError::internal)?;
        let fingerprint = mac.sign(&[b"sync op", &said]);
        let mut own = [0; 16];
        own.copy_from_slice(&fingerprint[..16]);
        Ok(Self { op_id: op.op_id.unwrap_or(Uuid::from_bytes(own)), fingerprint })
    }
}

/// What an operation left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The version that the row got, if it was as the device knew it.
    pub version: Option<i32>,
    /// Where the words of the device went, if they stood against others.
    pub copy: Option<Uuid>,
}

/// What is known of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Not,
    Done(Outcome),
    /// The id was used for something else.
    Reused,
}

/// The operations of one push that were done before or in it.
pub struct Memory {
    patient: PatientId,
    done: HashMap<Uuid, ([u8; 32], Outcome)>,
    fresh: Vec<sync_ops::ActiveModel>,
}

impl Memory {
    /// Reads what is known of these, with one statement.
    pub async fn load(conn: &impl ConnectionTrait, patient: PatientId, ops: &[Identity]) -> ApiResult<Self> {
        let rows = sync_ops::Entity::find()
            .filter(sync_ops::Column::PatientId.eq(patient))
            .filter(sync_ops::Column::OpId.is_in(ops.iter().map(|op| op.op_id)))
            .all(conn)
            .await?;
        let done = rows
            .into_iter()
            .map(|row| {
                let fingerprint = row.fingerprint.try_into().unwrap_or_default();
                (row.op_id, (fingerprint, Outcome { version: row.version, copy: row.copy_id }))
            })
            .collect();
        Ok(Self { patient, done, fresh: Vec::new() })
    }

    pub fn ask(&self, op: &Identity) -> Known {
        match self.done.get(&op.op_id) {
            None => Known::Not,
            Some((fingerprint, outcome)) if *fingerprint == op.fingerprint => Known::Done(*outcome),
            Some(_) => Known::Reused,
        }
    }

    pub fn keep(&mut self, tx: &WriteTx, op: &Identity, outcome: Outcome) {
        self.done.insert(op.op_id, (op.fingerprint, outcome));
        self.fresh.push(sync_ops::ActiveModel {
            patient_id: Set(self.patient),
            op_id: Set(op.op_id),
            fingerprint: Set(op.fingerprint.to_vec()),
            version: Set(outcome.version),
            copy_id: Set(outcome.copy),
            applied_at: Set(tx.now()),
        });
    }

    /// Writes what was kept, with one statement.
    pub async fn store(self, tx: &WriteTx) -> ApiResult<()> {
        if !self.fresh.is_empty() {
            sync_ops::Entity::insert_many(self.fresh).exec_without_returning(tx.conn()).await?;
        }
        Ok(())
    }
}
