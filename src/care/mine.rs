//! `MyPatients`: a therapist together with everybody in their care. A list over many patients is reached only through
//! `MyPatients::read`, which records a read of each of them before the list leaves.

use axum::{extract::FromRequestParts, http::request::Parts};
use entity::ids::{AccountId, PatientId};
use sea_orm::DatabaseConnection;

use crate::{
    accounts::{Caller, Therapist},
    app::AppState,
    audit::Event,
    error::{ApiError, ApiResult},
};

/// A therapist and all patients whose care they take part in.
#[derive(Debug)]
pub struct MyPatients(Caller);

impl MyPatients {
    /// The member of staff.
    pub fn therapist(&self) -> &Caller {
        &self.0
    }

    /// Reads what `query` finds for this member, records a read for each patient it names, and only then returns it.
    pub async fn read<T>(
        &self,
        app: &AppState,
        action: &'static str,
        resource: &'static str,
        query: impl AsyncFnOnce(&DatabaseConnection, AccountId) -> ApiResult<(T, Vec<PatientId>)>,
    ) -> ApiResult<T> {
        let (found, patients) = query(app.db.reader(), self.0.account).await?;
        record_reads(app, &self.0, action, resource, patients).await?;
        Ok(found)
    }
}

/// Records that a member read something of each of these patients; 503 when it cannot be.
pub async fn record_reads(
    app: &AppState,
    me: &Caller,
    action: &'static str,
    resource: &str,
    mut patients: Vec<PatientId>,
) -> ApiResult<()> {
    patients.sort_unstable();
    patients.dedup();
    let (now, actor) = (app.clock.now(), Some(me.account));
    let rows = patients.into_iter().map(|patient| Event::new(action, patient, resource));
    let rows = rows.map(|event| event.stamp(now, actor, &me.request_id)).collect();
    app.reads.record_all(me.clinic.0, rows).await
}

impl FromRequestParts<AppState> for MyPatients {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        Ok(Self(Therapist::from_request_parts(parts, app).await?.into_caller()))
    }
}
