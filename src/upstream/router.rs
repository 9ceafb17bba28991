//! Routes each metric to one daemon, to the daemon of its shard, or to all.

use std::cell::RefCell;

use crate::metric::{Accepted, MAX_LINE, Metric, MetricError, Sink};
use crate::statsd::encoding::Encoding;
use crate::statsd::line;
use crate::upstream::address::MAX_ADDRESSES;
use crate::upstream::queue::Upstream;
use crate::upstream::shard::Shards;

/// A daemon: how its lines are written, and the queue towards it.
pub(crate) struct Outlet {
    /// Prefix, dialect and tags.
    pub encoding: Encoding,
    /// The queue.
    pub upstream: Upstream,
}

impl Outlet {
    fn push(&self, line: &[u8], count: u32) {
        // Its length was checked when it was written.
        let _ = self.upstream.push(count, |out| out.extend_from_slice(line));
    }
}

impl Sink for &Outlet {
    /// Writes the line into the queue.
    // A tenth of a line's instructions: the reader of plain lines has seen already what the writer asks for.
    #[inline(always)]
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        let mut line_bytes = 0;
        self.upstream.push(metric.value().count(), |out| {
            let start = out.len();
            line::write(out, &self.encoding, metric);
            line_bytes = out.len() - start;
        })?;
        Ok(Accepted { line_bytes })
    }
}

/// How metrics are spread over several daemons.
pub(crate) enum Spread {
    /// Each to one, by its name.
    Shard(Shards),
    /// The same, but while a daemon is away the others have its metrics.
    Failover(Shards),
    /// Each to all.
    Mirror(Copies),
}

/// The lines of a mirrored metric.
pub(crate) struct Copies {
    lines: RefCell<Vec<u8>>,
    /// For each daemon the first one of the same dialect: what is written for that one does for both.
    writers: Vec<usize>,
}

impl Copies {
    /// For daemons of these encodings, which differ in their dialects alone.
    pub(crate) fn new(encodings: &[Encoding]) -> Self {
        let first = |encoding: &Encoding| {
            encodings.iter().position(|other| other.dialect().name == encoding.dialect().name).unwrap_or_default()
        };
        Self { lines: RefCell::default(), writers: encodings.iter().map(first).collect() }
    }
}

/// All daemons of a worker.
pub(crate) struct Router {
    /// The first, and mostly only one.
    first: Outlet,
    several: Option<Box<Several>>,
}

struct Several {
    others: Vec<Outlet>,
    spread: Spread,
}

impl Router {
    /// A router to daemons over which `spread` spreads metrics.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub(crate) fn new(outlets: impl IntoIterator<Item = Outlet>, spread: Spread) -> Self {
        let mut outlets = outlets.into_iter();
        let first = outlets.next().expect("the configuration has an address at least");
        let others: Vec<Outlet> = outlets.collect();
        let several = (!others.is_empty()).then(|| Box::new(Several { others, spread }));
        Self { first, several }
    }

    /// The daemons, in the order of their addresses.
    pub(crate) fn outlets(&self) -> impl Iterator<Item = &Outlet> {
        std::iter::once(&self.first).chain(self.several.iter().flat_map(|several| &several.others))
    }

    /// The daemon, if there is only one.
    pub(crate) fn only(&self) -> Option<&Outlet> {
        self.several.is_none().then_some(&self.first)
    }

    fn spread(&self, several: &Several, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        let name = metric.name().as_str();
        match &several.spread {
            Spread::Shard(shards) => self.outlet(several, shards.choose(name)).accept(metric),
            Spread::Failover(shards) => {
                let outlet = |index| self.outlet(several, index);
                let own = shards.choose(name);
                // Only a metric of the daemon that is away can find out whether it is back.
                if outlet(own).upstream.is_away() && !outlet(own).upstream.takes_probe() {
                    let other = shards.choose_among(name, |index| !outlet(index).upstream.is_away());
                    return outlet(other).accept(metric);
                }
                outlet(own).accept(metric)
            }
            Spread::Mirror(copies) => self.mirror(copies, metric),
        }
    }

    fn outlet<'s>(&'s self, several: &'s Several, index: usize) -> &'s Outlet {
        index.checked_sub(1).and_then(|index| several.others.get(index)).unwrap_or(&self.first)
    }

    /// Writes the line of each dialect, once for all daemons that speak it, before any has it: a line that is too long for one
    /// is sent to none.
    fn mirror(&self, copies: &Copies, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        let (mut lines, mut longest) = (copies.lines.borrow_mut(), 0);
        lines.clear();
        let mut ends = [0; MAX_ADDRESSES];
        for (index, outlet) in self.outlets().enumerate() {
            let start = lines.len();
            if copies.writers[index] == index {
                line::write(&mut lines, &outlet.encoding, metric);
            }
            longest = longest.max(lines.len() - start);
            ends[index] = lines.len();
        }
        if longest > MAX_LINE {
            return Err(MetricError::TooLong);
        }
        for (index, outlet) in self.outlets().enumerate() {
            let writer = copies.writers[index];
            let start = writer.checked_sub(1).map_or(0, |before| ends[before]);
            outlet.push(&lines[start..ends[writer]], metric.value().count());
        }
        Ok(Accepted { line_bytes: longest })
    }
}

impl Sink for &Router {
    /// Hands the metric to the daemons that are to have it. If its line is too long, no daemon has it.
    #[inline]
    fn accept(&mut self, metric: &Metric<'_>) -> Result<Accepted, MetricError> {
        match &self.several {
            None => (&self.first).accept(metric),
            Some(several) => self.spread(several, metric),
        }
    }
}
