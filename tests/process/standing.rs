//! Standing reminders: those that a plan brings along, those that nobody reacts to, and days on which they stay away.

use afterglow::{
    reminders::{Mark, report},
    scheduler,
};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use entity::notifications;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Person, TestApp, both_engines, id_of},
    practice::{Practice, end, is_open, local, nothing_of},
};

both_engines![
    a_plan_brings_its_standing_reminders_and_takes_them_along,
    what_a_patient_deleted_does_not_come_back_with_the_next_plan,
    the_times_that_the_program_chose_are_spread_and_stable,
    two_ignored_ones_halve_a_rule_and_seven_put_it_to_rest,
    a_rule_that_is_to_go_on_at_once_loses_no_occurrence,
    a_count_that_says_too_much_is_set_right,
    what_no_device_showed_was_not_ignored,
    whoever_does_something_has_not_ignored_it,
    an_answer_that_calls_for_help_pauses_routine_prompts_and_changes_the_words,
    a_dosing_day_has_no_routine_prompts,
    a_weekly_form_is_not_asked_for_when_nothing_is_open,
];

async fn start_plan(practice: &Practice) -> String {
    let first = (practice.app.now() + Duration::days(30)).date_naive().to_string();
    let plan = json!({"template_id": "kap-weekly-4", "first_dosing_on": first, "route": "im", "without_measures": true});
    let path = format!("/v1/patients/{}/plans", practice.ana.id);
    id_of(&practice.bo.post(&path, &plan).await.expect(201))
}

async fn end_plan(practice: &Practice, plan: &str, state: &str) {
    let path = format!("/v1/patients/{}/plans/{plan}", practice.ana.id);
    practice.bo.patch(&path, 1, &json!({"state": state})).await.expect(200);
}

async fn reminders(ana: &Person) -> Vec<Value> {
    ana.get("/v1/reminders").await.expect(200)["items"].as_array().unwrap().clone()
}

async fn of_template(ana: &Person, template: &str) -> Value {
    reminders(ana).await.into_iter().find(|one| one["template_id"] == template).unwrap()
}

fn id(reminder: &Value) -> Uuid {
    id_of(reminder).parse().unwrap()
}

async fn a_plan_brings_its_standing_reminders_and_takes_them_along(app: TestApp) {
    let practice = Practice::open(&app).await;
    let plan = start_plan(&practice).await;
    let mut found: Vec<(String, bool)> = reminders(&practice.ana)
        .await
        .iter()
        .map(|one| (one["template_id"].as_str().unwrap().to_owned(), one["active"].as_bool().unwrap()))
        .collect();
    found.sort();
    let expected = [
        ("daily-check-in", true),
        ("mindful-moment", false),
        ("nothing-planned", true),
        ("weekly-review", true),
        ("weekly-short-forms", true),
    ];
    assert_eq!(found, expected.map(|(template, on)| (template.to_owned(), on)));
    let daily = of_template(&practice.ana, "daily-check-in").await;
    assert_eq!((daily["title"].as_str(), &daily["set_by_care_team"]), (Some("How is today?"), &json!(true)));
    assert_eq!(daily["next"][0]["local"], "2026-11-22T20:00:00");
    let weekly = of_template(&practice.ana, "weekly-review").await;
    assert_eq!(weekly["next"][0]["local"], "2026-11-29T18:00:00", "when a week has passed");
    practice.ana.patch("/v1/me", 1, &json!({"locale": "es"})).await.expect(200);
    assert_eq!(of_template(&practice.ana, "daily-check-in").await["title"], "¿Cómo va el día?");
    // The patient's own words take the place of ours, and the care team no longer reads them.
    let path = format!("/v1/reminders/{}", id(&daily));
    let own = practice.ana.patch(&path, 1, &json!({"title": "Me"})).await.expect(200);
    assert_eq!((own["title"].as_str(), &own["set_by_care_team"]), (Some("Me"), &json!(false)));
    let open = practice.rows_of(&practice.ana, id(&daily)).await;
    assert_eq!(open.iter().filter(|row| is_open(row)).count(), 1);
    end_plan(&practice, &plan, "cancelled").await;
    for template in ["daily-check-in", "weekly-review"] {
        let rows = practice.rows_of(&practice.ana, id(&of_template(&practice.ana, template).await)).await;
        assert!(rows.iter().all(|row| end(row) == ("cancelled", "superseded")), "{template}: {rows:#?}");
    }
    assert_eq!(scheduler::sweep(&app.state).await.unwrap(), 0, "nothing that wants to be planned");
}

