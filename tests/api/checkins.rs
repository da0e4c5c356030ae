//! Check-ins.
use crate::harness::{TestApp, both_engines};

both_engines![a_checkin_comes_back];

async fn a_checkin_comes_back(app: TestApp) {
    let ana = app.patient("ana").await;
    let body = ana.checkin(6).await;
    assert_eq!(body["mood"], 6);
}
