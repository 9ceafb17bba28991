//! The key that signatures are checked with, and the algorithms that it may have signed by.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::auth::secret::Secret;

/// The key of HS256, HS384 and HS512.
pub(super) struct Keys {
    key: DecodingKey,
    validation: Validation,
}

impl Keys {
    /// The key that `secret` is.
    pub(super) fn new(secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.algorithms = vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        validation.required_spec_claims.clear();
        validation.validate_aud = false;
        // The library does not check iat, and rounds: `Times` in tokens.rs checks all three times.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.leeway = 0;
        Self { key: DecodingKey::from_secret(secret.expose()), validation }
    }

    /// The claims of a token that is signed with the key. `None` if it is not, or if it cannot be read.
    pub(super) fn decode<T: DeserializeOwned>(&self, token: &[u8]) -> Option<T> {
        let data = jsonwebtoken::decode::<T>(token, &self.key, &self.validation).ok()?;
        let (header, _) = token.split_at_checked(token.iter().position(|b| *b == b'.')?)?;
        let header: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        // `crit` names extensions that must be understood (RFC 7515 section 4.1.11). This server understands no extension,
        // whatever the library makes of a malformed one. A token that brings a key of its own (`jwk`) is an attack.
        let is_simple = !header.contains_key("crit") && !header.contains_key("jwk");
        is_simple.then_some(data.claims)
    }
}
