//! Wire types of new passwords for those who lost theirs.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::strength;
use crate::validate::{Checks, Validate};

/// Who wants a new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordResetRequest {
    #[schema(example = "ana@example.org", min_length = 3, max_length = 254)]
    pub email: String,
}

/// A new password, with the token of a mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// What stands behind the `#` of the link.
    #[schema(value_type = String, example = "q5n3T2n1rJ0xVv0m8mZcY1c2Y4o1kq3P9wT7u6s5r4E", min_length = 1, max_length = 256)]
    pub token: SecretString,
    /// At least 15 characters of any kind, or 8 where a second factor is on; five random words are good.
    #[schema(value_type = String, example = "lantern orchard granite sparrow", min_length = 8, max_length = 256, format = Password)]
    pub password: SecretString,
}

/// A new password, with the address of the account and a code of the front desk.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    #[schema(example = "ana@example.org", min_length = 3, max_length = 254)]
    pub email: String,
    /// As printed or read aloud; case, blanks, dashes and O for 0 are forgiven.
    #[schema(value_type = String, example = "7K3M9-QX2VB-4", min_length = 1, max_length = 64)]
    pub code: SecretString,
    /// One of the patient's own recovery codes, which the front desk has never seen. Without it the code of the desk
    /// works after three days only.
    #[schema(value_type = Option<String>, example = "4TD7N-0PXKE-8", min_length = 1, max_length = 64)]
    pub recovery_code: Option<SecretString>,
    /// At least 15 characters of any kind; five random words are good.
    #[schema(value_type = String, example = "lantern orchard granite sparrow", min_length = 8, max_length = 256, format = Password)]
    pub password: SecretString,
}

/// What became of a recovery.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoveryOutcome {
    /// Whether the password is changed. If not, nothing is changed yet: send the same again once it is time. Every device
    /// and address of the account is told, and whoever is logged in can stop it.
    #[schema(example = false)]
    pub changed: bool,
    /// From then on the code of the front desk works by itself, for a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<DateTime<Utc>>,
}

impl Validate for PasswordResetRequest {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/email", Some(&self.email), 3, 254);
    }
}

impl Validate for PasswordReset {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/token", Some(self.token.expose_secret()), 1, 256);
        let password = self.password.expose_secret();
        checks.text("/password", Some(password), strength::BESIDE_TOTP, strength::MOST);
    }
}

impl Validate for Recovery {
    fn validate(&self, checks: &mut Checks) {
        checks.text("/email", Some(&self.email), 3, 254);
        checks.text("/code", Some(self.code.expose_secret()), 1, 64);
        let own = self.recovery_code.as_ref().map(ExposeSecret::expose_secret);
        checks.text("/recovery_code", own, 1, 64);
        let password = self.password.expose_secret();
        checks.text("/password", Some(password), strength::BESIDE_TOTP, strength::MOST);
    }
}
