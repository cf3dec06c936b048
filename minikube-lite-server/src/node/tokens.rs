//! How nodes get tokens of ServiceAccounts for the Pods on them: the TokenRequest API, which the server provides.

use shared_types::status::Status;
use std::sync::Arc;

/// What a token is asked for.
pub struct TokenWanted<'a> {
    pub namespace: &'a str,
    pub service_account: &'a str,
    /// Empty: the API server's.
    pub audience: &'a str,
    /// How long it is to hold, in seconds.
    pub seconds: i64,
    /// Name and UID of the Pod that it is bound to.
    pub pod: (&'a str, &'a str),
}

/// Issues tokens. The error is the API's: the ServiceAccount is not there.
pub type TokenIssuer = Arc<dyn Fn(&TokenWanted<'_>) -> Result<String, Status> + Send + Sync>;
