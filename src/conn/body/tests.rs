//! Bodies as hyper delivers them from a socket, collected within their limits.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::runtime::Builder;

use super::*;
use crate::conn::deadlines::Deadlines;
use crate::conn::deadlines::Timeouts;

const CAP: usize = 256 * 1024;

/// A request with this body and further lines of its head.
fn request(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("POST / HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n").as_bytes(), body].concat()
}

fn with_length(body: &[u8]) -> Vec<u8> {
    request(&format!("Content-Length: {}", body.len()), body)
}

/// The pieces as chunks, and the last chunk.
fn chunked<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, end: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for piece in pieces {
        body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        body.extend_from_slice(piece);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(end.as_bytes());
    request("Transfer-Encoding: chunked", &body)
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("writing to a Vec cannot fail")
}

/// The behaviour of a client that has sent all.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// Waits for the answer.
    Waits,
    /// Leaves.
    Leaves,
    /// Waits for longer than a body may take.
    Stalls,
}

/// Sends `bytes` to a server, which hands the body of the one request to `handle`.
fn serve(bytes: Vec<u8>, then: Then, handle: impl AsyncFn(RequestBody)) {
    let (mut client, server) = UnixStream::pair().expect("a pair of sockets");
    let sender = std::thread::spawn(move || {
        // A server that has seen enough closes before it has read all.
        let _ = client.write_all(&bytes);
        if then == Then::Leaves {
            let _ = client.shutdown(Shutdown::Write);
        }
        let _ = client.read_to_end(&mut Vec::new());
    });
    let runtime = Builder::new_current_thread().enable_all().build().expect("an event loop");
    runtime.block_on(async {
        server.set_nonblocking(true).expect("a socket that does not block");
        let stream = tokio::net::UnixStream::from_std(server).expect("a socket of the event loop");
        let handle = &handle;
        let service = service_fn(move |request: Request<Incoming>| async move {
            handle(RequestBody::http1(request.into_body(), 0)).await;
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        // Nothing more is asked of the connection once the body is collected, or broken.
        let _ = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
    });
    sender.join().expect("the client ends");
}

/// Sends `bytes`, and returns the collected body and the number of received bytes.
fn collect(bytes: Vec<u8>, coding: Coding, cap: usize, then: Then) -> (Result<Vec<u8>, BodyError>, usize) {
    let timeouts = Timeouts { read: Some(Duration::from_secs(5)), write: None, idle: None };
    let deadlines = Rc::new(Deadlines::new(&timeouts, Arc::default()));
    let result = RefCell::new(None);
    serve(bytes, then, async |body| {
        let guard = deadlines.watch_connection();
        let activity = Rc::clone(guard.activity());
        activity.received();
        activity.begin_request();
        let limits = Limits { cap, activity, budget: Budget::new(CAP, 1), head: 0 };
        let mut collect = Collect::new(body, coding, limits);
        let body = poll_fn(|cx| {
            let poll = collect.poll(cx);
            if then == Then::Stalls && poll.is_pending() {
                // The time passes as soon as there is nothing to read: the sweep wakes this task.
                (0..=60).for_each(|_| deadlines.sweep());
            }
            poll
        });
        let body = body.await.and_then(|mut body| {
            body.inflate(cap)?;
            Ok(body.bytes.to_vec())
        });
        *result.borrow_mut() = Some((body, collect.received()));
    });
    result.take().expect("the request was served")
}

fn collected(bytes: Vec<u8>, coding: Coding) -> Result<Vec<u8>, BodyError> {
    collect(bytes, coding, CAP, Then::Waits).0
}

#[test]
fn a_body_is_whole_however_it_is_framed() {
    let long: Vec<u8> = (0..CAP).map(|i| (i % 251) as u8).collect();
    for body in [&b""[..], b"value=1", &long] {
        let (whole, received) = collect(with_length(body), Coding::Identity, CAP, Then::Waits);
        assert!(whole.as_deref() == Ok(body) && received == body.len(), "{} bytes with a length", body.len());
        let pieces = collected(chunked(body.chunks(1000), "0\r\n\r\n"), Coding::Identity);
        assert!(pieces.as_deref() == Ok(body), "{} bytes in chunks", body.len());
    }
    let with_trailers = chunked([&b"value=1"[..]], "0\r\nchecksum: 1\r\n\r\n");
    assert_eq!(collected(with_trailers, Coding::Identity), Ok(b"value=1".to_vec()));
}

#[test]
fn a_body_over_its_cap_is_refused_as_it_comes() {
    let body = vec![b'x'; 1001];
    for bytes in [with_length(&body), chunked(body.chunks(100), "0\r\n\r\n")] {
        assert_eq!(collect(bytes.clone(), Coding::Identity, 1000, Then::Waits).0, Err(BodyError::TooLarge));
        assert!(collect(bytes, Coding::Identity, 1001, Then::Waits).0.is_ok());
    }
}

#[test]
fn a_body_in_too_many_pieces_is_refused() {
    let body = vec![b'x'; FREE_PIECES * 2];
    let (result, received) = collect(chunked(body.chunks(1), "0\r\n\r\n"), Coding::Identity, CAP, Then::Waits);
    assert_eq!(result, Err(BodyError::Fragmented));
    // The pieces that are free, and those that the bytes so far make up for.
    assert!((FREE_PIECES..FREE_PIECES + FREE_PIECES / 16).contains(&received), "{received}");
    let enough = vec![b'x'; FREE_PIECES * BYTES_A_PIECE];
    assert!(collected(chunked(enough.chunks(BYTES_A_PIECE), "0\r\n\r\n"), Coding::Identity).is_ok());
}

#[test]
fn a_body_that_ends_early_or_is_framed_wrongly_is_told_apart() {
    for bytes in [request("Content-Length: 10", b"value=1"), chunked([&b"value=1"[..]], "")] {
        assert_eq!(collect(bytes, Coding::Identity, CAP, Then::Leaves).0, Err(BodyError::Left));
    }
    for end in ["x\r\n", "-1\r\n", "ffffffffffffffffff\r\n"] {
        let bytes = chunked([&b"value=1"[..]], end);
        assert_eq!(collected(bytes, Coding::Identity), Err(BodyError::Broken), "{end:?}");
    }
}

#[test]
fn a_body_that_stalls_is_late() {
    let (result, received) = collect(request("Content-Length: 10", b"value=1"), Coding::Identity, CAP, Then::Stalls);
    assert_eq!((result, received), (Err(BodyError::Timeout), 7));
}

#[test]
fn a_compressed_body_is_inflated_under_the_cap() {
    let mut noise = fastrand::Rng::with_seed(7);
    // Shorter and longer than one read of a socket.
    for length in [0, 100, 32 * 1024, CAP] {
        let body: Vec<u8> = (0..length).map(|_| noise.u8(b'a'..=b'z')).collect();
        let compressed = gzip(&body);
        for bytes in [with_length(&compressed), chunked(compressed.chunks(500), "0\r\n\r\n")] {
            assert!(collected(bytes.clone(), Coding::Gzip) == Ok(body.clone()), "{length} bytes");
            if length > 0 {
                let (result, _) = collect(bytes, Coding::Gzip, length - 1, Then::Waits);
                assert_eq!(result, Err(BodyError::TooLarge), "{length} bytes under a cap of one less");
            }
        }
    }
    assert_eq!(collected(with_length(b"value=1"), Coding::Gzip), Err(BodyError::Encoding));
    assert_eq!(collected(with_length(b""), Coding::Gzip), Ok(Vec::new()));
    let cut = gzip(&vec![b'x'; 1000]);
    assert_eq!(collected(with_length(&cut[..cut.len() - 1]), Coding::Gzip), Err(BodyError::Encoding));
}

#[test]
fn an_announced_length_is_refused_before_anything_is_read() {
    let results = RefCell::new(None);
    serve(request("Content-Length: 1001", b""), Then::Leaves, async |body| {
        *results.borrow_mut() = Some((check_length(&body, 1000), check_length(&body, 1001)));
    });
    assert_eq!(results.take(), Some((Err(BodyError::TooLarge), Ok(()))));
}
