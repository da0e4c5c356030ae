//! Wire types of accounts. Their doc comments are the API's documentation.

use chrono::{DateTime, Utc};
use entity::ids::{AccountId, ClinicId, LoginId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Capability, strength};
use crate::{
    reminders::rules::localtime::Zone,
    validate::{Checks, Validate},
};

/// What somebody sends who was invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// As printed or read aloud; case, blanks, dashes and O for 0 are forgiven.
    #[schema(example = "7K3M9-QX2VB-4", max_length = 64)]
    pub invitation_code: String,
    #[schema(example = "ana@example.org", min_length = 3, max_length = 254)]
    pub email: String,
    /// At least 15 characters of any kind; five random words are good.
    #[schema(value_type = String, example = "violet harbour copper meadow", min_length = 15, max_length = 256, format = Password)]
    pub password: SecretString,
    /// What the care team calls you.
    #[schema(example = "Ana", min_length = 1, max_length = 80)]
    pub display_name: String,
    /// IANA name of the zone whose wall clock you live by.
    #[schema(example = "Europe/Berlin", max_length = 64)]
    pub time_zone: String,
    /// Language of texts, a BCP 47 tag.
    #[schema(example = "en", min_length = 2, max_length = 16)]
    pub locale: String,
    /// Shown in the list of devices.
    #[serde(default = "some_device")]
    #[schema(example = "Ana's phone", min_length = 1, max_length = 80)]
    pub device_name: String,
}

/// E-mail and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    #[schema(example = "ana@example.org", min_length = 3, max_length = 254)]
    pub email: String,
    #[schema(value_type = String, example = "violet harbour copper meadow", min_length = 1, max_length = 256, format = Password)]
    pub password: SecretString,
    /// Six digits of the authenticator app, where a second factor is on.
    #[schema(value_type = Option<String>, example = "492039", min_length = 6, max_length = 16)]
    pub totp_code: Option<SecretString>,
    /// One of the recovery codes instead of it; each works once.
    #[schema(value_type = Option<String>, example = "7K3M9-QX2VB-4", min_length = 1, max_length = 64)]
    pub recovery_code: Option<SecretString>,
    /// What an earlier login on this device answered as `device_secret`. With it nobody else's attempts shut you out.
    #[schema(value_type = Option<String>, example = "q5n3T2n1rJ0xVv0m8mZcY1c2Y4o1kq3P9wT7u6s5r4E", min_length = 1, max_length = 256)]
    pub device_secret: Option<SecretString>,
    /// Shown in the list of devices.
    #[serde(default = "some_device")]
    #[schema(example = "Ana's phone", min_length = 1, max_length = 80)]
    pub device_name: String,
}

fn some_device() -> String {
    "a device".to_owned()
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    #[schema(value_type = String, example = "q5n3T2n1rJ0xVv0m8mZcY1c2Y4o1kq3P9wT7u6s5r4E", max_length = 256)]
    pub refresh_token: SecretString,
}

/// A pair of tokens. Keep the refresh token in the phone's secure storage.
#[derive(Serialize, ToSchema)]
pub struct TokenPair {
    /// Send it as `Authorization: Bearer …`.
    pub access_token: String,
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Life of the access token in seconds.
    #[schema(example = 600)]
    pub expires_in: i64,
    /// Exchange it once at `/v1/auth/refresh`; it is replaced each time.
    pub refresh_token: String,
    /// Until when the refresh token works if it is not used.
    pub refresh_expires_at: DateTime<Utc>,
    #[schema(value_type = Uuid)]
    pub account_id: AccountId,
    /// Whether this login opens nothing yet but setting a second factor up, which staff have to do first.
    pub totp_required: bool,
    /// Keep it beside the refresh token, also when logged out, and send it with the next login on this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "q5n3T2n1rJ0xVv0m8mZcY1c2Y4o1kq3P9wT7u6s5r4E")]
    pub device_secret: Option<String>,
}

/// One device that is logged in.
#[derive(Serialize, ToSchema)]
pub struct Device {
    #[schema(value_type = Uuid)]
    pub id: LoginId,
    #[schema(example = "Ana's phone")]
    pub name: String,
    /// The one that asks.
    pub current: bool,
    pub logged_in_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
}

/// The devices that are logged in, latest first.
#[derive(Serialize, ToSchema)]
pub struct DeviceList {
    pub items: Vec<Device>,
}

/// Whether an account is a patient's or a member of staff's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    Patient,
    Staff,
}

