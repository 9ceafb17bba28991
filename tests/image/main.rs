//! The container image, in containers. `make test-image` runs this.

// Parts of the support code that only the integration tests use.
#[allow(dead_code)]
#[path = "../integration/support/client.rs"]
mod client;
mod engine;
mod name_server;
#[allow(dead_code)]
#[path = "../integration/support/receiver.rs"]
mod receiver;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use client::{exchange, post};
use engine::Engine;
use receiver::Receiver;

/// Longest wait of a test for an event that must occur. It is long, because only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The settings of a hardened cluster.
const HARDENED: [&str; 4] = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=host"];

/// Lets user 65532 listen on port 80, which is Docker's default.
const LOW_PORTS: &str = "--sysctl=net.ipv4.ip_unprivileged_port_start=0";

/// The address of a container in this network.
fn loopback_of(address: SocketAddr) -> [SocketAddr; 2] {
    [(Ipv4Addr::LOCALHOST, address.port()).into(), (Ipv6Addr::LOCALHOST, address.port()).into()]
}

#[test]
fn the_image_contains_only_the_binary() {
    let engine = Engine::get();
    let found = engine.inspect();
    let config = &found[0]["Config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/statsd-http-proxy"]));
    assert!(
        config["Env"].as_array().is_some_and(|env| env.contains(&"STATSD_HTTP_PROXY_HTTP_HOST=::".into())),
        "{config}"
    );
    assert_eq!(config["ExposedPorts"], serde_json::json!({ "80/tcp": {} }));
    assert_eq!(found[0]["RepoTags"], serde_json::json!(["localhost/statsd-http-proxy:latest"]));
    assert_eq!(engine.files(), ["statsd-http-proxy"]);
}

#[test]
fn a_metric_arrives_from_a_read_only_container_and_stop_drains() {
    let engine = Engine::get();
    let receiver = Receiver::new();
    let port = format!("--statsd-port={}", receiver.port());
    let mut container = engine.run(&HARDENED, &["--http-port=0", "--http-timeout-read=60", &port, "--verbose"]);
    assert_eq!(container.address.ip(), Ipv6Addr::UNSPECIFIED);
    for address in loopback_of(container.address) {
        assert_eq!(exchange(address, post("/count/a", "value=2")).status, 200);
        assert_eq!(receiver.next(), "a:2|c");
    }
    // A request that began before the signal is answered.
    let mut begun = client::Client::connect(loopback_of(container.address)[0]);
    begun.send("POST /count/b HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nval");
    assert_eq!(exchange(loopback_of(container.address)[0], "GET /heartbeat HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    let stopping = container.begin_stop();
    container.wait_for_log("SIGTERM");
    assert_eq!(begun.send("ue=3").answer().status, 200);
    assert_eq!(receiver.next(), "b:3|c");
    assert_eq!(container.finish_stop(stopping), Some(0), "{:?}", container.seen);
    assert!(container.seen.iter().any(|line| line.contains("stopped: 3 metrics sent")), "{:?}", container.seen);
}

#[test]
fn names_resolve_with_hosts_and_name_servers() {
    let engine = Engine::get();
    let name_server = name_server::start(Ipv4Addr::new(127, 0, 0, 9));
    let dns = format!("--dns={name_server}");
    // The file of systemd-resolved, whose first module is missing in a static binary.
    let switch = engine.file("nsswitch.conf", "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n");
    let switch = format!("--volume={}:/etc/nsswitch.conf:ro", switch.display());
    for (options, statsd_host, address) in [
        (&[][..], "localhost", "127.0.0.1:0"),
        (&["--add-host=statsd.hosts:127.0.0.9"], "statsd.hosts", "127.0.0.9:0"),
        (&[&dns], "statsd.example", "127.0.0.9:0"),
        (&[&dns, &switch], "statsd.example", "127.0.0.9:0"),
    ] {
        let receiver = Receiver::bind(address);
        let flags =
            ["--http-port=0", &format!("--statsd-host={statsd_host}"), &format!("--statsd-port={}", receiver.port())];
        let mut container = engine.run(&[&HARDENED, options].concat(), &flags);
        assert_eq!(exchange(loopback_of(container.address)[0], post("/count/a", "value=2")).status, 200);
        assert_eq!(receiver.next(), "a:2|c", "{statsd_host}");
        let stopping = container.begin_stop();
        assert_eq!(container.finish_stop(stopping), Some(0), "{:?}", container.seen);
    }
}

/// Asks for the heartbeat from inside a container's network.
fn heartbeat(pid: u32, host: &str) -> String {
    let output = Command::new("nsenter")
        .args([
            &format!("--net=/proc/{pid}/ns/net"),
            "curl",
            "-sS",
            "--max-time",
            "20",
            &format!("http://{host}/heartbeat"),
        ])
        .output()
        .expect("nsenter starts");
    String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout }).into_owned()
}

#[test]
fn by_default_it_listens_on_port_80_of_all_addresses() {
    let engine = Engine::get();
    let container = engine.run(&["--network=none", LOW_PORTS], &["--verbose"]);
    assert_eq!(container.address.to_string(), "[::]:80");
    for host in ["127.0.0.1", "[::1]"] {
        assert_eq!(heartbeat(container.pid(), host), "OK", "{host}");
    }
}

#[test]
fn it_listens_without_ipv6() {
    let engine = Engine::get();
    let off = ["--network=none", LOW_PORTS, "--sysctl=net.ipv6.conf.all.disable_ipv6=1"];
    assert_eq!(heartbeat(engine.run(&off, &[]).pid(), "127.0.0.1"), "OK");
    // As in a kernel that was booted with ipv6.disable=1: EAFNOSUPPORT, 97, for AF_INET6, 10.
    let profile = engine.file(
        "seccomp.json",
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ERRNO",
            "errnoRet": 97, "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"}]}]}"#,
    );
    let without = format!("--security-opt=seccomp={}", profile.display());
    let container = engine.run(&["--network=none", LOW_PORTS, &without], &[]);
    assert_eq!(container.address.to_string(), "0.0.0.0:80");
    assert_eq!(heartbeat(container.pid(), "127.0.0.1"), "OK");
}
