//! The command line: exit codes and messages.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::support::client::{exchange, post};
use crate::support::proxy::{Proxy, command, refusal};
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
fn a_port_in_use_is_reported() {
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
fn version_and_help_work_with_any_other_flags() {
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
    assert_eq!(exchange(address, request).status, 200);
    let line = lines.find(|line| line.ends_with("demo.hello:1|c")).expect("the line is shown");
    let time = line.split_whitespace().next().expect("a time");
    assert_eq!(time.len(), "12:34:56.789".len(), "{line}");
    child.kill().expect("the demo is running");
    child.wait().expect("a child can be waited for");
}

/// Runs flags that must be refused with exit code 2, and returns the message.
fn refused(flags: &[&str]) -> String {
    let (code, said) = refusal(&mut command(flags));
    assert_eq!(code, Some(2), "{flags:?}: {said}");
    said
}

#[test]
fn a_switch_that_is_neither_true_nor_false_is_an_error() {
    for flags in [["--version=yes"], ["--help=x"], ["-version=2"], ["--version=on"], ["--help=TrUe"], ["--verbose=yes"]]
    {
        assert!(refused(&flags).contains("must be true or false"), "{flags:?}");
    }
    let mut by_variable = command(&[]);
    let (code, said) = refusal(by_variable.env("STATSD_HTTP_PROXY_VERSION", "2.0.0"));
    assert_eq!(code, Some(2));
    assert!(said.contains("STATSD_HTTP_PROXY_VERSION \"2.0.0\": must be true or false"), "{said}");
    let mut proxy = Proxy::start(&Receiver::new(), &["--version=false", "--help=F"]);
    assert!(proxy.stop().success());
}

#[test]
fn help_into_a_closed_pipe_succeeds() {
    let mut help = command(&["--help"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = help.stdout(writer).stderr(std::process::Stdio::piped()).output().expect("the binary runs");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn the_error_for_a_host_with_a_port_or_scheme_shows_the_right_flags() {
    for (flag, advice) in [
        ("--statsd-host=127.0.0.1:8125", "use --statsd-host 127.0.0.1 --statsd-port 8125"),
        ("--statsd-host=statsd:9125", "use --statsd-host statsd --statsd-port 9125"),
        ("--statsd-host=[::1]:8125", "use --statsd-host ::1 --statsd-port 8125"),
        ("--statsd-host=::1:8125", "use --statsd-host ::1 --statsd-port 8125"),
        ("--statsd-host=udp://10.0.0.1:8125", "use --statsd-host 10.0.0.1 --statsd-port 8125"),
        ("--statsd-host=/run/statsd.sock", "Unix sockets are not supported"),
        ("--statsd-host=10.0.0.1 ", "without spaces"),
        ("--statsd-host=10.0.0.1,10.0.0.2", "must be one host"),
        ("--http-host=0.0.0.0:80", "use --http-host 0.0.0.0 --http-port 80"),
        ("--http-host=:8080", "use --http-host= --http-port 8080"),
        ("--http-host=http://0.0.0.0/", "use --http-host 0.0.0.0"),
        ("--http-host=*", "--http-host= (empty) listens on all addresses"),
    ] {
        let said = refused(&[flag]);
        assert!(said.contains(advice), "{advice} in {said}");
    }
    let said = refused(&["--statsd-host=udp://user:hidden@10.0.0.1:8125"]);
    assert!(!said.contains("hidden"), "{said}");
}

#[test]
fn ipv6_hosts_work_with_and_without_brackets() {
    let receiver = Receiver::bind("[::1]:0");
    let port = format!("--statsd-port={}", receiver.port());
    for (statsd, http) in [("::1", "[::1]"), ("[::1]", "::1"), ("[::1]", "::"), ("::1", "[::]"), ("::1", "")] {
        let (statsd, http) = (format!("--statsd-host={statsd}"), format!("--http-host={http}"));
        let proxy = Proxy::start_with(&mut command(&[&statsd, &http, &port]));
        assert_eq!(exchange(proxy.address, post("/count/a", "value=2")).status, 200, "{http}");
        assert_eq!(receiver.next(), "a:2|c", "{statsd}");
        if proxy.address.ip().is_unspecified() {
            let ipv4 = (std::net::Ipv4Addr::LOCALHOST, proxy.address.port()).into();
            assert_eq!(exchange(ipv4, post("/count/b", "value=3")).status, 200, "{http}");
            assert_eq!(receiver.next(), "b:3|c", "{statsd}");
        }
    }
}

#[test]
fn an_unknown_name_gets_a_suggestion() {
    for (flag, question) in [
        ("--statsd-hots=a", "unknown flag --statsd-hots: did you mean --statsd-host?"),
        ("-http_port=80", "unknown flag -http_port: did you mean --http-port?"),
        ("-httpPort=80", "unknown flag -httpPort: did you mean --http-port?"),
        ("--port=80", "did you mean --http-port or --statsd-port?"),
        ("--metrics-prefix=a", "did you mean --metric-prefix?"),
        ("--statsd-dialect=Datadog", "did you mean \"datadog\"?"),
        ("--statsd-dialect=dogstatsd", "did you mean \"datadog\"?"),
        ("--statsd-dialect=telegraff", "did you mean \"telegraf\"?"),
        ("--log-format=jsn", "did you mean \"json\"?"),
    ] {
        let said = refused(&[flag]);
        assert!(said.contains(question), "{question} in {said}");
    }
}

#[test]
fn errors_have_the_range_with_its_unit_and_the_plain_number() {
    for (flag, rule) in [
        ("--http-timeout-read=5s", "must be seconds, 0 to 86400; write 5"),
        ("--http-timeout-idle=90000", "must be seconds, 0 to 86400"),
        ("--http-max-body-size=64k", "must be bytes, 1 to 67108864; write 65536"),
        ("--http-max-batch-size=1MiB", "must be bytes, 1 to 16777216; write 1048576"),
        ("--http-max-connections=10k", "must be connections, 1 to 1000000; write 10000"),
        ("--http-threads=0", "must be threads, 1 to 1024; leave it out"),
        ("--statsd-port=8125/udp", "must be a port, 1 to 65535; write 8125"),
    ] {
        let said = refused(&[flag]);
        assert!(said.contains(rule), "{rule} in {said}");
    }
}

#[test]
fn a_misspelt_variable_gives_a_warning_with_a_suggestion() {
    let mut misspelt = command(&[]);
    misspelt.env("STATSD_HTTP_PROXY_JWT_SECRT", "hidden").env("STATSD_HTTP_PROXY_METRIC_PREFIX", "");
    misspelt.env("STATSD_HTTP_PROXY_SERVICE_HOST", "10.0.0.1").env("STATSD_HTTP_PROXY_PORT", "tcp://10.0.0.1:80");
    let mut proxy = Proxy::start_with(&mut misspelt);
    assert!(proxy.stop().success());
    let warnings: Vec<_> = proxy.seen.iter().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("STATSD_HTTP_PROXY_JWT_SECRT: did you mean STATSD_HTTP_PROXY_JWT_SECRET?"),
        "{warnings:?}"
    );
    assert!(!proxy.seen.concat().contains("hidden"), "{:?}", proxy.seen);
    // The warning is also printed together with an error that it may explain.
    let mut with_error = command(&["--tls-cert=cert.pem"]);
    let (code, said) = refusal(with_error.env("STATSD_HTTP_PROXY_TLSKEY", "key.pem"));
    assert_eq!(code, Some(2));
    assert!(said.contains("did you mean STATSD_HTTP_PROXY_TLS_KEY?") && said.contains("needs --tls-key too"), "{said}");
}

#[test]
fn the_start_line_has_the_settings() {
    let flags = [
        "--metric-prefix=web",
        "--http-base-path=/app/m",
        "--statsd-dialect=datadog",
        "--http-threads=2",
        "--http-max-body-size=1024",
        "--http-max-batch-size=5000",
        "--http-max-connections=7",
        "--http-timeout-write=3",
        "--http-timeout-idle=0",
    ];
    let proxy = Proxy::start_with(&mut command(&flags));
    let line = proxy.seen.last().expect("the start line");
    assert!(
        line.ends_with(
            "prefix \"web.\", base path /app/m, dialect datadog, threads 2; limits: body 1 KiB, batch 5000 bytes, \
             connections 7, read 5 s, write 3 s, idle none, datagram 1432 bytes"
        ),
        "{line}"
    );
}

#[test]
fn the_start_line_has_the_connections_that_the_file_limit_allows() {
    let mut limited = Command::new("sh");
    // 100 files, less 16 for the process and 4 for each worker.
    limited
        .env_clear()
        .args(["-c", "ulimit -n 100; exec \"$0\" --http-port=0 --http-threads=2"])
        .arg(command(&[]).get_program());
    let proxy = Proxy::start_with(&mut limited);
    let line = proxy.seen.last().expect("the start line");
    assert!(line.contains("connections 68,"), "{line}");
    let warnings = proxy.seen.iter().filter(|line| line.contains("the limit on open files")).count();
    assert_eq!(warnings, 1, "{:?}", proxy.seen);
}

#[test]
fn a_public_server_without_tokens_gets_a_warning() {
    let warned = |flags: &[&str]| {
        let mut proxy = Proxy::start_with(&mut command(flags));
        assert!(proxy.stop().success());
        proxy.seen.iter().any(|line| line.contains("WARN") && line.contains("no token is required"))
    };
    assert!(warned(&["--http-host="]));
    assert!(warned(&["--http-host=0.0.0.0"]));
    assert!(!warned(&["--http-host=127.0.0.1"]));
    assert!(!warned(&["--http-host=::1"]));
    assert!(!warned(&["--http-host=", "--jwt-secret=a secret of more than thirty-two bytes"]));
}

#[test]
fn a_secret_file_of_several_lines_gets_a_warning() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let flag = format!("--jwt-secret-file={}", file.path().display());
    for (content, warned) in [
        ("hidden secret of more than thirty-two bytes\nhidden too\n", true),
        ("hidden secret of more than thirty-two bytes\n", false),
        ("hidden secret of more than thirty-two bytes\r\n", false),
    ] {
        std::fs::write(file.path(), content).expect("it is written");
        let mut proxy = Proxy::start_with(&mut command(&[&flag]));
        assert!(proxy.stop().success());
        let seen = proxy.seen.concat();
        assert_eq!(seen.contains("2 lines of text"), warned, "{seen}");
        assert!(!seen.contains("hidden"), "{seen}");
    }
}

#[test]
fn no_error_shows_a_secret() {
    for flags in [
        &["--jwt-secrt", "hidden"][..],
        &["--jwt-secret hidden"],
        &["--jwt-secret", "my", "hidden", "words"],
        &["jwt-secret=hidden"],
        &["--jwt-secret-file=hidden secret of more than thirty-two bytes"],
        &["--tls-cert=c.pem", "--tls-key=-----BEGIN PRIVATE KEY----- hidden -----END PRIVATE KEY-----"],
    ] {
        let said = refused(flags);
        assert!(!said.contains("hidden"), "{flags:?}: {said}");
    }
}
