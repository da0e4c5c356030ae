//! L2: whoever changes the audit table is found, with the first row that is not as it was.

use std::{collections::BTreeMap, fs};

use afterglow::audit::{self, BadAnchors, Fault};
use uuid::Uuid;

use crate::harness::{Person, TestApp, both_engines};

both_engines![
    l2_a_whole_chain_is_whole,
    l2_an_edited_row_is_named,
    l2_a_row_deleted_in_the_middle_is_named,
    l2_rows_deleted_at_the_end_are_named,
    l2_an_inserted_row_is_named,
    l2_rows_in_another_order_are_named,
    l2_a_chain_that_was_cut_and_continued_is_named,
    l2_a_chain_that_is_gone_is_named,
    l2_changed_anchors_are_refused,
    l2_a_line_that_was_not_finished_is_written_again,
];

/// A clinic's chain with rows that were anchored in two goes, and two that were not yet.
struct Chain {
    app: TestApp,
    bo: Person,
    ana: Person,
    stream: Uuid,
    /// The last row of the first anchor, of the second, and of all.
    ends: [i64; 3],
}

impl Chain {
    async fn new(app: TestApp) -> Self {
        let bo = app.therapist("bo").await;
        let ana = app.patient_of(&bo, "ana").await;
        let clinic = app.query("SELECT id FROM clinics", vec![]).await;
        let stream = clinic[0].try_get("", "id").unwrap();
        let mut chain = Self { app, bo, ana, stream, ends: [0; 3] };
        let mut known = BTreeMap::new();
        chain.read(5).await;
        assert!(audit::anchor(&chain.app.state, &mut known).await.unwrap());
        assert!(!audit::anchor(&chain.app.state, &mut known).await.unwrap(), "nothing is new");
        chain.ends[0] = chain.last().await;
        chain.read(4).await;
        assert!(audit::anchor(&chain.app.state, &mut known).await.unwrap());
        chain.ends[1] = chain.last().await;
        chain.read(2).await;
        chain.ends[2] = chain.last().await;
        assert!(
            chain.ends[0] >= 5 && chain.ends[1] == chain.ends[0] + 4 && chain.ends[2] == chain.ends[1] + 2
        );
        chain
    }

    async fn read(&self, times: usize) {
        for _ in 0..times {
            self.bo.get(&format!("/v1/patients/{}/journal/entries", self.ana.id)).await.expect(200);
        }
    }

    async fn last(&self) -> i64 {
        let sql = "SELECT seq FROM audit_heads WHERE stream = $1";
        self.app.query(sql, vec![self.stream.into()]).await[0].try_get("", "seq").unwrap()
    }

    async fn tamper(&self, sql: &str, numbers: &[i64]) {
        let mut values = vec![self.stream.into()];
        values.extend(numbers.iter().map(|number| (*number).into()));
        assert!(self.app.execute(sql, values).await.rows_affected() > 0, "{sql}");
    }

    /// Makes a row the last one that the head knows: what a thief would do too.
    async fn move_head(&self, seq: i64) {
        let sql = "UPDATE audit_heads SET seq = $2, mac = \
            (SELECT mac FROM audit_events e WHERE e.stream = $1 AND e.seq = $2) WHERE stream = $1";
        self.tamper(sql, &[seq]).await;
    }

    async fn flaws(&self, anchored: bool) -> Vec<(Uuid, i64, Fault)> {
        let state = &self.app.state;
        let (db, file) = (&state.db, state.config.anchor_file());
        let anchors = if anchored { audit::read_anchors(&file, db.audit_key()).unwrap() } else { Vec::new() };
        let verdict = audit::verify(db, db.audit_key(), anchors).await.unwrap();
        verdict.flaws.iter().map(|flaw| (flaw.stream, flaw.row, flaw.fault)).collect()
    }

    /// The row is named, with the anchors and without them.
    async fn names(&self, row: i64, fault: Fault) {
        for anchored in [true, false] {
            assert_eq!(self.flaws(anchored).await, [(self.stream, row, fault)], "anchored: {anchored}");
        }
    }
}

async fn l2_a_whole_chain_is_whole(app: TestApp) {
    let chain = Chain::new(app).await;
    assert_eq!(chain.flaws(true).await, []);
}

async fn l2_an_edited_row_is_named(app: TestApp) {
    let chain = Chain::new(app).await;
    for sql in [
        "UPDATE audit_events SET actor_id = subject_id WHERE stream = $1 AND seq = $2",
        "UPDATE audit_events SET resource = 'accounts' WHERE stream = $1 AND seq = $2",
        "UPDATE audit_events SET outcome = 'refused' WHERE stream = $1 AND seq = $2",
    ] {
        let row = chain.ends[0] - 1;
        chain.app.execute("CREATE TABLE kept AS SELECT * FROM audit_events", vec![]).await;
        chain.tamper(sql, &[row]).await;
        chain.names(row, Fault::Altered).await;
        chain.app.execute("DELETE FROM audit_events", vec![]).await;
        chain.app.execute("INSERT INTO audit_events SELECT * FROM kept", vec![]).await;
        chain.app.execute("DROP TABLE kept", vec![]).await;
        assert_eq!(chain.flaws(true).await, []);
    }
}

