//! What becomes of a reminder for every answer a push service can give.

use afterglow::{
    demo::receiver::{PushReceiver, Scripted},
    scheduler,
};
use chrono::Duration;

use crate::{
    harness::{TestApp, both_engines},
    practice::{
        Gate, Overslept, Practice, end, flaws, local, nothing_of, past_the_lease, register, status, topic,
    },
};

both_engines![
    a_due_reminder_is_accepted_and_the_next_one_is_planned_with_it,
    a_device_that_is_gone_is_switched_off_and_the_ledger_says_so,
    a_device_that_subscribed_again_during_the_attempt_stays,
    an_overloaded_service_is_asked_again_when_it_said_and_not_before,
    a_failing_service_is_tried_again_with_the_same_topic,
    a_service_that_stays_away_ends_in_a_ledger_that_says_why,
    refusals_leave_the_origin_alone_and_keep_the_devices,
    what_is_too_late_is_never_sent,
    after_36_hours_down_a_rule_catches_up_at_most_once,
    one_device_that_accepts_is_enough,
    a_second_try_skips_the_devices_that_took_it,
    a_worker_that_overslept_its_lease_changes_nothing,
];

async fn a_due_reminder_is_accepted_and_the_next_one_is_planned_with_it(app: TestApp) {
    let practice = Practice::open(&app).await;
    let phone = practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.at("2026-11-22T13:59");
    assert_eq!(practice.tick().await.claimed, 0);
    practice.at("2026-11-22T14:00");
    let report = practice.tick().await;
    assert_eq!((report.claimed, report.accepted), (1, 1));
    let received = practice.push.received();
    assert_eq!(received.len(), 1);
    assert_eq!(flaws(&received[0]), &[] as &[String]);
    assert_eq!(received[0].header("ttl"), Some("14400"), "until it expires, four hours later");
    assert!(!received[0].plaintext_json["notification"]["title"].as_str().unwrap().is_empty());
    let rows = practice.rows_of(&practice.ana, rule).await;
    assert_eq!(rows.iter().map(end).collect::<Vec<_>>(), [("accepted", ""), ("planned", "")]);
    assert_eq!(rows[0].accepted_at, Some(app.now()));
    assert_eq!(rows[1].due_at, local("2026-11-23T14:00"));
    let deliveries = practice.deliveries(&rows[0]).await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!((deliveries[0].outcome.as_str(), deliveries[0].status), ("accepted", Some(201)));
    assert_eq!(practice.device(&practice.ana, phone).await.last_accepted_at, Some(app.now()));
    assert_eq!(practice.tick().await.claimed, 0, "what was sent is not sent again");
}

async fn a_device_that_is_gone_is_switched_off_and_the_ledger_says_so(app: TestApp) {
    let practice = Practice::open(&app).await;
    let phone = practice.phone(&practice.ana, "phone").await;
    practice.daily(&practice.ana, "14:00").await;
    practice.push.respond_with("phone", vec![status(410)]);
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.suppressed, 1);
    assert_eq!(practice.reads(&practice.ana).await[0], ("suppressed".into(), "no_device".into()));
    let device = practice.device(&practice.ana, phone).await;
    assert_eq!((device.state.as_str(), device.last_failure.as_deref()), ("gone", Some("gone")));
    practice.at("2026-11-23T14:00");
    assert_eq!(practice.tick().await.suppressed, 1);
    assert_eq!(practice.push.received().len(), 1, "what is gone is not tried again");
}

async fn a_device_that_subscribed_again_during_the_attempt_stays(app: TestApp) {
    let practice = Practice::open(&app).await;
    let mut gate = Gate::open().await;
    let device = gate.device(&practice.push);
    let id = register(&practice.ana, &device).await;
    practice.daily(&practice.ana, "14:00").await;
    practice.at("2026-11-22T14:00");
    let state = app.state.clone();
    let sending = tokio::spawn(async move { scheduler::tick(&state).await.unwrap() });
    let attempt = gate.next().await;
    assert_eq!(register(&practice.ana, &device).await, id);
    attempt.answer(410);
    sending.await.unwrap();
    let device = practice.device(&practice.ana, id).await;
    assert_eq!((device.state.as_str(), device.revision), ("active", 2));
}

