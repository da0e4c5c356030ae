//! What the real binary counts for those who run it.

use std::{collections::BTreeMap, sync::Arc};

use afterglow::{
    clock::{Clock, SystemClock},
    db::Engine,
};
use chrono::Duration;
use sea_orm::{ActiveModelTrait, Set};

use crate::{
    child::{Running, eventually, with_metrics},
    world::{World, run},
};

#[test]
fn reminders_of_36_hours_down_are_counted_on_sqlite() {
    run(Engine::Sqlite, reminders_of_36_hours_down_are_counted);
}

#[test]
fn reminders_of_36_hours_down_are_counted_on_postgres() {
    run(Engine::Postgres, reminders_of_36_hours_down_are_counted);
}

const LATE: usize = 15;
const FRESH: usize = 5;

async fn reminders_of_36_hours_down_are_counted(world: Arc<World>) {
    world.fill(LATE + FRESH).await;
    for row in world.ledger().await.into_iter().take(LATE) {
        let (due_at, expires_at) = (row.due_at - Duration::hours(36), row.expires_at - Duration::hours(36));
        assert!(expires_at < SystemClock.now());
        let mut row = entity::notifications::ActiveModel::from(row);
        (row.due_at, row.expires_at) = (Set(due_at), Set(expires_at));
        row.update(world.app.db.writer()).await.unwrap();
    }
    let server = Running::start(with_metrics(world.afterglow(&["serve"])));
    world.accepted(FRESH as u64).await;
    let ended = |metrics: &BTreeMap<String, f64>, state: &str| -> f64 {
        let of_state = |name: &&String| {
            name.starts_with("notifications_total{") && name.contains(&format!("state=\"{state}\""))
        };
        metrics.iter().filter(|(name, _)| of_state(name)).map(|(_, count)| count).sum()
    };
    eventually("all of them have ended", || async {
        let metrics = server.metrics().await;
        (ended(&metrics, "expired") + ended(&metrics, "accepted") >= (LATE + FRESH) as f64).then_some(())
    })
    .await;
    let metrics = server.metrics().await;
    assert_eq!((ended(&metrics, "expired"), ended(&metrics, "accepted")), (LATE as f64, FRESH as f64));
    assert_eq!(metrics.get("notification_lateness_seconds_count"), Some(&(FRESH as f64)));
    assert!(metrics.contains_key("crisis_resources_age_days"), "{metrics:?}");
    assert_eq!(metrics.get("notifications_claimed_total"), Some(&((LATE + FRESH) as f64)));
}
