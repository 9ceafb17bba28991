//! The command line as typed: one table of flags, read in Go's syntax, with environment twins.
//!
//! The table is the only place that names a flag: the parser, `--help`, the configuration and the documents' tables
//! are all held against it. Go's flag syntax (one dash or two, `-flag=x`, `-flag x`, `-switch`, `-switch=false`) is
//! what the reference's start scripts use, and no argument crate reads it; hence the few lines below.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

use crate::config::suggestion::{nearest, question};

/// What every environment twin begins with.
const ENV_PREFIX: &str = "STATSD_HTTP_PROXY_";

/// The variable that names the commit when the server is built, with [`ENV_PREFIX`] before it.
const BUILD_VARIABLE: &str = "COMMIT";

/// The most unknown variables that are named at start.
const MAX_UNKNOWN_VARIABLES: usize = 16;

/// The longest unknown name that an error or a warning shows, in characters.
const MAX_SHOWN_NAME: usize = 64;

/// How a flag takes its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// True when present; a value only as `--flag=false`.
    Switch,
    /// A value follows, and the word says of what kind.
    Value(&'static str),
    /// The same, and several times: the values are joined with commas. So may be those of one time, and of the environment.
    List(&'static str),
}

/// The heading under which `--help` shows a flag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// Listening and its limits.
    Http,
    /// Certificates.
    Tls,
    /// Where metrics go.
    Statsd,
    /// Who may send.
    Access,
    /// Everything about running it.
    Operation,
    /// Accepted so that old start scripts work.
    Compatibility,
}

impl Group {
    const ALL: [Group; 6] = [Self::Http, Self::Tls, Self::Statsd, Self::Access, Self::Operation, Self::Compatibility];

    fn heading(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Tls => "HTTPS",
            Self::Statsd => "StatsD",
            Self::Access => "Access",
            Self::Operation => "Operation",
            Self::Compatibility => "Accepted and ignored, for start scripts of the reference",
        }
    }
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its name, without dashes.
    pub name: &'static str,
    /// How it takes its value.
    pub kind: Kind,
    /// What it is when not given; empty for unset.
    pub default: &'static str,
    /// Its heading.
    pub group: Group,
    /// One sentence, without a final full stop.
    pub help: &'static str,
}

impl Flag {
    /// The name of its environment twin.
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.replace('-', "_").to_ascii_uppercase())
    }
}

const fn flag(name: &'static str, kind: Kind, default: &'static str, group: Group, help: &'static str) -> Flag {
    Flag { name, kind, default, group, help }
}

