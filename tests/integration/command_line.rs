//! The command line as a user meets it: exit codes and messages.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::support::client::post;
use crate::support::proxy::{Proxy, command};
use crate::support::receiver::Receiver;

fn run(flags: &[&str]) -> Output {
    command(flags).output().expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn all_bad_flags_are_reported_together_with_exit_code_2() {
    let output = run(&["--http-port=http", "--statsd-port=0", "--log-format=xml", "--no-such-flag", "stray"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for part in ["--http-port \"http\"", "--statsd-port \"0\"", "--log-format \"xml\"", "--no-such-flag", "\"stray\""] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_bad_environment_variable_is_named() {
    let mut bad = command(&[]);
    let output = bad.env("STATSD_HTTP_PROXY_STATSD_PORT", "tcp://10.0.0.1:80").output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("STATSD_HTTP_PROXY_STATSD_PORT \"tcp://10.0.0.1:80\""), "{}", stderr(&output));
}

#[test]
fn a_secret_that_is_not_utf8_does_not_start_an_open_proxy() {
    use std::os::unix::ffi::OsStringExt as _;
    let mut bad = command(&[]);
    let secret = std::ffi::OsString::from_vec(b"\xff\xfe a secret of more than thirty-two bytes".to_vec());
    let output = bad.env("STATSD_HTTP_PROXY_JWT_SECRET", secret).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("STATSD_HTTP_PROXY_JWT_SECRET: the value is not UTF-8"), "{}", stderr(&output));
}

#[test]
fn a_taken_port_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = format!("--http-port={}", taken.local_addr().expect("an address").port());
    let output = run(&[&port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the port is taken"), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("Address already in use").count(), 1, "{}", stderr(&output));
}

#[test]
fn a_second_proxy_on_the_same_port_fails() {
    let receiver = Receiver::new();
    let first = Proxy::start(&receiver, &[]);
    let port = format!("--http-port={}", first.address.port());
    let output = run(&[&port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the port is taken"), "{}", stderr(&output));
}

#[test]
fn unreadable_files_are_named() {
    let output = run(&["--tls-cert=/no/such/cert.pem", "--tls-key=/no/such/key.pem"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--tls-cert /no/such/cert.pem"), "{}", stderr(&output));
    let output = run(&["--jwt-secret-file=/no/such/secret"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--jwt-secret-file \"/no/such/secret\""), "{}", stderr(&output));
}

#[test]
fn version_and_help_need_nothing_else() {
    let version = run(&["--version"]);
    assert!(version.status.success());
    let text = String::from_utf8_lossy(&version.stdout);
    let mut words = text.split_whitespace();
    assert_eq!(words.next(), Some("statsd-http-proxy"));
    assert_eq!(words.next(), Some(env!("CARGO_PKG_VERSION")));
    assert!(words.next().is_some_and(|commit| commit.starts_with('(') && commit.ends_with(')')), "{text}");
    assert!(run(&["-version=1"]).status.success());
    for flag in ["--help", "-help", "-h", "--help=T"] {
        let help = run(&[flag]);
        assert!(help.status.success());
        assert!(String::from_utf8_lossy(&help.stdout).contains("--statsd-packet-size BYTES"));
    }
}

#[test]
fn an_old_start_script_works_unchanged() {
    let receiver = Receiver::new();
    let statsd = receiver.port().to_string();
    let flags = [
        "-verbose",
        "-http-host",
        "127.0.0.1",
        "--http-timeout-read=1",
        "-http-timeout-write",
        "1",
        "-http-timeout-idle=1",
        "--tls-cert=",
        "--tls-key=",
        "-statsd-host",
        "127.0.0.1",
        "-statsd-port",
        &statsd,
        "-jwt-secret",
        "",
        "-metric-prefix",
        "front.",
        "-http-router-name",
        "HttpRouter",
        "-statsd-client-name",
        "GoMetric",
    ];
    let mut proxy = Proxy::start_with(&mut command(&flags));
    proxy.expect(post("/count/a", "value=2"), 200);
    assert_eq!(receiver.next(), "front.a:2|c");
    assert!(proxy.stop().success());
    assert!(proxy.seen.iter().any(|line| line.contains("--http-router-name")), "{:?}", proxy.seen);
}

#[test]
fn json_logs_are_json() {
    let receiver = Receiver::new();
    let mut proxy = Proxy::start(&receiver, &["--log-format=json", "--verbose", "--jwt-secret=short"]);
    proxy.expect(post("/count/a", ""), 401);
    assert!(proxy.stop().success());
    for line in &proxy.seen {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(value["level"].is_string() && value["timestamp"].is_string(), "{line}");
    }
    assert!(proxy.seen.iter().any(|line| line.contains("\"WARN\"") && line.contains("5 bytes")), "{:?}", proxy.seen);
    assert!(proxy.seen.iter().any(|line| line.contains("\"status\":401")), "{:?}", proxy.seen);
}

#[test]
fn the_demo_shows_the_first_metric_and_a_token_that_works() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let mut demo: Command = command(&["--demo", "--jwt-secret=a secret of more than thirty-two bytes"]);
    let mut child = demo.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
    let mut lines =
        BufReader::new(child.stdout.take().expect("standard output is piped")).lines().map_while(Result::ok);
    let curl = lines.find(|line| line.trim_start().starts_with("curl ")).expect("a curl line");
    let token = curl.split("X-JWT-Token: ").nth(1).and_then(|rest| rest.split('\'').next()).expect("a token");
    let address = curl.split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let address = address.parse().expect("an address");
    let request = post("/count/demo.hello", "value=1").replacen("\r\n", &format!("\r\nX-JWT-Token: {token}\r\n"), 1);
    assert_eq!(crate::support::client::exchange(address, request).status, 200);
    let line = lines.find(|line| line.ends_with("demo.hello:1|c")).expect("the line is shown");
    let time = line.split_whitespace().next().expect("a time");
    assert_eq!(time.len(), "12:34:56.789".len(), "{line}");
    child.kill().expect("the demo is running");
    child.wait().expect("a child can be waited for");
}
