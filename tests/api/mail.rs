//! Mails: with their cause or not at all, discreet, and never in anybody's way.

use afterglow::{
    app::AppState,
    config::SmtpTls,
    db::Writing,
    error::{ApiError, ApiResult},
    mail::{self, Letter, MailReport},
};
use chrono::Duration;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Beside, PASSWORD, Person, Smtp, TestApp, both_engines, email};

both_engines![
    a_mail_leaves_with_its_cause_and_not_without,
    a_mail_server_that_is_down_holds_up_nobody_and_gets_it_later,
    a_mail_that_is_refused_for_good_is_not_tried_again,
    two_workers_send_a_mail_once,
    a_worker_that_died_is_followed,
    a_worker_that_overslept_changes_nothing,
    a_mail_too_old_to_be_of_use_is_dropped,
    mails_are_in_the_language_and_on_the_clock_of_their_reader,
    what_waits_in_the_outbox_is_sealed,
    a_new_device_is_told_by_mail_and_a_known_one_is_not,
];

const NOTHING: MailReport = MailReport { claimed: 0, sent: 0, retrying: 0, dropped: 0 };

/// Somebody, with nothing in the outbox of what came before.
async fn alone(app: &TestApp, who: Person) -> Person {
    app.execute("DELETE FROM jobs", vec![]).await;
    who
}

async fn clinic(who: &Person) -> Uuid {
    who.get("/v1/clinic").await.expect(200)["id"].as_str().unwrap().parse().unwrap()
}

/// One like many others.
fn letter(app: &TestApp) -> Letter {
    Letter::LoginEnded { at: app.now() }
}

/// Writes a letter, with a cause that may fail afterwards.
async fn write(app: &TestApp, to: &Person, letter: Letter, cause: ApiResult<()>) -> ApiResult<()> {
    let writing =
        Writing { actor: to.id.into(), stream: clinic(to).await, patient: None, request_id: "test" };
    app.state
        .db
        .write(&writing, async |tx| {
            mail::enqueue(&app.state, tx, to.id.into(), &letter).await?;
            cause
        })
        .await
}

/// A worker whose mails go to a server on this machine.
pub async fn through(app: &TestApp, port: u16) -> Beside {
    app.beside_with(&app.keys, |config| {
        config.mail.smtp_host = "127.0.0.1".into();
        config.mail.smtp_port = port;
        config.mail.smtp_tls = SmtpTls::None;
        config.mail.from = "Afterglow <no-reply@example.org>".into();
    })
    .await
}

async fn tick(state: &AppState) -> MailReport {
    mail::tick(state).await.unwrap()
}

async fn a_mail_leaves_with_its_cause_and_not_without(app: TestApp) {
    let bo = alone(&app, app.therapist("bo").await).await;
    write(&app, &bo, letter(&app), Err(ApiError::NotFound)).await.unwrap_err();
    assert_eq!(tick(&app.state).await, NOTHING);
    write(&app, &bo, letter(&app), Ok(())).await.unwrap();
    let smtp = Smtp::start().await;
    let beside = through(&app, smtp.port).await;
    assert_eq!(tick(&beside.state).await, MailReport { claimed: 1, sent: 1, ..NOTHING });
    assert_eq!(tick(&beside.state).await, NOTHING);
    let received = smtp.received();
    assert_eq!(received.len(), 1);
    assert!(received[0].to.contains(&email("bo")), "{received:?}");
    for part in [
        "From: Afterglow <no-reply@example.org>",
        "Subject: A device was logged out of your account",
        "Auto-Submitted: auto-generated",
        "This can happen after a phone was restored from a backup.",
    ] {
        assert!(received[0].text.contains(part), "no {part} in {}", received[0].text);
    }
    assert_eq!(app.count("jobs").await, 0);
}

async fn a_mail_server_that_is_down_holds_up_nobody_and_gets_it_later(app: TestApp) {
    let ana = alone(&app, app.patient("ana").await).await;
    let smtp = Smtp::start().await;
    let port = smtp.port;
    drop(smtp);
    let down = through(&app, port).await;
    ana.post("/v1/auth/password", &json!({"password": "lantern orchard granite sparrow"})).await.expect(204);
    for minutes in [1, 2, 4] {
        assert_eq!(tick(&down.state).await, MailReport { claimed: 1, retrying: 1, ..NOTHING });
        assert_eq!(tick(&down.state).await, NOTHING, "it does not wait");
        app.advance(Duration::minutes(minutes));
    }
    let smtp = Smtp::start().await;
    let up = through(&app, smtp.port).await;
    // The last two are about this server, not about the mail: somebody changes the password, and it leaves.
    for (answer, minutes) in [
        ("451 come back later", 8),
        ("535 authentication credentials invalid", 16),
        ("554 your network may not send here", 32),
    ] {
        smtp.answer(answer);
        assert_eq!(tick(&up.state).await, MailReport { claimed: 1, retrying: 1, ..NOTHING }, "{answer}");
        app.advance(Duration::minutes(minutes));
    }
    smtp.answer("250 ok");
    assert_eq!(tick(&up.state).await, MailReport { claimed: 1, sent: 1, ..NOTHING });
    assert!(smtp.received()[0].text.contains("Subject: Your password was changed"));
}

async fn a_mail_that_is_refused_for_good_is_not_tried_again(app: TestApp) {
    let bo = alone(&app, app.therapist("bo").await).await;
    write(&app, &bo, letter(&app), Ok(())).await.unwrap();
    let smtp = Smtp::start().await;
    smtp.answer("550 no such user");
    let beside = through(&app, smtp.port).await;
    assert_eq!(tick(&beside.state).await, MailReport { claimed: 1, dropped: 1, ..NOTHING });
    assert_eq!(app.count("jobs").await, 0);
}

