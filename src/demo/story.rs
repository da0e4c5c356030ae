//! The story itself.

mod course;
mod offline;
mod reminding;
mod reviewing;

use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    client::{Broken, Client, check, items, text},
    receiver::PushReceiver,
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
    ada: Client,
    bo: Client,
    cy: Client,
    mira: Client,
    cleo: Client,
    ana: Client,
    patient_id: String,
    bo_id: String,
    zone: Zone,
    emails: [String; 3],
    /// What the authenticator apps of Ada and Bo hold.
    seeds: [String; 2],
    door: Client,
}

/// Tells everything, and verifies it.
pub async fn tell(app: &AppState, address: SocketAddr, phone: &PushReceiver) -> Result<(), Broken> {
    println!("\nAfterglow, seen at work on {:?} at http://{address}\n", app.db.engine());
    let cast = gather(app, address).await?;
    let (private, shared) = write(&cast, phone).await?;
    review(&cast, &private, &shared).await?;
    offline::record_without_a_network(app, &cast).await?;
    reminding::schedule_and_move(&cast).await?;
    reminding::remind(app, &cast, phone).await?;
    reviewing::register(&cast, phone).await?;
    course::treat(app, &cast).await?;
    reviewing::review(app, &cast, phone).await?;
    unshare(&cast, &shared).await?;
    println!("\nEvery step above was verified.\n");
    println!("Log in at /v1/auth/login as");
    for (email, password) in cast.emails.iter().zip([ADMIN_PASSWORD, THERAPIST_PASSWORD, PATIENT_PASSWORD]) {
        println!("   {email:<34} {password}");
    }
    println!("Secrets for an authenticator app: Ada {}, Bo {}", cast.seeds[0], cast.seeds[1]);
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
    let seed_of_ada = enrol(app, &ada).await?;
    let (bo, bo_id) = join(&ada, &door, staff.clone(), "Bo", &email("bo"), THERAPIST_PASSWORD, &zone).await?;
    let (cy, _) = join(&ada, &door, staff, "Cy", &email("cy"), THERAPIST_PASSWORD, &zone).await?;
    let seeds = [seed_of_ada, enrol(app, &bo).await?];
    let invitation = json!({"kind": "patient", "label": "Tuesday's new patient"});
    let (ana, patient_id) =
        join(&bo, &door, invitation, "Ana", &email("ana"), PATIENT_PASSWORD, &zone).await?;
    let role = |one: &str| json!({"kind": "staff", "capabilities": [one], "profession": "Staff"});
    let (mira, mira_id) =
        join(&ada, &door, role("medical"), "Mira", &email("mira"), THERAPIST_PASSWORD, &zone).await?;
    let (cleo, _) =
        join(&ada, &door, role("coordinator"), "Cleo", &email("cleo"), THERAPIST_PASSWORD, &zone).await?;
    for other in [&cy, &mira, &cleo] {
        enrol(app, other).await?;
    }
    let further = json!({"kind": "patient", "member_id": mira_id});
    let further = cleo.create("/v1/invitations", further).await?;
    ana.create("/v1/care-team", json!({"invitation_code": text(&further, "code")?})).await?;
    line(format!(
        "Bo (therapist) invited Ana (patient). Ana lives by the clock of {}, where it is",
        zone.name()
    ));
    line(format!("now {}. Cy is another therapist of the same clinic.", local(&zone, app.clock.now())));
    line("Staff get in with a second factor only: each set one up at the first login.\n");
    let emails = [email("ada"), email("bo"), email("ana")];
    Ok(Cast { ada, bo, cy, mira, cleo, ana, patient_id, bo_id, zone, emails, seeds, door })
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

/// Sets a second factor up as an authenticator app does, and returns its secret.
async fn enrol(app: &AppState, who: &Client) -> Result<String, Broken> {
    let begun = who.expect(StatusCode::OK, Method::POST, "/v1/auth/totp", None, None).await?;
    let secret = text(&begun, "secret")?.to_owned();
    let seed = totp_rs::Secret::try_from_base32(&secret).map_err(|_| Broken("no secret".into()))?;
    let totp = totp_rs::Builder::new().with_secret(seed).build().map_err(|_| Broken("no seed".into()))?;
    let now = u64::try_from(app.clock.now().timestamp()).map_err(|_| Broken("it is before 1970".into()))?;
    let code = json!({"code": totp.generate(now).to_string()});
    who.expect(StatusCode::OK, Method::POST, "/v1/auth/totp/confirm", Some(code), None).await?;
    Ok(secret)
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

async fn unshare(cast: &Cast, shared: &str) -> Result<(), Broken> {
    chapter(9, "Ana takes the entry back");
    let path = format!("/v1/journal/entries/{shared}/shares/{}", cast.bo_id);
    cast.ana.expect(StatusCode::NO_CONTENT, Method::DELETE, &path, None, None).await?;
    let base = format!("/v1/patients/{}/journal/entries", cast.patient_id);
    cast.bo.is_closed(&format!("{base}/{shared}")).await?;
    let left = cast.bo.get(&base).await?;
    let left = items(&left, "items")?;
    check(left.iter().all(|entry| entry["id"] != shared), || "Bo still sees the entry".into())?;
    line(format!(
        "Bo lists   {} entry, the frozen one; \"The river\" -> 404 from the next request on",
        left.len()
    ));
    Ok(())
}
