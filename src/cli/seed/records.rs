//! What one patient keeps: check-ins, journal entries, one reminder, one device.

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    error::Unspecified,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use entity::{
    checkins,
    ids::{CheckinId, JournalEntryId, NotificationId, ReminderId, SubscriptionId},
    journal_entries, journal_revisions, journal_shares, notifications, push_subscriptions, reminders,
};
use sea_orm::{ActiveModelTrait, Set};

use super::{
    SeedArgs,
    people::{Patient, days, number_of},
    writer::Batch,
};
use crate::{
    app::AppState,
    checkins::{Detail, seal_detail},
    content::Priority,
    error::{ApiError, ApiResult},
    journal::{Body, EntryFields, FREE_NOTE, FREE_NOTE_VERSION, revision_place},
    push,
    reminders::{
        RULE, row_of,
        rules::{
            localtime::LocalTime,
            planned::{Planned, PlannedState},
            recurrence::{Occurrence, Recurrence},
            recurring::RECURRING_FRESHNESS,
        },
    },
};

const CATEGORY: &str = "mindfulness";
const MOODS: [(i32, i32, &str); 7] = [
    (6, 3, "calm"),
    (4, 6, "anxious"),
    (7, 2, "hopeful"),
    (3, 5, "tired"),
    (8, 1, "grateful"),
    (5, 4, "curious"),
    (6, 2, "connected"),
];
const NOTES: [&str; 5] = [
    "Walked by the river before breakfast.",
    "Slept badly, the street was loud until two.",
    "Called my sister. We talked about the garden and laughed.",
    "Sat with the breath for ten minutes; the tightness in my chest eased a little.",
    "Work was a lot today. I left at five anyway.",
];
const ENTRIES: [&str; 3] = [
    "The river was wide and I was not afraid of it. I want to remember how slow everything was, and that I could \
     wait. When I came back I noticed the light in the room first, and only then my own hands.",
    "Something about my father, but kinder than I expected. I do not know yet what to do with it. I wrote him a \
     letter that I will not send, and read it aloud once.",
    "Today I tried what we agreed on: a walk without the phone. Twenty minutes. The urge to check it came nine times, \
     I counted. By the end there were longer gaps between.",
];

/// Keys of the one device that all seeded patients seem to have; nobody holds its private key.
pub struct Device {
    p256dh: String,
    auth: String,
}

impl Device {
    pub fn draw() -> Result<Self, Unspecified> {
        let point = PrivateKey::generate(&ECDH_P256)?.compute_public_key()?;
        let mut auth = [0; 16];
        aws_lc_rs::rand::fill(&mut auth)?;
        Ok(Self { p256dh: BASE64_URL_SAFE_NO_PAD.encode(point), auth: BASE64_URL_SAFE_NO_PAD.encode(auth) })
    }
}

/// Everything of one patient.
pub fn fill(
    app: &AppState,
    args: &SeedArgs,
    patient: &Patient,
    device: &Device,
    batch: &mut Batch,
) -> ApiResult<()> {
    for age in (0..args.checkins).rev() {
        batch.checkins.push(checkin(app, args, patient, age));
    }
    for age in (0..args.journal).rev() {
        entry(app, args, patient, age, batch);
    }
    if let Some(span) = args.due_in {
        remind(app, args, patient, span, batch)?;
    }
    if let Some(pattern) = &args.push_endpoint {
        batch.subscriptions.push(subscription(app, patient, device, pattern));
    }
    Ok(())
}

fn checkin(app: &AppState, args: &SeedArgs, patient: &Patient, age: usize) -> checkins::ActiveModel {
    let taken_at = app.clock.now() - days(age) - Duration::minutes(20 + number_of(patient.number % 90));
    let id = match patient.person.checkin {
        Some(latest) if age == 0 => latest,
        _ => CheckinId(app.random.uuid_v7(taken_at)),
    };
    let (mood, anxiety, emotion) = MOODS[(patient.number + age) % MOODS.len()];
    let note = NOTES.get((patient.number + age * 3) % (NOTES.len() * 2)).map(|note| (*note).to_owned());
    let detail = Detail { emotions: vec![emotion.to_owned()], note };
    checkins::ActiveModel {
        patient_id: Set(patient.id),
        id: Set(id),
        version: Set(1),
        sync_seq: Set(number_of(args.checkins - age)),
        local_date: Set(patient.zone.local_date(taken_at)),
        local_time: Set(LocalTime::of(patient.zone.local(taken_at)).to_string()),
        zone: Set(patient.zone.name().to_owned()),
        scheduled_at: Set(None),
        started_at: Set(None),
        taken_at: Set(taken_at),
        mood: Set(mood),
        anxiety: Set(Some(anxiety)),
        energy: Set(Some((mood + 2) % 10)),
        sleep_hours: Set(Some(if age.is_multiple_of(2) { 7.0 } else { 6.5 })),
        detail_sealed: Set(seal_detail(&patient.key, id, &detail)),
        flagged: Set(false),
        created_at: Set(taken_at),
        updated_at: Set(taken_at),
    }
}

