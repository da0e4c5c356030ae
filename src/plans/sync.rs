//! Plans on devices that were offline: read only. Their sessions travel as sessions.

use entity::plans;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{dto::Plan, queries};
use crate::{
    error::ApiResult,
    sync::{Pulled, Reader, Rows},
};

/// The collection.
pub struct Plans;

impl Pulled for Plans {
    type View = Plan;

    async fn load<C: ConnectionTrait>(reader: &Reader<'_, C>, rows: &Rows) -> ApiResult<Vec<(Uuid, Plan)>> {
        let statement = rows.statement(reader, "SELECT p.* FROM plans p WHERE p.patient_id = $1", "p");
        let rows = plans::Model::find_by_statement(statement).all(reader.conn).await?;
        Ok(rows.into_iter().map(|row| (row.id.0, queries::view(row))).collect())
    }
}
