//! Fewer file descriptors than connections: no spin, and full recovery.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::client::{Client, post};
use crate::support::proxy::Proxy;
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
    proxy.wait_for_log("places are taken");
    // The span over which CPU time is measured, not a wait for anything.
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
fn idle_connections_make_room_for_those_that_wait() {
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
    // Silent; half a head; a head whose body never comes; a refused request, and silence.
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
        // Far less than the 60 s that each of the crowd may take: the patience of a test.
        proxy.expect("GET /heartbeat HTTP/1.1\r\nHost: localhost\r\n\r\n", 200);
        proxy.expect(post("/count/good", "value=1"), 200);
        drop(crowd);
    }
    for _ in begun {
        assert_eq!(receiver.next(), "good:1|c");
    }
}

#[test]
fn connections_that_are_served_stay_while_useless_ones_are_there_to_go() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-max-connections=20", "--http-timeout-read=60"]);
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
    // Where all are useful, another one takes the place of the one that was idle for longest.
    let mut more: Vec<Client> = (0..30).map(|_| Client::connect(proxy.address)).collect();
    for client in &mut more {
        assert_eq!(client.send(post("/count/a", "")).answer().status, 200);
    }
}