async fn what_a_patient_deleted_does_not_come_back_with_the_next_plan(app: TestApp) {
    let practice = Practice::open(&app).await;
    let plan = start_plan(&practice).await;
    let review = of_template(&practice.ana, "weekly-review").await;
    practice.ana.delete_at(&format!("/v1/reminders/{}", id(&review)), 1).await.expect(204);
    let daily = of_template(&practice.ana, "daily-check-in").await;
    practice
        .ana
        .patch(&format!("/v1/reminders/{}", id(&daily)), 1, &json!({"active": false}))
        .await
        .expect(200);
    end_plan(&practice, &plan, "cancelled").await;
    app.advance(Duration::minutes(1));
    start_plan(&practice).await;
    let now = reminders(&practice.ana).await;
    assert_eq!(now.len(), 4);
    assert!(now.iter().all(|one| one["template_id"] != "weekly-review"));
    assert_eq!(of_template(&practice.ana, "daily-check-in").await["active"], false, "off stays off");
}

async fn the_times_that_the_program_chose_are_spread_and_stable(app: TestApp) {
    let practice = Practice::open(&app).await;
    start_plan(&practice).await;
    let daily = of_template(&practice.ana, "daily-check-in").await;
    let due = || async {
        practice.rows_of(&practice.ana, id(&daily)).await.into_iter().find(is_open_row).unwrap().due_at
    };
    let offset = due().await - local("2026-11-22T20:00");
    assert!(offset >= Duration::zero() && offset <= Duration::minutes(4), "{offset}");
    // Planning again gives the same; a time that the patient sets is that time.
    practice.ana.patch("/v1/me/delivery-policy", 1, &json!({"daily_cap": 6})).await.expect(200);
    assert_eq!(due().await - local("2026-11-22T20:00"), offset);
    let own = json!({"schedule": {"kind": "daily", "time": "20:10"}});
    practice.ana.patch(&format!("/v1/reminders/{}", id(&daily)), 1, &own).await.expect(200);
    assert_eq!(due().await, local("2026-11-22T20:10"));
}

fn is_open_row(row: &notifications::Model) -> bool {
    is_open(row)
}

/// Lives until then; what was sent is shown by the phone at once, and no more than that.
async fn ignoring(practice: &Practice, until: DateTime<Utc>) -> Vec<NaiveDate> {
    let (mut days, mut known) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        let rows = practice.rows(&practice.ana).await;
        let next = rows.iter().filter(|row| is_open(row)).map(|row| row.next_attempt_at).min();
        let Some(next) = next.filter(|next| *next <= until) else { break };
        for row in practice.live_until(&practice.ana, next).await {
            if known.contains(&row.id) {
                continue;
            }
            known.push(row.id);
            days.push(row.local_date);
            let device = practice.deliveries(&row).await[0].subscription_id;
            report(&practice.app.state, practice.ana.id.into(), row.id, Mark::Shown(device)).await.unwrap();
        }
    }
    practice.app.clock.set(until);
    days
}

fn days(of: &[u32]) -> Vec<NaiveDate> {
    let first = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
    of.iter().map(|day| first + Duration::days(i64::from(*day))).collect()
}

