//! The settings of the HTTP interface that do not change while the server runs. Those that may are in `policy.rs`.

use crate::api::routes::Routes;

/// What the operator decides on the HTTP interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Settings {
    /// Where the routes are.
    pub routes: Routes,
    /// The address that the server listens on, as the operator wrote it: a name that the demo is shown under. Empty for any.
    pub listen_host: String,
    /// Log every request.
    pub verbose: bool,
}