async fn an_overloaded_service_is_asked_again_when_it_said_and_not_before(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.push.respond_with("phone", vec![status(429).retry_after("120")]);
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.retrying, 1);
    let row = practice.first(&practice.ana, rule).await;
    assert_eq!((row.state.as_str(), row.attempts), ("retrying", 1));
    assert!(row.next_attempt_at >= app.now() + Duration::seconds(120));
    app.advance(Duration::seconds(119));
    assert_eq!(practice.tick().await.claimed, 0);
    app.clock.set(row.next_attempt_at);
    assert_eq!(practice.tick().await.accepted, 1);
    let topics: Vec<String> = practice.push.received().iter().map(topic).collect();
    assert_eq!(topics.len(), 2);
    assert_eq!(topics[0], topics[1]);
    assert_eq!(practice.reads(&practice.ana).await[0].0, "accepted");
}

async fn a_failing_service_is_tried_again_with_the_same_topic(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.push.respond_with("phone", vec![status(500), status(503)]);
    let sent = practice.live_until(&practice.ana, local("2026-11-22T15:00")).await;
    assert_eq!(sent.len(), 1);
    let row = practice.first(&practice.ana, rule).await;
    assert_eq!((row.state.as_str(), row.attempts), ("accepted", 3));
    let received = practice.push.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|push| topic(push) == topic(&received[0])));
}

#[test]
fn a_service_that_never_answers_costs_one_attempt() {
    // Only on one engine: the attempt ends after ten real seconds.
    crate::harness::run(afterglow::db::Engine::Sqlite, async |app: TestApp| {
        let practice = Practice::open(&app).await;
        practice.phone(&practice.ana, "phone").await;
        let rule = practice.daily(&practice.ana, "14:00").await;
        practice.push.respond_with("phone", vec![Scripted::hang()]);
        practice.at("2026-11-22T14:00");
        assert_eq!(practice.tick().await.retrying, 1);
        let row = practice.first(&practice.ana, rule).await;
        assert_eq!(practice.deliveries(&row).await[0].outcome, "unreachable");
        app.clock.set(row.next_attempt_at);
        assert_eq!(practice.tick().await.accepted, 1);
    });
}

async fn a_service_that_stays_away_ends_in_a_ledger_that_says_why(app: TestApp) {
    let mut practice = Practice::open(&app).await;
    let phone = practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    // The device stays subscribed at a port where nobody listens any more.
    practice.push = PushReceiver::start().await.unwrap();
    let expires_at = practice.first(&practice.ana, rule).await.expires_at;
    nothing_of(&practice.live_until(&practice.ana, expires_at).await);
    let row = practice.first(&practice.ana, rule).await;
    assert_eq!(end(&row), ("failed", "unreachable"));
    assert!(row.attempts > 5, "it was tried {} times", row.attempts);
    assert_eq!(practice.reads(&practice.ana).await[0], ("failed".into(), "unreachable".into()));
    let device = practice.device(&practice.ana, phone).await;
    assert_eq!((device.state.as_str(), device.last_failure.as_deref()), ("active", Some("unreachable")));
    let rows = practice.rows_of(&practice.ana, rule).await;
    assert_eq!(rows[1].due_at, local("2026-11-23T14:00"), "the next one is planned all the same");
}

async fn refusals_leave_the_origin_alone_and_keep_the_devices(app: TestApp) {
    let practice = Practice::open(&app).await;
    let mut refused = Vec::new();
    for name in ["eva", "fay", "gil"] {
        let patient = app.patient_of(&practice.bo, name).await;
        let phone = practice.phone(&patient, name).await;
        practice.daily(&patient, "14:00").await;
        practice.push.respond_with(name, vec![status(403)]);
        refused.push((patient, phone));
    }
    practice.phone(&practice.ana, "ana").await;
    practice.daily(&practice.ana, "14:01").await;
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.retrying, 3);
    for (patient, phone) in &refused {
        assert_eq!(practice.device(patient, *phone).await.state, "active");
    }
    practice.at("2026-11-22T14:01");
    assert_eq!(practice.tick().await.accepted, 0);
    let seen = practice.push.received();
    assert!(seen.iter().all(|push| push.device != "ana"), "the origin was not left alone");
    assert_eq!(practice.reads(&practice.ana).await[0].0, "retrying");
    // The service has thought better of it.
    practice.live_until(&practice.ana, local("2026-11-22T14:40")).await;
    assert_eq!(practice.reads(&practice.ana).await[0].0, "accepted");
    for (patient, _) in &refused {
        practice.live_until(patient, local("2026-11-22T15:30")).await;
        assert_eq!(practice.reads(patient).await[0].0, "accepted");
    }
}

