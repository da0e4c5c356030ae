//! Small files of every type, built here piece by piece, with words in them that must not come out again.

use futures_util::FutureExt;

use super::{Edits, Fault, Source, ogg, strip};
use crate::{attachments::rules::MediaType, error::ApiResult};

const SECRET: &[u8] = b"GPS 52.5200 N 13.4050 E of Ana's kitchen";
const SOUND: &[u8] = b"the sound itself, or the pixels: kept as they are";

struct Bytes(Vec<u8>);

impl Source for Bytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&mut self, at: u64, into: &mut [u8]) -> ApiResult<usize> {
        let rest = self.0.get(usize::try_from(at).unwrap()..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

fn walked(file: &[u8], media: MediaType) -> Result<Edits, Fault> {
    let mut source = Bytes(file.to_vec());
    strip(&mut source, media).now_or_never().unwrap()
}

/// The file after its edits, applied in pieces as chunks are.
#[track_caller]
fn stripped(file: &[u8], media: MediaType) -> Vec<u8> {
    let edits = walked(file, media).unwrap_or_else(|_| panic!("it is no {media:?}"));
    let mut out = file.to_vec();
    for (number, piece) in out.chunks_mut(64).enumerate() {
        let number = number as u64;
        if edits.parts(64).contains(&number) {
            edits.apply(number * 64, piece);
        }
    }
    let mut whole = file.to_vec();
    edits.apply(0, &mut whole);
    assert_eq!(out, whole, "pieces and whole differ");
    assert_eq!(out.len(), file.len());
    out
}

fn holds(file: &[u8], words: &[u8]) -> bool {
    file.windows(words.len()).any(|window| window == words)
}

/// Strips it and checks that the secret is gone, the content is not, and doing it again changes nothing.
#[track_caller]
fn check(file: &[u8], media: MediaType) -> Vec<u8> {
    assert!(holds(file, SECRET) && holds(file, SOUND));
    let out = stripped(file, media);
    assert!(!holds(&out, SECRET), "{media:?} still says where");
    assert!(!holds(&out, b"Ana"), "{media:?} still says who");
    assert!(holds(&out, SOUND), "{media:?} lost its content");
    assert_eq!(stripped(&out, media), out);
    out
}

fn riff(form: &[u8], chunks: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut body = form.to_vec();
    for (name, content) in chunks {
        body.extend_from_slice(name);
        body.extend_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
        body.extend_from_slice(content);
        body.resize(body.len() + content.len() % 2, 0);
    }
    [b"RIFF".as_slice(), &u32::try_from(body.len()).unwrap().to_le_bytes(), &body].concat()
}

#[test]
fn wav_keeps_its_sound_only() {
    let file = riff(b"WAVE", &[(b"fmt ", &[1; 16]), (b"LIST", SECRET), (b"data", SOUND), (b"id3 ", SECRET)]);
    let out = check(&[file.as_slice(), SECRET].concat(), MediaType::Wav);
    assert_eq!(out.windows(4).filter(|name| name == b"JUNK").count(), 2);
    assert!(walked(&riff(b"WAVE", &[(b"LIST", SECRET)]), MediaType::Wav).is_err());
}

#[test]
fn webp_keeps_its_pixels_only() {
    let file =
        riff(b"WEBP", &[(b"VP8X", &[0x0c; 10]), (b"VP8 ", SOUND), (b"EXIF", SECRET), (b"XMP ", SECRET)]);
    let out = check(&file, MediaType::Webp);
    assert_eq!(out[20], 0, "it announces what is no longer there");
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], length.as_slice(), content].concat()
}

fn jpeg(exif: &[u8]) -> Vec<u8> {
    [
        b"\xff\xd8".as_slice(),
        &segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
        &segment(0xe1, exif),
        &segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", SECRET].concat()),
        &segment(0xed, SECRET),
        &segment(0xfe, SECRET),
        &segment(0xe2, &[b"ICC_PROFILE\0\x01\x01".as_slice(), &[7; 20]].concat()),
        &segment(0xc0, &[8, 0, 9, 0, 9, 1, 1, 0x11, 0]),
        &segment(0xda, &[1, 1, 0, 0, 63, 0]),
        SOUND,
        b"\xff\x00\xff\xd0",
        &segment(0xfe, SECRET),
        &segment(0xda, &[1, 1, 0, 0, 63, 0]),
        SOUND,
        b"\xff\xd9",
        b"a short film:",
        SECRET,
    ]
    .concat()
}

