//! Credentials of clients and servers: a secret, a token, a certificate.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::CertificateDer;

/// The secret of the proxy, with the minimum length for HS256 (RFC 7518 section 3.2). It is used only in this
/// benchmark.
pub const SECRET: &str = "the benchmark's secret, 32 bytes and more";

/// Validity of the token, in seconds: a day.
const LIFETIME: u64 = 24 * 60 * 60;

/// The name in the certificate.
pub const SERVER_NAME: &str = "localhost";

/// A token that the proxy accepts: HS256, and valid for a day.
pub fn token() -> Result<String, Box<dyn Error>> {
    let now = jsonwebtoken::get_current_timestamp();
    let claims = BTreeMap::from([("iat", now), ("exp", now + LIFETIME)]);
    Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))?)
}

/// A self-signed certificate (ECDSA on P-256) and its key.
pub struct Certificate {
    /// For servers: PEM.
    pub cert: PathBuf,
    /// For servers: PEM.
    pub key: PathBuf,
    /// For clients that trust it.
    pub der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes a certificate and writes its files to `directory`.
    pub fn generate(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let pair = rcgen::generate_simple_self_signed([SERVER_NAME.to_owned()])?;
        let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        fs::write(&cert, pair.cert.pem())?;
        fs::write(&key, pair.signing_key.serialize_pem())?;
        Ok(Self { cert, key, der: pair.cert.der().clone() })
    }
}
