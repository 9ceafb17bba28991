//! The reasons for which certificates and keys cannot be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::net::tls::certificates::MAX_PEM;

/// The reason for which HTTPS cannot be served.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    /// A file is missing or unreadable.
    #[error("{flag} {}: cannot be read", .path.display())]
    Read {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file has more than [`MAX_PEM`] bytes.
    #[error("{flag} {}: has more than {MAX_PEM} bytes, so it is no PEM file", .path.display())]
    TooLarge {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The file is DER or PKCS #12.
    #[error(
        "{flag} {}: is binary, not PEM: convert it with openssl {command} -in {} -out new.pem, or with openssl pkcs12 -nodes \
         -in {} -out new.pem if it is PKCS #12",
        .path.display(), .path.display(), .path.display()
    )]
    Binary {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// The command that reads DER.
        command: &'static str,
    },
    /// The PEM is damaged.
    #[error(
        "{flag} {}: is damaged PEM: the BEGIN line, the END line and the lines of base64 between them must be whole, each \
         on a line of its own",
        .path.display()
    )]
    Damaged {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The chain is empty.
    #[error("--tls-cert {}: holds no certificate ({found}): give the file with the whole chain", .path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// The sections that it contains instead.
        found: String,
    },
    /// The file contains no key.
    #[error("--tls-key {}: holds no private key ({found}): give the key of the certificate, in PEM", .path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// The sections that it contains instead.
        found: String,
    },
    /// The key needs a passphrase.
    #[error(
        "--tls-key {}: the key is encrypted, and nobody is there to give its passphrase: decrypt it with openssl pkey -in \
         {} -out new.pem, readable by this server's user only",
        .path.display(), .path.display()
    )]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is of a kind that cannot be used.
    #[error("--tls-key {}: must be an RSA key of 2048 to 8192 bits, an ECDSA key on P-256, P-384 or P-521, or Ed25519", .path.display())]
    KeyKind {
        /// The file.
        path: PathBuf,
        /// The error of the crypto library.
        source: rustls::Error,
    },
    /// A certificate cannot be read.
    #[error("--tls-cert {}: certificate {number} of the file cannot be used: it must be X.509 version 3", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The number of the certificate in the file, from 1.
        number: usize,
        /// The error of the parser.
        source: webpki::Error,
    },
    /// The certificate of the key is not the first of the chain.
    #[error(
        "--tls-cert {}: wrong order: certificate {number} of the file is the one for the key: put it first, then those of \
         its issuers, each before its own issuer's",
        .path.display()
    )]
    LeafNotFirst {
        /// The file.
        path: PathBuf,
        /// The number of the certificate in the file, from 1.
        number: usize,
    },
    /// The key belongs to another certificate.
    #[error(
        "--tls-key {}: is not the key of the certificate in --tls-cert {}: give the two files that were made together",
        .key.display(), .cert.display()
    )]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        cert: PathBuf,
    },
    /// The library cannot be set up.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}
