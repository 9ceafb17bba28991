//! The minimal server on epoll: accept, read, write a fixed 200. The additional cost of the proxy is HTTP, the metric
//! and its datagram.
//!
//! It parses nothing: each read counts as one request, which is true for clients that do not pipeline and whose
//! requests fit into a segment. With `--close`, each connection is closed after its first answer.

#![forbid(unsafe_code)]

use std::io;
use std::mem;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

/// Events taken from the kernel at once: more than the benchmark has connections.
const EVENTS: usize = 256;

/// The longest request, in bytes. Epoll reports an edge once, so one read must receive all of it.
const MAX_REQUEST: usize = 16 * 1024;

const KEEP: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

fn main() -> io::Result<()> {
    let close = std::env::args().nth(1).is_some_and(|arg| arg == "--close");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    if close { serve_once(&listener) } else { serve(&listener) }
}

/// Answers every request of every connection.
fn serve(listener: &TcpListener) -> io::Result<()> {
    run(listener, |connection, events, buffer| {
        let open = exchange(connection, KEEP, buffer)?;
        Ok(open && !events.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR))
    })
}

/// Answers the first request of every connection, and closes it.
fn serve_once(listener: &TcpListener) -> io::Result<()> {
    run(listener, |connection, _, buffer| exchange(connection, CLOSE, buffer).map(|_| false))
}

/// The loop. It calls `answer` for each readable connection; the connection stays open if the result is true.
fn run(
    listener: &TcpListener,
    answer: impl Fn(&OwnedFd, EventFlags, &mut [u8; MAX_REQUEST]) -> Result<bool, Errno>,
) -> io::Result<()> {
    let queue = epoll::create(CreateFlags::CLOEXEC)?;
    let listening = key(listener);
    epoll::add(&queue, listener, EventData::new_u64(listening as u64), EventFlags::IN)?;
    // Indexed by descriptor: the kernel assigns the lowest free one.
    let mut connections: Vec<Option<OwnedFd>> = Vec::new();
    let mut events = Vec::with_capacity(EVENTS);
    let mut buffer = [0; MAX_REQUEST];
    loop {
        match epoll::wait(&queue, spare_capacity(&mut events), None) {
            // The process was stopped for a moment; there are no events then.
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let key = event.data.u64() as usize;
            if key == listening {
                accept_one(listener, &queue, &mut connections)?;
            } else if let Some(slot) = connections.get_mut(key)
                && let Some(connection) = slot.as_ref()
            {
                // `event` is packed: its fields are copied, not borrowed.
                let flags = event.flags;
                match answer(connection, flags, &mut buffer) {
                    Ok(true) | Err(Errno::AGAIN) => {}
                    // A reset closes one connection, and does not end the server.
                    Ok(false) | Err(_) => mem::drop(slot.take()),
                }
            }
        }
    }
}

/// Accepts one connection, even if more wait: the listener is level-triggered, and is reported again in the next turn.
///
/// Accepting until there is none would cost more than the turns that it saves: a failing accept has created a socket
/// and a file first.
fn accept_one(listener: &TcpListener, queue: &OwnedFd, connections: &mut Vec<Option<OwnedFd>>) -> io::Result<()> {
    let connection = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        Ok(connection) => connection,
        // The connection was closed before it was accepted.
        Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let key = key(&connection);
    // Edge-triggered: the kernel does not check the descriptor again after a read.
    let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
    epoll::add(queue, &connection, EventData::new_u64(key as u64), flags)?;
    if connections.len() <= key {
        connections.resize_with(key + 1, || None);
    }
    connections[key] = Some(connection);
    Ok(())
}

/// Reads once and answers once. False if the peer has closed.
fn exchange(connection: &OwnedFd, answer: &[u8], buffer: &mut [u8; MAX_REQUEST]) -> Result<bool, Errno> {
    let (_, read) = recv(connection, buffer.as_mut_slice(), RecvFlags::empty())?;
    if read == 0 {
        return Ok(false);
    }
    send(connection, answer, SendFlags::NOSIGNAL)?;
    Ok(true)
}

fn key(descriptor: &impl AsRawFd) -> usize {
    usize::try_from(descriptor.as_raw_fd()).expect("an open descriptor is not negative")
}
