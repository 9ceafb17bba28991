//! The figures as Markdown, and whether they are good enough.

use std::fmt::Write as _;

use crate::contest::{Delivery, Outcome, ROUNDS, TURN};
use crate::idle::{self, Idle};
use crate::load;
use crate::machine::Machine;
use crate::receiver;
use crate::server::Contender;

/// Stands for what does not exist.
const NONE: &str = "–";

/// All that was measured in one run.
pub struct Report {
    /// Where, and with what.
    pub machine: Machine,
    /// CPU time, by scenario.
    pub outcomes: Vec<Outcome>,
    /// Memory of idle HTTP connections.
    pub idle: Idle,
    /// Memory of idle HTTPS connections, which has no limit: most of it is the TLS library's.
    pub idle_tls: Idle,
}

impl Report {
    /// A sentence for each metric lost and each limit exceeded.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut check_delivery = |name: &str, delivery: Delivery| {
            if delivery.lost > 0 {
                failures.push(format!("{name}: {} of {} metrics were lost", delivery.lost, delivery.accepted));
            }
        };
        for outcome in &self.outcomes {
            check_delivery(outcome.scenario.name, outcome.delivery);
        }
        check_delivery("idle connections", self.idle.delivery);
        check_delivery("idle connections over TLS", self.idle_tls.delivery);
        for outcome in &self.outcomes {
            if let Some(limit) = outcome.scenario.limit
                && let Some(ratio) = outcome.ratio(Contender::Proxy, Contender::Floor)
                && ratio > limit
            {
                failures.push(format!(
                    "{}: the proxy takes {ratio:.2} times the floor's CPU time; the limit is {limit:.2}",
                    outcome.scenario.name
                ));
            }
        }
        if self.idle.kib > idle::LIMIT_KIB {
            failures.push(format!(
                "an idle connection takes {:.1} KiB; the limit is {:.1} KiB",
                self.idle.kib,
                idle::LIMIT_KIB
            ));
        }
        failures
    }

    /// The page.
    pub fn markdown(&self) -> String {
        format!(
            "# Benchmark\n\n\
             {}\n\
             CPU time per request in µs, as the kernel accounts it to the server's process: wrk with {} connections on \
             one core, the server on another; the median of {ROUNDS} rounds in which the servers take turns of {} s. \
             Ratios are medians of the rounds' ratios. *floor* is an epoll loop that reads and writes a fixed answer \
             without parsing; *nginx* returns an empty 200, and sends no metric. The proxy's metrics go to a UDP socket \
             on wrk's core that is read every {} ms, as if it were on another machine.\n\n\
             {}\n\
             Memory of an idle connection, of {} that made a request each:\n\n\
             {}",
            self.machine.markdown(),
            load::CONNECTIONS,
            TURN.as_secs(),
            receiver::LOOK.as_millis(),
            self.cpu_table(),
            idle::CONNECTIONS,
            self.idle_table(),
        )
    }

    fn cpu_table(&self) -> String {
        let mut table = String::from(
            "| Scenario | floor | proxy | nginx | proxy / floor | limit | nginx / floor | proxy / nginx | accepted | lost |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for outcome in &self.outcomes {
            let [floor, proxy, nginx] = Contender::ALL.map(|contender| number(outcome.micros(contender)));
            let _ = writeln!(
                table,
                "| {} | {floor} | {proxy} | {nginx} | {} | {} | {} | {} | {} | {} |",
                outcome.scenario.name,
                number(outcome.ratio(Contender::Proxy, Contender::Floor)),
                number(outcome.scenario.limit),
                number(outcome.ratio(Contender::Nginx, Contender::Floor)),
                number(outcome.ratio(Contender::Proxy, Contender::Nginx)),
                outcome.delivery.accepted,
                outcome.delivery.lost,
            );
        }
        table
    }

    fn idle_table(&self) -> String {
        let mut table = String::from("| Connection | KiB | limit | accepted | lost |\n|---|--:|--:|--:|--:|\n");
        for (name, idle, limit) in [("HTTP", &self.idle, Some(idle::LIMIT_KIB)), ("HTTPS", &self.idle_tls, None)] {
            let limit = limit.map_or_else(|| NONE.to_owned(), |limit| format!("{limit:.1}"));
            let Delivery { accepted, lost } = idle.delivery;
            let _ = writeln!(table, "| {name} | {:.1} | {limit} | {accepted} | {lost} |", idle.kib);
        }
        table
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.2}"))
}
