//! How a file comes: announced, part by part, checked and bound to its entry.

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};
use entity::{
    attachments,
    ids::{AttachmentId, JournalEntryId, PatientId},
};
use futures_util::StreamExt;
use sea_orm::{ActiveModelTrait, EntityTrait};
use tokio::sync::Semaphore;

use super::{
    chunks::{self, Content, Stored},
    dto::{AttachmentCompleted, AttachmentCreate},
    entry,
    queries::{self, COMPLETE, UPLOADING, Which},
    rules::{self, MOST_BYTES, MOST_OF_ENTRY, MediaType},
    strip::{self, Edits, Fault},
};
use crate::{
    accounts::Patient,
    app::AppState,
    db::WriteTx,
    error::{ApiError, ApiResult},
    extract::cut_short,
    journal,
    vault::{DataKey, Place},
};

/// Checks read whole files, chunk by chunk; so many at once keep memory flat, whoever comes.
static CHECKS: Semaphore = Semaphore::const_new(4);

fn hash_place(id: AttachmentId) -> Place {
    Place::new("attachments", "hash_sealed", id)
}

/// Announces a file: a row that waits for its parts.
pub async fn begin(
    tx: &WriteTx,
    app: &AppState,
    (patient, key): (PatientId, &DataKey),
    entry: JournalEntryId,
    input: AttachmentCreate,
) -> ApiResult<attachments::Model> {
    let media = MediaType::parse(&input.media_type).ok_or_else(|| {
        rules::unsupported_media(
            "Send audio as webm or ogg with Opus, mp4, mp3 or wav, and pictures as jpeg, png or webp.",
        )
    })?;
    let Some(kind) = entry::takes(tx.conn(), patient, entry, &input.field).await? else {
        let detail = "must be a field of this entry's template that takes a recording or a picture";
        return Err(ApiError::invalid_field("/field", "takes_no_attachment", detail));
    };
    if kind != media.kind() {
        let detail = format!("must be a type of {}, as the field is", kind.as_str());
        return Err(ApiError::invalid_field("/media_type", "wrong_kind", detail));
    }
    let bytes = room_for(tx, app, patient, entry, input.bytes).await?;
    let id = AttachmentId(tx.new_id());
    let hash = input.sha256.map(|hash| hash.to_ascii_lowercase());
    let row = attachments::Model {
        patient_id: patient,
        id,
        entry_id: entry,
        field_id: input.field,
        kind: kind.as_str().to_owned(),
        media_type: media.as_str().to_owned(),
        bytes,
        received: 0,
        state: UPLOADING.to_owned(),
        hash_sealed: hash.map(|hash| key.seal_text(hash_place(id), &hash)),
        created_at: tx.now(),
        expires_at: Some(rules::expiry(tx.now())),
    };
    let active: attachments::ActiveModel = row.clone().into();
    attachments::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
    Ok(row)
}

/// 413 for a file that is too large, 409 when there is no room for it beside the others.
async fn room_for(
    tx: &WriteTx,
    app: &AppState,
    patient: PatientId,
    entry: JournalEntryId,
    bytes: u64,
) -> ApiResult<i32> {
    let Some(bytes) = i32::try_from(bytes).ok().filter(|bytes| *bytes <= MOST_BYTES) else {
        return Err(ApiError::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "attachment_too_large",
            "A recording or picture may have up to 20 MiB. Make it shorter or smaller.",
        ));
    };
    if queries::list(tx.conn(), patient, entry).await?.len() as u64 >= MOST_OF_ENTRY {
        return Err(ApiError::conflict(
            "too_many_attachments",
            "An entry has up to 10 attachments, unfinished ones included. Delete one first.",
        ));
    }
    let used = queries::bytes_of(tx.conn(), patient).await?;
    if used + i64::from(bytes) > app.config.attachments.patient_mib * 1024 * 1024 {
        return Err(ApiError::conflict(
            "no_space_left",
            "There is no room left for your recordings and pictures. Delete some first.",
        ));
    }
    Ok(bytes)
}

/// The bytes of one part, not yet read.
pub struct Part(Body);

impl FromRequest<AppState> for Part {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &AppState) -> ApiResult<Self> {
        let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media = media.and_then(|text| text.split(';').next()).unwrap_or("").trim();
        if !media.eq_ignore_ascii_case("application/octet-stream") {
            return Err(ApiError::refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send the bytes of a part as application/octet-stream.",
            ));
        }
        Ok(Self(request.into_body()))
    }
}

impl Part {
    /// Exactly so many bytes. Nothing beyond them is kept, whatever the client sends.
    async fn read(self, length: usize) -> ApiResult<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        let mut frames = self.0.into_data_stream();
        while let Some(frame) = frames.next().await {
            let frame: Bytes = frame.map_err(|error| cut_short(&error))?;
            if bytes.len() + frame.len() > length {
                return Err(ApiError::refused(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "body_too_large",
                    format!("This part has {length} bytes. Send no more."),
                ));
            }
            bytes.extend_from_slice(&frame);
        }
        if bytes.len() < length {
            let detail = format!("must be {length} for this part");
            return Err(ApiError::invalid_field("header/Content-Length", "wrong_length", detail));
        }
        Ok(bytes)
    }
}

