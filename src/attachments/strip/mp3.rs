//! MP3: frames follow each other; what is no frame (ID3, APE, lyrics) is blanked.

use super::{Source, Walk, Walked, require};

const KBITS_1: [u32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBITS_2: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const HERTZ: [u32; 3] = [44_100, 48_000, 32_000];
/// So many in a row are no accident.
const IN_A_ROW: usize = 3;

/// The length of the Layer III frame that begins with this header.
fn frame(header: [u8; 4]) -> Option<u64> {
    let [sync, version, rates, _] = header;
    // Eleven bits of sync, a known version, layer III.
    if sync != 0xff || version & 0xe6 != 0xe2 || version & 0x18 == 0x08 {
        return None;
    }
    let (first, halvings) = match version & 0x18 {
        0x18 => (true, 0),
        0x10 => (false, 1),
        _ => (false, 2),
    };
    let table = if first { KBITS_1 } else { KBITS_2 };
    let kbits = table.get(usize::from(rates >> 4).checked_sub(1)?)?;
    let hertz = HERTZ.get(usize::from(rates >> 2 & 3))? >> halvings;
    let samples = if first { 144 } else { 72 };
    Some(u64::from(samples * kbits * 1_000 / hertz + u32::from(rates >> 1 & 1)))
}

pub async fn walk<S: Source>(walk: &mut Walk<'_, S>) -> Walked {
    let (mut at, mut frames, mut junk) = (first_tag(walk).await?, 0_u64, None);
    while at + 4 <= walk.len() {
        let length = frame(walk.exactly::<4>(at).await?);
        let begins = match length {
            None => false,
            // Inside a run of frames one header is enough; to begin one, more have to follow.
            Some(_) => junk.is_none() && frames > 0 || runs_from(walk, at).await?,
        };
        match length {
            Some(length) if begins => {
                if let Some(from) = junk.take() {
                    walk.zero(from, at)?;
                }
                frames += 1;
                at += length;
            }
            _ => {
                junk.get_or_insert(at);
                at += skip(walk, at).await?;
            }
        }
    }
    walk.zero(junk.unwrap_or(at), walk.len())?;
    require(frames >= IN_A_ROW as u64)
}

/// An ID3 tag in front stays as an empty one: players look for it to know the type. Returns where it ends.
async fn first_tag<S: Source>(walk: &mut Walk<'_, S>) -> Walked<u64> {
    let [i, d, three, _, _, flags, size @ ..] = walk.exactly::<10>(0).await?;
    if [i, d, three] != *b"ID3" {
        return Ok(0);
    }
    let size = size.iter().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
    let end = 10 + size + if flags & 0x10 == 0 { 0 } else { 10 };
    walk.put(5, [0])?;
    walk.zero(10, end)?;
    Ok(end)
}

async fn runs_from<S: Source>(walk: &mut Walk<'_, S>, from: u64) -> Walked<bool> {
    let mut at = from;
    for _ in 0..IN_A_ROW {
        if at + 4 > walk.len() {
            break;
        }
        let Some(length) = frame(walk.exactly::<4>(at).await?) else { return Ok(false) };
        at += length;
    }
    Ok(true)
}

/// How far it is to the next byte that could begin a frame.
async fn skip<S: Source>(walk: &mut Walk<'_, S>, at: u64) -> Walked<u64> {
    let mut window = [0; 4_096];
    let filled = walk.up_to(at + 1, &mut window).await?;
    let next = window[..filled].iter().position(|byte| *byte == 0xff);
    Ok(1 + next.unwrap_or(filled) as u64)
}
