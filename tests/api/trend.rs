//! Trends of check-ins: on the patient's own calendar, for her and for whoever takes part in her care.

use chrono::Duration;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, both_engines};

both_engines![
    a_trend_counts_on_the_patients_own_dates,
    weeks_begin_on_monday,
    sessions_are_marked_on_the_patients_own_dates,
    a_span_that_makes_no_sense_is_refused,
    a_trend_holds_nobody_elses_numbers_and_no_words,
    her_therapist_reads_the_same_and_it_is_recorded,
];

const PATH: &str = "/v1/checkins/trend";

async fn at(ana: &Person, taken_at: &str, body: Value) {
    let mut body = body;
    body["taken_at"] = json!(taken_at);
    ana.post("/v1/checkins", &body).await.expect(201);
}

async fn trend(who: &Person, query: &str) -> Value {
    who.get(&format!("{PATH}?{query}")).await.expect(200)
}

async fn a_trend_counts_on_the_patients_own_dates(app: TestApp) {
    let ana = app.patient("ana").await;
    // In Berlin the first of these is still Friday, the others are Saturday.
    at(&ana, "2026-11-20T22:59:00Z", json!({"mood": 1})).await;
    at(&ana, "2026-11-20T23:01:00Z", json!({"mood": 4, "anxiety": 3, "sleep_hours": 7.5})).await;
    at(&ana, "2026-11-21T12:00:00Z", json!({"mood": 7, "energy": 2, "sleep_hours": 6})).await;
    let found = trend(&ana, "from=2026-11-20&to=2026-11-22").await;
    assert_eq!(
        (&found["from"], &found["to"], &found["bucket"]),
        (&json!("2026-11-20"), &json!("2026-11-22"), &json!("day"))
    );
    let value = |mean: f64, min: f64, max: f64, count: i64| json!({"mean": mean, "min": min, "max": max, "count": count});
    let days = json!([
        {"start": "2026-11-20", "end": "2026-11-20", "count": 1, "mood": value(1.0, 1.0, 1.0, 1)},
        {"start": "2026-11-21", "end": "2026-11-21", "count": 2, "mood": value(5.5, 4.0, 7.0, 2),
            "anxiety": value(3.0, 3.0, 3.0, 1), "energy": value(2.0, 2.0, 2.0, 1), "sleep_hours": value(6.75, 6.0, 7.5, 2)},
    ]);
    assert_eq!(found["buckets"], days);
    assert_eq!(trend(&ana, "from=2026-11-21&to=2026-11-21").await["buckets"], json!([days[1]]));
    assert_eq!(trend(&ana, "").await["buckets"], days, "the last thirty days");
    // Those dates are the ones of where she was.
    ana.patch("/v1/me", 1, &json!({"time_zone": "Pacific/Auckland"})).await.expect(200);
    assert_eq!(trend(&ana, "from=2026-11-20&to=2026-11-22").await["buckets"], days);
}

