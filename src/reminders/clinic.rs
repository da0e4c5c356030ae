//! The clinic's own timeline around sessions: what its admins change of the content's reminders. Patients are planned
//! by it from then on, those with sessions ahead at once.

use axum::extract::State;
use entity::{clinics, ids::ClinicId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    rules::timeline::{Edits, HUSH_MARGIN, LONGEST_MARGIN, Timeline, TimelineEdit, edited},
    sweep::catch_up,
};
use crate::{
    accounts::{Admin, Caller, Staff},
    app::AppState,
    audit::Event,
    content::{Anchor, ReminderTemplate, in_locale, protocols},
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::{IfMatch, ValidJson, Versioned},
    language::InLanguage,
    openapi::Problems,
    validate::{Checks, Validate},
};

/// One reminder around sessions, as it is sent by this clinic.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineReminder {
    #[schema(example = "dosing-ride")]
    template_id: String,
    #[schema(example = "Your way home")]
    title: String,
    /// The kinds of session it belongs to.
    #[schema(example = json!(["dosing"]))]
    session_kinds: Vec<String>,
    #[schema(example = "ride")]
    category: String,
    /// `high`, `normal` or `low`.
    #[schema(example = "high")]
    priority: &'static str,
    /// Whether the offset counts from the session's `start` or its `end`.
    #[schema(example = "start")]
    anchor: &'static str,
    #[schema(example = "-P2D")]
    offset: String,
    /// On the patient's wall clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "12:00")]
    local_time: Option<String>,
    /// Whether it comes on time also in quiet hours and while a dosing session goes on.
    #[schema(example = false)]
    ignores_quiet_hours: bool,
    /// Whether it is sent at all.
    #[schema(example = true)]
    enabled: bool,
    /// Whether the clinic changed it.
    #[schema(example = false)]
    edited: bool,
}

/// What this clinic sends around sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClinicTimeline {
    /// Of the clinic; rises with every change of it.
    #[schema(example = 1)]
    version: i32,
    /// How long after its planned end a dosing session without a record still keeps the patient in peace.
    #[schema(example = 60)]
    hush_margin_minutes: i64,
    /// Every reminder there is, those that are off too, in the order of a session.
    reminders: Vec<TimelineReminder>,
}

/// What the clinic changes. It replaces what it had changed before; an empty list is the content as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClinicTimelineInput {
    /// Left out: one hour.
    #[schema(minimum = 0, maximum = 720, example = 90)]
    hush_margin_minutes: Option<i64>,
    #[schema(max_items = 100)]
    edits: Vec<TimelineEdit>,
}

impl Validate for ClinicTimelineInput {
    fn validate(&self, checks: &mut Checks) {
        checks.range("/hush_margin_minutes", self.hush_margin_minutes, 0, LONGEST_MARGIN);
        checks.items("/edits", &self.edits, 100);
        for (index, edit) in self.edits.iter().take(100).enumerate() {
            let at = format!("/edits/{index}");
            let twice = self.edits[..index].iter().any(|other| other.template_id == edit.template_id);
            let pointer = format!("{at}/template_id");
            checks.require(!twice, &pointer, "duplicate_value", "was sent more than once");
            if let Err((field, code, detail)) = edited(edit) {
                checks.require(false, &format!("{at}/{field}"), code, detail);
            }
        }
    }
}

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_clinic_timeline, put_clinic_timeline))
}

/// What my clinic sends around sessions, and when.
#[utoipa::path(get, path = "/clinic/timeline", operation_id = "get_clinic_timeline", tag = "reminders",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the app already has.")),
    responses((status = 200, body = ClinicTimeline), (status = 304, description = "Unchanged"), Problems))]
async fn get_clinic_timeline(
    State(app): State<AppState>,
    me: Staff,
) -> ApiResult<InLanguage<Versioned<ClinicTimeline>>> {
    let view = read(app.db.reader(), me.clinic, &me.locale).await?;
    Ok(InLanguage(me.locale.clone(), view))
}

