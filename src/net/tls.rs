//! Certificates, and what a handshake offers.

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
    /// PEM.
    pub(crate) cert: PathBuf,
    /// PEM.
    pub(crate) key: PathBuf,
}

/// The certificate, ready for handshakes.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    /// Reads the files: TLS 1.2 and 1.3, with HTTP/2 preferred. What is odd about the certificates is logged.
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
        // Browsers come back: a ticket saves them and us the expensive half of the handshake. Its keys rotate.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
        config.send_tls13_tickets = 1;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Makes connections of sockets.
    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.0
    }
}
