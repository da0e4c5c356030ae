//! Making a backup.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use entity::data_keys;
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database, EntityTrait, Statement};
use secrecy::SecretString;

use super::{
    BackupError, DATA, FORMAT, KEYS, KeyRow, MANIFEST, Manifest, count_rows, name_of, postgres,
    sealed::Sealer, tables,
};
use crate::{app::AppState, db::Engine, lines};

/// Where a backup goes.
#[derive(Clone)]
pub struct To {
    pub folder: PathBuf,
    /// Where the wrapped keys go.
    pub keys: PathBuf,
    pub passphrase: SecretString,
    /// Where PostgreSQL's programs are, if not on the path.
    pub programs: Option<PathBuf>,
}

/// A file that is not sealed yet, or not whole. It goes whatever happens.
struct Draft(PathBuf);

/// What SQLite puts beside a file while it works on it.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

impl Draft {
    /// An empty file that its owner alone can read, in place of what a backup left that was killed.
    fn begin(path: PathBuf) -> io::Result<(Self, File)> {
        let draft = Self(path);
        draft.remove()?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.0)?;
        Ok((draft, file))
    }

    fn remove(&self) -> io::Result<()> {
        for rest in BESIDE.into_iter().chain([""]) {
            let mut name = self.0.clone().into_os_string();
            name.push(rest);
            match fs::remove_file(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed is reported by the next backup into this folder.
        self.remove().ok();
    }
}

/// Makes a backup of everything as it is at one moment.
///
/// # Errors
/// A folder that is not empty, a disk that is full, a database that does not answer.
pub async fn create(app: &AppState, to: To) -> Result<Manifest, BackupError> {
    for folder in [&to.folder, &to.keys] {
        lines::private_folder(folder).map_err(BackupError::file(folder.clone()))?;
    }
    for file in [to.folder.join(MANIFEST), to.folder.join(DATA), to.keys.join(KEYS)] {
        if file.exists() {
            return Err(BackupError::refused(format!(
                "{} is there already; name a new folder",
                file.display()
            )));
        }
    }
    let (rows, keys, data) = match app.db.engine() {
        Engine::Sqlite => sqlite(app, &to).await?,
        Engine::Postgres => dump(app, &to).await?,
    };
    let text = keys.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
    let text = text.map_err(|error| BackupError::refused(error.to_string()))?.join("\n");
    let keys = seal_text(&to, &to.keys, KEYS, text).await?;
    let migrations = Migrator::migrations().iter().map(|one| one.name().to_owned()).collect();
    let engine = name_of(app.db.engine()).to_owned();
    let manifest =
        Manifest { format: FORMAT, made_at: app.clock.now(), engine, migrations, data, keys, rows };
    // Last: a backup without it is not finished.
    let text = serde_json::to_string(&manifest).map_err(|error| BackupError::refused(error.to_string()))?;
    seal_text(&to, &to.folder, MANIFEST, text).await?;
    Ok(manifest)
}

type Taken = (std::collections::BTreeMap<String, i64>, Vec<KeyRow>, String);

async fn sqlite(app: &AppState, to: &To) -> Result<Taken, BackupError> {
    let place = to.folder.join(".data.db");
    // SQLite takes a file without a byte as it is, and leaves its mode.
    let (draft, _) = Draft::begin(place.clone()).map_err(BackupError::file(place))?;
    let path = draft.0.display().to_string();
    let conn = app.db.reader();
    let copy =
        Statement::from_sql_and_values(conn.get_database_backend(), "VACUUM INTO $1", [path.clone().into()]);
    conn.execute_raw(copy).await?;
    // The copy is whole and of one moment; the keys leave it before it is sealed.
    let copy = Database::connect(format!("sqlite://{path}")).await?;
    let keys = rows_of_keys(&copy).await?;
    for sql in ["PRAGMA secure_delete = ON", "DELETE FROM data_keys", "VACUUM"] {
        copy.execute_unprepared(sql).await?;
    }
    let rows = count_rows(&copy, tables()).await?;
    copy.close().await?;
    let (from, to) = (draft.0.clone(), to.clone());
    let sealing = tokio::task::spawn_blocking(move || {
        let mut from = File::open(&from).map_err(BackupError::file(from))?;
        seal(&to, &to.folder, DATA, |out| io::copy(&mut from, out).map(drop).map_err(BackupError::file(DATA)))
    });
    let data = sealing.await.map_err(|error| BackupError::refused(error.to_string()))??;
    Ok((rows, keys, data))
}

async fn dump(app: &AppState, to: &To) -> Result<Taken, BackupError> {
    // Held open until the dump is done: it sees what this transaction sees.
    let moment = app.db.snapshot().await?;
    let sql = Statement::from_string(moment.get_database_backend(), "SELECT pg_export_snapshot() AS id");
    let row = moment.query_one_raw(sql).await?.ok_or_else(|| BackupError::refused("there is no snapshot"))?;
    let snapshot: String = row.try_get("", "id")?;
    let (rows, keys) = (count_rows(&moment, tables()).await?, rows_of_keys(&moment).await?);
    let (url, to) = (app.config.database_url(), to.clone());
    let sealing = tokio::task::spawn_blocking(move || {
        seal(&to, &to.folder, DATA, |out| postgres::dump(&url, &snapshot, to.programs.as_deref(), out))
    });
    let data = sealing.await.map_err(|error| BackupError::refused(error.to_string()))??;
    moment.rollback().await?;
    Ok((rows, keys, data))
}

async fn rows_of_keys(conn: &impl ConnectionTrait) -> Result<Vec<KeyRow>, BackupError> {
    let rows = data_keys::Entity::find().all(conn).await?;
    let row = |row: data_keys::Model| KeyRow {
        owner_kind: row.owner_kind,
        owner_id: row.owner_id,
        kek_id: row.kek_id,
        generation: row.generation,
        wrapped: BASE64_STANDARD.encode(row.wrapped),
        created_at: row.created_at,
    };
    Ok(rows.into_iter().map(row).collect())
}

async fn seal_text(to: &To, folder: &Path, name: &'static str, text: String) -> Result<String, BackupError> {
    let (to, folder) = (to.clone(), folder.to_owned());
    let sealing = tokio::task::spawn_blocking(move || {
        seal(&to, &folder, name, |out| out.write_all(text.as_bytes()).map_err(BackupError::file(name)))
    });
    sealing.await.map_err(|error| BackupError::refused(error.to_string()))?
}

/// Writes one sealed file, on the disk and under its name only when it is whole; returns its SHA-256.
fn seal(
    to: &To,
    folder: &Path,
    name: &str,
    write: impl FnOnce(&mut Sealer<File>) -> Result<(), BackupError>,
) -> Result<String, BackupError> {
    let path = folder.join(name);
    let io = || BackupError::file(path.clone());
    let (draft, file) = Draft::begin(folder.join(format!(".{name}.part"))).map_err(io())?;
    let mut sealer = Sealer::new(file, &to.passphrase, name).map_err(io())?;
    write(&mut sealer)?;
    let (file, hash) = sealer.finish().map_err(io())?;
    file.sync_all().map_err(io())?;
    fs::rename(&draft.0, &path).map_err(io())?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io())?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_draft_is_its_owners_alone_and_takes_the_place_of_what_was_left() {
        let folder = std::env::temp_dir().join(format!("afterglow-draft-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let left = [".data.db", ".data.db-journal", ".data.db-wal"];
        for name in left {
            fs::write(folder.join(name), "what is not sealed").unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o644)).unwrap();
        }
        let (draft, _) = Draft::begin(folder.join(".data.db")).unwrap();
        let begun = fs::metadata(&draft.0).unwrap();
        assert_eq!((begun.permissions().mode() & 0o777, begun.len()), (0o600, 0));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        drop(draft);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir(folder).unwrap();
    }
}
