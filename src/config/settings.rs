//! The settings of the server. The server depends on this module, so it cannot own their type, as other modules do.

/// Listener, threads and connections. These settings do not change while the process runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServerSettings {
    /// Address to listen on; empty for all addresses.
    pub host: String,
    /// TCP port to listen on; 0 chooses a free port.
    pub port: u16,
    /// Most open connections of all workers together.
    pub max_connections: usize,
    /// Worker threads; by default one for each core that the process may use.
    pub threads: usize,
}

impl Default for ServerSettings {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
        Self { host: String::new(), port: 0, max_connections: 0, threads }
    }
}