/// Which wall clock a person lives by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ZoneMode {
    /// `time_zone` stays until the person changes it.
    Home,
    /// The app sends the phone's zone whenever it has changed.
    FollowPhone,
}

impl ZoneMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::FollowPhone => "follow_phone",
        }
    }

    pub fn from_word(word: &str) -> Self {
        if word == "follow_phone" { Self::FollowPhone } else { Self::Home }
    }
}

/// Who is calling.
#[derive(Serialize, ToSchema)]
pub struct Me {
    #[schema(value_type = Uuid)]
    pub id: AccountId,
    pub kind: AccountKind,
    #[schema(value_type = Uuid)]
    pub clinic_id: ClinicId,
    #[schema(example = "Ana")]
    pub display_name: String,
    #[schema(example = "ana@example.org")]
    pub email: String,
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    pub zone_mode: ZoneMode,
    #[schema(example = "en")]
    pub locale: String,
    /// Of staff; empty for patients.
    pub capabilities: Vec<Capability>,
}

/// What to change of oneself; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MePatch {
    #[schema(example = "Ana", min_length = 1, max_length = 80)]
    pub display_name: Option<String>,
    /// A change moves the reminders still to come; what was already sent that day is not sent again.
    #[schema(example = "America/New_York", max_length = 64)]
    pub time_zone: Option<String>,
    /// Where the phone is now; an app may report it at every start. It becomes `time_zone` while `zone_mode` is
    /// `follow_phone`, and changes nothing while one's clock stays at home.
    #[schema(example = "Asia/Tokyo", max_length = 64)]
    pub phone_time_zone: Option<String>,
    #[schema(nullable = false)]
    pub zone_mode: Option<ZoneMode>,
    #[schema(example = "es", min_length = 2, max_length = 16)]
    pub locale: Option<String>,
}

/// The public keys that verify access tokens (RFC 7517).
#[derive(Serialize, ToSchema)]
pub struct Jwks {
    pub keys: Vec<serde_json::Value>,
}

fn check_email(checks: &mut Checks, email: &str) {
    let trimmed = email.trim();
    checks.text("/email", Some(trimmed), 3, 254);
    let parts = trimmed.split_once('@');
    let plausible = parts.is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !trimmed.contains(char::is_whitespace)
    });
    checks.require(plausible, "/email", "invalid_email", "is not an e-mail address");
}

/// A zone by its IANA name.
pub fn check_zone(checks: &mut Checks, pointer: &str, zone: &str) {
    if let Err(error) = Zone::parse(zone) {
        checks.require(false, pointer, "unknown_zone", error.to_string());
    }
}

/// A language tag: letters, digits and dashes (BCP 47).
pub fn check_locale(checks: &mut Checks, pointer: &str, locale: &str) {
    let fits = (2..=16).contains(&locale.len())
        && locale.split('-').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()));
    checks.require(fits, pointer, "invalid_locale", "must be a language tag such as en or es-MX");
}

impl Validate for Registration {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/invitation_code", Some(&self.invitation_code), 1, 64);
        check_email(checks, &self.email);
        let own = [self.email.as_str(), self.display_name.as_str()];
        strength::check(checks, "/password", self.password.expose_secret(), &own, strength::ALONE);
        checks.text("/display_name", Some(self.display_name.trim()), 1, 80);
        check_zone(checks, "/time_zone", &self.time_zone);
        check_locale(checks, "/locale", &self.locale);
        checks.text("/device_name", Some(&self.device_name), 1, 80);
    }
}

impl Validate for Credentials {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/email", Some(&self.email), 3, 254);
        checks.text("/password", Some(self.password.expose_secret()), 1, 256);
        checks.text("/totp_code", self.totp_code.as_ref().map(ExposeSecret::expose_secret), 6, 16);
        checks.text("/recovery_code", self.recovery_code.as_ref().map(ExposeSecret::expose_secret), 1, 64);
        checks.text("/device_secret", self.device_secret.as_ref().map(ExposeSecret::expose_secret), 1, 256);
        checks.text("/device_name", Some(&self.device_name), 1, 80);
    }
}

impl Validate for RefreshRequest {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/refresh_token", Some(self.refresh_token.expose_secret()), 1, 256);
    }
}

impl Validate for MePatch {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/display_name", self.display_name.as_deref().map(str::trim), 1, 80);
        if let Some(zone) = &self.time_zone {
            check_zone(checks, "/time_zone", zone);
        }
        if let Some(zone) = &self.phone_time_zone {
            check_zone(checks, "/phone_time_zone", zone);
        }
        if let Some(locale) = &self.locale {
            check_locale(checks, "/locale", locale);
        }
    }
}
