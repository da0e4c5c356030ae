//! Ogg with Opus: pages follow each other. The pages of the second packet hold the comments; they become empty ones.

use super::{Source, Walk, Walked, index, require};

const HEADER: usize = 27;
const BEGINS_STREAM: u8 = 0x02;
const CHECKSUM: std::ops::Range<usize> = 22..26;
/// The signature, a vendor without a name, and no comments.
const NO_COMMENTS: &[u8; 16] = b"OpusTags\0\0\0\0\0\0\0\0";

/// What the next page holds.
#[derive(PartialEq)]
enum Next {
    FirstComments,
    MoreComments,
    Sound,
}

pub async fn walk<S: Source>(walk: &mut Walk<'_, S>) -> Walked {
    let (mut at, mut next, mut sound) = (0, Next::Sound, false);
    while at < walk.len() {
        let mut head = [0; HEADER + 255];
        let filled = walk.up_to(at, &mut head).await?;
        let segments = usize::from(head[HEADER - 1]);
        if filled < HEADER + segments || !head.starts_with(b"OggS\0") {
            // A recording that was cut off, or something behind it.
            require(sound)?;
            return walk.zero(at, walk.len());
        }
        let lacing = &head[HEADER..HEADER + segments];
        let body = HEADER + segments;
        let size = body + lacing.iter().map(|size| usize::from(*size)).sum::<usize>();
        if head[5] & BEGINS_STREAM != 0 {
            require(next == Next::Sound && walk.exactly::<8>(at + body as u64).await? == *b"OpusHead")?;
            next = Next::FirstComments;
        } else if next == Next::Sound {
            require(at > 0)?;
            sound = true;
        } else {
            let ends = lacing.iter().position(|size| *size < 255);
            // Sound begins on a page of its own (RFC 7845, section 3).
            require(ends.is_none_or(|place| place + 1 == segments))?;
            blank(walk, at, (body, size), next == Next::FirstComments).await?;
            next = if ends.is_some() { Next::Sound } else { Next::MoreComments };
        }
        at += size as u64;
    }
    require(sound && next == Next::Sound)
}

/// Writes a page anew, without what its body said.
async fn blank<S: Source>(
    walk: &mut Walk<'_, S>,
    at: u64,
    (body, size): (usize, usize),
    first: bool,
) -> Walked {
    let mut page = vec![0; size];
    require(walk.up_to(at, &mut page).await? == size)?;
    if first {
        require(size - body >= NO_COMMENTS.len() && page[body..].starts_with(b"OpusTags"))?;
    }
    page[body..].fill(0);
    if first {
        page[body..body + NO_COMMENTS.len()].copy_from_slice(NO_COMMENTS);
    }
    page[CHECKSUM].fill(0);
    let sum = checksum(&page);
    page[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
    // Most of the page is zeros, which need not be kept in memory.
    walk.put(at, &page[..body + if first { NO_COMMENTS.len() } else { 0 }])?;
    walk.zero(at + (body + if first { NO_COMMENTS.len() } else { 0 }) as u64, at + size as u64)
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = ((byte as u32) << 24, 0);
        while bit < 8 {
            sum = sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// The checksum of a page whose own is zero: CRC-32 from the highest bit on, without inversion (RFC 3533).
pub fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum: u32, byte| sum << 8 ^ TABLE[index(u64::from(sum >> 24 ^ u32::from(*byte)))])
}
