//! A worker's queue and its flusher, towards a real socket.

use std::net::UdpSocket;

use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;
use crate::upstream::resolver::Endpoint;

/// An address over UDP, for datagrams of this size.
fn address(packet_size: usize) -> Address {
    Address { packet_size, ..Address::udp(Endpoint::default()) }
}

/// Pushes lines of these lengths in one go, as a long turn does, and gives the counters after all was sent.
fn push_all(packet_size: usize, lengths: &[usize]) -> (Arc<Delivery>, u64) {
    // A socket that takes everything: what its buffer does not hold the kernel throws away, and the sender never waits.
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket on loopback");
    let bound = receiver.local_addr().expect("a bound socket has an address");
    let counters = Arc::new(Delivery::default());
    let outage = Arc::new(Outage::new(bound.to_string()));
    let (_sender, target) = watch::channel(Target::At(bound));
    let runtime = Builder::new_current_thread().enable_all().build().expect("an event loop");
    runtime.block_on(async {
        let upstream = Upstream::new(address(packet_size), target, outage, Arc::clone(&counters));
        for length in lengths {
            upstream.push(1, |out| out.resize(out.len() + length, b'x')).expect("no line is too long");
        }
        upstream.finish(Instant::now() + Duration::from_secs(60)).await;
    });
    (counters, lengths.len() as u64)
}

fn assert_all_sent(packet_size: usize, lengths: &[usize]) {
    let (counters, pushed) = push_all(packet_size, lengths);
    let totals = counters.totals();
    assert_eq!((totals.sent, totals.dropped, totals.refused), (pushed, 0, 0), "{packet_size}: {counters}");
}

#[test]
fn a_long_turn_drops_nothing_at_any_packet_size() {
    // 4 MiB of each.
    for packet_size in [64, 512, 1432, 8190, 8191, 8192, 9000, 16_384, 32_768, 65_506, 65_507] {
        for length in [5, 100, 1400, 8192] {
            assert_all_sent(packet_size, &vec![length; (4 << 20) / (length + 1)]);
        }
    }
}

/// An upstream towards `target`, with its counters; and what keeps the target known.
fn upstream(packet_size: usize, target: Target) -> (Upstream, Arc<Delivery>, watch::Sender<Target>) {
    let counters = Arc::new(Delivery::default());
    let (sender, target) = watch::channel(target);
    let outage = Arc::new(Outage::new("statsd".to_owned()));
    (Upstream::new(address(packet_size), target, outage, Arc::clone(&counters)), counters, sender)
}

fn receiver() -> (UdpSocket, Target) {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket on loopback");
    receiver.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let target = Target::At(receiver.local_addr().expect("a bound socket has an address"));
    (receiver, target)
}

fn receive(receiver: &UdpSocket) -> String {
    let mut buffer = [0; 65_536];
    let length = receiver.recv(&mut buffer).expect("a datagram within its time");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn push(upstream: &Upstream, count: u32, line: &str) -> Result<(), MetricError> {
    upstream.push(count, |out| out.extend_from_slice(line.as_bytes()))
}

/// A moment that is never reached where all is well.
fn late() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn block_on(future: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build().expect("an event loop").block_on(future);
}

#[test]
fn the_lines_of_a_turn_share_their_datagrams() {
    let (receiver, target) = receiver();
    block_on(async {
        let (upstream, counters, _target) = upstream(16, target);
        for (count, line) in [(1, "a:1|c"), (2, "b:1:2|ms"), (1, "g:0|g\ng:-5|g")] {
            push(&upstream, count, line).expect("no line is too long");
        }
        upstream.finish(late()).await;
        assert_eq!([receive(&receiver), receive(&receiver)], ["a:1|c\nb:1:2|ms", "g:0|g\ng:-5|g"]);
        let totals = counters.totals();
        assert_eq!((totals.sent, totals.datagrams, totals.dropped), (4, 2, 0), "{counters}");
    });
}

#[test]
fn a_lone_metric_leaves_without_being_asked_to() {
    let (receiver, target) = receiver();
    block_on(async {
        let (upstream, _, _target) = upstream(1432, target);
        let sent = async {
            for line in ["a:1|c", "b:2|c"] {
                push(&upstream, 1, line).expect("no line is too long");
                // The flusher runs beside this, on the same thread.
                let received = tokio::task::spawn_blocking({
                    let receiver = receiver.try_clone().expect("a second handle");
                    move || receive(&receiver)
                });
                assert_eq!(received.await.expect("a datagram"), line);
            }
        };
        tokio::select! {
            () = upstream.run() => panic!("the flusher ended"),
            () = sent => {}
        }
    });
}

#[test]
fn a_line_that_is_too_long_is_refused_and_takes_no_other_with_it() {
    let (receiver, target) = receiver();
    block_on(async {
        let (upstream, counters, _target) = upstream(1432, target);
        push(&upstream, 1, "a:1|c").expect("a short line");
        assert_eq!(push(&upstream, 1, &"x".repeat(8193)), Err(MetricError::TooLong));
        push(&upstream, 1, "b:1|c").expect("a short line");
        upstream.finish(late()).await;
        assert_eq!(receive(&receiver), "a:1|c\nb:1|c");
        assert_eq!(counters.totals().sent, 2, "{counters}");
    });
}

#[test]
fn what_finds_no_target_is_dropped_and_counted_to_the_last() {
    let line = "x".repeat(1000);
    // More than the queue holds. Without an address everything waits; with one that cannot be found nothing does.
    for target in [Target::Unknown, Target::Unresolved] {
        block_on(async {
            let (upstream, counters, _target) = upstream(1432, target);
            for _ in 0..1000 {
                push(&upstream, 3, &line).expect("no line is too long");
            }
            upstream.finish(Instant::now()).await;
            let totals = counters.totals();
            assert_eq!((totals.sent, totals.dropped), (0, 3000), "{counters}");
            assert!(upstream.queue.borrow().is_empty());
        });
    }
}

#[test]
fn what_waits_for_an_address_leaves_once_it_is_known() {
    let (receiver, target) = receiver();
    block_on(async {
        let (upstream, counters, sender) = upstream(1432, Target::Unknown);
        push(&upstream, 1, "a:1|c").expect("a short line");
        tokio::join!(upstream.finish(late()), async { sender.send(target).expect("the upstream listens") });
        assert_eq!(receive(&receiver), "a:1|c");
        assert_eq!((counters.totals().sent, counters.totals().dropped), (1, 0), "{counters}");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_long_turn_of_any_lines_drops_nothing(
        packet_size in prop_oneof![64usize..=65_507, 8000usize..=9000, 65_000usize..=65_507],
        pattern in prop::collection::vec(prop_oneof![1usize..60, 1usize..=8192, 8000usize..=8192], 1..40),
    ) {
        let total: usize = pattern.iter().sum();
        let lengths = pattern.repeat((2 << 20) / total + 1);
        assert_all_sent(packet_size, &lengths);
    }
}
