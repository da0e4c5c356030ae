//! Check-ins: the slice to copy.

use axum::http::Method;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines, id_of};

both_engines![
    a_checkin_comes_back_as_it_was_sent,
    only_mood_is_needed,
    a_checkin_lies_on_the_patients_own_calendar,
    a_form_filled_in_offline_keeps_its_time,
    a_very_low_checkin_answers_with_the_card_and_raises_an_alert,
    an_edit_that_becomes_very_low_raises_the_alert_once,
    hopeless_is_answered_with_the_card_and_waits_for_the_next_review,
    three_in_a_row_count_once_a_clinician_has_signed,
    a_patch_keeps_clears_and_sets,
    a_stale_edit_changes_nothing,
    what_the_app_already_has_is_not_sent_again,
    a_deleted_checkin_is_gone_and_buried,
    pages_are_stable_while_checkins_are_added,
    pages_end_and_hold_everything_once,
];

async fn send(ana: &Person, body: &Value) -> Value {
    ana.post("/v1/checkins", body).await.expect(201)
}

fn path(checkin: &Value) -> String {
    format!("/v1/checkins/{}", id_of(checkin))
}

async fn a_checkin_comes_back_as_it_was_sent(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"mood": 6, "anxiety": 3, "energy": 5, "sleep_hours": 7.5, "emotions": ["calm", "tired"],
        "note": "Walked by the river."});
    let reply = ana.post("/v1/checkins", &body).await;
    assert_eq!(reply.headers["etag"], "\"1\"");
    let made = reply.expect(201);
    for field in ["mood", "anxiety", "energy", "sleep_hours", "emotions", "note"] {
        assert_eq!(made[field], body[field], "{field}");
    }
    assert_eq!(made["version"], 1);
    let read = ana.get(&path(&made)).await;
    assert_eq!(read.headers["etag"], "\"1\"");
    assert_eq!(read.expect(200), made);
    assert_eq!(ana.get("/v1/checkins").await.expect(200)["items"], json!([made]));
}

async fn only_mood_is_needed(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = ana.checkin(0).await;
    let names: Vec<&String> = made.as_object().unwrap().keys().collect();
    let mut wanted = [
        "id",
        "version",
        "mood",
        "emotions",
        "taken_at",
        "local_date",
        "local_time",
        "time_zone",
        "created_at",
        "updated_at",
    ];
    wanted.sort_unstable();
    assert_eq!(names, wanted, "absent means none");
}

async fn a_checkin_lies_on_the_patients_own_calendar(app: TestApp) {
    let ana = app.patient("ana").await;
    for (zone, now, date, time) in [
        ("Pacific/Auckland", "2026-11-22T12:30:00Z", "2026-11-23", "01:30"),
        ("America/Los_Angeles", "2026-11-23T07:59:00Z", "2026-11-22", "23:59"),
        ("Asia/Kathmandu", "2026-11-23T18:15:00Z", "2026-11-24", "00:00"),
        ("Europe/Berlin", "2027-03-28T00:59:00Z", "2027-03-28", "01:59"),
        ("Europe/Berlin", "2027-03-28T01:00:00Z", "2027-03-28", "03:00"),
        ("Europe/Berlin", "2027-10-31T00:30:00Z", "2027-10-31", "02:30"),
        ("Europe/Berlin", "2027-10-31T01:30:00Z", "2027-10-31", "02:30"),
    ] {
        app.clock.set(now.parse().unwrap());
        ana.patch("/v1/me", 1, &json!({"time_zone": zone})).await.expect(200);
        let made = ana.checkin(5).await;
        assert_eq!(
            (&made["local_date"], &made["local_time"], &made["time_zone"]),
            (&json!(date), &json!(time), &json!(zone))
        );
    }
}

