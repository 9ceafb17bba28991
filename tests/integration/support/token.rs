//! Valid tokens.

use jsonwebtoken::{EncodingKey, Header};

/// The minimum length of a key for HS256.
pub const SECRET: &str = "a secret of more than thirty-two bytes";

/// A token without claims, which is always valid.
pub fn token() -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &serde_json::json!({}), &key).expect("a token is made")
}