/// Every flag there is.
pub const FLAGS: &[Flag] = &[
    flag(
        "http-host",
        Kind::Value("HOST"),
        "127.0.0.1",
        Group::Http,
        "Address to listen on; --http-host= (empty) is any address, IPv4 and IPv6",
    ),
    flag("http-port", Kind::Value("PORT"), "80", Group::Http, "TCP port to listen on; 0 takes a free one"),
    flag(
        "http-timeout-read",
        Kind::Value("SECONDS"),
        "5",
        Group::Http,
        "Longest time for one request to arrive, head and body; 0 is no limit",
    ),
    flag(
        "http-timeout-write",
        Kind::Value("SECONDS"),
        "5",
        Group::Http,
        "Longest time for a peer to take a response; 0 is no limit",
    ),
    flag(
        "http-timeout-idle",
        Kind::Value("SECONDS"),
        "75",
        Group::Http,
        "Longest time between two requests of a connection; 0 is no limit",
    ),
    flag(
        "http-max-body-size",
        Kind::Value("BYTES"),
        "65536",
        Group::Http,
        "Largest body of a single metric, also when inflated",
    ),
    flag(
        "http-max-batch-size",
        Kind::Value("BYTES"),
        "1048576",
        Group::Http,
        "Largest body of a batch, also when inflated",
    ),
    flag(
        "http-base-path",
        Kind::Value("PATH"),
        "",
        Group::Http,
        "Path before all others, such as /some/path; nothing is served outside it",
    ),
    flag(
        "http-max-connections",
        Kind::Value("COUNT"),
        "10000",
        Group::Http,
        "Connections served at once; more wait in the kernel's backlog",
    ),
    flag("http-threads", Kind::Value("COUNT"), "", Group::Http, "Worker threads (default: one for each core)"),
    flag(
        "tls-cert",
        Kind::Value("FILE"),
        "",
        Group::Tls,
        "Certificate chain in PEM; with --tls-key, serves HTTPS instead of HTTP",
    ),
    flag("tls-key", Kind::Value("FILE"), "", Group::Tls, "Private key in PEM"),
    flag(
        "statsd-host",
        Kind::Value("HOST"),
        "127.0.0.1",
        Group::Statsd,
        "StatsD's address or name; a name is looked up again every 30 s",
    ),
    flag("statsd-port", Kind::Value("PORT"), "8125", Group::Statsd, "StatsD's UDP port"),
    flag(
        "statsd-packet-size",
        Kind::Value("BYTES"),
        "1432",
        Group::Statsd,
        "Largest datagram; a longer line goes alone",
    ),
    flag(
        "statsd-dialect",
        Kind::Value("NAME"),
        "statsd",
        Group::Statsd,
        "What StatsD is: statsd, datadog, telegraf, influxdb, librato, signalfx, gostatsd or plain",
    ),
    flag(
        "statsd-tag",
        Kind::List("KEY=VALUE"),
        "",
        Group::Statsd,
        "Tag for every metric, which no client can change; may be given several times",
    ),
    flag(
        "metric-prefix",
        Kind::Value("PREFIX"),
        "",
        Group::Statsd,
        "Put before every metric name, with or without its final dot",
    ),
    flag(
        "jwt-secret",
        Kind::Value("SECRET"),
        "",
        Group::Access,
        "Require a JSON Web Token signed with this secret; process lists show it, so prefer the file or the environment",
    ),
    flag(
        "jwt-secret-file",
        Kind::Value("FILE"),
        "",
        Group::Access,
        "Read that secret from a file; one final newline is not part of it",
    ),
    flag(
        "demo",
        Kind::Switch,
        "false",
        Group::Operation,
        "Start a StatsD receiver too, print what arrives, and show it on a page at /; the port is then 8080 unless given",
    ),
    flag("verbose", Kind::Switch, "false", Group::Operation, "Log every request"),
    flag("log-format", Kind::Value("FORMAT"), "text", Group::Operation, "text or json"),
    flag("version", Kind::Switch, "false", Group::Operation, "Print name, version and commit, and exit"),
    flag("help", Kind::Switch, "false", Group::Operation, "Print this text, and exit"),
    flag("http-router-name", Kind::Value("NAME"), "", Group::Compatibility, "Router of the reference"),
    flag("statsd-client-name", Kind::Value("NAME"), "", Group::Compatibility, "StatsD client of the reference"),
    flag("profiler-http-port", Kind::Value("PORT"), "", Group::Compatibility, "Go profiler of the reference"),
];

/// Finds a flag by its name.
fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

/// A value with the name of where it came from, as an error shall call it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Given {
    /// `--http-port` or `STATSD_HTTP_PROXY_HTTP_PORT`.
    pub origin: String,
    /// The text as typed.
    pub value: String,
}

/// The flags as typed, and what could not be read.
#[derive(Debug, Default)]
pub(crate) struct CommandLine {
    given: BTreeMap<&'static str, Given>,
    /// One sentence for each argument that is no flag, or a flag that lacks its value.
    pub errors: Vec<String>,
    /// One sentence for each variable that is no flag's twin.
    pub warnings: Vec<String>,
    /// The flag before the argument that is read, if what strays behind it may belong to a secret.
    secret_before: bool,
}