async fn a_form_filled_in_offline_keeps_its_time(app: TestApp) {
    let ana = app.patient("ana").await;
    let at = |hours: i64| (app.now() + Duration::hours(hours)).to_rfc3339();
    let made =
        send(&ana, &json!({"mood": 5, "taken_at": at(-30), "started_at": at(-31), "scheduled_at": at(-32)}))
            .await;
    let instant = |field: &str| made[field].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert_eq!(instant("taken_at"), app.now() - Duration::hours(30));
    assert_eq!(instant("started_at"), app.now() - Duration::hours(31));
    assert_eq!(instant("created_at"), app.now());
    for field in ["taken_at", "started_at", "scheduled_at"] {
        for wrong in [at(1), at(-367 * 24)] {
            ana.post("/v1/checkins", &json!({"mood": 5, field: wrong})).await.invalid(&format!("/{field}"));
        }
    }
    // Finer than what both engines keep.
    let fine = json!({"mood": 5, "taken_at": "2026-11-22T11:00:00.123987Z"});
    let made = send(&ana, &fine).await;
    assert_eq!(ana.get(&path(&made)).await.expect(200), made);
}

async fn a_very_low_checkin_answers_with_the_card_and_raises_an_alert(app: TestApp) {
    let ana = app.patient("ana").await;
    for (body, low) in [
        (json!({"mood": 1, "anxiety": 8}), true),
        (json!({"mood": 0, "emotions": ["hopeless"]}), true),
        (json!({"mood": 1, "anxiety": 7}), false),
        (json!({"mood": 2, "anxiety": 10}), false),
        (json!({"mood": 0}), false),
    ] {
        let before = app.count("alerts").await;
        let made = send(&ana, &body).await;
        assert_eq!(made["crisis_card"]["message"].is_string(), low, "{body}");
        assert_eq!(app.count("alerts").await - before, i64::from(low), "{body}");
    }
    ana.patch("/v1/me", 1, &json!({"locale": "es-MX"})).await.expect(200);
    let made = send(&ana, &json!({"mood": 1, "anxiety": 9})).await;
    assert!(made["crisis_card"]["message"].as_str().unwrap().contains("crisis"), "{made}");
    let english = send(&app.patient("ben").await, &json!({"mood": 1, "anxiety": 9})).await;
    assert_ne!(english["crisis_card"], made["crisis_card"]);
    let ben = app.patient("ben").await.id;
    let rows = app.query("SELECT level, source_id FROM alerts WHERE patient_id = $1", vec![ben.into()]).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].try_get::<String>("", "level").unwrap(), "moderate");
    assert_eq!(rows[0].try_get::<uuid::Uuid>("", "source_id").unwrap().to_string(), id_of(&english));
}

async fn an_edit_that_becomes_very_low_raises_the_alert_once(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = ana.checkin(6).await;
    let low = ana.patch(&path(&made), 1, &json!({"mood": 0, "anxiety": 10})).await.expect(200);
    assert!(low["crisis_card"]["message"].is_string());
    ana.patch(&path(&made), 2, &json!({"mood": 9})).await.expect(200);
    ana.patch(&path(&made), 3, &json!({"mood": 1})).await.expect(200);
    assert_eq!(app.count("alerts").await, 1);
}

/// The rules that raised an alert, in the order of their alerts.
async fn raised(app: &TestApp) -> Vec<String> {
    let rows = app.query("SELECT rule FROM alerts ORDER BY raised_at, id", vec![]).await;
    rows.iter().map(|row| row.try_get("", "rule").unwrap()).collect()
}

async fn hopeless_is_answered_with_the_card_and_waits_for_the_next_review(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let hopeless = json!({"mood": 5, "emotions": ["hopeless"]});
    for _ in 0..2 {
        let made = send(&ana, &hopeless).await;
        assert!(!made["crisis_card"]["message"].as_str().unwrap().is_empty(), "{made}");
    }
    assert_eq!(raised(&app).await, ["checkin-hopeless"], "while it is open it stands for the next one");
    let seen = bo.get("/v1/alerts").await.expect(200)["items"][0].clone();
    assert_eq!((&seen["level"], seen.get("next_step_at")), (&json!("info"), None));
    // It stands for nothing graver.
    let made = ana.checkin(5).await;
    ana.patch(&path(&made), 1, &json!({"emotions": ["hopeless"]})).await.expect(200);
    app.advance(Duration::minutes(1));
    let low = ana.patch(&path(&made), 2, &json!({"mood": 0})).await.expect(200);
    assert!(low["crisis_card"]["message"].is_string());
    assert_eq!(raised(&app).await, ["checkin-hopeless", "checkin-very-low"]);
}

