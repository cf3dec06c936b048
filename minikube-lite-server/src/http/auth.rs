//! Who asks: bearer tokens and impersonation.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use shared_types::status::Status;
use std::collections::BTreeMap;

/// The user on whose behalf a request is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

const AUTHENTICATED: &str = "system:authenticated";

impl User {
    /// The owner of the admin token: what kubeadm's admin kubeconfig is.
    pub fn admin() -> User {
        User {
            name: "kubernetes-admin".into(),
            groups: vec!["system:masters".into(), AUTHENTICATED.into()],
            ..User::default()
        }
    }
    /// A request without credentials.
    pub fn anonymous() -> User {
        User { name: "system:anonymous".into(), groups: vec!["system:unauthenticated".into()], ..User::default() }
    }
    /// Members of `system:masters` may do everything.
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == "system:masters")
    }
}

/// Checks tokens.
pub struct Authenticator {
    admin_token: String,
}

impl Authenticator {
    pub fn new(admin_token: String) -> Authenticator {
        Authenticator { admin_token }
    }

    /// The user of a bearer token, if it is a good one.
    pub fn token_user(&self, token: &str) -> Option<User> {
        constant_time_eq(token.as_bytes(), self.admin_token.as_bytes()).then(User::admin)
    }

    /// The user that a request's headers name.
    ///
    /// # Errors
    /// `Unauthorized` for a bad token.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<User, Status> {
        let Some(header) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return Ok(User::anonymous());
        };
        let mut words = header.split_whitespace();
        match (words.next(), words.next()) {
            (Some(scheme), Some(token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.token_user(token).ok_or_else(Status::unauthorized)
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
    let mut groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_string)
        .collect();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix("impersonate-extra-"), value.to_str()) {
            let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned();
            extra.entry(key).or_default().push(value.to_string());
        }
    }
    let (name, uid) = (text("impersonate-user"), text("impersonate-uid"));
    if name.is_empty() {
        if groups.is_empty() && extra.is_empty() && uid.is_empty() {
            return Ok(None);
        }
        let list = |items: &[String]| match items {
            [] => "[]string(nil)".to_string(),
            items => format!("[]string{{{}}}", items.iter().map(|i| format!("{i:?}")).collect::<Vec<_>>().join(", ")),
        };
        let extras = match extra.is_empty() {
            true => "map[string][]string(nil)".to_string(),
            false => {
                let entries: Vec<String> = extra.iter().map(|(k, v)| format!("{k:?}:{}", list(v))).collect();
                format!("map[string][]string{{{}}}", entries.join(", "))
            }
        };
        return Err(Status::bad_request(format!(
            "requested &user.DefaultInfo{{Name:\"\", UID:{uid:?}, Groups:{}, Extra:{extras}}} without impersonating a user \
             name",
            list(&groups)
        )));
    }
    if name == "system:anonymous" {
        if groups.is_empty() {
            groups.push("system:unauthenticated".into());
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

fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (x, y)| differs | (x ^ y)) == 0
}
