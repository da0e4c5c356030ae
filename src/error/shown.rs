//! How an error looks in a log. Clients never read this.

use std::fmt;

use super::ApiError;

impl fmt::Display for ApiError {
    /// An internal error with its causes. Values never occur in them: statements are not logged and database errors
    /// name columns, not contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, code, detail, .. } => write!(f, "{} {code}: {detail}", status.as_u16()),
            Self::Unauthenticated => write!(f, "unauthenticated"),
            Self::NotFound => write!(f, "not found"),
            Self::TooMany { retry_after } => write!(f, "too many attempts for {retry_after} s"),
            Self::Unavailable { detail, .. } => write!(f, "unavailable: {detail}"),
            Self::Internal(error) => {
                write!(f, "{error}")?;
                let mut cause = error.source();
                while let Some(inner) = cause {
                    write!(f, ": {inner}")?;
                    cause = inner.source();
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