impl CommandLine {
    /// Reads arguments (without the program's name), then the environment for flags that were not given.
    ///
    /// Empty counts as unset, for a variable and for a flag: `--jwt-secret=` does not hide a secret in the environment.
    /// A flag that is given twice takes its last value, as in Go.
    ///
    /// What is not UTF-8 is an error, not something near it: a secret must not turn into another one, or into none.
    pub(crate) fn read(args: impl IntoIterator<Item = OsString>, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut line = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            line.read_one(arg, &mut args);
        }
        for flag in FLAGS {
            let origin = flag.env();
            if line.leaves_open(flag.name)
                && let Some(value) = env(&origin).filter(|value| !value.is_empty())
            {
                line.give(flag.name, origin, value);
            }
        }
        line
    }

    /// Whether the environment may say what a flag is. An empty host is a value: any address.
    fn leaves_open(&self, name: &str) -> bool {
        self.given.get(name).is_none_or(|given| given.value.is_empty() && name != "http-host")
    }

    fn give(&mut self, name: &'static str, origin: String, value: OsString) {
        match value.into_string() {
            Ok(value) => {
                let list = find(name).is_some_and(|flag| matches!(flag.kind, Kind::List(_)));
                let value = match self.given.get(name).filter(|given| list && !given.value.is_empty()) {
                    Some(before) => format!("{},{value}", before.value),
                    None => value,
                };
                self.given.insert(name, Given { origin, value });
            }
            Err(_) => self.errors.push(format!("{origin}: the value is not UTF-8")),
        }
    }

    fn read_one(&mut self, arg: OsString, rest: &mut impl Iterator<Item = OsString>) {
        let arg = match arg.into_string() {
            Ok(arg) => arg,
            Err(arg) => {
                // Only a known flag's name is certain to be no piece of a secret.
                let shown = arg.to_string_lossy();
                let name = shown.split('=').next().unwrap_or_default();
                let is_flag = name.starts_with('-') && find(name.trim_start_matches('-')).is_some();
                self.errors.push(format!(
                    "argument {}is not UTF-8",
                    if is_flag { format!("{name:?} ") } else { String::new() }
                ));
                return;
            }
        };
        let Some(body) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).filter(|body| !body.is_empty())
        else {
            return self.refuse_stray(&arg);
        };
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        let name = if name == "h" { "help" } else { name };
        self.secret_before = may_be_secret(name);
        let Some(flag) = find(name) else {
            let dashes = &arg[..arg.len() - body.len()];
            self.errors.push(format!("unknown flag {dashes}{}", unknown_flag(name)));
            return;
        };
        let value = match (flag.kind, value) {
            (_, Some(value)) => value.into(),
            (Kind::Switch, None) => "true".into(),
            (Kind::Value(_) | Kind::List(_), None) => match rest.next() {
                Some(value) => value,
                None => {
                    self.errors.push(format!("--{name} needs a value"));
                    return;
                }
            },
        };
        self.give(flag.name, format!("--{}", flag.name), value);
    }

    /// Refuses an argument that is no flag. One that may be a secret, or a piece of one, is not shown.
    fn refuse_stray(&mut self, arg: &str) {
        let is_assignment = arg.contains(['=', ':']) || arg.starts_with(|c: char| !c.is_alphanumeric());
        if self.secret_before || may_be_secret(arg) {
            self.errors.push(
                "unexpected argument, not shown as it may belong to a secret: a flag begins with two hyphens, and a value \
                 with spaces needs quotes"
                    .to_owned(),
            );
            self.secret_before = true;
        } else if let [first, ..] = nearest(arg, &shown_names())[..]
            && is_assignment
        {
            self.errors.push(format!("unexpected argument {arg:?}: did you mean --{first}?"));
        } else {
            self.errors.push(format!("unexpected argument {arg:?}: a switch takes its value as in --verbose=true"));
        }
    }

    /// Notes the variables that look like ours and are no flag's twin. Their values are never shown.
    ///
    /// `variables` are names and values of the whole environment.
    pub(crate) fn note_unknown_variables(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut unknown: Vec<String> = variables
            .into_iter()
            .filter_map(|(name, value)| unknown_variable(&name.to_string_lossy(), &value))
            .collect();
        unknown.sort_unstable();
        let more = unknown.len().saturating_sub(MAX_UNKNOWN_VARIABLES);
        unknown.truncate(MAX_UNKNOWN_VARIABLES);
        self.warnings.append(&mut unknown);
        if more > 0 {
            self.warnings.push(format!("{more} more unknown variables {ENV_PREFIX}…"));
        }
    }

    /// Whether a switch is given, and not as false: for those that are looked at before anything is checked.
    pub(crate) fn asks(&self, name: &str) -> bool {
        self.given(name).is_some_and(|given| parse_switch(&given.value) == Some(true))
    }

    /// What was given for a flag, be it empty.
    pub(crate) fn given(&self, name: &str) -> Option<&Given> {
        debug_assert!(find(name).is_some(), "{name} is not in the table");
        self.given.get(name)
    }

    /// What was given for a flag, or its default; an empty string counts as unset.
    pub(crate) fn value(&self, name: &str) -> Option<Given> {
        let flag = find(name)?;
        let given = self.given.get(name).filter(|given| !given.value.is_empty()).cloned();
        given.or_else(|| {
            let default = Given { origin: format!("--{name}"), value: flag.default.to_owned() };
            (!flag.default.is_empty()).then_some(default)
        })
    }
}

