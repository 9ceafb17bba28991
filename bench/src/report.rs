//! The results as Markdown, and the failures.

use std::fmt::Write as _;

use crate::batch::Cost;
use crate::contest::Outcome;
use crate::delivery::Delivery;
use crate::hold::{self, Hold};
use crate::idle::{self, Idle};
use crate::load;
use crate::machine::Machine;
use crate::metrics::PAGE;
use crate::receiver;
use crate::server::Contender;
use crate::turn::{ROUNDS, TURN};
use crate::worst::{self, Worst};

/// Text for a missing value.
const NONE: &str = "–";

/// The results of one run. Parts that were not selected are empty.
pub struct Report {
    /// The machine and the versions.
    pub machine: Machine,
    /// CPU time, by scenario.
    pub outcomes: Vec<Outcome>,
    /// CPU time of metrics in batches, by format.
    pub batches: Vec<Cost>,
    /// Waits beside largest batches, by format.
    pub holds: Vec<Hold>,
    /// Memory of idle connections, by transport.
    pub idle: Vec<Idle>,
    /// CPU time of the most expensive bodies, in descending order.
    pub worst: Vec<Worst>,
}

impl Report {
    /// True if nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
            && self.batches.is_empty()
            && self.holds.is_empty()
            && self.idle.is_empty()
            && self.worst.is_empty()
    }

    /// A sentence for each metric lost and each limit exceeded.
    pub fn failures(&self) -> Vec<String> {
        let lost = self.deliveries().into_iter().filter(|(_, delivery)| delivery.lost > 0);
        let lost =
            lost.map(|(name, Delivery { accepted, lost })| format!("{name}: {lost} of {accepted} metrics were lost"));
        lost.chain(self.excesses()).collect()
    }

    /// The delivery of each part, with its name.
    fn deliveries(&self) -> Vec<(String, Delivery)> {
        let outcomes = self.outcomes.iter().map(|outcome| (outcome.scenario.name.to_owned(), outcome.delivery));
        let batches = self.batches.iter().map(|cost| (cost.batch.name(), cost.delivery));
        let holds = self.holds.iter().map(|hold| (hold::name(hold.format), hold.delivery));
        let idle = self.idle.iter().map(|idle| (idle.transport.name(), idle.delivery));
        outcomes.chain(batches).chain(holds).chain(idle).collect()
    }

    /// A sentence for each limit exceeded.
    fn excesses(&self) -> Vec<String> {
        let mut excesses = Vec::new();
        for outcome in &self.outcomes {
            if let Some(limit) = outcome.scenario.limit
                && let Some(ratio) = outcome.ratio(Contender::Proxy, Contender::Floor)
                && ratio > limit
            {
                excesses.push(format!(
                    "{}: the proxy takes {ratio:.2} times the floor's CPU time; the limit is {limit:.2}",
                    outcome.scenario.name
                ));
            }
        }
        for Cost { batch, micros, .. } in &self.batches {
            if let Some(limit) = batch.limit
                && *micros > limit
            {
                excesses.push(format!("{}: a metric takes {micros:.3} µs; the limit is {limit:.3} µs", batch.name()));
            }
        }
        for Hold { format, millis, .. } in &self.holds {
            if *millis > hold::LIMIT_MS {
                excesses.push(format!(
                    "{}: another request waits {millis:.2} ms; the limit is {:.2} ms",
                    hold::name(*format),
                    hold::LIMIT_MS
                ));
            }
        }
        for Worst { name, millis, bytes, allowed } in &self.worst {
            if *millis > worst::LIMIT_MS {
                let limit = worst::LIMIT_MS;
                excesses.push(format!("{}, {name}: takes {millis:.2} ms; the limit is {limit:.2} ms", worst::NAME));
            }
            if bytes > allowed {
                excesses.push(format!("{}, {name}: makes {bytes} bytes; the limit is {allowed}", worst::NAME));
            }
        }
        for Idle { transport, kib, .. } in &self.idle {
            if let Some(limit) = transport.limit()
                && *kib > limit
            {
                excesses.push(format!("{}: one takes {kib:.1} KiB; the limit is {limit:.1} KiB", transport.name()));
            }
        }
        excesses
    }

    /// The page.
    pub fn markdown(&self) -> String {
        let mut page = format!("# Benchmark\n\n{}", self.machine.markdown());
        let mut section = |measured: bool, sentences: String, table: String| {
            if measured {
                let _ = write!(page, "\n{sentences}\n\n{table}");
            }
        };
        section(
            !self.outcomes.is_empty(),
            format!(
                "CPU time per request in µs, from the kernel's accounting of the server process. wrk runs on one core \
                 with {} connections, the server on another. The times are medians of {ROUNDS} rounds, in which the \
                 servers take turns of {} s; the ratios are medians of the rounds' ratios. *floor* is an epoll loop that \
                 reads, and writes a fixed answer without parsing. *nginx* returns an empty 200, and sends no metric. The \
                 proxy sends its metrics to a UDP socket on wrk's core, which is polled every {} ms, to simulate another \
                 machine.",
                load::CONNECTIONS,
                TURN.as_secs(),
                receiver::LOOK.as_millis(),
            ),
            self.cpu_table(),
        );
        section(
            !self.batches.is_empty(),
            format!("CPU time per metric in batches of {PAGE}, measured in the same way, for the proxy alone:"),
            self.batch_table(),
        );
        section(
            !self.holds.is_empty(),
            format!(
                "Longest wait of another request to the same worker during a batch of 1 MiB of the shortest metrics; \
                 median of {} batches:",
                hold::BATCHES
            ),
            self.hold_table(),
        );
        section(
            !self.worst.is_empty(),
            format!(
                "CPU time and output of the most expensive bodies within the default size limits, of {} known and random \
                 ones:",
                self.worst.len()
            ),
            self.worst_table(),
        );
        section(
            !self.idle.is_empty(),
            format!(
                "Memory per idle connection, with {} connections that have sent one request each:",
                idle::CONNECTIONS
            ),
            self.idle_table(),
        );
        page
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

    fn batch_table(&self) -> String {
        let mut table = format!(
            "| Batch of {PAGE} metrics | proxy, µs/metric | limit | accepted | lost |\n|---|--:|--:|--:|--:|\n"
        );
        for Cost { batch, micros, delivery: Delivery { accepted, lost } } in &self.batches {
            let limit = number(batch.limit);
            let _ = writeln!(table, "| {} | {micros:.3} | {limit} | {accepted} | {lost} |", batch.format.name());
        }
        table
    }

    fn hold_table(&self) -> String {
        let mut table = String::from(
            "| Largest batch, 1 MiB | longest wait of another request, ms | limit | accepted | lost |\n\
             |---|--:|--:|--:|--:|\n",
        );
        for Hold { format, millis, delivery: Delivery { accepted, lost } } in &self.holds {
            let limit = number(Some(hold::LIMIT_MS));
            let _ = writeln!(table, "| {} | {millis:.2} | {limit} | {accepted} | {lost} |", format.name());
        }
        table
    }

    fn worst_table(&self) -> String {
        let mut table =
            String::from("| Worst body | CPU time, ms | limit | bytes of datagrams | limit |\n|---|--:|--:|--:|--:|\n");
        for Worst { name, millis, bytes, allowed } in worst::shown(&self.worst) {
            let limit = number(Some(worst::LIMIT_MS));
            let _ = writeln!(table, "| {name} | {millis:.2} | {limit} | {bytes} | {allowed} |");
        }
        table
    }

    fn idle_table(&self) -> String {
        let mut table = String::from("| Connection | KiB | limit | accepted | lost |\n|---|--:|--:|--:|--:|\n");
        for Idle { transport, kib, delivery: Delivery { accepted, lost } } in &self.idle {
            let limit = transport.limit().map_or_else(|| NONE.to_owned(), |limit| format!("{limit:.1}"));
            let _ = writeln!(table, "| {} | {kib:.1} | {limit} | {accepted} | {lost} |", transport.label());
        }
        table
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.2}"))
}
