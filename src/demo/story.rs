//! The story itself.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use chrono::{DateTime, SubsecRound, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    client::{Broken, Client, check, items, text},
    receiver::{PushReceiver, Received},
};
use crate::{
    accounts::Capability,
    app::AppState,
    cli::{NewAdmin, create_clinic_with_admin},
    reminders::rules::localtime::Zone,
};

const ADMIN_PASSWORD: &str = "lantern orchard granite sparrow";
const THERAPIST_PASSWORD: &str = "willow kettle marble compass";
const PATIENT_PASSWORD: &str = "violet harbour copper meadow";

/// Where it is day somewhere, at any hour.
const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "America/Sao_Paulo",
    "Asia/Tokyo",
];

/// Everybody in the story.
struct Cast {
    bo: Client,
    cy: Client,
    ana: Client,
    patient_id: String,
    bo_id: String,
    zone: Zone,
    emails: [String; 3],
}

/// Tells everything, and verifies it.
pub async fn tell(app: &AppState, address: SocketAddr, phone: &PushReceiver) -> Result<(), Broken> {
    println!("\nAfterglow, seen at work on {:?} at http://{address}\n", app.db.engine());
    let cast = gather(app, address).await?;
    let (private, shared) = write(&cast, phone).await?;
    review(&cast, &private, &shared).await?;
    schedule_and_move(&cast).await?;
    remind(app, &cast, phone).await?;
    unshare(&cast, &shared).await?;
    println!("\nEvery step above was verified.\n");
    println!("Log in at /v1/auth/login as");
    for (email, password) in cast.emails.iter().zip([ADMIN_PASSWORD, THERAPIST_PASSWORD, PATIENT_PASSWORD]) {
        println!("   {email:<34} {password}");
    }
    Ok(())
}

fn chapter(number: u8, title: &str) {
    println!("{number}  {title}");
}

fn line(text: impl std::fmt::Display) {
    println!("     {text}");
}

/// A zone in which it is between ten and five now, so that nothing falls into quiet hours.
fn daytime(now: DateTime<Utc>) -> Result<Zone, Broken> {
    ZONES
        .iter()
        .filter_map(|name| Zone::parse(name).ok())
        .find(|zone| (10..17).contains(&zone.local(now).hour()))
        .ok_or_else(|| Broken("it is day nowhere".into()))
}

async fn gather(app: &AppState, address: SocketAddr) -> Result<Cast, Broken> {
    chapter(1, "A clinic opens, a therapist joins, a patient is invited");
    let zone = daytime(app.clock.now())?;
    let tag = app.random.uuid_v7(app.clock.now()).simple().to_string()[24..].to_owned();
    let email = |name: &str| format!("{name}.{tag}@example.org");
    let admin = NewAdmin {
        clinic: "Praxis am Park",
        country: "DE",
        zone: zone.name(),
        phone: Some("+49 30 901820"),
        email: &email("ada"),
        name: "Ada",
        capabilities: vec![Capability::Admin],
    };
    create_clinic_with_admin(app, &admin, ADMIN_PASSWORD).await.map_err(|error| Broken(error.to_string()))?;
    let door = Client::anonymous(address)?;
    let pair = json!({"email": email("ada"), "password": ADMIN_PASSWORD, "device_name": "Ada's desk"});
    let ada = door.expect(StatusCode::OK, Method::POST, "/v1/auth/login", Some(pair), None).await?;
    let ada = door.with_token(&ada)?;
    let staff = json!({"kind": "staff", "capabilities": ["therapist"], "profession": "Psychotherapist"});
    let (bo, bo_id) = join(&ada, &door, staff.clone(), "Bo", &email("bo"), THERAPIST_PASSWORD, &zone).await?;
    let (cy, _) = join(&ada, &door, staff, "Cy", &email("cy"), THERAPIST_PASSWORD, &zone).await?;
    let invitation = json!({"kind": "patient", "label": "Tuesday's new patient"});
    let (ana, patient_id) =
        join(&bo, &door, invitation, "Ana", &email("ana"), PATIENT_PASSWORD, &zone).await?;
    line(format!(
        "Bo (therapist) invited Ana (patient). Ana lives by the clock of {}, where it is",
        zone.name()
    ));
    line(format!("now {}. Cy is another therapist of the same clinic.\n", local(&zone, app.clock.now())));
    let emails = [email("ada"), email("bo"), email("ana")];
    Ok(Cast { bo, cy, ana, patient_id, bo_id, zone, emails })
}

async fn join(
    host: &Client,
    door: &Client,
    invitation: Value,
    name: &str,
    email: &str,
    password: &str,
    zone: &Zone,
) -> Result<(Client, String), Broken> {
    let invitation = host.create("/v1/invitations", invitation).await?;
    let body = json!({
        "invitation_code": text(&invitation, "code")?, "email": email, "password": password, "display_name": name,
        "time_zone": zone.name(), "locale": "en", "device_name": format!("{name}'s phone"),
    });
    let pair = door.create("/v1/auth/register", body).await?;
    Ok((door.with_token(&pair)?, text(&pair, "account_id")?.to_owned()))
}

