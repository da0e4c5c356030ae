//! Where a device stands: opaque to it, bound to one patient.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::ids::PatientId;
use uuid::Uuid;

use crate::{
    error::{ApiError, ApiResult},
    vault::Mac,
};

const BODY: usize = 1 + 8 + 8 + 4 + 16;
const TAG: usize = 12;

/// A place in the order (sync number, rank of the collection, id), and what the device can rely on there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// How many collections there were: a device that began before a new one came has to begin again.
    pub collections: u8,
    pub seq: i64,
    pub rank: i32,
    pub id: Uuid,
    /// The counter when the device began with nothing. It needs no tombstones up to there.
    pub began: i64,
}

impl Place {
    /// Before everything, with nothing at hand, when the counter stands at `began`.
    pub fn start(collections: u8, began: i64) -> Self {
        Self { collections, seq: 0, rank: 0, id: Uuid::nil(), began }
    }

    /// Behind everything up to the counter.
    pub fn caught_up(self, counter: i64) -> Self {
        Self { seq: counter, rank: i32::MAX, id: Uuid::max(), ..self }
    }

    /// Whether nothing can have been missed: no tombstone that matters is gone, and the counter never went back.
    pub fn holds(&self, collections: u8, (counter, floor): (i64, i64)) -> bool {
        self.collections == collections && self.seq <= counter && self.seq.max(self.began) >= floor
    }

    pub fn encode(&self, mac: &Mac, patient: PatientId) -> String {
        let mut bytes = Vec::with_capacity(BODY + TAG);
        bytes.push(self.collections);
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.began.to_be_bytes());
        bytes.extend_from_slice(&self.rank.to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        let tag = tag(mac, patient, &bytes);
        bytes.extend_from_slice(&tag);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Place::encode`] wrote for the same patient, else 422.
    pub fn decode(text: &str, mac: &Mac, patient: PatientId) -> ApiResult<Self> {
        Self::read(text, mac, patient).ok_or_else(|| {
            ApiError::invalid_field(
                "query/since",
                "invalid_cursor",
                "is not a `next` of this patient's; leave it out to begin with nothing",
            )
        })
    }

    fn read(text: &str, mac: &Mac, patient: PatientId) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, given) = bytes.split_at_checked(BODY)?;
        verify_slices_are_equal(given, &tag(mac, patient, body)).ok()?;
        Some(Self {
            collections: body[0],
            seq: i64::from_be_bytes(body[1..9].try_into().ok()?),
            began: i64::from_be_bytes(body[9..17].try_into().ok()?),
            rank: i32::from_be_bytes(body[17..21].try_into().ok()?),
            id: Uuid::from_slice(&body[21..]).ok()?,
        })
    }
}

fn tag(mac: &Mac, patient: PatientId, body: &[u8]) -> [u8; TAG] {
    let full = mac.sign(&[b"sync", patient.0.as_bytes(), body]);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&full[..TAG]);
    tag
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(seq: i64, began: i64) -> Place {
        Place { collections: 5, seq, rank: 1, id: Uuid::from_u128(7), began }
    }

    #[test]
    fn a_place_comes_back_for_its_patient_only() {
        let (mac, ana, ben) =
            (Mac::new(b"key"), PatientId(Uuid::from_u128(1)), PatientId(Uuid::from_u128(2)));
        let text = place(12, 3).encode(&mac, ana);
        assert_eq!(Place::decode(&text, &mac, ana).unwrap(), place(12, 3));
        assert!(Place::decode(&text, &mac, ben).is_err());
        assert!(Place::decode(&text, &Mac::new(b"other"), ana).is_err());
        for wrong in ["", "A", &text[1..], &format!("{text}A")] {
            assert!(Place::decode(wrong, &mac, ana).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_place_is_refused(seq: i64, began: i64, at in 0_usize..1_000, letter in "[A-Za-z0-9_=+/-]") {
            let (mac, ana) = (Mac::new(b"key"), PatientId(Uuid::from_u128(1)));
            let text = place(seq, began).encode(&mac, ana);
            let at = at % text.len();
            let mut changed = text.clone();
            changed.replace_range(at..=at, &letter);
            prop_assert!(changed == text || Place::decode(&changed, &mac, ana).is_err());
            prop_assert!(Place::decode(&text[..at], &mac, ana).is_err());
        }

        #[test]
        fn no_other_text_is_a_place(text in "\\PC{0,80}|[A-Za-z0-9_-]{60,70}") {
            prop_assert!(Place::decode(&text, &Mac::new(b"key"), PatientId(Uuid::from_u128(1))).is_err());
        }
    }

    #[test]
    fn a_device_begins_again_when_it_may_have_missed_something() {
        for (seq, began, counter, floor, holds) in [
            (10, 0, 10, 0, true),
            (10, 0, 12, 10, true),
            // A tombstone between where it stands and now may be gone.
            (10, 0, 12, 11, false),
            // It began with nothing at 12, so older tombstones never mattered.
            (1, 12, 12, 11, true),
            (1, 12, 20, 13, false),
            // The counter is behind the device: the database came from a backup.
            (10, 0, 9, 0, false),
        ] {
            let row = (seq, began, counter, floor);
            assert_eq!(place(seq, began).holds(5, (counter, floor)), holds, "{row:?}");
        }
        assert!(!place(10, 0).holds(6, (10, 0)), "a new collection has rows it never saw");
    }
}
