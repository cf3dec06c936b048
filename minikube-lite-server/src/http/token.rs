//! Tokens of ServiceAccounts: JSON Web Tokens (RFC 7519) signed with ES256, as the TokenRequest API issues them
//! (KEP-1205).

use super::auth::CREDENTIAL;
use crate::authorization::User;
use crate::registry::Registry;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use sha2::Digest;
use shared_types::fields::Fields;
use shared_types::json::{Value, json};
use shared_types::kinds;
use shared_types::status::Status;

/// Who issues the tokens, and for whom they are unless somebody else is named.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Issues and checks tokens.
pub struct Tokens {
    key: EcdsaKeyPair,
    key_id: String,
    random: SystemRandom,
}

/// What a token is asked for.
pub struct Wanted<'a> {
    pub namespace: &'a str,
    pub service_account: &'a Value,
    pub audiences: Vec<String>,
    /// How long it holds, in seconds.
    pub seconds: i64,
    /// The object that it is bound to, such as `("Pod", name, uid)`.
    pub bound: Option<(&'a str, &'a str, &'a str)>,
}

impl Tokens {
    /// A new signing key in PKCS #8 form.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate_key() -> Result<Vec<u8>, String> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|document| document.as_ref().to_vec())
            .map_err(|_| "cannot make a key for tokens".to_string())
    }

    /// Uses a key in PKCS #8 form.
    ///
    /// # Errors
    /// When it isn't one.
    pub fn new(pkcs8: &[u8]) -> Result<Tokens, String> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random)
            .map_err(|problem| format!("the key for tokens cannot be used: {problem}"))?;
        let key_id = URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(key.public_key().as_ref()));
        Ok(Tokens { key, key_id, random })
    }

    /// A token, and when it ends, in seconds since 1970.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue(&self, registry: &Registry, wanted: &Wanted<'_>) -> Result<(String, i64), Status> {
        let now = registry.environment().now().as_second();
        let end = now.saturating_add(wanted.seconds);
        let account = wanted.service_account;
        let mut bound = json!({
            "namespace": wanted.namespace,
            "serviceaccount": {"name": account.name(), "uid": account.uid()},
        });
        if let Some((kind, name, uid)) = wanted.bound {
            bound[kind.to_lowercase()] = json!({"name": name, "uid": uid});
        }
        let claims = json!({
            "aud": wanted.audiences,
            "exp": end,
            "iat": now,
            "iss": ISSUER,
            "jti": registry.environment().uid("token"),
            "kubernetes.io": bound,
            "nbf": now,
            "sub": format!("system:serviceaccount:{}:{}", wanted.namespace, account.name()),
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&json!({"alg": "ES256", "kid": self.key_id})), encode(&claims));
        let signature = self.key.sign(&self.random, signed.as_bytes());
        let signature = signature.map_err(|_| Status::internal("the token cannot be signed"))?;
        Ok((format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)), end))
    }

    /// The user of a token that is well signed, not over, and whose ServiceAccount (and bound object) still exists.
    pub fn user(&self, registry: &Registry, token: &str) -> Option<User> {
        let claims = self.claims(registry, token)?;
        let bound = claims.get("kubernetes.io")?;
        let (namespace, name) = (bound.text("namespace"), bound.text("serviceaccount.name"));
        let same = |kind: &str, name: &str, uid: &str| {
            let object = registry.get(kinds::named(kind), namespace, name).and_then(|entry| entry.object());
            object.is_ok_and(|object| object.uid() == uid && !object.is_terminating())
        };
        let uid = bound.text("serviceaccount.uid");
        if !same("ServiceAccount", name, uid) {
            return None;
        }
        let mut user = User::service_account(namespace, name, uid);
        if bound.has("pod") {
            let (pod, pod_uid) = (bound.text("pod.name"), bound.text("pod.uid"));
            if !same("Pod", pod, pod_uid) {
                return None;
            }
            user.extra.insert("authentication.kubernetes.io/pod-name".into(), vec![pod.into()]);
            user.extra.insert("authentication.kubernetes.io/pod-uid".into(), vec![pod_uid.into()]);
        }
        user.extra.insert(CREDENTIAL.into(), vec![format!("JTI={}", claims.text("jti"))]);
        Some(user)
    }

    /// The claims of a token that is well signed and not over.
    pub fn claims(&self, registry: &Registry, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, claims) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref());
        key.verify(signed.as_bytes(), &signature).ok()?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let now = registry.environment().now().as_second();
        let holds = claims.text("iss") == ISSUER
            && claims.int("nbf").is_some_and(|start| start <= now)
            && claims.int("exp").is_some_and(|end| now < end);
        holds.then_some(claims)
    }
}
