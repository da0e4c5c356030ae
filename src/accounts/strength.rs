//! Which passwords are refused: short ones, and those that guessers try early. Lengths in Unicode scalar values, as NIST
//! SP 800-63B counts them; no rule asks for digits or signs.

use zxcvbn::{Score, zxcvbn};

use crate::validate::Checks;

/// Shortest password that stands alone.
pub const ALONE: usize = 15;
/// Shortest password beside a second factor.
pub const BESIDE_TOTP: usize = 8;
/// Longest password.
pub const MOST: usize = 256;

/// What lists of English passwords do not know, and what anybody would try here first.
const NEAR: [&str; 26] = [
    "afterglow",
    "administrator",
    "ketamine",
    "ketamina",
    "therapy",
    "terapia",
    "therapist",
    "terapeuta",
    "integration",
    "session",
    "sesion",
    "patient",
    "paciente",
    "clinic",
    "clinica",
    "contraseña",
    "contrasena",
    "mi clave",
    "te amo",
    "te quiero",
    "mi vida",
    "estrella",
    "1q2w3e4r5t6y7u8i",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv",
    "qwertyuiopasdfgh",
];

/// Refuses `pointer` unless the password has `least` characters and is not easy to guess for somebody who knows `own`:
/// the address and the name of its owner.
pub fn check(checks: &mut Checks, pointer: &str, password: &str, own: &[&str], least: usize) {
    checks.text(pointer, Some(password), least, MOST);
    if password.chars().count() > MOST {
        return;
    }
    checks.require(
        !is_guessable(password, own, least),
        pointer,
        "guessable_password",
        "is easy to guess; five random words are better",
    );
}

/// Alone it has to withstand whoever stole its hash, beside a second factor whoever guesses at the door.
fn is_guessable(password: &str, own: &[&str], least: usize) -> bool {
    let mut known: Vec<&str> = NEAR.to_vec();
    for text in own {
        known.push(text);
        known.extend(text.split('@').next());
        known.extend(text.split(['@', '.', '-', '_', '+', ' ']).filter(|part| part.chars().count() >= 3));
    }
    let enough = if least >= ALONE { Score::Four } else { Score::Two };
    zxcvbn(password, &known).score() < enough
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [&str; 2] = ["ana.lopez@example.org", "Ana López"];

    #[test]
    fn what_guessers_try_early_is_refused() {
        for password in [
            "passwordpassword",
            "Password12345678",
            "P@ssw0rdP@ssw0rd",
            "123456789012345",
            "1q2w3e4r5t6y7u8i",
            "qwertyuiopasdfgh",
            "aaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnop",
            "administrator123",
            "afterglow12345678",
            "ketamine ketamine",
            "iloveyouiloveyou",
            "contraseña123456",
            "ana.lopez@example.org",
        ] {
            assert!(is_guessable(password, &OWN, ALONE), "{password}");
        }
        for password in ["password", "Passw0rd", "12345678", "ana.lopez", "qwertyui"] {
            assert!(is_guessable(password, &OWN, BESIDE_TOTP), "{password}");
        }
    }

    #[test]
    fn words_and_any_letters_pass() {
        for password in [
            "violet harbour copper meadow",
            "lantern orchard granite sparrow",
            "барсук варит тыквенный суп",
            "夜明けの海で鯨が歌う静かな冬の朝",
            "🌊🦊🍂🪵 und ein Zitronenbaum",
            "correo girasol pantalla nube",
        ] {
            assert!(!is_guessable(password, &OWN, ALONE), "{password}");
        }
        for password in ["kr7!mZw2", "moss.kettle", "тыква88суп"] {
            assert!(!is_guessable(password, &OWN, BESIDE_TOTP), "{password}");
        }
    }
}
