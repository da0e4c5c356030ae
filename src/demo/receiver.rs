//! stub
pub struct PushReceiver;
pub struct Received { pub headers: Vec<(String,String)>, pub wire_bytes: usize, pub plaintext_json: serde_json::Value, pub problems: Vec<String> }
pub struct DeviceSubscription { pub endpoint: String, pub p256dh: String, pub auth: String }
impl PushReceiver { pub async fn start() -> std::io::Result<Self> { Ok(Self) } pub fn subscribe(&self, _: &str) -> DeviceSubscription { DeviceSubscription{endpoint:String::new(),p256dh:String::new(),auth:String::new()} } pub async fn wait_for(&self, _: usize, _: std::time::Duration) -> Vec<Received> { vec![] } }
