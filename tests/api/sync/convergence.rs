//! Three phones of one person, offline in turns, with answers that get lost and requests that come twice: in the end
//! all of them and the server have the same, and no words are gone that nobody let go.

use std::{cell::Cell, collections::BTreeSet};

use afterglow::{
    db::Engine,
    journal::{Body, revision_place},
    vault::{KeyOwner, OwnerKind, WrappedKey},
};
use entity::ids::{JournalEntryId, PatientId};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tokio::{runtime::Handle, task::block_in_place};
use uuid::Uuid;

use super::phone::{Phone, Words, words_of};
use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![three_phones_agree_and_no_words_are_lost];

/// Phone, what it does, and with which row or how.
type Step = (usize, u8, usize);

async fn act(phone: &mut Phone, words: &mut Words, (_, action, pick): Step) {
    match action {
        0..=2 => phone.write(pick, words),
        3..=6 => phone.edit(pick, words),
        7 => phone.rate(pick, pick),
        8 => phone.delete(pick, words),
        9 | 10 => phone.push(false).await,
        11 => phone.push(true).await,
        12 => phone.repeat(pick).await,
        _ => phone.pull(1 + pick % 7).await,
    }
}

/// Every text that the server still has: notes, entries, and what entries said before.
async fn kept(app: &TestApp, who: &Person, fresh: &Phone) -> BTreeSet<String> {
    let sql =
        "SELECT kek_id, generation, wrapped FROM data_keys WHERE owner_kind = 'patient' AND owner_id = $1";
    let row = app.query(sql, vec![who.id.into()]).await.remove(0);
    let key = WrappedKey {
        owner: KeyOwner::new(OwnerKind::Patient, PatientId(who.id)),
        kek_id: row.try_get("", "kek_id").unwrap(),
        generation: row.try_get("", "generation").unwrap(),
        wrapped: row.try_get("", "wrapped").unwrap(),
    };
    let key = app.state.vault.unwrap(&key).unwrap();
    let sql = "SELECT entry_id, revision, body_sealed FROM journal_revisions WHERE patient_id = $1";
    let mut all = BTreeSet::new();
    for row in app.query(sql, vec![who.id.into()]).await {
        let entry = JournalEntryId(row.try_get::<Uuid>("", "entry_id").unwrap());
        let place = revision_place(entry, row.try_get::<i32>("", "revision").unwrap());
        let sealed: Vec<u8> = row.try_get("", "body_sealed").unwrap();
        all.insert(
            key.open_json::<Body>(place, &sealed).unwrap().fields.0["text"].as_str().unwrap().to_owned(),
        );
    }
    all.extend(fresh.rows().iter().filter_map(|(row, value)| words_of(*row, value)));
    all
}

async fn play(app: &TestApp, (who, session): (&Person, Uuid), steps: Vec<Step>) {
    let mut phones = [0, 1, 2].map(|_| Phone::new(app, (who, session)));
    let mut words = Words::default();
    for step in steps {
        app.advance(chrono::Duration::milliseconds(700));
        act(&mut phones[step.0], &mut words, step).await;
    }
    // All come home: what could not come back alone needs a second round, and everybody has to hear of it.
    for _ in 0..3 {
        for phone in &mut phones {
            phone.push(false).await;
            phone.pull(3).await;
        }
    }
    let mut fresh = Phone::new(app, (who, session));
    fresh.pull(500).await;
    for phone in &phones {
        assert!(phone.is_idle());
        assert_eq!(phone.rows(), fresh.rows(), "a phone has something else than the server");
    }
    let kept = kept(app, who, &fresh).await;
    let lost: Vec<&String> =
        words.written.iter().filter(|text| !kept.contains(*text) && !words.let_go.contains(*text)).collect();
    assert!(lost.is_empty(), "nobody let go of {lost:?}");
}

async fn three_phones_agree_and_no_words_are_lost(app: TestApp) {
    // 64 and 8, or as PROPTEST_CASES says.
    let share = if app.engine() == Engine::Sqlite { 4 } else { 32 };
    let default = Config::default();
    let cases = default.cases.div_ceil(share);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 300, ..default };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let steps = prop::collection::vec((0..3_usize, 0..16_u8, 0..64_usize), 1..60);
    let played = Cell::new(0_u32);
    let outcome = TestRunner::new_with_rng(config, rng).run(&steps, |steps| {
        played.set(played.get() + 1);
        let (name, hours) = (format!("ana{}", played.get()), 2 * i64::from(played.get()));
        let (app, shown) = (app.clone(), format!("{steps:?}"));
        // Each case is a task of its own, so that a failed assertion is a failed case that can be made smaller.
        let task = async move {
            let (who, bo) = (app.patient(&name).await, app.therapist("bo").await);
            let session =
                bo.schedule(&who, "evaluation", app.now() + chrono::Duration::hours(500 + hours)).await;
            app.advance(chrono::Duration::minutes(16));
            play(&app, (&who, id_of(&session).parse().unwrap()), steps).await;
        };
        block_in_place(|| Handle::current().block_on(async { tokio::spawn(task).await }))
            .map_err(|error| TestCaseError::fail(format!("{error}: {shown}")))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
