//! The configuration: defaults, rules and warnings.

use std::time::Duration;

use super::*;
use crate::statsd::packer::DEFAULT_PACKET_SIZE;
use crate::upstream::address::Route;

fn config(args: &[&str]) -> Result<Config, ConfigErrors> {
    Config::new(&CommandLine::read(args.iter().map(std::ffi::OsString::from), |_| None))
}

#[test]
fn the_defaults_match_the_documents() {
    let config = config(&[]).expect("the defaults are sound");
    assert_eq!((config.server.host.as_str(), config.server.port), ("127.0.0.1", 80));
    let [address] = &config.upstream.addresses[..] else { panic!("one address") };
    assert_eq!(
        (address.name.as_str(), address.location.to_string().as_str()),
        ("127.0.0.1:8125", "udp://127.0.0.1:8125")
    );
    let seconds = |timeout: Option<Duration>| timeout.map(|t| t.as_secs());
    let Timeouts { read, write, idle } = config.timeouts;
    assert_eq!((seconds(read), seconds(write), seconds(idle)), (Some(5), Some(5), Some(75)));
    assert_eq!(
        (config.policy.limits.max_body_size, config.server.max_connections, address.packet_size),
        (65536, 10000, 1432)
    );
    assert!(config.policy.secret.is_none() && config.policy.tls.is_none() && config.warnings.is_empty());
}

#[test]
fn the_default_packet_size_is_that_of_the_packer() {
    assert_eq!(flags::STATSD_PACKET_SIZE.default, DEFAULT_PACKET_SIZE.to_string());
}

#[test]
fn all_mistakes_are_reported_together_by_flag_and_value() {
    let bad =
        ["--http-port=99999", "--statsd-port=x", "--log-format=xml", "--nope", "--tls-cert=c.pem", "--verbose=si"];
    let errors = config(&bad).expect_err("all are wrong").0;
    assert_eq!(errors.len(), bad.len(), "{errors:?}");
    for part in
        ["--http-port \"99999\"", "--statsd-port \"x\"", "--log-format \"xml\"", "--nope", "--tls-key", "\"si\""]
    {
        assert!(errors.iter().any(|e| e.contains(part)), "{part} in {errors:?}");
    }
}

#[test]
fn an_empty_host_listens_on_all_addresses() {
    assert_eq!(config(&["--http-host="]).expect("sound").server.host, "");
    assert_eq!(config(&["--http-host", ""]).expect("sound").server.host, "");
}

#[test]
fn the_demo_has_its_own_default_port() {
    assert_eq!(config(&["--demo"]).expect("sound").server.port, 8080);
    assert_eq!(config(&["--demo", "--http-port=81"]).expect("sound").server.port, 81);
}

#[test]
fn old_flags_are_accepted_with_a_warning() {
    let config = config(&["-http-router-name", "HttpRouter", "-profiler-http-port=6060"]).expect("sound");
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
}

#[test]
fn a_secret_is_never_shown() {
    let secret = "s3cr3t-that-must-not-be-seen-anywhere";
    let config = config(&["--jwt-secret", secret]).expect("sound");
    assert!(config.warnings.is_empty());
    assert!(!format!("{config:?}").contains("s3cr3t"));
    let errors = super::Config::new(&CommandLine::read(
        ["--jwt-secret".into(), secret.into(), "--jwt-secret-file=f".into()],
        |_| None,
    ));
    assert!(!errors.expect_err("both are given").to_string().contains("s3cr3t"));
}

#[test]
fn a_short_secret_gets_a_warning() {
    assert_eq!(config(&["--jwt-secret=short"]).expect("sound").warnings.len(), 1);
}

#[test]
fn a_prefix_that_daemons_use_gets_a_warning() {
    for prefix in ["statsd", "statsd.", "statsd.web", "stat\u{a0}sd", "statsd_exporter"] {
        let config = config(&["--metric-prefix", prefix]).expect("sound");
        assert_eq!(config.warnings.len(), 1, "{prefix:?}: {:?}", config.warnings);
        assert!(config.warnings[0].contains("choose another prefix"), "{:?}", config.warnings);
    }
    for prefix in ["", "web", "web.statsd", "statsd2", "Statsd"] {
        assert!(config(&["--metric-prefix", prefix]).expect("sound").warnings.is_empty(), "{prefix:?}");
    }
}

#[test]
fn a_zero_timeout_is_disabled_with_a_warning() {
    let config = config(&["--http-timeout-idle=0"]).expect("sound");
    assert_eq!((config.timeouts.idle, config.warnings.len()), (None, 1));
}

#[test]
fn no_two_flags_have_a_variable_in_common() {
    let twins: std::collections::BTreeSet<String> = flags::FLAGS.iter().map(|flag| flag.env()).collect();
    assert_eq!(twins.len(), flags::FLAGS.len());
}

