//! A database full of people whose reminders are due now, written as the program itself writes them, for processes
//! that live by the real clock.

use std::{future::Future, ops::Range, panic, process::Command, sync::Arc};

use afterglow::{
    accounts::{Capabilities, NewAccount, create_account, wrapped},
    app::AppState,
    care::{NewClinic, create_clinic},
    clock::{Clock, SystemClock, SystemRandom},
    config::Config,
    db::Engine,
    demo::receiver::{DeviceSubscription, PushReceiver, Received},
    push::{Address, Way, seal},
    reminders::{
        RULE, recurring_facts, row_of,
        rules::{
            localtime::{LocalTime, Zone},
            policy::Policy,
            recurrence::Recurrence,
            recurring::plan_recurring,
        },
    },
    vault::{DataKey, KeyOwner, OwnerKind, keyfile},
};
use chrono::{DateTime, Duration, Utc};
use entity::{
    deliveries,
    ids::{AccountId, ClinicId, LoginId, NotificationId, PatientId, ReminderId, SubscriptionId},
    notifications, push_subscriptions, reminders,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
};

use crate::{
    child::{afterglow, eventually},
    harness::{PASSWORD, Store, email},
    practice::topic,
};

/// It is day in one of these, at any hour: nothing falls into quiet hours while a test runs.
const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Kathmandu",
    "Pacific/Auckland",
    "Asia/Tokyo",
];

/// A database with the keys to it, and a way to look inside.
pub struct World {
    pub store: Store,
    pub app: AppState,
    pub push: PushReceiver,
}

