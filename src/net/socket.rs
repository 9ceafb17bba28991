//! A TCP connection that makes few system calls.
//!
//! It joins the event loop only when it has to wait. A connection that is closed after one request often never waits, and
//! saves the calls that add it to epoll and remove it. Its last answer leaves in one segment with the FIN.

use std::io::{self, Read as _};
use std::mem;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A non-blocking TCP connection.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    /// True if only the FIN follows what is written next.
    last: bool,
    /// True once bytes were read.
    received: bool,
    /// True once a write was attempted.
    sent: bool,
}

#[derive(Debug)]
enum Stream {
    /// Not registered with the runtime yet, since nothing had to wait.
    Loose(std::net::TcpStream),
    /// Registered with the runtime.
    Registered(TcpStream),
    /// The runtime could not register it.
    Failed,
}

impl Socket {
    /// Takes a connection, which must be non-blocking.
    pub(crate) fn new(stream: std::net::TcpStream) -> Self {
        Self { stream: Stream::Loose(stream), last: false, received: false, sent: false }
    }

    /// From now on the kernel holds written bytes until the connection ends, so that both leave in one segment (`MSG_MORE`,
    /// send(2)). It holds them for some 200 ms or a retransmission timeout at most.
    pub(crate) fn hold_for_end(&mut self) {
        self.last = true;
    }

    /// True once bytes were read.
    pub(crate) fn has_received(&self) -> bool {
        self.received
    }

    /// True once a write was attempted.
    pub(crate) fn has_sent(&self) -> bool {
        self.sent
    }

    /// True if the peer has sent bytes that were not read. A socket that is closed then is reset, and bytes on hold are
    /// lost.
    pub(crate) fn has_unread(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let peeked = match &self.stream {
            Stream::Loose(stream) => recv(stream, &mut [0; 1], flags),
            Stream::Registered(stream) => recv(stream, &mut [0; 1], flags),
            Stream::Failed => return false,
        };
        peeked.is_ok_and(|(_, len)| len > 0)
    }

    /// Joins the event loop, unless it has already.
    #[inline]
    fn register(&mut self) -> io::Result<&mut TcpStream> {
        if let Stream::Loose(_) = self.stream {
            self.join()?;
        }
        match &mut self.stream {
            Stream::Registered(stream) => Ok(stream),
            Stream::Loose(_) | Stream::Failed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    #[cold]
    fn join(&mut self) -> io::Result<()> {
        if let Stream::Loose(stream) = mem::replace(&mut self.stream, Stream::Failed) {
            self.stream = Stream::Registered(TcpStream::from_std(stream)?);
        }
        Ok(())
    }

    fn send_flags(&self) -> SendFlags {
        if self.last { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL }
    }
}

/// The result of `attempt`, repeated after interruptions; `None` if it would have to wait.
fn without_waiting<R>(mut attempt: impl FnMut() -> io::Result<R>) -> Option<io::Result<R>> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Some(done),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Stream::Loose(stream) = &mut this.stream
            && let Some(read) = without_waiting(|| stream.read(buf.initialize_unfilled()))
        {
            return Poll::Ready(read.map(|len| {
                this.received |= len > 0;
                buf.advance(len);
            }));
        }
        let before = buf.filled().len();
        let read = Pin::new(this.register()?).poll_read(cx, buf);
        this.received |= buf.filled().len() > before;
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let flags = this.send_flags();
        this.sent = true;
        if let Stream::Loose(stream) = &this.stream
            && let Some(written) = without_waiting(|| Ok(send(stream, buf, flags)?))
        {
            return Poll::Ready(written);
        }
        let stream = this.register()?;
        loop {
            ready!(stream.poll_write_ready(cx))?;
            if let Some(written) =
                without_waiting(|| stream.try_io(Interest::WRITABLE, || Ok(send(&*stream, buf, flags)?)))
            {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // There is no buffer in this process.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Loose(stream) => Poll::Ready(stream.shutdown(Shutdown::Write)),
            Stream::Registered(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Failed => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn pair() -> (std::net::TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        let (server, _) = listener.accept().expect("the connection");
        server.set_nonblocking(true).expect("a socket can be non-blocking");
        (client, Socket::new(server))
    }

    #[tokio::test]
    async fn received_bytes_are_read_without_the_event_loop() {
        let (mut client, mut socket) = pair();
        io::Write::write_all(&mut client, b"hello").expect("the kernel takes it");
        let mut buffer = [0; 16];
        assert_eq!(socket.read(&mut buffer).await.expect("bytes"), 5);
        assert!(matches!(socket.stream, Stream::Loose(_)));
        socket.hold_for_end();
        socket.write_all(b"bye").await.expect("the kernel takes it");
        drop(socket);
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("the answer and the end");
        assert_eq!(answer, "bye");
    }

    #[tokio::test]
    async fn a_read_without_bytes_waits() {
        let (mut client, mut socket) = pair();
        let reader = tokio::spawn(async move {
            let mut text = Vec::new();
            socket.read_to_end(&mut text).await.expect("bytes and the end");
            socket.write_all(&vec![7; 4 << 20]).await.expect("the client reads");
            (text, socket)
        });
        tokio::task::yield_now().await;
        io::Write::write_all(&mut client, b"hello").expect("the kernel takes it");
        client.shutdown(Shutdown::Write).expect("our side ends");
        let drain = tokio::task::spawn_blocking(move || {
            let mut all = vec![0; 4 << 20];
            client.read_exact(&mut all).map(|()| all)
        });
        let (text, socket) = reader.await.expect("no panic");
        assert_eq!(text, b"hello");
        assert!(matches!(socket.stream, Stream::Registered(_)));
        assert!(drain.await.expect("no panic").expect("all bytes").iter().all(|byte| *byte == 7));
    }
}
