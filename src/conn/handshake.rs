//! Performs the TLS handshake, in the task of the connection and under its deadline.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::conn::activity::{Activity, Directive};
use crate::conn::crowding::Step;
use crate::net::socket::Socket;

/// The protocol that ALPN selected (RFC 7301); HTTP/1.1 if the peer does not use it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Negotiated {
    /// `http/1.1`
    Http1,
    /// `h2`
    Http2,
}

/// Performs the handshake. `None` if it fails, or if the sweep ends it.
pub(crate) async fn handshake(
    tls: &TlsAcceptor,
    stream: Socket,
    activity: &Rc<Activity>,
) -> Option<(TlsStream<Socket>, Negotiated)> {
    let mut accept = pin!(tls.accept(stream));
    let done: Option<io::Result<_>> = poll_fn(|cx| match activity.directive(cx) {
        Some(Directive::Close) => Poll::Ready(None),
        _ => {
            let done = accept.as_mut().poll(cx).map(Some);
            note_progress(accept.get_ref(), activity);
            done
        }
    })
    .await;
    match done? {
        Ok(stream) => {
            activity.reach(Step::Secured);
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            Some((stream, if http2 { Negotiated::Http2 } else { Negotiated::Http1 }))
        }
        Err(error) => {
            debug!("TLS handshake: {error}");
            None
        }
    }
}

/// Notes the steps of a handshake.
fn note_progress(socket: Option<&Socket>, activity: &Activity) {
    let Some(socket) = socket else { return };
    if socket.has_sent() {
        activity.reach(Step::Greeted);
    } else if socket.has_received() {
        activity.reach(Step::Begun);
    }
}
