//! The hour after, without a network: a voice note, a second device, a share that stays as it was.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Cast, PATIENT_PASSWORD, chapter, line};
use crate::{
    app::AppState,
    demo::client::{Broken, Client, check, items, text},
};

const WORDS: &str = "A wide river. I could hear my own breath.";
const LATER: &str = "A wide river. Today I think it was my grandmother's.";
/// Bytes of an upload's part, as the server says too.
const PART: usize = 256 * 1024;

/// Ana records on the phone, reads on the tablet, shares the entry frozen and goes on writing.
pub async fn record_without_a_network(app: &AppState, cast: &Cast) -> Result<(), Broken> {
    chapter(4, "Without a network: a voice note on the phone, read on the tablet, shared as it is");
    let id = app.random.uuid_v7(app.clock.now()).to_string();
    let sound = humming();
    push_entry(cast, &id).await?;
    let voice = upload(cast, &id, &sound).await?;
    let tablet = tablet(cast).await?;
    read_on(&tablet, &id, &voice, &sound).await?;
    let path = format!("/v1/journal/entries/{id}/shares/{}", cast.bo_id);
    cast.ana.expect(StatusCode::OK, Method::PUT, &path, Some(json!({"frozen": true})), None).await?;
    let entry = tablet.get(&format!("/v1/journal/entries/{id}")).await?;
    let mut fields = entry["fields"].clone();
    fields["body"] = json!(LATER);
    let edit = Some(json!({"fields": fields}));
    let path = format!("/v1/journal/entries/{id}");
    tablet.expect(StatusCode::OK, Method::PATCH, &path, edit, entry["version"].as_i64()).await?;
    line("shared     with Bo, frozen; then Ana wrote on:");
    line(format!("Ana reads  \"{LATER}\""));
    what_bo_sees(cast, &id, &voice, &sound).await
}

/// Ten seconds of a low tone, as a phone would record them.
fn humming() -> Vec<u8> {
    const RATE: u32 = 16_000;
    let samples = (0..RATE * 10).map(|at| if (at / 40) % 2 == 0 { 2_000_i16 } else { -2_000 });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let length = u32::try_from(data.len()).unwrap_or_default();
    let mut wav = Vec::with_capacity(data.len() + 44);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(length + 36).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, one channel, 16 bits.
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&RATE.to_le_bytes());
    wav.extend_from_slice(&(RATE * 2).to_le_bytes());
    wav.extend_from_slice(&2_u16.to_le_bytes());
    wav.extend_from_slice(&16_u16.to_le_bytes());
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&length.to_le_bytes());
    wav.extend_from_slice(&data);
    wav
}

/// Back in reach: what the phone kept meanwhile, under the id that it gave; sent twice, as after a lost answer.
async fn push_entry(cast: &Cast, id: &str) -> Result<(), Broken> {
    let fields = json!({"title": "The hour after", "template_id": "first-impressions",
        "fields": {"words": ["river", "breath"], "body": WORDS}});
    let ops =
        json!({"ops": [{"collection": "journal_entries", "kind": "create", "id": id, "fields": fields}]});
    for status in ["applied", "duplicate"] {
        let answer =
            cast.ana.expect(StatusCode::OK, Method::POST, "/v1/sync", Some(ops.clone()), None).await?;
        check(answer["results"][0]["status"] == status, || format!("the push answered {answer}"))?;
    }
    line(
        "the phone  pushes the entry it kept offline: applied; once more, as if the answer was lost: duplicate",
    );
    Ok(())
}

async fn upload(cast: &Cast, entry: &str, sound: &[u8]) -> Result<String, Broken> {
    let base = format!("/v1/journal/entries/{entry}/attachments");
    let body = json!({"field": "voice", "media_type": "audio/wav", "bytes": sound.len()});
    let file = cast.ana.create(&base, body).await?;
    let id = text(&file, "id")?.to_owned();
    for (number, part) in sound.chunks(PART).enumerate() {
        cast.ana.put_bytes(&format!("{base}/{id}/parts/{number}"), part.to_vec()).await?;
    }
    let path = format!("{base}/{id}/complete");
    let done = cast.ana.expect(StatusCode::OK, Method::POST, &path, None, None).await?;
    check(done["attachment"]["state"] == "complete", || format!("the upload answered {done}"))?;
    line(format!("the phone  sends its voice note: {} bytes in {} parts, sealed", sound.len(), parts(sound)));
    Ok(id)
}

fn parts(sound: &[u8]) -> usize {
    sound.len().div_ceil(PART)
}

async fn tablet(cast: &Cast) -> Result<Client, Broken> {
    let [_, _, ana] = &cast.emails;
    let pair = json!({"email": ana, "password": PATIENT_PASSWORD, "device_name": "Ana's tablet"});
    let pair = cast.door.expect(StatusCode::OK, Method::POST, "/v1/auth/login", Some(pair), None).await?;
    cast.door.with_token(&pair)
}

async fn read_on(tablet: &Client, id: &str, voice: &str, sound: &[u8]) -> Result<(), Broken> {
    let page = tablet.get("/v1/sync").await?;
    let entries = items(&page["journal_entries"], "upserts")?;
    let entry = entries.iter().find(|entry| entry["id"] == id);
    let entry = entry.ok_or_else(|| Broken("the entry did not reach the tablet".into()))?;
    check(entry["fields"]["body"] == WORDS, || format!("the tablet reads {entry}"))?;
    let heard = tablet.bytes(&format!("/v1/journal/entries/{id}/attachments/{voice}")).await?;
    check(heard == sound, || format!("the tablet hears {} other bytes", heard.len()))?;
    line(format!("the tablet pulls {} entries, reads \"{WORDS}\" and hears the same bytes", entries.len()));
    Ok(())
}

async fn what_bo_sees(cast: &Cast, id: &str, voice: &str, sound: &[u8]) -> Result<(), Broken> {
    let base = format!("/v1/patients/{}/journal/entries/{id}", cast.patient_id);
    let seen: Value = cast.bo.get(&base).await?;
    check(seen["fields"]["body"] == WORDS, || format!("Bo reads {seen}"))?;
    let heard = cast.bo.bytes(&format!("{base}/attachments/{voice}")).await?;
    check(heard == sound, || format!("Bo hears {} other bytes", heard.len()))?;
    cast.cy.is_closed(&format!("{base}/attachments/{voice}")).await?;
    line(format!("Bo reads   \"{WORDS}\" and hears the voice note; Cy -> 404\n"));
    Ok(())
}
