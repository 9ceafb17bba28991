//! HTTPS: certificates, and the handshake in the connection's own task.

pub(crate) mod certificates;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::config::TlsFiles;
use crate::conn::crowding::Step;
use crate::conn::deadlines::{Directive, Activity};
use crate::net::socket::Socket;
pub(crate) use crate::net::tls::certificates::TlsError;

/// What ALPN settled on (RFC 7301); HTTP/1.1 when the peer did not ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Negotiated {
    /// `http/1.1`
    Http1,
    /// `h2`
    Http2,
}

/// The certificate, ready for handshakes.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    /// Reads the files: TLS 1.2 and 1.3, with HTTP/2 preferred. What is odd about the certificates is logged.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let (chain, key) = certificates::load(files)?;
        for warning in certificates::warnings(&files.cert, &chain, certificates::now()) {
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

    /// Shakes hands until the sweep says that it took too long.
    pub(crate) async fn handshake(&self, stream: Socket, watch: &Rc<Activity>) -> Option<(TlsStream<Socket>, Negotiated)> {
        let mut accept = pin!(self.0.accept(stream));
        let done: Option<io::Result<_>> = poll_fn(|cx| match watch.order(cx) {
            Some(Directive::Close) => Poll::Ready(None),
            _ => {
                let done = accept.as_mut().poll(cx).map(Some);
                note_progress(accept.get_ref(), watch);
                done
            }
        })
        .await;
        match done? {
            Ok(stream) => {
                watch.reach(Step::Secured);
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

/// Notes how far a handshake has come.
fn note_progress(socket: Option<&Socket>, watch: &Activity) {
    let Some(socket) = socket else { return };
    if socket.has_sent() {
        watch.reach(Step::Greeted);
    } else if socket.has_received() {
        watch.reach(Step::Begun);
    }
}