async fn weeks_begin_on_monday(app: TestApp) {
    let ana = app.patient("ana").await;
    for (taken_at, mood) in
        [("2026-11-15T12:00:00Z", 2), ("2026-11-16T12:00:00Z", 4), ("2026-11-22T10:00:00Z", 6)]
    {
        at(&ana, taken_at, json!({ "mood": mood })).await;
    }
    let weeks = trend(&ana, "from=2026-11-01&to=2026-11-22&bucket=week").await["buckets"].clone();
    let found: Vec<(&str, &str, i64)> = weeks
        .as_array()
        .unwrap()
        .iter()
        .map(|week| {
            (week["start"].as_str().unwrap(), week["end"].as_str().unwrap(), week["count"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(found, [("2026-11-09", "2026-11-15", 1), ("2026-11-16", "2026-11-22", 2)]);
    let cut = trend(&ana, "from=2026-11-17&to=2026-11-22&bucket=week").await["buckets"].clone();
    assert_eq!(
        (&cut[0]["start"], &cut[0]["count"]),
        (&json!("2026-11-16"), &json!(1)),
        "only days of the span count"
    );
}

async fn sessions_are_marked_on_the_patients_own_dates(app: TestApp) {
    let (ana, bo) = (app.patient("ana").await, app.therapist("bo").await);
    let day = |text: &str| text.parse().unwrap();
    bo.schedule(&ana, "integration", day("2026-11-25T12:00:00Z")).await;
    bo.schedule(&ana, "preparation", day("2026-11-23T23:30:00Z")).await;
    let off = bo.schedule(&ana, "dosing", day("2026-11-24T12:00:00Z")).await;
    bo.step(&format!("/v1/sessions/{}/cancel", off["id"].as_str().unwrap()), 1).await.expect(200);
    let found = trend(&ana, "from=2026-11-24&to=2026-11-25").await;
    let marks = json!([{"kind": "preparation", "local_date": "2026-11-24"}, {"kind": "integration", "local_date": "2026-11-25"}]);
    assert_eq!(found["sessions"], marks);
    assert_eq!(trend(&ana, "from=2026-11-23&to=2026-11-23").await["sessions"], json!([]));
}

async fn a_span_that_makes_no_sense_is_refused(app: TestApp) {
    let ana = app.patient("ana").await;
    for (query, pointer) in [
        ("from=2026-11-22&to=2026-11-21", "query/to"),
        ("from=2026-01-01&to=2027-02-05", "query/to"),
        ("from=2027-01-01", "query/to"),
        ("from=yesterday&to=2026-11-21", "query/from"),
        ("from=2026-02-30&to=2026-11-21", "query/from"),
        ("from=0000-01-01&to=2026-11-21", "query/from"),
        ("from=2026-11-21&to=%2B262142-12-31", "query/to"),
        ("from=2026-11-21&to=2026-11-21&bucket=month", "query/bucket"),
        ("from=2026-11-21&from=2026-11-21", "query/from"),
        ("limit=5", "query/limit"),
    ] {
        ana.get(&format!("{PATH}?{query}")).await.invalid(pointer);
    }
    ana.get(&format!("{PATH}?from=2026-01-01&to=2027-02-04")).await.expect(200);
}

async fn a_trend_holds_nobody_elses_numbers_and_no_words(app: TestApp) {
    let (ana, ben) = (app.patient("ana").await, app.patient("ben").await);
    let bo = app.therapist("bo").await;
    at(&ana, "2026-11-22T10:00:00Z", json!({"mood": 5, "note": "only mine", "emotions": ["calm"]})).await;
    at(&ben, "2026-11-22T10:00:00Z", json!({"mood": 9})).await;
    bo.schedule(&ben, "integration", app.now()).await;
    let found = trend(&ana, "from=2026-11-22&to=2026-11-22").await;
    assert_eq!((&found["buckets"][0]["count"], &found["sessions"]), (&json!(1), &json!([])));
    let theirs = bo.get(&format!("/v1/patients/{}{}", ana.id, &PATH[3..])).await.expect(200);
    for text in [found.to_string(), theirs.to_string()] {
        assert!(!text.contains("mine") && !text.contains("calm"), "{text}");
    }
}

async fn her_therapist_reads_the_same_and_it_is_recorded(app: TestApp) {
    let (ana, bo, dee) = (app.patient("ana").await, app.therapist("bo").await, app.therapist("dee").await);
    at(&ana, "2026-11-22T10:00:00Z", json!({"mood": 5})).await;
    app.advance(Duration::minutes(1));
    let path = format!("/v1/patients/{}/checkins/trend?bucket=week", ana.id);
    assert_eq!(bo.get(&path).await.expect(200), trend(&ana, "bucket=week").await);
    let sql = "SELECT outcome FROM audit_events WHERE action = 'checkins.trend' AND subject_id = $1";
    assert_eq!(app.query(sql, vec![ana.id.into()]).await.len(), 1);
    dee.get(&path).await.refused(404, "not_found");
    ana.delete(&format!("/v1/care-team/{}", bo.id)).await.expect(204);
    bo.get(&path).await.refused(404, "not_found");
}
