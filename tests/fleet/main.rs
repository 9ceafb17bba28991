//! A fleet of real parts: HAProxy and nginx in front of three proxies in front of three StatsD. `make fleet` runs this.

// Tests print figures for whoever runs them by hand.
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "../integration/support/client.rs"]
mod client;
mod load;
mod parts;

use std::collections::BTreeMap;
use std::time::Duration;

use load::{Load, Totals};
use parts::{Balancer, Cluster, Fleet, Proxies, StatsD};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long each load lasts: the short form, unless `FLEET_SECONDS` says otherwise.
fn duration() -> Duration {
    let seconds = std::env::var("FLEET_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

/// That the daemons hold these totals, each name in one of them; gives which. Waits until all have arrived.
fn assert_held(daemons: &[StatsD], expected: &Totals) -> BTreeMap<String, usize> {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let held: Vec<Totals> = daemons.iter().map(StatsD::counters).collect();
        let mut owners = BTreeMap::new();
        for (index, totals) in held.iter().enumerate() {
            for name in totals.keys() {
                assert_eq!(owners.insert(name.clone(), index), None, "{name} is in two daemons");
            }
        }
        let mut sum = Totals::new();
        held.into_iter().flatten().for_each(|(name, count)| *sum.entry(name).or_default() += count);
        if sum == *expected {
            return owners;
        }
        let missing: i64 = expected.iter().map(|(name, count)| count - sum.get(name).copied().unwrap_or(0)).sum();
        assert!(std::time::Instant::now() < end, "{missing} are missing of {}", expected.values().sum::<i64>());
    }
}

/// Totals of one load and of another.
fn add(one: &Totals, two: &Totals) -> Totals {
    let mut sum = one.clone();
    two.iter().for_each(|(name, count)| *sum.entry(name.clone()).or_default() += count);
    sum
}

#[test]
fn shards_hold_exact_totals_behind_both_balancers() {
    for scheme in ["udp", "tcp"] {
        let fleet = Fleet::start(scheme);
        let mut totals = Totals::new();
        for balancer in [Balancer::haproxy(&fleet.proxies), Balancer::nginx(&fleet.proxies)] {
            let done = Load::start(balancer.address).end_after(duration());
            println!("{scheme}, {}: {} requests, {} metrics", balancer.name, done.requests, done.metrics);
            assert_eq!(done.failed, 0);
            totals = add(&totals, &done.totals);
        }
        let owners = assert_held(&fleet.daemons, &totals);
        for index in 0..3 {
            assert!(owners.values().any(|owner| *owner == index), "daemon {index} has a share");
        }
        let figures = fleet.proxies.stop();
        assert_eq!(figures.sent, totals.values().sum::<i64>() as u64, "{figures:?}");
        assert_eq!((figures.refused, figures.dropped, figures.maybe_lost), (0, 0, 0));
    }
}

#[test]
fn the_cluster_proxy_of_statsd_holds_exact_totals_too() {
    let daemons = [11, 12, 13].map(|last| StatsD::start(last, "udp"));
    let cluster = Cluster::start(&daemons);
    let proxies = Proxies::start(&[format!("udp://{}", cluster.address)]);
    let balancer = Balancer::haproxy(&proxies);
    let done = Load::start(balancer.address).end_after(duration());
    println!("proxy.js: {} requests, {} metrics", done.requests, done.metrics);
    assert_eq!(done.failed, 0);
    assert_held(&daemons, &done.totals);
}

#[test]
fn a_rolling_restart_under_load_fails_no_request_and_loses_no_metric() {
    let mut fleet = Fleet::start("udp");
    for (name, start) in [("haproxy", Balancer::haproxy as fn(&Proxies) -> Balancer), ("nginx", Balancer::nginx)] {
        let balancer = start(&fleet.proxies);
        let load = Load::start(balancer.address);
        let mut sent = 0;
        for round in 0..if duration() > Duration::from_secs(5) { 5 } else { 1 } {
            for index in 0..3 {
                load.wait_for_requests(200);
                let figures = fleet.proxies.restart(index);
                assert_eq!((figures.refused, figures.dropped), (0, 0), "{name}, round {round}: {figures:?}");
                sent += figures.sent;
            }
        }
        load.wait_for_requests(200);
        let done = load.end();
        println!(
            "{name}: {} requests, {} metrics, {sent} of them by proxies that were restarted",
            done.requests, done.metrics
        );
        assert_eq!(done.failed, 0, "{name}");
        assert_held(&fleet.daemons, &done.totals);
        fleet.daemons.iter().for_each(StatsD::forget);
    }
}

#[test]
fn a_killed_daemon_costs_its_share_and_that_is_counted() {
    let mut fleet = Fleet::start("udp");
    let balancer = Balancer::haproxy(&fleet.proxies);
    let before = Load::start(balancer.address).end_after(duration());
    let owners = assert_held(&fleet.daemons, &before.totals);
    let killed = 1;
    let share = |totals: &Totals, of_killed: bool| -> Totals {
        let pairs = totals.iter().filter(|(name, _)| (owners[*name] == killed) == of_killed);
        pairs.map(|(name, count)| (name.clone(), *count)).collect()
    };
    fleet.daemons[killed].kill();
    let during = Load::start(balancer.address).end_after(duration());
    assert_eq!(during.failed, 0, "StatsD down is no failure");
    let lost = share(&during.totals, true);
    // The others have all of theirs.
    let rest = [0, 2].map(|index: usize| &fleet.daemons[index]);
    let kept = share(&add(&before.totals, &during.totals), false);
    let end = std::time::Instant::now() + PATIENCE;
    while add(&rest[0].counters(), &rest[1].counters()) != kept {
        assert!(std::time::Instant::now() < end);
    }
    fleet.daemons[killed].start_again();
    // The first metric after its return arrives.
    let after = Load::start(balancer.address).end_after(duration());
    assert_eq!(after.failed, 0);
    let expected = share(&after.totals, true);
    while fleet.daemons[killed].counters() != expected {
        assert!(std::time::Instant::now() < end);
    }
    let figures = fleet.proxies.stop();
    let accepted = (before.metrics + during.metrics + after.metrics) as u64;
    let lost: i64 = lost.values().sum();
    println!("{accepted} accepted, {lost} for the daemon while it was away: {figures:?}");
    assert_eq!(figures.refused, lost as u64, "on one host each refusal is known");
    assert_eq!(figures.sent + figures.refused, accepted);
}
