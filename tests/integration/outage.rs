//! Outages of StatsD: losses are counted exactly and logged once in ten seconds, and the return is logged.

use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::client::{Client, post};
use crate::support::network::Network;
use crate::support::proxy::{Proxy, command};
use crate::support::receiver::Receiver;
use crate::support::request::request;

/// A loopback address without listeners: other tests on this machine use 127.0.0.1.
const NOBODY: [&str; 3] = ["--statsd-host=127.91.0.1", "--statsd-port=9", "--http-threads=1"];

/// Sends single metrics, one after the other.
fn send_singles(client: &mut Client, count: usize) {
    for _ in 0..count {
        assert_eq!(client.send(post("/count/single", "")).answer().status, 200);
    }
}

/// `count` lines of different lengths.
fn lines(count: usize) -> String {
    (0..count).map(|i| format!("batch.{}:{i}|c\n", "n".repeat(i * 7 % 50))).collect()
}

/// Sends a batch of lines that must all be accepted.
fn send_batch(client: &mut Client, lines: &str) {
    let answer = client.send(request("POST", "/batch", &["Content-Type: text/plain"], lines)).answer();
    assert_eq!((answer.status, answer.body), (200, crate::batch::all_accepted(lines.lines().count())));
}

/// Checks that every accepted metric is in one of the three counters.
fn assert_sum(proxy: &Proxy, accepted: u64) {
    let [sent, refused, dropped] =
        ["metrics sent", "metrics refused", "metrics dropped"].map(|what| proxy.figure(what));
    assert_eq!(sent + refused + dropped, accepted, "{:?}", proxy.seen);
}

#[test]
fn single_metrics_to_a_closed_port_are_all_known_to_be_refused() {
    // IPv4, IPv6, and an IPv4-mapped address.
    for host in ["127.91.0.1", "::1", "::ffff:127.91.0.1"] {
        let mut proxy =
            Proxy::start_with(&mut command(&[&format!("--statsd-host={host}"), "--statsd-port=9", "--http-threads=1"]));
        send_singles(&mut Client::connect(proxy.address), 100);
        let warning = proxy.wait_for_log("refused");
        assert!(warning.contains("WARN") && warning.contains(host), "{warning}");
        assert!(proxy.stop().success());
        let figures = ["metrics sent", "metrics refused", "metrics dropped"].map(|what| proxy.figure(what));
        assert_eq!(figures, [0, 100, 0], "{:?}", proxy.seen);
        assert_eq!(proxy.lines_of("WARN").len(), 1, "{:?}", proxy.seen);
    }
}

#[test]
fn a_batch_to_a_closed_port_is_known_to_be_refused() {
    for size in ["64", "1432", "65507"] {
        let mut flags = NOBODY.to_vec();
        let size = format!("--statsd-packet-size={size}");
        flags.push(&size);
        let mut proxy = Proxy::start_with(&mut command(&flags));
        send_batch(&mut Client::connect(proxy.address), &lines(10_000));
        assert!(proxy.stop().success());
        assert_eq!(proxy.figure("metrics refused"), 10_000, "{size}: {:?}", proxy.seen);
        assert_sum(&proxy, 10_000);
        assert_eq!(proxy.lines_of("WARN").len(), 1, "{:?}", proxy.seen);
    }
}

#[test]
fn refused_metrics_of_a_port_that_opens_and_closes_are_those_not_received() {
    let _network = Network::where_permitted();
    let receiver = Receiver::new();
    let address = receiver.address().to_string();
    let mut proxy = Proxy::start(&receiver, &[]);
    let mut client = Client::connect(proxy.address);
    let mut receiver = Some(receiver);
    let (mut accepted, mut received) = (0, 0);
    let batch = lines(1000);
    for round in 0..20 {
        send_singles(&mut client, 10);
        send_batch(&mut client, &batch);
        let end = format!("end.{round}");
        assert_eq!(client.send(post(&format!("/count/{end}"), "")).answer().status, 200);
        accepted += 1011;
        if let Some(open) = receiver.take() {
            received += 1 + open.until(&format!("{end}:1|c")).len() as u64;
        } else {
            receiver = Some(Receiver::bind(&address));
        }
    }
    assert!(proxy.stop().success());
    // Metrics that were still in the queue when the port was opened.
    let last = receiver.expect("it was opened in the last round");
    while let Some(datagram) = last.next_within(Duration::from_millis(1)) {
        received += datagram.lines().count() as u64;
    }
    assert_eq!(proxy.figure("metrics sent"), received, "{:?}", proxy.seen);
    assert_eq!(proxy.figure("metrics dropped"), 0, "{:?}", proxy.seen);
    assert_sum(&proxy, accepted);
}

