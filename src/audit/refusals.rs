//! Who asked for what they may not have. A stolen login looks around before it finds something, so each refusal that
//! meets a member of staff is a row of the chain, committed before the answer leaves.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::{MatchedPath, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse, Response},
};
use entity::{
    accounts,
    ids::{AccountId, ClinicId},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use uuid::Uuid;

use super::{Event, Outcome};
use crate::{
    app::AppState,
    error::{ApiResult, Problem},
    telemetry::RequestId,
};

/// Whoever asks, once it is known. It travels among the request's extensions.
#[derive(Debug, Clone, Default)]
pub struct Asker(Arc<OnceLock<Who>>);

/// A login that was found valid.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    pub account: AccountId,
    pub clinic: ClinicId,
    pub is_patient: bool,
}

impl Asker {
    pub fn note(parts: &Parts, who: Who) {
        if let Some(asker) = parts.extensions.get::<Self>() {
            // The first one stays; there is one login to a request.
            let _same = asker.0.set(who);
        }
    }
}

/// Middleware: records that somebody was refused. What is not there counts for staff, who ask for other people's
/// records; patients meet it in their own, wherever another phone deleted something.
pub async fn record_refusals(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    let asked = Asked::of(&request);
    let response = next.run(request).await;
    let refused = response.extensions().get::<Problem>();
    let (Some(problem), Some(who), Some(asked)) = (refused, asker.0.get(), asked) else { return response };
    let counts = match &*problem.code {
        "forbidden_role" => true,
        "not_found" => !who.is_patient,
        _ => false,
    };
    if !counts {
        return response;
    }
    match record(&app, *who, asked).await {
        Ok(()) => response,
        Err(error) => error.into_response(),
    }
}

async fn record(app: &AppState, who: Who, asked: Asked) -> ApiResult<()> {
    let subject = match asked.patient {
        Some(id) if is_of_clinic(app, id, who.clinic).await? => Some(id),
        _ => None,
    };
    let event = Event { action: "care.refused", subject, resource: asked.what, outcome: Outcome::Refused };
    let row = event.stamp(app.clock.now(), Some(who.account), &asked.request_id);
    app.reads.record(who.clinic.0, row).await
}

/// A chain names people of its own clinic only.
async fn is_of_clinic(app: &AppState, patient: Uuid, clinic: ClinicId) -> ApiResult<bool> {
    let found = accounts::Entity::find_by_id(patient)
        .filter(accounts::Column::ClinicId.eq(clinic))
        .filter(accounts::Column::Kind.eq("patient"))
        .count(app.db.reader())
        .await?;
    Ok(found > 0)
}

struct Asked {
    /// Method and path, of which only ids are the client's words.
    what: String,
    patient: Option<Uuid>,
    request_id: String,
}

impl Asked {
    fn of(request: &Request) -> Option<Self> {
        let template = request.extensions().get::<MatchedPath>()?;
        let (path, patient) = with_ids(template.as_str(), request.uri().path());
        let request_id = request.extensions().get::<RequestId>().map(|id| id.0.to_string());
        Some(Self {
            what: format!("{} {path}", request.method()),
            patient,
            request_id: request_id.unwrap_or_default(),
        })
    }
}

/// The route with the ids of this path in it, and the patient's.
fn with_ids(template: &str, path: &str) -> (String, Option<Uuid>) {
    let mut patient = None;
    let segments = template.split('/').zip(path.split('/')).map(|(name, given)| {
        let id = given.parse::<Uuid>().ok().filter(|_| name.starts_with('{'));
        if name == "{patient_id}" {
            patient = id;
        }
        id.map_or_else(|| name.to_owned(), |id| id.to_string())
    });
    let filled = segments.collect::<Vec<_>>().join("/");
    (filled, patient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_are_taken_from_a_path() {
        let id = Uuid::from_u128(7);
        let template = "/v1/patients/{patient_id}/measures/{measure}/{id}";
        let (filled, patient) =
            with_ids(template, &format!("/v1/patients/{id}/measures/I%20hear%20voices/3"));
        assert_eq!(filled, format!("/v1/patients/{id}/measures/{{measure}}/{{id}}"));
        assert_eq!(patient, Some(id));
        assert_eq!(
            with_ids("/v1/covers/{id}", &format!("/v1/covers/{id}")),
            (format!("/v1/covers/{id}"), None)
        );
        assert_eq!(with_ids("/v1/me", "/v1/me"), ("/v1/me".to_owned(), None));
    }
}