/// The names of flags and variables that are worth a suggestion.
fn shown_names() -> Vec<&'static str> {
    FLAGS.iter().filter(|flag| flag.group != Group::Compatibility).map(|flag| flag.name).collect()
}

/// Says what an unknown flag may have been meant as. Whatever may be a value glued to the name is left out.
fn unknown_flag(name: &str) -> String {
    let bare: String =
        name.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')).take(MAX_SHOWN_NAME).collect();
    let meant = nearest(&bare, &shown_names());
    // `--jwt-secretXYZ`: what follows the name may be the secret.
    let glued = bare.strip_prefix("jwt-secret").filter(|_| meant[..] != ["jwt-secret-file"]);
    let shown = match glued {
        Some(value) if !value.is_empty() => "jwt-secret…",
        _ => &bare,
    };
    if bare.len() < name.len() && find(&bare).is_some() {
        return format!("{shown}…: the value comes after a space, as an argument of its own, or after '='");
    }
    let flags: Vec<String> = meant.iter().map(|name| format!("--{name}")).collect();
    format!("{shown}{}", question(&flags, ": see --help"))
}

/// True if the value of a flag with this name, known or not, may be a secret.
fn may_be_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "jwt", "token", "key", "passw"].iter().any(|part| name.contains(part))
}

/// A sentence about a variable that looks like ours and is no flag's twin.
fn unknown_variable(name: &str, value: &OsStr) -> Option<String> {
    let (prefix, rest) = name.split_at_checked(ENV_PREFIX.len())?;
    let known = |flag: &Flag| flag.env() == name;
    if !prefix.eq_ignore_ascii_case(ENV_PREFIX) || FLAGS.iter().any(known) {
        return None;
    }
    if rest == BUILD_VARIABLE || is_service_link(rest, value) {
        return None;
    }
    let meant: Vec<String> = nearest(rest, &shown_names()).into_iter().filter_map(find).map(Flag::env).collect();
    let shown: String = name.chars().take(ENV_PREFIX.len() + MAX_SHOWN_NAME).collect();
    let shown = shown.escape_debug();
    Some(format!("unknown variable {shown}{}", question(&meant, ": it is no flag's twin, see --help")))
}

/// True for what Kubernetes and Docker set for a service that is named like this program: `…_SERVICE_HOST`,
/// `…_SERVICE_PORT_HTTP`, `…_PORT=tcp://10.0.0.1:80`, `…_PORT_80_TCP_ADDR`.
fn is_service_link(rest: &str, value: &OsStr) -> bool {
    let words: Vec<&str> = rest.split('_').collect();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let is_url = value.to_str().is_some_and(|value| value.contains("://"));
    words.windows(2).any(|pair| pair[0] == "SERVICE" && matches!(pair[1], "HOST" | "PORT"))
        || words
            .windows(3)
            .any(|three| three[0] == "PORT" && is_number(three[1]) && matches!(three[2], "TCP" | "UDP" | "SCTP"))
        || (words.last() == Some(&"PORT") && is_url)
}

