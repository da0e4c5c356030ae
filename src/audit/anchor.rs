//! Anchors: the heads of all chains, written to a file outside the database, one line of JSON at a time. Each line is
//! signed over the line before it, so that a line that is changed or taken out of the middle shows.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use entity::audit_heads;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    app::AppState,
    error::{ApiError, ApiResult},
    lines,
    vault::Mac,
};

/// The head of one stream when it was anchored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchored {
    pub stream: Uuid,
    /// The number of the last row, and so the count of all rows.
    pub seq: i64,
    /// That row's tag, as hexadecimal digits.
    pub mac: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    at: DateTime<Utc>,
    heads: Vec<Anchored>,
    /// The tag of the line before; empty in the first.
    previous: String,
    tag: String,
}

impl Line {
    fn sign(&self, key: &Mac) -> String {
        let at = self.at.timestamp_millis().to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![&at, self.previous.as_bytes()];
        let numbers: Vec<[u8; 8]> = self.heads.iter().map(|head| head.seq.to_be_bytes()).collect();
        for (head, seq) in self.heads.iter().zip(&numbers) {
            parts.extend([head.stream.as_bytes() as &[u8], seq, head.mac.as_bytes()]);
        }
        hex(&key.sign(&parts))
    }
}

/// Why a file of anchors cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum BadAnchors {
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("{0}: line {1} is not as it was written, or the line before it is missing")]
    Altered(PathBuf, usize),
}

/// Appends the heads that changed since `known`, if any did. Called at most every five minutes.
pub async fn anchor(app: &AppState, known: &mut BTreeMap<Uuid, i64>) -> ApiResult<bool> {
    let heads = audit_heads::Entity::find().all(app.db.reader()).await?;
    let changed: Vec<Anchored> = heads
        .into_iter()
        .filter(|head| known.get(&head.stream) != Some(&head.seq))
        .map(|head| Anchored { stream: head.stream, seq: head.seq, mac: hex(&head.mac) })
        .collect();
    if changed.is_empty() {
        return Ok(false);
    }
    let noted: Vec<(Uuid, i64)> = changed.iter().map(|head| (head.stream, head.seq)).collect();
    let (path, key, at) = (app.config.anchor_file(), app.db.audit_key().of_anchors(), app.clock.now());
    let line = Line { at, heads: changed, previous: String::new(), tag: String::new() };
    let written = tokio::task::spawn_blocking(move || append(&path, &key, line)).await;
    written.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    known.extend(noted);
    Ok(true)
}

fn append(path: &Path, key: &Mac, mut line: Line) -> io::Result<()> {
    lines::append(path, |whole| {
        let last = whole.lines().last().and_then(|text| serde_json::from_str::<Line>(text).ok());
        line.previous = last.map(|line| line.tag).unwrap_or_default();
        line.tag = line.sign(key);
        Ok(serde_json::to_string(&line)? + "\n")
    })
}

/// Reads and checks a file of anchors. Lines may have been taken away at the beginning only.
///
/// # Errors
/// The first line that is not as it was written.
pub fn read_anchors(
    path: &Path,
    key: &super::AuditKey,
) -> Result<Vec<(DateTime<Utc>, Anchored)>, BadAnchors> {
    let unreadable = |error| BadAnchors::Unreadable(path.to_owned(), error);
    let key = key.of_anchors();
    let (mut anchors, mut previous) = (Vec::new(), None::<String>);
    let whole = fs::read_to_string(path).map_err(unreadable)?;
    for (number, text) in whole.lines().enumerate() {
        let line = serde_json::from_str::<Line>(text)
            .ok()
            .filter(|line| line.sign(&key) == line.tag)
            .filter(|line| previous.as_ref().is_none_or(|tag| *tag == line.previous))
            .ok_or_else(|| BadAnchors::Altered(path.to_owned(), number + 1))?;
        anchors.extend(line.heads.into_iter().map(|head| (line.at, head)));
        previous = Some(line.tag);
    }
    Ok(anchors)
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
