//! Who may do what: every operation of the contract, asked for by everybody, about things of Ana's.

mod table;
mod things;
mod world;

use chrono::Duration;
pub use table::row;
use table::{TABLE, asking};
pub use things::{administration, assign, receipt, subscription};
pub use world::World;

use crate::{
    harness::{TestApp, both_engines},
    openapi::operations,
};

both_engines![
    every_operation_answers_everybody_as_the_table_says,
    foreign_is_the_same_as_nonexistent,
    z1_staff_without_a_second_factor_reach_nothing_but_setting_one_up,
];

#[test]
fn every_row_of_the_table_is_an_operation() {
    let operations = operations();
    for (id, _) in TABLE {
        assert!(
            operations.iter().any(|operation| operation.id == *id),
            "{id} is gone; take it out of the table"
        );
    }
    for operation in operations {
        row(&operation.id);
    }
}

async fn every_operation_answers_everybody_as_the_table_says(app: TestApp) {
    let world = World::new(app).await;
    let mut wrong = Vec::new();
    for operation in operations() {
        // One thing for all who are refused: it has to be there afterwards as if nobody had asked.
        let refused_thing = world.thing(&operation.id).await;
        for (column, expected) in refused_first(&operation.id) {
            // Access tokens live ten minutes; people who come back later have logged in again.
            let who = if operation.id == "delete_login" && ![0, 8].contains(&column) {
                world.app.log_in(&world.people[column].name).await
            } else {
                world.people[column].clone()
            };
            let fresh = if expected < 400 { Some(world.thing(&operation.id).await) } else { None };
            let reply = world.ask(&who, operation, fresh.as_ref().unwrap_or(&refused_thing)).await;
            if reply.status != expected {
                let body = String::from_utf8_lossy(&reply.body).into_owned();
                wrong.push(format!(
                    "{} by {}: {} instead of {expected}: {body}",
                    operation.id,
                    asking(column),
                    reply.status
                ));
            }
        }
        // Hundreds of requests come from one network; what counts attempts there has to forget them.
        world.app.advance(Duration::minutes(16));
        world.revoke_again().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The columns of an operation's row with what they expect, those that are refused before those that are not.
fn refused_first(id: &str) -> Vec<(usize, u16)> {
    let mut columns: Vec<(usize, u16)> = row(id).into_iter().enumerate().collect();
    columns.sort_by_key(|&(_, expected)| expected < 400);
    columns
}

async fn foreign_is_the_same_as_nonexistent(app: TestApp) {
    let world = World::new(app).await;
    for operation in operations().iter().filter(|operation| operation.path.contains("id}")) {
        let thing = world.thing(&operation.id).await;
        for (column, expected) in refused_first(&operation.id) {
            if expected < 400 {
                break;
            }
            let foreign = world.ask(&world.people[column], operation, &thing).await;
            let nonexistent = world.ask(&world.people[column], operation, &world.nothing(&thing)).await;
            assert_eq!(foreign.status, expected, "{} by {}", operation.id, asking(column));
            assert_eq!(foreign.shape(), nonexistent.shape(), "{} by {}", operation.id, asking(column));
        }
        world.app.advance(Duration::minutes(16));
        world.revoke_again().await;
    }
}

/// What leads to a second factor, and out.
const ENROLMENT: [&str; 3] = ["begin_totp", "confirm_totp", "delete_login"];

async fn z1_staff_without_a_second_factor_reach_nothing_but_setting_one_up(app: TestApp) {
    let world = World::new(app).await;
    let pat = world.app.newcomer("pat").await;
    for operation in operations() {
        let thing = world.thing(&operation.id).await;
        let reply = world.ask(&pat, operation, &thing).await;
        let open = row(&operation.id)[0];
        if ENROLMENT.contains(&operation.id.as_str()) {
            assert!(![401, 403].contains(&reply.status.as_u16()), "{}: {}", operation.id, reply.status);
        } else if open != 401 {
            assert_eq!(reply.status, open, "{}", operation.id);
        } else {
            reply.refused(403, "totp_required");
        }
        world.app.advance(Duration::minutes(16));
        world.revoke_again().await;
    }
}
