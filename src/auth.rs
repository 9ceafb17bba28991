//! Who may send: bearer tokens, and what they grant.

mod credential;
mod grant;
mod keys;
pub(crate) mod secret;
mod tokens;

use thiserror::Error;

pub use crate::auth::grant::Grant;
pub use crate::auth::tokens::Verifier;
pub(crate) use crate::auth::tokens::sample_token;

/// Why a request may not send. The texts give no further reason, so that they help nobody to guess.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum AuthError {
    /// There is no token.
    #[error("Token not specified")]
    Missing,
    /// The token is broken, forged, of the wrong kind, expired, or not valid yet.
    #[error("Error parsing token")]
    Invalid,
}
