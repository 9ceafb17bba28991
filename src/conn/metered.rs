//! The transport for hyper and h2. It notes when bytes arrive, whether the peer takes written bytes, and the frames of
//! HTTP/2.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::conn::activity::Activity;
use crate::conn::frames::FrameMeter;
use crate::net::socket::Socket;

/// A byte stream: TCP, or TLS over it.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Announces that only the last answer is written after this.
    fn hold_for_end(&mut self) {}

    /// True if closing tells the peer all, so that a shutdown before it would be a useless system call.
    fn ends_by_closing(&self) -> bool {
        false
    }

    /// True if closing now would be a reset, since there are unread bytes.
    fn has_unread(&self) -> bool {
        false
    }
}

impl Transport for Socket {
    fn hold_for_end(&mut self) {
        Socket::hold_for_end(self);
    }

    fn ends_by_closing(&self) -> bool {
        true
    }

    fn has_unread(&self) -> bool {
        Socket::has_unread(self)
    }
}

impl Transport for TlsStream<Socket> {}

impl<T: Transport> Transport for Box<T> {
    fn hold_for_end(&mut self) {
        T::hold_for_end(self);
    }

    fn ends_by_closing(&self) -> bool {
        T::ends_by_closing(self)
    }

    fn has_unread(&self) -> bool {
        T::has_unread(self)
    }
}

/// A transport that notes its traffic in an [`Activity`].
pub(crate) struct Metered<T> {
    transport: T,
    /// Bytes that were read and put back, to be read again first.
    leftover: Bytes,
    activity: Rc<Activity>,
    frames: Option<FrameMeter>,
    /// A read waits until the peer has taken what was written.
    awaits_flush: bool,
}

impl<T: Transport> Metered<T> {
    /// Notes the traffic of `transport` in `activity`.
    pub(crate) fn new(transport: T, activity: Rc<Activity>) -> Self {
        Self { transport, leftover: Bytes::new(), activity, frames: None, awaits_flush: false }
    }

    /// Counts HTTP/2 frames with `frames`.
    pub(crate) fn with_frames(mut self, frames: FrameMeter) -> Self {
        self.activity.set_incomplete(frames.incomplete());
        self.frames = Some(frames);
        self
    }

    /// Puts back bytes that were read too early.
    pub(crate) fn unread(&mut self, leftover: Bytes) {
        // Even empty bytes can keep the buffer alive that they were cut from.
        self.leftover = if leftover.is_empty() { Bytes::new() } else { leftover };
    }

    /// See [`Transport::has_unread`].
    pub(crate) fn has_unread(&self) -> bool {
        self.transport.has_unread()
    }

    /// The transport, for use without HTTP.
    pub(crate) fn into_transport(self) -> T {
        self.transport
    }

    /// Takes the bytes that were put back.
    pub(crate) fn take_unread(&mut self) -> Option<Bytes> {
        Some(std::mem::take(&mut self.leftover)).filter(|leftover| !leftover.is_empty())
    }

    fn note_written(&self, result: &Poll<io::Result<usize>>, wanted: usize) {
        match result {
            Poll::Ready(Ok(taken)) if *taken == wanted => self.activity.written(),
            Poll::Ready(Ok(_)) | Poll::Pending => self.activity.blocked(),
            Poll::Ready(Err(_)) => {}
        }
    }
}

/// Counts the HTTP/2 frames in `bytes`. Returns the number of bytes that may be read now.
fn count(frames: &mut Option<FrameMeter>, activity: &Activity, bytes: &[u8]) -> io::Result<usize> {
    match frames {
        Some(frames) => {
            let taken = frames.count(bytes, |frame| activity.admit(frame)).map_err(io::Error::other)?;
            // An unread frame is not incomplete because of the peer.
            activity.set_incomplete(frames.incomplete().filter(|_| taken == bytes.len()));
            Ok(taken)
        }
        None => Ok(bytes.len()),
    }
}

impl<T: Transport> AsyncRead for Metered<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        // More requests would have more answers, and h2 keeps those that the transport does not take.
        if this.frames.is_some() && this.activity.is_blocked() {
            this.awaits_flush = true;
            return Poll::Pending;
        }
        // The code that processes the frames polls again.
        if this.activity.holds_frames() {
            return Poll::Pending;
        }
        if !this.leftover.is_empty() {
            let offered = this.leftover.len().min(buf.remaining());
            let taken = count(&mut this.frames, &this.activity, &this.leftover[..offered])?;
            buf.put_slice(&this.leftover.split_to(taken));
            if this.leftover.is_empty() {
                this.leftover = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut this.transport).poll_read(cx, buf);
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            this.activity.received();
            let taken = count(&mut this.frames, &this.activity, read)?;
            if taken < read.len() {
                this.leftover = Bytes::copy_from_slice(&read[taken..]);
                buf.set_filled(before + taken);
            }
        }
        result
    }
}

impl<T: Transport> AsyncWrite for Metered<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.activity.is_last() {
            this.transport.hold_for_end();
        }
        let result = Pin::new(&mut this.transport).poll_write(cx, buf);
        this.note_written(&result, buf.len());
        result
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.transport).poll_flush(cx);
        match result {
            // TLS buffers written bytes: only a flush shows that the peer took them.
            Poll::Pending => this.activity.blocked(),
            Poll::Ready(Ok(())) => {
                this.activity.flushed();
                if std::mem::take(&mut this.awaits_flush) {
                    // Nothing else polls the read again.
                    cx.waker().wake_by_ref();
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        result
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.activity.end_with_answer();
        if this.transport.ends_by_closing() {
            // A lingering close has a shutdown of its own.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.transport).poll_shutdown(cx)
    }
}
