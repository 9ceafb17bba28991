//! The transport as hyper sees it, with an eye on what passes: when bytes came, whether the peer takes what is
//! written, and, on HTTP/2, what its frames are.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::deadline::Watch;
use crate::http::frames::FrameMeter;

/// A byte stream: TCP, or TLS over it.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Transport for T {}

/// A transport whose traffic is noted in a [`Watch`].
pub struct Metered<T> {
    transport: T,
    /// Read already, and to be read again first.
    leftover: Bytes,
    watch: Rc<Watch>,
    frames: Option<FrameMeter>,
}

impl<T: Transport> Metered<T> {
    /// Notes what passes through `transport` in `watch`.
    pub fn new(transport: T, watch: Rc<Watch>) -> Self {
        Self { transport, leftover: Bytes::new(), watch, frames: None }
    }

    /// Counts HTTP/2 frames too.
    pub fn with_frames(mut self, frames: FrameMeter) -> Self {
        self.frames = Some(frames);
        self
    }

    /// Puts back what was read too early.
    pub fn unread(&mut self, leftover: Bytes) {
        // Empty bytes can still hold on to the whole buffer that they were cut from.
        self.leftover = if leftover.is_empty() { Bytes::new() } else { leftover };
    }

    /// Takes what was put back.
    pub fn take_unread(&mut self) -> Option<Bytes> {
        Some(std::mem::take(&mut self.leftover)).filter(|leftover| !leftover.is_empty())
    }

    fn note_written(&self, result: &Poll<io::Result<usize>>, wanted: usize) {
        match result {
            Poll::Ready(Ok(taken)) if *taken == wanted => self.watch.written(),
            Poll::Ready(Ok(_)) | Poll::Pending => self.watch.blocked(),
            Poll::Ready(Err(_)) => {}
        }
    }
}

impl<T: Transport> AsyncRead for Metered<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if !this.leftover.is_empty() {
            let taken = this.leftover.split_to(this.leftover.len().min(buf.remaining()));
            buf.put_slice(&taken);
            if this.leftover.is_empty() {
                this.leftover = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut this.transport).poll_read(cx, buf);
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            this.watch.received();
            if let Some(frames) = &mut this.frames
                && let Err(flood) = frames.count(read)
            {
                return Poll::Ready(Err(io::Error::other(flood)));
            }
        }
        result
    }
}

impl<T: Transport> AsyncWrite for Metered<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.transport).poll_write(cx, buf);
        this.note_written(&result, buf.len());
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.transport).poll_write_vectored(cx, bufs);
        this.note_written(&result, bufs.iter().map(|buf| buf.len()).sum());
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.transport).poll_flush(cx);
        match result {
            // TLS takes what is written into a buffer of its own: only the flush tells whether the peer took it.
            Poll::Pending => this.watch.blocked(),
            Poll::Ready(_) => this.watch.flushed(),
        }
        result
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }
}
