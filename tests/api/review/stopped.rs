//! Whoever may do nothing any more is told of nothing, and the next one is.

use chrono::Duration;
use serde_json::json;

use super::alerts::{steps, told, very_low};
use crate::{
    authz::assign,
    harness::{TestApp, both_engines, email},
    review::{cover, night, tick},
};

both_engines![
    whoever_was_stopped_is_not_told,
    whoever_was_stopped_is_not_written_to_either,
    whoever_stands_in_and_left_leaves_the_one_who_is_away,
];

async fn whoever_was_stopped_is_not_told(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    let ben = app.patient("ben").await;
    assign(&app, &ana, &dee).await;
    night(&app, &bo, "00:00", "23:59").await;
    app.stop(&dee).await;
    very_low(&ana).await;
    tick(&app).await;
    assert_eq!(told(&app).await, [(bo.id, "alert_care_team".into(), "0".into())]);
    // With nobody else in the care team the step is no step.
    app.stop(&bo).await;
    app.execute("DELETE FROM notifications", vec![]).await;
    let cai = app.therapist("cai").await;
    ben.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    tick(&app).await;
    let found = told(&app).await;
    assert_eq!((steps(&found), found[0].0), (vec![("alert_line", "2")], cai.id));
}

async fn whoever_was_stopped_is_not_written_to_either(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    assign(&app, &ana, &dee).await;
    night(&app, &dee, "00:00", "23:59").await;
    very_low(&ana).await;
    tick(&app).await;
    app.stop(&bo).await;
    let attention: Vec<String> =
        app.mails().await.into_iter().filter(|mail| mail.contains("needs your attention")).collect();
    assert!(attention.len() == 1 && attention[0].contains(&email("dee")), "{attention:?}");
}

async fn whoever_stands_in_and_left_leaves_the_one_who_is_away(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    night(&app, &bo, "00:00", "23:59").await;
    cover(&bo, &dee, app.now(), app.now() + Duration::days(1)).await.expect(201);
    app.stop(&dee).await;
    very_low(&ana).await;
    tick(&app).await;
    assert_eq!(told(&app).await, [(bo.id, "alert_care_team".into(), "0".into())]);
}
