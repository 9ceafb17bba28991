//! The command line: syntax, environment variables, and suggestions for unknown names.

use super::*;

fn read(args: &[&str]) -> CommandLine {
    CommandLine::read(args.iter().map(OsString::from), |_| None)
}

fn value(line: &CommandLine, flag: &Flag) -> Option<String> {
    line.value(flag).map(|given| given.value)
}

#[test]
fn go_syntax_is_read() {
    let line = read(&["-http-port", "8080", "--statsd-port=9125", "-verbose", "--metric-prefix", "a.b"]);
    assert!(line.errors.is_empty(), "{:?}", line.errors);
    assert_eq!(value(&line, &flags::HTTP_PORT).as_deref(), Some("8080"));
    assert_eq!(value(&line, &flags::STATSD_PORT).as_deref(), Some("9125"));
    assert_eq!(value(&line, &flags::VERBOSE).as_deref(), Some("true"));
    assert_eq!(value(&line, &flags::METRIC_PREFIX).as_deref(), Some("a.b"));
    assert_eq!(value(&read(&["--verbose=false"]), &flags::VERBOSE).as_deref(), Some("false"));
    assert_eq!(value(&read(&["--http-port=1", "--http-port=2"]), &flags::HTTP_PORT).as_deref(), Some("2"));
    assert_eq!(
        value(&read(&["-statsd-tag", "a=b", "--statsd-tag=c=d"]), &flags::STATSD_TAG).as_deref(),
        Some("a=b,c=d")
    );
}

#[test]
fn an_empty_value_is_unset() {
    let line = read(&["--jwt-secret=", "--http-port", "", "--http-host="]);
    assert_eq!(value(&line, &flags::JWT_SECRET), None);
    assert_eq!(value(&line, &flags::HTTP_PORT).as_deref(), Some("80"));
    assert_eq!(line.given(&flags::HTTP_HOST).map(|g| g.value.as_str()), Some(""));
}

#[test]
fn a_flag_takes_precedence_over_its_environment_variable() {
    let env = |name: &str| match name {
        "STATSD_HTTP_PROXY_HTTP_PORT" => Some("1".into()),
        "STATSD_HTTP_PROXY_STATSD_PORT" => Some("2".into()),
        "STATSD_HTTP_PROXY_METRIC_PREFIX" => Some(OsString::new()),
        _ => None,
    };
    let line = CommandLine::read(["--http-port=3".into()], env);
    assert_eq!(value(&line, &flags::HTTP_PORT).as_deref(), Some("3"));
    assert_eq!(line.value(&flags::STATSD_PORT).map(|g| g.origin).as_deref(), Some("STATSD_HTTP_PROXY_STATSD_PORT"));
    assert_eq!(line.given(&flags::METRIC_PREFIX), None);
    let line = CommandLine::read(["--statsd-port=".into(), "--http-host=".into()], |name| {
        Some(if name.ends_with("PORT") { "2" } else { "x" }.into())
    });
    assert_eq!(value(&line, &flags::STATSD_PORT).as_deref(), Some("2"));
    assert_eq!(line.given(&flags::HTTP_HOST).map(|g| g.value.as_str()), Some(""));
}

#[test]
fn a_value_that_is_not_utf8_is_an_error_and_is_not_shown() {
    use std::os::unix::ffi::OsStringExt as _;
    let broken = |text: &str| OsString::from_vec([text.as_bytes(), b"\xff\xfe"].concat());
    let args = [broken("--jwt-secret=hidden"), "--metric-prefix".into(), broken("hidden")];
    let mut line = CommandLine::read(args, |name| name.ends_with("JWT_SECRET").then(|| broken("hidden")));
    assert_eq!(line.errors.len(), 3, "{:?}", line.errors);
    assert!(line.errors[0].contains("--jwt-secret"), "{:?}", line.errors);
    let stray = CommandLine::read([broken("--jwt-secret hidden"), broken("hidden"), broken("--hidden=")], |_| None);
    line.errors.extend(stray.errors);
    assert_eq!(line.errors.len(), 6, "{:?}", line.errors);
    assert!(line.errors.iter().all(|error| error.contains("UTF-8") && !error.contains("hidden")), "{:?}", line.errors);
}

#[test]
fn every_mistake_is_reported() {
    let line = read(&["--nope", "--verbose", "true", "-", "--http-port"]);
    assert_eq!(line.errors.len(), 4, "{:?}", line.errors);
    assert!(line.errors[0].contains("--nope"));
    assert!(line.errors[1].contains("\"true\""));
    assert!(line.errors[3].contains("--http-port"));
}

