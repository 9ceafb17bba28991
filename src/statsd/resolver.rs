//! Where StatsD is: its name looked up again and again, off the hot path.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

/// How often a name is looked up again: an address that moved is found within this time. Half the 60 s that cloud
/// name servers commonly give a record to live.
const REFRESH: Duration = Duration::from_secs(30);

/// The shortest time between two look-ups, however many sends fail: a name server must not feel a dead StatsD.
const PAUSE: Duration = Duration::from_secs(1);

/// Host and port of the StatsD daemon, as given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// An IPv4 or IPv6 address, or a name.
    pub host: String,
    /// A UDP port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What is known of StatsD's address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// The first look-up is under way: metrics wait.
    Unknown,
    /// The name does not resolve: metrics are dropped and counted.
    Unresolved,
    /// Send here.
    At(SocketAddr),
}

/// Looks `endpoint` up for ever, at start, every 30 s and when `failed` says that sending went wrong, and publishes
/// what it finds. An address given as such is published once, and nothing is looked up.
pub async fn run(endpoint: Endpoint, failed: &Notify, target: watch::Sender<Target>) {
    if let Ok(ip) = endpoint.host.parse::<IpAddr>() {
        target.send_replace(Target::At(SocketAddr::new(ip, endpoint.port)));
        return target.closed().await;
    }
    loop {
        let next = Instant::now() + REFRESH;
        refresh(&endpoint, &target).await;
        sleep(PAUSE).await;
        tokio::select! {
            () = sleep_until(next) => {}
            () = failed.notified() => {}
        }
    }
}

async fn refresh(endpoint: &Endpoint, target: &watch::Sender<Target>) {
    let found = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await;
    let old = *target.borrow();
    let addresses: Vec<SocketAddr> = match found {
        Ok(addresses) => addresses.collect(),
        Err(error) => return unresolved(endpoint, old, target, &error.to_string()),
    };
    let Some(new) = choose(&addresses, old) else {
        return unresolved(endpoint, old, target, "the name has no address");
    };
    if old != Target::At(new) {
        if old != Target::Unknown {
            info!("StatsD at {endpoint} is now {new}");
        }
        target.send_replace(Target::At(new));
    }
}

/// The address to send to: the one in use while it is still listed, else the first IPv4 one (as the reference's
/// resolver prefers), else the first.
fn choose(addresses: &[SocketAddr], old: Target) -> Option<SocketAddr> {
    if let Target::At(old) = old
        && addresses.contains(&old)
    {
        return Some(old);
    }
    addresses.iter().find(|a| a.is_ipv4()).or(addresses.first()).copied()
}

/// A name that no longer resolves keeps its last address: the name server may be what is down.
fn unresolved(endpoint: &Endpoint, old: Target, target: &watch::Sender<Target>, why: &str) {
    match old {
        Target::Unknown => {
            warn!("cannot resolve --statsd-host {:?}: {why}; metrics are dropped until it resolves", endpoint.host);
            target.send_replace(Target::Unresolved);
        }
        Target::Unresolved | Target::At(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_address_in_use_is_kept_while_listed() {
        let listed = [at("[::1]:8125"), at("10.0.0.1:8125"), at("10.0.0.2:8125")];
        assert_eq!(choose(&listed, Target::At(listed[2])), Some(listed[2]));
        assert_eq!(choose(&listed, Target::At(at("10.0.0.3:8125"))), Some(listed[1]));
        assert_eq!(choose(&listed, Target::Unknown), Some(listed[1]));
        assert_eq!(choose(&listed[..1], Target::Unresolved), Some(listed[0]));
        assert_eq!(choose(&[], Target::Unknown), None);
    }

    #[test]
    fn an_ipv6_endpoint_is_written_with_brackets() {
        let endpoint = |host: &str| Endpoint { host: host.to_owned(), port: 8125 }.to_string();
        assert_eq!(endpoint("::1"), "[::1]:8125");
        assert_eq!(endpoint("statsd.local"), "statsd.local:8125");
    }
}