async fn three_in_a_row_count_once_a_clinician_has_signed(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let day = async |mood: i64, hours: f64| {
        app.advance(Duration::days(1));
        send(&ana, &json!({"mood": mood, "sleep_hours": hours})).await
    };
    for _ in 0..3 {
        assert!(day(2, 3.5).await.get("crisis_card").is_none());
    }
    assert_eq!(raised(&app).await, [""; 0], "nobody has signed");
    let read = bo.get("/v1/clinic/form-thresholds").await.expect(200);
    let content = json!({"content": read["content"]});
    bo.put("/v1/clinic/form-thresholds/signature", &content).await.expect(200);
    assert!(day(1, 8.0).await["crisis_card"]["message"].is_string());
    assert_eq!(raised(&app).await, ["checkin-low-three-days"]);
    assert!(day(2, 3.0).await["crisis_card"]["message"].is_string(), "each time");
    day(6, 3.0).await;
    assert_eq!(raised(&app).await.len(), 1, "one that is open stands for the next");
    assert!(day(6, 3.0).await.get("crisis_card").is_none());
    assert_eq!(raised(&app).await, ["checkin-low-three-days", "checkin-little-sleep"]);
    // Filled in offline, for the days before: what came later is not before it.
    let late = json!({"mood": 2, "taken_at": app.now() - Duration::days(5)});
    send(&ana, &late).await;
    let open = bo.get("/v1/alerts").await.expect(200)["items"].as_array().unwrap().clone();
    for alert in &open {
        let path = format!("/v1/alerts/{}/acknowledge", id_of(alert));
        bo.post(&path, &json!({"reason": "Called her."})).await.expect(200);
    }
    day(2, 8.0).await;
    day(2, 8.0).await;
    assert_eq!(raised(&app).await.len(), 2);
    day(2, 8.0).await;
    assert_eq!(raised(&app).await[2], "checkin-low-three-days", "after the acknowledgement anew");
}

async fn a_patch_keeps_clears_and_sets(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = json!({"mood": 6, "anxiety": 3, "energy": 5, "sleep_hours": 7.5, "emotions": ["calm"], "note": "words"});
    let made = send(&ana, &body).await;
    let kept = ana.patch(&path(&made), 1, &json!({})).await.expect(200);
    assert_eq!((&kept["note"], &kept["anxiety"], &kept["version"]), (&json!("words"), &json!(3), &json!(2)));
    app.advance(Duration::minutes(1));
    let clear = json!({"anxiety": null, "energy": null, "sleep_hours": null, "emotions": null, "note": null});
    let cleared = ana.patch(&path(&made), 2, &clear).await.expect(200);
    assert!(
        ["anxiety", "energy", "sleep_hours", "note"].iter().all(|field| cleared.get(field).is_none()),
        "{cleared}"
    );
    assert_eq!((&cleared["emotions"], &cleared["mood"]), (&json!([]), &json!(6)));
    assert_ne!(cleared["updated_at"], made["updated_at"]);
    assert_eq!(cleared["created_at"], made["created_at"]);
    let rows = app.query("SELECT detail_sealed FROM checkins WHERE detail_sealed IS NOT NULL", vec![]).await;
    assert_eq!(rows.len(), 0);
    let set = ana.patch(&path(&made), 3, &json!({"note": "other", "sleep_hours": 8})).await.expect(200);
    assert_eq!((&set["note"], &set["sleep_hours"]), (&json!("other"), &json!(8.0)));
    assert_eq!(ana.get(&path(&made)).await.expect(200), set);
    for (patch, pointer) in [
        (json!({"mood": 11}), "/mood"),
        (json!({"note": ""}), "/note"),
        (json!({"taken_at": "x"}), "/taken_at"),
    ] {
        ana.patch(&path(&made), 4, &patch).await.invalid(pointer);
    }
}

