//! The parts: StatsD and its cluster proxy, proxies, HAProxy and nginx, each at a loopback address of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::PATIENCE;
use crate::load::Totals;

/// A free port of 127.0.0.`last`, for TCP and UDP. Nobody else uses these addresses by chance.
fn free_address(last: u8) -> SocketAddr {
    let host = Ipv4Addr::new(127, 0, 0, last);
    loop {
        let listener = TcpListener::bind((host, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// A process that is killed when dropped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        Self(command.stdin(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("the process is there");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something accepts at `address`.
fn wait_for(address: SocketAddr) {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "nothing listens at {address}");
        std::thread::yield_now();
    }
}

/// A file of `tests/statsd`.
fn path(file: &str) -> PathBuf {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/statsd", file].iter().collect();
    assert!(path.exists(), "{}: make fleet installs it", path.display());
    path
}

/// Node.js with a script of StatsD and a configuration.
fn node(script: &str, config: &str, folder: &TempDir) -> Running {
    let file = folder.path().join("config.js");
    std::fs::write(&file, config).expect("a file");
    // Some of its parts are deprecated, which it says at start.
    let mut command = Command::new("node");
    command.args(["--no-deprecation"]).arg(path(script)).arg(file).stdout(Stdio::null());
    Running::start(&mut command)
}

/// A StatsD.
pub struct StatsD {
    process: Option<Running>,
    pub address: SocketAddr,
    management: SocketAddr,
    config: String,
    folder: TempDir,
}

impl StatsD {
    /// Starts one at 127.0.0.`last`, on UDP or TCP.
    pub fn start(last: u8, scheme: &str) -> Self {
        let (address, management) = (free_address(last), free_address(last));
        let (host, port) = (address.ip(), address.port());
        let config = format!(
            "{{ servers: [{{ server: './servers/{scheme}', address: '{host}', port: {port} }}], mgmt_address: '{host}', \
             mgmt_port: {}, flushInterval: 3600000, backends: [], deleteIdleStats: false }}",
            management.port()
        );
        let folder = tempfile::tempdir().expect("a folder");
        let mut statsd = Self { process: None, address, management, config, folder };
        statsd.start_again();
        statsd
    }

    /// Starts it where it was.
    pub fn start_again(&mut self) {
        self.process = Some(node("node_modules/statsd/stats.js", &self.config, &self.folder));
        wait_for(self.management);
    }

    /// Ends it as a lack of memory would.
    pub fn kill(&mut self) {
        let process = self.process.take().expect("it runs");
        process.signal(Signal::KILL);
        drop(process);
    }

    fn ask(&self, question: &str) -> String {
        let mut stream = TcpStream::connect(self.management).expect("the management port accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        writeln!(stream, "{question}").expect("the question is taken");
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.take_while(|line| line != "END").map(|line| line + "\n").collect()
    }

    /// What it counts of the load's names: the answer has a line `  'name': 12,` for each.
    pub fn counters(&self) -> Totals {
        let answer = self.ask("counters");
        assert!(answer.contains("'statsd.bad_lines_seen': 0"), "{answer}");
        let pairs =
            answer.split([',', '{', '}', '\n']).filter_map(|part| part.trim().strip_prefix('\'')?.split_once("': "));
        let pairs = pairs.filter(|(name, _)| name.starts_with("fleet."));
        pairs.map(|(name, count)| (name.to_owned(), count.parse().expect("a whole number"))).collect()
    }

    /// Forgets all counters.
    pub fn forget(&self) {
        self.ask("delcounters fleet.*");
        assert!(self.counters().is_empty());
    }
}

/// StatsD's own proxy, which spreads lines over several StatsD by a hash ring.
pub struct Cluster {
    _process: Running,
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Cluster {
    pub fn start(daemons: &[StatsD]) -> Self {
        let (address, management) = (free_address(41), free_address(41));
        let nodes: Vec<String> = daemons
            .iter()
            .map(|daemon| {
                let (host, port, admin) = (daemon.address.ip(), daemon.address.port(), daemon.management.port());
                format!("{{ host: '{host}', port: {port}, adminport: {admin} }}")
            })
            .collect();
        let config = format!(
            "{{ nodes: [{}], server: './servers/udp', address: '{}', port: {}, mgmt_address: '{}', mgmt_port: {}, \
             checkInterval: 1000, cacheSize: 10000 }}",
            nodes.join(", "),
            address.ip(),
            address.port(),
            management.ip(),
            management.port()
        );
        let folder = tempfile::tempdir().expect("a folder");
        let process = node("node_modules/statsd/proxy.js", &config, &folder);
        wait_for(management);
        Self { _process: process, address, _folder: folder }
    }
}

/// The figures of the last lines of proxies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub sent: u64,
    pub refused: u64,
    pub dropped: u64,
    pub maybe_lost: u64,
}

/// One of the proxies under test.
struct Proxy {
    process: Running,
    address: SocketAddr,
}

/// Three proxies with the same flags.
pub struct Proxies {
    proxies: Vec<Proxy>,
    flags: Vec<String>,
    /// Of those that were restarted.
    figures: Figures,
}

impl Proxies {
    /// Starts three that send to these addresses.
    pub fn start(statsd: &[String]) -> Self {
        let flags = vec![format!("--statsd-address={}", statsd.join(",")), "--http-threads=1".to_owned()];
        let proxies = [21, 22, 23].map(|last| Proxy::start(free_address(last), &flags));
        Self { proxies: proxies.into(), flags, figures: Figures::default() }
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.proxies.iter().map(|proxy| proxy.address)
    }

    /// Ends one in order, starts another one in its place, and gives the figures of the one that ended.
    pub fn restart(&mut self, index: usize) -> Figures {
        let address = self.proxies[index].address;
        let old = std::mem::replace(&mut self.proxies[index], Proxy::none());
        let figures = old.stop();
        self.proxies[index] = Proxy::start(address, &self.flags);
        figures
    }

    /// Ends all in order, and gives the sums of their figures.
    pub fn stop(self) -> Figures {
        let mut sum = self.figures;
        for proxy in self.proxies {
            let figures = proxy.stop();
            sum.sent += figures.sent;
            sum.refused += figures.refused;
            sum.dropped += figures.dropped;
            sum.maybe_lost += figures.maybe_lost;
        }
        sum
    }
}

impl Proxy {
    fn start(address: SocketAddr, flags: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_statsd-http-proxy"));
        command.args(flags).arg(format!("--http-host={}", address.ip())).arg(format!("--http-port={}", address.port()));
        let process = Running::start(command.stderr(Stdio::piped()));
        wait_for(address);
        Self { process, address }
    }

    /// What stands in the place of one that is being restarted.
    fn none() -> Self {
        let process = Running::start(Command::new("true").stderr(Stdio::piped()));
        Self { process, address: SocketAddr::from(([0, 0, 0, 0], 0)) }
    }

    fn stop(mut self) -> Figures {
        self.process.signal(Signal::TERM);
        let mut log = String::new();
        let stderr = self.process.0.stderr.take().expect("standard error is piped");
        BufReader::new(stderr).read_to_string(&mut log).expect("a log of text");
        assert!(self.process.0.wait().expect("a child can be waited for").success(), "{log}");
        let last = log.lines().rfind(|line| line.contains("stopped: ")).unwrap_or_else(|| panic!("no counters: {log}"));
        let figure = |what: &str| {
            let before = last.split_once(&format!(" metrics {what}")).map_or("0", |(before, _)| before);
            before.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
        };
        Figures {
            sent: figure("sent"),
            refused: figure("refused"),
            dropped: figure("dropped"),
            maybe_lost: figure("maybe lost"),
        }
    }
}

/// A load balancer.
pub struct Balancer {
    pub name: &'static str,
    pub address: SocketAddr,
    _process: Running,
    _folder: TempDir,
}

impl Balancer {
    pub fn haproxy(proxies: &Proxies) -> Self {
        let (address, folder) = (free_address(31), tempfile::tempdir().expect("a folder"));
        let servers: String = proxies
            .addresses()
            .enumerate()
            .map(|(index, proxy)| format!("    server p{index} {proxy} check inter 200ms fall 1 rise 1\n"))
            .collect();
        let file = folder.path().join("haproxy.cfg");
        let config =
            include_str!("haproxy.cfg").replace("ADDRESS", &address.to_string()).replace("    SERVERS\n", &servers);
        std::fs::write(&file, config).expect("a file");
        let process = Running::start(Command::new("haproxy").args(["-q", "-db"]).arg("-f").arg(&file));
        wait_for(address);
        Self { name: "haproxy", address, _process: process, _folder: folder }
    }

    pub fn nginx(proxies: &Proxies) -> Self {
        let (address, folder) = (free_address(32), tempfile::tempdir().expect("a folder"));
        let servers: String =
            proxies.addresses().map(|proxy| format!("        server {proxy} max_fails=0;\n")).collect();
        let file = folder.path().join("nginx.conf");
        let config = include_str!("nginx.conf")
            .replace("ADDRESS", &address.to_string())
            .replace("        SERVERS\n", &servers)
            .replace("FOLDER", &folder.path().display().to_string());
        std::fs::write(&file, config).expect("a file");
        let process = Running::start(Command::new("nginx").arg("-p").arg(folder.path()).arg("-c").arg(&file));
        wait_for(address);
        Self { name: "nginx", address, _process: process, _folder: folder }
    }
}

/// Three StatsD, and three proxies that spread series over them.
pub struct Fleet {
    pub daemons: [StatsD; 3],
    pub proxies: Proxies,
}

impl Fleet {
    pub fn start(scheme: &str) -> Self {
        let daemons = [11, 12, 13].map(|last| StatsD::start(last, scheme));
        let addresses: Vec<String> = daemons.iter().map(|daemon| format!("{scheme}://{}", daemon.address)).collect();
        Self { proxies: Proxies::start(&addresses), daemons }
    }
}