async fn two_ignored_ones_halve_a_rule_and_seven_put_it_to_rest(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    // The third is planned before the second one's window is over; from then on every second day is left out.
    let sent = ignoring(&practice, local("2026-12-01T12:00")).await;
    assert_eq!(sent, days(&[0, 1, 2, 4, 6, 8]));
    let phones = practice.ana.get("/v1/push/subscriptions").await.expect(200);
    assert_eq!(phones["items"][0]["last_shown_at"], "2026-11-30T13:00:00Z", "the health of the device");
    // A change of wishes plans anew, and to the same day.
    practice.ana.patch("/v1/me/delivery-policy", 1, &json!({"daily_cap": 6})).await.expect(200);
    assert_eq!(ignoring(&practice, local("2026-12-03T12:00")).await, days(&[10]));
    // The eighth is not sent any more, and the rule rests until the patient says something.
    nothing_of(&practice.live_until(&practice.ana, local("2026-12-04T15:00")).await);
    let rows = practice.rows_of(&practice.ana, rule).await;
    assert!(rows.iter().any(|row| end(row) == ("suppressed", "ignored")), "{rows:#?}");
    assert_eq!(scheduler::sweep(&app.state).await.unwrap(), 1);
    let path = format!("/v1/reminders/{rule}");
    let resting = practice.ana.get(&path).await.expect(200);
    assert_eq!(resting["rested_at"], "2026-12-04T14:00:00Z");
    assert_eq!((&resting["next"], &resting["version"]), (&json!([]), &json!(2)));
    nothing_of(&practice.live_until(&practice.ana, local("2026-12-10T12:00")).await);
    assert_eq!(scheduler::sweep(&app.state).await.unwrap(), 0, "it asks once");
    let ledger = practice.ana.get("/v1/notifications?limit=1").await.expect(200);
    assert!(ledger["items"][0]["explanation"].as_str().unwrap().contains("left unanswered"), "{ledger}");
    let awake = practice.ana.patch(&path, 2, &json!({"active": true})).await.expect(200);
    assert_eq!(awake.get("rested_at"), None);
    let sent = practice.live_until(&practice.ana, local("2026-12-12T12:00")).await;
    assert_eq!(sent.iter().map(|row| row.local_date).collect::<Vec<_>>(), days(&[18, 19]));
}

async fn a_rule_that_is_to_go_on_at_once_loses_no_occurrence(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    ignoring(&practice, local("2026-12-03T12:00")).await;
    nothing_of(&practice.live_until(&practice.ana, local("2026-12-04T15:00")).await);
    assert_eq!(scheduler::sweep(&app.state).await.unwrap(), 1);
    // The occurrence of the sixth was planned, and given up when the rule came to rest.
    let rows = practice.rows_of(&practice.ana, rule).await;
    assert_eq!(end(rows.last().unwrap()), ("cancelled", "ignored"));
    practice.ana.patch(&format!("/v1/reminders/{rule}"), 2, &json!({"active": true})).await.expect(200);
    let mut sent = practice.live_until(&practice.ana, local("2026-12-05T15:00")).await;
    scheduler::sweep(&app.state).await.unwrap();
    sent.extend(practice.live_until(&practice.ana, local("2026-12-07T15:00")).await);
    assert_eq!(sent.iter().map(|row| row.local_date).collect::<Vec<_>>(), days(&[13, 14, 15]));
}

async fn a_count_that_says_too_much_is_set_right(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.daily(&practice.ana, "14:00").await;
    app.execute("UPDATE reminders SET unanswered = 9", vec![]).await;
    assert_eq!(scheduler::sweep(&app.state).await.unwrap(), 1, "it is looked at once");
    assert_eq!(scheduler::sweep(&app.state).await.unwrap(), 0);
    assert_eq!(reminders(&practice.ana).await[0].get("rested_at"), None);
}

async fn what_no_device_showed_was_not_ignored(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.daily(&practice.ana, "14:00").await;
    let sent = practice.live_until(&practice.ana, local("2026-12-03T12:00")).await;
    assert_eq!(sent.len(), 11, "every day, however silent");
    assert_eq!(scheduler::sweep(&app.state).await.unwrap(), 0);
}