/// Reads what Go's `strconv.ParseBool` takes.
pub(crate) fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The text of `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "Takes metrics over HTTP(S) from browsers, apps and scripts, and forwards them to StatsD over UDP.\n\n\
         Usage: statsd-http-proxy [FLAGS]\n",
    );
    for group in Group::ALL {
        let _ = write!(text, "\n{}:\n", group.heading());
        for flag in FLAGS.iter().filter(|flag| flag.group == group) {
            let head = match flag.kind {
                Kind::Switch => format!("--{}", flag.name),
                Kind::Value(what) | Kind::List(what) => format!("--{} {what}", flag.name),
            };
            let default = match flag.kind {
                Kind::Value(_) | Kind::List(_) if !flag.default.is_empty() => format!(" [{}]", flag.default),
                _ => String::new(),
            };
            let _ = writeln!(text, "  {head:<30} {}{default}", flag.help);
        }
    }
    let _ = write!(
        text,
        "\nOne dash or two, and --flag=value or --flag value, are the same. Each flag has an environment twin, such as\n\
         {} for --http-port; the flag wins.\n",
        find("http-port").map(Flag::env).unwrap_or_default()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> CommandLine {
        CommandLine::read(args.iter().map(OsString::from), |_| None)
    }

    fn value(line: &CommandLine, name: &str) -> Option<String> {
        line.value(name).map(|given| given.value)
    }

    #[test]
    fn go_syntax_is_read() {
        let line = read(&["-http-port", "8080", "--statsd-port=9125", "-verbose", "--metric-prefix", "a.b"]);
        assert!(line.errors.is_empty(), "{:?}", line.errors);
        assert_eq!(value(&line, "http-port").as_deref(), Some("8080"));
        assert_eq!(value(&line, "statsd-port").as_deref(), Some("9125"));
        assert_eq!(value(&line, "verbose").as_deref(), Some("true"));
        assert_eq!(value(&line, "metric-prefix").as_deref(), Some("a.b"));
        assert_eq!(value(&read(&["--verbose=false"]), "verbose").as_deref(), Some("false"));
        assert_eq!(value(&read(&["--http-port=1", "--http-port=2"]), "http-port").as_deref(), Some("2"));
        assert_eq!(value(&read(&["-statsd-tag", "a=b", "--statsd-tag=c=d"]), "statsd-tag").as_deref(), Some("a=b,c=d"));
    }

    #[test]
    fn an_empty_value_is_unset() {
        let line = read(&["--jwt-secret=", "--http-port", "", "--http-host="]);
        assert_eq!(value(&line, "jwt-secret"), None);
        assert_eq!(value(&line, "http-port").as_deref(), Some("80"));
        assert_eq!(line.given("http-host").map(|g| g.value.as_str()), Some(""));
    }

    #[test]
    fn a_flag_beats_its_environment_twin() {
        let env = |name: &str| match name {
            "STATSD_HTTP_PROXY_HTTP_PORT" => Some("1".into()),
            "STATSD_HTTP_PROXY_STATSD_PORT" => Some("2".into()),
            "STATSD_HTTP_PROXY_METRIC_PREFIX" => Some(OsString::new()),
            _ => None,
        };
        let line = CommandLine::read(["--http-port=3".into()], env);
        assert_eq!(value(&line, "http-port").as_deref(), Some("3"));
        assert_eq!(line.value("statsd-port").map(|g| g.origin).as_deref(), Some("STATSD_HTTP_PROXY_STATSD_PORT"));
        assert_eq!(line.given("metric-prefix"), None);
        let line = CommandLine::read(["--statsd-port=".into(), "--http-host=".into()], |name| {
            Some(if name.ends_with("PORT") { "2" } else { "x" }.into())
        });
        assert_eq!(value(&line, "statsd-port").as_deref(), Some("2"));
        assert_eq!(line.given("http-host").map(|g| g.value.as_str()), Some(""));
    }

    #[test]
    fn what_is_not_utf8_is_an_error_that_shows_no_value() {
        use std::os::unix::ffi::OsStringExt as _;
        let broken = |text: &str| OsString::from_vec([text.as_bytes(), b"\xff\xfe"].concat());
        let args = [broken("--jwt-secret=hidden"), "--metric-prefix".into(), broken("hidden")];
        let mut line = CommandLine::read(args, |name| name.ends_with("JWT_SECRET").then(|| broken("hidden")));
        assert_eq!(line.errors.len(), 3, "{:?}", line.errors);
        assert!(line.errors[0].contains("--jwt-secret"), "{:?}", line.errors);
        let stray = CommandLine::read([broken("--jwt-secret hidden"), broken("hidden"), broken("--hidden=")], |_| None);
        line.errors.extend(stray.errors);
        assert_eq!(line.errors.len(), 6, "{:?}", line.errors);
        assert!(
            line.errors.iter().all(|error| error.contains("UTF-8") && !error.contains("hidden")),
            "{:?}",
            line.errors
        );
    }

    #[test]
    fn every_mistake_is_told() {
        let line = read(&["--nope", "--verbose", "true", "-", "--http-port"]);
        assert_eq!(line.errors.len(), 4, "{:?}", line.errors);
        assert!(line.errors[0].contains("--nope"));
        assert!(line.errors[1].contains("\"true\""));
        assert!(line.errors[3].contains("--http-port"));
    }

    #[test]
    fn an_unknown_flag_gets_a_question() {
        for (flag, error) in [
            ("--http-prot=80", "unknown flag --http-prot: did you mean --http-port?"),
            ("-http_port", "unknown flag -http_port: did you mean --http-port?"),
            ("-statsdHost", "unknown flag -statsdHost: did you mean --statsd-host?"),
            ("--port", "unknown flag --port: did you mean --http-port or --statsd-port?"),
            ("-v", "unknown flag -v: did you mean --verbose or --version?"),
            ("--verison", "unknown flag --verison: did you mean --version?"),
            ("--nope", "unknown flag --nope: see --help"),
            (
                "--http-port 80",
                "unknown flag --http-port…: the value comes after a space, as an argument of its own, or after '='",
            ),
        ] {
            assert_eq!(read(&[flag]).errors, [error], "{flag}");
        }
        assert!(read(&["http-port=80"]).errors[0].ends_with("did you mean --http-port?"));
        assert!(read(&["\u{2014}http-port"]).errors[0].ends_with("did you mean --http-port?"));
    }

    #[test]
    fn no_error_shows_what_may_be_a_secret() {
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
    fn an_unknown_variable_of_ours_is_named_with_a_question() {
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
            ("STATSD_HTTP_PROXY_A\nB", "unknown variable STATSD_HTTP_PROXY_A\\nB: it is no flag's twin, see --help"),
            ("STATSD_HTTP_PROXY_NOPE", "unknown variable STATSD_HTTP_PROXY_NOPE: it is no flag's twin, see --help"),
        ] {
            assert_eq!(unknown(name, "hidden"), [warning], "{name}");
        }
    }

    #[test]
    fn what_is_no_mistake_is_not_named() {
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
        assert_eq!(unknown("STATSD_HTTP_PROXY_PORT", "80").len(), 1, "a number is no service's URL");
    }

    #[test]
    fn many_unknown_variables_are_counted() {
        let mut line = read(&[]);
        line.note_unknown_variables((0..100).map(|i| (format!("STATSD_HTTP_PROXY_X{i}").into(), "".into())));
        assert_eq!(line.warnings.len(), MAX_UNKNOWN_VARIABLES + 1);
        assert!(line.warnings[MAX_UNKNOWN_VARIABLES].starts_with("84 more"), "{:?}", line.warnings);
    }

    #[test]
    fn help_shows_every_flag_with_its_default() {
        let text = help();
        for flag in FLAGS {
            let line = text.lines().find(|l| l.trim_start().starts_with(&format!("--{} ", flag.name)));
            let line = line.unwrap_or_else(|| panic!("--{} is not in --help", flag.name));
            assert!(line.contains(flag.help));
            if matches!(flag.kind, Kind::Value(_)) && !flag.default.is_empty() {
                assert!(line.ends_with(&format!("[{}]", flag.default)), "{line}");
            }
        }
    }
}
