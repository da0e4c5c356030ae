//! Whom reminders reach, as those who care for them are told.

use std::collections::HashMap;

use afterglow::reminders::{Reach, reachable};
use chrono::Duration;
use entity::ids::PatientId;
use serde_json::json;

use crate::{
    authz::subscription,
    harness::{Person, TestApp, both_engines, counted},
};

both_engines![reach_says_what_is_in_the_way, everybody_is_asked_about_in_one_statement,];

async fn reach(app: &TestApp, people: &[&Person]) -> Vec<Reach> {
    let ids: Vec<PatientId> = people.iter().map(|one| PatientId(one.id)).collect();
    let found: HashMap<_, _> = reachable(app.conn(), &ids, app.now()).await.unwrap();
    ids.iter().map(|id| found[id]).collect()
}

async fn reach_says_what_is_in_the_way(app: TestApp) {
    let ana = app.patient("ana").await;
    assert_eq!(reach(&app, &[&ana]).await, [Reach::NoDevice]);
    ana.post(
        "/v1/push/subscriptions",
        &subscription("https://updates.push.services.mozilla.com/wpush/v2/reach"),
    )
    .await
    .expect(201);
    assert_eq!(reach(&app, &[&ana]).await, [Reach::Reachable]);

    let failed = app.now() - Duration::hours(1);
    app.execute("UPDATE push_subscriptions SET last_failure_at = $1", vec![failed.into()]).await;
    assert_eq!(reach(&app, &[&ana]).await, [Reach::NotDelivered]);
    app.execute("UPDATE push_subscriptions SET last_accepted_at = $1", vec![app.now().into()]).await;
    assert_eq!(reach(&app, &[&ana]).await, [Reach::Reachable], "it was taken since");

    let until = app.now() + Duration::hours(2);
    ana.put("/v1/me/pause", &json!({"until": until})).await.expect(200);
    assert_eq!(reach(&app, &[&ana]).await, [Reach::Paused]);
    app.clock.advance(Duration::hours(2));
    assert_eq!(reach(&app, &[&ana]).await, [Reach::Reachable], "a pause ends by itself");

    let withdrawn = json!({"purpose": "reminders", "decision": "withdrawn", "text_version": "1"});
    ana.post("/v1/consents", &withdrawn).await.expect(201);
    assert_eq!(reach(&app, &[&ana]).await, [Reach::ConsentWithdrawn]);
    app.clock.advance(Duration::minutes(1));
    let given = json!({"purpose": "reminders", "decision": "given", "text_version": "1"});
    ana.post("/v1/consents", &given).await.expect(201);
    assert_eq!(reach(&app, &[&ana]).await, [Reach::Reachable]);

    app.execute("UPDATE push_subscriptions SET state = 'gone'", vec![]).await;
    assert_eq!(reach(&app, &[&ana]).await, [Reach::NoDevice]);
    app.execute("UPDATE accounts SET state = 'closed' WHERE id = $1", vec![ana.id.into()]).await;
    assert!(reachable(app.conn(), &[PatientId(ana.id)], app.now()).await.unwrap().is_empty());
}

async fn everybody_is_asked_about_in_one_statement(app: TestApp) {
    let (ana, cem) = (app.patient("ana").await, app.patient("cem").await);
    ana.post(
        "/v1/push/subscriptions",
        &subscription("https://updates.push.services.mozilla.com/wpush/v2/reach"),
    )
    .await
    .expect(201);
    let (found, statements) = counted(reach(&app, &[&cem, &ana])).await;
    assert_eq!((found, statements), (vec![Reach::NoDevice, Reach::Reachable], 1));
}
