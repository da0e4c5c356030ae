//! PNG: what does not belong to the picture becomes an empty private chunk, which readers skip.

use super::{Source, Walk, Walked, require};

const BLANK: [u8; 4] = *b"zeRo";
/// Name and length before, checksum behind.
const AROUND: u64 = 12;

fn is_of_the_picture(name: &[u8; 4]) -> bool {
    const NAMES: [&[u8; 4]; 16] = [
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT",
        b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT",
    ];
    NAMES.contains(&name)
}

pub async fn png<S: Source>(walk: &mut Walk<'_, S>) -> Walked {
    let (mut at, mut pixels) = (8, false);
    while at < walk.len() {
        let [a, b, c, d, name @ ..] = walk.exactly::<8>(at).await?;
        let length = u64::from(u32::from_be_bytes([a, b, c, d]));
        let next = at + AROUND + length;
        require(next <= walk.len())?;
        require(at > 8 || (&name == b"IHDR" && length == 13))?;
        pixels |= &name == b"IDAT";
        if !is_of_the_picture(&name) {
            walk.put(at + 4, BLANK)?;
            walk.zero(at + 8, next - 4)?;
            walk.put(next - 4, checksum_of_blank(length).to_be_bytes())?;
        }
        at = next;
        if &name == b"IEND" {
            walk.zero(at, walk.len())?;
            return require(pixels);
        }
    }
    require(false)
}

fn checksum_of_blank(length: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&BLANK);
    let zeros = [0; 4_096];
    let mut left = length;
    while left > 0 {
        let now = left.min(zeros.len() as u64);
        hasher.update(&zeros[..super::index(now)]);
        left -= now;
    }
    hasher.finalize()
}
