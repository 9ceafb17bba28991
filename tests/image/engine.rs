//! podman and buildah with a separate storage, which the last test that uses it removes.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver as Lines, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use tempfile::TempDir;

use crate::PATIENCE;

const IMAGE: &str = "localhost/statsd-http-proxy:latest";

static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());
static CONTAINERS: AtomicUsize = AtomicUsize::new(0);

/// A storage with the image.
pub struct Engine {
    folder: TempDir,
}

impl Engine {
    /// The storage that all tests share. The first test builds it.
    pub fn get() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(engine) = shared.upgrade() {
            return engine;
        }
        let engine = Arc::new(Self::build());
        *shared = Arc::downgrade(&engine);
        engine
    }

    fn build() -> Self {
        let binary = std::env::var("IMAGE_BINARY").expect("IMAGE_BINARY names the static binary: run make test-image");
        let engine = Self { folder: tempfile::tempdir().expect("a temporary directory") };
        let buildah = format!("buildah {}", engine.storage().join(" "));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("image/build");
        output(Command::new(script).arg(binary).env("BUILDAH", buildah));
        engine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn storage(&self) -> Vec<String> {
        let (root, run) = (self.path("root"), self.path("run"));
        vec![
            format!("--root={}", root.display()),
            format!("--runroot={}", run.display()),
            "--storage-driver=vfs".into(),
        ]
    }

    /// podman with runc, which also works with hybrid cgroups, unlike crun.
    fn podman(&self, arguments: &[&str]) -> Command {
        let mut podman = Command::new("podman");
        podman.args(self.storage()).arg(format!("--tmpdir={}", self.path("tmp").display()));
        podman.args(["--runtime=runc", "--cgroup-manager=cgroupfs"]).args(arguments);
        podman
    }

    /// The metadata of the image.
    pub fn inspect(&self) -> serde_json::Value {
        let text = output(&mut self.podman(&["image", "inspect", IMAGE]));
        serde_json::from_str(&text).expect("podman writes JSON")
    }

    /// All files of the image, without those that an engine adds when it starts a container.
    pub fn files(&self) -> Vec<String> {
        let archive = self.path("image.tar");
        let container = output(&mut self.podman(&["create", IMAGE]));
        output(&mut self.podman(&["export", "-o", &archive.to_string_lossy(), container.trim()]));
        output(&mut self.podman(&["rm", container.trim()]));
        let list = output(Command::new("tar").arg("-tf").arg(&archive));
        list.lines().filter(|path| !path.ends_with('/')).map(str::to_owned).collect()
    }

    /// A file for a container to read.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// Starts a container, and waits until it listens.
    pub fn run(self: &Arc<Self>, options: &[&str], flags: &[&str]) -> Container {
        let name = format!("statsd-http-proxy-test-{}", CONTAINERS.fetch_add(1, Ordering::Relaxed));
        let mut arguments = vec!["run", "--rm", "--name", &name];
        // Limits below those that the machine may allow a container.
        arguments.extend(["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"]);
        arguments.extend(options);
        arguments.push(IMAGE);
        arguments.extend(flags);
        let mut podman = self.podman(&arguments);
        let mut child =
            podman.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("podman starts");
        let stderr = child.stderr.take().expect("standard error is piped");
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut container = Container { engine: Arc::clone(self), name, child, log, address, seen: Vec::new() };
        let line = container.wait_for_log("listening on ");
        let address =
            line.split("://").nth(1).and_then(|rest| rest.split(',').next()).expect("a URL in the start line");
        container.address = address.parse().unwrap_or_else(|_| panic!("no address in {line:?}"));
        container
    }
}

/// A running container. It is removed when dropped.
pub struct Container {
    engine: Arc<Engine>,
    name: String,
    child: Child,
    log: Lines<String>,
    pub address: SocketAddr,
    /// The log so far.
    pub seen: Vec<String>,
}

impl Container {
    /// The next log line with `part`.
    pub fn wait_for_log(&mut self, part: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no log line with {part:?} in {:?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!(
                    "the container ended without a log line with {part:?}. This test needs a machine on which podman can \
                     start containers with runc, as root. It said: {:?}",
                    self.seen
                ),
            }
        }
    }

    /// The process id on this machine.
    pub fn pid(&self) -> u32 {
        let pid = output(&mut self.engine.podman(&["inspect", "--format={{.State.Pid}}", &self.name]));
        pid.trim().parse().expect("a number")
    }

    /// Stops the container: SIGTERM, and SIGKILL ten seconds later.
    pub fn begin_stop(&self) -> Child {
        let mut stop = self.engine.podman(&["stop", "--time=10", &self.name]);
        stop.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("podman starts")
    }

    /// Waits for the end, returns the exit code, and collects the log.
    pub fn finish_stop(&mut self, mut stop: Child) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("still running: {:?}", self.seen),
            }
        }
        stop.wait().expect("a child can be waited for");
        self.child.wait().expect("a child can be waited for").code()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The container may have ended and been removed.
        let _ = self.engine.podman(&["rm", "--force", "--time=0", &self.name]).output();
        let _ = self.child.wait();
    }
}

/// Runs a command that must succeed, and returns its standard output.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} failed. This test needs buildah and podman with runc, as root, on a machine on which containers run. It \
         said: {said}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