/// Takes one part. The next one is kept; one that is here already is compared, so that it can be sent again safely.
pub async fn take(
    app: &AppState,
    me: &Patient,
    which: Which,
    number: i32,
    part: Part,
) -> ApiResult<attachments::Model> {
    let row = queries::find(app.db.reader(), which).await?;
    let length = part_expected(&row, number)?;
    let bytes = part.read(length).await?;
    app.db
        .write(&me.writing(), async |tx| {
            let mut row = queries::find(tx.conn(), which).await?;
            part_expected(&row, number)?;
            if rules::next_part(row.bytes, row.received) != Some(number) {
                return same(tx, &me.key, row, number, &bytes).await;
            }
            chunks::insert(tx, &me.key, Stored::from(&row), number, &bytes).await?;
            let received = row.received + i32::try_from(bytes.len()).map_err(ApiError::internal)?;
            if !queries::advance(tx, &row, received).await? {
                return Err(ApiError::NotFound);
            }
            row.received = received;
            Ok(row)
        })
        .await
}

/// The length of a part that may come now: the next one, or one that is here already.
fn part_expected(row: &attachments::Model, number: i32) -> ApiResult<usize> {
    if row.state == COMPLETE {
        return Err(ApiError::conflict(
            "already_complete",
            "This upload is complete; it takes no more parts. Begin another one.",
        ));
    }
    let next = rules::next_part(row.bytes, row.received);
    rules::part_length(row.bytes, number)
        .filter(|_| next.is_none_or(|next| number <= next))
        .ok_or_else(|| rules::wrong_part(next))
}

async fn same(
    tx: &WriteTx,
    key: &DataKey,
    row: attachments::Model,
    number: i32,
    bytes: &[u8],
) -> ApiResult<attachments::Model> {
    if chunks::load(tx.conn(), key, Stored::from(&row), number).await? == bytes {
        return Ok(row);
    }
    Err(ApiError::conflict(
        "part_differs",
        "Another content came for this part before. Delete the attachment and upload it anew.",
    ))
}

/// Checks, strips and binds an upload. What is refused for its content is removed: it can never become good.
pub async fn complete(app: &AppState, me: &Patient, which: Which) -> ApiResult<AttachmentCompleted> {
    let row = queries::find(app.db.reader(), which).await?;
    if row.received < row.bytes {
        return Err(ApiError::conflict(
            "upload_incomplete",
            "Parts are missing. Send them from next_part on, then complete it.",
        ));
    }
    let _seat = CHECKS.acquire().await.map_err(ApiError::internal)?;
    // Said twice at once, the other one may be done by now, and what is stored no longer what was sent.
    let row = queries::find(app.db.reader(), which).await?;
    let checked = if row.state == COMPLETE { Ok(Edits::default()) } else { check(app, &me.key, &row).await };
    app.db
        .write(&me.writing(), async |tx| match checked {
            Ok(edits) => bind(tx, &me.key, which, &edits).await.map(Ok),
            Err(error) => refuse(tx, &me.key, which, error).await,
        })
        .await?
}

/// What is refused for its content goes, unless it was completed meanwhile by the same request said twice.
async fn refuse(
    tx: &WriteTx,
    key: &DataKey,
    which: Which,
    error: ApiError,
) -> ApiResult<ApiResult<AttachmentCompleted>> {
    if !matches!(error, ApiError::Refused { .. }) {
        return Err(error);
    }
    if queries::find(tx.conn(), which).await?.state == COMPLETE {
        return bind(tx, key, which, &Edits::default()).await.map(Ok);
    }
    queries::erase(tx.conn(), which.patient, which.id).await?;
    Ok(Err(error))
}

async fn check(app: &AppState, key: &DataKey, row: &attachments::Model) -> ApiResult<Edits> {
    let mut content = Content::new(app.db.reader(), key, Stored::from(row));
    if let Some(sealed) = &row.hash_sealed {
        let mut hash = Context::new(&SHA256);
        for number in 0..rules::parts(row.bytes) {
            hash.update(content.chunk(number).await?);
        }
        let found: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if found != key.open_text(hash_place(row.id), sealed)? {
            let detail = "does not fit what arrived, which was not kept; upload it anew";
            return Err(ApiError::invalid_field("/sha256", "damaged", detail));
        }
    }
    let media = MediaType::parse(&row.media_type).ok_or(ApiError::NotFound)?;
    strip::strip(&mut content, media).await.map_err(|fault| match fault {
        Fault::Read(error) => error,
        Fault::OtherType => rules::unsupported_media(
            "The content is not of the type it was announced as, or is damaged. It was not kept; upload it anew.",
        ),
    })
}

async fn bind(tx: &WriteTx, key: &DataKey, which: Which, edits: &Edits) -> ApiResult<AttachmentCompleted> {
    let row = queries::find(tx.conn(), which).await?;
    let entry = if row.state == COMPLETE {
        journal::standing(tx.conn(), which.patient, which.entry).await?
    } else {
        chunks::rewrite(tx, key, Stored::from(&row), edits).await?;
        if !queries::finish(tx, which).await? {
            return Err(ApiError::NotFound);
        }
        let place = (which.entry, row.field_id.as_str());
        journal::set_attachment(tx, (which.patient, key), place, which.id).await?
    };
    let attachment = queries::view(queries::find(tx.conn(), which).await?);
    Ok(AttachmentCompleted { attachment, entry_version: entry.version, entry_revision: entry.revision })
}
