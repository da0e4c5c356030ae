//! Sessions on devices that were offline: read only.

use entity::sessions;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{dto::Session, queries};
use crate::{
    error::ApiResult,
    sync::{Pulled, Reader, Rows},
};

/// The collection.
pub struct Sessions;

impl Pulled for Sessions {
    type View = Session;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> ApiResult<Vec<(Uuid, Session)>> {
        let statement = rows.statement(reader, "SELECT s.* FROM sessions s WHERE s.patient_id = $1", "s");
        let rows = sessions::Model::find_by_statement(statement).all(reader.conn).await?;
        Ok(rows.into_iter().map(|row| (row.id.0, queries::view(row))).collect())
    }
}
