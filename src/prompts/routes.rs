//! Handlers of exercises.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    catalogue::catalogue,
    dto::{PromptList, PromptQuery, TodaysPrompt},
    queries,
};
use crate::{accounts::Patient, app::AppState, error::ApiResult, extract::ValidQuery, openapi::Problems};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_prompts))
        .routes(routes!(get_todays_prompt))
        .routes(routes!(put_prompt_favourite, delete_prompt_favourite))
}

/// List the exercises, in my language.
#[utoipa::path(get, path = "/prompts", operation_id = "list_prompts", tag = "prompts", params(PromptQuery),
    responses((status = 200, body = PromptList), Problems))]
async fn list_prompts(
    State(app): State<AppState>,
    me: Patient,
    ValidQuery(query): ValidQuery<PromptQuery>,
) -> ApiResult<Json<PromptList>> {
    let favourites = queries::favourites(app.db.reader(), me.id()).await?;
    let wanted = catalogue().iter().filter(|prompt| query.admits(prompt, favourites.contains(&prompt.id)));
    let items = wanted.map(|prompt| queries::view(prompt, &favourites, &me.locale)).collect();
    Ok(Json(PromptList { items }))
}

/// The exercise for today: the same at every look of a day, never one that does not fit the hour or the state.
#[utoipa::path(get, path = "/prompts/today", operation_id = "get_todays_prompt", tag = "prompts",
    responses((status = 200, body = TodaysPrompt), Problems))]
async fn get_todays_prompt(State(app): State<AppState>, me: Patient) -> ApiResult<Json<TodaysPrompt>> {
    let (day, prompt, favourites) = queries::todays(&app, &me).await?;
    let support = queries::support(&app, &me, &day).await?;
    let prompt = queries::view(prompt, &favourites, &me.locale);
    Ok(Json(TodaysPrompt { local_date: day.date, prompt, support }))
}

/// Mark an exercise as a favourite: it may come again soon, and comes more often.
#[utoipa::path(put, path = "/prompts/{prompt_id}/favourite", operation_id = "put_prompt_favourite", tag = "prompts",
    params(("prompt_id" = String, Path, example = "ground-five-senses")),
    responses((status = 204, description = "Marked"), Problems))]
async fn put_prompt_favourite(
    State(app): State<AppState>,
    me: Patient,
    Path(prompt): Path<String>,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| queries::set_favourite(tx, me.id(), &prompt, true).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take the mark back.
#[utoipa::path(delete, path = "/prompts/{prompt_id}/favourite", operation_id = "delete_prompt_favourite",
    tag = "prompts", params(("prompt_id" = String, Path, example = "ground-five-senses")),
    responses((status = 204, description = "No longer marked"), Problems))]
async fn delete_prompt_favourite(
    State(app): State<AppState>,
    me: Patient,
    Path(prompt): Path<String>,
) -> ApiResult<StatusCode> {
    app.db.write(&me.writing(), async |tx| queries::set_favourite(tx, me.id(), &prompt, false).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
