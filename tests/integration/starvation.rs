//! Fewer file descriptors than connections: the proxy does not spin, and recovers completely.

use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::https::{Https, TlsClient, one_request};
use crate::support::client::{Client, post};
use crate::support::crowd::Crowd;
use crate::support::proxy::{Proxy, command};
use crate::support::receiver::Receiver;

#[test]
fn sixty_four_files_under_500_connections() {
    let receiver = Receiver::new();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -n 64 && exec \"$0\" --http-port=0 --http-threads=1 --http-timeout-read=60 --statsd-port=\"$1\"",
        env!("CARGO_BIN_EXE_statsd-http-proxy"),
        &receiver.port().to_string(),
    ]);
    let mut proxy = Proxy::start_with(&mut command);
    let crowd: Vec<TcpStream> =
        (0..500).map(|_| TcpStream::connect(proxy.address).expect("the kernel's backlog takes it")).collect();
    proxy.wait_for_log("connections is reached");
    // CPU time is measured over this time; the test does not wait for an event.
    let (start, before) = (Instant::now(), proxy.cpu_ticks());
    std::thread::sleep(Duration::from_secs(2));
    let (span, used) = (start.elapsed(), proxy.cpu_ticks() - before);
    let share = used as f64 * 0.01 / span.as_secs_f64();
    assert!(share < 0.05, "{:.1} % of a core while starved", share * 100.0);
    drop(crowd);
    let mut clients: Vec<Client> = (0..30).map(|_| Client::connect(proxy.address)).collect();
    for client in &mut clients {
        assert_eq!(client.send(post("/count/a", "")).answer().status, 200);
    }
    let mut arrived = 0;
    while arrived < 30 {
        arrived += receiver.next().lines().filter(|line| *line == "a:1|c").count();
    }
}

#[test]
fn idle_connections_are_closed_for_those_that_wait() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-max-connections=10"]);
    let mut clients: Vec<Client> = (0..50).map(|_| Client::connect(proxy.address)).collect();
    for client in &mut clients {
        client.send(post("/count/a", ""));
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn connections_that_send_nothing_do_not_keep_others_out() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-max-connections=100", "--http-timeout-read=60"]);
    // Silent; half a head; a head whose body never arrives; a refused request, and silence.
    let begun: [&str; 4] = [
        "",
        "POST /count/a HTTP/1.1\r\nHost: local",
        "POST /count/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nvalue",
        "GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    for begun in begun {
        let crowd: Vec<Client> = (0..300)
            .map(|_| {
                let mut client = Client::connect(proxy.address);
                client.send(begun);
                client
            })
            .collect();
        // The test waits far less than the 60 s that each of these connections may take.
        proxy.expect("GET /heartbeat HTTP/1.1\r\nHost: localhost\r\n\r\n", 200);
        proxy.expect(post("/count/good", "value=1"), 200);
        drop(crowd);
    }
    for _ in begun {
        assert_eq!(receiver.next(), "good:1|c");
    }
}

#[test]
fn served_connections_stay_while_there_are_useless_ones_to_close() {
    let receiver = Receiver::new();
    stay_while_useless_ones_are_there(&Proxy::start(
        &receiver,
        &["--http-max-connections=20", "--http-timeout-read=60"],
    ));
    stay_while_useless_ones_are_there(&with_two_workers(&["--http-max-connections=20"]));
}

fn stay_while_useless_ones_are_there(proxy: &Proxy) {
    let mut useful: Vec<Client> = (0..10).map(|_| Client::connect(proxy.address)).collect();
    for client in &mut useful {
        assert_eq!(client.send(post("/count/a", "")).answer().status, 200);
    }
    for _ in 0..10 {
        let crowd: Vec<Client> = (0..20).map(|_| Client::connect(proxy.address)).collect();
        for client in &mut useful {
            assert_eq!(client.send(post("/count/a", "")).answer().status, 200);
        }
        drop(crowd);
    }
    // If all are useful, the one that was idle longest is closed.
    let mut more: Vec<Client> = (0..30).map(|_| Client::connect(proxy.address)).collect();
    for client in &mut more {
        assert_eq!(client.send(post("/count/a", "")).answer().status, 200);
    }
}

