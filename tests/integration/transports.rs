//! Connections and Unix sockets: the bytes that a daemon gets, and what becomes of lines while it is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::support::client::{Client, post};
use crate::support::line_daemon::{DaemonAddress, LineDaemon};
use crate::support::proxy::{Proxy, command};
use crate::support::request::{json as json_request, typed_batch};
use crate::support::statsd::StatsD;

fn start(place: &DaemonAddress, flags: &[&str]) -> Proxy {
    let address = format!("--statsd-address={}", place.url());
    let mut all = vec![address.as_str(), "--http-threads=1"];
    all.extend(flags);
    Proxy::start_with(&mut command(&all))
}

/// That every metric that was accepted is in one of the figures; gives those of sent and maybe lost.
fn assert_sum(proxy: &Proxy, accepted: u64) -> (u64, u64) {
    let figures = ["metrics sent", "metrics refused", "metrics dropped", "metrics maybe lost"];
    let [sent, refused, dropped, maybe_lost] = figures.map(|what| proxy.figure(what));
    assert_eq!(sent + refused + dropped + maybe_lost, accepted, "{:?}", proxy.seen);
    (sent, maybe_lost)
}

#[test]
fn each_transport_carries_the_lines_to_the_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    for place in DaemonAddress::each(folder.path()) {
        let mut daemon = LineDaemon::bind(&place);
        let mut proxy = start(&place, &["--metric-prefix=web", "--statsd-tag=dc=eu"]);
        let mut client = Client::connect(proxy.address);
        for (path, body, line) in [
            ("/count/a", "value=3", "web.a:3|c|#dc:eu"),
            ("/gauge/g", "value=-5", "web.g:0|g|#dc:eu\nweb.g:-5|g|#dc:eu"),
            ("/timing/t", "time=1.5", "web.t:1.5|ms|#dc:eu"),
        ] {
            assert_eq!(client.send(post(path, body)).answer().status, 200);
            let expected = format!("{line}\n");
            daemon.read_until(|daemon| daemon.text().ends_with(&expected));
        }
        let batch = "b1:1|c\nb2:2|c\nb3:3|c\n";
        assert_eq!(client.send(typed_batch("text/plain", batch)).answer().status, 200);
        assert_eq!(
            client.send(json_request("/batch", r#"[{"metric":"j","type":"count","value":4}]"#)).answer().status,
            200
        );
        daemon.read_until(|daemon| daemon.has("web.j:4|c|#dc:eu"));
        assert_eq!(
            daemon.text(),
            "web.a:3|c|#dc:eu\nweb.g:0|g|#dc:eu\nweb.g:-5|g|#dc:eu\nweb.t:1.5|ms|#dc:eu\nweb.b1:1|c|#dc:eu\n\
             web.b2:2|c|#dc:eu\nweb.b3:3|c|#dc:eu\nweb.j:4|c|#dc:eu\n",
            "{place:?}"
        );
        assert!(proxy.stop().success());
        assert_eq!(assert_sum(&proxy, 7), (7, 0));
        let start = proxy.seen.iter().find(|line| line.contains("listening on")).expect("a start line");
        assert!(start.contains(&format!("to StatsD at {}, ", place.url())), "{start}");
        assert_eq!(proxy.lines_of("WARN"), [] as [&str; 0], "{place:?}");
    }
}

#[test]
fn datagrams_to_a_unix_socket_have_up_to_8_kib() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = DaemonAddress::UnixDatagram(folder.path().join("d.sock"));
    let lines: String = (0..2000).map(|i| format!("metric.{i}:{i}|c\n")).collect();
    for (flags, most) in [(&[] as &[&str], 8192), (&["--statsd-packet-size=512"], 512)] {
        let mut daemon = LineDaemon::bind(&place);
        let proxy = start(&place, flags);
        assert_eq!(Client::connect(proxy.address).send(typed_batch("text/plain", &lines)).answer().status, 200);
        daemon.read_until(|daemon| daemon.count() >= 2000);
        let datagrams = daemon.datagrams();
        assert!(datagrams.iter().all(|datagram| datagram.len() <= most && !datagram.ends_with('\n')));
        assert!(datagrams.iter().any(|datagram| datagram.len() > most - 30), "some are full");
        assert_eq!(datagrams.join("\n") + "\n", lines);
    }
}

