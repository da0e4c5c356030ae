//! HTTP to the vendors: HTTP/2 from the first byte, behind the same guards as Web Push.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, RequestBuilder, redirect};
use serde_json::Value;
use url::Url;

use super::NativeError;
use crate::push::protocol::{
    AddressFilter, AttemptResult, FailureKind, GuardedResolver, SystemNames, TransportOptions, transport,
};

/// Bytes of an answer that are read at most; their answers are short.
const ANSWER_BYTES: usize = 16 * 1_024;

/// What a vendor answered: what HTTP says, and the body if it is JSON.
pub struct Answer {
    pub result: AttemptResult,
    pub json: Value,
}

impl Answer {
    fn failed(kind: FailureKind) -> Self {
        Self { result: AttemptResult::Failed(kind), json: Value::Null }
    }

    pub fn status(&self) -> Option<u16> {
        match &self.result {
            AttemptResult::Answered { status, .. } => Some(*status),
            AttemptResult::Failed(_) => None,
        }
    }
}

/// Talks to one vendor.
pub struct NativeClient {
    client: Client,
    filter: AddressFilter,
    allow_loopback: bool,
    total_timeout: Duration,
}

impl NativeClient {
    pub fn new(options: TransportOptions) -> Result<Self, NativeError> {
        let filter = AddressFilter::new(options.allow_loopback);
        let client = Client::builder()
            .dns_resolver(GuardedResolver::new(filter, Arc::new(SystemNames)))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .https_only(!options.allow_loopback)
            .connect_timeout(options.connect_timeout)
            // Apple speaks nothing else.
            .http2_prior_knowledge()
            .http2_max_header_list_size(16 * 1_024)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(5))
            .http2_keep_alive_while_idle(true)
            .build()
            .map_err(|_| NativeError::Client)?;
        let (allow_loopback, total_timeout) = (options.allow_loopback, options.total_timeout);
        Ok(Self { client, filter, allow_loopback, total_timeout })
    }

    /// The address of a service, without a final slash.
    pub fn address(&self, setting: &'static str, text: &str) -> Result<String, NativeError> {
        let url = Url::parse(text).ok().filter(|url| self.permits(url));
        let plain = url.filter(|url| url.query().is_none() && url.username().is_empty() && url.has_host());
        plain.map(|_| text.trim_end_matches('/').to_owned()).ok_or(NativeError::Address { setting })
    }

    fn permits(&self, url: &Url) -> bool {
        (url.scheme() == "https" || self.allow_loopback) && self.filter.permits_literal(url)
    }

    pub fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends and reads the answer, within the time limit.
    pub async fn exchange(&self, request: RequestBuilder) -> Answer {
        let exchange = async {
            let response = match request.send().await {
                Ok(response) => response,
                Err(error) => return Answer::failed(transport::kind(&error)),
            };
            if !self.filter.permits_peer(response.remote_addr()) {
                return Answer::failed(FailureKind::Blocked);
            }
            let result = transport::answered(&response);
            Answer { result, json: read(response).await }
        };
        let ended = tokio::time::timeout(self.total_timeout, exchange).await;
        ended.unwrap_or_else(|_| Answer::failed(FailureKind::Timeout))
    }
}

async fn read(mut response: reqwest::Response) -> Value {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Value::Null;
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}

/// `Bearer` and a token.
pub fn bearer(token: &str) -> Arc<str> {
    format!("Bearer {token}").into()
}
