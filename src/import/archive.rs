//! The file that a patient brings: a ZIP archive with `records.json` and the files of the journal.

use std::{
    fs::File,
    io::{Read, Take},
    path::Path,
};

use serde_json::{Map, Value};
use uuid::Uuid;
use zip::{ZipArchive, read::ZipFile};

use super::{ImportError, rows::wrong};
use crate::export::{FORMAT, VERSION};

/// Largest `records.json` that is read, in bytes: a lifetime of journals is a tenth of it.
const MOST_BYTES: u64 = 512 * 1024 * 1024;

/// An archive that says it is one.
pub struct Archive {
    zip: ZipArchive<File>,
    patient: Uuid,
    tables: Map<String, Value>,
}

impl Archive {
    /// Opens the archive and reads its records.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let mut zip =
            ZipArchive::new(File::open(path)?).map_err(|_| ImportError::NoArchive("it is no ZIP file"))?;
        let mut text = String::new();
        let records =
            zip.by_name("records.json").map_err(|_| ImportError::NoArchive("it has no records.json"))?;
        records.take(MOST_BYTES).read_to_string(&mut text)?;
        let mut document: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|_| ImportError::NoArchive("its records.json is no JSON object, or cut off"))?;
        if document.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(ImportError::NoArchive("its records.json does not say that it is one"));
        }
        if document.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(ImportError::NoArchive(
                "it was made by a newer version; update this installation first",
            ));
        }
        let patient = document.get("patient_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let patient = patient.ok_or(ImportError::NoArchive("it does not say whose it is"))?;
        let Some(Value::Object(tables)) = document.remove("tables") else {
            return Err(ImportError::NoArchive("it has no tables"));
        };
        Ok(Self { zip, patient, tables })
    }

    /// Whose it is.
    pub fn patient(&self) -> Uuid {
        self.patient
    }

    /// The row of the account.
    pub fn account(&self) -> Result<&Map<String, Value>, ImportError> {
        let row = self.tables.get("accounts").and_then(|rows| rows.get(0)).and_then(Value::as_object);
        row.ok_or_else(|| wrong("/tables/accounts".into(), "has no row"))
    }

    /// The records, without what stays behind.
    pub fn take_tables(&mut self) -> Result<Map<String, Value>, ImportError> {
        let mut tables = std::mem::take(&mut self.tables);
        for (left, _) in super::tables::LEFT {
            tables.remove(left);
        }
        for (table, rows) in &tables {
            if !super::tables::CARRIED.contains(&table.as_str()) {
                return Err(wrong(
                    format!("/tables/{}", printable(table)),
                    "is unknown here; update this installation",
                ));
            }
            if !rows.is_array() {
                return Err(wrong(format!("/tables/{table}"), "is no list"));
            }
        }
        Ok(tables)
    }

    /// One of the journal's files; none where there is none of this name.
    pub fn file(&mut self, name: &str, most: u64) -> Option<Take<ZipFile<'_, File>>> {
        self.zip.by_name(name).ok().map(|file| file.take(most))
    }
}

/// A name that nobody can write on the operator's screen with.
fn printable(name: &str) -> String {
    name.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(40).collect()
}