#[test]
fn jpeg_keeps_its_pixels_its_colours_and_which_way_is_up() {
    let plain = check(&jpeg(&[b"Exif\0\0".as_slice(), SECRET].concat()), MediaType::Jpeg);
    assert!(!holds(&plain, b"Exif") && holds(&plain, b"ICC_PROFILE"));
    for (order, entry) in [
        (b"MM\0*\0\0\0\x08\0\x01".as_slice(), b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".as_slice()),
        (b"II*\0\x08\0\0\0\x01\0".as_slice(), b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".as_slice()),
    ] {
        let exif = [b"Exif\0\0", order, entry, b"\0\0\0\0", SECRET].concat();
        let out = check(&jpeg(&exif), MediaType::Jpeg);
        assert!(holds(&out, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"));
    }
}

fn png_chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
    let named = [name, content].concat();
    let sum = crc32fast::hash(&named).to_be_bytes();
    [u32::try_from(content.len()).unwrap().to_be_bytes().as_slice(), &named, &sum].concat()
}

#[test]
fn png_keeps_its_pixels_only_and_its_checksums_fit() {
    let file = [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        &png_chunk(b"IHDR", &[0, 0, 0, 9, 0, 0, 0, 9, 8, 2, 0, 0, 0]),
        &png_chunk(b"tEXt", SECRET),
        &png_chunk(b"eXIf", &[SECRET; 200].concat()),
        &png_chunk(b"IDAT", SOUND),
        &png_chunk(b"iTXt", SECRET),
        &png_chunk(b"IEND", b""),
        SECRET,
    ]
    .concat();
    let out = check(&file, MediaType::Png);
    assert_eq!(out.windows(4).filter(|name| name == b"zeRo").count(), 3);
    let mut at = 8;
    while at + 12 < out.len() && out[at + 4] != 0 {
        let length = u32::from_be_bytes(out[at..at + 4].try_into().unwrap()) as usize;
        let sum = u32::from_be_bytes(out[at + 8 + length..at + 12 + length].try_into().unwrap());
        assert_eq!(crc32fast::hash(&out[at + 4..at + 8 + length]), sum);
        at += 12 + length;
    }
}

/// Mono frames of 64 kbit/s at 44100 Hz.
fn mp3_frames(count: usize) -> Vec<u8> {
    let mut frame = [b"\xff\xfb\x50\xc0".as_slice(), SOUND].concat();
    frame.resize(144 * 64_000 / 44_100, 0);
    frame.repeat(count)
}

#[test]
fn mp3_keeps_its_frames_only() {
    let id3 = [b"ID3\x03\0\0\0\0\x02\x00".as_slice(), &[SECRET; 7].concat()[..256]].concat();
    let ape = [b"APETAGEX".as_slice(), SECRET].concat();
    let tag = [b"TAG".as_slice(), SECRET].concat();
    check(&[id3.as_slice(), &mp3_frames(4), &ape, &tag].concat(), MediaType::Mp3);
    check(&[&mp3_frames(4), SECRET, &mp3_frames(4)].concat(), MediaType::Mp3);
    assert!(walked(&id3, MediaType::Mp3).is_err());
}

fn page(kind: u8, number: u8, packets: &[&[u8]], ends: bool) -> Vec<u8> {
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.extend(vec![255; packet.len() / 255]);
        if ends {
            lacing.push(u8::try_from(packet.len() % 255).unwrap());
        }
    }
    let head = [
        b"OggS\0".as_slice(),
        &[kind],
        &[0; 8],
        &[7, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, u8::try_from(lacing.len()).unwrap()],
    ];
    let mut page = [&head.concat(), lacing.as_slice(), &packets.concat()].concat();
    let sum = ogg::checksum(&page).to_le_bytes();
    page[22..26].copy_from_slice(&sum);
    page
}

#[test]
fn ogg_keeps_its_sound_only_and_its_checksums_fit() {
    let tags = [b"OpusTags".as_slice(), &SECRET.repeat(20)].concat();
    let file = [
        page(2, 0, &[b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0"], true),
        page(0, 1, &[&tags[..510]], false),
        page(1, 2, &[&tags[510..]], true),
        page(0, 3, &[SOUND, SOUND], true),
        page(4, 4, &[SOUND], true),
        SECRET.to_vec(),
    ];
    let out = check(&file.concat(), MediaType::Ogg);
    let mut at = 0;
    for whole in &file[..5] {
        let mut page = out[at..at + whole.len()].to_vec();
        let sum = u32::from_le_bytes(page[22..26].try_into().unwrap());
        page[22..26].fill(0);
        assert_eq!(ogg::checksum(&page), sum);
        at += whole.len();
    }
    assert!(holds(&out, b"OpusTags\0\0\0\0\0\0\0\0"));
    let film = [page(2, 0, &[b"\x80theora and so on"], true), page(0, 1, &[SOUND], true)];
    assert!(walked(&film.concat(), MediaType::Ogg).is_err());
}

fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let mut size = (content.len() as u64).to_be_bytes();
    size[0] = 0x01;
    [id, &size, content].concat()
}

/// With outer lengths left open, as browsers record.
fn webm(track: u8, codec: &[u8]) -> Vec<u8> {
    let open = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let info = [
        element(&[0x2a, 0xd7, 0xb1], &[15, 66, 64]),
        element(&[0x7b, 0xa9], SECRET),
        element(&[0x4d, 0x80], SECRET),
        element(&[0x57, 0x41], SECRET),
        element(&[0x44, 0x61], &SECRET[..8]),
    ];
    let entry = [
        element(&[0xd7], &[1]),
        element(&[0x83], &[track]),
        element(&[0x53, 0x6e], SECRET),
        element(&[0x86], codec),
    ];
    let head = [element(&[0x42, 0x86], &[1]), b"\x42\x82\x84webm".to_vec()].concat();
    [
        element(&[0x1a, 0x45, 0xdf, 0xa3], &head),
        [&[0x18, 0x53, 0x80, 0x67], open.as_slice()].concat(),
        element(&[0x15, 0x49, 0xa9, 0x66], &info.concat()),
        element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &entry.concat())),
        [&[0x1f, 0x43, 0xb6, 0x75], open.as_slice()].concat(),
        element(&[0xe7], &[0]),
        element(&[0xa3], SOUND),
        element(&[0xa3], &SOUND.repeat(4)),
        element(&[0x12, 0x54, 0xc3, 0x67], SECRET),
        element(&[0x19, 0x41, 0xa4, 0x69], &SECRET.repeat(9)),
    ]
    .concat()
}

#[test]
fn webm_keeps_its_sound_only() {
    check(&webm(2, b"A_OPUS"), MediaType::Webm);
    assert!(walked(&webm(1, b"V_VP9 "), MediaType::Webm).is_err(), "a film");
    let cut_off = [webm(2, b"A_OPUS"), element(&[0xa3], SOUND)[..20].to_vec()].concat();
    check(&cut_off, MediaType::Webm);
}

fn mp4_box(name: &[u8], content: &[u8]) -> Vec<u8> {
    [u32::try_from(content.len() + 8).unwrap().to_be_bytes().as_slice(), name, content].concat()
}

fn mp4(handler: &[u8], codec: &[u8]) -> Vec<u8> {
    let hdlr = [[0; 8].as_slice(), handler, &[0; 12], SECRET].concat();
    let stsd = [[0, 0, 0, 0, 0, 0, 0, 1].as_slice(), &mp4_box(codec, &[0; 28])].concat();
    let stbl = [mp4_box(b"stsd", &stsd), mp4_box(b"stco", &[0; 8])].concat();
    let minf = [mp4_box(b"smhd", &[0; 8]), mp4_box(b"stbl", &stbl)].concat();
    let mdhd = [[0; 4].as_slice(), b"Ana date", &[0; 12]].concat();
    let mdia = [mp4_box(b"mdhd", &mdhd), mp4_box(b"hdlr", &hdlr), mp4_box(b"minf", &minf)].concat();
    let trak = [mp4_box(b"mdia", &mdia), mp4_box(b"udta", SECRET)].concat();
    let moov = [mp4_box(b"trak", &trak), mp4_box(b"udta", &mp4_box(b"\xa9xyz", SECRET))].concat();
    [
        mp4_box(b"ftyp", b"M4A \0\0\0\0M4A isom"),
        mp4_box(b"moov", &moov),
        mp4_box(b"uuid", SECRET),
        mp4_box(b"free", SECRET),
        mp4_box(b"mdat", SOUND),
        mp4_box(b"meta", SECRET),
    ]
    .concat()
}

#[test]
fn mp4_keeps_its_sound_only() {
    check(&mp4(b"soun", b"mp4a"), MediaType::Mp4);
    assert!(walked(&mp4(b"vide", b"avc1"), MediaType::Mp4).is_err(), "a film");
    assert!(walked(&mp4(b"soun", b"avc1"), MediaType::Mp4).is_err());
}

#[test]
fn each_type_is_taken_for_nothing_else_and_cut_files_never_panic() {
    let wav = riff(b"WAVE", &[(b"fmt ", &[1; 16]), (b"data", SOUND)]);
    let files = [
        (MediaType::Wav, wav),
        (MediaType::Webp, riff(b"WEBP", &[(b"VP8 ", SOUND)])),
        (MediaType::Jpeg, jpeg(b"Exif\0\0")),
        (MediaType::Mp3, mp3_frames(4)),
        (MediaType::Webm, webm(2, b"A_OPUS")),
        (MediaType::Mp4, mp4(b"soun", b"mp4a")),
    ];
    for (media, file) in &files {
        for (other, _) in &files {
            assert_eq!(walked(file, *other).is_ok(), other == media, "{media:?} as {other:?}");
        }
        for length in 0..file.len() {
            walked(&file[..length], *media).ok();
        }
        // Every byte turned over, one after the other.
        for place in 0..file.len() {
            let mut damaged = file.clone();
            damaged[place] = !damaged[place];
            walked(&damaged, *media).ok();
        }
    }
    for text in [b"<html><script>".as_slice(), b"", b"\0", b"%PDF-1.7 and so on, long enough to be looked at"]
    {
        for (media, _) in &files {
            assert!(walked(text, *media).is_err());
        }
    }
}
