//! Codes that people read and type, for invitations and for recovery: ten random Crockford base-32 characters and a
//! check character, read aloud or printed. Case, the letters O, I and L, blanks and dashes are forgiven.

use entity::ids::AccountId;

use crate::{clock::Random, vault::Mac};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 10;

/// A code as it is shown once to whoever invites; only its keyed hash is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationCode(String);

impl InvitationCode {
    /// A fresh code. Codes whose check value has no plain character (Crockford adds five signs for those) are drawn
    /// again: nobody should have to read a tilde aloud.
    pub fn draw(random: &dyn Random) -> Self {
        loop {
            let body: String = random
                .bytes::<LENGTH>()
                .iter()
                .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
                .collect();
            if let Some(check) = check_character(&body) {
                return Self(format!("{body}{check}"));
            }
        }
    }

    /// Reads what somebody typed; none when it cannot be a code.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let plain: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-'))
            .map(|c| match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            })
            .collect();
        let (body, check) = plain.split_at_checked(LENGTH)?;
        let mut check = check.chars();
        let fits = check_character(body).is_some_and(|wanted| check.next() == Some(wanted))
            && check.next().is_none();
        fits.then_some(Self(plain))
    }

    /// `XXXXX-XXXXX-C`.
    pub fn shown(&self) -> String {
        format!("{}-{}-{}", &self.0[..5], &self.0[5..10], &self.0[10..])
    }
}

/// What is stored of a code.
pub fn hash(mac: &Mac, code: &InvitationCode) -> Vec<u8> {
    mac.sign(&[b"invitation", code.0.as_bytes()]).to_vec()
}

/// What is stored of a code that is good for one account and one purpose only.
pub fn hash_for(mac: &Mac, purpose: &str, account: AccountId, code: &InvitationCode) -> Vec<u8> {
    mac.sign(&[purpose.as_bytes(), account.0.as_bytes(), code.0.as_bytes()]).to_vec()
}

/// The value modulo 37, if that is one of the 32 plain characters; none too when `body` is not of the alphabet.
fn check_character(body: &str) -> Option<char> {
    let mut value: u64 = 0;
    for byte in body.bytes() {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        value = value * 32 + u64::try_from(digit).ok()?;
    }
    let check = usize::try_from(value % 37).ok()?;
    ALPHABET.get(check).map(|letter| char::from(*letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemRandom;

    #[test]
    fn what_people_type_is_read_and_what_they_mistype_is_not() {
        let random: &dyn Random = &SystemRandom;
        for _ in 0..200 {
            let code = InvitationCode::draw(random);
            let shown = code.shown();
            let sloppy = shown.to_lowercase().replace('0', "o").replace('1', "l").replace('-', " ");
            assert!(InvitationCode::read(&shown) == Some(code.clone()));
            assert!(InvitationCode::read(&sloppy) == Some(code));
            let swapped = if shown.starts_with('A') {
                shown.replacen('A', "B", 1)
            } else {
                format!("A{}", &shown[1..])
            };
            assert!(
                InvitationCode::read(&swapped).is_none(),
                "one wrong character passed: {shown} -> {swapped}"
            );
        }
        for wrong in ["", "ABC", "U2345-67890-1", "ÄÖÜ45-67890-1", "0000000000", "00000-00000-00"] {
            assert!(InvitationCode::read(wrong).is_none(), "{wrong}");
        }
    }
}
