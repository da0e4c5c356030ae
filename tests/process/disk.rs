//! A disk without room: what cannot be written is refused, everything else goes on, and room is all it takes.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use afterglow::db::Engine;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    child::{Running, eventually},
    kill9::Client,
    world::{World, run},
};

#[test]
fn b2_a_full_disk_refuses_writes_and_nothing_else_until_there_is_room() {
    run(Engine::Sqlite, a_full_disk);
}

/// A small disk, where this user may mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m,mode=700", "none"]).arg(&at).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(at))
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [65_536, 4_096, 512] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The folder goes with the test; a mount that stays is seen by whoever looks.
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

async fn a_full_disk(world: Arc<World>) {
    let Some(disk) = SmallDisk::mount(world.store.folder().join("disk")) else {
        println!("skipped: this user may not mount a disk");
        return;
    };
    world.fill(1).await;
    world.app.db.writer().execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    let file = disk.0.join("afterglow.db");
    fs::copy(world.store.folder().join("afterglow.db"), &file).unwrap();
    let mut command = world.afterglow(&["serve", "--no-worker"]);
    command.env("AFTERGLOW_DATABASE__URL", url(&file));
    let mut server = Running::start(command);
    let address = server.address().await;
    let ana = Client::log_in(address, "patient-0").await;
    let checkin = json!({"mood": 6, "note": "words ".repeat(300)});
    let (status, first) = ana.post(address, "/v1/checkins", &checkin).await.unwrap();
    assert_eq!(status, 201, "{first}");
    let filler = disk.fill();
    let mut kept = vec![first];
    let refused = loop {
        let (status, answer) = ana.post(address, "/v1/checkins", &checkin).await.unwrap();
        if status != 201 {
            break (status, answer);
        }
        kept.push(answer);
        assert!(kept.len() < 2_000, "the disk is not full");
    };
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert_eq!(refused.1["code"], "unavailable", "{}", refused.1);
    for path in ["/v1/checkins", "/v1/me", "/v1/crisis-resources?country=ES&locale=es", "/healthz"] {
        assert_eq!(ana.get(address, path).await, 200, "{path}: {}", server.said());
    }
    for checkin in &kept {
        let path = format!("/v1/checkins/{}", checkin["id"].as_str().unwrap());
        assert_eq!(ana.get(address, &path).await, 200, "an acknowledged check-in is gone");
    }
    fs::remove_file(filler).unwrap();
    let (asking, checkin) = (&ana, &checkin);
    eventually("writing works again by itself", || async move {
        let (status, _) = asking.post(address, "/v1/checkins", checkin).await.unwrap();
        (status == 201).then_some(())
    })
    .await;
}

fn url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}
