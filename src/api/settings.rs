//! The settings of the HTTP interface that do not change while the server runs. `policy.rs` has those that may.

use crate::api::routes::Routes;

/// The settings of the HTTP interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Settings {
    /// The base path.
    pub routes: Routes,
    /// The value of `--http-host`: a name under which the demo is shown. Empty for any address.
    pub listen_host: String,
    /// Log every request.
    pub verbose: bool,
}