#[test]
fn the_return_of_statsd_is_logged_with_the_losses() {
    let _network = Network::where_permitted();
    let receiver = Receiver::new();
    let address = receiver.address().to_string();
    let mut proxy = Proxy::start(&receiver, &[]);
    drop(receiver);
    let mut client = Client::connect(proxy.address);
    send_singles(&mut client, 7);
    proxy.wait_for_log("metrics refused");
    let receiver = Receiver::bind(&address);
    assert_eq!(client.send(post("/count/end", "")).answer().status, 200);
    // The last of the seven may still have been in the queue.
    let refused = 7 - receiver.until("end:1|c").len();
    let back = proxy.wait_for_log("is back");
    let lost = format!("with {refused} metrics refused");
    assert!(back.contains("INFO") && back.contains(&address) && back.contains(&lost), "{back}");
    assert!(proxy.stop().success());
    assert_eq!(proxy.figure("metrics refused"), refused as u64, "{:?}", proxy.seen);
    assert_sum(&proxy, 8);
}

/// Sends metrics for three seconds while sending fails, and then shuts down.
fn three_seconds_away(flags: &[&str]) -> Proxy {
    let mut proxy = Proxy::start_with(&mut command(flags));
    let mut client = Client::connect(proxy.address);
    let start = Instant::now();
    let mut accepted = 0;
    while start.elapsed().as_secs() < 3 {
        send_singles(&mut client, 100);
        send_batch(&mut client, &lines(100));
        accepted += 200;
    }
    assert!(proxy.stop().success());
    assert_eq!(proxy.figure("metrics dropped"), accepted, "{:?}", proxy.seen.last());
    assert_eq!(proxy.figure("metrics sent"), 0);
    let (before, after) =
        proxy.seen.split_at(proxy.seen.iter().position(|l| l.contains("SIGTERM")).expect("it is logged"));
    let warnings = |lines: &[String]| lines.iter().filter(|line| line.contains("WARN")).count();
    assert_eq!(warnings(before), 1, "warnings");
    // The reasons that were not logged yet.
    assert!(warnings(after) <= 1, "{after:?}");
    proxy
}

#[test]
fn an_address_that_cannot_be_connected_is_logged_in_one_line() {
    // A broadcast address needs SO_BROADCAST, which the sockets of the proxy do not set.
    let proxy = three_seconds_away(&["--statsd-host=255.255.255.255", "--http-threads=2"]);
    assert!(proxy.lines_of("WARN")[0].contains("Permission denied"), "{:?}", proxy.seen);
}

#[test]
fn a_missing_route_is_logged_in_one_line() {
    let Some(_network) = Network::new() else { return };
    let proxy = three_seconds_away(&["--statsd-host=10.91.0.1", "--http-threads=2"]);
    assert!(proxy.lines_of("WARN")[0].contains("Network is unreachable"), "{:?}", proxy.seen);
}

#[test]
fn a_firewall_that_drops_is_logged_in_one_line() {
    let Some(network) = Network::new() else { return };
    network.run("iptables -A OUTPUT -p udp --dport 8125 -j DROP");
    let proxy = three_seconds_away(&["--http-threads=2"]);
    assert!(proxy.lines_of("WARN")[0].contains("Operation not permitted"), "{:?}", proxy.seen);
}

