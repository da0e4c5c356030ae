//! WebM with Opus: elements of a number and a length. Numbers mean the same everywhere, so the walk needs no levels,
//! and recordings whose outer lengths are open are no special case. What is not needed to play becomes `Void`.

use super::{Fault, Source, Walk, Walked, require};

struct Element {
    id: u32,
    /// Where the content begins.
    body: u64,
    /// Where it ends; none for one of open length.
    end: Option<u64>,
}

enum Fate {
    /// Look at what is inside.
    Enter,
    Keep,
    /// Keep it, without its text.
    Empty,
    /// Audio, or it is something else.
    TrackType,
    Codec,
    /// A block: the last one may be cut off.
    Sound,
    Void,
}

fn fate(id: u32) -> Fate {
    match id {
        // Segment, Info, Tracks, TrackEntry, Cluster.
        0x1853_8067 | 0x1549_a966 | 0x1654_ae6b | 0xae | 0x1f43_b675 => Fate::Enter,
        // The head of the file, SeekHead, Cues; TimestampScale, Duration; Timestamp, Position, PrevSize.
        0x1a45_dfa3 | 0x114d_9b74 | 0x1c53_bb6b | 0x2a_d7b1 | 0x4489 | 0xe7 | 0xa7 | 0xab => Fate::Keep,
        // Of a track: number, UID, flags, default duration, CodecPrivate, delays, Audio.
        0xd7 | 0x73c5 | 0xb9 | 0x88 | 0x55aa | 0x9c | 0x6de7 | 0x6df8 | 0x23_e383 | 0x63a2 | 0x56aa
        | 0x56bb | 0xe1 => Fate::Keep,
        // MuxingApp and WritingApp have to be there.
        0x4d80 | 0x5741 => Fate::Empty,
        0x83 => Fate::TrackType,
        0x86 => Fate::Codec,
        0xa3 | 0xa0 => Fate::Sound,
        _ => Fate::Void,
    }
}

pub async fn walk<S: Source>(walk: &mut Walk<'_, S>) -> Walked {
    let (mut at, mut track, mut opus, mut sound) = (0, false, false, false);
    while at < walk.len() {
        let element = match element(walk, at).await {
            // A recording that was cut off between two bytes.
            Err(Fault::OtherType) if sound && walk.len() - at < 12 => break,
            element => element?,
        };
        let fate = fate(element.id);
        if let Fate::Enter = fate {
            at = element.body;
            continue;
        }
        let end = element.end.ok_or(Fault::OtherType)?;
        if end > walk.len() {
            require(matches!(fate, Fate::Sound) && sound)?;
            return require(track && opus);
        }
        match fate {
            Fate::Enter | Fate::Keep => {}
            Fate::Empty => walk.zero(element.body, end)?,
            Fate::TrackType => {
                require(end - element.body == 1 && walk.exactly::<1>(element.body).await? == [2])?;
                track = true;
            }
            Fate::Codec => {
                require(walk.exactly::<6>(element.body).await? == *b"A_OPUS")?;
                opus = true;
            }
            Fate::Sound => sound = true,
            Fate::Void => void(walk, at, end)?,
        }
        at = end;
    }
    walk.zero(at, walk.len())?;
    require(track && opus && sound)
}

async fn element<S: Source>(walk: &mut Walk<'_, S>, at: u64) -> Walked<Element> {
    let mut head = [0; 12];
    let filled = walk.up_to(at, &mut head).await?;
    let head = &head[..filled];
    let id_length = head.first().map_or(8, |byte| byte.leading_zeros()) as usize + 1;
    require(id_length <= 4 && head.len() > id_length)?;
    let id = head[..id_length].iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    let size = &head[id_length..];
    let size_length = size[0].leading_zeros() as usize + 1;
    require(size_length <= 8 && size.len() >= size_length)?;
    let all = size[..size_length].iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
    let open = (1_u64 << (7 * size_length)) - 1;
    let size = all & open;
    let body = at + (id_length + size_length) as u64;
    Ok(Element { id, body, end: (size != open).then_some(body + size) })
}

/// Turns everything from `at` to `end` into one element that means nothing.
fn void<S: Source>(walk: &mut Walk<'_, S>, at: u64, end: u64) -> Walked {
    let total = end - at;
    walk.zero(at, end)?;
    match u8::try_from(total - 2) {
        Ok(size) if size < 0x7f => walk.put(at, [0xec, 0x80 | size]),
        _ => {
            let mut head = (total - 9).to_be_bytes();
            head[0] = 0x01;
            walk.put(at, [[0xec].as_slice(), &head].concat())
        }
    }
}