async fn what_is_too_late_is_never_sent(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    let expires_at = practice.first(&practice.ana, rule).await.expires_at;
    app.clock.set(expires_at);
    let report = practice.tick().await;
    assert_eq!((report.claimed, report.expired), (1, 1));
    assert_eq!(practice.push.received().len(), 0);
    assert_eq!(practice.reads(&practice.ana).await[0].0, "expired");
}

async fn after_36_hours_down_a_rule_catches_up_at_most_once(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let hourly = serde_json::json!({"kind": "cron", "cron": "0 * * * *"});
    let rule = practice.rule(&practice.ana, "mindfulness", &hourly).await;
    let late = practice.daily(&practice.ana, "11:00").await;
    let evening = practice.daily(&practice.ana, "18:00").await;
    practice.at("2026-11-24T11:30");
    while practice.tick().await.claimed > 0 {}
    // Nobody was reminded of yesterday, and what is planned is ahead.
    for origin in [rule, late, evening] {
        let rows = practice.rows_of(&practice.ana, origin).await;
        let sent = rows.iter().filter(|row| row.state == "accepted").count();
        assert!(sent <= 1, "{sent} of one rule");
        let open: Vec<_> = rows.iter().filter(|row| row.state == "planned").collect();
        assert_eq!(open.len(), 1);
        assert!(open[0].due_at > app.now());
        assert!(rows.iter().any(|row| row.state == "expired"));
    }
    assert_eq!(practice.push.received().len(), 0, "all of it had been due for more than its freshness");
    // A shorter pause: what is still fresh comes, late, and once.
    practice.at("2026-11-24T20:30");
    while practice.tick().await.claimed > 0 {}
    let received = practice.push.received();
    assert_eq!(received.len(), 1);
    let rows = practice.rows_of(&practice.ana, evening).await;
    assert_eq!(rows.iter().filter(|row| row.state == "accepted").count(), 1);
}

async fn one_device_that_accepts_is_enough(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let tablet = practice.phone(&practice.ana, "tablet").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.push.respond_with("tablet", vec![status(500)]);
    practice.at("2026-11-22T14:00");
    assert_eq!(practice.tick().await.accepted, 1);
    let row = practice.first(&practice.ana, rule).await;
    let mut outcomes: Vec<String> =
        practice.deliveries(&row).await.into_iter().map(|delivery| delivery.outcome).collect();
    outcomes.sort();
    assert_eq!(outcomes, ["accepted", "unreachable"]);
    assert_eq!(practice.device(&practice.ana, tablet).await.last_failure.as_deref(), Some("unreachable"));
}

async fn a_second_try_skips_the_devices_that_took_it(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.phone(&practice.ana, "tablet").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.push.respond_with("tablet", vec![status(500)]);
    practice.at("2026-11-22T14:00");
    practice.tick().await;
    // As if the worker had not got so far as to say that one device is enough.
    let row = practice.first(&practice.ana, rule).await;
    app.execute("UPDATE notifications SET state = 'retrying' WHERE id = $1", vec![row.id.0.into()]).await;
    app.advance(past_the_lease(&app));
    practice.tick().await;
    let devices: Vec<String> = practice.push.received().into_iter().map(|push| push.device).collect();
    assert_eq!(devices.iter().filter(|device| *device == "phone").count(), 1);
    assert_eq!(devices.iter().filter(|device| *device == "tablet").count(), 2);
}

async fn a_worker_that_overslept_its_lease_changes_nothing(app: TestApp) {
    let practice = Practice::open(&app).await;
    let mut gate = Gate::open().await;
    let device = gate.device(&practice.push);
    let phone = register(&practice.ana, &device).await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.at("2026-11-22T14:00");
    let Overslept { sleepy, sleeping, slow, other, fast } = Overslept::at(&mut gate, &app).await;
    assert_eq!(fast.topic, slow.topic, "push service and phone collapse the two");
    fast.answer(201);
    assert_eq!(other.await.unwrap().accepted, 1);
    let rows = practice.rows(&practice.ana).await;
    assert_eq!((rows[0].state.as_str(), rows[0].fence), ("accepted", 2));
    let (deliveries, device) =
        (practice.deliveries(&rows[0]).await, practice.device(&practice.ana, phone).await);
    app.advance(Duration::minutes(1));
    slow.answer(410);
    sleeping.await.unwrap();
    assert_eq!(practice.rows(&practice.ana).await, rows);
    assert_eq!(practice.deliveries(&rows[0]).await, deliveries);
    assert_eq!(practice.device(&practice.ana, phone).await, device);
    assert_eq!(practice.rows_of(&practice.ana, rule).await.len(), 2);
    sleepy.db.clone().close().await.unwrap();
}