fn local(zone: &Zone, at: DateTime<Utc>) -> String {
    zone.local(at).strftime("%a %d %b %H:%M").to_string()
}

async fn write(cast: &Cast, phone: &PushReceiver) -> Result<(String, String), Broken> {
    chapter(2, "Ana's phone: a check-in, two journal entries, one of them shared");
    let device = phone.subscribe("Ana's phone");
    let body = json!({"endpoint": device.endpoint, "keys": {"p256dh": device.p256dh, "auth": device.auth},
        "device_name": "Ana's phone", "platform": "android"});
    cast.ana.create("/v1/push/subscriptions", body).await?;
    let mood = json!({"mood": 6, "anxiety": 3, "sleep_hours": 7.5, "emotions": ["calm", "curious"],
        "note": "Slept well."});
    let checkin = cast.ana.create("/v1/checkins", mood).await?;
    check(checkin["mood"] == 6, || "the check-in came back otherwise".into())?;
    let private = entry(cast, "Only mine", "I am afraid of the second session.").await?;
    let shared = entry(cast, "The river", "The river was wide and I was not afraid of it.").await?;
    let path = format!("/v1/journal/entries/{shared}/shares/{}", cast.bo_id);
    cast.ana.expect(StatusCode::OK, Method::PUT, &path, Some(json!({})), None).await?;
    line("check-in   mood 6, anxiety 3, slept 7.5 h");
    line("entry      \"Only mine\"   private");
    line("entry      \"The river\"   shared with Bo\n");
    Ok((private, shared))
}

async fn entry(cast: &Cast, title: &str, words: &str) -> Result<String, Broken> {
    let body = json!({"title": title, "fields": {"text": words}});
    let entry = cast.ana.create("/v1/journal/entries", body).await?;
    Ok(text(&entry, "id")?.to_owned())
}

async fn review(cast: &Cast, private: &str, shared: &str) -> Result<(), Broken> {
    chapter(3, "What the therapists see");
    let base = format!("/v1/patients/{}/journal/entries", cast.patient_id);
    let seen = cast.bo.get(&base).await?;
    let seen = items(&seen, "items")?;
    check(seen.len() == 1 && seen[0]["id"] == shared, || format!("Bo sees {} entries", seen.len()))?;
    let read = cast.bo.get(&format!("{base}/{shared}")).await?;
    check(read["fields"]["text"] == "The river was wide and I was not afraid of it.", || {
        "other words".into()
    })?;
    cast.bo.is_closed(&format!("{base}/{private}")).await?;
    cast.cy.is_closed(&base).await?;
    cast.cy.is_closed(&format!("{base}/{shared}")).await?;
    line(format!("Bo lists   {} entry: \"{}\"", seen.len(), text(&seen[0], "title")?));
    line("Bo reads   \"The river was wide and I was not afraid of it.\"");
    line("Bo opens   \"Only mine\"   -> 404, as if it did not exist");
    line("Cy opens   anything       -> 404, as if Ana did not exist\n");
    Ok(())
}

async fn schedule_and_move(cast: &Cast) -> Result<(), Broken> {
    chapter(4, "Bo schedules a dosing session, then moves it by two days; its reminders move with it");
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

fn planned(session: &Value) -> Result<BTreeMap<String, DateTime<Utc>>, Broken> {
    items(session, "reminders")?
        .iter()
        .filter(|reminder| reminder["state"] == "planned")
        .map(|reminder| {
            let due = text(reminder, "due_at")?.parse().map_err(|_| Broken("no instant".into()))?;
            Ok((text(reminder, "template_id")?.to_owned(), due))
        })
        .collect()
}

async fn remind(app: &AppState, cast: &Cast, phone: &PushReceiver) -> Result<(), Broken> {
    chapter(5, "An integration session in two hours: its reminder is due within seconds");
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
    let ledger = accepted(cast, text(&session, "id")?).await?;
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
async fn accepted(cast: &Cast, _session: &str) -> Result<String, Broken> {
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
async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn unshare(cast: &Cast, shared: &str) -> Result<(), Broken> {
    chapter(6, "Ana takes the entry back");
    let path = format!("/v1/journal/entries/{shared}/shares/{}", cast.bo_id);
    cast.ana.expect(StatusCode::NO_CONTENT, Method::DELETE, &path, None, None).await?;
    let base = format!("/v1/patients/{}/journal/entries", cast.patient_id);
    cast.bo.is_closed(&format!("{base}/{shared}")).await?;
    let left = cast.bo.get(&base).await?;
    check(items(&left, "items")?.is_empty(), || "Bo still sees an entry".into())?;
    line("Bo lists   0 entries; \"The river\" -> 404 from the next request on");
    Ok(())
}
