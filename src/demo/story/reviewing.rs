//! The therapist's side: what waits, the digest before the session, the same for other systems, and an alert that a
//! named person takes upon them.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Cast, chapter, line, reminding::pause};
use crate::{
    app::AppState,
    demo::{
        client::{Broken, check, items, text},
        receiver::PushReceiver,
    },
};

const BOS_PHONE: &str = "Bo's phone";

/// Staff are told of alerts on their own devices.
pub async fn register(cast: &Cast, phone: &PushReceiver) -> Result<(), Broken> {
    let device = phone.subscribe(BOS_PHONE);
    let body = json!({"endpoint": device.endpoint, "keys": {"p256dh": device.p256dh, "auth": device.auth},
        "device_name": BOS_PHONE, "platform": "android"});
    cast.bo.create("/v1/push/subscriptions", body).await.map(drop)
}

pub async fn review(app: &AppState, cast: &Cast, phone: &PushReceiver) -> Result<(), Broken> {
    chapter(8, "Bo's side: what calls for him, what waits, and the digest before the session");
    ring(phone).await?;
    let queue = cast.bo.get("/v1/review/queue").await?;
    let (alerts, waiting) = (items(&queue, "alerts")?, items(&queue, "items")?);
    check(alerts.len() == 1 && !waiting.is_empty(), || format!("the queue holds {queue}"))?;
    line(format!("the queue  {} alert: \"{}\"", alerts.len(), text(&alerts[0], "says")?));
    for entry in waiting {
        line(format!("           then \"{}\", shared and not reviewed", text(entry, "title")?));
    }
    digest(cast).await?;
    exchange(app, cast).await?;
    acknowledge(cast, text(&alerts[0], "id")?).await
}

/// The push about the alert.
async fn ring(phone: &PushReceiver) -> Result<(), Broken> {
    for _ in 0..200 {
        if let Some(push) = phone.received().into_iter().find(|push| push.device == BOS_PHONE) {
            let shown = &push.plaintext_json["notification"];
            let (title, body) = (text(shown, "title")?, text(shown, "body")?);
            check(!format!("{title} {body}").contains("Ana"), || "the lock screen names the patient".into())?;
            line(format!("Bo's phone shows \"{title}\"  \"{body}\": nobody's name, and not why"));
            return Ok(());
        }
        pause().await;
    }
    Err(Broken("nobody was told of the alert within 10 seconds".into()))
}

async fn digest(cast: &Cast) -> Result<(), Broken> {
    let path = format!("/v1/patients/{}/digest", cast.patient_id);
    cast.cy.is_closed(&path).await?;
    let digest = cast.bo.get(&path).await?;
    let measure = items(&digest, "measures")?.iter().find(|one| one["measure_id"] == "phq-9");
    let measure = measure.ok_or_else(|| Broken(format!("the digest has no PHQ-9: {digest}")))?;
    check(!digest.to_string().contains("Only mine"), || "the digest tells what is private".into())?;
    line(format!(
        "the digest PHQ-9 {} of {}, {}; {} forms still open; next: {}",
        measure["total"],
        measure["max"],
        text(measure, "band")?,
        items(&digest, "missing_forms")?.len(),
        text(&digest["next_session"], "title")?
    ));
    let page = cast.bo.page(&path).await?;
    check(page.contains("</svg>") && !page.contains("<script"), || {
        "the page is not what it should be".into()
    })?;
    line(format!("the page   the same with Accept: text/html, to print: {} bytes, no script", page.len()));
    Ok(())
}

/// What Bo may read, for another system.
async fn exchange(app: &AppState, cast: &Cast) -> Result<(), Broken> {
    let path = format!("/v1/patients/{}/fhir", cast.patient_id);
    cast.cy.is_closed(&path).await?;
    let bundle = cast.bo.get(&path).await?;
    let (mut urls, mut kinds) = (BTreeSet::new(), BTreeMap::new());
    for entry in items(&bundle, "entry")? {
        urls.insert(text(entry, "fullUrl")?);
        *kinds.entry(text(&entry["resource"], "resourceType")?).or_insert(0) += 1;
    }
    check(resolves(&bundle, &urls), || "a reference leads out of the bundle".into())?;
    check(kinds.contains_key("QuestionnaireResponse") && kinds.contains_key("Flag"), || {
        format!("the bundle holds {kinds:?}")
    })?;
    let told = bundle.to_string();
    check(!told.contains("Only mine") && !kinds.contains_key("MedicationAdministration"), || {
        "the bundle tells what is not Bo's to read".into()
    })?;
    let file = app.config.data_dir.join("bundle.fhir.json");
    std::fs::write(&file, &told).map_err(|error| Broken(format!("{}: {error}", file.display())))?;
    line(format!("FHIR       {} resources, each reference among them, in {}", urls.len(), file.display()));
    let counted: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    for some in counted.chunks(6) {
        line(format!("           {}", some.join(", ")));
    }
    Ok(())
}

fn resolves(value: &Value, urls: &BTreeSet<&str>) -> bool {
    match value {
        Value::Object(fields) => fields.iter().all(|(name, below)| match below.as_str() {
            Some(url) if name == "reference" => urls.contains(url),
            _ => resolves(below, urls),
        }),
        Value::Array(items) => items.iter().all(|below| resolves(below, urls)),
        _ => true,
    }
}

async fn acknowledge(cast: &Cast, alert: &str) -> Result<(), Broken> {
    let told = own(cast).await?;
    let to = items(&told, "told")?.first().ok_or_else(|| Broken(format!("Ana reads {told}")))?;
    check(to["to"] == "care_team", || format!("Ana reads {told}"))?;
    let reason = "Called her. Safe at home with her sister; we meet tomorrow at nine.";
    let path = format!("/v1/alerts/{alert}/acknowledge");
    let body = Some(json!({ "reason": reason }));
    cast.bo.expect(StatusCode::OK, Method::POST, &path, body, None).await?;
    let seen = own(cast).await?;
    check(seen["seen_by"] == "Bo" && !seen.to_string().contains("sister"), || format!("Ana reads {seen}"))?;
    let queue = cast.bo.get("/v1/review/queue").await?;
    check(items(&queue, "alerts")?.is_empty(), || "the alert still waits".into())?;
    line(format!("Bo         acknowledges the alert: \"{reason}\""));
    line(
        "Ana reads  that her care team was told, and when, and that Bo has seen it; his note is the clinic's\n",
    );
    Ok(())
}

/// What Ana reads of her alert. That somebody was told is recorded just after the push service answered.
async fn own(cast: &Cast) -> Result<Value, Broken> {
    let mut last = Value::Null;
    for _ in 0..100 {
        let found = cast.ana.get("/v1/me/alerts").await?;
        last = items(&found, "items")?.first().cloned().unwrap_or_default();
        if last["told"][0].is_object() {
            break;
        }
        pause().await;
    }
    Ok(last)
}
