//! TLS: certificates, versions and protocols of a handshake.

pub(crate) mod certificates;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use crate::net::tls::certificates::validity;

pub(crate) use crate::net::tls::certificates::TlsError;

/// Files with the certificate chain and its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TlsFiles {
    /// The certificate chain, in PEM.
    pub(crate) cert: PathBuf,
    /// The private key, in PEM.
    pub(crate) key: PathBuf,
}

/// A certificate, ready for handshakes.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    /// Reads the files, for TLS 1.2 and 1.3 with HTTP/2 preferred, and logs warnings about the certificates.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or the key does not fit the certificate.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let (chain, key) = certificates::load(files)?;
        for warning in validity::warnings(&files.cert, &chain, validity::now()) {
            warn!("{warning}");
        }
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Setup)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A ticket saves a returning browser and the server the expensive half of the handshake. Its keys rotate.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
        config.send_tls13_tickets = 1;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Accepts TLS on sockets.
    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.0
    }
}
