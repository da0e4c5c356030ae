//! What a mail says: fixed words of `content/mail.json` with an instant or a link in them, never what somebody wrote.

use std::{collections::BTreeMap, sync::LazyLock};

use chrono::{DateTime, Duration, Utc};
use entity::ids::NotificationId;
use serde::{Deserialize, Serialize};

use crate::{
    content::{ByLocale, in_locale},
    reminders::rules::localtime::Zone,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    subject: ByLocale<String>,
    body: ByLocale<String>,
}

#[expect(clippy::expect_used, reason = "the words are compiled in, and a unit test reads them")]
static WORDS: LazyLock<BTreeMap<String, Words>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../content/mail.json")).expect("the words parse"));

/// A mail to an account. Sealed in the outbox, because some carry a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Letter {
    PasswordChanged {
        at: DateTime<Utc>,
    },
    SecondFactorChanged {
        at: DateTime<Utc>,
    },
    NewDevice {
        at: DateTime<Utc>,
    },
    LoginEnded {
        at: DateTime<Utc>,
    },
    PasswordReset {
        token: String,
    },
    PasswordWasReset {
        at: DateTime<Utc>,
    },
    RecoveryBegun {
        at: DateTime<Utc>,
    },
    /// A recovery without a code of the patient's own: `at` is when it can be finished.
    RecoveryWaits {
        at: DateTime<Utc>,
    },
    RecoveryCodesMade {
        at: DateTime<Utc>,
    },
    /// An older state was restored, in which the erasure was asked for: `at` is when it comes now.
    ErasurePutOff {
        at: DateTime<Utc>,
    },
    /// An alert waits for staff; that it is one stands only in the app. It goes with this row of their ledger.
    Attention {
        notification: NotificationId,
    },
}

/// A letter in somebody's language.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    pub subject: String,
    pub body: String,
}

impl Letter {
    /// The longest life of any.
    pub const LONGEST: Duration = Duration::days(3);

    /// Its name in the content, in metrics and in file names.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PasswordChanged { .. } => "password_changed",
            Self::SecondFactorChanged { .. } => "second_factor_changed",
            Self::NewDevice { .. } => "new_device",
            Self::LoginEnded { .. } => "login_ended",
            Self::PasswordReset { .. } => "password_reset",
            Self::PasswordWasReset { .. } => "password_was_reset",
            Self::RecoveryBegun { .. } => "recovery_begun",
            Self::RecoveryWaits { .. } => "recovery_waits",
            Self::RecoveryCodesMade { .. } => "recovery_codes_made",
            Self::ErasurePutOff { .. } => "erasure_put_off",
            Self::Attention { .. } => "attention",
        }
    }

    /// After how long it is of no use any more.
    pub fn life(&self) -> Duration {
        match self {
            Self::PasswordReset { .. } => Duration::minutes(30),
            Self::Attention { .. } => Duration::hours(24),
            _ => Self::LONGEST,
        }
    }

    fn at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::PasswordChanged { at }
            | Self::SecondFactorChanged { at }
            | Self::NewDevice { at }
            | Self::LoginEnded { at }
            | Self::PasswordWasReset { at }
            | Self::RecoveryBegun { at }
            | Self::RecoveryWaits { at }
            | Self::RecoveryCodesMade { at }
            | Self::ErasurePutOff { at } => Some(*at),
            Self::PasswordReset { .. } | Self::Attention { .. } => None,
        }
    }

    /// In the language of `locale`, with instants on the wall clock of `zone` and links into the app at `app_url`.
    pub fn written(&self, locale: &str, zone: &str, app_url: &str) -> Written {
        let words = WORDS.get(self.name());
        let say = |texts: Option<&ByLocale<String>>| {
            texts.and_then(|texts| in_locale(texts, locale)).cloned().unwrap_or_default()
        };
        let app = app_url.trim_end_matches('/');
        // Behind the `#`, so that no server on the way to the app writes the token down.
        let link = match self {
            Self::PasswordReset { token } => format!("{app}/password-reset#{token}"),
            Self::Attention { .. } | Self::ErasurePutOff { .. } => format!("{app}/"),
            _ => format!("{app}/password-reset"),
        };
        let at = self.at().map(|at| local(zone, at)).unwrap_or_default();
        Written {
            subject: say(words.map(|words| &words.subject)).replace("{at}", &at),
            body: say(words.map(|words| &words.body)).replace("{at}", &at).replace("{link}", &link) + "\n",
        }
    }
}

fn local(zone: &str, at: DateTime<Utc>) -> String {
    match Zone::parse(zone) {
        Ok(zone) => zone.local(at).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => at.format("%Y-%m-%d %H:%M UTC").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Letter> {
        let at = "2026-11-22T12:00:00Z".parse().unwrap();
        vec![
            Letter::PasswordChanged { at },
            Letter::SecondFactorChanged { at },
            Letter::NewDevice { at },
            Letter::LoginEnded { at },
            Letter::PasswordReset { token: "secret".into() },
            Letter::PasswordWasReset { at },
            Letter::RecoveryBegun { at },
            Letter::RecoveryWaits { at },
            Letter::RecoveryCodesMade { at },
            Letter::ErasurePutOff { at },
            Letter::Attention { notification: uuid::Uuid::nil().into() },
        ]
    }

    #[test]
    fn letters_are_discreet_in_both_languages() {
        assert_eq!(all().len(), WORDS.len());
        for letter in all() {
            for locale in ["en", "es"] {
                let written = letter.written(locale, "Europe/Berlin", "https://app.example.org/");
                let text = format!("{}\n{}", written.subject, written.body).to_lowercase();
                assert!(!written.subject.is_empty() && !text.contains('{'), "{text}");
                assert!(text.contains("https://app.example.org/"), "{text}");
                for word in [
                    "ketamin",
                    "therap",
                    "terap",
                    "mood",
                    "ánimo",
                    "clinic",
                    "clínica",
                    "patient",
                    "paciente",
                    "health",
                    "salud",
                    "journal",
                    "diario",
                    "medic",
                    "médic",
                    "dose",
                    "dosis",
                    "treatment",
                    "tratamiento",
                    "doctor",
                    "alert",
                    "crisis",
                ] {
                    assert!(!text.contains(word), "{} says {word}: {text}", letter.name());
                }
                assert_ne!(written, letter.written(if locale == "en" { "es" } else { "en" }, "UTC", ""));
            }
        }
    }

    #[test]
    fn instants_are_on_the_readers_wall_clock_and_secrets_behind_the_hash() {
        let at = "2026-11-22T12:00:00Z".parse().unwrap();
        let written =
            Letter::NewDevice { at }.written("en-GB", "America/New_York", "https://app.example.org");
        assert!(written.body.contains("2026-11-22 07:00"), "{}", written.body);
        let reset = Letter::PasswordReset { token: "abc".into() };
        let body = reset.written("de", "UTC", "https://app.example.org/").body;
        assert!(body.contains("https://app.example.org/password-reset#abc\n"), "{body}");
    }
}