#[test]
fn a_daemon_that_comes_late_gets_what_waited_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for place in DaemonAddress::each(folder.path()) {
        let mut proxy = start(&place, &[]);
        let mut client = Client::connect(proxy.address);
        let warning = |line: &str| line.contains(&format!("WARN StatsD at {}: ", place.url()));
        // A connection is opened before there is anything to send.
        if !matches!(place, DaemonAddress::UnixDatagram(_)) {
            let line = proxy.wait_for_log("attempts failed");
            assert!(warning(&line) && line.contains("is StatsD running?"), "{line}");
        }
        assert_eq!(client.send(post("/count/early", "")).answer().status, 200);
        if matches!(place, DaemonAddress::UnixDatagram(_)) {
            let line = proxy.wait_for_log("attempts failed (No such file or directory");
            assert!(warning(&line), "{line}");
        }
        let mut daemon = LineDaemon::bind(&place);
        daemon.read_until(|daemon| daemon.has("early:1|c"));
        let back = proxy.wait_for_log("is back");
        assert!(back.contains(&format!("StatsD at {} is back", place.url())), "{back}");
        assert!(proxy.stop().success());
        assert_eq!(assert_sum(&proxy, 1), (1, 0));
    }
}

#[test]
fn a_daemon_that_does_not_read_loses_nothing_and_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: String = (0..1000).map(|i| format!("metric.{}.{i}:{i}|c\n", "n".repeat(100))).collect();
    for place in DaemonAddress::each(folder.path()) {
        let mut daemon = LineDaemon::bind(&place);
        let mut proxy = start(&place, &[]);
        let mut client = Client::connect(proxy.address);
        // More than the socket's buffer, and less than that and the queue.
        for _ in 0..3 {
            assert_eq!(client.send(typed_batch("text/plain", &lines)).answer().status, 200);
        }
        let used = proxy.cpu_ticks();
        assert_eq!(client.send("GET /heartbeat HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 200);
        daemon.read_size = 1000;
        daemon.read_until(|daemon| daemon.count() >= 3000);
        assert_eq!(daemon.text(), lines.repeat(3), "{place:?}");
        assert!(proxy.cpu_ticks() < used + 300, "the wait was a loop");
        assert!(proxy.stop().success());
        assert_eq!(assert_sum(&proxy, 3000), (3000, 0));
    }
}

#[test]
fn what_a_daemon_says_is_of_no_interest_and_no_harm() {
    use std::io::{BufRead as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = DaemonAddress::Tcp(listener.local_addr().expect("an address"));
    let mut proxy = start(&place, &[]);
    let (mut stream, _) = listener.accept().expect("the proxy connects");
    stream.write_all(&[b'x'; 100_000]).expect("the proxy reads");
    let mut client = Client::connect(proxy.address);
    let mut reader = std::io::BufReader::new(stream.try_clone().expect("a second handle"));
    for i in 0..100 {
        assert_eq!(client.send(post("/count/a", &format!("value={i}"))).answer().status, 200);
        let mut line = String::new();
        reader.read_line(&mut line).expect("the connection is whole");
        assert_eq!(line, format!("a:{i}|c\n"));
    }
    assert!(proxy.stop().success());
    assert_eq!(assert_sum(&proxy, 100), (100, 0));
}

/// Clients that send until they are told to stop, each line with a name of its own.
struct Load {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
    client: JoinHandle<()>,
}

impl Load {
    fn start(proxy: &Proxy) -> Self {
        let (stop, accepted) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let client = std::thread::spawn({
            let (stop, accepted, mut client) =
                (Arc::clone(&stop), Arc::clone(&accepted), Client::connect(proxy.address));
            move || {
                let mut next = 0;
                while !stop.load(Ordering::Relaxed) {
                    let lines: String = (next..next + 20).map(|i| format!("load.{i}:1|c\n")).collect();
                    let answer = client.send(typed_batch("text/plain", lines)).answer();
                    // 503 takes nothing.
                    assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                    if answer.status == 200 {
                        accepted.fetch_add(20, Ordering::Relaxed);
                        next += 20;
                    }
                    // A pace that a debug build keeps on a busy machine, so that the daemon's rests are what fills the queue.
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        });
        Self { stop, accepted, client }
    }

    /// Stops it, and gives how many metrics were accepted.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.client.join().expect("all answers were right");
        self.accepted.load(Ordering::Relaxed)
    }
}

#[test]
fn the_real_statsd_holds_what_came_over_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    for place in [DaemonAddress::free_port(), DaemonAddress::UnixStream(folder.path().join("statsd.sock"))] {
        let Some(statsd) = StatsD::start_at(&place) else { return };
        let mut proxy = start(&place, &["--metric-prefix=web"]);
        let mut client = Client::connect(proxy.address);
        for i in 0..50 {
            let batch: String = (0..100).map(|j| format!("name{j}:{i}|c\n")).collect();
            assert_eq!(client.send(typed_batch("text/plain", batch)).answer().status, 200);
            assert_eq!(client.send(post("/gauge/level", &format!("value=-{i}"))).answer().status, 200);
        }
        assert_eq!(client.send(post("/timing/load", "time=12.5")).answer().status, 200);
        assert_eq!(client.send(post("/count/last", "")).answer().status, 200);
        let counters = statsd.ask_until("counters", |counters| counters["web.last"] == json!(1));
        for j in 0..100 {
            assert_eq!(counters[format!("web.name{j}")], json!(49 * 50 / 2), "{place:?}");
        }
        assert_eq!(counters["statsd.bad_lines_seen"], json!(0));
        assert_eq!(statsd.ask("gauges")["web.level"], json!(-49));
        assert_eq!(statsd.ask("timers")["web.load"], json!([12.5]));
        assert!(proxy.stop().success());
        assert_eq!(assert_sum(&proxy, 5052), (5052, 0));
    }
}

#[test]
fn the_real_statsd_can_be_restarted_under_load() {
    let folder = tempfile::tempdir().expect("a folder");
    for place in [DaemonAddress::free_port(), DaemonAddress::UnixStream(folder.path().join("statsd.sock"))] {
        let Some(mut statsd) = StatsD::start_at(&place) else { return };
        let mut proxy = start(&place, &[]);
        let load = Load::start(&proxy);
        let mut received = 0;
        // What a daemon has counted when it is told to end, which it does at once.
        let count = |dump: serde_json::Value| {
            let counters = dump["counters"].as_object().expect("counters").clone();
            counters
                .iter()
                .filter(|(name, _)| name.starts_with("load."))
                .filter_map(|(_, count)| count.as_u64())
                .sum::<u64>()
        };
        for _ in 0..4 {
            statsd.ask_until("counters", |counters| counters["statsd.metrics_received"].as_u64() > Some(500));
            received += count(statsd.end());
            statsd = StatsD::start_at(&place).expect("it started before");
        }
        statsd.ask_until("counters", |counters| counters["statsd.metrics_received"].as_u64() > Some(500));
        let accepted = load.end();
        assert!(proxy.stop().success());
        received += count(statsd.end());
        let (sent, maybe_lost) = assert_sum(&proxy, accepted);
        assert_eq!(proxy.figure("metrics dropped"), 0, "{:?}", proxy.seen.last());
        println!("{}: {accepted} accepted, {received} received, {sent} sent, {maybe_lost} maybe lost", place.url());
        assert!(sent <= received && received <= accepted, "{sent} <= {received} <= {accepted}");
    }
}

/// Ends a daemon a hundred times while metrics come, and starts it again each time. All that is lost is counted, and what may be
/// is at least what is.
fn restart_a_hundred_times(place: &DaemonAddress) {
    let mut daemon = LineDaemon::bind(place);
    let mut proxy = start(place, &[]);
    let load = Load::start(&proxy);
    let mut received = Vec::new();
    for life in 0..100 {
        // Some die with a full buffer, right after they have begun.
        let (read_size, lines) = if life % 10 == 0 { (700, 100) } else { (65_536, 1500 + life * 37 % 150) };
        daemon.read_size = read_size;
        daemon.read_until(|daemon| daemon.count() >= lines);
        received.extend(daemon.lines());
        drop(daemon);
        daemon = LineDaemon::bind(place);
    }
    daemon.read_size = 65_536;
    let (stop, reader) = (Arc::<AtomicBool>::default(), daemon);
    let rest = std::thread::spawn({
        let (stop, mut daemon) = (Arc::clone(&stop), reader);
        move || {
            while !stop.load(Ordering::Relaxed) {
                daemon.read_some(Duration::from_millis(20));
            }
            // What the proxy wrote at its end.
            let mut before = usize::MAX;
            while before != daemon.len() {
                before = daemon.len();
                daemon.read_some(Duration::from_millis(20));
            }
            daemon.lines()
        }
    });
    let accepted = load.end();
    assert!(proxy.stop().success());
    stop.store(true, Ordering::Relaxed);
    received.extend(rest.join().expect("the daemon reads"));
    let (sent, maybe_lost) = assert_sum(&proxy, accepted);
    assert_eq!(proxy.figure("metrics dropped"), 0, "each rest is shorter than lines are kept: {:?}", proxy.seen.last());
    let mut numbers: Vec<u64> = received
        .iter()
        .map(|line| {
            let number = line.strip_prefix("load.").and_then(|rest| rest.strip_suffix(":1|c"));
            number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("a broken line: {line:?}"))
        })
        .collect();
    let count = numbers.len() as u64;
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len() as u64, count, "no line comes twice");
    println!("{}: {accepted} accepted, {count} received, {sent} sent, {maybe_lost} maybe lost", place.url());
    assert!(sent <= count && count <= sent + maybe_lost, "{accepted}: {sent} <= {count} <= {sent} + {maybe_lost}");
}

#[test]
fn a_hundred_restarts_over_tcp_lose_only_what_is_counted() {
    restart_a_hundred_times(&DaemonAddress::free_port());
}

#[test]
fn a_hundred_restarts_over_a_unix_stream_lose_only_what_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    restart_a_hundred_times(&DaemonAddress::UnixStream(folder.path().join("s.sock")));
}

#[test]
fn a_hundred_restarts_over_unix_datagrams_lose_only_what_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    restart_a_hundred_times(&DaemonAddress::UnixDatagram(folder.path().join("d.sock")));
}
