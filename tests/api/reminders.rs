//! Standing reminders and the ledger.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![
    each_kind_of_rule_says_when_it_comes_next,
    rules_keep_the_wall_clock_across_summer_time,
    what_is_wrong_with_a_rule_is_named,
    a_rule_plans_exactly_its_next_occurrence,
    a_switched_off_rule_plans_nothing,
    a_patch_keeps_clears_and_sets,
    a_deleted_rule_takes_its_plan_along,
    nobody_has_more_than_fifty,
    a_patient_who_moves_is_reminded_at_the_same_wall_clock_time,
    the_ledger_speaks_the_patients_own_words,
    marks_are_noted_once_and_by_their_owner,
];

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn set(ana: &Person, schedule: Value) -> Value {
    let body = json!({"category": "mindfulness", "schedule": schedule});
    ana.post("/v1/reminders", &body).await.expect(201)
}

fn path(reminder: &Value) -> String {
    format!("/v1/reminders/{}", id_of(reminder))
}

fn locals(reminder: &Value) -> Vec<&str> {
    reminder["next"].as_array().unwrap().iter().map(|next| next["local"].as_str().unwrap()).collect()
}

/// When the planned occurrences of rules are due.
async fn due(app: &TestApp) -> Vec<DateTime<Utc>> {
    let sql =
        "SELECT due_at FROM notifications WHERE state = 'planned' AND origin_kind = 'rule' ORDER BY due_at";
    app.query(sql, vec![]).await.iter().map(|row| row.try_get("", "due_at").unwrap()).collect()
}

#[expect(clippy::too_many_lines, reason = "a table, as long as it is")]
async fn each_kind_of_rule_says_when_it_comes_next(app: TestApp) {
    let ana = app.patient("ana").await;
    // It is Sunday, 22 November, 13:00 in Berlin.
    for (schedule, next) in [
        (
            json!({"kind": "daily", "time": "20:00"}),
            [
                "2026-11-22T20:00:00",
                "2026-11-23T20:00:00",
                "2026-11-24T20:00:00",
                "2026-11-25T20:00:00",
                "2026-11-26T20:00:00",
            ],
        ),
        (
            json!({"kind": "daily", "time": "13:00"}),
            [
                "2026-11-23T13:00:00",
                "2026-11-24T13:00:00",
                "2026-11-25T13:00:00",
                "2026-11-26T13:00:00",
                "2026-11-27T13:00:00",
            ],
        ),
        (
            json!({"kind": "weekdays", "time": "09:30"}),
            [
                "2026-11-23T09:30:00",
                "2026-11-24T09:30:00",
                "2026-11-25T09:30:00",
                "2026-11-26T09:30:00",
                "2026-11-27T09:30:00",
            ],
        ),
        (
            json!({"kind": "weekly", "days": ["mon", "thu"], "time": "10:00"}),
            [
                "2026-11-23T10:00:00",
                "2026-11-26T10:00:00",
                "2026-11-30T10:00:00",
                "2026-12-03T10:00:00",
                "2026-12-07T10:00:00",
            ],
        ),
        (
            json!({"kind": "every_n_days", "every_days": 3, "starting": "2026-11-21", "time": "10:00"}),
            [
                "2026-11-24T10:00:00",
                "2026-11-27T10:00:00",
                "2026-11-30T10:00:00",
                "2026-12-03T10:00:00",
                "2026-12-06T10:00:00",
            ],
        ),
        (
            json!({"kind": "cron", "cron": "30 8 * * MON-FRI"}),
            [
                "2026-11-23T08:30:00",
                "2026-11-24T08:30:00",
                "2026-11-25T08:30:00",
                "2026-11-26T08:30:00",
                "2026-11-27T08:30:00",
            ],
        ),
        (
            json!({"kind": "cron", "cron": "0 9 29 2 *"}),
            [
                "2028-02-29T09:00:00",
                "2032-02-29T09:00:00",
                "2036-02-29T09:00:00",
                "2040-02-29T09:00:00",
                "2044-02-29T09:00:00",
            ],
        ),
    ] {
        let made = set(&ana, schedule.clone()).await;
        assert_eq!(locals(&made), next, "{schedule}");
        assert_eq!(made["schedule"], schedule);
        assert_eq!(ana.get(&path(&made)).await.expect(200), made);
    }
    assert_eq!(ana.get("/v1/reminders").await.expect(200)["items"].as_array().unwrap().len(), 7);
}

