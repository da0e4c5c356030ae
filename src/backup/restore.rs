//! Restoring a backup into an empty database. Until the wrapped keys are in, which is the last transaction, nothing in
//! it can be read and nobody can log in: a restore that was broken off is dead, and is begun anew.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use entity::data_keys;
use migration::{Migrator, MigratorTrait};
use sea_orm::{ActiveModelTrait, ConnectionTrait, Database, DatabaseTransaction, EntityTrait, Statement};
use secrecy::SecretString;

use super::{
    BackupError, DATA, FORMAT, KEYS, KeyRow, MANIFEST, Manifest, count_rows, name_of, postgres, reopened,
    sealed::Opener, staff,
};
use crate::{
    app::AppState,
    audit::{self, Event, Outcome},
    cli::CliError,
    clock::{SystemClock, SystemRandom},
    config::Config,
    db::Engine,
    erasure::{self, Erased},
    vault::keyfile::KeySet,
};

/// Where a backup is.
#[derive(Clone)]
pub struct Source {
    pub folder: PathBuf,
    pub keys: PathBuf,
    pub passphrase: SecretString,
    /// Where PostgreSQL's programs are, if not on the path.
    pub programs: Option<PathBuf>,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    pub manifest: Manifest,
    /// Patients who were erased after the backup, and are again.
    pub erased: usize,
    /// Patients who had asked for it when the backup was made, and have a week to stop it again.
    pub put_off: usize,
    /// Patients whose shares and consent to sharing were ended.
    pub closed: usize,
    /// The staff with what they may do, as it was then: one a line, to be looked through.
    pub staff: Vec<String>,
    pub audit_rows: i64,
}

/// Restores into the database of `config`, which has to be empty.
///
/// # Errors
/// Another passphrase, a file that is not as it was, another engine, a newer version, a database that is not empty,
/// rows that are missing, an audit chain that is not whole.
pub async fn restore(
    mut config: Config,
    keys: &KeySet,
    from: Source,
    ledger: Vec<Erased>,
) -> Result<Restored, BackupError> {
    let manifest = manifest(&from)?;
    for (file, hash) in [(from.folder.join(DATA), &manifest.data), (from.keys.join(KEYS), &manifest.keys)] {
        if sha256(&file).map_err(BackupError::file(file.clone()))? != *hash {
            return Err(BackupError::refused(format!("{} is not the file of this backup", file.display())));
        }
    }
    let url = config.database_url();
    let sqlite = url.starts_with("sqlite:");
    if manifest.engine != name_of(if sqlite { Engine::Sqlite } else { Engine::Postgres }) {
        return Err(BackupError::refused(format!(
            "database.url: this is a backup of {}; it goes back to the same engine",
            manifest.engine
        )));
    }
    let wrapped = wrapped_keys(&from)?;
    let place = sqlite.then(|| file_of(&url));
    if let Some(file) = &place {
        let draft = draft_of(file);
        unpack(&from, file, &draft)?;
        config.database.url = format!("sqlite://{}", draft.display()).into();
    } else {
        let (from, url) = (from.clone(), url.clone());
        empty(&url).await?;
        let loading = tokio::task::spawn_blocking(move || {
            postgres::load(&url, from.programs.as_deref(), &mut opened(&from, &from.folder, DATA)?)
        });
        loading.await.map_err(|error| BackupError::refused(error.to_string()))??;
    }
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let app = AppState::build(config, keys, clock, random).await.map_err(CliError::from)?;
    let restored = complete(&app, manifest, wrapped, ledger).await?;
    if place.is_some() {
        app.db.writer().execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    }
    app.db.clone().close().await?;
    if let Some(file) = &place {
        fs::rename(draft_of(file), file).map_err(BackupError::file(file.clone()))?;
    }
    Ok(restored)
}

fn manifest(from: &Source) -> Result<Manifest, BackupError> {
    let mut text = String::new();
    let mut file = opened(from, &from.folder, MANIFEST)?;
    file.read_to_string(&mut text).map_err(BackupError::file(from.folder.join(MANIFEST)))?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|_| BackupError::refused("the backup is of an unknown form"))?;
    let known: Vec<String> = Migrator::migrations().iter().map(|one| one.name().to_owned()).collect();
    if manifest.format != FORMAT || manifest.migrations.iter().any(|name| !known.contains(name)) {
        return Err(BackupError::refused("the backup was made by a newer version; restore it with that one"));
    }
    Ok(manifest)
}

