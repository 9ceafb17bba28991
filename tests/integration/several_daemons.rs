//! Several StatsD: shards by name, mirrors, a dialect for each, and what happens to the others when one is away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::PATIENCE;
use crate::support::client::{Client, post};
use crate::support::line_daemon::{DaemonAddress, LineDaemon};
use crate::support::proxy::{Proxy, command};
use crate::support::receiver::Receiver;
use crate::support::request::{json as json_request, typed_batch};
use crate::support::statsd::StatsD;

/// A proxy that sends to these addresses.
fn start(addresses: &[String], flags: &[&str]) -> Proxy {
    let addresses = format!("--statsd-address={}", addresses.join(","));
    let mut all = vec![addresses.as_str(), "--http-threads=1"];
    all.extend(flags);
    Proxy::start_with(&mut command(&all))
}

fn urls(receivers: &[Receiver]) -> Vec<String> {
    receivers.iter().map(|receiver| format!("udp://{}", receiver.address())).collect()
}

/// The lines of each receiver, once all have come. The last metric of each connection may be anywhere, so it is counted.
fn lines(receivers: &[Receiver], count: usize) -> Vec<Vec<String>> {
    let mut lines: Vec<Vec<String>> = receivers.iter().map(|_| Vec::new()).collect();
    let end = Instant::now() + PATIENCE;
    while lines.iter().map(Vec::len).sum::<usize>() < count {
        assert!(Instant::now() < end, "{:?} of {count}", lines.iter().map(Vec::len).collect::<Vec<_>>());
        for (receiver, lines) in receivers.iter().zip(&mut lines) {
            while let Some(datagram) = receiver.next_within(Duration::from_millis(1)) {
                lines.extend(datagram.lines().map(str::to_owned));
            }
        }
    }
    lines
}

fn name(line: &str) -> &str {
    line.split([':', ',', '#']).next().unwrap_or_default()
}

/// Which receiver had each name; a name that more than one had fails.
fn owners(lines: &[Vec<String>]) -> BTreeMap<String, usize> {
    let mut owners = BTreeMap::new();
    for (index, lines) in lines.iter().enumerate() {
        for line in lines {
            let before = owners.insert(name(line).to_owned(), index);
            assert!(before.is_none_or(|before| before == index), "{line} is at two daemons");
        }
    }
    owners
}

fn batch_of_names(count: usize) -> String {
    (0..count).map(|i| format!("page.{i}.load:{i}|ms\n")).collect()
}

