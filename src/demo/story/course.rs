//! The course of treatment: a plan, a session that takes place, and a questionnaire whose answer worries.

use chrono::{Duration, SubsecRound};
use reqwest::{Method, StatusCode};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use super::{Cast, chapter, line, local, reminding::planned};
use crate::{
    app::AppState,
    demo::client::{Broken, check, items, text},
};

/// A plan, a PHQ-9, a day with medicine.
pub async fn treat(app: &AppState, cast: &Cast) -> Result<(), Broken> {
    chapter(
        7,
        "The course of treatment: a plan, a session that takes place, a questionnaire whose answer worries",
    );
    plan(app, cast).await?;
    take_place(app, cast).await?;
    ask(app, cast).await?;
    request(app, cast).await
}

async fn plan(app: &AppState, cast: &Cast) -> Result<(), Broken> {
    let clinic = cast.ada.get("/v1/clinic").await?;
    let open = ["tue", "wed", "thu"].map(|day| json!({"weekday": day, "opens": "09:00", "closes": "18:00"}));
    let body = Some(json!({"openings": open}));
    let version = clinic["version"].as_i64();
    cast.ada.expect(StatusCode::OK, Method::PUT, "/v1/clinic/hours", body, version).await?;
    line("Ada writes the clinic's hours: Tuesday to Thursday, 9 to 18");
    respond(app, cast, version.map(|version| version + 1)).await?;
    let first = (app.clock.now() + Duration::days(60)).date_naive();
    let body =
        json!({"template_id": "kap-weekly-4", "first_dosing_on": first, "time": "10:00", "route": "im"});
    let plan = cast.bo.create(&format!("/v1/patients/{}/plans", cast.patient_id), body).await?;
    let sessions = items(&plan, "sessions")?.len();
    let reminders = plan["reminders_planned"].as_u64().unwrap_or_default();
    check(sessions == 15 && reminders > 50, || format!("{sessions} sessions, {reminders} reminders"))?;
    line(format!(
        "Bo starts  kap-weekly-4: {sessions} sessions, {reminders} reminders, {} questionnaires: all or nothing",
        plan["measures_assigned"]
    ));
    Ok(())
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Nothing that may call for somebody is asked for before the clinic has written down who comes.
async fn respond(app: &AppState, cast: &Cast, version: Option<i64>) -> Result<(), Broken> {
    let asked = format!("/v1/patients/{}/measure-assignments", cast.patient_id);
    let body = json!({"measure_id": "phq-9", "due_at": app.clock.now() + Duration::days(1)});
    cast.bo.expect(StatusCode::CONFLICT, Method::POST, &asked, Some(body.clone()), None).await?;
    let policy = json!({
        "hours": DAYS.map(|day| json!({"weekday": day, "opens": "00:00", "closes": "23:59"})),
        "steps": [{"to": "care_team", "after_minutes": 0}, {"to": "clinic_line", "after_minutes": 60}],
        "line_phone": "+49 30 901820",
        "text": "Whoever acknowledges an alert calls the patient.",
    });
    let path = "/v1/clinic/response-policy";
    cast.ada.expect(StatusCode::OK, Method::PUT, path, Some(policy), version).await?;
    cast.bo.create(&asked, body).await?;
    line("Bo asks    for a PHQ-9: refused, until Ada has written down who answers alerts and when");
    Ok(())
}

/// Item 9 is the question whether one would be better off dead.
async fn ask(app: &AppState, cast: &Cast) -> Result<(), Broken> {
    let answers: Vec<Value> = (1..=9)
        .map(|item| json!({"item": format!("phq9.{item}"), "choice": if item == 9 { "1" } else { "2" }}))
        .collect();
    let asked = cast.ana.get("/v1/measure-assignments").await?;
    let asked = items(&asked, "items")?.iter().find(|one| one["measure_id"] == "phq-9");
    let asked = asked.ok_or_else(|| Broken("nothing was asked for".into()))?;
    let body = json!({"measure_id": "phq-9", "version": "1.0.0", "language": "en", "answers": answers,
        "assignment_id": asked["id"]});
    let response = cast.ana.create("/v1/measure-responses", body).await?;
    check(response["total"] == 17.0, || format!("the total is {}", response["total"]))?;
    line(format!(
        "Ana        PHQ-9: {} points, {}; item 9 is not zero",
        response["total"],
        text(&response, "band")?
    ));
    let card = text(&response["crisis_card"], "message")?;
    line(format!("the card   in the same answer: \"{}…\"", card.chars().take(72).collect::<String>()));
    let patient: uuid::Uuid = cast.patient_id.parse().map_err(|_| Broken("the patient has no id".into()))?;
    let alerts = entity::alerts::Entity::find()
        .filter(entity::alerts::Column::PatientId.eq(patient))
        .all(app.db.reader())
        .await
        .map_err(|error| Broken(error.to_string()))?;
    check(alerts.len() == 1, || format!("{} alerts", alerts.len()))?;
    line("alert      committed with the answer: phq9-item9-any, high");
    Ok(())
}

async fn take_place(app: &AppState, cast: &Cast) -> Result<(), Broken> {
    let starts_at = app.clock.now().trunc_subsecs(0) + Duration::minutes(1);
    let body =
        json!({"kind": "dosing", "route": "im", "duration_minutes": 60, "starts_at": starts_at.to_rfc3339()});
    let session = cast.bo.create(&format!("/v1/patients/{}/sessions", cast.patient_id), body).await?;
    let path_of = format!("/v1/sessions/{}", text(&session, "id")?);
    let mut last = session;
    for (step, state) in [("start", "started"), ("complete", "completed")] {
        let path = format!("{path_of}/{step}");
        last = cast.bo.expect(StatusCode::OK, Method::POST, &path, None, last["version"].as_i64()).await?;
        check(last["state"] == state, || format!("after {step} the session is {}", last["state"]))?;
        if step == "start" {
            administer(app, cast, &path_of).await?;
        }
    }
    let mut after: Vec<_> = planned(&last)?.into_iter().collect();
    after.sort_by_key(|(_, due)| *due);
    check(after.len() >= 3, || format!("{} follow-ups are planned", after.len()))?;
    line("Bo         records the session: started, completed. What follows hangs on its end:");
    for (template, due) in after.iter().take(4) {
        line(format!("           {template:<24} {}", local(&cast.zone, *due)));
    }
    line(format!("           {} in all", after.len()));
    Ok(())
}

/// What was given is recorded by medical staff, corrected openly, and read by the patient.
async fn administer(app: &AppState, cast: &Cast, session: &str) -> Result<(), Broken> {
    let path = format!("{session}/administration");
    let record = json!({
        "route": "im", "substance": "ketamine",
        "doses": [{"amount": 600, "unit": "mg", "given_at": app.clock.now()}],
        "vitals": [{"taken_at": app.clock.now(), "systolic": 128, "diastolic": 82, "pulse": 74}],
    });
    cast.bo.expect(StatusCode::FORBIDDEN, Method::PUT, &path, Some(record.clone()), Some(0)).await?;
    cast.mira.expect(StatusCode::OK, Method::PUT, &path, Some(record.clone()), Some(0)).await?;
    let mut corrected = record;
    corrected["doses"][0]["amount"] = json!(60);
    corrected["correction"] = json!("60 mg, not 600");
    cast.mira.expect(StatusCode::OK, Method::PUT, &path, Some(corrected), Some(1)).await?;
    let versions = cast.ana.get(&format!("{path}/versions")).await?;
    let versions = items(&versions, "items")?;
    check(versions.len() == 2 && versions[1]["doses"][0]["amount"] == 600.0, || {
        format!("{} versions", versions.len())
    })?;
    line(
        "Mira       (medical) records what was given, and corrects it: both versions stay, and Ana reads them.",
    );
    line("           Bo, who is no medical staff -> 403");
    Ok(())
}

/// Ana asks for a session, the front desk offers two times, Ana takes one.
async fn request(app: &AppState, cast: &Cast) -> Result<(), Broken> {
    let body = json!({"kind": "new", "note": "I would like to talk about the river."});
    let made = cast.ana.create("/v1/sessions/requests", body).await?;
    let waiting = cast.cleo.get("/v1/clinic/session-requests").await?;
    let waiting = items(&waiting, "items")?;
    check(waiting.len() == 1 && waiting[0]["note"].is_null(), || "Cleo reads what Ana wrote".into())?;
    let first = app.clock.now().trunc_subsecs(0) + Duration::days(20);
    let times = [first, first + Duration::days(1)];
    let offer = json!({"times": times, "kind": "integration", "member_id": cast.bo_id});
    let path = format!("/v1/sessions/requests/{}", text(&made, "id")?);
    let offer_path = format!("{path}/offer");
    cast.cleo.expect(StatusCode::OK, Method::POST, &offer_path, Some(offer), Some(1)).await?;
    let take = Some(json!({"starts_at": times[1]}));
    let accepted =
        cast.ana.expect(StatusCode::OK, Method::POST, &format!("{path}/accept"), take, Some(2)).await?;
    check(accepted["session"]["state"] == "planned", || "the session was not planned".into())?;
    let reminders = items(&accepted, "reminders")?.len();
    line("Ana asks   for one more session; Cleo (front desk) sees that, not her note, and offers two times.");
    line(format!(
        "Ana takes  the second, {}: planned with Bo, with {reminders} reminders\n",
        local(&cast.zone, times[1])
    ));
    Ok(())
}
