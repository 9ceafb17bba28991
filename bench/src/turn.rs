//! The measured turn of a server under load.

use std::error::Error;
use std::time::Duration;

use crate::delivery::Delivery;
use crate::load::{CONNECTIONS, Load};
use crate::receiver::Receiver;
use crate::server::Server;

/// Number of rounds. Each server has a turn in each round; odd, so that the median is one of them.
pub const ROUNDS: usize = 7;

/// Duration of a turn.
pub const TURN: Duration = Duration::from_secs(2);

/// Duration of the warm-up of each server, which is not measured.
pub const WARM_UP: Duration = Duration::from_secs(1);

/// Runs wrk against the proxy for `span`, waits for its metrics, and returns the CPU time per request, in microseconds.
pub fn deliver(
    load: &Load,
    proxy: &Server,
    span: Duration,
    receiver: &Receiver,
    delivery: &mut Delivery,
) -> Result<f64, Box<dyn Error>> {
    let before = receiver.received();
    let (requests, micros) = cost(load, proxy, span)?;
    let received = receiver.settled(before + requests * load.metrics())? - before;
    if received > (requests + CONNECTIONS) * load.metrics() {
        return Err(format!("{received} metrics were received for {requests} requests").into());
    }
    delivery.note(requests, load.metrics(), received);
    Ok(micros)
}

/// Runs wrk against `server` for `span`, and returns the number of answered requests and the CPU time per request, in
/// microseconds.
pub fn cost(load: &Load, server: &Server, span: Duration) -> Result<(u64, f64), Box<dyn Error>> {
    let before = server.cpu_time()?;
    let requests = load.run(server, span)?;
    let spent = server.cpu_time()?.checked_sub(before).ok_or("the CPU time has shrunk: a thread has ended")?;
    if requests == 0 {
        return Err("no request was answered".into());
    }
    Ok((requests, spent.as_secs_f64() * 1e6 / requests as f64))
}

/// The median of an odd number of `values`.
pub fn median<const N: usize>(mut values: [f64; N]) -> f64 {
    const { assert!(N % 2 == 1) };
    values.sort_by(f64::total_cmp);
    values[N / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([3.0]), 3.0);
    }
}
