//! Bearer tokens: who may send.
//!
//! JSON Web Tokens (RFC 7519) signed with HS256, HS384 or HS512 and the server's secret. Times are checked without
//! leeway: a page and this server that disagree on the time should be told so, not be helped over it.

pub(crate) mod secret;

use std::cell::RefCell;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use thiserror::Error;

use crate::auth::secret::Secret;

/// The longest token that is looked at, in bytes: half of what a request's head may have, and ten times what a token of
/// ours needs.
const MAX_TOKEN: usize = 4096;

/// The longest token that is remembered, in bytes. With [`CACHE_SLOTS`] it bounds the memory to 2 MiB for each worker.
const MAX_CACHED: usize = 2048;

/// Tokens remembered for each worker: a page keeps one for its visit, so this many visitors are verified once each.
const CACHE_SLOTS: usize = 1024;

/// Why a request may not send. It says no more, so that it helps nobody guess.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum AuthError {
    /// There is no token.
    #[error("Token not specified")]
    Missing,
    /// The token is broken, forged, of the wrong kind, expired, or not valid yet.
    #[error("Error parsing token")]
    Invalid,
}

/// The times of a token, in seconds since 1970 (NumericDate, which may be fractional).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

impl Claims {
    fn valid_at(&self, now: f64) -> bool {
        self.exp.is_none_or(|exp| now < exp)
            && self.nbf.is_none_or(|nbf| nbf <= now)
            && self.iat.is_none_or(|iat| iat <= now)
    }
}

/// Not derived: a derived reader takes `null` for absent, and an array for an object.
impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
                let mut claims = Claims::default();
                while let Some(name) = map.next_key::<String>()? {
                    let slot = match name.as_str() {
                        "exp" => &mut claims.exp,
                        "nbf" => &mut claims.nbf,
                        "iat" => &mut claims.iat,
                        _ => {
                            // Not IgnoredAny, which would follow any depth: a value is bounded to 128 levels.
                            map.next_value::<serde_json::Value>()?;
                            continue;
                        }
                    };
                    if slot.replace(map.next_value::<f64>()?).is_some() {
                        return Err(A::Error::custom("a claim stands twice"));
                    }
                }
                Ok(claims)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A token that was verified, and for how long it is valid.
struct Verified {
    token: Box<[u8]>,
    claims: Claims,
}

/// Checks the tokens of one worker's requests.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    /// Only verified tokens get in, so nobody without the secret can fill it. A later token takes an earlier one's slot.
    cache: RefCell<Box<[Option<Verified>]>>,
}

impl Verifier {
    /// A verifier of tokens signed with `secret`.
    pub fn new(secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.algorithms = vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        validation.required_spec_claims.clear();
        validation.validate_aud = false;
        // The library has no check of iat, and rounds: all three times are checked here.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.leeway = 0;
        let cache = (0..CACHE_SLOTS).map(|_| None).collect();
        Self { key: DecodingKey::from_secret(secret.expose()), validation, cache: RefCell::new(cache) }
    }

    /// Checks the token of a request: from `X-JWT-Token`, else `?token=`, else `Authorization: Bearer`.
    pub fn check(&self, headers: &HeaderMap, query: Option<&str>) -> Result<(), AuthError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        if let Some(token) = headers.get("x-jwt-token").map(|value| value.as_bytes()).filter(|token| !token.is_empty())
        {
            return self.verify(token, now);
        }
        let query = query.unwrap_or_default();
        let param = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token");
        if let Some((_, token)) = param.filter(|(_, token)| !token.is_empty()) {
            return self.verify(token.as_bytes(), now);
        }
        let bearer = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        self.verify(bearer.ok_or(AuthError::Missing)?, now)
    }

    fn verify(&self, token: &[u8], now: f64) -> Result<(), AuthError> {
        let slot = slot(token);
        if let Some(known) = &self.cache.borrow()[slot]
            && verify_slices_are_equal(&known.token, token).is_ok()
        {
            return known.claims.valid_at(now).then_some(()).ok_or(AuthError::Invalid);
        }
        let claims = self.decode(token).filter(|claims| claims.valid_at(now)).ok_or(AuthError::Invalid)?;
        if token.len() <= MAX_CACHED {
            self.cache.borrow_mut()[slot] = Some(Verified { token: token.into(), claims });
        }
        Ok(())
    }

    fn decode(&self, token: &[u8]) -> Option<Claims> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let data = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).ok()?;
        let (header, _) = token.split_at_checked(token.iter().position(|b| *b == b'.')?)?;
        let header: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        // An extension that must be understood is not (RFC 7515 section 4.1.11), whatever the library makes of a
        // malformed one; and a token that brings a key of its own is a trick.
        let plain = !header.contains_key("crit") && !header.contains_key("jwk");
        plain.then_some(data.claims)
    }
}

/// Where a token is remembered: its last bytes belong to the signature, which is as random as any hash of it.
fn slot(token: &[u8]) -> usize {
    let tail = token.last_chunk::<8>().copied().unwrap_or_default();
    let mixed = u64::from_le_bytes(tail).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % CACHE_SLOTS
}

/// The token of an `Authorization` header, where its scheme is Bearer (RFC 6750 section 2.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// A token for trying things out: HS256, valid for `seconds`.
pub(crate) fn sample_token(secret: &Secret, seconds: u64) -> Result<String, jsonwebtoken::errors::Error> {
    let now = jsonwebtoken::get_current_timestamp();
    let claims = serde_json::json!({ "iat": now, "exp": now + seconds });
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.expose()))
}

#[cfg(test)]
mod tests;
