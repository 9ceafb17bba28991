//! One scenario, in which the servers take turns.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use crate::credentials::Certificate;
use crate::delivery::Delivery;
use crate::load::Load;
use crate::receiver::Receiver;
use crate::scenario::Scenario;
use crate::server::{Contender, ProxyOptions, Server};
use crate::turn::{ROUNDS, TURN, WARM_UP, cost, deliver, median};

/// The result of a scenario.
pub struct Outcome {
    /// The scenario.
    pub scenario: Scenario,
    /// CPU time per request in each round, in microseconds.
    rounds: BTreeMap<Contender, [f64; ROUNDS]>,
    /// The metrics of the proxy, including those of the warm-up.
    pub delivery: Delivery,
}

impl Outcome {
    /// CPU time per request, in microseconds: the median of the rounds.
    pub fn micros(&self, contender: Contender) -> Option<f64> {
        self.rounds.get(&contender).copied().map(median)
    }

    /// The CPU time of `contender` divided by that of `base`: the median of the rounds' ratios.
    ///
    /// A slow phase of the machine affects all servers of a round, so the ratio varies less than the times.
    pub fn ratio(&self, contender: Contender, base: Contender) -> Option<f64> {
        let (over, under) = (self.rounds.get(&contender)?, self.rounds.get(&base)?);
        Some(median::<ROUNDS>(std::array::from_fn(|round| over[round] / under[round])))
    }
}

/// Runs all rounds of `scenario`. The files of the servers are in a new directory in `directory`.
pub fn run(
    scenario: Scenario,
    receiver: &Receiver,
    certificate: &Certificate,
    directory: &Path,
) -> Result<Outcome, Box<dyn Error>> {
    let directory = directory.join(scenario.name.replace(' ', "-"));
    fs::create_dir(&directory)?;
    let load = Load::new(scenario.request.as_bytes(), 1, &directory)?;
    let certificate = scenario.tls.then_some(certificate);
    let options = ProxyOptions { statsd: receiver.address(), token: scenario.token, certificate, flags: &[] };
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
}