/// Runs one test on a fresh database of an engine; without PostgreSQL it says so and passes.
pub fn run<F>(engine: Engine, test: impl FnOnce(Arc<World>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    run_on(Store::fresh(engine), test);
}

/// The same on a database that is there already.
pub fn run_on<F>(store: Option<Store>, test: impl FnOnce(Arc<World>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(store) = store else {
        println!("skipped: no PostgreSQL");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let world =
            Arc::new(World { app: open(&store).await, store, push: PushReceiver::start().await.unwrap() });
        let ended = tokio::spawn(test(world.clone())).await;
        world.app.db.clone().close().await.unwrap();
        (ended, world)
    });
    // Connections and processes are gone before the database is.
    drop(runtime);
    if let (Err(error), world) = ended {
        drop(world);
        panic::resume_unwind(error.into_panic());
    }
}

async fn open(store: &Store) -> AppState {
    let mut config = Config::development(store.folder().join("data"));
    config.database.url = store.url().into();
    config.push.allow_loopback = true;
    // Nobody attacks these passwords, and every server that starts takes them.
    config.auth.argon2_memory_kib = 16;
    config.auth.argon2_iterations = 1;
    keyfile::generate_missing(&config.development_keys_dir(), config.environment).unwrap();
    let keys = keyfile::load(&config.keys, config.environment).unwrap();
    AppState::build(config, &keys, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap()
}

impl World {
    /// The binary on this database, with reminders claimed fifty at a time and the shortest lease there is.
    pub fn afterglow(&self, arguments: &[&str]) -> Command {
        let mut command = afterglow(self.store.folder(), arguments);
        command
            .env("AFTERGLOW_DATABASE__URL", self.store.url())
            .env("AFTERGLOW_PUSH__BATCH_SIZE", BATCH.to_string())
            .env("AFTERGLOW_SCHEDULER__LEASE_SECONDS", "15");
        command
    }

    /// So many patients with a phone and one reminder due now, claimed in the order of their numbers. The phones are
    /// called `phone-0`, `phone-1` and so on.
    pub async fn fill(&self, patients: usize) {
        self.fill_at(&self.push, 0..patients).await;
    }

    /// Patients with these numbers, whose phones are at another push service.
    pub async fn fill_at(&self, push: &PushReceiver, numbers: Range<usize>) {
        let (app, now) = (&self.app, SystemClock.now());
        let clinic = ClinicId(app.random.uuid_v7(now));
        let password = app.passwords.hash(PASSWORD).await.unwrap();
        let txn = app.db.begin().await.unwrap();
        let rooms = NewClinic { id: clinic, name: "Praxis", country: "DE", zone: ZONES[0], phone: None };
        create_clinic(&txn, &app.vault, rooms, now).await.unwrap();
        let zone = daytime(now);
        for number in numbers {
            let id = PatientId(app.random.uuid_v7(now));
            let account = NewAccount {
                id: id.into(),
                clinic,
                is_patient: true,
                capabilities: Capabilities::new(vec![]),
                profession: None,
                email: email(&format!("patient-{number}")),
                display_name: format!("Patient {number}"),
                zone: zone.name().to_owned(),
                locale: "en".into(),
                password_hash: password.clone(),
            };
            assert!(create_account(&txn, &app.vault, account, now).await.unwrap());
            let owner = KeyOwner::new(OwnerKind::Patient, id);
            let key = app.vault.unwrap(&wrapped(&txn, owner).await.unwrap()).unwrap();
            self.subscribe(&txn, push.subscribe(&format!("phone-{number}")), id.into(), &key).await;
            self.remind(&txn, id, &zone, number).await;
        }
        txn.commit().await.unwrap();
    }

    async fn subscribe(
        &self,
        txn: &DatabaseTransaction,
        device: DeviceSubscription,
        owner: AccountId,
        key: &DataKey,
    ) {
        let (app, now) = (&self.app, SystemClock.now());
        let id = SubscriptionId(app.random.uuid_v7(now));
        let way = Way::WebPush { endpoint: device.endpoint, p256dh: device.p256dh, auth: device.auth };
        let address = Address { way, device_name: None };
        let row = push_subscriptions::Model {
            account_id: owner,
            id,
            login_id: LoginId(app.random.uuid_v7(now)),
            vapid_kid: app.push.public_key().0,
            endpoint_index: app.vault.index().endpoint(&address.way.indexed()),
            endpoint_index_kid: app.vault.index().kid().to_owned(),
            subscription_sealed: seal(key, id, &address),
            platform: None,
            state: "active".into(),
            revision: 1,
            last_accepted_at: None,
            last_shown_at: None,
            last_failure_at: None,
            last_failure: None,
            created_at: now,
            updated_at: now,
        };
        let row = push_subscriptions::ActiveModel::from(row).reset_all();
        push_subscriptions::Entity::insert(row).exec_without_returning(txn).await.unwrap();
    }

    /// A daily reminder whose occurrence of today was due a moment ago.
    async fn remind(&self, txn: &DatabaseTransaction, patient: PatientId, zone: &Zone, number: usize) {
        let (app, now) = (&self.app, SystemClock.now());
        let time = LocalTime::of(zone.local(now - Duration::minutes(5)));
        let recurrence = Recurrence::Daily { time };
        let rule = reminders::Model {
            patient_id: patient,
            id: ReminderId(app.random.uuid_v7(now)),
            version: 1,
            sync_seq: 1,
            category: "mindfulness".into(),
            recurrence: serde_json::to_string(&recurrence).unwrap(),
            active: true,
            text_sealed: None,
            set_by: patient.into(),
            created_at: now,
            updated_at: now,
            template_id: None,
            unanswered: 0,
            rested_at: None,
        };
        let facts = recurring_facts(&rule, &recurrence, None, 0);
        let planned =
            plan_recurring(now - Duration::hours(2), &facts, zone, &Policy::default(), &[]).unwrap();
        let id = NotificationId(app.random.uuid_v7(now));
        let mut row = row_of(patient, (RULE, rule.id.0), id, planned, now);
        assert!(row.due_at <= now && now < row.expires_at);
        let place = i64::try_from(number).unwrap();
        row.next_attempt_at = now - Duration::hours(1) + Duration::milliseconds(place);
        let row = notifications::ActiveModel::from(row).reset_all();
        notifications::Entity::insert(row).exec_without_returning(txn).await.unwrap();
        let rule = reminders::ActiveModel::from(rule).reset_all();
        reminders::Entity::insert(rule).exec_without_returning(txn).await.unwrap();
    }

    /// The whole ledger, in an order of its own.
    pub async fn ledger(&self) -> Vec<notifications::Model> {
        notifications::Entity::find()
            .order_by_asc(notifications::Column::Slot)
            .all(self.app.db.reader())
            .await
            .unwrap()
    }

    /// What was recorded of every device.
    pub async fn delivered(&self) -> (Vec<deliveries::Model>, Vec<push_subscriptions::Model>) {
        let conn = self.app.db.reader();
        let deliveries = deliveries::Entity::find().order_by_asc(deliveries::Column::NotificationId);
        let devices = push_subscriptions::Entity::find().order_by_asc(push_subscriptions::Column::Id);
        (deliveries.all(conn).await.unwrap(), devices.all(conn).await.unwrap())
    }

    /// Waits until the ledger says that so many were accepted.
    pub async fn accepted(&self, count: u64) {
        self.accepted_while(count, || std::future::ready(())).await;
    }

    /// The same, and does something before each look.
    pub async fn accepted_while<F: Future<Output = ()>>(&self, count: u64, work: impl Fn() -> F) {
        let work = &work;
        eventually(&format!("{count} reminders are accepted"), || async move {
            work().await;
            let accepted = notifications::Column::State.eq("accepted");
            let found = notifications::Entity::find().filter(accepted).count(self.app.db.reader()).await;
            // Our own connection may be one of those that a test has cut.
            found.is_ok_and(|found| found >= count).then_some(())
        })
        .await;
    }

    /// Each phone got the push, and what came twice has one topic; returns how many came again.
    pub fn repetitions(&self, phones: usize) -> usize {
        let received = self.push.received();
        let mut repeated = 0;
        for number in 0..phones {
            let name = format!("phone-{number}");
            let mine: Vec<&Received> = received.iter().filter(|push| push.device == name).collect();
            assert!(!mine.is_empty(), "{name} got nothing");
            for push in &mine {
                assert_eq!(push.problems, Vec::<String>::new());
                assert_eq!(topic(push), topic(mine[0]), "phone and push service cannot collapse them");
            }
            repeated += mine.len() - 1;
        }
        repeated
    }
}

/// Reminders claimed in one go.
pub const BATCH: usize = 50;
/// Batches that can be under way at once.
pub const UNDER_WAY: usize = 4 * BATCH;

/// The long form (`just soak`), or the short one.
pub fn soak<T>(long: T, short: T) -> T {
    if std::env::var_os("AFTERGLOW_SOAK").is_some() { long } else { short }
}

fn daytime(now: DateTime<Utc>) -> Zone {
    let zones = ZONES.iter().map(|name| Zone::parse(name).unwrap());
    let mut day = zones.filter(|zone| (10..17).contains(&zone.local(now).hour()));
    day.next().unwrap()
}