/// A proxy with two workers and these flags.
fn with_two_workers(flags: &[&str]) -> Proxy {
    Proxy::start_with(&mut command(&[&["--http-threads=2", "--statsd-port=9"], flags].concat()))
}

const HEARTBEAT: &str = "GET /heartbeat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Longest time for the answer to a heartbeat, on a loaded machine. Clients that wait for the connections before them
/// to be closed one in 0.1 s take 20 s.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(8);

#[test]
fn a_low_limit_full_of_silent_connections_is_freed_soon() {
    for (places, first) in [(1, ""), (2, ""), (3, ""), (1, "P"), (3, "GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n")] {
        let proxy = with_two_workers(&[&format!("--http-max-connections={places}")]);
        let crowd: Vec<Client> = (0..200)
            .map(|_| {
                let mut client = Client::connect(proxy.address);
                client.send(first);
                client
            })
            .collect();
        let mut good = Client::connect(proxy.address);
        good.stream().set_read_timeout(Some(HEARTBEAT_LIMIT)).expect("a timeout above zero");
        assert_eq!(good.send(HEARTBEAT).answer().status, 200, "{places} places beside 200 that sent {first:?}");
        drop(crowd);
    }
}

#[test]
fn heartbeats_are_answered_beside_connections_that_reconnect() {
    for first in [
        "",
        "P",
        "POST /count/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nvalue",
        "GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let proxy = with_two_workers(&["--http-max-connections=20"]);
        let crowd = Crowd::start(proxy.address, 60, first.as_bytes());
        for _ in 0..5 {
            crowd.wait_for_closings(20);
            let mut good = Client::connect(proxy.address);
            good.stream().set_read_timeout(Some(HEARTBEAT_LIMIT)).expect("a timeout above zero");
            assert_eq!(good.send(HEARTBEAT).answer().status, 200, "beside those that sent {first:?}");
        }
    }
}

/// Time that a peer has for the next step of its handshake, while other connections reconnect.
const PROMISED: Duration = Duration::from_millis(800);

#[test]
fn a_slow_handshake_completes_beside_connections_that_reconnect() {
    // Connections that are silent, and that send the first byte of a handshake.
    for first in [&b""[..], b"\x16"] {
        let https = Https::start(&["--http-max-connections=20", "--http-threads=2"]);
        let crowd = Crowd::start(https.proxy.address, 60, first);
        let mut completed = 0;
        // If the other connections take longer for a round, the machine is too busy for this test.
        for _ in 0..30 {
            let mut client = https.connect(&["http/1.1"]);
            let answered = greet(&mut client);
            assert!(answered, "closed in the handshake, beside those that sent {first:?}");
            let start = Instant::now();
            // All connections were replaced three times.
            crowd.wait_for_closings(60);
            if start.elapsed() < PROMISED {
                let answer = one_request(&mut client, HEARTBEAT);
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?} beside those that sent {first:?}");
                completed += 1;
            }
            if completed == 5 {
                break;
            }
        }
        assert!(completed > 0, "the machine was too slow for any attempt beside those that sent {first:?}");
    }
}

/// Sends the client's first flight, and reads the server's. False if the server closes.
fn greet(client: &mut TlsClient) -> bool {
    let (session, stream) = (&mut client.conn, &mut client.sock);
    session.write_tls(stream).expect("the kernel takes it");
    let mut flight = [0; 16 * 1024];
    // A flight arrives in one read on loopback, because the proxy sends it in one write.
    let len = stream.read(&mut flight).unwrap_or(0);
    let mut rest = &flight[..len];
    while !rest.is_empty() {
        session.read_tls(&mut rest).expect("there is space");
        session.process_new_packets().expect("a flight of the handshake");
    }
    len > 0
}