fn opened(from: &Source, folder: &Path, name: &str) -> Result<Opener<File>, BackupError> {
    let path = folder.join(name);
    let file = File::open(&path).map_err(BackupError::file(path.clone()))?;
    Opener::new(file, &from.passphrase, name).map_err(BackupError::file(path))
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, digest::Context::new(&digest::SHA256));
    let mut held = vec![0; 64 * 1024];
    loop {
        match file.read(&mut held)? {
            0 => return Ok(audit::hex(hash.finish().as_ref())),
            count => hash.update(held.get(..count).unwrap_or_default()),
        }
    }
}

fn wrapped_keys(from: &Source) -> Result<Vec<KeyRow>, BackupError> {
    let mut text = String::new();
    opened(from, &from.keys, KEYS)?
        .read_to_string(&mut text)
        .map_err(BackupError::file(from.keys.join(KEYS)))?;
    let rows = text.lines().map(serde_json::from_str).collect::<Result<Vec<KeyRow>, _>>();
    rows.map_err(|_| BackupError::refused("the wrapped keys are of an unknown form"))
}

fn file_of(url: &str) -> PathBuf {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
    PathBuf::from(path.split('?').next().unwrap_or(path))
}

/// The files of one SQLite database, by what is added to its name.
const OF_A_DATABASE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

fn beside(file: &Path, rest: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(rest);
    PathBuf::from(name)
}

fn draft_of(file: &Path) -> PathBuf {
    beside(file, ".restoring")
}

fn unpack(from: &Source, file: &Path, draft: &Path) -> Result<(), BackupError> {
    // A file without a byte is one that a start made and never filled. What belongs to a database is in its log, too:
    // SQLite would play an old one into whatever file it finds beside it.
    for rest in OF_A_DATABASE {
        let there = beside(file, rest);
        if fs::metadata(&there).is_ok_and(|found| found.len() > 0) {
            return Err(BackupError::refused(format!(
                "database.url: {} is there; move {} away first, with its -wal and -shm",
                there.display(),
                file.display()
            )));
        }
    }
    for rest in OF_A_DATABASE {
        match fs::remove_file(beside(draft, rest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::File(draft.into(), error));
            }
            _ => {}
        }
    }
    let io = || BackupError::file(draft);
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft).map_err(io())?;
    io::copy(&mut opened(from, &from.folder, DATA)?, &mut out).map_err(io())?;
    out.sync_all().map_err(io())
}

async fn empty(url: &str) -> Result<(), BackupError> {
    let conn = Database::connect(url).await?;
    let sql = "SELECT COUNT(*) AS n FROM information_schema.tables WHERE table_schema = 'public'";
    let row = conn.query_one_raw(Statement::from_string(conn.get_database_backend(), sql)).await?;
    let tables: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
    conn.close().await?;
    if tables == 0 {
        Ok(())
    } else {
        Err(BackupError::refused("database.url: this database is not empty; make a new one"))
    }
}

