//! Passwords: Argon2id (RFC 9106), off the async threads, with a bound on how many are hashed and how many wait.

use std::sync::{Arc, OnceLock};

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::{
    clock::Random,
    error::{ApiError, ApiResult},
};

/// The cost of one hash. At least 19 MiB and two passes (OWASP Password Storage Cheat Sheet).
#[derive(Debug, Clone, Copy)]
pub struct Hashing {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
    /// How many hashes run at once; each takes `memory_kib`.
    pub concurrency: usize,
}

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    params: Params,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    random: Arc<dyn Random>,
    // Made at first use: hashing costs more than the rest of a start.
    decoy: Arc<OnceLock<String>>,
}

const WAITING: usize = 32;

/// Why a stored hash could not be made.
#[derive(Debug, thiserror::Error)]
#[error("auth.argon2_*: these parameters are not usable: {0}")]
pub struct BadHashing(String);

impl Passwords {
    pub fn new(hashing: Hashing, random: Arc<dyn Random>) -> Result<Self, BadHashing> {
        let params = Params::new(hashing.memory_kib, hashing.iterations, hashing.parallelism, None)
            .map_err(|error| BadHashing(error.to_string()))?;
        Ok(Self {
            params,
            running: Arc::new(Semaphore::new(hashing.concurrency.max(1))),
            waiting: Arc::new(Semaphore::new(WAITING)),
            random,
            decoy: Arc::default(),
        })
    }

    /// The hash to store, with its parameters in it.
    pub async fn hash(&self, password: &str) -> ApiResult<String> {
        let (params, salt) = (self.params.clone(), self.random.bytes::<16>());
        let password = canonical(password);
        self.run(move || hash(&params, &password, &salt)).await?.map_err(ApiError::internal)
    }

    /// Whether the password is the one behind `stored`. Without a stored hash a decoy is checked, which takes as long
    /// and never fits, so that a known address answers no slower than an unknown one.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> ApiResult<bool> {
        let known = stored.is_some();
        let (stored, decoy) = (stored.map(str::to_owned), self.decoy.clone());
        let (params, salt) = (self.params.clone(), self.random.bytes::<16>());
        let password = canonical(password);
        let fits = self
            .run(move || {
                let decoy = decoy.get_or_init(|| {
                    hash(&params, b"no account has this password", &salt).unwrap_or_default()
                });
                verify(&password, stored.as_ref().unwrap_or(decoy))
            })
            .await?;
        Ok(fits && known)
    }

    /// Whether a stored hash was made with other parameters than today's.
    pub fn outdated(&self, stored: &str) -> bool {
        let today =
            format!("m={},t={},p={}", self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        !stored.contains(&today)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> ApiResult<T> {
        let busy = || ApiError::Unavailable {
            detail: "Too many people are logging in. Try again shortly.",
            retry_after: 2,
        };
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let turn = self.running.clone().acquire_owned().await.map_err(ApiError::internal)?;
        tokio::task::spawn_blocking(move || {
            let value = work();
            drop(turn);
            value
        })
        .await
        .map_err(ApiError::internal)
    }
}

/// One writing for what looks the same: keyboards compose accents differently (NIST SP 800-63B, section 5.1.1.2).
fn canonical(password: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(password.nfkc().collect::<String>().into_bytes())
}

fn hash(params: &Params, password: &[u8], salt: &[u8]) -> Result<String, argon2::password_hash::Error> {
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    Ok(argon.hash_password_with_salt(password, salt)?.to_string())
}

fn verify(password: &[u8], stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|stored| Argon2::default().verify_password(password, &stored).is_ok())
}
