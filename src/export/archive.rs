//! Writing the ZIP file piece by piece: no more than one piece of it is in memory, and each is sealed as it is stored.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use zip::{
    CompressionMethod, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

use super::job::Building;
use crate::error::{ApiError, ApiResult};

/// How large a piece is.
pub const PIECE: usize = 512 * 1024;

/// Where the writer of the ZIP file leaves its bytes.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take(&self, at_most: usize) -> Vec<u8> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = at_most.min(held.len());
        held.drain(..count).collect()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive that is being written.
pub struct Archive<'a> {
    building: &'a Building<'a>,
    zip: ZipWriter<StreamWriter<Sink>>,
    sink: Sink,
    chunks: i32,
    bytes: i64,
}

impl<'a> Archive<'a> {
    pub fn new(building: &'a Building<'a>) -> Self {
        let sink = Sink::default();
        Self { building, zip: ZipWriter::new_stream(sink.clone()), sink, chunks: 0, bytes: 0 }
    }

    /// Begins a file. Texts are compressed; sound and pictures are already.
    pub fn begin(&mut self, name: &str, text: bool) -> ApiResult<()> {
        let method = if text { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let options = SimpleFileOptions::default().compression_method(method);
        self.zip.start_file(name, options).map_err(ApiError::internal)
    }

    /// Goes on with the file.
    pub async fn write(&mut self, bytes: &[u8]) -> ApiResult<()> {
        for part in bytes.chunks(PIECE) {
            self.zip.write_all(part).map_err(ApiError::internal)?;
            while self.sink.len() >= PIECE {
                self.store().await?;
            }
        }
        Ok(())
    }

    /// Ends the archive; returns how many pieces and bytes it has.
    pub async fn finish(mut self) -> ApiResult<(i32, i64)> {
        let zip = std::mem::replace(&mut self.zip, ZipWriter::new_stream(Sink::default()));
        zip.finish().map_err(ApiError::internal)?;
        while self.sink.len() > 0 {
            self.store().await?;
        }
        Ok((self.chunks, self.bytes))
    }

    async fn store(&mut self) -> ApiResult<()> {
        let piece = self.sink.take(PIECE);
        self.building.store(self.chunks, &piece).await?;
        self.chunks += 1;
        self.bytes += i64::try_from(piece.len()).unwrap_or(i64::MAX);
        Ok(())
    }
}
