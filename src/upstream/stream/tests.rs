//! What a connection leaves in doubt, over a Unix socket, whose buffers are exact.

use std::os::unix::net::{UnixListener, UnixStream as Daemon};

use tokio::runtime::Builder;

use super::*;

/// A connection, and the daemon's end of it.
fn connected(test: impl FnOnce(StreamSender, Daemon)) {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("statsd.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let runtime = Builder::new_current_thread().enable_all().build().expect("an event loop");
    runtime.block_on(async {
        let sender = StreamSender::connect(Peer::Unix(&socket)).expect("a connection");
        let (daemon, _) = listener.accept().expect("the other end");
        test(sender, daemon);
    });
}

/// A queue of so many packets of one metric.
fn packets(count: usize) -> Packer {
    let mut queue = Packer::new(1432);
    for _ in 0..count {
        queue.push(1, |out| out.resize(out.len() + 1432, b'x'));
    }
    queue
}

#[test]
fn a_broken_connection_stays_broken_after_its_error_was_told() {
    connected(|sender, daemon| {
        assert_eq!(sender.send(&packets(3)).expect("space"), 3);
        // It has not read all: the connection is reset, which is told once.
        drop(daemon);
        assert_eq!(sender.read().map_err(|error| error.raw_os_error()), Err(Some(libc::ECONNRESET)));
        assert!(matches!(sender.read(), Ok(false)), "an orderly end from then on");
        assert_eq!(sender.doubt(None).metrics, 3);
    });
}

#[test]
fn a_daemon_that_took_no_more_has_maybe_read_nothing() {
    connected(|sender, _daemon| {
        let (mut queue, mut sent) = (packets(100), 0);
        loop {
            match sender.send(&queue) {
                Ok(packets) => {
                    queue.pop(packets);
                    sent += packets as u64;
                }
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        // As old as nothing that a daemon which reads has left.
        std::thread::sleep(Duration::from_millis(1100));
        let error = io::Error::from_raw_os_error(libc::ETIMEDOUT);
        assert!(sent > 0);
        assert_eq!(sender.doubt(Some(&error)).metrics, sent);
    });
}
