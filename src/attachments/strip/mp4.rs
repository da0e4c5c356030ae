//! MP4 with one or more sound tracks: boxes in boxes. What is not needed to play becomes `free`; dates become zero.

use super::{Fault, Source, Walk, Walked, require};

type Name = [u8; 4];

/// Outside every box.
const FILE: &Name = b"\0\0\0\0";

enum Fate {
    Enter,
    Keep,
    /// A header that begins with when it was made and changed.
    Dates,
    /// Says that the track is sound, and by which program.
    Handler,
    /// Says which codec.
    Samples,
    Free,
}

fn fate(inside: &Name, name: &Name) -> Fate {
    match (inside, name) {
        (FILE, b"moov" | b"moof")
        | (b"moov", b"trak" | b"mvex")
        | (b"trak", b"mdia")
        | (b"mdia", b"minf")
        | (b"minf", b"stbl")
        | (b"moof", b"traf") => Fate::Enter,
        (b"moov", b"mvhd") | (b"trak", b"tkhd") | (b"mdia", b"mdhd") => Fate::Dates,
        (b"mdia", b"hdlr") => Fate::Handler,
        (b"stbl", b"stsd") => Fate::Samples,
        (FILE, b"ftyp" | b"styp" | b"mdat" | b"sidx" | b"mfra")
        | (b"trak", b"edts")
        | (b"mvex", b"mehd" | b"trex")
        | (b"minf", b"smhd" | b"dinf")
        | (b"moof", b"mfhd")
        | (b"traf", b"tfhd" | b"tfdt" | b"trun" | b"sbgp" | b"sgpd" | b"saio" | b"saiz") => Fate::Keep,
        (b"stbl", name) if is_sample_table(name) => Fate::Keep,
        _ => Fate::Free,
    }
}

fn is_sample_table(name: &Name) -> bool {
    const NAMES: [&Name; 14] = [
        b"stts", b"stsc", b"stsz", b"stz2", b"stco", b"co64", b"ctts", b"cslg", b"stss", b"sdtp", b"sgpd",
        b"sbgp", b"saio", b"saiz",
    ];
    NAMES.contains(&name)
}

struct Found {
    name: Name,
    body: u64,
    end: u64,
}

pub async fn walk<S: Source>(walk: &mut Walk<'_, S>) -> Walked {
    let (mut at, mut sound, mut codec) = (0, false, false);
    let mut around: Vec<(Name, u64)> = vec![(*FILE, walk.len())];
    while let Some(&(inside, outer)) = around.last() {
        if at >= outer {
            around.pop();
            continue;
        }
        let found = found(walk, at, &inside, outer).await?;
        match fate(&inside, &found.name) {
            Fate::Enter => {
                around.push((found.name, found.end));
                at = found.body;
                continue;
            }
            Fate::Keep => {}
            Fate::Dates => {
                let [version] = walk.exactly::<1>(found.body).await?;
                let length = if version == 1 { 16 } else { 8 };
                walk.zero(found.body + 4, (found.body + 4 + length).min(found.end))?;
            }
            Fate::Handler => {
                require(walk.exactly::<4>(found.body + 8).await? == *b"soun")?;
                // Reserved words, and the name of the program.
                walk.zero(found.body + 12, found.end)?;
                sound = true;
            }
            Fate::Samples => {
                let kind = walk.exactly::<4>(found.body + 12).await?;
                require(matches!(&kind, b"mp4a" | b"Opus"))?;
                codec = true;
            }
            Fate::Free => {
                walk.put(at + 4, *b"free")?;
                walk.zero(found.body, found.end)?;
            }
        }
        at = found.end;
    }
    require(sound && codec)
}

async fn found<S: Source>(walk: &mut Walk<'_, S>, at: u64, inside: &Name, outer: u64) -> Walked<Found> {
    require(outer - at >= 8)?;
    let [a, b, c, d, name @ ..] = walk.exactly::<8>(at).await?;
    let (body, size) = match u32::from_be_bytes([a, b, c, d]) {
        0 if inside == FILE => (at + 8, outer - at),
        1 => (at + 16, u64::from_be_bytes(walk.exactly::<8>(at + 8).await?)),
        size => (at + 8, u64::from(size)),
    };
    let end = at.checked_add(size).ok_or(Fault::OtherType)?;
    require(end >= body)?;
    // The sound itself may be cut off.
    let end = if inside == FILE && &name == b"mdat" { end.min(outer) } else { end };
    require(end <= outer)?;
    Ok(Found { name, body, end })
}
