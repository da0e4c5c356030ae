//! Rows of push subscriptions. The owner is part of every predicate; the whole address is one sealed value.

use std::borrow::Cow;

use entity::{
    ids::{AccountId, SubscriptionId},
    push_subscriptions,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};

use super::dto::{PushSubscription, SubscriptionCreate, SubscriptionKind};
use crate::{
    accounts::Caller,
    app::AppState,
    db::WriteTx,
    error::{ApiError, ApiResult},
    vault::{DataKey, Place},
};

/// Most devices an account can have.
const MOST: u64 = 20;

/// A checked address: what is sealed of a subscription.
#[derive(Clone, Serialize, Deserialize)]
pub struct Address {
    #[serde(flatten)]
    pub way: Way,
    #[serde(default)]
    pub device_name: Option<String>,
}

/// How a device is reached. Told apart by their fields: what was sealed when there was only Web Push opens too.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Way {
    WebPush { endpoint: String, p256dh: String, auth: String },
    Apns { apns_token: String },
    Fcm { fcm_token: String },
}

impl Way {
    pub fn kind(&self) -> SubscriptionKind {
        match self {
            Self::WebPush { .. } => SubscriptionKind::WebPush,
            Self::Apns { .. } => SubscriptionKind::Apns,
            Self::Fcm { .. } => SubscriptionKind::Fcm,
        }
    }

    /// What the blind index is made of. An endpoint begins with its scheme, and no other way does.
    pub fn indexed(&self) -> Cow<'_, str> {
        match self {
            Self::WebPush { endpoint, .. } => endpoint.into(),
            Self::Apns { apns_token } => format!("apns {apns_token}").into(),
            Self::Fcm { fcm_token } => format!("fcm {fcm_token}").into(),
        }
    }
}

/// Where to send, and with which key.
pub struct Target {
    pub subscription: SubscriptionId,
    pub address: Address,
    pub vapid_kid: String,
}

fn place(id: SubscriptionId) -> Place {
    Place::new("push_subscriptions", "subscription_sealed", id)
}

/// The address of a subscription, opened.
pub fn target(row: &push_subscriptions::Model, key: &DataKey) -> ApiResult<Target> {
    let address = key.open_json(place(row.id), &row.subscription_sealed)?;
    Ok(Target { subscription: row.id, address, vapid_kid: row.vapid_kid.clone() })
}

/// Seals an address for the row it will live in.
pub fn seal(key: &DataKey, id: SubscriptionId, address: &Address) -> Vec<u8> {
    key.seal_json(place(id), address)
}

pub fn view(row: push_subscriptions::Model, key: &DataKey) -> ApiResult<PushSubscription> {
    let address = target(&row, key)?.address;
    let kind = address.way.kind();
    Ok(PushSubscription {
        id: row.id,
        kind,
        vapid_kid: (kind == SubscriptionKind::WebPush).then_some(row.vapid_kid),
        device_name: address.device_name,
        platform: row.platform,
        state: row.state,
        last_accepted_at: row.last_accepted_at,
        last_shown_at: row.last_shown_at,
        last_failure_at: row.last_failure_at,
        last_failure: row.last_failure,
        created_at: row.created_at,
    })
}

pub async fn find(
    conn: &impl ConnectionTrait,
    account: AccountId,
    id: SubscriptionId,
) -> ApiResult<push_subscriptions::Model> {
    push_subscriptions::Entity::find_by_id((account, id)).one(conn).await?.ok_or(ApiError::NotFound)
}

pub async fn list(
    conn: &impl ConnectionTrait,
    account: AccountId,
) -> ApiResult<Vec<push_subscriptions::Model>> {
    Ok(push_subscriptions::Entity::find()
        .filter(push_subscriptions::Column::AccountId.eq(account))
        .order_by_asc(push_subscriptions::Column::CreatedAt)
        .order_by_asc(push_subscriptions::Column::Id)
        .limit(MOST + 1)
        .all(conn)
        .await?)
}

/// Inserts the subscription, renews it if this account already has the endpoint, and takes it from any other account.
pub async fn upsert(
    app: &AppState,
    tx: &WriteTx,
    me: &Caller,
    input: SubscriptionCreate,
    address: Address,
) -> ApiResult<push_subscriptions::Model> {
    let index = app.vault.index().endpoint(&address.way.indexed());
    let vapid_kid = match address.way.kind() {
        SubscriptionKind::WebPush => input.vapid_kid.unwrap_or_else(|| app.push.public_key().0),
        SubscriptionKind::Apns | SubscriptionKind::Fcm => String::new(),
    };
    push_subscriptions::Entity::delete_many()
        .filter(push_subscriptions::Column::EndpointIndex.eq(index.clone()))
        .filter(push_subscriptions::Column::AccountId.ne(me.account))
        .exec(tx.conn())
        .await?;
    let mut mine = list(tx.conn(), me.account).await?;
    if mine.len() as u64 >= MOST {
        // Those that are no more must not keep a new phone from being reached.
        forget_gone(tx, me.account).await?;
        mine.retain(|row| row.state == "active");
    }
    let known = mine.iter().find(|row| row.endpoint_index == index);
    if known.is_none() && mine.len() as u64 >= MOST {
        let detail = format!("You already have {MOST} devices. Remove one first.");
        return Err(ApiError::conflict("too_many_devices", detail));
    }
    let id = known.map_or_else(|| SubscriptionId(tx.new_id()), |row| row.id);
    let address = Address { device_name: input.device_name, ..address };
    let row = push_subscriptions::Model {
        account_id: me.account,
        id,
        login_id: me.login,
        vapid_kid,
        endpoint_index: index,
        endpoint_index_kid: app.vault.index().kid().to_owned(),
        subscription_sealed: seal(&me.key, id, &address),
        platform: input.platform,
        state: "active".to_owned(),
        revision: known.map_or(1, |row| row.revision + 1),
        last_accepted_at: known.and_then(|row| row.last_accepted_at),
        last_shown_at: known.and_then(|row| row.last_shown_at),
        last_failure_at: None,
        last_failure: None,
        created_at: known.map_or(tx.now(), |row| row.created_at),
        updated_at: tx.now(),
    };
    let active: push_subscriptions::ActiveModel = row.clone().into();
    match known {
        Some(_) => drop(active.reset_all().update(tx.conn()).await?),
        None => {
            push_subscriptions::Entity::insert(active.reset_all()).exec_without_returning(tx.conn()).await?;
        }
    }
    Ok(row)
}

async fn forget_gone(tx: &WriteTx, account: AccountId) -> ApiResult<()> {
    push_subscriptions::Entity::delete_many()
        .filter(push_subscriptions::Column::AccountId.eq(account))
        .filter(push_subscriptions::Column::State.eq("gone"))
        .exec(tx.conn())
        .await?;
    Ok(())
}

pub async fn delete(tx: &WriteTx, account: AccountId, id: SubscriptionId) -> ApiResult<()> {
    let gone = push_subscriptions::Entity::delete_by_id((account, id)).exec(tx.conn()).await?;
    if gone.rows_affected == 0 { Err(ApiError::NotFound) } else { Ok(()) }
}

/// The VAPID keys that living subscriptions were made with.
pub async fn vapid_kids_in_use(conn: &impl ConnectionTrait) -> ApiResult<Vec<String>> {
    Ok(push_subscriptions::Entity::find()
        .select_only()
        .column(push_subscriptions::Column::VapidKid)
        .filter(push_subscriptions::Column::State.eq("active"))
        .distinct()
        .into_tuple()
        .all(conn)
        .await?)
}
