//! Refresh tokens that are replayed, doubled or lost.

use chrono::Duration;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Person, Reply, TestApp, both_engines};

both_engines![
    s1_a_replayed_refresh_token_ends_the_login,
    s1_a_stolen_token_used_first_ends_both,
    s2_two_refreshes_at_once_get_the_same_successor,
    s2_many_refreshes_at_once_neither_log_out_nor_fork,
    s3_a_lost_answer_is_repeated_for_half_a_minute,
    s3_after_half_a_minute_the_old_token_ends_the_login,
    s3_a_login_ends_when_nobody_uses_it_and_in_any_case,
];

async fn refresh(app: &TestApp, token: &str) -> Reply {
    app.anon().post("/v1/auth/refresh", &json!({ "refresh_token": token })).await
}

fn text(pair: &Value, field: &str) -> String {
    pair[field].as_str().unwrap().to_owned()
}

async fn next(app: &TestApp, token: &str) -> String {
    text(&refresh(app, token).await.expect(200), "refresh_token")
}

async fn is_logged_in(app: &TestApp, access: &str) -> bool {
    let me = app.anon().request(axum::http::Method::GET, "/v1/me").await.bearer(access).send().await;
    assert!([200, 401].contains(&me.status.as_u16()));
    me.status == 200
}

async fn device(app: &TestApp) -> Person {
    app.patient("ana").await;
    app.log_in("ana").await
}

async fn s1_a_replayed_refresh_token_ends_the_login(app: TestApp) {
    let ana = device(&app).await;
    let first = ana.refresh_token();
    let pair = refresh(&app, &first).await.expect(200);
    let third = next(&app, &text(&pair, "refresh_token")).await;
    assert!(is_logged_in(&app, &text(&pair, "access_token")).await);
    refresh(&app, &first).await.refused(401, "unauthenticated");
    assert!(!is_logged_in(&app, &text(&pair, "access_token")).await, "the login survived");
    refresh(&app, &third).await.refused(401, "unauthenticated");
    let rows =
        app.query("SELECT outcome FROM audit_events WHERE action = 'accounts.refresh_reuse'", vec![]).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].try_get::<String>("", "outcome").unwrap(), "refused");
    assert!(
        is_logged_in(&app, &app.patient("ana").await.access_token()).await,
        "another device was logged out too"
    );
}

async fn s1_a_stolen_token_used_first_ends_both(app: TestApp) {
    let ana = device(&app).await;
    let thief = refresh(&app, &ana.refresh_token()).await.expect(200);
    app.advance(Duration::minutes(5));
    refresh(&app, &ana.refresh_token()).await.refused(401, "unauthenticated");
    assert!(!is_logged_in(&app, &text(&thief, "access_token")).await);
    refresh(&app, &text(&thief, "refresh_token")).await.refused(401, "unauthenticated");
}

async fn s2_two_refreshes_at_once_get_the_same_successor(app: TestApp) {
    let ana = device(&app).await;
    let token = ana.refresh_token();
    let (one, other) = tokio::join!(refresh(&app, &token), refresh(&app, &token));
    let (one, other) = (one.expect(200), other.expect(200));
    assert_eq!(one["refresh_token"], other["refresh_token"]);
    next(&app, &text(&one, "refresh_token")).await;
}

async fn s2_many_refreshes_at_once_neither_log_out_nor_fork(app: TestApp) {
    let ana = device(&app).await;
    let mut token = ana.refresh_token();
    for _ in 0..3 {
        let asked: Vec<_> = (0..12)
            .map(|_| {
                let (app, token) = (app.clone(), token.clone());
                tokio::spawn(async move { text(&refresh(&app, &token).await.expect(200), "refresh_token") })
            })
            .collect();
        let mut successors: Vec<String> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
        successors.dedup();
        assert_eq!(successors.len(), 1, "the family has forked");
        assert_ne!(successors[0], token);
        token = successors.remove(0);
    }
    assert!(is_logged_in(&app, &ana.access_token()).await);
}

async fn s3_a_lost_answer_is_repeated_for_half_a_minute(app: TestApp) {
    let ana = device(&app).await;
    let lost = next(&app, &ana.refresh_token()).await;
    app.advance(Duration::seconds(29));
    assert_eq!(next(&app, &ana.refresh_token()).await, lost);
    next(&app, &lost).await;
}

async fn s3_after_half_a_minute_the_old_token_ends_the_login(app: TestApp) {
    let ana = device(&app).await;
    let successor = next(&app, &ana.refresh_token()).await;
    app.advance(Duration::seconds(31));
    refresh(&app, &ana.refresh_token()).await.refused(401, "unauthenticated");
    refresh(&app, &successor).await.refused(401, "unauthenticated");
}

async fn s3_a_login_ends_when_nobody_uses_it_and_in_any_case(app: TestApp) {
    let idle = device(&app).await.refresh_token();
    let mut used = device(&app).await.refresh_token();
    let mut days = 0;
    let ended = loop {
        app.advance(Duration::days(80));
        days += 80;
        let reply = refresh(&app, &used).await;
        if reply.status != 200 {
            break reply;
        }
        used = text(&reply.json(), "refresh_token");
        assert!(days < 365, "it lives for ever");
    };
    assert_eq!(days, 400);
    ended.refused(401, "unauthenticated");
    refresh(&app, &idle).await.refused(401, "unauthenticated");
    let staff = app.log_in("bo").await.refresh_token();
    app.advance(Duration::minutes(29));
    let staff = next(&app, &staff).await;
    app.advance(Duration::minutes(31));
    refresh(&app, &staff).await.refused(401, "unauthenticated");
}
