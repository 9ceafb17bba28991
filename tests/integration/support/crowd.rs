//! Many useless connections that reconnect when they are closed.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Connections of a separate thread that send the same first bytes and then nothing, until this is dropped.
pub struct Crowd {
    stop: Arc<AtomicBool>,
    closed: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    pub fn start(address: SocketAddr, size: usize, first: &'static [u8]) -> Self {
        let (stop, closed) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut streams: Vec<TcpStream> = (0..size).map(|_| open(address, first)).collect();
        let thread = std::thread::spawn({
            let (stop, closed) = (Arc::clone(&stop), Arc::clone(&closed));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    for stream in &mut streams {
                        if is_closed(stream) {
                            *stream = open(address, first);
                            closed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    // Without a pause, the checks would use a core that the proxy needs.
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Self { stop, closed, thread: Some(thread) }
    }

    /// Waits until the proxy has closed this number of further connections.
    pub fn wait_for_closings(&self, count: usize) {
        let (start, end) = (self.closed.load(Ordering::Relaxed), Instant::now() + PATIENCE);
        while self.closed.load(Ordering::Relaxed) < start + count {
            assert!(Instant::now() < end, "the proxy closes nobody");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn open(address: SocketAddr, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the kernel's backlog takes it");
    stream.write_all(first).expect("the kernel takes it");
    stream.set_nonblocking(true).expect("a socket can be non-blocking");
    stream
}

/// True if the peer has closed, after any bytes.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut scrap = [0; 4096];
    loop {
        match stream.read(&mut scrap) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}
