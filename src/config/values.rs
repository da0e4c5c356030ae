//! How single values of the settings are read and written.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serializer, de};

const NOT_AN_ADDRESS: &str = "must be an IP address and a port, such as 127.0.0.1:8080";

pub fn hidden<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.expose_secret().is_empty() { "" } else { "[hidden]" })
}

pub fn address_or_empty<S: Serializer>(
    address: &Option<SocketAddr>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_str(""),
    }
}

pub fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    empty_or_address(deserializer)?.ok_or_else(|| de::Error::custom(NOT_AN_ADDRESS))
}

pub fn empty_or_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer).map_err(|_| de::Error::custom(NOT_AN_ADDRESS))?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| de::Error::custom(NOT_AN_ADDRESS))
}

/// A list, or in an environment variable the same with commas.
pub fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: de::DeserializeOwned,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ListOrText {
        List(Vec<String>),
        Text(String),
    }
    let texts = match ListOrText::deserialize(deserializer) {
        Ok(ListOrText::List(texts)) => texts,
        Ok(ListOrText::Text(text)) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        Err(_) => return Err(de::Error::custom("must be a list of texts")),
    };
    let filled = texts.into_iter().filter(|text| !text.is_empty());
    filled.map(|text| T::deserialize(de::value::StringDeserializer::<D::Error>::new(text))).collect()
}
