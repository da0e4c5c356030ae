//! Wire types of passwords and other factors.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::strength;
use crate::validate::{Checks, Validate};

/// A factor given anew on a device that is logged in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reauthentication {
    /// Either this or a code.
    #[schema(value_type = Option<String>, example = "violet harbour copper meadow", min_length = 1, max_length = 256, format = Password)]
    pub password: Option<SecretString>,
    /// Six digits of the authenticator app.
    #[schema(value_type = Option<String>, example = "492039", min_length = 6, max_length = 16)]
    pub totp_code: Option<SecretString>,
}

/// What an authenticator app needs, shown this once.
#[derive(Serialize, ToSchema)]
pub struct TotpEnrolment {
    /// To type into the app.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    pub secret: String,
    /// The same as an address, to open or to show as a QR code.
    #[schema(
        example = "otpauth://totp/Afterglow:ana%40example.org?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Afterglow"
    )]
    pub uri: String,
}

/// A code that shows that the app has the secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpConfirmation {
    /// Six digits that the app shows now.
    #[schema(value_type = String, example = "492039", min_length = 6, max_length = 16)]
    pub code: SecretString,
}

/// Ten codes that each work once, in place of the authenticator app or at the front desk, shown this once: print them.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    #[schema(example = json!(["7K3M9-QX2VB-4"]))]
    pub recovery_codes: Vec<String>,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// At least 15 characters of any kind, or 8 where a second factor is on; five random words are good.
    #[schema(value_type = String, example = "lantern orchard granite sparrow", min_length = 8, max_length = 256, format = Password)]
    pub password: SecretString,
}

/// A password to take or to leave.
#[derive(Serialize, ToSchema)]
pub struct PassphraseSuggestion {
    /// Five words by chance. It is kept nowhere: ask again for another.
    #[schema(example = "violet harbor copper meadow lantern")]
    pub passphrase: String,
}

impl Validate for Reauthentication {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/password", self.password.as_ref().map(ExposeSecret::expose_secret), 1, strength::MOST);
        checks.text("/totp_code", self.totp_code.as_ref().map(ExposeSecret::expose_secret), 6, 16);
        checks.require(
            self.password.is_some() != self.totp_code.is_some(),
            "/password",
            "one_factor",
            "send either a password or a totp_code",
        );
    }
}

impl Validate for TotpConfirmation {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/code", Some(self.code.expose_secret()), 6, 16);
    }
}

impl Validate for PasswordChange {
    fn validate(&self, checks: &mut Checks) {
        // How long it has to be depends on the account.
        checks.text("/password", Some(self.password.expose_secret()), strength::BESIDE_TOTP, strength::MOST);
    }
}
