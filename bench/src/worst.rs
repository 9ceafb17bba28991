//! The cost of the most expensive bodies: CPU time from the first byte to the last datagram.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};

use crate::client;
use crate::server::{ProxyOptions, Server};
use crate::shapes::{self, Shape};
use crate::turn::median;

/// The name, which tells it from everything else that is measured.
pub const NAME: &str = "worst body";

/// Limit of the CPU time of a body, in milliseconds.
pub const LIMIT_MS: f64 = 30.0;

/// Limit of the bytes of its datagrams, as a multiple of the body's size limit.
pub const EXPANSION: usize = 2;

/// Rows of the table: the most expensive bodies.
const SHOWN: usize = 10;

/// The default size limits of the proxy, in bytes.
const BATCH: usize = 1024 * 1024;
const SINGLE: usize = 64 * 1024;

/// Number of random shapes, in addition to the known most expensive ones.
const RANDOM: u64 = 120;

/// Number of posts of each shape; odd, so that the median is one of them.
const POSTS: usize = 3;

/// Time without a datagram after which the proxy is done; it sends a line within a millisecond.
const QUIET: Duration = Duration::from_millis(30);

/// The receive buffer: twice the largest possible output of a body, and the kernel's overhead.
const BUFFER: usize = 16 * 1024 * 1024;

/// The result for a shape.
pub struct Worst {
    /// The shape.
    pub name: String,
    /// CPU time, in milliseconds: the median of the posts.
    pub millis: f64,
    /// Bytes of datagrams, of the post with the most.
    pub bytes: usize,
    /// The limit of these bytes.
    pub allowed: usize,
}

/// Posts all shapes, those with the same flags to one proxy, and returns the results, the most expensive first.
pub fn run(directory: &Path) -> Result<Vec<Worst>, Box<dyn Error>> {
    let mut by_flags: BTreeMap<Vec<String>, Vec<Shape>> = BTreeMap::new();
    for shape in shapes::worst(BATCH, SINGLE).into_iter().chain((0..RANDOM).map(|seed| shapes::random(seed, BATCH))) {
        by_flags.entry(shape.flags()).or_default().push(shape);
    }
    let mut all = Vec::new();
    for (number, (flags, shapes)) in by_flags.iter().enumerate() {
        let directory = directory.join(format!("worst-{number}"));
        fs::create_dir(&directory)?;
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        set_socket_recv_buffer_size_force(&receiver, BUFFER)
            .or_else(|_| set_socket_recv_buffer_size(&receiver, BUFFER))?;
        receiver.set_read_timeout(Some(QUIET))?;
        let options = ProxyOptions { statsd: receiver.local_addr()?, token: false, certificate: None, flags };
        let proxy = Server::proxy(&options, &directory)?;
        for shape in shapes {
            let worst = measure(shape, &proxy, &receiver)
                .map_err(|error| format!("{NAME}, {}: {error}\n{}", shape.name, proxy.log()))?;
            all.push(worst);
        }
    }
    all.sort_by(|one, other| other.millis.total_cmp(&one.millis));
    for worst in &all {
        eprintln!("  {:6.2} ms {:8} B  {}", worst.millis, worst.bytes, worst.name);
    }
    Ok(all)
}

/// The results for the table.
pub fn shown(all: &[Worst]) -> &[Worst] {
    &all[..all.len().min(SHOWN)]
}

fn measure(shape: &Shape, proxy: &Server, receiver: &UdpSocket) -> Result<Worst, Box<dyn Error>> {
    let request = shape.request();
    let mut millis = [0.0; POSTS];
    let mut most = 0;
    for millis in &mut millis {
        let before = proxy.cpu_time()?;
        post(&request, proxy)?;
        let bytes = drained(receiver)?;
        *millis = (proxy.cpu_time()? - before).as_secs_f64() * 1e3;
        most = most.max(bytes);
    }
    let cap = if shape.path == "/batch" { BATCH } else { SINGLE };
    Ok(Worst { name: shape.name.clone(), millis: median(millis), bytes: most, allowed: EXPANSION * cap })
}

/// Posts a body and waits for any answer.
fn post(request: &[u8], proxy: &Server) -> Result<(), Box<dyn Error>> {
    let mut connection: TcpStream = client::connect(proxy.address())?;
    // An early refusal may close the connection before the whole body is sent.
    let _ = connection.write_all(request);
    let read = connection.read(&mut [0; 4096])?;
    if read == 0 { Err("no answer".into()) } else { Ok(()) }
}

/// The bytes of all datagrams until no more arrive.
fn drained(receiver: &UdpSocket) -> Result<usize, Box<dyn Error>> {
    let mut buffer = vec![0; 65_536];
    let mut bytes = 0;
    loop {
        match receiver.recv(&mut buffer) {
            Ok(length) => bytes += length,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                return Ok(bytes);
            }
            Err(error) => return Err(error.into()),
        }
    }
}
