//! The servers under load, each a separate process on one core.

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::accounting;
use crate::credentials::{Certificate, SECRET};
use crate::poll;

/// The core of all servers. Only one of them works at a time.
const CORE: usize = 0;

/// Longest start of a server.
const START: Duration = Duration::from_secs(10);

/// Longest end of a server after SIGTERM: longer than the proxy waits for open connections.
const STOP: Duration = Duration::from_secs(8);

/// The compared servers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Contender {
    /// The epoll loop.
    Floor,
    /// The proxy.
    Proxy,
    /// nginx with an empty answer.
    Nginx,
}

impl Contender {
    /// All servers, in the order of rounds, tables and bars.
    pub const ALL: [Self; 3] = [Self::Floor, Self::Proxy, Self::Nginx];

    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Proxy => "proxy",
            Self::Nginx => "nginx",
        }
    }
}

/// Settings of the proxy that differ between parts.
pub struct ProxyOptions<'a> {
    /// The UDP receiver.
    pub statsd: SocketAddr,
    /// True to require a token signed with [`SECRET`].
    pub token: bool,
    /// The certificate for HTTPS.
    pub certificate: Option<&'a Certificate>,
    /// Further flags.
    pub flags: &'a [String],
}

/// A running server, which is stopped when dropped.
pub struct Server {
    process: Process,
    /// The process that serves requests: for nginx it is a child.
    worker: u32,
    address: SocketAddr,
    tls: bool,
}

impl Server {
    /// Starts the epoll loop.
    pub fn floor(close: bool, directory: &Path) -> Result<Self, Box<dyn Error>> {
        let mut command = pinned(CORE, sibling("floor")?);
        command.args(close.then_some("--close"));
        Self::announced(command, directory.join("floor.log"), false)
    }

    /// Starts the proxy.
    pub fn proxy(options: &ProxyOptions<'_>, directory: &Path) -> Result<Self, Box<dyn Error>> {
        let mut command = pinned(CORE, sibling("statsd-http-proxy")?);
        command.args(["--http-host", "127.0.0.1", "--http-port", "0", "--http-threads", "1"]);
        command.arg("--statsd-host").arg(options.statsd.ip().to_string());
        command.arg("--statsd-port").arg(options.statsd.port().to_string());
        command.args(options.flags);
        if options.token {
            command.args(["--jwt-secret", SECRET]);
        }
        if let Some(certificate) = options.certificate {
            command.arg("--tls-cert").arg(&certificate.cert).arg("--tls-key").arg(&certificate.key);
        }
        Self::announced(command, directory.join("proxy.log"), options.certificate.is_some())
    }

    /// Starts a server that prints its address on standard error.
    fn announced(command: Command, log: PathBuf, tls: bool) -> Result<Self, Box<dyn Error>> {
        let mut process = Process::spawn(command, log)?;
        let address = poll::until(START, "the server's start", || {
            let log = process.alive()?;
            Ok(log.lines().find_map(listening_at))
        })?;
        Ok(Self { worker: process.id(), process, address, tls })
    }

    /// Starts nginx with an empty answer to every request, and with all its files in `directory`.
    pub fn nginx(certificate: Option<&Certificate>, directory: &Path) -> Result<Self, Box<dyn Error>> {
        let address = free_address()?;
        let config = directory.join("nginx.conf");
        fs::write(&config, nginx_config(address, certificate))?;
        let mut command = pinned(CORE, "nginx");
        command.arg("-p").arg(directory).arg("-c").arg(&config).args(["-e", "stderr"]);
        let mut process = Process::spawn(command, directory.join("nginx.log"))?;
        let worker = poll::until(START, "nginx's start", || {
            process.alive()?;
            if TcpStream::connect(address).is_err() {
                return Ok(None);
            }
            accounting::child(process.id())
        })?;
        Ok(Self { process, worker, address, tls: certificate.is_some() })
    }

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address for wrk.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// Its log, for errors.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.process.log).unwrap_or_default()
    }

    /// CPU time used so far.
    pub fn cpu_time(&self) -> Result<Duration, Box<dyn Error>> {
        accounting::cpu_time(self.worker)
    }

    /// Resident anonymous memory, in bytes.
    pub fn anonymous_memory(&self) -> Result<u64, Box<dyn Error>> {
        accounting::anonymous_memory(self.process.id())
    }
}

/// A child process that is stopped when dropped.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn spawn(mut command: Command, log: PathBuf) -> Result<Self, Box<dyn Error>> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        Ok(Self { child: command.spawn()?, log })
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its log; an error if it has ended.
    fn alive(&mut self) -> Result<String, Box<dyn Error>> {
        let log = fs::read_to_string(&self.log)?;
        match self.child.try_wait()? {
            None => Ok(log),
            Some(status) => Err(format!("a server ended at its start, {status}: {log}").into()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGTERM instead of SIGKILL, because the master of nginx must end its worker.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let child = &mut self.child;
        if poll::until(STOP, "the server's end", || Ok(child.try_wait()?)).is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A command that runs `program` on `core`. `taskset` becomes the program, and keeps its process id.
pub fn pinned(core: usize, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(core.to_string()).arg(program);
    command
}

/// A binary of the same build.
pub fn sibling(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let program = std::env::current_exe()?.with_file_name(name);
    if program.exists() { Ok(program) } else { Err(format!("{name} is not built: run make bench").into()) }
}

/// The address in a line such as `listening on http://127.0.0.1:8080, sending to ...`.
fn listening_at(line: &str) -> Option<SocketAddr> {
    let (_, url) = line.split_once("listening on ")?;
    let (_, address) = url.split_once("://")?;
    address.split(',').next()?.parse().ok()
}

/// A free port; nginx cannot choose one itself.
fn free_address() -> Result<SocketAddr, Box<dyn Error>> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The minimal configuration of nginx: no log, no files, and no limit of requests per connection.
fn nginx_config(address: SocketAddr, certificate: Option<&Certificate>) -> String {
    // As root, the worker would change to a user without access to the directory.
    let user = if geteuid().is_root() { "user root;" } else { "" };
    let (ssl, files) = match certificate {
        Some(Certificate { cert, key, .. }) => {
            (" ssl", format!("ssl_certificate {}; ssl_certificate_key {};", cert.display(), key.display()))
        }
        None => ("", String::new()),
    };
    format!(
        "{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen {address}{ssl};
        {files}
        location / {{
            return 200 \"\";
        }}
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_start_line() {
        let proxy = "2030-01-01T00:00:00Z  INFO listening on https://127.0.0.1:8443, sending to StatsD at x, tokens";
        assert_eq!(listening_at(proxy), Some(SocketAddr::from(([127, 0, 0, 1], 8443))));
        assert_eq!(listening_at("listening on http://127.0.0.1:80"), Some(SocketAddr::from(([127, 0, 0, 1], 80))));
        assert_eq!(listening_at("WARN listening is hard"), None);
    }
}