async fn rules_keep_the_wall_clock_across_summer_time(app: TestApp) {
    let ana = app.patient("ana").await;
    for (now, cron, instants) in [
        // 02:30 does not exist on the 28th: it comes at 03:30 of summer time.
        (
            "2027-03-26T12:00:00Z",
            "30 2 * * *",
            ["2027-03-27T01:30:00Z", "2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z"],
        ),
        // 02:30 comes twice on the 31st: the first counts, once.
        (
            "2027-10-29T12:00:00Z",
            "30 2 * * *",
            ["2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"],
        ),
        (
            "2027-03-26T20:00:00Z",
            "0 20 * * *",
            ["2027-03-27T19:00:00Z", "2027-03-28T18:00:00Z", "2027-03-29T18:00:00Z"],
        ),
    ] {
        app.clock.set(at(now));
        let made = set(&ana, json!({"kind": "cron", "cron": cron})).await;
        let next: Vec<DateTime<Utc>> = made["next"]
            .as_array()
            .unwrap()
            .iter()
            .take(3)
            .map(|next| at(next["at"].as_str().unwrap()))
            .collect();
        assert_eq!(next, instants.map(at), "{now} {cron}");
        ana.delete_at(&path(&made), 1).await.expect(204);
    }
}

#[expect(clippy::too_many_lines, reason = "a table, as long as it is")]
async fn what_is_wrong_with_a_rule_is_named(app: TestApp) {
    let ana = app.patient("ana").await;
    let long = format!("0 8 {} * *", "1,".repeat(60) + "1");
    let with_cron = |text: &str| (json!({"kind": "cron", "cron": text}), "/schedule/cron");
    let mut wrong = vec![
        (json!({}), "/schedule/kind"),
        (json!({"kind": "hourly"}), "/schedule/kind"),
        (json!({"kind": "daily"}), "/schedule/time"),
        (json!({"kind": "daily", "time": "8:00"}), "/schedule/time"),
        (json!({"kind": "daily", "time": "24:00"}), "/schedule/time"),
        (json!({"kind": "daily", "time": "08:60"}), "/schedule/time"),
        (json!({"kind": "daily", "time": 800}), "/schedule/time"),
        (json!({"kind": "weekly", "time": "08:00"}), "/schedule/days"),
        (json!({"kind": "weekly", "time": "08:00", "days": []}), "/schedule/days"),
        (json!({"kind": "weekly", "time": "08:00", "days": ["monday"]}), "/schedule/days"),
        (json!({"kind": "weekly", "time": "08:00", "days": ["mon", "mon"]}), "/schedule/days"),
        (json!({"kind": "every_n_days", "time": "08:00", "starting": "2026-11-21"}), "/schedule/every_days"),
        (
            json!({"kind": "every_n_days", "time": "08:00", "every_days": 0, "starting": "2026-11-21"}),
            "/schedule/every_days",
        ),
        (
            json!({"kind": "every_n_days", "time": "08:00", "every_days": 367, "starting": "2026-11-21"}),
            "/schedule/every_days",
        ),
        (
            json!({"kind": "every_n_days", "time": "08:00", "every_days": -1, "starting": "2026-11-21"}),
            "/schedule/every_days",
        ),
        (json!({"kind": "every_n_days", "time": "08:00", "every_days": 2}), "/schedule/starting"),
        (
            json!({"kind": "every_n_days", "time": "08:00", "every_days": 2, "starting": "2026-02-30"}),
            "/schedule/starting",
        ),
        (
            json!({"kind": "every_n_days", "time": "08:00", "every_days": 2, "starting": "1969-12-31"}),
            "/schedule/starting",
        ),
        (
            json!({"kind": "every_n_days", "time": "08:00", "every_days": 2, "starting": "+262142-12-31"}),
            "/schedule/starting",
        ),
        (json!({"kind": "cron"}), "/schedule/cron"),
        (json!({"kind": "daily", "time": "08:00", "zone": "UTC"}), "/schedule/zone"),
    ];
    wrong.extend(
        [
            "",
            "*",
            "0 8 * *",
            "0 0 8 * * *",
            "0 8 * * 1",
            "0 8 * * MON-FRI *",
            "@daily",
            "60 8 * * *",
            "0 24 * * *",
            "0 8 32 * *",
            "0 8 * 13 *",
            "0 8 30 2 *",
            "* * * * *",
            "*/5 * * * *",
            "0,30 8 * * *",
            "0 8 1 * MON",
            "0 8 L * *",
            "0 8 * * MON#1",
            "-1 8 * * *",
            "0 8 * * \u{1f424}",
            "0 8 * * *; DROP TABLE reminders",
            "0\t8\u{a0}* * *",
            &long,
        ]
        .map(with_cron),
    );
    for (schedule, pointer) in wrong {
        let body = json!({"category": "mindfulness", "schedule": schedule});
        ana.post("/v1/reminders", &body).await.invalid(pointer);
    }
    let good = json!({"kind": "daily", "time": "08:00"});
    for (field, value) in [
        ("category", json!("astrology")),
        ("title", json!("")),
        ("title", json!("x".repeat(81))),
        ("body", json!("x".repeat(401))),
        ("active", json!("yes")),
        ("schedule", json!("daily")),
    ] {
        let mut body = json!({"category": "mindfulness", "schedule": good});
        body[field] = value;
        ana.post("/v1/reminders", &body).await.invalid(&format!("/{field}"));
    }
    let made = set(&ana, good).await;
    ana.patch(&path(&made), 1, &json!({"schedule": {"kind": "cron", "cron": "x"}}))
        .await
        .invalid("/schedule/cron");
    assert_eq!((app.count("reminders").await, app.count("notifications").await), (1, 1));
}