async fn two_workers_send_a_mail_once(app: TestApp) {
    let bo = alone(&app, app.therapist("bo").await).await;
    for _ in 0..20 {
        write(&app, &bo, letter(&app), Ok(())).await.unwrap();
    }
    let smtp = Smtp::start().await;
    let (one, other) = (through(&app, smtp.port).await, through(&app, smtp.port).await);
    let work = async |state: &AppState| while tick(state).await.claimed > 0 {};
    tokio::join!(work(&one.state), work(&other.state));
    let mut ids: Vec<String> = smtp
        .received()
        .iter()
        .map(|mail| mail.text.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), smtp.received().len()), (20, 20));
}

async fn a_worker_that_died_is_followed(app: TestApp) {
    let bo = alone(&app, app.therapist("bo").await).await;
    write(&app, &bo, letter(&app), Ok(())).await.unwrap();
    // Claimed by somebody who is never heard of again.
    let lease = app.now() + Duration::minutes(2);
    let claimed = "UPDATE jobs SET state = 'claimed', fence = fence + 1, run_at = $1, lease_until = $1";
    app.execute(claimed, vec![lease.into()]).await;
    assert_eq!(tick(&app.state).await, NOTHING, "the lease is not over");
    app.advance(Duration::minutes(2));
    let smtp = Smtp::start().await;
    let beside = through(&app, smtp.port).await;
    assert_eq!(tick(&beside.state).await.sent, 1);
    let rows = app.count("jobs").await;
    assert_eq!((rows, smtp.received().len()), (0, 1));
}

/// What it learned too late would otherwise take the mail away from whoever has it by now.
async fn a_worker_that_overslept_changes_nothing(app: TestApp) {
    let bo = alone(&app, app.therapist("bo").await).await;
    write(&app, &bo, letter(&app), Ok(())).await.unwrap();
    let (slow, fast) = (Smtp::start().await, Smtp::start().await);
    slow.answer("");
    let (one, other) = (through(&app, slow.port).await, through(&app, fast.port).await);
    let state = one.state.clone();
    let asleep = tokio::spawn(async move { tick(&state).await });
    while app.query("SELECT 1 AS n FROM jobs WHERE fence = 1", vec![]).await.is_empty() {
        tokio::task::yield_now().await;
    }
    app.advance(Duration::minutes(2));
    fast.answer("451 come back later");
    assert_eq!(tick(&other.state).await, MailReport { claimed: 1, retrying: 1, ..NOTHING });
    slow.answer("550 no such user");
    assert_eq!(asleep.await.unwrap(), MailReport { claimed: 1, dropped: 1, ..NOTHING });
    app.advance(Duration::minutes(2));
    fast.answer("250 ok");
    assert_eq!(tick(&other.state).await, MailReport { claimed: 1, sent: 1, ..NOTHING });
}

async fn a_mail_too_old_to_be_of_use_is_dropped(app: TestApp) {
    let bo = alone(&app, app.therapist("bo").await).await;
    write(&app, &bo, Letter::PasswordReset { token: "x".into() }, Ok(())).await.unwrap();
    app.advance(Duration::minutes(30));
    assert_eq!(tick(&app.state).await, MailReport { claimed: 1, dropped: 1, ..NOTHING });
}

async fn mails_are_in_the_language_and_on_the_clock_of_their_reader(app: TestApp) {
    let ana = alone(&app, app.patient("ana").await).await;
    ana.patch("/v1/me", 1, &json!({"locale": "es-MX", "time_zone": "America/New_York"})).await.expect(200);
    write(&app, &ana, Letter::NewDevice { at: app.now() }, Ok(())).await.unwrap();
    let mails = app.mails().await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("2026-11-22 07:00"), "{}", mails[0]);
    assert!(mails[0].contains("Un dispositivo que no se hab"), "{}", mails[0]);
}

async fn what_waits_in_the_outbox_is_sealed(app: TestApp) {
    let bo = alone(&app, app.therapist("bo").await).await;
    let token = "a token that nobody may read here";
    write(&app, &bo, Letter::PasswordReset { token: token.into() }, Ok(())).await.unwrap();
    let bytes = app.store.everything(app.conn()).await;
    for words in [token, "password_reset"] {
        assert!(!bytes.windows(words.len()).any(|window| window == words.as_bytes()), "{words}");
    }
    assert!(app.mails().await[0].contains("nobody may read here"));
}

async fn a_new_device_is_told_by_mail_and_a_known_one_is_not(app: TestApp) {
    app.patient("ana").await;
    let told = async || {
        let mails = app.mails().await;
        let to_ana = |mail: &&String| mail.contains("A new device logged in") && mail.contains(&email("ana"));
        mails.iter().filter(to_ana).count()
    };
    assert_eq!(told().await, 0, "the first device is no news");
    let new = json!({"email": email("ana"), "password": PASSWORD});
    let pair = app.anon().post("/v1/auth/login", &new).await.expect(200);
    assert_eq!(told().await, 1);
    app.advance(Duration::seconds(1));
    let known = json!({"email": email("ana"), "password": PASSWORD, "device_secret": pair["device_secret"]});
    app.anon().post("/v1/auth/login", &known).await.expect(200);
    assert_eq!(told().await, 1);
    app.anon().post("/v1/auth/login", &new).await.expect(200);
    assert_eq!(told().await, 2);
}