#[test]
fn metrics_that_wait_for_a_route_are_sent_when_it_exists() {
    let Some(network) = Network::new() else { return };
    network.run("ip address add 10.91.0.1/32 dev lo");
    let receiver = Receiver::bind("10.91.0.1:0");
    network.run("ip address del 10.91.0.1/32 dev lo");
    let mut proxy = Proxy::start(&receiver, &["--statsd-host=10.91.0.1"]);
    let mut client = Client::connect(proxy.address);
    send_singles(&mut client, 3);
    proxy.wait_for_log("Network is unreachable");
    network.run("ip address add 10.91.0.1/32 dev lo");
    send_singles(&mut client, 1);
    let end = Instant::now() + PATIENCE;
    let mut received = 0;
    while received < 4 {
        assert!(Instant::now() < end);
        received += receiver.next().lines().count();
    }
    proxy.wait_for_log("is back");
    // The route is removed while the socket is open.
    network.run("ip address del 10.91.0.1/32 dev lo");
    send_singles(&mut client, 5);
    network.run("ip address add 10.91.0.1/32 dev lo");
    while received < 9 {
        assert!(Instant::now() < end);
        received += receiver.next().lines().count();
    }
    assert!(proxy.stop().success());
    assert_eq!(proxy.figure("metrics sent"), 9, "{:?}", proxy.seen);
    assert_sum(&proxy, 9);
}

#[test]
fn a_host_that_does_not_answer_arp_is_detected() {
    let Some(network) = Network::new() else { return };
    network.run("ip link add veth0 type veth peer name veth1");
    network.run("ip address add 10.91.0.1/24 dev veth0");
    network.run("ip link set veth0 up");
    network.run("ip link set veth1 up");
    let mut proxy = Proxy::start_with(&mut command(&["--statsd-host=10.91.0.2", "--http-threads=1"]));
    send_singles(&mut Client::connect(proxy.address), 20);
    let warning = proxy.wait_for_log("No route to host");
    assert!(warning.contains("WARN"), "{warning}");
    assert!(proxy.stop().success());
    assert!(proxy.figure("metrics dropped") > 0, "{:?}", proxy.seen);
    assert_sum(&proxy, 20);
}

#[test]
fn a_packet_size_over_the_mtu_loses_nothing() {
    let Some(network) = Network::new() else { return };
    network.run("ip link set lo mtu 1500");
    for size in ["1432", "1473", "9000", "65507"] {
        let receiver = Receiver::new();
        let mut proxy = Proxy::start(&receiver, &[&format!("--statsd-packet-size={size}")]);
        let mut client = Client::connect(proxy.address);
        send_batch(&mut client, &lines(2000));
        assert_eq!(client.send(post("/count/end", "")).answer().status, 200);
        let received = receiver.until("end:1|c");
        assert_eq!(received, lines(2000).lines().collect::<Vec<_>>(), "{size}");
        assert!(proxy.stop().success());
        assert_eq!(proxy.figure("metrics sent"), 2001, "{size}: {:?}", proxy.seen);
        assert_sum(&proxy, 2001);
    }
}

/// Sends 3150 metrics through a filter that rejects some datagrams in the chain `IN` or `OUT`, checks that those
/// counted as sent were received, and returns the numbers of refused and dropped ones.
fn rejected(chain: &str) -> Option<(u64, u64)> {
    let network = Network::new()?;
    let receiver = Receiver::new();
    network.run(&format!("iptables -A {chain}PUT -p udp -m statistic --mode nth --every 3 --packet 0 -j REJECT"));
    let mut proxy = Proxy::start(&receiver, &[]);
    let mut client = Client::connect(proxy.address);
    let batch = lines(1000);
    for _ in 0..3 {
        send_singles(&mut client, 50);
        send_batch(&mut client, &batch);
    }
    assert!(proxy.stop().success());
    let mut received = 0;
    while let Some(datagram) = receiver.next_within(Duration::from_millis(1)) {
        received += datagram.lines().count() as u64;
    }
    assert_eq!(proxy.figure("metrics sent"), received, "{:?}", proxy.seen);
    assert_sum(&proxy, 3150);
    Some((proxy.figure("metrics refused"), proxy.figure("metrics dropped")))
}

#[test]
fn metrics_that_an_input_filter_rejects_count_as_refused() {
    let Some((refused, dropped)) = rejected("IN") else { return };
    assert!(refused > 0 && dropped == 0, "{refused} refused, {dropped} dropped");
}

