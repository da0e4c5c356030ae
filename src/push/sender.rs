//! stub
use chrono::{DateTime, Utc};
use uuid::Uuid;
use crate::{config::Config, error::ApiResult, vault::{Mac, keyfile::KeySet}};
use super::{dto::SubscriptionCreate, queries::{Address, Target}};
pub struct Sender;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct BuildError;
pub struct Message;
pub struct Sent;
impl Sent { pub fn outcome(&self) -> &'static str {"accepted"} pub fn status(&self) -> Option<u16> {None} }
impl Message { pub fn test(_: impl Into<Uuid>, _: &str, _: &str, _: &str) -> Self { Self } }
impl Sender { pub fn new(_: &Config, _: &KeySet, _: Mac) -> Result<Self, BuildError> { Ok(Self) } 
pub fn public_key(&self) -> (String, String) { (String::new(), String::new()) }
pub fn check(&self, input: &SubscriptionCreate) -> ApiResult<Address> { Ok(Address{endpoint: input.endpoint.clone(), p256dh: String::new(), auth: String::new(), device_name: None}) }
pub async fn send(&self, _: DateTime<Utc>, _: &Target, _: &Message) -> Sent { Sent }
}