#[test]
fn each_flag_fills_its_setting() {
    let config = config(&[
        "--http-host=localhost",
        "--http-port=1",
        "--http-timeout-read=2",
        "--http-timeout-write=3",
        "--http-timeout-idle=4",
        "--http-max-body-size=5",
        "--http-max-batch-size=6",
        "--http-base-path=/seven",
        "--http-max-connections=8",
        "--http-threads=9",
        "--tls-cert=c.pem",
        "--tls-key=k.pem",
        "--statsd-host=daemon",
        "--statsd-port=10",
        "--statsd-packet-size=110",
        "--statsd-dialect=datadog",
        "--statsd-tag=a=b",
        "--statsd-tag=c=d",
        "--metric-prefix=web",
        "--jwt-secret=0123456789abcdef0123456789abcdef",
        "--demo",
        "--verbose",
        "--log-format=json",
    ])
    .expect("sound flags");
    let ServerSettings { host, port, max_connections, threads } = &config.server;
    assert_eq!((host.as_str(), *port, *max_connections, *threads), ("localhost", 1, 8, 9));
    let Timeouts { read, write, idle } = config.timeouts;
    assert_eq!([read, write, idle], [2, 3, 4].map(|seconds| Some(Duration::from_secs(seconds))));
    let limits = config.policy.limits;
    assert_eq!((limits.max_body_size, limits.max_batch_size), (5, 6));
    let tls = config.policy.tls.expect("both files are given");
    assert_eq!((tls.cert.to_str(), tls.key.to_str()), (Some("c.pem"), Some("k.pem")));
    assert_eq!(config.policy.secret.expect("one is given").expose(), b"0123456789abcdef0123456789abcdef");
    let api::settings::Settings { routes, listen_host, verbose } = config.api;
    assert_eq!((routes.base.as_str(), listen_host.as_str(), verbose), ("/seven", "localhost", true));
    let [address] = &config.upstream.addresses[..] else { panic!("one address") };
    assert_eq!((address.name.as_str(), address.packet_size), ("daemon:10", 110));
    let encoding = config.encoding;
    assert_eq!((encoding.prefix().as_str(), encoding.dialect().name, encoding.tags()), ("web.", "datadog", "a:b,c:d"));
    assert!(config.demo && config.log_format == Format::Json && config.warnings.is_empty());
}

#[test]
fn each_address_has_its_transport_dialect_and_packet_size() {
    let addresses = "--statsd-address=udp://a,unix:///b";
    let config = config(&[addresses, "--statsd-address", "datadog+tcp://c:1", "--statsd-tag=k=v", "--metric-prefix=p"]);
    let config = config.expect("sound flags");
    let names: Vec<&str> = config.upstream.addresses.iter().map(|address| address.name.as_str()).collect();
    assert_eq!(names, ["udp://a:8125", "unix:///b", "tcp://c:1"]);
    let sizes: Vec<usize> = config.upstream.addresses.iter().map(|address| address.packet_size).collect();
    assert_eq!(sizes, [1432, 8192, 1432]);
    let dialects: Vec<&str> = config.encodings.iter().map(|encoding| encoding.dialect().name).collect();
    assert_eq!(dialects, ["statsd", "statsd", "datadog"]);
    assert!(config.encodings.iter().all(|encoding| encoding.tags() == "k:v" && encoding.prefix().as_str() == "p."));
    assert!(!config.encoding.dialect().shifts, "the agent has none");
    assert_eq!((config.upstream.route, config.upstream.failover), (Route::Shard, false));
}

#[test]
fn a_packet_size_that_is_given_holds_for_all_datagrams() {
    let config = config(&["--statsd-address=udp://a,unix:///b,tcp://c", "--statsd-packet-size=512"]).expect("sound");
    let sizes: Vec<usize> = config.upstream.addresses.iter().map(|address| address.packet_size).collect();
    assert_eq!(sizes, [512, 512, 1432]);
}

#[test]
fn addresses_and_the_older_flags_exclude_each_other() {
    let errors = config(&["--statsd-address=udp://a", "--statsd-port=1"]).expect_err("two ways").0;
    assert_eq!(
        errors,
        [
            "--statsd-address and --statsd-port are both given: name every daemon by --statsd-address, as in udp://HOST:PORT"
        ]
    );
    let env = |name: &str| (name == "STATSD_HTTP_PROXY_STATSD_ADDRESS").then(|| "tcp://a:1,tcp://b:1".into());
    let line = CommandLine::read(["--statsd-host=a".into()], env);
    let errors = Config::new(&line).expect_err("two ways").0;
    assert!(errors[0].starts_with("STATSD_HTTP_PROXY_STATSD_ADDRESS and --statsd-host are both given"), "{errors:?}");
    let line = CommandLine::read(["--statsd-host=".into()], env);
    assert_eq!(Config::new(&line).expect("an empty value counts as unset").upstream.addresses.len(), 2);
}

#[test]
fn what_is_said_of_several_addresses_needs_several() {
    let warnings = config(&["--statsd-route=mirror", "--statsd-failover"]).expect("sound").warnings;
    assert_eq!(
        warnings,
        [
            "--statsd-route has no effect: StatsD has one address",
            "--statsd-failover has no effect: StatsD has one address"
        ]
    );
    let several = "--statsd-address=udp://a,udp://b";
    let errors = config(&[several, "--statsd-route=mirror", "--statsd-failover"]).expect_err("a contradiction").0;
    assert!(errors[0].starts_with("--statsd-failover needs --statsd-route shard"), "{errors:?}");
    let errors = config(&[several, "--statsd-route=mirrors"]).expect_err("a misspelling").0;
    assert_eq!(errors, ["--statsd-route \"mirrors\": must be one of shard, mirror: did you mean \"mirror\"?"]);
}

#[test]
fn a_tag_is_refused_once_whichever_dialect_refuses_it() {
    let errors = config(&["--statsd-address=udp://a,datadog+udp://b", "--statsd-tag=none"]).expect_err("no value").0;
    assert_eq!(errors, ["--statsd-tag \"none\": must be key=value"]);
}
