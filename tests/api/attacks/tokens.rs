//! Access tokens that this server did not sign, or not as they are.

use afterglow::vault::keyfile::KeySet;
use aws_lc_rs::hmac;
use axum::http::Method;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use chrono::Duration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::harness::{Person, Reply, TestApp, both_engines};

both_engines![
    s4_forged_tokens_are_all_answered_alike,
    s4_the_forger_of_this_test_can_also_tell_the_truth,
    s4_a_token_ends_on_the_second_and_with_its_login,
    s4_only_one_plain_authorization_header_counts,
    s4_a_new_signing_key_is_known_before_it_signs_and_an_old_one_until_it_goes,
];

fn encode(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Makes tokens with the server's own key, as nobody outside can.
struct Forge {
    key: EncodingKey,
    header: Header,
    claims: Value,
    honest: String,
}

impl Forge {
    async fn new(app: &TestApp, ana: &Person) -> Self {
        let signing = app.keys.signing.last().unwrap();
        let honest = ana.access_token();
        let claims = honest.split('.').nth(1).unwrap();
        let claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let typ = Some("at+jwt".to_owned());
        let header = Header { typ, kid: Some(signing.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        Self { key: EncodingKey::from_ed_der(&signing.pkcs8), header, claims, honest }
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }

    /// The truth but for one claim.
    fn claiming(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        self.sign(&self.header, &claims)
    }

    fn without(&self, name: &str) -> String {
        let mut claims = self.claims.clone();
        claims.as_object_mut().unwrap().remove(name).unwrap();
        self.sign(&self.header, &claims)
    }

    fn headed(&self, change: impl FnOnce(&mut Header)) -> String {
        let mut header = self.header.clone();
        change(&mut header);
        self.sign(&header, &self.claims)
    }

    /// Three parts without any help of a library.
    fn raw(&self, header: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let signed = format!("{}.{}", encode(header), encode(&self.claims));
        let signature = sign(signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

async fn me(app: &TestApp, token: &str) -> Reply {
    app.anon().request(Method::GET, "/v1/me").await.bearer(token).send().await
}

fn kid_tricks(forge: &Forge) -> Vec<(&'static str, String)> {
    ["../../../../dev/null", "/dev/null", "x' OR '1'='1", "", "https://evil.example/key", "\u{202e}dik"]
        .map(|kid| ("kid", forge.headed(|header| header.kid = Some(kid.to_owned()))))
        .to_vec()
}

fn algorithm_tricks(app: &TestApp, forge: &Forge, public: &[u8]) -> Vec<(&'static str, String)> {
    let kid = forge.header.kid.clone().unwrap();
    let hmac_with =
        |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec();
    let header = |alg: &str| json!({"alg": alg, "typ": "at+jwt", "kid": kid});
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(public));
    let other = KeySet::generate().unwrap().signing.remove(0);
    let stranger = EncodingKey::from_ed_der(&other.pkcs8);
    let honest: Vec<&str> = forge.honest.split('.').collect();
    let of_stranger = jsonwebtoken::encode(&forge.header, &forge.claims, &stranger).unwrap();
    assert!(app.keys.signing.iter().all(|key| key.pkcs8 != other.pkcs8));
    vec![
        ("none", forge.raw(&header("none"), |_| Vec::new())),
        ("None", forge.raw(&header("None"), |_| Vec::new())),
        ("none with the old signature", format!("{}.{}.{}", encode(&header("none")), honest[1], honest[2])),
        ("no signature", format!("{}.{}.", honest[0], honest[1])),
        ("two parts", format!("{}.{}", honest[0], honest[1])),
        ("HS256 with the public key", forge.raw(&header("HS256"), |text| hmac_with(public, text))),
        (
            "HS256 with the public key as PEM",
            forge.raw(&header("HS256"), |text| hmac_with(pem.as_bytes(), text)),
        ),
        ("EdDSA header, HMAC signature", forge.raw(&header("EdDSA"), |text| hmac_with(public, text))),
        ("ES256", forge.raw(&header("ES256"), |_| vec![0; 64])),
        ("RS256", forge.raw(&header("RS256"), |_| vec![1; 256])),
        ("zero signature", forge.raw(&header("EdDSA"), |_| vec![0; 64])),
        ("another key under our kid", of_stranger),
    ]
}

fn claim_tricks(forge: &Forge) -> Vec<(&'static str, String)> {
    let exp = forge.claims["exp"].as_i64().unwrap();
    let float = f64::from(i32::try_from(exp).unwrap()) + 0.5;
    vec![
        ("exp as text", forge.claiming("exp", json!(exp.to_string()))),
        ("exp as float", forge.claiming("exp", json!(float))),
        ("exp far too large", forge.claiming("exp", json!(1e300))),
        ("exp null", forge.claiming("exp", Value::Null)),
        ("exp past", forge.claiming("exp", json!(exp - 601))),
        ("no exp", forge.without("exp")),
        ("other aud", forge.claiming("aud", json!("another"))),
        ("no aud", forge.without("aud")),
        ("other iss", forge.claiming("iss", json!("https://evil.example"))),
        ("no iss", forge.without("iss")),
        ("sub of nobody", forge.claiming("sub", json!("0198f000-0000-7000-8000-000000000000"))),
        ("sub no id", forge.claiming("sub", json!("' OR 1=1 --"))),
        ("sid of nobody", forge.claiming("sid", json!("0198f000-0000-7000-8000-000000000000"))),
        ("no sid", forge.without("sid")),
    ]
}

fn header_tricks(forge: &Forge) -> Vec<(&'static str, String)> {
    vec![
        ("no kid", forge.headed(|header| header.kid = None)),
        ("no typ", forge.headed(|header| header.typ = None)),
        ("typ JWT", forge.headed(|header| header.typ = Some("JWT".into()))),
    ]
}

/// Headers that name a key elsewhere: nobody goes there, and the signature decides.
fn key_elsewhere(forge: &Forge) -> Vec<(&'static str, String)> {
    let stranger = KeySet::generate().unwrap().signing.remove(0);
    let key = EncodingKey::from_ed_der(&stranger.pkcs8);
    ["jku", "x5u", "jwk", "x5c"]
        .map(|name| {
            let value = match name {
                "jwk" => json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64_URL_SAFE_NO_PAD.encode([7; 32])}),
                "x5c" => json!([BASE64_STANDARD.encode([7; 64])]),
                _ => json!("http://127.0.0.1:9/keys.json"),
            };
            let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": forge.header.kid, name: value});
            let signed = |text: &[u8]| {
                let signature = jsonwebtoken::crypto::sign(text, &key, Algorithm::EdDSA).unwrap();
                BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap()
            };
            (name, forge.raw(&header, signed))
        })
        .to_vec()
}

async fn s4_forged_tokens_are_all_answered_alike(app: TestApp) {
    let ana = app.patient("ana").await;
    let forge = Forge::new(&app, &ana).await;
    let jwks = app.anon().get("/.well-known/jwks.json").await.expect(200);
    let public = BASE64_URL_SAFE_NO_PAD.decode(jwks["keys"][0]["x"].as_str().unwrap()).unwrap();
    let bo = app.therapist("bo").await;
    let mut attempts = algorithm_tricks(&app, &forge, &public);
    attempts.extend(kid_tricks(&forge));
    attempts.extend(claim_tricks(&forge));
    attempts.extend(header_tricks(&forge));
    attempts.extend(key_elsewhere(&forge));
    attempts.push(("another's login", forge.claiming("sid", json!(bo.id))));
    attempts.push(("refresh token", ana.refresh_token()));
    attempts.push(("empty", String::new()));
    attempts.push(("1 MiB", "a".repeat(1 << 20)));
    attempts.push(("1 MiB behind a true one", format!("{}.{}", forge.honest, "a".repeat(1 << 20))));
    let nothing = app.anon().get("/v1/me").await;
    assert_eq!(nothing.status, 401);
    for (trick, token) in attempts {
        let reply = me(&app, &token).await;
        assert_eq!(reply.shape(), nothing.shape(), "{trick}");
    }
    assert_eq!(me(&app, &forge.honest).await.status, 200);
}

async fn s4_the_forger_of_this_test_can_also_tell_the_truth(app: TestApp) {
    let ana = app.patient("ana").await;
    let forge = Forge::new(&app, &ana).await;
    let again = forge.claiming("jti", json!("0198f000-0000-7000-8000-000000000001"));
    assert_eq!(me(&app, &again).await.expect(200)["id"], ana.id.to_string());
}

async fn s4_a_token_ends_on_the_second_and_with_its_login(app: TestApp) {
    let ana = app.patient("ana").await;
    let token = ana.access_token();
    app.advance(Duration::seconds(599));
    assert_eq!(me(&app, &token).await.status, 200);
    app.advance(Duration::seconds(1));
    assert_eq!(me(&app, &token).await.status, 401);
    let device = app.log_in("ana").await;
    let token = device.access_token();
    assert_eq!(me(&app, &token).await.status, 200);
    device.request(Method::POST, "/v1/auth/logout").await.send().await.expect(204);
    assert_eq!(me(&app, &token).await.status, 401);
    app.anon().post("/v1/auth/refresh", &json!({"refresh_token": device.refresh_token()})).await.expect(401);
}

async fn s4_only_one_plain_authorization_header_counts(app: TestApp) {
    let ana = app.patient("ana").await;
    let token = ana.access_token();
    for header in
        [token.clone(), format!("Basic {token}"), format!("Bearer{token}"), "Bearer".into(), "Bearer ".into()]
    {
        let request = app.anon().request(Method::GET, "/v1/me").await.header("authorization", &header);
        assert_eq!(request.send().await.status, 401, "{header}");
    }
    let twice = app.anon().request(Method::GET, "/v1/me").await.bearer(&token).bearer(&token);
    assert_eq!(twice.send().await.status, 401);
    assert_eq!(app.anon().get(&format!("/v1/me?access_token={token}")).await.status, 401);
}

async fn s4_a_new_signing_key_is_known_before_it_signs_and_an_old_one_until_it_goes(app: TestApp) {
    let replica = app.beside().await;
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let published = async || {
        let keys = app.anon().get("/.well-known/jwks.json").await.expect(200)["keys"].clone();
        keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let old = app.keys.signing[0].clone();
    let mut new = KeySet::generate().unwrap().signing.remove(0);
    new.signs_from = Some(app.now() + Duration::minutes(10));
    app.patient("ana").await;
    for server in [&app.state, &replica.state] {
        server.tokens.replace(&[old.clone(), new.clone()]).unwrap();
    }
    assert_eq!(published().await, [old.kid.clone(), new.kid.clone()]);
    app.advance(Duration::minutes(9));
    let before = app.log_in("ana").await;
    assert_eq!(kid(&before.access_token()), old.kid, "the new key signs too early");
    app.advance(Duration::minutes(1));
    let after = app.log_in("ana").await;
    assert_eq!(kid(&after.access_token()), new.kid);
    for token in [before.access_token(), after.access_token()] {
        assert_eq!(me(&app, &token).await.status, 200);
        assert_eq!(replica.request(Method::GET, "/v1/me", &token).send().await.status, 200);
    }
    app.state.tokens.replace(&[new.clone()]).unwrap();
    assert_eq!(published().await, [new.kid]);
    assert_eq!(me(&app, &before.access_token()).await.status, 401, "a key that is gone still opens");
    assert_eq!(me(&app, &after.access_token()).await.status, 200);
}
