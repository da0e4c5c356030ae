//! The numbers from which a flag is raised, where no published scale says them: those of our own forms, and on every form
//! how much worse than before is worse. Nobody but the clinic's clinicians can say that they are
//! right for its patients, so they are silent until one of them signs, and again when the forms change.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use entity::{clinics, ids::AccountId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    accounts::Caller,
    audit::Event,
    db::WriteTx,
    error::{ApiError, ApiResult},
    measures::{catalogue::embedded_forms, scoring::waits_for_signature},
    validate::{Checks, Validate},
};

/// A rule that waits for a signature.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormThreshold {
    #[schema(example = "post-session-check")]
    pub measure_id: String,
    #[schema(example = "post-still-altered")]
    pub rule_id: String,
    /// `info`, `moderate` or `high`.
    #[schema(example = "high")]
    pub level: String,
    /// What a clinician is told when it holds.
    #[schema(example = "Still markedly altered at the end of the visit.")]
    pub says: String,
}

/// Every rule that waits, and who signed.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormThresholds {
    /// The forms with their versions: send it back when signing.
    #[schema(example = "post-session-check@1.0.0 pre-session-check@1.0.0")]
    pub content: String,
    pub items: Vec<FormThreshold>,
    /// Whether they count: somebody has signed exactly this content.
    #[schema(example = false)]
    pub signed: bool,
    /// When somebody last signed, maybe other content than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>, nullable = false)]
    pub signed_by: Option<AccountId>,
}

/// A clinician's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormThresholdsSignature {
    /// The `content` that was read.
    #[schema(
        example = "post-session-check@1.0.0 pre-session-check@1.0.0",
        min_length = 1,
        max_length = 1000
    )]
    pub content: String,
}

impl Validate for FormThresholdsSignature {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/content", Some(&self.content), 1, 1000);
    }
}

/// What there is to sign.
static CONTENT: LazyLock<String> = LazyLock::new(|| {
    let with = embedded_forms()
        .filter(|measure| measure.safety_rules.iter().any(|rule| waits_for_signature(measure, rule)));
    with.map(|measure| format!("{}@{}", measure.id, measure.version)).collect::<Vec<_>>().join(" ")
});

/// Whether the thresholds of this version of the program count for a clinic.
pub fn signed(row: &clinics::Model) -> bool {
    row.form_thresholds_content.as_ref() == Some(&*CONTENT)
}

pub fn view(row: &clinics::Model, locale: &str) -> FormThresholds {
    let items = embedded_forms().flat_map(|measure| {
        let rules = measure.safety_rules.iter().filter(|rule| waits_for_signature(measure, rule));
        rules.map(|rule| FormThreshold {
            measure_id: measure.id.clone(),
            rule_id: rule.id.clone(),
            level: rule.level.as_str().to_owned(),
            says: rule.says(locale).to_owned(),
        })
    });
    FormThresholds {
        content: CONTENT.clone(),
        items: items.collect(),
        signed: signed(row),
        signed_at: row.form_thresholds_signed_at,
        signed_by: row.form_thresholds_signed_by,
    }
}

/// Signs what was read, 422 if that is no longer what there is.
pub async fn sign(tx: &WriteTx, me: &Caller, content: &str) -> ApiResult<()> {
    if content != *CONTENT {
        let detail = "is not what there is to sign; read GET /clinic/form-thresholds again";
        return Err(ApiError::invalid_field("/content", "other_content", detail));
    }
    write(tx, me, Some(content.to_owned())).await
}

/// Takes the signature back: the thresholds are silent from now on.
pub async fn withdraw(tx: &WriteTx, me: &Caller) -> ApiResult<()> {
    write(tx, me, None).await
}

async fn write(tx: &WriteTx, me: &Caller, content: Option<String>) -> ApiResult<()> {
    let action = if content.is_some() { "clinic.sign_thresholds" } else { "clinic.withdraw_thresholds" };
    let after = clinics::ActiveModel {
        form_thresholds_signed_at: Set(content.as_ref().map(|_| tx.now())),
        form_thresholds_signed_by: Set(content.as_ref().map(|_| me.account)),
        form_thresholds_content: Set(content),
        ..Default::default()
    };
    let changed =
        clinics::Entity::update_many().set(after).filter(clinics::Column::Id.eq(me.clinic)).exec(tx.conn());
    changed.await?;
    tx.audit(Event { subject: None, ..Event::new(action, me.account, format!("clinics/{}", me.clinic)) });
    Ok(())
}
