//! A session that moves with its reminders, and a reminder that arrives.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, SubsecRound, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Cast, chapter, line, local};
use crate::{
    app::AppState,
    demo::{
        client::{Broken, check, items, text},
        receiver::{PushReceiver, Received},
    },
};

pub async fn schedule_and_move(cast: &Cast) -> Result<(), Broken> {
    chapter(5, "Bo schedules a dosing session, then moves it by two days; its reminders move with it");
    let tomorrow_in_a_week = cast.zone.local(now(cast)?).date().saturating_add(jiff::Span::new().days(9));
    let start = cast.zone.instant(tomorrow_in_a_week.at(14, 0, 0, 0));
    let moved =
        cast.zone.instant(tomorrow_in_a_week.saturating_add(jiff::Span::new().days(2)).at(14, 0, 0, 0));
    let body = json!({"kind": "dosing", "route": "im", "starts_at": start.to_rfc3339()});
    let session = cast.bo.create(&format!("/v1/patients/{}/sessions", cast.patient_id), body).await?;
    let before = planned(&session)?;
    let path = format!("/v1/sessions/{}", text(&session, "id")?);
    let body = json!({"starts_at": moved.to_rfc3339()});
    let session =
        cast.bo.expect(StatusCode::OK, Method::PATCH, &path, Some(body), session["version"].as_i64()).await?;
    let after = planned(&session)?;
    check(before.len() > 10 && before.keys().eq(after.keys()), || {
        "the reminders are other ones after the move".into()
    })?;
    let two_days = chrono::Duration::days(2);
    for template in
        ["dosing-ride", "dosing-checklist", "dosing-morning", "dosing-safety", "dosing-morning-after"]
    {
        let (Some(then), Some(now)) = (before.get(template), after.get(template)) else {
            return Err(Broken(format!("{template} is not planned")));
        };
        let shift = cast.zone.local(*now).date() - cast.zone.local(*then).date();
        check(
            shift.get_days() == 2 && (*now - *then - two_days).abs() <= chrono::Duration::hours(1),
            || format!("{template} moved from {then} to {now}"),
        )?;
        line(format!("{template:<22} {}  ->  {}", local(&cast.zone, *then), local(&cast.zone, *now)));
    }
    line(format!("and {} more, on Ana's wall clock\n", after.len() - 5));
    Ok(())
}

/// The server's idea of now, good enough to choose a date.
fn now(cast: &Cast) -> Result<DateTime<Utc>, Broken> {
    use crate::clock::Clock;
    let now = crate::clock::SystemClock.now();
    check(cast.zone.local(now).hour() >= 9, || "night fell during the demo; start it again".into())?;
    Ok(now)
}

/// What is planned to be sent, by its template.
pub fn planned(session: &Value) -> Result<BTreeMap<String, DateTime<Utc>>, Broken> {
    items(session, "reminders")?
        .iter()
        .filter(|reminder| reminder["state"] == "planned")
        .map(|reminder| {
            let due = text(reminder, "due_at")?.parse().map_err(|_| Broken("no instant".into()))?;
            Ok((text(reminder, "template_id")?.to_owned(), due))
        })
        .collect()
}

pub async fn remind(app: &AppState, cast: &Cast, phone: &PushReceiver) -> Result<(), Broken> {
    chapter(6, "An integration session in two hours: its reminder is due within seconds");
    let starts_at = app.clock.now().trunc_subsecs(0) + chrono::Duration::seconds(2 * 3600 + 4);
    let body = json!({"kind": "integration", "location": "telehealth", "starts_at": starts_at.to_rfc3339()});
    let session = cast.bo.create(&format!("/v1/patients/{}/sessions", cast.patient_id), body).await?;
    let due = planned(&session)?
        .remove("session-soon")
        .ok_or_else(|| Broken("session-soon is not planned".into()))?;
    line(format!(
        "planned    {} in {}: \"Your meeting is in two hours\"",
        local(&cast.zone, due),
        cast.zone.name()
    ));
    let arrived = phone.wait_for(1, Duration::from_secs(30)).await;
    let push = arrived.first().ok_or_else(|| Broken("no push arrived within 30 seconds".into()))?;
    show(push)?;
    let ledger = accepted(cast).await?;
    line(format!("ledger     {ledger}\n"));
    Ok(())
}

/// The wire and what the phone makes of it.
fn show(push: &Received) -> Result<(), Broken> {
    check(push.problems.is_empty(), || format!("the push service found: {}", push.problems.join("; ")))?;
    let header = |name: &str| {
        push.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map_or("-", |(_, value)| value.as_str())
    };
    line(format!(
        "on the wire {} bytes, {}; TTL {}, Urgency {}, Topic {}",
        push.wire_bytes,
        header("content-encoding"),
        header("ttl"),
        header("urgency"),
        header("topic")
    ));
    line(format!(
        "           Authorization {}…",
        header("authorization").chars().take(48).collect::<String>()
    ));
    let notification = &push.plaintext_json["notification"];
    let (title, body) = (text(notification, "title")?, text(notification, "body")?);
    line("decrypted on the phone with its own private key:");
    line(format!("           \"{title}\"  \"{body}\"  -> {}", text(notification, "navigate")?));
    let lower = format!("{title} {body}").to_lowercase();
    check(!["ketamine", "session", "therapy", "mood"].iter().any(|word| lower.contains(word)), || {
        "the lock screen says what it must not".into()
    })
}

/// The ledger's line for the reminder that was sent; it is recorded just after the push service answered.
async fn accepted(cast: &Cast) -> Result<String, Broken> {
    for _ in 0..100 {
        let ledger = cast.ana.get("/v1/notifications?limit=100").await?;
        let sent = items(&ledger, "items")?.iter().find(|row| row["state"] == "accepted");
        if let Some(row) = sent {
            return Ok(format!(
                "\"{}\" {} after {} attempt",
                text(row, "title")?,
                row["state"],
                row["attempts"]
            ));
        }
        pause().await;
    }
    Err(Broken("the ledger does not say that it was sent".into()))
}

#[expect(clippy::disallowed_methods, reason = "the demo waits for the server as a person would")]
pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}
