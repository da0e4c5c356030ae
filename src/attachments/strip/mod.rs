//! Takes out of a recording or picture what says where, when and with what it was made. Nothing is decoded: a walk over
//! the container finds what is not needed to play or show it, and blanks it in place, so that the length stays, offsets
//! inside the file stay true, and only the touched chunks are sealed anew. What cannot be walked is not of its type.

mod image;
mod jpeg;
mod mp3;
mod mp4;
mod ogg;
mod riff;
#[cfg(test)]
mod tests;
mod webm;

use std::{collections::BTreeSet, future::Future};

use super::rules::MediaType;
use crate::error::{ApiError, ApiResult};

/// Elements of a container, and pieces to blank, beyond which a file is refused: no recording has so many.
const MOST_STEPS: u32 = 2_000_000;
const MOST_EDITS: usize = 10_000;
/// How often a long walk lets others run.
const STEPS_AT_ONCE: u32 = 2_048;

/// Bytes that can be read anywhere.
pub trait Source: Send {
    fn len(&self) -> u64;

    /// Fills `into` from `at` on, as far as there is something; returns how much that was.
    fn read(&mut self, at: u64, into: &mut [u8]) -> impl Future<Output = ApiResult<usize>> + Send;
}

/// Why a walk ended early.
#[derive(Debug)]
pub enum Fault {
    /// The content is not of the type it claims to be.
    OtherType,
    /// The bytes could not be read.
    Read(ApiError),
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Self::Read(error)
    }
}

type Walked<T = ()> = Result<T, Fault>;

/// A place to blank or to overwrite.
#[derive(Debug)]
enum Edit {
    Zeros { at: u64, len: u64 },
    Bytes { at: u64, bytes: Vec<u8> },
}

impl Edit {
    fn range(&self) -> (u64, u64) {
        match self {
            Self::Zeros { at, len } => (*at, at + len),
            Self::Bytes { at, bytes } => (*at, at + bytes.len() as u64),
        }
    }
}

/// Everything to overwrite; later edits win.
#[derive(Debug, Default)]
pub struct Edits(Vec<Edit>);

impl Edits {
    /// The parts of this size that change.
    pub fn parts(&self, size: u64) -> BTreeSet<u64> {
        let ranges = self.0.iter().map(Edit::range).filter(|(from, to)| from < to);
        ranges.flat_map(|(from, to)| from / size..=(to - 1) / size).collect()
    }

    /// Changes the bytes that begin at `start`.
    pub fn apply(&self, start: u64, bytes: &mut [u8]) {
        let end = start + bytes.len() as u64;
        for edit in &self.0 {
            let (from, to) = edit.range();
            let (first, last) = (from.max(start), to.min(end));
            if first >= last {
                continue;
            }
            let target = &mut bytes[index(first - start)..index(last - start)];
            match edit {
                Edit::Zeros { .. } => target.fill(0),
                Edit::Bytes { bytes, .. } => {
                    target.copy_from_slice(&bytes[index(first - from)..index(last - from)]);
                }
            }
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// A walk over one file.
struct Walk<'a, S> {
    source: &'a mut S,
    edits: Edits,
    steps: u32,
}

impl<S: Source> Walk<'_, S> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    async fn up_to(&mut self, at: u64, into: &mut [u8]) -> Walked<usize> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err(Fault::OtherType);
        }
        if self.steps.is_multiple_of(STEPS_AT_ONCE) {
            tokio::task::yield_now().await;
        }
        Ok(self.source.read(at, into).await?)
    }

    async fn exactly<const N: usize>(&mut self, at: u64) -> Walked<[u8; N]> {
        let mut bytes = [0; N];
        if self.up_to(at, &mut bytes).await? < N {
            return Err(Fault::OtherType);
        }
        Ok(bytes)
    }

    fn zero(&mut self, from: u64, to: u64) -> Walked {
        let to = to.min(self.len());
        if from < to {
            self.edit(Edit::Zeros { at: from, len: to - from })?;
        }
        Ok(())
    }

    fn put(&mut self, at: u64, bytes: impl Into<Vec<u8>>) -> Walked {
        self.edit(Edit::Bytes { at, bytes: bytes.into() })
    }

    fn edit(&mut self, edit: Edit) -> Walked {
        if self.edits.0.len() == MOST_EDITS {
            return Err(Fault::OtherType);
        }
        self.edits.0.push(edit);
        Ok(())
    }
}

fn require(holds: bool) -> Walked {
    if holds { Ok(()) } else { Err(Fault::OtherType) }
}

/// Checks by its content that a file is of this type, and says what to blank in it.
pub async fn strip<S: Source>(source: &mut S, media: MediaType) -> Walked<Edits> {
    let mut head = [0; 512];
    let filled = source.read(0, &mut head).await?;
    let found = infer::get(&head[..filled]).map(|kind| kind.mime_type());
    require(found.is_some_and(|found| media.is_called(found)))?;
    let mut walk = Walk { source, edits: Edits::default(), steps: 0 };
    match media {
        MediaType::Webm => webm::walk(&mut walk).await?,
        MediaType::Ogg => ogg::walk(&mut walk).await?,
        MediaType::Mp4 => mp4::walk(&mut walk).await?,
        MediaType::Mp3 => mp3::walk(&mut walk).await?,
        MediaType::Wav => riff::wav(&mut walk).await?,
        MediaType::Jpeg => jpeg::walk(&mut walk).await?,
        MediaType::Png => image::png(&mut walk).await?,
        MediaType::Webp => riff::webp(&mut walk).await?,
    }
    Ok(walk.edits)
}
