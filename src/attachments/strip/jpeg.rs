//! JPEG: keeps what decoders need, the colour profile, and which way is up; blanks every other segment, thumbnails, and
//! whatever follows the end of the picture, where phones put short films.

use super::{Fault, Source, Walk, Walked, index, require};

const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const EXIF: &[u8] = b"Exif\0\0";
/// `Exif` and the shortest directory with one number in it.
const ORIENTATION_ONLY: u64 = 6 + 26;

pub async fn walk<S: Source>(walk: &mut Walk<'_, S>) -> Walked {
    let (mut at, mut size_known, mut scanned) = (2, false, false);
    while at < walk.len() {
        let Some(marker) = marker(walk, &mut at).await? else { break };
        if marker == END {
            break;
        }
        // Without a length: restarts and padding.
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            continue;
        }
        let length = u64::from(u16::from_be_bytes(walk.exactly::<2>(at).await?));
        require(length >= 2)?;
        let (body, end) = (at + 2, at + length);
        require(end <= walk.len())?;
        if is_frame(marker) {
            let [_, dimensions @ ..] = walk.exactly::<5>(body).await?;
            // A height of zero comes later; a width never does.
            size_known |= dimensions[2..] != [0, 0];
        } else if !is_needed(marker) {
            side_segment(walk, marker, body, end).await?;
        }
        at = end;
        if marker == SCAN {
            scanned = true;
            at = end_of_scan(walk, at).await?;
        }
    }
    walk.zero(at, walk.len())?;
    require(size_known && scanned)
}

/// The marker at `at`, which moves behind it.
async fn marker<S: Source>(walk: &mut Walk<'_, S>, at: &mut u64) -> Walked<Option<u8>> {
    require(walk.exactly::<1>(*at).await? == [0xff])?;
    let mut window = [0; 1];
    loop {
        *at += 1;
        if walk.up_to(*at, &mut window).await? == 0 {
            return Ok(None);
        }
        if window != [0xff] {
            *at += 1;
            return Ok(Some(window[0]));
        }
    }
}

fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Tables and scans.
fn is_needed(marker: u8) -> bool {
    matches!(marker, 0xc4 | 0xcc | 0xda..=0xdf)
}

async fn side_segment<S: Source>(walk: &mut Walk<'_, S>, marker: u8, body: u64, end: u64) -> Walked {
    let mut head = [0; 14];
    let filled = walk.up_to(body, &mut head[..index((end - body).min(14))]).await?;
    let head = &head[..filled];
    let keep = match marker {
        // With the last two bytes at zero there is no thumbnail.
        0xe0 => end - body == 14 && head.starts_with(b"JFIF\0") && head.ends_with(&[0, 0]),
        0xe2 => head.starts_with(b"ICC_PROFILE\0"),
        0xee => end - body == 12 && head.starts_with(b"Adobe"),
        _ => false,
    };
    if keep {
        return Ok(());
    }
    walk.zero(body, end)?;
    if marker == 0xe1 && head.starts_with(EXIF) && end - body >= ORIENTATION_ONLY {
        let mut segment = vec![0; index(end - body)];
        walk.up_to(body, &mut segment).await?;
        if let Some(orientation) = orientation(&segment[EXIF.len()..]) {
            walk.put(body, only(orientation))?;
        }
    }
    Ok(())
}

/// Which way the phone was held, if that is not upright: without it, pictures lie on their side.
fn orientation(tiff: &[u8]) -> Option<u8> {
    let big = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let bytes = [*tiff.get(at)?, *tiff.get(at + 1)?];
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let offset = match (big, short(4)?, short(6)?) {
        (true, 0, low) | (false, low, 0) => usize::from(low),
        _ => return None,
    };
    let entries = (0..usize::from(short(offset)?)).map(|entry| offset + 2 + 12 * entry);
    let entry = entries.take_while(|at| at + 12 <= tiff.len()).find(|at| short(*at) == Some(0x0112))?;
    u8::try_from(short(entry + 8)?).ok().filter(|value| (2..=8).contains(value))
}

fn only(orientation: u8) -> Vec<u8> {
    let mut segment = EXIF.to_vec();
    segment.extend_from_slice(b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0");
    segment.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    segment
}

/// Where the next marker is that is none of the scan's own.
async fn end_of_scan<S: Source>(walk: &mut Walk<'_, S>, from: u64) -> Result<u64, Fault> {
    let mut window = [0; 8_192];
    let mut at = from;
    loop {
        let filled = walk.up_to(at, &mut window).await?;
        if filled < 2 {
            return Ok(walk.len());
        }
        let pairs = window[..filled].windows(2);
        let is_end = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
        if let Some(found) = pairs.into_iter().position(is_end) {
            return Ok(at + found as u64);
        }
        // The last byte may be the first of a pair.
        at += filled as u64 - 1;
    }
}
