//! The settings of the path to StatsD.

use crate::upstream::address::{Address, Route};

/// Where metrics go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The daemons, one at least.
    pub addresses: Vec<Address>,
    /// Which of several daemons a metric goes to.
    pub route: Route,
    /// Whether the metrics of a daemon that is away go to the others. Two daemons that write the same series are worse than a
    /// gap, so they do not by default.
    pub failover: bool,
}
