//! Envelope encryption: each owner's words are sealed under a data key of their own, and the data keys are wrapped
//! under a versioned key-encryption key that lives outside the database. Whoever steals the database reads nothing;
//! whoever destroys a data key has erased what it sealed.

pub mod keyfile;
mod mac;
mod rotate;
mod seal;
mod wrap;

pub use mac::{BlindIndex, Mac};
pub use rotate::{Rotated, record, rotate, wrapped_by};
pub use seal::{DataKey, OpenError, Place};
pub use wrap::{KeyColumns, KeyOwner, OwnerKind, Vault, WrappedKey};

/// Counts sealed values and wrapped keys that did not open.
const OPEN_FAILURES: &str = "vault_open_failures_total";
