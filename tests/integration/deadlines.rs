//! Slow peers: each is closed within its deadline, and does not affect other requests.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::PATIENCE;
use crate::support::client::{Client, post};
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;

#[test]
fn a_silent_peer_and_half_a_head_are_closed() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-timeout-read=1"]);
    for part in ["", "POST /count/a HT", "POST /count/a HTTP/1.1\r\nHost: local"] {
        let start = Instant::now();
        let mut client = Client::connect(proxy.address);
        assert!(client.send(part).is_closed(), "{part:?}");
        assert!(start.elapsed() >= Duration::from_millis(800), "{part:?} was closed early");
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_slow_head_is_closed() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-timeout-read=1"]);
    let stream = TcpStream::connect(proxy.address).expect("the proxy accepts");
    assert!(drip(stream, "POST /count/a HTTP/1.1\r\nHost: localhost\r\n").is_empty());
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_dripped_body_is_answered_408() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-timeout-read=1"]);
    for head in ["Content-Length: 60000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nea60\r\n"] {
        let mut stream = TcpStream::connect(proxy.address).expect("the proxy accepts");
        write!(stream, "POST /count/a HTTP/1.1\r\nHost: localhost\r\n{head}").expect("the head is taken");
        let answer = drip(stream, "value=1&");
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
        assert!(answer.ends_with("Request body not received in time\n"), "{answer:?}");
    }
    proxy.assert_sent(&receiver, &[]);
}

/// Sends a byte every 50 ms until the peer answers or closes, and returns its answer.
fn drip(mut stream: TcpStream, text: &str) -> String {
    let start = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout above zero");
    let mut answer = Vec::new();
    for byte in text.bytes().chain(std::iter::repeat(b'x')) {
        assert!(start.elapsed() < PATIENCE, "the peer is still served");
        let gone = stream.write_all(&[byte]).is_err();
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => answer.extend_from_slice(&buffer[..len]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && !gone => {}
            Err(_) => break,
        }
    }
    String::from_utf8(answer).expect("answers are UTF-8")
}

#[test]
fn an_idle_connection_is_kept_for_the_idle_timeout_then_closed() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-timeout-read=1", "--http-timeout-idle=3"]);
    let mut client = Client::connect(proxy.address);
    assert_eq!(client.send(post("/count/a", "")).answer().status, 200);
    let start = Instant::now();
    assert!(client.is_closed());
    assert!(start.elapsed() >= Duration::from_millis(2800), "closed after {:?}", start.elapsed());
}

#[test]
fn a_sleeping_connection_serves_its_next_request() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    let mut client = Client::connect(proxy.address);
    assert_eq!(client.send(post("/count/a", "")).answer().status, 200);
    assert_eq!(receiver.next(), "a:1|c");
    // The connection sleeps after half a second; the test needs this state, and does not wait for an event.
    assert_eq!(receiver.next_within(Duration::from_millis(600)), None);
    let request = post("/count/b", "value=2");
    let (first, second) = request.split_at(20);
    client.send(first);
    assert_eq!(client.send(second).answer().status, 200);
    assert_eq!(receiver.next(), "b:2|c");
}

#[test]
fn half_a_request_pipelined_behind_another_has_a_deadline() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-timeout-read=1", "--http-timeout-idle=600"]);
    let mut client = Client::connect(proxy.address);
    client.send(format!("{}POST /count/b HT", post("/count/a", "")));
    assert_eq!(client.answer().status, 200);
    assert!(client.is_closed());
    proxy.assert_sent(&receiver, &["a:1|c"]);
}

/// Sends good requests until `stop`, on one connection and on new ones. Returns their number.
fn serve_good_requests(address: SocketAddr, stop: &AtomicBool) -> u64 {
    let mut client = Client::connect(address);
    let mut served = 0;
    while !stop.load(Ordering::Relaxed) {
        assert_eq!(client.send(post("/count/good", "")).answer().status, 200);
        let mut fresh = Client::connect(address);
        assert_eq!(fresh.send(post("/count/good", "")).answer().status, 200);
        served += 2;
    }
    served
}

/// Sends `request` until the buffers of both sides are full, and never reads an answer.
fn fill_without_reading(stream: &mut TcpStream, request: &str) {
    let _ = socket2::SockRef::from(&*stream).set_recv_buffer_size(4096);
    stream.set_nonblocking(true).expect("a socket can be non-blocking");
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        match stream.write(request.as_bytes()) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("writing: {error}"),
        }
    }
}

#[test]
fn many_slow_peers_do_not_affect_others() {
    // Both processes need a file descriptor for each connection.
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = limit.maximum.unwrap_or(u64::MAX);
    let scale = if files >= 7000 { 1 } else { 10 };
    if scale > 1 {
        eprintln!("only {files} open files allowed: a tenth of the crowd");
    }
    let receiver = Receiver::new();
    let flags = ["--http-timeout-read=3", "--http-timeout-write=3", "--http-timeout-idle=6"];
    let proxy = Proxy::start(&receiver, &flags);
    let connect = || TcpStream::connect(proxy.address).expect("the proxy accepts");

    let stop = Arc::new(AtomicBool::new(false));
    let good = std::thread::spawn({
        let (stop, address) = (Arc::clone(&stop), proxy.address);
        move || serve_good_requests(address, &stop)
    });
    let mut crowd = Vec::new();
    for _ in 0..5000 / scale {
        crowd.push(connect());
    }
    let half = format!("POST /count/a HTTP/1.1\r\nX-Pad: {}", "x".repeat(7000));
    for _ in 0..500 / scale {
        let mut stream = connect();
        stream.write_all(half.as_bytes()).expect("the half head is taken");
        crowd.push(stream);
    }
    let request = "GET /nothing HTTP/1.1\r\nHost: localhost\r\nOrigin: https://shop.example\r\n\r\n".repeat(50);
    for _ in 0..200 / scale {
        let mut stream = connect();
        fill_without_reading(&mut stream, &request);
        crowd.push(stream);
    }
    let memory = proxy.memory_kib();
    assert!(memory < 120 * 1024, "{memory} KiB");
    for (index, stream) in crowd.iter_mut().enumerate() {
        stream.set_nonblocking(false).expect("a socket can block");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("peer {index} was not closed: {error}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    let served = good.join().expect("no good request failed");
    assert!(served > 0);
    println!("{served} good requests beside {} bad peers, {memory} KiB", crowd.len());
}
