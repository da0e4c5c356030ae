//! Questionnaires that were asked for, on devices that were offline: read only.

use entity::measure_assignments;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{dto::MeasureAssignment, queries};
use crate::{
    error::ApiResult,
    sync::{Pulled, Reader, Rows},
};

/// The collection.
pub struct Assignments;

impl Pulled for Assignments {
    type View = MeasureAssignment;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> ApiResult<Vec<(Uuid, MeasureAssignment)>> {
        let select = "SELECT a.* FROM measure_assignments a WHERE a.patient_id = $1";
        let statement = rows.statement(reader, select, "a");
        let rows = measure_assignments::Model::find_by_statement(statement).all(reader.conn).await?;
        Ok(rows.into_iter().map(|row| (row.id.0, queries::view(row))).collect())
    }
}
