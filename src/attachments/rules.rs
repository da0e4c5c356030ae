//! What may be attached and in which pieces, without database or clock.

use axum::http::StatusCode;
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{ApiError, FieldError};

/// Largest recording or picture, in bytes.
pub const MOST_BYTES: i32 = 20 * 1024 * 1024;
/// Length of every part but the last, in bytes; also of the sealed chunks.
pub const PART_BYTES: i32 = 256 * 1024;
/// Attachments of one entry, unfinished ones included.
pub const MOST_OF_ENTRY: u64 = 10;

/// When an upload that was not completed goes.
pub fn expiry(now: DateTime<Utc>) -> DateTime<Utc> {
    now + Duration::hours(24)
}

/// What a field of a template takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    Audio,
    Image,
}

impl AttachmentKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Image => "image",
        }
    }

    pub fn parse(text: &str) -> Self {
        if text == "image" { Self::Image } else { Self::Audio }
    }
}

/// The types that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    Webm,
    Ogg,
    Mp4,
    Mp3,
    Wav,
    Jpeg,
    Png,
    Webp,
}

impl MediaType {
    /// Reads a media type as apps and recorders write it, parameters included.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        Some(match name.as_str() {
            "audio/webm" => Self::Webm,
            "audio/ogg" => Self::Ogg,
            "audio/mp4" | "audio/m4a" | "audio/x-m4a" => Self::Mp4,
            "audio/mpeg" | "audio/mp3" => Self::Mp3,
            "audio/wav" | "audio/x-wav" | "audio/wave" => Self::Wav,
            "image/jpeg" => Self::Jpeg,
            "image/png" => Self::Png,
            "image/webp" => Self::Webp,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webm => "audio/webm",
            Self::Ogg => "audio/ogg",
            Self::Mp4 => "audio/mp4",
            Self::Mp3 => "audio/mpeg",
            Self::Wav => "audio/wav",
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Webm => "webm",
            Self::Ogg => "ogg",
            Self::Mp4 => "m4a",
            Self::Mp3 => "mp3",
            Self::Wav => "wav",
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }

    pub fn kind(self) -> AttachmentKind {
        match self {
            Self::Webm | Self::Ogg | Self::Mp4 | Self::Mp3 | Self::Wav => AttachmentKind::Audio,
            Self::Jpeg | Self::Png | Self::Webp => AttachmentKind::Image,
        }
    }

    /// Whether this is the type that was recognised by the first bytes. Containers share them with films; the walk
    /// through the file tells the two apart.
    pub fn is_called(self, recognised: &str) -> bool {
        match self {
            Self::Webm => recognised == "video/webm",
            Self::Ogg => matches!(recognised, "audio/ogg" | "audio/opus"),
            Self::Mp4 => matches!(recognised, "video/mp4" | "audio/m4a"),
            Self::Wav => recognised == "audio/x-wav",
            other => recognised == other.as_str(),
        }
    }
}

/// 415 for a type that is not taken, or a content that is not of its type.
pub fn unsupported_media(detail: &str) -> ApiError {
    ApiError::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media", detail)
}

/// How many parts so many bytes have.
pub fn parts(bytes: i32) -> i32 {
    bytes.div_euclid(PART_BYTES) + i32::from(bytes % PART_BYTES != 0)
}

/// The length of a part; none when there is no such part.
pub fn part_length(bytes: i32, number: i32) -> Option<usize> {
    let start = number.checked_mul(PART_BYTES).filter(|start| *start >= 0 && *start < bytes)?;
    usize::try_from((bytes - start).min(PART_BYTES)).ok()
}

/// The part to send next; none when all are there.
pub fn next_part(bytes: i32, received: i32) -> Option<i32> {
    (received < bytes).then_some(received / PART_BYTES)
}

/// 409 for a part that is not the next one; says which that is.
pub fn wrong_part(next: Option<i32>) -> ApiError {
    let detail = match next {
        Some(next) => format!("continue with part {next}"),
        None => "every part is here; complete the upload".to_owned(),
    };
    ApiError::Refused {
        status: StatusCode::CONFLICT,
        code: "wrong_part",
        detail: "Parts are taken in their order; see errors.".into(),
        errors: vec![FieldError::new("path/number", "expected_part", detail)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_byte_once() {
        for bytes in [1, 2, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES, MOST_BYTES] {
            let lengths: Vec<usize> = (0..parts(bytes)).map(|n| part_length(bytes, n).unwrap()).collect();
            assert_eq!(lengths.iter().sum::<usize>(), usize::try_from(bytes).unwrap(), "{bytes}");
            let whole = usize::try_from(PART_BYTES).unwrap();
            assert!(lengths[..lengths.len() - 1].iter().all(|length| *length == whole));
            for beyond in [-1, parts(bytes), i32::MAX, i32::MIN] {
                assert_eq!(part_length(bytes, beyond), None, "{bytes} {beyond}");
            }
        }
    }

    #[test]
    fn an_upload_goes_on_where_it_stopped() {
        for (bytes, received, next) in [
            (10, 0, Some(0)),
            (10, 10, None),
            (PART_BYTES + 1, PART_BYTES, Some(1)),
            (PART_BYTES + 1, PART_BYTES + 1, None),
            (2 * PART_BYTES, PART_BYTES, Some(1)),
        ] {
            assert_eq!(next_part(bytes, received), next);
        }
    }

    #[test]
    fn media_types_are_read_as_recorders_write_them() {
        for (text, media) in [
            ("audio/webm;codecs=opus", Some(MediaType::Webm)),
            ("Audio/Ogg; codecs=opus", Some(MediaType::Ogg)),
            ("audio/x-m4a", Some(MediaType::Mp4)),
            ("image/jpeg", Some(MediaType::Jpeg)),
            ("image/svg+xml", None),
            ("video/mp4", None),
            ("text/html", None),
            ("", None),
        ] {
            assert_eq!(MediaType::parse(text), media, "{text}");
            assert!(media.is_none_or(|media| MediaType::parse(media.as_str()) == Some(media)));
        }
    }
}