/// Set what my clinic changes of the reminders around sessions. Whatever is still to come is planned by it.
#[utoipa::path(put, path = "/clinic/timeline", operation_id = "put_clinic_timeline", tag = "reminders",
    params(("If-Match" = String, Header, description = "The ETag that was read.", example = "\"1\"")),
    request_body = ClinicTimelineInput, responses((status = 200, body = ClinicTimeline), Problems))]
async fn put_clinic_timeline(
    State(app): State<AppState>,
    me: Admin,
    IfMatch(version): IfMatch,
    ValidJson(input): ValidJson<ClinicTimelineInput>,
) -> ApiResult<InLanguage<Versioned<ClinicTimeline>>> {
    let edits = Edits { hush_margin_minutes: input.hush_margin_minutes, edits: input.edits };
    app.db.write(&me.writing(), async |tx| put(tx, &me, version, &edits).await).await?;
    if let Err(error) = catch_up(&app).await {
        tracing::warn!(?error, "a new timeline is not planned yet; the next sweep goes on");
    }
    let view = read(app.db.reader(), me.clinic, &me.locale).await?;
    Ok(InLanguage(me.locale.clone(), view))
}

async fn put(tx: &WriteTx, me: &Caller, version: i32, edits: &Edits) -> ApiResult<()> {
    use clinics::Column;
    let text = serde_json::to_string(edits).map_err(ApiError::internal)?;
    let changed = clinics::Entity::update_many()
        .col_expr(Column::Timeline, Expr::value(text))
        .col_expr(Column::TimelineVersion, Expr::col(Column::TimelineVersion).add(1))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(Column::Id.eq(me.clinic))
        .filter(Column::Version.eq(version))
        .exec(tx.conn())
        .await?;
    if changed.rows_affected == 0 {
        return Err(ApiError::stale());
    }
    tx.audit(Event::new("clinic.timeline", me.account, format!("clinics/{}", me.clinic)));
    Ok(())
}

async fn read(
    conn: &impl ConnectionTrait,
    clinic: ClinicId,
    locale: &str,
) -> ApiResult<Versioned<ClinicTimeline>> {
    let row = clinics::Entity::find_by_id(clinic).one(conn).await?.ok_or(ApiError::NotFound)?;
    let edits: Edits = match row.timeline.as_deref() {
        Some(text) => serde_json::from_str(text).map_err(ApiError::internal)?,
        None => Edits::default(),
    };
    let timeline = Timeline::with(&edits);
    let one = |template: &ReminderTemplate| {
        let edit = edits.edits.iter().find(|edit| edit.template_id == template.id);
        // One that is off is shown with the time it would have.
        let on = edit.and_then(|edit| edited(&TimelineEdit { enabled: true, ..edit.clone() }).ok().flatten());
        let enabled = timeline.template(&template.id).is_some();
        shown(on.as_ref().unwrap_or(template), locale, enabled, edit.is_some())
    };
    let body = ClinicTimeline {
        version: row.version,
        hush_margin_minutes: edits.hush_margin_minutes.unwrap_or(HUSH_MARGIN.num_minutes()),
        reminders: protocols().reminders.iter().map(one).collect(),
    };
    Ok(Versioned { version: row.version, body })
}

fn shown(template: &ReminderTemplate, locale: &str, enabled: bool, edited: bool) -> TimelineReminder {
    TimelineReminder {
        template_id: template.id.clone(),
        title: in_locale(&template.text, locale).map(|text| text.title.clone()).unwrap_or_default(),
        session_kinds: template.session_kinds.clone(),
        category: template.category.clone(),
        priority: template.priority.as_str(),
        anchor: if template.anchor == Anchor::Start { "start" } else { "end" },
        offset: template.offset.to_string(),
        local_time: template.local_time.map(String::from),
        ignores_quiet_hours: template.ignores_quiet_hours,
        enabled,
        edited,
    }
}
