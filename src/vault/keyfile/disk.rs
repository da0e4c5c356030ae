//! Private files: read only if nobody else can, written so that a crash or a second process leaves a whole file.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::KeyError;

const OWNER_ONLY: u32 = 0o600;
const OTHERS: u32 = 0o077;
// Far more than any number of keys; keeps a wrong path from being read into memory.
const LARGEST: u64 = 256 * 1024;

/// The text of a file that only its owner can use.
pub(super) fn read_private(setting: &'static str, path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyError::Missing { setting, path: path.to_owned() },
        _ => KeyError::Unreadable { setting, path: path.to_owned(), source },
    };
    // The open file is asked, not the path, which could change in between.
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a key file")));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(KeyError::Exposed { setting, path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1));
    file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Makes the folder, and those above it, for the owner only.
pub(super) fn private_folder(dir: &Path) -> Result<(), KeyError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| unwritable(dir, source))
}

/// Holds the folder until dropped: two processes that start together make one set of keys between them. The system
/// lets go when a process dies.
pub(super) fn lock(dir: &Path) -> Result<File, KeyError> {
    let path = dir.join(".lock");
    let open = OpenOptions::new().create(true).truncate(false).write(true).mode(OWNER_ONLY).open(&path);
    let file = open.map_err(|source| unwritable(&path, source))?;
    file.lock().map_err(|source| unwritable(&path, source))?;
    Ok(file)
}

/// Puts a whole file in place of `path`, on the disk when this returns. The caller holds the folder's lock.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), KeyError> {
    write_and_rename(path, text).map_err(|source| unwritable(path, source))
}

fn write_and_rename(path: &Path, text: &str) -> io::Result<()> {
    let draft = draft_of(path);
    // A draft that is there already was left by a crash: its writer would hold the lock.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&draft)?;
    // The process's umask may have taken more away than wanted.
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder_of(path))?.sync_all()
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// The folder a file lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn unwritable(path: &Path, source: io::Error) -> KeyError {
    KeyError::Unwritable { path: path.to_owned(), source }
}