async fn what_the_app_already_has_is_not_sent_again(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = send(&ana, &json!({"mood": 4})).await;
    let ask = async |etag: &str| {
        ana.request(Method::GET, &path(&made)).await.header("if-none-match", etag).send().await
    };
    let known = ask("\"1\"").await;
    assert_eq!(
        (known.status.as_u16(), known.body.len(), &known.headers["etag"]),
        (304, 0, &"\"1\"".parse().unwrap())
    );
    assert_eq!(ask("\"7\", \"1\"").await.status.as_u16(), 304);
    ana.patch(&path(&made), 1, &json!({"mood": 5})).await.expect(200);
    assert_eq!(ask("\"1\"").await.expect(200)["mood"], 5);
    ana.delete_at(&path(&made), 2).await.expect(204);
    ask("\"2\"").await.refused(404, "not_found");
}

async fn a_stale_edit_changes_nothing(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = ana.checkin(6).await;
    ana.patch(&path(&made), 1, &json!({"mood": 7})).await.expect(200);
    for version in [0, 1, 3, -1] {
        ana.patch(&path(&made), version, &json!({"mood": 1})).await.refused(412, "stale_version");
        ana.delete_at(&path(&made), version).await.refused(412, "stale_version");
    }
    assert_eq!(ana.get(&path(&made)).await.expect(200)["mood"], 7);
}

async fn a_deleted_checkin_is_gone_and_buried(app: TestApp) {
    let ana = app.patient("ana").await;
    let made = ana.checkin(6).await;
    ana.delete_at(&path(&made), 1).await.expect(204);
    ana.get(&path(&made)).await.refused(404, "not_found");
    ana.delete_at(&path(&made), 1).await.refused(404, "not_found");
    assert_eq!((app.count("checkins").await, app.count("tombstones").await), (0, 1));
}

async fn page(ana: &Person, limit: usize, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    let list = ana.get(&format!("/v1/checkins?limit={limit}{cursor}")).await.expect(200);
    let ids = list["items"].as_array().unwrap().iter().map(id_of).collect();
    (ids, list["next_cursor"].as_str().map(str::to_owned))
}

async fn pages_are_stable_while_checkins_are_added(app: TestApp) {
    let ana = app.patient("ana").await;
    let mut made = Vec::new();
    for _ in 0..6 {
        app.advance(Duration::minutes(1));
        made.insert(0, id_of(&ana.checkin(5).await));
    }
    let (first, cursor) = page(&ana, 3, None).await;
    app.advance(Duration::minutes(1));
    ana.checkin(9).await;
    send(&ana, &json!({"mood": 1, "taken_at": (app.now() - Duration::days(2)).to_rfc3339()})).await;
    ana.delete_at(&format!("/v1/checkins/{}", made[2]), 1).await.expect(204);
    let (second, cursor) = page(&ana, 3, cursor.as_deref()).await;
    assert_eq!([first, second].concat(), made);
    assert_eq!(page(&ana, 3, cursor.as_deref()).await.0.len(), 1, "what was added behind comes behind");
}

async fn pages_end_and_hold_everything_once(app: TestApp) {
    let ana = app.patient("ana").await;
    assert_eq!(page(&ana, 1, None).await, (vec![], None));
    // All of one instant: only the id tells them apart.
    let mut made = Vec::new();
    for _ in 0..25 {
        made.push(id_of(&ana.checkin(5).await));
    }
    made.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(page(&ana, 100, None).await, (made.clone(), None));
    assert_eq!(page(&ana, 25, None).await, (made.clone(), None));
    assert_eq!(ana.get("/v1/checkins").await.expect(200)["items"].as_array().unwrap().len(), 20);
    let (mut seen, mut cursor) = page(&ana, 7, None).await;
    while let Some(next) = cursor {
        let (more, after) = page(&ana, 7, Some(&next)).await;
        assert!(!more.is_empty());
        seen.extend(more);
        cursor = after;
    }
    assert_eq!(seen, made);
}
