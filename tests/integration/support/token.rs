//! Tokens that the proxy takes.

use jsonwebtoken::{EncodingKey, Header};

/// As long as HS256 wants its keys.
pub const SECRET: &str = "a secret of more than thirty-two bytes";

/// A token without claims, so one that is always good.
pub fn token() -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &serde_json::json!({}), &key).expect("a token is made")
}
