//! A1: what the time of an answer tells of an address. Figures, printed by hand: the machine decides what they are.
//!
//! `cargo test --test api -- --ignored --nocapture a1_`

use std::time::{Duration, Instant};

use afterglow::{
    accounts::{Capabilities, NewAccount, create_account},
    db::Engine,
};
use axum::http::Method;
use entity::ids::{AccountId, ClinicId};
use sea_orm::TransactionTrait;
use serde_json::{Value, json};

use crate::harness::{PASSWORD, TestApp, email, run};

const EACH: usize = 500;

#[test]
#[ignore = "prints figures"]
fn a1_times_of_known_and_unknown_addresses_on_sqlite() {
    run(Engine::Sqlite, times);
}

#[test]
#[ignore = "prints figures"]
fn a1_times_of_known_and_unknown_addresses_on_postgres() {
    run(Engine::Postgres, times);
}

/// So many patients of one clinic, without any login.
async fn people(app: &TestApp) {
    let bo = app.therapist("bo").await;
    let clinic: uuid::Uuid = bo.get("/v1/clinic").await.expect(200)["id"].as_str().unwrap().parse().unwrap();
    let hash = app.state.passwords.hash(PASSWORD).await.unwrap();
    let txn = app.conn().begin().await.unwrap();
    for number in 0..EACH {
        let new = NewAccount {
            id: AccountId(app.state.random.uuid_v7(app.now())),
            clinic: ClinicId(clinic),
            is_patient: true,
            capabilities: Capabilities::new(vec![]),
            profession: None,
            email: email(&format!("known{number}")),
            display_name: "somebody".into(),
            zone: "Europe/Berlin".into(),
            locale: "en".into(),
            password_hash: hash.clone(),
        };
        assert!(create_account(&txn, &app.state.vault, new, app.now()).await.unwrap());
    }
    txn.commit().await.unwrap();
}

async fn timed(app: &TestApp, path: &str, body: &Value, status: u16) -> Duration {
    // No attempt is one too many here.
    app.execute("DELETE FROM login_attempts", vec![]).await;
    let request = app.anon().request(Method::POST, path).await.json(body);
    let begun = Instant::now();
    let reply = request.send().await;
    let took = begun.elapsed();
    assert_eq!(reply.status, status);
    took
}

/// How often a known address took longer than an unknown one: half the time, if times tell nothing.
fn told(known: &[Duration], unknown: &[Duration]) -> f64 {
    let wins: f64 = known
        .iter()
        .flat_map(|one| unknown.iter().map(move |other| (one, other)))
        .map(|(one, other)| {
            if one > other {
                1.0
            } else if one == other {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    wins / (known.len() * unknown.len()) as f64
}

async fn times(app: TestApp) {
    people(&app).await;
    for (path, status) in [("/v1/auth/login", 401), ("/v1/auth/password-reset", 202)] {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        let body = |name: String| match status {
            401 => json!({"email": email(&name), "password": "wrong harbour copper meadow"}),
            _ => json!({"email": email(&name)}),
        };
        for number in 0..EACH {
            // In turns, so that a machine that slows down slows both.
            for kind in if number % 2 == 0 { ["known", "other"] } else { ["other", "known"] } {
                let took = timed(&app, path, &body(format!("{kind}{number}")), status).await;
                if kind == "known" { known.push(took) } else { unknown.push(took) }
            }
        }
        let middle = |times: &mut Vec<Duration>| {
            times.sort();
            times[times.len() / 2]
        };
        println!(
            "A1 {:?} {path}: classifier {:.3}; median known {:?}, unknown {:?}",
            app.engine(),
            told(&known, &unknown),
            middle(&mut known),
            middle(&mut unknown)
        );
    }
}
