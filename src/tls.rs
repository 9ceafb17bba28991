//! HTTPS: certificates, and the handshake in the connection's own task.

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::config::TlsFiles;
use crate::http::deadline::{Order, Watch};
use crate::http::socket::Socket;

/// Why HTTPS cannot be served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is missing, unreadable or not PEM.
    #[error("{flag} {}: not a readable PEM file", .path.display())]
    Pem {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: pem::Error,
    },
    /// The chain is empty.
    #[error("--tls-cert {}: holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// The key does not fit the certificate, or is of an unknown kind.
    #[error("--tls-cert and --tls-key do not go together")]
    Pair(#[source] rustls::Error),
}

/// What ALPN settled on (RFC 7301); HTTP/1.1 when the peer did not ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Negotiated {
    /// `http/1.1`
    Http1,
    /// `h2`
    Http2,
}

/// The certificate, ready for handshakes.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads the files: TLS 1.2 and 1.3, with HTTP/2 preferred.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let pem_error = |flag, path: &PathBuf| {
            let path = path.clone();
            move |source| TlsError::Pem { flag, path, source }
        };
        let chain = CertificateDer::pem_file_iter(&files.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(pem_error("--tls-cert", &files.cert))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(files.cert.clone()));
        }
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(pem_error("--tls-key", &files.key))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Browsers come back: a ticket saves them and us the expensive half of the handshake. Its keys rotate.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Pair)?;
        config.send_tls13_tickets = 1;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands until the sweep says that it took too long.
    pub async fn handshake(&self, stream: Socket, watch: &Rc<Watch>) -> Option<(TlsStream<Socket>, Negotiated)> {
        let mut accept = pin!(self.0.accept(stream));
        let done: Option<io::Result<_>> = poll_fn(|cx| match watch.order(cx) {
            Some(Order::Close) => Poll::Ready(None),
            _ => accept.as_mut().poll(cx).map(Some),
        })
        .await;
        match done? {
            Ok(stream) => {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Some((stream, if http2 { Negotiated::Http2 } else { Negotiated::Http1 }))
            }
            Err(error) => {
                debug!("TLS handshake: {error}");
                None
            }
        }
    }
}
