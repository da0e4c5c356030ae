//! No list asks the database more often because it is longer. Statements are counted where sea-orm sends them.

mod copies;
mod making;
mod records;

use chrono::Duration;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    harness::{Person, Reply, TestApp, both_engines, counted, id_of},
    openapi::{document, operation, operations},
};

both_engines![
    no_list_asks_more_often_when_it_is_longer,
    a_pull_and_a_trend_ask_as_often_for_many_rows_as_for_few,
    the_count_is_of_what_was_sent,
];

async fn the_count_is_of_what_was_sent(app: TestApp) {
    assert_eq!(counted(async {}).await.1, 0);
    for wanted in [1, 7] {
        let work = async {
            for _ in 0..wanted {
                app.query("SELECT 1 AS n", vec![]).await;
            }
        };
        assert_eq!(counted(work).await.1, wanted);
    }
    let ana = app.patient("ana").await;
    let request = ana.request(axum::http::Method::GET, "/v1/checkins").await;
    assert_eq!(counted(request.send()).await.1, 2, "who is asking, and the page");
}

/// Lists whose items are part of the program.
const WITHOUT_DATABASE: [&str; 4] =
    ["list_consent_texts", "list_goal_templates", "list_journal_templates", "list_measures"];

/// Lists that are as long as the program's own content, whoever asks.
const OF_THE_CONTENT: [&str; 1] = ["get_form_thresholds"];

/// A few rows and many: a thousand, or as many as anybody can have.
const SIZES: &[(&str, usize, usize)] = &[
    ("list_access_log", 10, 1_000),
    ("list_attachments", 2, 10),
    ("list_care_team", 10, 100),
    ("get_review_queue", 10, 1_000),
    ("list_alerts", 10, 100),
    ("list_covers", 10, 100),
    ("list_handovers", 1, 5),
    ("list_own_alerts", 10, 100),
    ("list_checkins", 10, 1_000),
    ("list_consents", 10, 1_000),
    ("list_devices", 10, 100),
    ("list_goal_progress", 10, 1_000),
    ("list_goal_shares", 10, 100),
    ("list_goals", 10, 1_000),
    ("list_invitations", 10, 100),
    ("list_journal_comments", 10, 1_000),
    ("list_journal_entries", 10, 1_000),
    ("list_journal_revisions", 10, 1_000),
    ("list_journal_shares", 10, 100),
    ("list_measure_assignments", 10, 1_000),
    ("list_measure_responses", 10, 1_000),
    ("list_notifications", 10, 1_000),
    ("list_patient_administration_versions", 5, 50),
    ("list_patient_goals", 10, 1_000),
    ("list_patient_measure_assignments", 10, 1_000),
    ("list_patient_measure_responses", 10, 1_000),
    ("list_patient_plans", 10, 1_000),
    ("list_patient_reminders", 10, 50),
    ("list_patient_session_requests", 10, 1_000),
    ("list_patient_sessions", 10, 1_000),
    ("list_patients", 10, 200),
    ("list_plan_templates", 2, 20),
    ("list_plans", 10, 1_000),
    ("list_prompts", 10, 71),
    ("list_push_subscriptions", 10, 20),
    ("list_reminders", 10, 50),
    ("list_session_administration_versions", 5, 50),
    ("list_session_readiness", 1, 6),
    ("list_session_requests", 10, 1_000),
    ("list_sessions", 10, 1_000),
    ("list_shared_comments", 10, 1_000),
    ("list_shared_entries", 10, 1_000),
    ("list_staff", 10, 200),
    ("list_upcoming_reminders", 10, 1_000),
    ("search_journal_entries", 10, 1_000),
];