/// An entry with two revisions every third time, shared as often as was asked for.
fn entry(app: &AppState, args: &SeedArgs, patient: &Patient, age: usize, batch: &mut Batch) {
    let written = app.clock.now() - days(age) - Duration::minutes(5);
    let id = match patient.person.entry {
        Some(latest) if age == 0 => latest,
        _ => JournalEntryId(app.random.uuid_v7(written)),
    };
    let last = if age % 3 == 2 { 2 } else { 1 };
    for revision in 1..=last {
        batch.revisions.push(revise(patient, (id, revision), age, written));
    }
    batch.entries.push(journal_entries::ActiveModel {
        patient_id: Set(patient.id),
        id: Set(id),
        version: Set(last),
        sync_seq: Set(number_of(args.checkins + args.journal - age)),
        state: Set("final".to_owned()),
        template_id: Set(FREE_NOTE.to_owned()),
        template_version: Set(FREE_NOTE_VERSION.to_owned()),
        head_revision: Set(last),
        to_talk_about: Set(age.is_multiple_of(7)),
        created_at: Set(written),
        updated_at: Set(written),
        conflict_of: Set(None),
        tags_sealed: Set(None),
    });
    // The latest is always among them, so that a load tool knows one that can be read.
    if args.share_every > 0 && age.is_multiple_of(args.share_every) {
        batch.shares.push(journal_shares::ActiveModel {
            patient_id: Set(patient.id),
            entry_id: Set(id),
            member_id: Set(patient.therapist),
            until: Set(None),
            frozen_revision: Set(None),
            shared_at: Set(written + Duration::minutes(1)),
            ended_at: Set(None),
            reviewed_at: Set(None),
            reviewed_revision: Set(None),
        });
    }
}

fn revise(
    patient: &Patient,
    (entry, revision): (JournalEntryId, i32),
    age: usize,
    written: DateTime<Utc>,
) -> journal_revisions::ActiveModel {
    let body = Body {
        title: (age.is_multiple_of(2)).then(|| "The morning after".to_owned()),
        fields: EntryFields::of("text", ENTRIES[(patient.number + age) % ENTRIES.len()]),
    };
    journal_revisions::ActiveModel {
        patient_id: Set(patient.id),
        entry_id: Set(entry),
        revision: Set(revision),
        body_sealed: Set(patient.key.seal_json(revision_place(entry, revision), &body)),
        created_at: Set(written),
    }
}

/// A daily rule and its occurrence somewhere within the span.
fn remind(
    app: &AppState,
    args: &SeedArgs,
    patient: &Patient,
    span: Duration,
    batch: &mut Batch,
) -> ApiResult<()> {
    let now = app.clock.now();
    let share = number_of(patient.number) * span.num_milliseconds() / number_of(args.patients.max(1));
    let due_at = now + Duration::milliseconds(share);
    let time = LocalTime::of(patient.zone.local(due_at));
    let local = time.on(patient.zone.local(due_at).date());
    let id = ReminderId(app.random.uuid_v7(now));
    let recurrence = serde_json::to_string(&Recurrence::Daily { time }).map_err(ApiError::internal)?;
    let planned = Planned {
        slot: Occurrence { local, due: due_at }.slot(id.0),
        template_id: None,
        category: CATEGORY.to_owned(),
        priority: Priority::Normal,
        routine: true,
        local_date: patient.zone.local_date(due_at),
        due_at,
        expires_at: due_at + RECURRING_FRESHNESS,
        state: PlannedState::Planned,
    };
    let row = row_of(patient.id, (RULE, id.0), NotificationId(app.random.uuid_v7(now)), planned, now);
    batch.notifications.push(notifications::ActiveModel::from(row).reset_all());
    batch.reminders.push(reminders::ActiveModel {
        patient_id: Set(patient.id),
        id: Set(id),
        version: Set(1),
        sync_seq: Set(number_of(args.checkins + args.journal + 1)),
        category: Set(CATEGORY.to_owned()),
        recurrence: Set(recurrence),
        active: Set(true),
        text_sealed: Set(None),
        set_by: Set(patient.person.account),
        created_at: Set(patient.joined),
        updated_at: Set(patient.joined),
        template_id: Set(None),
        unanswered: Set(0),
        rested_at: Set(None),
    });
    Ok(())
}

fn subscription(
    app: &AppState,
    patient: &Patient,
    device: &Device,
    pattern: &str,
) -> push_subscriptions::ActiveModel {
    let now = app.clock.now();
    let id = SubscriptionId(app.random.uuid_v7(now));
    let way = push::Way::WebPush {
        endpoint: pattern.replace("{n}", &patient.device),
        p256dh: device.p256dh.clone(),
        auth: device.auth.clone(),
    };
    let address = push::Address { way, device_name: Some("Seeded phone".to_owned()) };
    push_subscriptions::ActiveModel {
        account_id: Set(patient.person.account),
        id: Set(id),
        login_id: Set(patient.person.login),
        vapid_kid: Set(app.push.public_key().0),
        endpoint_index: Set(app.vault.index().endpoint(&address.way.indexed())),
        endpoint_index_kid: Set(app.vault.index().kid().to_owned()),
        subscription_sealed: Set(push::seal(&patient.key, id, &address)),
        platform: Set(Some("android".to_owned())),
        state: Set("active".to_owned()),
        revision: Set(1),
        last_accepted_at: Set(None),
        last_shown_at: Set(None),
        last_failure_at: Set(None),
        last_failure: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    }
}