#[test]
fn metrics_that_an_output_filter_rejects_count_as_dropped() {
    let Some((refused, dropped)) = rejected("OUT") else { return };
    assert!(refused == 0 && dropped > 0, "{refused} refused, {dropped} dropped");
}

#[test]
fn a_new_address_of_the_name_is_used() {
    let Some(network) = Network::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "127.91.0.1 statsd.test\n").expect("a file");
    network.names_from(&hosts);
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--statsd-host=statsd.test"]);
    let mut client = Client::connect(proxy.address);
    send_singles(&mut client, 1);
    let warning = proxy.wait_for_log("metrics refused");
    assert!(warning.contains("StatsD at statsd.test:"), "{warning}");
    std::fs::write(&hosts, "127.0.0.1 statsd.test\n").expect("the file");
    let end = Instant::now() + PATIENCE;
    let mut accepted = 1;
    while receiver.next_within(Duration::from_millis(50)).is_none() {
        assert!(Instant::now() < end, "{:?}", proxy.seen);
        send_singles(&mut client, 1);
        accepted += 1;
    }
    proxy.wait_for_log("is now 127.0.0.1:");
    proxy.wait_for_log("is back");
    // The name server fails, and the last address stays in use.
    std::fs::write(&hosts, "").expect("the file");
    send_singles(&mut client, 1);
    assert!(receiver.next().starts_with("single:1|c"));
    assert!(proxy.stop().success());
    assert_eq!(proxy.figure("metrics dropped"), 0, "{:?}", proxy.seen);
    assert_sum(&proxy, accepted + 1);
}

/// A device that sends 10 kB per second, and buffers `limit` bytes. The first datagram is rejected, so that the proxy's
/// socket has an ICMP message.
fn slow_device(network: &Network, limit: usize) {
    network.run("ip link add veth0 type veth peer name veth1");
    network.run("ip address add 10.91.0.1/24 dev veth0");
    network.run("ip link set veth0 up");
    network.run("ip link set veth1 up");
    network.run("ip neighbour add 10.91.0.2 lladdr 02:00:00:00:00:02 dev veth0");
    network.run(&format!("tc qdisc add dev veth0 root tbf rate 80kbit burst 3000 limit {limit}"));
    network.run("iptables -A OUTPUT -d 10.91.0.2 -m statistic --mode nth --every 1000000 --packet 0 -j REJECT");
}

/// Sends more than the queue and the slow device hold, and returns the proxy and the number of metrics.
fn overload(limit: usize) -> Option<(Proxy, u64)> {
    let network = Network::new()?;
    slow_device(&network, limit);
    let mut proxy = Proxy::start_with(&mut command(&["--statsd-host=10.91.0.2", "--http-threads=1"]));
    let mut client = Client::connect(proxy.address);
    send_singles(&mut client, 1);
    proxy.wait_for_log("Operation not permitted");
    let batch = lines(3000);
    for _ in 0..20 {
        send_batch(&mut client, &batch);
    }
    Some((proxy, 60_001))
}

#[test]
fn a_full_socket_buffer_neither_blocks_nor_uses_a_core() {
    // The device buffers more than the socket, so the kernel returns EAGAIN.
    let Some((mut proxy, accepted)) = overload(3_000_000) else { return };
    // The socket is still full. A busy loop would use all CPU time.
    let used = proxy.cpu_ticks();
    assert!(used < 300, "{used} ticks of 10 ms");
    assert!(proxy.stop().success());
    assert!(proxy.figure("metrics sent") > 0 && proxy.figure("metrics dropped") > 0, "{:?}", proxy.seen);
    assert_sum(&proxy, accepted);
}

#[test]
fn datagrams_that_a_full_device_refuses_do_not_count_as_sent() {
    // The device buffers less than the socket, so its queue is full first, and the kernel returns ENOBUFS.
    let Some((mut proxy, accepted)) = overload(8000) else { return };
    assert!(proxy.stop().success());
    // Sending all of them would take minutes at 10 kB per second.
    assert!(proxy.figure("metrics sent") > 0 && proxy.figure("metrics dropped") > 1000, "{:?}", proxy.seen);
    assert_sum(&proxy, accepted);
}
