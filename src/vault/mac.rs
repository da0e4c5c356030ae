//! Keyed hashes: blind indexes to find what is sealed, and tags that only this installation can make.

use aws_lc_rs::hmac;

/// HMAC-SHA-256 under one key. Parts are length-prefixed, so that two different lists never sign alike.
#[derive(Clone)]
pub struct Mac {
    key: hmac::Key,
}

impl Mac {
    pub fn new(secret: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// A key for one purpose, derived from this one: tags made for one purpose say nothing in another.
    pub fn derive(&self, purpose: &str) -> Self {
        Self::new(&self.sign(&[b"derive", purpose.as_bytes()]))
    }

    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }
}

/// Finds a sealed value by a keyed hash of it. The key id is stored beside the hash, so that keys can change.
#[derive(Clone)]
pub struct BlindIndex {
    kid: String,
    mac: Mac,
}

impl BlindIndex {
    pub fn new(kid: impl Into<String>, secret: &[u8]) -> Self {
        Self { kid: kid.into(), mac: Mac::new(secret) }
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The index of an e-mail address. Addresses are compared without case and outer blanks.
    pub fn email(&self, address: &str) -> Vec<u8> {
        self.mac.sign(&[b"email", address.trim().to_lowercase().as_bytes()]).to_vec()
    }

    /// The index of a push endpoint.
    pub fn endpoint(&self, endpoint: &str) -> Vec<u8> {
        self.mac.sign(&[b"endpoint", endpoint.as_bytes()]).to_vec()
    }
}
