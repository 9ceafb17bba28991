//! One scenario: the contenders take turns, and each turn is accounted for.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::credentials::Certificate;
use crate::load::{CONNECTIONS, Load};
use crate::receiver::Receiver;
use crate::scenario::Scenario;
use crate::server::{Contender, ProxyOptions, Server};

/// Rounds, in each of which every contender has a turn; odd, so that the median is one of them.
pub const ROUNDS: usize = 7;

/// How long a turn is.
pub const TURN: Duration = Duration::from_secs(2);

/// How long each contender is warmed up, unaccounted for.
const WARM_UP: Duration = Duration::from_secs(1);

/// What became of the metrics of requests that were answered 200.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery {
    /// Answered 200.
    pub accepted: u64,
    /// Not received, of those.
    pub lost: u64,
}

impl Delivery {
    /// Notes that `received` metrics came of `accepted`, or more: see [`CONNECTIONS`].
    pub fn note(&mut self, accepted: u64, received: u64) {
        self.accepted += accepted;
        self.lost += accepted.saturating_sub(received);
    }
}

/// What a scenario came to.
pub struct Outcome {
    /// The scenario.
    pub scenario: Scenario,
    /// CPU time for a request in each round, in microseconds.
    rounds: BTreeMap<Contender, [f64; ROUNDS]>,
    /// The proxy's metrics, those of the warm-up included.
    pub delivery: Delivery,
}

impl Outcome {
    /// CPU time for a request, in microseconds: the median of the rounds.
    pub fn micros(&self, contender: Contender) -> Option<f64> {
        self.rounds.get(&contender).copied().map(median)
    }

    /// How many times `base`'s CPU time `contender` takes: the median of the rounds' ratios.
    ///
    /// What slows the machine for a while slows neighbours in a round alike, so this is steadier than the times.
    pub fn ratio(&self, contender: Contender, base: Contender) -> Option<f64> {
        let (over, under) = (self.rounds.get(&contender)?, self.rounds.get(&base)?);
        Some(median(std::array::from_fn(|round| over[round] / under[round])))
    }
}

/// Runs `scenario` in all rounds; the servers' files go to a new directory in `directory`.
pub fn run(
    scenario: Scenario,
    receiver: &Receiver,
    certificate: &Certificate,
    directory: &Path,
) -> Result<Outcome, Box<dyn Error>> {
    let directory = directory.join(scenario.name.replace(' ', "-"));
    fs::create_dir(&directory)?;
    let load = Load::new(&scenario, &directory)?;
    let certificate = scenario.tls.then_some(certificate);
    let options = ProxyOptions { statsd: receiver.address(), token: scenario.token, certificate };
    let mut servers = BTreeMap::new();
    if !scenario.tls {
        servers.insert(Contender::Floor, Server::floor(scenario.close, &directory)?);
    }
    servers.insert(Contender::Proxy, Server::proxy(&options, &directory)?);
    servers.insert(Contender::Nginx, Server::nginx(certificate, &directory)?);

    let mut delivery = Delivery::default();
    let mut turn = |contender: Contender, span| {
        let server = &servers[&contender];
        let cost = match contender {
            Contender::Proxy => deliver(&load, server, span, receiver, &mut delivery),
            Contender::Floor | Contender::Nginx => cost(&load, server, span).map(|(_, micros)| micros),
        };
        cost.map_err(|error| format!("{}, {}: {error}\n{}", scenario.name, contender.name(), server.log()))
    };
    for contender in servers.keys() {
        turn(*contender, WARM_UP)?;
    }
    let mut rounds: BTreeMap<_, _> = servers.keys().map(|contender| (*contender, [0.0; ROUNDS])).collect();
    for round in 0..ROUNDS {
        for (contender, series) in &mut rounds {
            series[round] = turn(*contender, TURN)?;
            eprint!("  {} {:.2} µs", contender.name(), series[round]);
        }
        eprintln!();
    }
    Ok(Outcome { scenario, rounds, delivery })
}

/// Loads the proxy for `span`, waits for its metrics, and returns the CPU time for a request, in microseconds.
fn deliver(
    load: &Load,
    proxy: &Server,
    span: Duration,
    receiver: &Receiver,
    delivery: &mut Delivery,
) -> Result<f64, Box<dyn Error>> {
    let before = receiver.received();
    let (requests, micros) = cost(load, proxy, span)?;
    let received = receiver.settled(before + requests)? - before;
    if received > requests + CONNECTIONS {
        return Err(format!("{received} metrics were received for {requests} requests").into());
    }
    delivery.note(requests, received);
    Ok(micros)
}

/// Loads `server` for `span`, and returns requests answered and CPU time for each, in microseconds.
fn cost(load: &Load, server: &Server, span: Duration) -> Result<(u64, f64), Box<dyn Error>> {
    let before = server.cpu_time()?;
    let requests = load.run(server, span)?;
    let spent = server.cpu_time()?.checked_sub(before).ok_or("the CPU time has shrunk: a thread has ended")?;
    if requests == 0 {
        return Err("no request was answered".into());
    }
    Ok((requests, spent.as_secs_f64() * 1e6 / requests as f64))
}

fn median(mut values: [f64; ROUNDS]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[ROUNDS / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_made_within_rounds() {
        let outcome = Outcome {
            scenario: crate::scenario::all("token").into_iter().next().expect("there are scenarios"),
            rounds: BTreeMap::from([
                (Contender::Floor, [1.0, 2.0, 4.0, 8.0, 1.0, 1.0, 1.0]),
                (Contender::Proxy, [2.0, 4.0, 12.0, 8.0, 3.0, 1.0, 9.0]),
            ]),
            delivery: Delivery::default(),
        };
        assert_eq!(outcome.micros(Contender::Proxy), Some(4.0));
        assert_eq!(outcome.ratio(Contender::Proxy, Contender::Floor), Some(2.0));
        assert_eq!(outcome.ratio(Contender::Nginx, Contender::Floor), None);
    }

    #[test]
    fn metrics_beyond_those_accepted_make_up_for_none_lost() {
        let mut delivery = Delivery::default();
        delivery.note(100, 97);
        delivery.note(100, 164);
        assert_eq!((delivery.accepted, delivery.lost), (200, 3));
    }
}
