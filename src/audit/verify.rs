//! Going through the chains from their first row to their head, and holding them against the anchors.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Utc};
use entity::{audit_events, audit_heads};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{Anchored, AuditKey, anchor::hex, chain::link};
use crate::db::Db;

const PAGE: u64 = 2_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    pub streams: usize,
    pub rows: i64,
    /// At most one a stream: behind it nothing can be told.
    pub flaws: Vec<Flaw>,
}

/// The first bad row of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    pub stream: Uuid,
    pub row: i64,
    pub fault: Fault,
}

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not there, but a later row, the head or an anchor says that it was.
    Missing,
    /// It was changed, moved or put in: its tag does not follow from the row before.
    Altered,
    /// The head does not know it.
    BeyondHead,
    /// The head names the row, but with another tag.
    OtherHead,
    /// Another row was anchored under the number `anchored`; everything from here to there may have been rewritten.
    Rewritten { anchored: i64, at: DateTime<Utc> },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {}: row {} ", self.stream, self.row)?;
        match self.fault {
            Fault::Missing => write!(f, "is missing"),
            Fault::Altered => {
                write!(f, "was altered, moved or put in: its tag does not follow from the row before")
            }
            Fault::BeyondHead => write!(f, "is beyond the head of the chain"),
            Fault::OtherHead => write!(f, "is not the one that the head of the chain names"),
            Fault::Rewritten { anchored, at } => {
                write!(
                    f,
                    "is the first that may have been rewritten: row {anchored} is not the one anchored at {at}"
                )
            }
        }
    }
}

type Anchors = BTreeMap<i64, (DateTime<Utc>, String)>;

/// Goes through every chain as it is at one moment.
///
/// # Errors
/// When the database does not answer.
pub async fn verify(
    db: &Db,
    key: &AuditKey,
    anchors: Vec<(DateTime<Utc>, Anchored)>,
) -> Result<Verdict, DbErr> {
    let mut anchored: BTreeMap<Uuid, Anchors> = BTreeMap::new();
    for (at, head) in anchors {
        anchored.entry(head.stream).or_default().insert(head.seq, (at, head.mac));
    }
    // Rows that are appended meanwhile are not looked at.
    let txn = db.snapshot().await?;
    let heads: BTreeMap<Uuid, audit_heads::Model> =
        audit_heads::Entity::find().all(&txn).await?.into_iter().map(|head| (head.stream, head)).collect();
    let found: Vec<Uuid> = audit_events::Entity::find()
        .select_only()
        .column(audit_events::Column::Stream)
        .distinct()
        .into_tuple()
        .all(&txn)
        .await?;
    let streams: BTreeSet<Uuid> =
        found.into_iter().chain(heads.keys().copied()).chain(anchored.keys().copied()).collect();
    let mut verdict = Verdict { streams: streams.len(), ..Verdict::default() };
    let none = Anchors::new();
    for stream in streams {
        let anchors = anchored.get(&stream).unwrap_or(&none);
        let (rows, flaw) = one_stream(&txn, key, stream, heads.get(&stream), anchors).await?;
        verdict.rows += rows;
        verdict.flaws.extend(flaw.map(|(row, fault)| Flaw { stream, row, fault }));
    }
    txn.rollback().await?;
    Ok(verdict)
}

/// How many rows were good, and the first that was not.
async fn one_stream(
    conn: &impl ConnectionTrait,
    key: &AuditKey,
    stream: Uuid,
    head: Option<&audit_heads::Model>,
    anchors: &Anchors,
) -> Result<(i64, Option<(i64, Fault)>), DbErr> {
    let (mut good, mut mac, mut vouched) = (0, Vec::new(), 0);
    loop {
        let page = audit_events::Entity::find()
            .filter(audit_events::Column::Stream.eq(stream))
            // From the beginning of all numbers: a row with a number below the first was put in.
            .filter(audit_events::Column::Seq.gt(if good == 0 { i64::MIN } else { good }))
            .order_by_asc(audit_events::Column::Seq)
            .limit(PAGE)
            .all(conn)
            .await?;
        if page.is_empty() {
            break;
        }
        for row in page {
            let wanted = good + 1;
            if row.seq != wanted {
                let fault = if row.seq > wanted { Fault::Missing } else { Fault::Altered };
                return Ok((good, Some((wanted.min(row.seq), fault))));
            }
            if link(key, &row, &mac) != row.mac {
                return Ok((good, Some((wanted, Fault::Altered))));
            }
            if let Some((at, tag)) = anchors.get(&wanted) {
                if *tag != hex(&row.mac) {
                    let fault = Fault::Rewritten { anchored: wanted, at: *at };
                    return Ok((vouched, Some((vouched + 1, fault))));
                }
                vouched = wanted;
            }
            (good, mac) = (wanted, row.mac);
        }
    }
    Ok((good, at_the_end(good, &mac, head, anchors)))
}

/// Whether the chain ends where it should.
fn at_the_end(
    last: i64,
    mac: &[u8],
    head: Option<&audit_heads::Model>,
    anchors: &Anchors,
) -> Option<(i64, Fault)> {
    let head_seq = head.map_or(0, |head| head.seq);
    let promised = anchors.last_key_value().map_or(0, |(seq, _)| *seq).max(head_seq);
    if last < promised {
        Some((last + 1, Fault::Missing))
    } else if last > head_seq {
        Some((head_seq + 1, Fault::BeyondHead))
    } else {
        head.filter(|head| head.mac != mac).map(|_| (last, Fault::OtherHead))
    }
}
