//! Filled-in questionnaires of devices that were offline. They are scored here and raise what they raise, however late
//! they come. What was handed in stays: a form under the id of another one is a form of its own.

use chrono::SubsecRound;
use entity::ids::MeasureResponseId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    dto::{MeasureResponse, MeasureResponseCreate},
    queries::{self, Row},
    rules,
};
use crate::{
    audit::Event,
    error::{ApiError, ApiResult},
    measures::clinic_facts,
    sync::{Merged, Pulled, Push, Pushed, Reader, Rows, SyncCollection},
    validate::{Checks, Validate},
};

/// The collection.
pub struct Responses;

impl Pulled for Responses {
    type View = MeasureResponse;

    async fn load<C: ConnectionTrait>(
        reader: &Reader<'_, C>,
        rows: &Rows,
    ) -> ApiResult<Vec<(Uuid, MeasureResponse)>> {
        let statement = rows.statement(reader, &queries::Reader::Author.select(), "r");
        let rows = Row::find_by_statement(statement).all(reader.conn).await?;
        let view = |row: &Row| {
            let response = queries::view(row, reader.key, reader.measures)?;
            Ok((
                row.id.0,
                match (reader.card, reader.measures.find(&row.measure_id)) {
                    (Some(locale), Some(measure)) => {
                        let held = row.flags.split_whitespace().filter_map(|rule| measure.rule(rule));
                        response.answering(&held.collect::<Vec<_>>(), locale)
                    }
                    _ => response,
                },
            ))
        };
        rows.iter().map(view).collect()
    }
}

/// What can be changed of a form that was handed in: who sees it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponsePatch {
    shared: Option<bool>,
    /// A whole form, where a creation meets one that is there.
    #[serde(skip)]
    form: Option<MeasureResponseCreate>,
}

impl Validate for ResponsePatch {
    fn validate(&self, _: &mut Checks) {}
}

impl Pushed for Responses {
    type Create = MeasureResponseCreate;
    type Patch = ResponsePatch;
    type Row = Row;
    const KIND: SyncCollection = SyncCollection::MeasureResponses;
    const DELETABLE: bool = false;

    async fn find(push: &Push<'_>, id: Uuid) -> ApiResult<Option<Row>> {
        match queries::find(push.tx.conn(), push.patient, id.into()).await {
            Ok(row) => Ok(Some(row)),
            Err(ApiError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn version(row: &Row) -> i32 {
        row.version
    }

    async fn create(push: &Push<'_>, id: Uuid, input: MeasureResponseCreate) -> ApiResult<()> {
        let draft = rules::draft(push.measures, input, push.tx.now())?;
        let signed = clinic_facts(push.tx.conn(), push.clinic).await?.form_thresholds_signed;
        queries::insert(push.tx, push.patient, push.key, id.into(), (&draft, signed)).await?;
        Ok(())
    }

    async fn update(push: &Push<'_>, row: Row, patch: ResponsePatch) -> ApiResult<()> {
        let Some(shared) = patch.shared else { return Ok(()) };
        queries::set_shared(push.tx, push.patient, row.id, shared).await?;
        let action = if shared { "measures.share" } else { "measures.unshare" };
        push.tx.audit(Event::new(action, push.patient, format!("measure_responses/{}", row.id)));
        Ok(())
    }

    async fn merge(push: &Push<'_>, row: Row, patch: ResponsePatch) -> ApiResult<Merged> {
        if let Some(form) = patch.form {
            if is_same(push, &row, &form)? {
                return Ok(Merged::Same);
            }
            let copy = MeasureResponseId(push.tx.new_id());
            Self::create(push, copy.0, form).await?;
            return Ok(Merged::Copied(copy.0));
        }
        if patch.shared.is_none_or(|shared| shared == row.shared_at.is_some()) {
            return Ok(Merged::Same);
        }
        Self::update(push, row, patch).await?;
        Ok(Merged::Applied)
    }

    fn patch_of(input: MeasureResponseCreate) -> ResponsePatch {
        ResponsePatch { shared: None, form: Some(input) }
    }
}

/// Whether a form says what one that is there says.
fn is_same(push: &Push<'_>, row: &Row, form: &MeasureResponseCreate) -> ApiResult<bool> {
    let (there, _) = queries::result(row, push.key, push.measures)?;
    let mut answers = (there.answers, form.answers.clone());
    answers.0.sort_by(|a, b| a.item.cmp(&b.item));
    answers.1.sort_by(|a, b| a.item.cmp(&b.item));
    Ok(there.measure_id == form.measure_id
        && answers.0 == answers.1
        && form.taken_at.is_none_or(|at| at.trunc_subsecs(3) == there.taken_at))
}
