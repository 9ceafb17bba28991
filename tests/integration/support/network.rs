//! Separate networks for tests with routes, firewalls and slow links that must not affect the machine.

use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

/// A network namespace and a mount namespace. All processes that this thread starts afterwards are in them, including
/// the proxy.
pub struct Network(());

impl Network {
    /// Moves this thread into a network with only a loopback interface. `None` without the permission, which only root
    /// has; in CI that is a failure.
    pub fn new() -> Option<Self> {
        let network = Self::where_permitted();
        if network.is_none() {
            eprintln!("not run: only root may make a network namespace");
        }
        network
    }

    /// The same for a test that only needs a port that no other process on this machine can take.
    pub fn where_permitted() -> Option<Self> {
        match unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS) {
            Ok(()) => {}
            Err(Errno::EPERM) if std::env::var_os("CI").is_none() => return None,
            Err(error) => panic!("a network namespace: {error}"),
        }
        let network = Self(());
        network.run("mount --make-rprivate /");
        network.run("ip link set lo up");
        Some(network)
    }

    /// Runs a command, its words separated by spaces, in this network.
    pub fn run(&self, command: &str) {
        let mut words = command.split(' ');
        let program = words.next().expect("split gives one piece at least");
        let output = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes `hosts` the file for name resolution.
    pub fn names_from(&self, hosts: &Path) {
        self.run(&format!("mount --bind {} /etc/hosts", hosts.display()));
    }
}
