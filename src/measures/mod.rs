//! Questionnaires: their texts, what patients answered, what that comes to, and what care teams asked for. A worrying
//! answer commits its alerts in the transaction that stores it, and is answered with the crisis card.

mod answers;
mod assignments;
mod catalogue;
mod check;
mod clinic;
mod definition;
mod forms;
mod responses;
pub mod scoring;

pub use answers::MeasureAnswer;
pub use assignments::{
    Assignments, MeasureAssignment, NewAssignment, PlannedMeasure, assign, assign_planned, cancel_planned,
    move_planned,
};
pub use catalogue::{Catalogue, CatalogueError, DAILY, embedded};
pub use clinic::{
    ClinicFacts, Responder, ResponsePolicyContent, ResponseStep, clinic_facts, response_policy,
};
pub use definition::{AnswerOption, Item, ItemType, Level, Measure, Notify, SafetyRule, Score};
pub use forms::LOINC_NOTICE;
#[cfg(test)]
pub use responses::MeasureScore;
pub use responses::{
    MeasureChange, MeasureResponse, MeasureResult, Reader as ResponseReader, Responses, all as all_responses,
    result as response_result, unshare_all,
};
use utoipa_axum::router::OpenApiRouter;

use crate::app::AppState;

pub fn router() -> OpenApiRouter<AppState> {
    forms::router().merge(responses::router()).merge(assignments::router()).merge(clinic::router())
}