async fn whoever_does_something_has_not_ignored_it(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    practice.daily(&practice.ana, "14:00").await;
    let mut sent = Vec::new();
    for day in 0..6 {
        let two = local("2026-11-22T14:00") + Duration::days(day);
        sent.extend(ignoring(&practice, two + Duration::minutes(30)).await);
        // Not a tap on the reminder, but a sign of life within its window.
        practice.ana.checkin(6).await;
    }
    assert_eq!(sent, days(&[0, 1, 2, 3, 4, 5]));
}

async fn an_answer_that_calls_for_help_pauses_routine_prompts_and_changes_the_words(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "14:00").await;
    practice.bo.schedule(&practice.ana, "integration", local("2026-11-24T14:00")).await;
    practice.ana.post("/v1/checkins", &json!({"mood": 0, "anxiety": 9})).await.expect(201);
    assert_eq!(app.count("alerts").await, 1);
    nothing_of(&practice.live_until(&practice.ana, local("2026-11-22T15:00")).await);
    assert_eq!(end(&practice.first(&practice.ana, rule).await), ("suppressed", "paused"));
    // What belongs to a session still comes, and says where help is.
    let sent = practice.live_until(&practice.ana, local("2026-11-23T18:30")).await;
    assert_eq!(
        sent.iter().map(|row| row.template_id.as_deref().unwrap()).collect::<Vec<_>>(),
        ["integration-tomorrow"]
    );
    let ledger = practice.ana.get("/v1/reminders/upcoming").await.expect(200);
    let soon =
        ledger["items"].as_array().unwrap().iter().find(|one| one.get("session_id").is_some()).unwrap();
    assert!(
        soon["body"].as_str().unwrap().ends_with("help is in the app at any hour, under Support."),
        "{soon}"
    );
    // Somebody has seen it, and a day has passed.
    let sql = "UPDATE alerts SET acknowledged_at = $1, acknowledged_by = $2";
    app.execute(sql, vec![app.now().into(), practice.bo.id.into()]).await;
    let sent = practice.live_until(&practice.ana, local("2026-11-24T15:00")).await;
    assert!(sent.iter().any(|row| row.origin_id == rule), "it goes on");
    let ledger = practice.ana.get("/v1/reminders/upcoming").await.expect(200);
    assert!(!ledger.to_string().contains("under Support"));
}

async fn a_dosing_day_has_no_routine_prompts(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    let rule = practice.daily(&practice.ana, "10:00").await;
    practice.bo.schedule(&practice.ana, "dosing", local("2026-11-24T14:00")).await;
    practice.live_until(&practice.ana, local("2026-11-25T11:00")).await;
    let ends: Vec<(NaiveDate, String)> = practice
        .rows_of(&practice.ana, rule)
        .await
        .iter()
        .map(|row| (row.local_date, row.reason.clone().unwrap_or_else(|| row.state.clone())))
        .collect();
    let expected = [(1, "accepted"), (2, "hush"), (3, "accepted"), (4, "planned")];
    assert_eq!(ends, expected.map(|(day, end)| (days(&[day])[0], end.to_owned())));
}

async fn a_weekly_form_is_not_asked_for_when_nothing_is_open(app: TestApp) {
    let practice = Practice::open(&app).await;
    practice.phone(&practice.ana, "phone").await;
    start_plan(&practice).await;
    let rule = id(&of_template(&practice.ana, "weekly-short-forms").await);
    let booked = id(&of_template(&practice.ana, "nothing-planned").await);
    practice.live_until(&practice.ana, local("2026-12-07T12:00")).await;
    assert_eq!(end(&practice.first(&practice.ana, rule).await), ("suppressed", "already_done"));
    assert_eq!(end(&practice.first(&practice.ana, booked).await), ("suppressed", "already_done"));
}
