//! Closes a connection so that the last answer arrives.
//!
//! A socket that is closed with unread bytes in its buffer is reset, and the reset overtakes the answer at the peer. So our
//! side is shut down, and further bytes of the peer are discarded for a while (RFC 9112 section 9.6).

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::conn::activity::{Activity, Directive};

/// The most bytes that are discarded for one connection: a body of a few seconds over a fast line. A peer that sends more is
/// reset.
const MAX_LINGER_BYTES: usize = 8 * 1024 * 1024;

/// Shuts down our side, and reads until the peer closes, the deadline passes, or [`MAX_LINGER_BYTES`] bytes have arrived.
pub(crate) async fn close<T: AsyncRead + AsyncWrite + Unpin>(mut transport: T, activity: Rc<Activity>) {
    activity.begin_linger();
    let mut shut = false;
    let mut left = MAX_LINGER_BYTES;
    poll_fn(|cx| {
        if activity.directive(cx) == Some(Directive::Close) {
            return Poll::Ready(());
        }
        if !shut {
            match Pin::new(&mut transport).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => shut = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
        let mut scrap = [0u8; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut scrap);
            match Pin::new(&mut transport).poll_read(cx, &mut buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    let read = buf.filled().len();
                    if read == 0 || read > left {
                        return Poll::Ready(());
                    }
                    left -= read;
                }
            }
        }
    })
    .await;
}