/// Every operation whose answer has `items`.
fn lists() -> Vec<String> {
    let document = document();
    let is_list = |spec: &Value| {
        let answer = &spec["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        let schema = answer.as_str().and_then(|name| document.pointer(name.trim_start_matches('#')));
        schema.is_some_and(|schema| schema["properties"]["items"]["type"] == "array")
    };
    operations()
        .iter()
        .filter(|operation| operation.method == "GET" && is_list(&operation.spec))
        .map(|operation| operation.id.clone())
        .collect()
}

#[test]
fn every_list_has_its_sizes() {
    let mut known: Vec<&str> =
        SIZES.iter().map(|(id, _, _)| *id).chain(WITHOUT_DATABASE).chain(OF_THE_CONTENT).collect();
    known.sort_unstable();
    assert_eq!(
        lists(),
        known,
        "a new list: say in SIZES how long it gets, and in World how its rows are made"
    );
}

async fn no_list_asks_more_often_when_it_is_longer(app: TestApp) {
    let mut wrong = Vec::new();
    // Asked by nobody: whoever is logged in is looked up for their language.
    for id in WITHOUT_DATABASE {
        let request = app.anon().request(axum::http::Method::GET, &operation(id).path).await;
        let (reply, count) = counted(request.send()).await;
        reply.expect(200);
        assert_eq!(count, 0, "{id}");
    }
    for id in OF_THE_CONTENT {
        let request = app.admin().await.request(axum::http::Method::GET, &operation(id).path).await;
        let (reply, count) = counted(request.send()).await;
        assert!(!reply.expect(200)["items"].as_array().unwrap().is_empty() && count < 4, "{id}: {count}");
    }
    for (id, few, many) in SIZES {
        let mut world = World::new(&app, id).await;
        world.grow(id, 0, *few).await;
        let short = world.statements(id, *few).await;
        world.grow(id, *few, *many).await;
        let long = world.statements(id, *many).await;
        if short == 0 || short != long {
            wrong.push(format!("{id}: {short} statements for {few} rows, {long} for {many}"));
        }
        println!("{id}: {long}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn a_pull_and_a_trend_ask_as_often_for_many_rows_as_for_few(app: TestApp) {
    let mut world = World::new(&app, "list_checkins").await;
    let (to, mut counts) = (app.now().date_naive(), Vec::new());
    let trend = format!("/v1/checkins/trend?from={}&to={to}&bucket=day", to - Duration::days(360));
    for (from, rows) in [(0, 10), (10, 1_000)] {
        world.grow("list_checkins", from, rows).await;
        let mut asked = Vec::new();
        for path in ["/v1/sync?limit=500", &trend] {
            let request = world.ana.request(axum::http::Method::GET, path).await;
            let (reply, count) = counted(request.send()).await;
            let body = reply.expect(200);
            if let Some(pulled) = body.pointer("/checkins/upserts") {
                assert_eq!(pulled.as_array().unwrap().len(), rows.min(500));
            }
            asked.push(count);
        }
        counts.push(asked);
    }
    assert_eq!(counts[0], counts[1], "a pull and a trend, of few and of many");
}

/// A patient of one list's own, and what its rows belong to.
struct World {
    app: TestApp,
    ana: Person,
    bo: Person,
    /// The entry or goal that the list is about.
    about: String,
    /// The first row, which others are copies of.
    first: Uuid,
}

/// How many rows are asked for at a time.
const PAGE: usize = 20;
/// As many as are made one by one; of longer lists only what a page shows, and a few more. The rest are copies, which
/// nobody opens.
const MADE: usize = 200;
const SHOWN: usize = PAGE + 5;
/// Copies that one statement makes.
const COPIES: usize = 250;

impl World {
    async fn new(app: &TestApp, id: &str) -> Self {
        let name = id.replace('_', "-");
        let bo = app.therapist(&format!("t-{name}")).await;
        let ana = app.patient_of(&bo, &format!("p-{name}")).await;
        let about = match id {
            "list_journal_shares" => ana.entry("hers").await,
            "list_goal_shares" | "list_goal_progress" => ana.goal("hers").await,
            "list_session_administration_versions" | "list_patient_administration_versions" => {
                let sql = "UPDATE accounts SET capabilities = 'therapist medical' WHERE id = $1";
                app.execute(sql, vec![bo.id.into()]).await;
                id_of(&bo.schedule(&ana, "dosing", app.now()).await)
            }
            other => records::about(app, (&ana, &bo), other).await,
        };
        Self { app: app.clone(), ana, bo, about, first: Uuid::nil() }
    }

    /// Asks for the list once, and returns how many statements that took.
    async fn statements(&self, id: &str, rows: usize) -> usize {
        let operation = operation(id);
        let path =
            operation.path.replace("{patient_id}", &self.ana.id.to_string()).replace("{id}", &self.about);
        let pages = operation.spec["parameters"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["name"] == "limit"));
        let path = if pages { format!("{path}?limit={PAGE}") } else { path };
        let path = if id == "search_journal_entries" { format!("{path}&q=hers") } else { path };
        let theirs = [
            "get_review_queue",
            "list_alerts",
            "list_covers",
            "list_invitations",
            "list_patient_session_requests",
            "list_patients",
            "list_plan_templates",
        ]
        .contains(&id);
        let who = match id {
            "list_staff" => self.app.admin().await,
            _ if theirs || operation.path.contains("patient_id") => self.bo.clone(),
            _ => self.ana.clone(),
        };
        let request = who.request(axum::http::Method::GET, &path).await;
        let (reply, count): (Reply, usize) = counted(request.send()).await;
        let body = reply.expect(200);
        let items = body["items"].as_array().unwrap().len();
        assert!(items >= rows.min(PAGE), "{id} shows {items} of {rows}");
        count
    }

    /// Makes rows number `from` to `to`.
    async fn grow(&mut self, id: &str, from: usize, to: usize) {
        let made = match to {
            _ if self.copies_are_readable(id) => 1,
            0..=MADE => to,
            _ => SHOWN,
        };
        for number in from..made {
            self.app.advance(Duration::seconds(1));
            let made = self.make(id, number).await;
            if number == 0 {
                self.first = made;
            }
        }
        let numbers: Vec<usize> = (from.max(made)..to).collect();
        for some in numbers.chunks(COPIES) {
            self.copy(id, some).await;
        }
    }

    fn copies_are_readable(&self, id: &str) -> bool {
        ["list_sessions", "list_patient_sessions", "list_notifications", "list_upcoming_reminders"]
            .contains(&id)
            || records::READABLE.contains(&id)
    }

    fn new_id(&self) -> Uuid {
        self.app.state.random.uuid_v7(self.app.now())
    }
}
