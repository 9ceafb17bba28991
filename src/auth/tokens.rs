//! JSON Web Tokens (RFC 7519) signed with HS256, HS384 or HS512 and the server's secret.
//!
//! Times are checked without leeway: a page whose clock differs from the server's gets an error, so that the clock is
//! corrected.

use std::cell::RefCell;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use crate::auth::AuthError;
use crate::auth::credential;
use crate::auth::grant::Grant;
use crate::auth::keys::Keys;
use crate::auth::secret::Secret;

/// The longest token that is checked, in bytes: half of the largest head of a request, and ten times the size of a usual
/// token.
const MAX_TOKEN: usize = 4096;

/// The longest token that is cached, in bytes. With [`CACHE_SLOTS`] it bounds the memory of each worker to 2 MiB, and 0.3
/// MiB for subjects.
const MAX_CACHED: usize = 2048;

/// Tokens cached by each worker: a page keeps one for its visit, so this many visitors are verified once each.
const CACHE_SLOTS: usize = 1024;

/// The times of a token, in seconds since 1970 (NumericDate, which may be fractional).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Times {
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

impl Times {
    fn valid_at(&self, now: f64) -> bool {
        self.exp.is_none_or(|exp| now < exp)
            && self.nbf.is_none_or(|nbf| nbf <= now)
            && self.iat.is_none_or(|iat| iat <= now)
    }
}

/// The claims of a token that are read.
#[derive(Debug, Default)]
struct Claims {
    times: Times,
    /// `sub`, of whatever type.
    subject: Option<Value>,
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
                        "exp" => &mut claims.times.exp,
                        "nbf" => &mut claims.times.nbf,
                        "iat" => &mut claims.times.iat,
                        _ => {
                            // Not IgnoredAny, which follows any depth: a value is bounded to 128 levels.
                            let value = map.next_value::<Value>()?;
                            if name == "sub" && claims.subject.replace(value).is_some() {
                                return Err(A::Error::custom("a claim stands twice"));
                            }
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

/// A verified token, its times and its grant.
struct Verified {
    token: Box<[u8]>,
    times: Times,
    grant: Grant,
}

/// Checks the tokens of one worker's requests.
pub struct Verifier {
    keys: Keys,
    /// Only verified tokens are cached, so nobody without the secret can fill it. A later token takes an earlier one's slot.
    cache: RefCell<Box<[Option<Verified>]>>,
}

impl Verifier {
    /// A verifier of tokens signed with `secret`.
    pub fn new(secret: &Secret) -> Self {
        let cache = (0..CACHE_SLOTS).map(|_| None).collect();
        Self { keys: Keys::new(secret), cache: RefCell::new(cache) }
    }

    /// Verifies the token of a request, and returns its grant.
    ///
    /// # Errors
    ///
    /// There is no token, or it is not valid now.
    pub fn check(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Grant, AuthError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let token = credential::find(headers, query).ok_or(AuthError::Missing)?;
        self.verify(&token, now)
    }

    fn verify(&self, token: &[u8], now: f64) -> Result<Grant, AuthError> {
        let slot = slot(token);
        if let Some(known) = &self.cache.borrow()[slot]
            && verify_slices_are_equal(&known.token, token).is_ok()
        {
            return if known.times.valid_at(now) { Ok(known.grant.clone()) } else { Err(AuthError::Invalid) };
        }
        let Claims { times, subject } = self.decode(token).ok_or(AuthError::Invalid)?;
        if !times.valid_at(now) {
            return Err(AuthError::Invalid);
        }
        let grant = Grant::bearer(subject.as_ref().and_then(Value::as_str));
        if token.len() <= MAX_CACHED {
            self.cache.borrow_mut()[slot] = Some(Verified { token: token.into(), times, grant: grant.clone() });
        }
        Ok(grant)
    }

    fn decode(&self, token: &[u8]) -> Option<Claims> {
        if token.len() > MAX_TOKEN { None } else { self.keys.decode(token) }
    }
}

/// The slot of a token in the cache: its last bytes belong to the signature, which is as random as any hash of it.
fn slot(token: &[u8]) -> usize {
    let tail = token.last_chunk::<8>().copied().unwrap_or_default();
    let mixed = u64::from_le_bytes(tail).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % CACHE_SLOTS
}

/// A token for trying things out: HS256, valid for `seconds`.
pub(crate) fn sample_token(secret: &Secret, seconds: u64) -> Result<String, jsonwebtoken::errors::Error> {
    let now = jsonwebtoken::get_current_timestamp();
    let claims = serde_json::json!({ "iat": now, "exp": now + seconds });
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.expose()))
}

#[cfg(test)]
mod tests;
