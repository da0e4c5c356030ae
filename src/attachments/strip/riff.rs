//! WAV and WebP: chunks of a name and a length. Those that do not matter become `JUNK`, which readers skip.

use super::{Source, Walk, Walked, require};

const HEADER: u64 = 8;
/// Bits of `VP8X` that announce EXIF and XMP.
const ANNOUNCES_METADATA: u8 = 0x0c;

pub async fn wav<S: Source>(walk: &mut Walk<'_, S>) -> Walked {
    let found = chunks(walk, |name| matches!(name, b"fmt " | b"data" | b"fact")).await?;
    require(found.contains(b"fmt ") && found.contains(b"data"))
}

pub async fn webp<S: Source>(walk: &mut Walk<'_, S>) -> Walked {
    let keep =
        |name: &[u8; 4]| matches!(name, b"VP8 " | b"VP8L" | b"VP8X" | b"ALPH" | b"ANIM" | b"ANMF" | b"ICCP");
    let found = chunks(walk, keep).await?;
    require([b"VP8 ", b"VP8L", b"ANMF"].iter().any(|name| found.contains(name)))
}

/// Blanks the chunks that are not kept, and whatever follows the end; the names of those that are.
async fn chunks<S: Source>(walk: &mut Walk<'_, S>, keep: impl Fn(&[u8; 4]) -> bool) -> Walked<Vec<[u8; 4]>> {
    let [_, _, _, _, size @ ..] = walk.exactly::<8>(0).await?;
    // Recorders that cannot go back to the start leave the length open.
    let end = match u32::from_le_bytes(size) {
        0 | u32::MAX => walk.len(),
        size => walk.len().min(HEADER + u64::from(size)),
    };
    let (mut at, mut found) = (12, Vec::new());
    while at + HEADER <= end {
        let [a, b, c, d, size @ ..] = walk.exactly::<8>(at).await?;
        let name = [a, b, c, d];
        let body = at + HEADER;
        let next = body + u64::from(u32::from_le_bytes(size));
        require(next <= end || &name == b"data")?;
        if !keep(&name) {
            walk.put(at, *b"JUNK")?;
            walk.zero(body, next)?;
        } else if !found.contains(&name) {
            found.push(name);
        }
        if &name == b"VP8X" {
            let [flags] = walk.exactly::<1>(body).await?;
            walk.put(body, [flags & !ANNOUNCES_METADATA])?;
        }
        at = next + next % 2;
    }
    walk.zero(at, walk.len())?;
    Ok(found)
}
