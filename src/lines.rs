//! Files outside the database that only grow, a line at a time: what a stolen or restored database cannot rewrite.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// Makes a folder, and those above it, for the owner only.
///
/// # Errors
/// What the system said.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Appends what `next` makes of the lines that are there, and returns once it is on the disk. Several processes of one
/// machine may share the file.
///
/// # Errors
/// What the system said.
pub fn append(path: &Path, next: impl FnOnce(&str) -> io::Result<String>) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private_folder(folder)?;
    }
    let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
    file.lock()?;
    let mut whole = String::new();
    file.read_to_string(&mut whole)?;
    // A line that has no end was being written when the power went.
    let ended = whole.rfind('\n').map_or(0, |end| end + 1);
    if ended < whole.len() {
        file.set_len(u64::try_from(ended).unwrap_or(u64::MAX))?;
    }
    let added = next(whole.get(..ended).unwrap_or_default())?;
    if added.is_empty() {
        return Ok(());
    }
    file.write_all(added.as_bytes())?;
    file.sync_all()
}
