//! The configuration: its defaults, its rules, and its warnings.

use std::time::Duration;

use super::*;
use crate::statsd::packer::DEFAULT_PACKET_SIZE;

fn config(args: &[&str]) -> Result<Config, ConfigErrors> {
    Config::new(&CommandLine::read(args.iter().map(std::ffi::OsString::from), |_| None))
}

#[test]
fn defaults_are_those_of_the_documents() {
    let config = config(&[]).expect("the defaults are sound");
    assert_eq!((config.server.host.as_str(), config.server.port), ("127.0.0.1", 80));
    assert_eq!(config.upstream.endpoint.to_string(), "127.0.0.1:8125");
    let seconds = |timeout: Option<Duration>| timeout.map(|t| t.as_secs());
    let Timeouts { read, write, idle } = config.timeouts;
    assert_eq!((seconds(read), seconds(write), seconds(idle)), (Some(5), Some(5), Some(75)));
    assert_eq!(
        (config.policy.limits.max_body_size, config.server.max_connections, config.upstream.packet_size),
        (65536, 10000, 1432)
    );
    assert!(config.policy.secret.is_none() && config.policy.tls.is_none() && config.warnings.is_empty());
}

#[test]
fn the_default_packet_size_is_the_one_that_is_explained() {
    assert_eq!(config(&[]).expect("the defaults are sound").upstream.packet_size, DEFAULT_PACKET_SIZE);
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
fn an_empty_host_is_any_address() {
    assert_eq!(config(&["--http-host="]).expect("sound").server.host, "");
    assert_eq!(config(&["--http-host", ""]).expect("sound").server.host, "");
}

#[test]
fn the_demo_has_a_port_of_its_own_unless_one_is_given() {
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
fn a_short_secret_is_warned_of() {
    assert_eq!(config(&["--jwt-secret=short"]).expect("sound").warnings.len(), 1);
}

#[test]
fn a_prefix_of_a_daemons_own_metrics_is_warned_of() {
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
fn a_zero_timeout_is_none_with_a_warning() {
    let config = config(&["--http-timeout-idle=0"]).expect("sound");
    assert_eq!((config.timeouts.idle, config.warnings.len()), (None, 1));
}