async fn a_rule_plans_exactly_its_next_occurrence(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = set(&ana, json!({"kind": "daily", "time": "20:00"})).await;
    assert_eq!(due(&app).await, [at("2026-11-22T19:00:00Z")]);
    ana.patch(&path(&made), 1, &json!({"schedule": {"kind": "daily", "time": "09:00"}})).await.expect(200);
    assert_eq!(due(&app).await, [at("2026-11-23T08:00:00Z")]);
    ana.patch(&path(&made), 2, &json!({"title": "other words"})).await.expect(200);
    assert_eq!(due(&app).await, [at("2026-11-23T08:00:00Z")]);
}

async fn a_switched_off_rule_plans_nothing(app: TestApp) {
    let ana = app.patient("ana").await;
    let body =
        json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"}, "active": false});
    let made = ana.post("/v1/reminders", &body).await.expect(201);
    assert_eq!((&made["next"], due(&app).await.len()), (&json!([]), 0));
    let on = ana.patch(&path(&made), 1, &json!({"active": true})).await.expect(200);
    assert_eq!((locals(&on).len(), due(&app).await.len()), (5, 1));
    ana.patch(&path(&made), 2, &json!({"active": false})).await.expect(200);
    assert_eq!(due(&app).await.len(), 0);
    ana.patch(&path(&made), 3, &json!({"active": true})).await.expect(200);
    assert_eq!(due(&app).await, [at("2026-11-22T19:00:00Z")], "switched off and on again, it comes");
}

async fn a_patch_keeps_clears_and_sets(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "20:00"}, "title": "t", "body": "b"});
    let made = ana.post("/v1/reminders", &body).await.expect(201);
    let kept = ana.patch(&path(&made), 1, &json!({})).await.expect(200);
    assert_eq!((&kept["title"], &kept["body"], &kept["version"]), (&json!("t"), &json!("b"), &json!(2)));
    let cleared = ana.patch(&path(&made), 2, &json!({"title": null, "body": null})).await.expect(200);
    assert!(cleared.get("title").is_none() && cleared.get("body").is_none());
    ana.patch(&path(&made), 2, &json!({"title": "late"})).await.refused(412, "stale_version");
    assert_eq!(ana.get(&path(&made)).await.expect(200), cleared);
}

