//! The ways in which a text can stand in bytes: as it is, in UTF-16, in base64 at any alignment, in hexadecimal, and
//! escaped as JSON, URLs and Rust's own logs escape it.

use std::collections::BTreeSet;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use data_encoding::HEXLOWER;

/// Many texts, looked for in one pass.
pub struct Search {
    forms: Vec<(usize, Vec<u8>)>,
    /// By their first two bytes.
    by_start: Vec<Vec<usize>>,
}

fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

impl Search {
    pub fn new(texts: &[String]) -> Self {
        let of = |(text, words): (usize, &String)| forms(words).into_iter().map(move |form| (text, form));
        let forms: Vec<(usize, Vec<u8>)> = texts.iter().enumerate().flat_map(of).collect();
        let mut by_start = vec![Vec::new(); 1 << 16];
        for (index, (_, form)) in forms.iter().enumerate() {
            by_start[start(form)].push(index);
        }
        Self { forms, by_start }
    }

    /// The positions of the texts that stand in `bytes`.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for (at, pair) in bytes.windows(2).enumerate() {
            for index in &self.by_start[start(pair)] {
                let (text, form) = &self.forms[*index];
                if bytes[at..].starts_with(form) {
                    found.insert(*text);
                }
            }
        }
        found
    }
}

/// All writings of a text.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let utf8 = text.as_bytes().to_vec();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big_endian: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let debug = format!("{text:?}").trim_matches('"').as_bytes().to_vec();
    let mut all = vec![escaped(text).into_bytes(), percent(text).into_bytes(), debug];
    for plain in [utf8, utf16, big_endian] {
        let hex = HEXLOWER.encode(&plain);
        all.push(hex.to_uppercase().into_bytes());
        all.push(hex.into_bytes());
        for shift in 0..3 {
            for alphabet in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
                let padded: Vec<u8> = [vec![0; shift], plain.clone()].concat();
                let encoded = alphabet.encode(&padded);
                // The ends depend on the neighbours: only what is of this text alone counts.
                let (from, to) = (if shift == 0 { 0 } else { 4 }, encoded.len() - 4);
                all.push(encoded.as_bytes()[from..to].to_vec());
            }
        }
        all.push(plain);
    }
    all
}

fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii() {
                c.to_string()
            } else {
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
        })
        .collect()
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

#[test]
fn every_writing_is_found_and_nothing_else() {
    let text = "Kanarienvögel 🐤 1";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let written: Vec<Vec<u8>> = vec![
        format!("..{text}..").into_bytes(),
        utf16.clone(),
        HEXLOWER.encode(text.as_bytes()).into_bytes(),
        HEXLOWER.encode(&utf16).to_uppercase().into_bytes(),
        BASE64_STANDARD_NO_PAD.encode(format!("{{\"note\":\"{text}\"}}")).into_bytes(),
        BASE64_URL_SAFE_NO_PAD.encode(format!("{{\"notes\":\"{text}\"}}")).into_bytes(),
        BASE64_STANDARD_NO_PAD.encode([b"xy".to_vec(), utf16].concat()).into_bytes(),
        serde_json::to_string(text).unwrap().into_bytes(),
        br"Kanarienv\u00f6gel \ud83d\udc24 1".to_vec(),
        b"Kanarienv%C3%B6gel%20%F0%9F%90%A4%201".to_vec(),
    ];
    let search = Search::new(&[text.to_owned()]);
    for bytes in written {
        assert_eq!(search.found_in(&bytes).len(), 1, "{}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(search.found_in(b"Kanarienvogel and nothing else").len(), 0);
}