fn send(client: &mut Client, request: impl AsRef<[u8]>) {
    let answer = client.send(request).answer();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn all_forms_of_a_metric_of_one_name_reach_the_same_daemon() {
    let receivers = [Receiver::new(), Receiver::new(), Receiver::new()];
    let mut proxy = start(&urls(&receivers), &["--metric-prefix=web", "--statsd-dialect=datadog"]);
    let mut client = Client::connect(proxy.address);
    for i in 0..60 {
        let name = format!("name{i}");
        send(&mut client, post(&format!("/count/{name}"), "value=1"));
        send(&mut client, post(&format!("/gauge/{name}"), "value=-5"));
        send(&mut client, json_request(&format!("/count/{name}"), r#"{"value":1,"tags":{"page":"home"}}"#));
        send(&mut client, typed_batch("text/plain", format!("{name}:1:2:3|ms|@0.5|#a:b\n{name}:1|s\n")));
        let object = format!(r#"{{"metric":"{name}","type":"timing","value":7,"tags":"n={i}"}}"#);
        send(&mut client, json_request("/batch", &format!("[{object},{object}]")));
        send(&mut client, typed_batch("application/x-ndjson", format!("{object}\n")));
    }
    let lines = lines(&receivers, 60 * 8);
    let owners = owners(&lines);
    assert_eq!(owners.len(), 60);
    for index in 0..3 {
        assert!(owners.values().filter(|owner| **owner == index).count() > 5, "{owners:?}");
    }
    assert!(proxy.stop().success());
    // Three values in one line.
    assert_eq!(proxy.figure("metrics sent"), 60 * 10);
    let of_each: Vec<&String> = proxy.seen.iter().filter(|line| line.contains("INFO StatsD at udp://")).collect();
    assert_eq!(of_each.len(), 3, "{:?}", proxy.seen);
}

#[test]
fn a_malformed_array_is_sent_to_no_daemon() {
    let receivers = [Receiver::new(), Receiver::new()];
    let proxy = start(&urls(&receivers), &[]);
    let mut client = Client::connect(proxy.address);
    let objects: String = (0..100).map(|i| format!(r#"{{"metric":"m{i}","type":"count"}},"#)).collect();
    assert_eq!(client.send(json_request("/batch", &format!("[{objects}{{"))).answer().status, 400);
    for i in 0..10 {
        send(&mut client, post(&format!("/count/good{i}"), ""));
    }
    assert_eq!(owners(&lines(&receivers, 10)).len(), 10);
}

#[test]
fn a_gauge_s_two_lines_stay_together_at_its_daemon() {
    let receivers = [Receiver::new(), Receiver::new()];
    let proxy = start(&urls(&receivers), &["--statsd-packet-size=64"]);
    let batch: String =
        (0..200).map(|i| format!(r#"{{"metric":"g{i}","type":"gauge","value":-{i}.5}}"#) + "\n").collect();
    send(&mut Client::connect(proxy.address), typed_batch("application/x-ndjson", batch));
    let (mut pairs, end) = (0, Instant::now() + PATIENCE);
    while pairs < 200 {
        assert!(Instant::now() < end, "{pairs}");
        for receiver in &receivers {
            let Some(datagram) = receiver.next_within(Duration::from_millis(1)) else { continue };
            let lines: Vec<&str> = datagram.lines().collect();
            for pair in lines.chunks(2) {
                assert!(pair.len() == 2 && pair[0].ends_with(":0|g") && name(pair[0]) == name(pair[1]), "{datagram}");
                pairs += 1;
            }
        }
    }
}

#[test]
fn a_removed_daemon_moves_only_its_own_series() {
    let receivers = [Receiver::new(), Receiver::new(), Receiver::new(), Receiver::new()];
    let all = urls(&receivers);
    let batch = batch_of_names(400);
    let proxy = start(&all, &[]);
    send(&mut Client::connect(proxy.address), typed_batch("text/plain", &batch));
    let before = owners(&lines(&receivers, 400));
    drop(proxy);
    // In another order, with another part of the name as prefix, over two workers.
    let left: Vec<String> = [3, 0, 2].map(|index: usize| all[index].clone()).into();
    let address = format!("--statsd-address={}", left.join(","));
    let proxy = Proxy::start_with(&mut command(&[&address, "--http-threads=2", "--metric-prefix=page"]));
    send(&mut Client::connect(proxy.address), typed_batch("text/plain", batch.replace("page.", "")));
    let after = owners(&lines(&receivers, 400));
    let moved: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    assert!(moved.iter().all(|name| before[*name] == 1), "{moved:?}");
    assert_eq!(moved.len(), before.values().filter(|owner| **owner == 1).count());
    assert!(!moved.is_empty());
}

#[test]
fn each_mirror_gets_all_in_its_own_dialect() {
    let folder = tempfile::tempdir().expect("a folder");
    let agent_place = DaemonAddress::UnixDatagram(folder.path().join("dsd.sock"));
    let (statsd, telegraf, mut agent) = (Receiver::new(), Receiver::new(), LineDaemon::bind(&agent_place));
    let addresses = [
        format!("udp://{}", statsd.address()),
        format!("datadog+{}", agent_place.url()),
        format!("influxdb+udp://{}", telegraf.address()),
    ];
    let mut proxy = start(&addresses, &["--statsd-route=mirror", "--statsd-tag=dc=eu"]);
    let mut client = Client::connect(proxy.address);
    for request in [
        json_request("/gauge/g", r#"{"value":-5,"tags":"k=v"}"#),
        json_request("/batch", r#"{"metric":"h","type":"histogram","value":1.5,"tags":"k=v"}"#),
        typed_batch("text/plain", "t:1:2|ms|#k:v\n"),
        post("/count/end", "").into(),
    ] {
        send(&mut client, request);
    }
    assert_eq!(
        statsd.until("end:1|c|#dc:eu"),
        ["g:0|g|#k:v,dc:eu", "g:-5|g|#k:v,dc:eu", "h:1.5|ms|#k:v,dc:eu", "t:1|ms|#k:v,dc:eu", "t:2|ms|#k:v,dc:eu"]
    );
    assert_eq!(
        telegraf.until("end,dc=eu:1|c"),
        ["g,k=v,dc=eu:0|g", "g,k=v,dc=eu:-5|g", "h,k=v,dc=eu:1.5|h", "t,k=v,dc=eu:1|ms", "t,k=v,dc=eu:2|ms"]
    );
    agent.read_until(|agent| agent.has("end:1|c|#dc:eu"));
    assert_eq!(
        agent.lines(),
        ["g:-5|g|#k:v,dc:eu", "h:1.5|h|#k:v,dc:eu", "t:1|ms|#k:v,dc:eu", "t:2|ms|#k:v,dc:eu", "end:1|c|#dc:eu"]
    );
    // What one of them does not have, none gets.
    assert_eq!(client.send(post("/gauge/g", "shift=1")).answer().status, 400);
    assert_eq!(client.send(post("/count/a,b", "")).answer().status, 400);
    proxy.expect(post("/count/last", ""), 200);
    assert_eq!(statsd.until("last:1|c|#dc:eu"), [] as [&str; 0]);
    assert!(proxy.stop().success());
    assert_eq!(proxy.figure("metrics sent"), 3 * 6, "{:?}", proxy.seen);
}

#[test]
fn sampling_decides_once_for_all_mirrors() {
    let receivers = [Receiver::new(), Receiver::new()];
    let proxy = start(&urls(&receivers), &["--statsd-route=mirror"]);
    let mut client = Client::connect(proxy.address);
    for i in 0..200 {
        send(&mut client, post(&format!("/count/n{i}"), "sampleRate=0.5"));
    }
    send(&mut client, post("/count/end", ""));
    let [one, two] = [0, 1].map(|index: usize| receivers[index].until("end:1|c"));
    assert!(one == two && (50..150).contains(&one.len()), "{} and {}", one.len(), two.len());
}

#[test]
fn a_dead_mirror_costs_the_other_neither_a_metric_nor_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = Receiver::new();
    let hung = DaemonAddress::UnixStream(folder.path().join("hung.sock"));
    // It accepts nothing and reads nothing.
    let _daemon = LineDaemon::bind(&hung);
    let dead = [
        // Nobody at that address, no such socket, a closed port, one that never answers.
        "udp://127.91.0.1:9".to_owned(),
        format!("unix://{}", folder.path().join("none.sock").display()),
        DaemonAddress::free_port().url(),
        hung.url(),
    ];
    for dead in dead {
        let live = format!("udp://{}", receiver.address());
        let mut proxy = start(&[dead.clone(), live], &["--statsd-route=mirror"]);
        let mut client = Client::connect(proxy.address);
        // More than the dead one's queue and buffers hold.
        let batch: String = (0..1000).map(|i| format!("metric.{}.{i}:{i}|c\n", "n".repeat(100))).collect();
        for round in 0..20 {
            send(&mut client, typed_batch("text/plain", &batch));
            send(&mut client, post(&format!("/count/end{round}"), ""));
            assert_eq!(receiver.until(&format!("end{round}:1|c")).len(), 1000, "{dead}");
        }
        assert!(proxy.stop().success());
        let live = proxy.seen.iter().rfind(|line| line.contains(&format!("StatsD at udp://{}", receiver.address())));
        let live = live.expect("the counters of each address");
        assert!(
            live.contains(": 20020 metrics sent in ") && live.contains(" 0 metrics refused, 0 metrics dropped"),
            "{live}"
        );
        let all: u64 = ["metrics sent", "metrics refused", "metrics dropped", "metrics maybe lost"]
            .map(|what| proxy.figure(what))
            .iter()
            .sum();
        assert_eq!(all, 2 * 20_020, "{:?}", proxy.seen);
        // Only the dead one is told of.
        assert!(proxy.lines_of("WARN").iter().all(|line| line.contains(&dead)), "{:?}", proxy.seen);
    }
}

/// How many lines have come.
fn receive_all(receiver: &Receiver) -> u64 {
    let mut count = 0;
    while let Some(datagram) = receiver.next_within(Duration::from_millis(5)) {
        count += datagram.lines().count() as u64;
    }
    count
}

#[test]
fn without_failover_a_shard_that_is_away_is_a_gap_and_with_it_none() {
    for failover in [false, true] {
        let live = Receiver::new();
        let addresses = ["udp://127.91.0.1:9".to_owned(), format!("udp://{}", live.address())];
        let flags: &[&str] = if failover { &["--statsd-failover"] } else { &[] };
        let mut proxy = start(&addresses, flags);
        let mut client = Client::connect(proxy.address);
        // The first refusal tells that it is away.
        send(&mut client, typed_batch("text/plain", batch_of_names(100)));
        proxy.wait_for_log("metrics refused");
        // What the live one has of the first hundred is what it has of any.
        let own = receive_all(&live);
        send(&mut client, typed_batch("text/plain", batch_of_names(100)));
        assert!(proxy.stop().success());
        let later = receive_all(&live);
        let (sent, refused) = (proxy.figure("metrics sent"), proxy.figure("metrics refused"));
        assert_eq!((sent, sent + refused), (own + later, 200), "{:?}", proxy.seen);
        assert!((20..80).contains(&own), "{own}");
        // With failover all but one, which finds out whether the first daemon is back.
        assert_eq!(later, if failover { 99 } else { own });
    }
}

#[test]
fn a_shard_that_is_back_has_its_series_back() {
    let receivers = [Receiver::new(), Receiver::new()];
    let proxy_addresses = urls(&receivers);
    let mut proxy = start(&proxy_addresses, &["--statsd-failover"]);
    let mut client = Client::connect(proxy.address);
    let batch = batch_of_names(50);
    send(&mut client, typed_batch("text/plain", &batch));
    let before = owners(&lines(&receivers, 50));
    let [first, second] = receivers;
    let address = first.address().to_string();
    drop(first);
    let end = Instant::now() + PATIENCE;
    while proxy.lines_of("metrics refused").is_empty() {
        assert!(Instant::now() < end);
        send(&mut client, typed_batch("text/plain", &batch));
        proxy.wait_for_log("");
    }
    while second.next_within(Duration::from_millis(10)).is_some() {}
    let receivers = [Receiver::bind(&address), second];
    // One metric a second looks whether it is back.
    let back = format!("StatsD at udp://{address} is back");
    let log = std::thread::spawn(move || {
        proxy.wait_for_log(&back);
        proxy
    });
    while !log.is_finished() {
        assert!(Instant::now() < end);
        send(&mut client, typed_batch("text/plain", &batch));
        std::thread::sleep(Duration::from_millis(20));
    }
    let _proxy = log.join().expect("it is back");
    for receiver in &receivers {
        while receiver.next_within(Duration::from_millis(10)).is_some() {}
    }
    send(&mut client, typed_batch("text/plain", &batch));
    assert_eq!(owners(&lines(&receivers, 50)), before);
}

#[test]
fn three_real_statsd_hold_their_shards_exactly() {
    let Some(first) = StatsD::start() else { return };
    let daemons = [first, StatsD::start().expect("as the first"), StatsD::start().expect("as the first")];
    let addresses: Vec<String> = daemons.iter().map(|daemon| format!("udp://127.0.0.1:{}", daemon.port)).collect();
    let mut proxy = start(&addresses, &[]);
    let mut client = Client::connect(proxy.address);
    for round in 0..20 {
        let batch: String = (0..100).map(|i| format!("name{i}:{}|c\n", i + round)).collect();
        send(&mut client, typed_batch("text/plain", batch));
        send(&mut client, post("/count/single", ""));
    }
    assert!(proxy.stop().success());
    assert_eq!(proxy.figure("metrics sent"), 2020);
    let end = Instant::now() + PATIENCE;
    let expected: BTreeMap<String, u64> =
        (0..100).map(|i| (format!("name{i}"), 20 * i + 190)).chain([("single".to_owned(), 20)]).collect();
    loop {
        let mut held: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for daemon in &daemons {
            let counters = daemon.ask("counters");
            for (name, count) in counters.as_object().expect("an object") {
                if expected.contains_key(name) {
                    held.entry(name.clone()).or_default().push(count.as_u64().expect("a whole number"));
                }
            }
            assert_eq!(counters["statsd.bad_lines_seen"], json!(0));
        }
        if held.iter().all(|(name, counts)| counts[..] == [expected[name]]) && held.len() == expected.len() {
            break;
        }
        assert!(Instant::now() < end, "{held:?}");
    }
}
