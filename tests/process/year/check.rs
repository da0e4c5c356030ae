//! What must hold of a year: moment by moment, and of the whole ledger at its end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use afterglow::{
    content::protocols,
    reminders::{SESSION, SNOOZE, rules::policy::Reason, rules::recurrence::slot_local},
};
use chrono::Duration;
use data_encoding::BASE64URL_NOPAD;
use entity::{notifications, sessions};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{BEGIN, Year};
use crate::practice::{is_open, local};

impl Year {
    /// What went out at this moment was allowed to, by a second time library and the lives' own knowledge.
    pub async fn check_what_was_sent(&self) {
        let now = self.now();
        let sent = notifications::Entity::find().filter(notifications::Column::AcceptedAt.eq(now));
        for row in sent.all(self.practice.app.conn()).await.unwrap() {
            let life = self.lives.iter().find(|life| life.person.id == row.recipient_id.0).unwrap();
            assert!(row.due_at <= now && now < row.expires_at, "outside its own time: {row:?}");
            assert!(life.paused_until.is_none_or(|until| now >= until), "paused: {row:?}");
            let template = row.template_id.as_deref().and_then(|id| protocols().template(id));
            let marked =
                template.is_some_and(|template| template.ignores_quiet_hours) && row.origin_kind == SESSION;
            let clock = now.with_timezone(&life.zone).time();
            assert!(
                marked || (life.opens <= clock && clock < life.closes),
                "{clock} in {}: {row:?}",
                life.zone
            );
            self.check_sessions(&row, marked).await;
        }
    }

    async fn check_sessions(&self, row: &notifications::Model, marked: bool) {
        let now = self.now();
        let theirs = sessions::Entity::find().filter(sessions::Column::PatientId.eq(row.recipient_id.0));
        let all = theirs.all(self.practice.app.conn()).await.unwrap();
        for session in all.iter().filter(|one| {
            one.kind == "dosing" && ["planned", "started", "completed"].contains(&one.state.as_str())
        }) {
            let from = session.started_at.unwrap_or(session.starts_at);
            let end = session.ended_at.unwrap_or(session.ends_at + Duration::hours(1));
            assert!(marked || now < from || end <= now, "in the hush of {session:?}: {row:?}");
        }
        let Some(session) = all.iter().find(|one| one.id.0 == row.origin_id) else { return };
        assert!(!["cancelled", "no_show"].contains(&session.state.as_str()), "{session:?}: {row:?}");
        let template = protocols().template(row.template_id.as_deref().unwrap()).unwrap();
        if template.offset.is_negative() {
            assert!(
                now < session.starts_at && session.state == "planned",
                "too late for {session:?}: {row:?}"
            );
        }
        if row.origin_kind == SESSION {
            assert!(row.slot.ends_with(&format!(":{}", session.placement)), "{session:?}: {row:?}");
        }
    }

    /// The whole ledger, at the end.
    pub async fn check(&self) {
        let rows = notifications::Entity::find().all(self.practice.app.conn()).await.unwrap();
        for row in &rows {
            let why = row.reason.as_deref();
            let told = match row.state.as_str() {
                "planned" | "retrying" => row.next_attempt_at > self.now(),
                "accepted" | "expired" => why.is_none(),
                "suppressed" | "cancelled" => why.and_then(Reason::from_word).is_some(),
                "failed" => why == Some("unreachable"),
                _ => false,
            };
            assert!(told, "no end, or no reason: {row:?}");
        }
        self.check_rules(&rows);
        self.check_templates(&rows).await;
        let phones = self.check_pushes(&rows);
        let states = rows.iter().fold(BTreeMap::new(), |mut states: BTreeMap<_, usize>, row| {
            *states.entry((row.state.as_str(), row.reason.as_deref().unwrap_or(""))).or_default() += 1;
            states
        });
        println!(
            "{} people, {} rows, {phones} pushes, {} interrupted: {states:?}",
            self.lives.len(),
            rows.len(),
            self.crashes
        );
    }

    /// Every local date has exactly one line, and exactly one is open.
    fn check_rules(&self, rows: &[notifications::Model]) {
        for (life, rule, step) in
            self.lives.iter().flat_map(|life| [(life, life.daily, 1), (life, life.weekly, 7)])
        {
            let of_rule: Vec<_> =
                rows.iter().filter(|row| row.origin_id == rule && row.origin_kind == "rule").collect();
            assert_eq!(of_rule.iter().filter(|row| is_open(row)).count(), 1);
            let slots: BTreeSet<_> = of_rule.iter().map(|row| slot_local(&row.slot).unwrap()).collect();
            assert_eq!(slots.len(), of_rule.len(), "one line a slot");
            let dates: Vec<_> = slots.iter().map(|slot| slot.date()).collect();
            for pair in dates.windows(2) {
                assert_eq!(
                    pair[1].since(pair[0]).unwrap().get_days(),
                    step,
                    "{pair:?} of {}",
                    life.person.name
                );
            }
            let lived = i32::try_from((self.now() - local(BEGIN)).num_days()).unwrap() - 1;
            assert!(dates.len() >= usize::try_from(lived / step).unwrap(), "{} lines", dates.len());
        }
    }

    /// Sessions that took place have a line for what always belongs to them.
    async fn check_templates(&self, rows: &[notifications::Model]) {
        let all = sessions::Entity::find().all(self.practice.app.conn()).await.unwrap();
        let lines: BTreeSet<&str> = rows.iter().map(|row| row.slot.as_str()).collect();
        let done: Vec<_> = all.iter().filter(|one| one.state == "completed").collect();
        assert!(done.len() >= 3, "{} sessions", all.len());
        for session in done {
            let template = match session.kind.as_str() {
                "dosing" => "dosing-evening-check",
                "integration" => "integration-step",
                "preparation" => "preparation-takeaways",
                _ => "follow-up-plan",
            };
            let slot = format!("session:{}:{template}:{}", session.id, session.placement);
            assert!(lines.contains(slot.as_str()), "nothing about {slot}");
        }
    }

    /// Each accepted one was pushed once to a phone, and once more for each worker that died holding it.
    fn check_pushes(&self, rows: &[notifications::Model]) -> usize {
        let mut pushed: HashMap<Uuid, usize> = HashMap::new();
        let received = self.practice.push.received();
        for push in received.iter().filter(|push| push.status == Some(201)) {
            assert_eq!(push.problems, Vec::<String>::new());
            let token = push.plaintext_json["notification"]["data"]["receipt"].as_str().unwrap();
            let token = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap();
            *pushed.entry(Uuid::from_slice(&token[16..32]).unwrap()).or_default() += 1;
        }
        for (id, count) in &pushed {
            let most = 1 + self.interrupted.get(id).copied().unwrap_or(0);
            assert!(*count <= most, "{id} came {count} times, and was interrupted {} times", most - 1);
        }
        for row in rows.iter().filter(|row| row.state == "accepted" && !pushed.contains_key(&row.id.0)) {
            // What is important and of one session comes with another of the same moment.
            let with = |other: &&notifications::Model| {
                (other.origin_id, other.due_at) == (row.origin_id, row.due_at)
                    && pushed.contains_key(&other.id.0)
            };
            assert!(
                row.origin_kind != SNOOZE && rows.iter().any(|other| with(&other)),
                "never pushed: {row:?}"
            );
        }
        received.len()
    }
}
