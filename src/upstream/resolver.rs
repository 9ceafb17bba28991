//! Where StatsD is: its name looked up again and again, off the hot path.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use crate::telemetry::throttle::Throttle;
use crate::upstream::address::Address;

/// How often a name is looked up again: an address that moved is found within this time. Half the 60 s that cloud
/// name servers commonly give a record to live.
const REFRESH: Duration = Duration::from_secs(30);

/// The shortest time between two look-ups, however many sends fail: a name server must not feel a dead StatsD.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest time between two look-ups while sends or look-ups fail: each pause is twice the last, up to this one, in which
/// an address that changed is found.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Host and port of the StatsD daemon, as given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Endpoint {
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
pub(crate) enum Target {
    /// The first look-up is under way: metrics wait.
    Unknown,
    /// The name does not resolve: metrics are dropped and counted.
    Unresolved,
    /// Send here.
    At(SocketAddr),
    /// A socket of this host, which has a path and no address.
    Local,
}

/// Looks the name of `address` up for ever, at start, every 30 s and when `failed` says that sending went wrong, and publishes
/// what it finds. An address given as such is published once, and nothing is looked up.
pub(crate) async fn run(address: Address, failed: &Notify, target: watch::Sender<Target>) {
    let Some(endpoint) = address.location.endpoint().cloned() else {
        target.send_replace(Target::Local);
        return target.closed().await;
    };
    if let Ok(ip) = endpoint.host.parse::<IpAddr>() {
        target.send_replace(Target::At(SocketAddr::new(ip, endpoint.port)));
        return target.closed().await;
    }
    let resolver = Resolver { address, endpoint, target, failures: Throttle::default(), moves: Throttle::default() };
    let mut pause = PAUSE;
    loop {
        let next = Instant::now() + REFRESH;
        let found = resolver.refresh().await;
        sleep(pause).await;
        let asked = match found {
            // The next look-up is due when the pause ends.
            Found::Nothing => true,
            Found::Same | Found::Other => tokio::select! {
                () = sleep_until(next) => false,
                () = failed.notified() => true,
            },
        };
        pause = if asked && found != Found::Other { (2 * pause).min(LONGEST_PAUSE) } else { PAUSE };
    }
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Found {
    Nothing,
    /// The address that was known.
    Same,
    Other,
}

struct Resolver {
    address: Address,
    endpoint: Endpoint,
    target: watch::Sender<Target>,
    failures: Throttle,
    moves: Throttle,
}

impl Resolver {
    async fn refresh(&self) -> Found {
        let Endpoint { host, port } = &self.endpoint;
        let found = tokio::net::lookup_host((host.as_str(), *port)).await;
        let old = *self.target.borrow();
        let addresses: Vec<SocketAddr> = match found {
            Ok(addresses) => addresses.collect(),
            Err(error) => return self.unresolved(old, &error.to_string()),
        };
        let Some(new) = choose(&addresses, old) else { return self.unresolved(old, "the name has no address") };
        let moved = old != Target::At(new);
        if moved {
            self.target.send_replace(Target::At(new));
        }
        // A move that was not told at once is told by a later look-up.
        let times = u64::from(moved && old != Target::Unknown);
        self.moves.note(times, |times| info!("StatsD at {} is now {new} ({times} changes)", self.address.name));
        if moved { Found::Other } else { Found::Same }
    }

    /// A name that no longer resolves keeps its last address: the name server may be what is down.
    fn unresolved(&self, old: Target, why: &str) -> Found {
        let consequence = match old {
            Target::At(address) => format!("{address} is still used"),
            Target::Unknown | Target::Unresolved | Target::Local => "metrics are dropped until it resolves".to_owned(),
        };
        if old == Target::Unknown {
            self.target.send_replace(Target::Unresolved);
        }
        let flag = self.address.flag();
        self.failures.note(1, |times| warn!("cannot resolve {flag} ({times} look-ups): {why}; {consequence}"));
        Found::Nothing
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
