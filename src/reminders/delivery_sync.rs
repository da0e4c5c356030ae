//! The delivery policy on devices that were offline: a change is laid over what is there, and the last to arrive counts.
//! A pause is no part of it; it counts at once, with a network.

use entity::delivery_policies;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::delivery::{self, DeliveryPolicy, DeliveryPolicyPatch};
use crate::{
    error::{ApiError, ApiResult},
    sync::{Merged, Pulled, Push, Pushed, Reader, Rows, SyncCollection},
};

/// The collection: at most one row.
pub struct DeliveryPolicies;

impl Pulled for DeliveryPolicies {
    type View = DeliveryPolicy;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        _: &Rows,
    ) -> ApiResult<Vec<(Uuid, DeliveryPolicy)>> {
        let row = delivery::find(reader.conn, reader.patient).await?;
        Ok(row.into_iter().map(|row| (row.patient_id.0, delivery::view(Some(row)).body)).collect())
    }
}

impl Pushed for DeliveryPolicies {
    type Create = DeliveryPolicyPatch;
    type Patch = DeliveryPolicyPatch;
    type Row = delivery_policies::Model;
    const KIND: SyncCollection = SyncCollection::DeliveryPolicy;
    const DELETABLE: bool = false;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<delivery_policies::Model>> {
        if id != push.patient.0 {
            return Ok(None);
        }
        delivery::find(push.tx.conn(), push.patient).await
    }

    fn version(row: &delivery_policies::Model) -> i32 {
        row.version
    }

    async fn create(push: &Push<'_>, id: Uuid, input: DeliveryPolicyPatch) -> ApiResult<()> {
        if id != push.patient.0 {
            return Err(ApiError::NotFound);
        }
        delivery::change(push.tx, push.patient, delivery::UNTOUCHED, input).await.map(drop)
    }

    async fn update(
        push: &Push<'_>,
        row: delivery_policies::Model,
        patch: DeliveryPolicyPatch,
    ) -> ApiResult<()> {
        delivery::change(push.tx, push.patient, row.version, patch).await.map(drop)
    }

    async fn merge(
        push: &Push<'_>,
        row: delivery_policies::Model,
        patch: DeliveryPolicyPatch,
    ) -> ApiResult<Merged> {
        if delivery::is_same(&row, &patch) {
            return Ok(Merged::Same);
        }
        Self::update(push, row, patch).await?;
        Ok(Merged::Applied)
    }

    fn patch_of(input: DeliveryPolicyPatch) -> DeliveryPolicyPatch {
        input
    }
}
