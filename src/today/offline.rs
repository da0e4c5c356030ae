//! The pack for hours without a network.

use std::collections::BTreeSet;

use super::dto::OfflinePack;
use crate::{
    accounts::Patient,
    app::AppState,
    care,
    error::ApiResult,
    language, prompts,
    safety::{find_plan, plan_place},
};

/// Everything that has to work without a network, in the account's language.
pub async fn pack(app: &AppState, me: &Patient) -> ApiResult<OfflinePack> {
    let clinic = care::read_clinic(app, me.clinic).await?;
    let plan = find_plan(app.db.reader(), me.id()).await?;
    let plan = plan.map(|row| me.key.open_json(plan_place(me.id()), &row.plan_sealed)).transpose()?;
    // Marks of favourites would make the pack another one each time; they are on the screen, not in here.
    let none = BTreeSet::new();
    let steadying = prompts::catalogue().iter().filter(|prompt| prompt.is_grounding());
    Ok(OfflinePack {
        language: language::of(&me.locale).to_owned(),
        crisis: app.crisis.of(Some(&clinic.country), &me.locale),
        safety_plan: plan,
        grounding: steadying.map(|prompt| prompts::view(prompt, &none, &me.locale)).collect(),
        clinic_name: clinic.name,
        clinic_phone: clinic.phone,
    })
}
