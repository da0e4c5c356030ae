//! What two people may change at once is changed at the version that was read, and at no other.

use chrono::Duration;

use crate::{
    authz::{World, row},
    harness::{TestApp, both_engines},
    openapi::operations,
};

both_engines![nothing_is_changed_at_a_version_that_nobody_read];

async fn nothing_is_changed_at_a_version_that_nobody_read(app: TestApp) {
    let world = World::new(app).await;
    let mut wrong = Vec::new();
    for operation in operations().iter().filter(|operation| operation.takes_version()) {
        let thing = world.thing(&operation.id).await;
        let allowed = row(&operation.id).into_iter().position(|status| status < 400);
        let who = &world.people[allowed.unwrap()];
        let reply = world.ask_at(77, who, operation, &thing).await;
        if reply.status != 412 || reply.json()["code"] != "stale_version" {
            let body = String::from_utf8_lossy(&reply.body);
            wrong.push(format!("{}: {}: {body}", operation.id, reply.status));
        }
        world.app.advance(Duration::minutes(16));
        world.revoke_again().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
