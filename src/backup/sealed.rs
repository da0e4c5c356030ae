//! The sealed files of a backup: AES-256-GCM in pieces, under a key that Argon2id makes of the passphrase. Each piece
//! is sealed for its file, its number and whether it is the last, so that nothing can be cut off, moved or put in.

use std::io::{self, Read, Write};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest, rand,
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"AFGLBK1\n";
const SALT: usize = 16;
const HEADER: usize = MAGIC.len() + SALT;
const PIECE: usize = 64 * 1024;
const TAG: usize = 16;
// RFC 9106's second recommendation: enough against a stolen disk.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;

fn other(text: &'static str) -> io::Error {
    io::Error::other(text)
}

/// The key of one file, and what all of its pieces are bound to.
struct FileKey {
    key: LessSafeKey,
    bound: Vec<u8>,
    number: u64,
}

impl FileKey {
    fn new(passphrase: &SecretString, header: &[u8], name: &str) -> io::Result<Self> {
        let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|_| other("no such parameters"))?;
        let mut secret = Zeroizing::new([0; 32]);
        let salt = header.get(MAGIC.len()..).unwrap_or_default();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose_secret().as_bytes(), salt, &mut secret[..])
            .map_err(|_| other("the passphrase could not be made into a key"))?;
        let key = UnboundKey::new(&AES_256_GCM, &secret[..]).map_err(|_| other("no such key"))?;
        Ok(Self { key: LessSafeKey::new(key), bound: [header, name.as_bytes()].concat(), number: 0 })
    }

    /// The key is this file's alone, so numbers are nonces.
    fn next(&mut self, last: bool) -> (Nonce, Aad<Vec<u8>>) {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.number.to_be_bytes());
        self.number += 1;
        let bound = [self.bound.as_slice(), &[u8::from(last)]].concat();
        (Nonce::assume_unique_for_key(nonce), Aad::from(bound))
    }
}

/// Seals whatever is written to it.
pub struct Sealer<W> {
    out: W,
    key: FileKey,
    held: Vec<u8>,
    hash: digest::Context,
}

impl<W: Write> Sealer<W> {
    pub fn new(mut out: W, passphrase: &SecretString, name: &str) -> io::Result<Self> {
        let mut header = MAGIC.to_vec();
        header.resize(HEADER, 0);
        rand::fill(&mut header[MAGIC.len()..]).map_err(|_| other("the system gives no random numbers"))?;
        out.write_all(&header)?;
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&header);
        Ok(Self { out, key: FileKey::new(passphrase, &header, name)?, held: Vec::with_capacity(PIECE), hash })
    }

    /// Seals the last piece; returns where it was written, and the SHA-256 of all of it.
    pub fn finish(mut self) -> io::Result<(W, String)> {
        self.piece(true)?;
        Ok((self.out, crate::audit::hex(self.hash.finish().as_ref())))
    }

    fn piece(&mut self, last: bool) -> io::Result<()> {
        let (nonce, bound) = self.key.next(last);
        let mut piece = std::mem::take(&mut self.held);
        self.key
            .key
            .seal_in_place_append_tag(nonce, bound, &mut piece)
            .map_err(|_| other("a piece was not sealed"))?;
        self.hash.update(&piece);
        self.out.write_all(&piece)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full piece is sealed only when more comes: the last one has to know that it is.
        if self.held.len() == PIECE {
            self.piece(false)?;
        }
        let count = bytes.len().min(PIECE - self.held.len());
        self.held.extend_from_slice(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens what was sealed; an error at the first piece that is not as it was, or was sealed under another passphrase.
pub struct Opener<R> {
    from: R,
    key: FileKey,
    /// Read already, to know whether a piece is the last.
    ahead: Vec<u8>,
    open: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Opener<R> {
    pub fn new(mut from: R, passphrase: &SecretString, name: &str) -> io::Result<Self> {
        let mut header = vec![0; HEADER];
        from.read_exact(&mut header)?;
        if !header.starts_with(MAGIC) {
            return Err(other("this is not a file of a backup"));
        }
        let key = FileKey::new(passphrase, &header, name)?;
        let mut opener = Self { from, key, ahead: Vec::new(), open: Vec::new(), given: 0, ended: false };
        opener.ahead = opener.read_piece()?;
        Ok(opener)
    }

    fn read_piece(&mut self) -> io::Result<Vec<u8>> {
        let mut piece = Vec::with_capacity(PIECE + TAG);
        self.from.by_ref().take((PIECE + TAG) as u64).read_to_end(&mut piece)?;
        Ok(piece)
    }

    fn open_next(&mut self) -> io::Result<()> {
        let mut piece = std::mem::take(&mut self.ahead);
        self.ahead = self.read_piece()?;
        self.ended = self.ahead.is_empty();
        let (nonce, bound) = self.key.next(self.ended);
        let length = self
            .key
            .key
            .open_in_place(nonce, bound, &mut piece)
            .map_err(|_| other("it does not open: another passphrase, or not as it was written"))?
            .len();
        piece.truncate(length);
        (self.open, self.given) = (piece, 0);
        Ok(())
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.open.len() && !self.ended {
            self.open_next()?;
        }
        let rest = self.open.get(self.given..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(passphrase: &SecretString, plain: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new(Vec::new(), passphrase, "data").unwrap();
        sealer.write_all(plain).unwrap();
        sealer.finish().unwrap().0
    }

    fn open(passphrase: &SecretString, sealed: &[u8], name: &str) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        Opener::new(sealed, passphrase, name)?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn b2_whatever_was_sealed_opens_and_nothing_else_does() {
        let passphrase = SecretString::from("lantern orchard granite sparrow");
        let plain: Vec<u8> = (0..PIECE * 2).map(|number| (number % 251) as u8).collect();
        for length in [0, 1, PIECE, PIECE + 1, PIECE * 2] {
            let sealed = seal(&passphrase, &plain[..length]);
            assert!(open(&passphrase, &sealed, "data").unwrap() == plain[..length]);
        }
        let sealed = seal(&passphrase, &plain);
        let piece = HEADER + PIECE + TAG;
        let swapped = [&sealed[..HEADER], &sealed[piece..], &sealed[HEADER..piece]].concat();
        let mut flipped = sealed.clone();
        flipped[HEADER + 7] ^= 1;
        for bad in [
            &sealed[..piece],
            &sealed[..sealed.len() - 1],
            &swapped,
            &flipped,
            &[sealed.as_slice(), &[0]].concat(),
        ] {
            assert!(open(&passphrase, bad, "data").is_err());
        }
        assert!(open(&passphrase, &sealed, "keys").is_err());
        assert!(open(&SecretString::from("another passphrase"), &sealed, "data").is_err());
    }
}