#[test]
fn an_unknown_flag_gets_a_suggestion() {
    for (flag, error) in [
        ("--http-prot=80", "unknown flag --http-prot: did you mean --http-port?"),
        ("-http_port", "unknown flag -http_port: did you mean --http-port?"),
        ("-statsdHost", "unknown flag -statsdHost: did you mean --statsd-host?"),
        ("--port", "unknown flag --port: did you mean --http-port or --statsd-port?"),
        ("-v", "unknown flag -v: did you mean --verbose or --version?"),
        ("--verison", "unknown flag --verison: did you mean --version?"),
        ("--nope", "unknown flag --nope: see --help"),
        ("--http-port 80", "unknown flag --http-port…: write the value as the next argument, or after '='"),
    ] {
        assert_eq!(read(&[flag]).errors, [error], "{flag}");
    }
    assert!(read(&["http-port=80"]).errors[0].ends_with("did you mean --http-port?"));
    assert!(read(&["\u{2014}http-port"]).errors[0].ends_with("did you mean --http-port?"));
}

#[test]
fn no_error_shows_a_possible_secret() {
    for args in [
        &["--jwt-secrt", "hidden"][..],
        &["--jwt-secrt=hidden"],
        &["--jwt-secret hidden"],
        &["--jwt-secret:hidden"],
        &["--jwt-secrethidden"],
        &["--jwt-secret", "my", "hidden", "words"],
        &["jwt-secret=hidden"],
        &["\u{2014}jwt-secret", "hidden"],
        &["--jwt", "hidden"],
        &["--token", "hidden"],
        &["--tls_key", "hidden"],
    ] {
        let errors = read(args).errors;
        assert!(!errors.is_empty() && !errors.concat().contains("hidden"), "{args:?}: {errors:?}");
    }
}

fn unknown(name: &str, value: &str) -> Vec<String> {
    let mut line = read(&[]);
    line.note_unknown_variables([(name.into(), value.into())]);
    line.warnings
}

#[test]
fn an_unknown_variable_gets_a_suggestion() {
    for (name, warning) in [
        (
            "STATSD_HTTP_PROXY_HTTP_PROT",
            "unknown variable STATSD_HTTP_PROXY_HTTP_PROT: did you mean STATSD_HTTP_PROXY_HTTP_PORT?",
        ),
        (
            "STATSD_HTTP_PROXY_JWT_SECRT",
            "unknown variable STATSD_HTTP_PROXY_JWT_SECRT: did you mean STATSD_HTTP_PROXY_JWT_SECRET?",
        ),
        (
            "statsd_http_proxy_statsd_host",
            "unknown variable statsd_http_proxy_statsd_host: did you mean STATSD_HTTP_PROXY_STATSD_HOST?",
        ),
        ("STATSD_HTTP_PROXY_A\nB", "unknown variable STATSD_HTTP_PROXY_A\\nB: no flag has this variable, see --help"),
        ("STATSD_HTTP_PROXY_NOPE", "unknown variable STATSD_HTTP_PROXY_NOPE: no flag has this variable, see --help"),
    ] {
        assert_eq!(unknown(name, "hidden"), [warning], "{name}");
    }
}

#[test]
fn known_and_foreign_variables_get_no_warning() {
    for flag in FLAGS {
        assert!(unknown(&flag.env(), "").is_empty(), "{}", flag.name);
    }
    for (name, value) in [
        ("PATH", "/bin"),
        ("STATSD_HTTP", "x"),
        ("STATSD_HTTP_PROXY_COMMIT", "56de124"),
        ("STATSD_HTTP_PROXY_SERVICE_HOST", "10.0.0.1"),
        ("STATSD_HTTP_PROXY_SERVICE_PORT", "80"),
        ("STATSD_HTTP_PROXY_SERVICE_PORT_HTTP", "80"),
        ("STATSD_HTTP_PROXY_PORT", "tcp://10.0.0.1:80"),
        ("STATSD_HTTP_PROXY_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("STATSD_HTTP_PROXY_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("STATSD_HTTP_PROXY_EU_SERVICE_HOST", "10.0.0.1"),
        ("STATSD_HTTP_PROXY_EU_PORT_8125_UDP_PROTO", "udp"),
    ] {
        assert!(unknown(name, value).is_empty(), "{name}");
    }
    assert_eq!(unknown("STATSD_HTTP_PROXY_PORT", "80").len(), 1, "a number is not the URL of a service");
}

#[test]
fn many_unknown_variables_are_counted() {
    let mut line = read(&[]);
    line.note_unknown_variables((0..100).map(|i| (format!("STATSD_HTTP_PROXY_X{i}").into(), "".into())));
    assert_eq!(line.warnings.len(), MAX_UNKNOWN_VARIABLES + 1);
    assert!(line.warnings[MAX_UNKNOWN_VARIABLES].starts_with("84 more"), "{:?}", line.warnings);
}
