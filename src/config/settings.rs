//! The settings of the server: it stands above this module, which therefore owns them.

/// What the process listens on, and how much it serves. Nothing of it changes while the process runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServerSettings {
    /// Address to listen on; empty for any.
    pub host: String,
    /// TCP port to listen on; 0 for a free one.
    pub port: u16,
    /// Connections served at once, on all workers.
    pub max_connections: usize,
    /// Worker threads; by default, one for each core that the process may use.
    pub threads: usize,
}

impl Default for ServerSettings {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
        Self { host: String::new(), port: 0, max_connections: 0, threads }
    }
}