async fn complete(
    app: &AppState,
    manifest: Manifest,
    wrapped: Vec<KeyRow>,
    ledger: Vec<Erased>,
) -> Result<Restored, BackupError> {
    if count_rows(app.db.reader(), manifest.rows.keys().map(String::as_str)).await? != manifest.rows {
        return Err(BackupError::refused("rows are missing; nothing of this restore can be used"));
    }
    Migrator::up(app.db.writer(), None).await?;
    let verdict = audit::verify(&app.db, app.db.audit_key(), Vec::new()).await?;
    if let Some(flaw) = verdict.flaws.first() {
        return Err(BackupError::refused(format!("the audit chain is not whole: {flaw}")));
    }
    let erased = |row: &KeyRow| {
        row.owner_kind == "patient" && ledger.iter().any(|one| one.patient_id.0 == row.owner_id)
    };
    let keys = wrapped.into_iter().filter(|row| !erased(row)).map(key_row).collect::<Result<Vec<_>, _>>()?;
    // Before the keys are in: nobody can read anything yet, and nobody ever reads more than the patient last allowed.
    let closed = reopened::close(app, &keys).await?;
    let txn = app.db.begin().await?;
    settle(&txn, app, &ledger).await?;
    for part in keys.chunks(500) {
        let rows = part.iter().cloned().map(|row| data_keys::ActiveModel::from(row).reset_all());
        data_keys::Entity::insert_many(rows).exec_without_returning(&txn).await?;
    }
    let resource = format!("backups/{}", manifest.made_at.timestamp());
    let event = Event { action: "backup.restore", subject: None, resource, outcome: Outcome::Done };
    let row = event.stamp(app.clock.now(), None, "command-line");
    audit::append(&txn, app.db.engine(), app.db.audit_key(), audit::SYSTEM, vec![row]).await?;
    txn.commit().await?;
    let put_off = erasure::tell_put_off(app).await?;
    let mut erased = 0;
    loop {
        match erasure::run_due(app).await? {
            0 => break,
            count => erased += count,
        }
    }
    let staff = staff::of_everywhere(app).await?;
    Ok(Restored { manifest, erased, put_off, closed, staff, audit_rows: verdict.rows })
}

fn key_row(row: KeyRow) -> Result<data_keys::Model, BackupError> {
    let wrapped = BASE64_STANDARD.decode(&row.wrapped);
    Ok(data_keys::Model {
        owner_kind: row.owner_kind,
        owner_id: row.owner_id,
        kek_id: row.kek_id,
        generation: row.generation,
        wrapped: wrapped.map_err(|_| BackupError::refused("a wrapped key is of an unknown form"))?,
        created_at: row.created_at,
    })
}

/// What time has made wrong: logins and what their devices were subscribed to end, codes of invitations that may have
/// been revoked since work no more, reminders of the past stay unsent, phones begin their sync anew, and whoever was
/// erased since is to be erased again. Whoever had only asked for it may have thought again since: their week is new.
async fn settle(txn: &DatabaseTransaction, app: &AppState, ledger: &[Erased]) -> Result<(), BackupError> {
    let (now, backend) = (app.clock.now(), txn.get_database_backend());
    for sql in [
        "UPDATE logins SET revoked_at = $1, revoke_reason = 'restored' WHERE revoked_at IS NULL",
        "UPDATE notifications SET state = 'expired', reason = 'restored', updated_at = $1 \
         WHERE state IN ('planned','claimed','retrying') AND due_at <= $1",
        "UPDATE invitations SET revoked_at = $1, code_sealed = NULL WHERE used_at IS NULL AND revoked_at IS NULL",
    ] {
        txn.execute_raw(Statement::from_sql_and_values(backend, sql, [now.into()])).await?;
    }
    for sql in [
        "UPDATE accounts SET epoch = epoch + 1",
        "DELETE FROM refresh_tokens",
        // An app subscribes anew at its next login.
        "DELETE FROM push_subscriptions",
        "DELETE FROM reset_tokens",
        "DELETE FROM reset_requests",
        "UPDATE patients SET sync_seq = sync_seq + 1000000, sync_floor = sync_seq + 1000000",
        // A poll of the review queue compares this with what it was last told.
        "UPDATE care_relations SET review_seq = review_seq + 1000000",
    ] {
        txn.execute_unprepared(sql).await?;
    }
    let put_off = "UPDATE erasures SET due_at = $1 WHERE done_at IS NULL";
    let week = [(now + erasure::DELAY).into()];
    txn.execute_raw(Statement::from_sql_and_values(backend, put_off, week)).await?;
    for erased in ledger {
        let sql = "INSERT INTO erasures (patient_id, clinic_id, requested_at, due_at, done_at) \
            SELECT id, clinic_id, $2, $2, NULL FROM accounts WHERE id = $1 \
            ON CONFLICT (patient_id) DO UPDATE SET due_at = $2, done_at = NULL";
        let values = [erased.patient_id.0.into(), now.into()];
        txn.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
    Ok(())
}
