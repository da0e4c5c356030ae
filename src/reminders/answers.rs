//! Telling a patient that the clinic answered a request of theirs.

use entity::ids::{PatientId, SessionRequestId};

use super::{
    REQUEST,
    comments::{announce, withdraw},
};
use crate::{db::WriteTx, error::ApiResult};

/// Plans a note about an answer; each answer gets its own.
pub async fn announce_answer(
    tx: &WriteTx,
    patient: PatientId,
    zone: &str,
    (request, version): (SessionRequestId, i32),
) -> ApiResult<()> {
    let slot = format!("request:{request}:{version}");
    announce(tx, patient, zone, (REQUEST, request.0), (slot, "appointment")).await
}

/// Takes back what was not sent yet about answers that no longer hold.
pub async fn withdraw_offers(tx: &WriteTx, patient: PatientId, request: SessionRequestId) -> ApiResult<()> {
    withdraw(tx, patient, REQUEST, vec![request.0]).await
}
