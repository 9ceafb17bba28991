//! Authorises requests: bearer tokens and their grants.

mod credential;
mod grant;
mod keys;
pub(crate) mod secret;
mod tokens;

use thiserror::Error;

pub use crate::auth::grant::Grant;
pub use crate::auth::tokens::Verifier;
pub(crate) use crate::auth::tokens::sample_token;

/// The reason for which a request is not authorised. The texts give no details, which would help to guess a token.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum AuthError {
    /// There is no token.
    #[error("Token not specified")]
    Missing,
    /// The token is broken, forged, of the wrong kind, expired, or not valid yet.
    #[error("Error parsing token")]
    Invalid,
}
