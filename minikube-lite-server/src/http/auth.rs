//! Who asks: bearer tokens and impersonation.

use super::token::Tokens;
use crate::authorization::{AUTHENTICATED, UNAUTHENTICATED, User};
use crate::registry::Registry;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::Digest;
use shared_types::status::Status;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a user's extra fields tell which credential was shown.
pub const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

/// Checks tokens.
pub struct Authenticator {
    admin_token: String,
    admin: User,
    /// Tokens of ServiceAccounts.
    pub tokens: Arc<Tokens>,
}

impl Authenticator {
    pub fn new(admin_token: String, tokens: Arc<Tokens>) -> Authenticator {
        let digest: String = sha2::Sha256::digest(&admin_token).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut admin = User::admin();
        admin.extra.insert(CREDENTIAL.into(), vec![format!("SHA256={digest}")]);
        Authenticator { admin_token, admin, tokens }
    }

    /// The user of a bearer token, if it is a good one.
    pub fn token_user(&self, registry: &Registry, token: &str) -> Option<User> {
        if constant_time_eq(token.as_bytes(), self.admin_token.as_bytes()) {
            return Some(self.admin.clone());
        }
        self.tokens.user(registry, token)
    }

    /// The user that a request's headers name.
    ///
    /// # Errors
    /// `Unauthorized` for a bad token.
    pub fn authenticate(&self, registry: &Registry, headers: &HeaderMap) -> Result<User, Status> {
        let Some(header) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return Ok(User::anonymous());
        };
        let mut words = header.split_whitespace();
        match (words.next(), words.next()) {
            (Some(scheme), Some(token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.token_user(registry, token).ok_or_else(Status::unauthorized)
            }
            _ => Ok(User::anonymous()),
        }
    }
}

/// The user that a request impersonates, if any (`Impersonate-User` and its companions).
///
/// # Errors
/// `BadRequest` for groups or extras without a user.
pub fn impersonated(headers: &HeaderMap) -> Result<Option<User>, Status> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_string();
    let groups = headers.get_all("impersonate-group").iter().filter_map(|value| value.to_str().ok());
    let mut groups: Vec<String> = groups.map(str::to_string).collect();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix("impersonate-extra-"), value.to_str()) {
            let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned();
            extra.entry(key).or_default().push(value.to_string());
        }
    }
    let (name, uid) = (text("impersonate-user"), text("impersonate-uid"));
    if name.is_empty() {
        return match groups.is_empty() && extra.is_empty() && uid.is_empty() {
            true => Ok(None),
            false => Err(without_name(&uid, &groups, &extra)),
        };
    }
    if name == "system:anonymous" {
        if groups.is_empty() {
            groups.push(UNAUTHENTICATED.into());
        }
    } else if !groups.iter().any(|group| group == AUTHENTICATED) {
        if let Some(account) = name.strip_prefix("system:serviceaccount:").filter(|_| groups.is_empty()) {
            let namespace = account.split(':').next().unwrap_or("");
            groups.push("system:serviceaccounts".into());
            groups.push(format!("system:serviceaccounts:{namespace}"));
        }
        groups.push(AUTHENTICATED.into());
    }
    Ok(Some(User { name, uid, groups, extra }))
}

/// The error for impersonation of nobody, which shows the wanted user as Go's `%#v` does.
fn without_name(uid: &str, groups: &[String], extra: &BTreeMap<String, Vec<String>>) -> Status {
    let list = |items: &[String]| match items {
        [] => "[]string(nil)".to_string(),
        items => format!("[]string{{{}}}", items.iter().map(|i| format!("{i:?}")).collect::<Vec<_>>().join(", ")),
    };
    let extra = match extra.is_empty() {
        true => "map[string][]string(nil)".to_string(),
        false => {
            let entries: Vec<String> = extra.iter().map(|(key, values)| format!("{key:?}:{}", list(values))).collect();
            format!("map[string][]string{{{}}}", entries.join(", "))
        }
    };
    Status::bad_request(format!(
        "requested &user.DefaultInfo{{Name:\"\", UID:{uid:?}, Groups:{}, Extra:{extra}}} without impersonating a user name",
        list(groups)
    ))
}

fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (x, y)| differs | (x ^ y)) == 0
}
