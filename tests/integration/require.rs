//! The packages that the Makefile installs before a target, and its errors if it cannot.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A machine with these commands, and those that every shell script needs. Its `id` prints the user.
struct Machine(TempDir);

impl Machine {
    fn new(user: u32, commands: &[(&str, &str)]) -> Self {
        let machine = Self(tempfile::tempdir().expect("a folder"));
        for tool in ["tr", "env", "grep", "chmod", "cat"] {
            let found =
                ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(tool)).find(|path| path.exists());
            symlink(found.expect("Debian's essential commands"), machine.path().join(tool)).expect("a link");
        }
        machine.add("id", &format!("echo {user}"));
        for (name, script) in commands {
            machine.add(name, script);
        }
        machine
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn add(&self, name: &str, script: &str) {
        // A separate process writes the file: if a child of another thread had it open for writing, it could not be
        // run.
        let mut writer = Command::new("/bin/sh");
        writer.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"]);
        let status = writer.arg(self.path().join(name)).arg(script).status().expect("a shell");
        assert!(status.success(), "{name} was not written");
    }

    /// Requires the command `tool-x` of the packages `pack-a` and `pack-b`, or others. Returns the success and was
    /// said.
    fn require(&self, needs: &[&str]) -> (bool, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/require");
        let mut command = Command::new("/bin/sh");
        command.arg(script).arg("quick").args(needs).env_clear().env("PATH", self.path());
        let output = command.output().expect("a shell");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).expect("UTF-8"))
    }
}

const NEED: &[&str] = &["tool-x:pack-a+pack-b"];

/// An apt-get that prints its arguments, and installs `tool-x` with `installs`.
fn apt_get(installs: &str) -> String {
    format!(
        "case $* in *assume-no*) echo 'Need to get 12 MB of archives.'; exit 1 ;; esac\n\
         echo \"apt-get $*\"\n\
         case $1 in install) {installs} ;; esac"
    )
}

#[test]
fn existing_commands_are_not_installed() {
    let machine = Machine::new(1000, &[("tool-x", ""), ("cargo", "")]);
    assert_eq!(machine.require(&["cargo", "tool-x:pack-a"]), (true, String::new()));
}

#[test]
fn the_error_for_a_missing_cargo_names_cargo() {
    let (done, said) = Machine::new(0, &[("apt-get", "")]).require(&["cargo", "tool-x:pack-a"]);
    assert!(!done && said.starts_with("make quick: there is no cargo in PATH: install Rust"), "{said}");
}

#[test]
fn the_error_without_apt_get_root_or_sudo_names_it() {
    let by_hand = "missing: tool-x. Debian's packages: pack-a pack-b";
    for (user, commands, blamed) in [
        (0, &[][..], "there is no apt-get to install them with"),
        (1000, &[("apt-get", "")][..], "you are not root and there is no sudo to install them with"),
        (0, &[("apt-get", "exit 100")][..], "apt-get update failed, see above"),
        (0, &[("apt-get", "[ $1 = update ]")][..], "apt-get install failed, see above"),
        (1000, &[("apt-get", ""), ("sudo", "exit 1")][..], "sudo apt-get update failed, see above"),
    ] {
        let (done, said) = Machine::new(user, commands).require(NEED);
        assert!(!done && said.contains(&format!("make quick: {blamed}; {by_hand}\n")), "{commands:?}: {said}");
    }
}

#[test]
fn packages_are_announced_before_and_checked_after_the_installation() {
    for (user, sudo) in [(0, ""), (1000, "sudo ")] {
        let commands = [("sudo", "echo \"sudo $*\"\nexec \"$@\"")];
        let machine = Machine::new(user, &commands[..]);
        let tool = machine.path().join("tool-x");
        let install = format!("echo '#!/bin/sh' > {0} && chmod +x {0}", tool.display());
        machine.add("apt-get", &apt_get(&install));
        let (done, said) = machine.require(NEED);
        let plan = format!("make quick: installing pack-a pack-b with {sudo}apt-get, for tool-x\n");
        assert!(done && said.starts_with(&plan), "{said}");
        assert!(said.contains("Need to get 12 MB of archives."), "{said}");
        assert!(said.contains("apt-get install -yq --no-install-recommends pack-a pack-b\n"), "{said}");
        assert_eq!(said.contains("sudo apt-get update"), user != 0, "{said}");
        // The command exists now.
        assert_eq!(machine.require(NEED), (true, String::new()));
    }
    let machine = Machine::new(0, &[("apt-get", &apt_get("true"))]);
    let (done, said) = machine.require(NEED);
    assert!(!done && said.contains("are installed, but there is still no tool-x in PATH"), "{said}");
}