async fn a_deleted_rule_takes_its_plan_along(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = set(&ana, json!({"kind": "daily", "time": "20:00"})).await;
    ana.delete_at(&path(&made), 1).await.expect(204);
    ana.get(&path(&made)).await.refused(404, "not_found");
    assert_eq!(due(&app).await.len(), 0);
    let ledger = ana.get("/v1/notifications").await.expect(200);
    assert_eq!(ledger["items"][0]["state"], "cancelled");
    assert_eq!(app.count("tombstones").await, 1);
}

async fn nobody_has_more_than_fifty(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    for number in 0..50 {
        set(&ana, json!({"kind": "daily", "time": format!("10:{number:02}")})).await;
    }
    let body = json!({"category": "mindfulness", "schedule": {"kind": "daily", "time": "11:00"}});
    ana.post("/v1/reminders", &body).await.refused(409, "too_many_reminders");
    assert_eq!(ana.get("/v1/reminders").await.expect(200)["items"].as_array().unwrap().len(), 50);
    ben.post("/v1/reminders", &body).await.expect(201);
}

async fn a_patient_who_moves_is_reminded_at_the_same_wall_clock_time(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = set(&ana, json!({"kind": "daily", "time": "20:00"})).await;
    assert_eq!(due(&app).await, [at("2026-11-22T19:00:00Z")]);
    ana.patch("/v1/me", 1, &json!({"time_zone": "America/New_York"})).await.expect(200);
    assert_eq!(due(&app).await, [at("2026-11-23T01:00:00Z")]);
    let seen = ana.get(&path(&made)).await.expect(200);
    assert_eq!((locals(&seen)[0], locals(&made)[0]), ("2026-11-22T20:00:00", "2026-11-22T20:00:00"));
    ana.patch("/v1/me", 1, &json!({"time_zone": "Asia/Tokyo"})).await.expect(200);
    // There it is 21:00: today's has not come yet, and is still of use.
    assert_eq!(due(&app).await, [at("2026-11-22T11:00:00Z")]);
    ana.patch("/v1/me", 1, &json!({"time_zone": "Pacific/Auckland"})).await.expect(200);
    // And there it is night: the next one is tomorrow's.
    assert_eq!(due(&app).await, [at("2026-11-23T07:00:00Z")]);
}

async fn the_ledger_speaks_the_patients_own_words(app: TestApp) {
    let ana = app.patient("ana").await;
    let schedule = json!({"kind": "daily", "time": "20:00"});
    let body = json!({"category": "mindfulness", "schedule": schedule, "title": "By the window", "body": "Two minutes."});
    ana.post("/v1/reminders", &body).await.expect(201);
    set(&ana, json!({"kind": "daily", "time": "19:00"})).await;
    let ledger = ana.get("/v1/notifications").await.expect(200);
    let lines = ledger["items"].as_array().unwrap();
    assert_eq!((&lines[0]["title"], &lines[0]["body"]), (&json!("By the window"), &json!("Two minutes.")));
    assert!(!lines[1]["title"].as_str().unwrap().is_empty());
    assert_eq!((&lines[0]["state"], &lines[0]["attempts"], lines.len()), (&json!("planned"), &json!(0), 2));
    ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    let spanish = ana.get("/v1/notifications").await.expect(200);
    assert_ne!(spanish["items"][1]["title"], lines[1]["title"]);
}

async fn marks_are_noted_once_and_by_their_owner(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    set(&ana, json!({"kind": "daily", "time": "20:00"})).await;
    let id = id_of(&ana.get("/v1/notifications").await.expect(200)["items"][0]);
    for (mark, field) in [("opened", "opened_at"), ("done", "done_at")] {
        let path = format!("/v1/notifications/{id}/{mark}");
        ben.post(&path, &json!({})).await.refused(404, "not_found");
        ana.post(&path, &json!({})).await.expect(204);
        let first = ana.get("/v1/notifications").await.expect(200)["items"][0][field].clone();
        assert_eq!(at(first.as_str().unwrap()), app.now());
        app.advance(Duration::minutes(1));
        ana.post(&path, &json!({})).await.expect(204);
        assert_eq!(ana.get("/v1/notifications").await.expect(200)["items"][0][field], first);
    }
}
