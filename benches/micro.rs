//! Small things that every request or reminder does.

use std::sync::Arc;

use afterglow::{
    checkins::{Bucket, Detail, Point, aggregate, seal_detail},
    clock::{Random, SystemRandom},
    config::{Config, Environment},
    page::Cursor,
    push::protocol::{DeviceKeys, NativeSealer, Sealer},
    vault::{DataKey, KeyOwner, Mac, OwnerKind, Place, Vault, keyfile},
};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use chrono::{DateTime, Days, NaiveDate};
use divan::{Bencher, black_box};
use entity::ids::{CheckinId, PatientId};
use uuid::Uuid;
use web_push::{ContentEncoding, SubscriptionInfo, WebPushMessageBuilder};

fn main() {
    divan::main();
}

/// A vault with fresh keys, whose files are gone again at once.
#[expect(clippy::expect_used, reason = "a bench without keys has nothing to measure")]
fn vault() -> Vault {
    let folder = std::env::temp_dir().join(format!("afterglow-bench-micro-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for keys");
    let config = Config::development(&folder);
    keyfile::generate_missing(&config.development_keys_dir(), Environment::Development).expect("keys");
    let keys = keyfile::load(&config.keys, Environment::Development).expect("keys that were just made");
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    Vault::new(&keys, random())
}

fn random() -> Arc<dyn Random> {
    Arc::new(SystemRandom)
}

fn patient_key() -> DataKey {
    vault().create(KeyOwner::new(OwnerKind::Patient, PatientId(Uuid::from_u128(1)))).0
}

fn detail() -> Detail {
    Detail {
        emotions: vec!["calm".to_owned(), "tired".to_owned()],
        note: Some("Walked by the river before breakfast.".to_owned()),
    }
}

#[divan::bench]
fn seal_checkin(bencher: Bencher) {
    let (key, detail, id) = (patient_key(), detail(), CheckinId(Uuid::from_u128(2)));
    bencher.bench(|| seal_detail(&key, black_box(id), black_box(&detail)));
}

#[divan::bench]
fn open_checkin(bencher: Bencher) {
    let (key, id) = (patient_key(), CheckinId(Uuid::from_u128(2)));
    let sealed = seal_detail(&key, id, &detail()).unwrap_or_default();
    let place = Place::new("checkins", "detail_sealed", id);
    bencher.bench(|| key.open_json::<Detail>(place, black_box(&sealed)));
}

#[divan::bench]
fn unwrap_data_key(bencher: Bencher) {
    let vault = vault();
    let (_, wrapped) = vault.create(KeyOwner::new(OwnerKind::Patient, PatientId(Uuid::from_u128(1))));
    bencher.bench(|| vault.unwrap(black_box(&wrapped)));
}

#[divan::bench]
fn encode_cursor(bencher: Bencher) {
    let mac = Mac::new(&[7; 32]);
    let cursor = Cursor {
        at: DateTime::from_timestamp_millis(1_795_000_000_000).unwrap_or_default(),
        id: Uuid::max(),
    };
    bencher.bench(|| black_box(cursor).encode(&mac, "list_checkins:bench"));
}

#[divan::bench]
fn decode_cursor(bencher: Bencher) {
    let mac = Mac::new(&[7; 32]);
    let cursor = Cursor {
        at: DateTime::from_timestamp_millis(1_795_000_000_000).unwrap_or_default(),
        id: Uuid::max(),
    };
    let text = cursor.encode(&mac, "list_checkins:bench");
    bencher.bench(|| Cursor::decode(black_box(&text), &mac, "list_checkins:bench"));
}

#[expect(clippy::expect_used, reason = "a bench without a device's key has nothing to measure")]
fn device() -> DeviceKeys {
    let point =
        PrivateKey::generate(&ECDH_P256).and_then(|key| key.compute_public_key()).expect("a key pair");
    DeviceKeys { p256dh: point.as_ref().try_into().expect("65 bytes"), auth: [9; 16] }
}

/// A push as it is sealed.
#[divan::bench]
fn seal_push(bencher: Bencher) {
    let (device, payload) = (device(), [b' '; 2_048]);
    bencher.bench(|| NativeSealer.seal(black_box(&device), &payload));
}

/// The same by the `web-push` crate, for comparison.
#[divan::bench]
fn seal_push_web_push(bencher: Bencher) {
    let (device, payload) = (device(), [b' '; 2_048]);
    let info = SubscriptionInfo::new("https://push.example.net/", &device.p256dh_text(), &device.auth_text());
    bencher.bench(|| {
        let mut builder = WebPushMessageBuilder::new(black_box(&info));
        builder.set_payload(ContentEncoding::Aes128Gcm, &payload);
        builder.build().ok()
    });
}

/// A year of daily check-ins, as a trend puts it together.
#[divan::bench(args = [Bucket::Day, Bucket::Week])]
fn trend_of_a_year(bencher: Bencher, bucket: Bucket) {
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
    let numbers = [3, 5, 4, 7, 6, 8, 2];
    let points: Vec<Point> = (0..365_u64)
        .zip(numbers.into_iter().cycle())
        .map(|(day, number)| Point {
            local_date: first + Days::new(day),
            mood: number,
            anxiety: Some(10 - number),
            energy: (day % 3 != 0).then_some(number),
            sleep_hours: Some(f64::from(number) + 0.5),
        })
        .collect();
    bencher.bench(|| aggregate(black_box(&points).iter().copied(), bucket));
}
