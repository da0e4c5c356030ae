//! The protocol side of Web Push: what may be an endpoint, how a text is sealed and signed, how it is sent,
//! and what an answer means. It knows HTTP, cryptography and time as an argument; it knows no database, no
//! account and no rule about when to send. An endpoint is a secret: it appears in no log line and no error
//! text of this module.

pub mod answer;
pub mod breaker;
pub mod egress;
pub mod endpoint;
pub mod keys;
pub mod payload;
pub mod seal;
pub mod slots;
pub mod transport;
pub mod vapid;

pub use answer::{AttemptResult, FailureKind, FaultKind, Outcome, RetryKind, classify, retry_delay};
pub use breaker::{BreakerPolicy, Breakers};
pub use egress::{AddressFilter, Finding, GuardedResolver, Names, SystemNames, is_public};
pub use endpoint::{BadHostRule, Endpoint, EndpointError, EndpointPolicy, check_endpoint};
pub use keys::{DeviceKeys, KeyError, check_keys};
pub use payload::{CLEAR_BYTES, PayloadBuilder, PayloadError, PushMessage, PushText, topic};
pub use seal::{NativeSealer, SealError, Sealer};
pub use slots::OriginSlots;
pub use transport::{HttpTransport, PushRequest, Sending, Transport, TransportOptions};
pub use vapid::{VapidError, VapidKeys, VapidSigner};
pub use web_push::Urgency;