async fn l2_a_row_deleted_in_the_middle_is_named(app: TestApp) {
    let chain = Chain::new(app).await;
    chain.tamper("DELETE FROM audit_events WHERE stream = $1 AND seq = $2", &[3]).await;
    chain.names(3, Fault::Missing).await;
    // Numbers moved up do not hide it.
    chain.tamper("UPDATE audit_events SET seq = 1 - seq WHERE stream = $1 AND seq > $2", &[3]).await;
    chain.tamper("UPDATE audit_events SET seq = - seq WHERE stream = $1 AND seq < $2", &[0]).await;
    chain.names(3, Fault::Altered).await;
}

async fn l2_rows_deleted_at_the_end_are_named(app: TestApp) {
    let chain = Chain::new(app).await;
    let row = chain.ends[1] - 1;
    chain.tamper("DELETE FROM audit_events WHERE stream = $1 AND seq >= $2", &[row]).await;
    chain.names(row, Fault::Missing).await;
    chain.move_head(row - 1).await;
    assert_eq!(chain.flaws(false).await, [], "only an anchor knows");
    assert_eq!(chain.flaws(true).await, [(chain.stream, row, Fault::Missing)]);
}

async fn l2_an_inserted_row_is_named(app: TestApp) {
    let chain = Chain::new(app).await;
    let copy = "INSERT INTO audit_events SELECT stream, $3, at, actor_id, action, subject_id, resource, outcome, \
        request_id, mac FROM audit_events WHERE stream = $1 AND seq = $2";
    let behind = chain.ends[2] + 1;
    chain.tamper(copy, &[2, behind]).await;
    chain.names(behind, Fault::Altered).await;
    chain.tamper("DELETE FROM audit_events WHERE stream = $1 AND seq = $2", &[behind]).await;
    // A row that was real once.
    chain.move_head(behind - 2).await;
    assert_eq!(chain.flaws(false).await, [(chain.stream, behind - 1, Fault::BeyondHead)]);
    chain.move_head(behind - 1).await;
    chain.tamper("UPDATE audit_events SET seq = - 1 - seq WHERE stream = $1 AND seq > $2", &[4]).await;
    chain.tamper("UPDATE audit_events SET seq = - seq WHERE stream = $1 AND seq < $2", &[0]).await;
    chain.tamper(copy, &[2, 5]).await;
    chain.names(5, Fault::Altered).await;
    chain.tamper(copy, &[2, -7]).await;
    chain.names(-7, Fault::Altered).await;
}

async fn l2_rows_in_another_order_are_named(app: TestApp) {
    let chain = Chain::new(app).await;
    let to = "UPDATE audit_events SET seq = $3 WHERE stream = $1 AND seq = $2";
    for (from, number) in [(2, -1), (3, 2), (-1, 3)] {
        chain.tamper(to, &[from, number]).await;
    }
    chain.names(2, Fault::Altered).await;
}

async fn l2_a_chain_that_was_cut_and_continued_is_named(app: TestApp) {
    let chain = Chain::new(app).await;
    let end = chain.ends[1] - 2;
    chain.tamper("DELETE FROM audit_events WHERE stream = $1 AND seq > $2", &[end]).await;
    chain.move_head(end).await;
    chain.read(8).await;
    assert_eq!(chain.flaws(false).await, [], "only an anchor knows");
    let flaws = chain.flaws(true).await;
    let [(stream, row, Fault::Rewritten { anchored, .. })] = flaws[..] else { panic!("{flaws:?}") };
    assert_eq!((stream, row, anchored), (chain.stream, chain.ends[0] + 1, chain.ends[1]));
}

async fn l2_a_chain_that_is_gone_is_named(app: TestApp) {
    let chain = Chain::new(app).await;
    chain.tamper("DELETE FROM audit_events WHERE stream = $1", &[]).await;
    chain.names(1, Fault::Missing).await;
    chain.tamper("DELETE FROM audit_heads WHERE stream = $1", &[]).await;
    assert_eq!(chain.flaws(false).await, [], "only an anchor knows");
    assert_eq!(chain.flaws(true).await, [(chain.stream, 1, Fault::Missing)]);
}

async fn l2_changed_anchors_are_refused(app: TestApp) {
    let chain = Chain::new(app).await;
    let (file, key) = (chain.app.state.config.anchor_file(), chain.app.state.db.audit_key());
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!(lines.len(), 2);
    let refused = |text: &str| {
        fs::write(&file, text).unwrap();
        match audit::read_anchors(&file, key).unwrap_err() {
            BadAnchors::Altered(_, line) => line,
            BadAnchors::Unreadable(_, error) => panic!("{error}"),
        }
    };
    let number = format!("\"seq\":{}", chain.ends[1]);
    assert_eq!(refused(&whole.replace(&number, &format!("\"seq\":{}", chain.ends[0]))), 2);
    assert_eq!(refused(&format!("{}\n{}\n", lines[1], lines[0])), 2);
    assert_eq!(refused(&format!("{}\nnonsense\n", lines[0])), 2);
    // Old lines may go.
    fs::write(&file, format!("{}\n", lines[1])).unwrap();
    assert_eq!(audit::read_anchors(&file, key).unwrap().last().unwrap().1.seq, chain.ends[1]);
}

async fn l2_a_line_that_was_not_finished_is_written_again(app: TestApp) {
    let chain = Chain::new(app).await;
    let file = chain.app.state.config.anchor_file();
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 9]).unwrap();
    assert!(audit::anchor(&chain.app.state, &mut BTreeMap::new()).await.unwrap());
    assert_eq!(chain.flaws(true).await, []);
    let after = fs::read_to_string(&file).unwrap();
    assert_eq!(after.lines().next(), whole.lines().next());
    assert_eq!(after.lines().count(), 2);
}
