//! Parser of the command line, in Go's syntax, and of the environment variables of flags.
//!
//! Start scripts of the reference use Go's flag syntax: one dash or two, `-flag=x`, `-flag x`, `-switch`,
//! `-switch=false`. No argument crate reads it, so this module has its own parser.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::config::flag::{ENV_PREFIX, Flag, Group, Kind, Typed};
use crate::config::flags::{self, FLAGS, find};
use crate::config::suggestion::{nearest, question};
use crate::config::values::parse_switch;

/// The name, without [`ENV_PREFIX`], of the variable that holds the commit at build time.
const BUILD_VARIABLE: &str = "COMMIT";

/// Unknown variables that are logged by name at start.
const MAX_UNKNOWN_VARIABLES: usize = 16;

/// Characters of an unknown name that an error or a warning shows.
const MAX_SHOWN_NAME: usize = 64;

/// A value, and its origin as errors name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Given {
    /// `--http-port` or `STATSD_HTTP_PROXY_HTTP_PORT`.
    pub origin: String,
    /// The text as typed.
    pub value: String,
}

/// The flags as typed, and the arguments that could not be read.
#[derive(Debug, Default)]
pub(crate) struct CommandLine {
    given: BTreeMap<&'static str, Given>,
    /// One sentence for each argument that is not a flag, and for each flag without its value.
    pub errors: Vec<String>,
    /// One sentence for each environment variable that belongs to no flag.
    pub warnings: Vec<String>,
    /// True if the previous flag may hold a secret, so that a stray argument may be a piece of it.
    secret_before: bool,
}

impl CommandLine {
    /// Reads the arguments, without the name of the program, and then the environment for flags that are not given.
    ///
    /// An empty value counts as unset, for a variable and for a flag: `--jwt-secret=` does not hide a secret in the
    /// environment. A flag that is given twice takes its last value, as in Go.
    ///
    /// A value that is not UTF-8 is an error. It is not converted, because a secret must not become another one, or
    /// none.
    pub(crate) fn read(args: impl IntoIterator<Item = OsString>, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut line = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            line.read_one(arg, &mut args);
        }
        for flag in FLAGS {
            let origin = flag.env();
            if line.leaves_open(flag)
                && let Some(value) = env(&origin).filter(|value| !value.is_empty())
            {
                line.give(flag, origin, value);
            }
        }
        line
    }

    /// True if the command line gives the flag no value, so that the environment may.
    fn leaves_open(&self, flag: &Flag) -> bool {
        self.given(flag).is_none_or(|given| given.value.is_empty() && !flag.takes_empty)
    }

    fn give(&mut self, flag: &Flag, origin: String, value: OsString) {
        match value.into_string() {
            Ok(value) => {
                let is_list = matches!(flag.kind, Kind::List(_));
                let value = match self.given(flag).filter(|given| is_list && !given.value.is_empty()) {
                    Some(before) => format!("{},{value}", before.value),
                    None => value,
                };
                self.given.insert(flag.name, Given { origin, value });
            }
            Err(_) => self.errors.push(format!("{origin}: the value is not UTF-8")),
        }
    }

    fn read_one(&mut self, arg: OsString, rest: &mut impl Iterator<Item = OsString>) {
        let arg = match arg.into_string() {
            Ok(arg) => arg,
            Err(arg) => {
                // Only the name of a known flag is certainly not a piece of a secret.
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
        let name = if name == "h" { flags::HELP.name } else { name };
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
        self.give(flag, format!("--{}", flag.name), value);
    }

    /// Reports an argument that is not a flag. The error does not show an argument that may be a secret, or a piece of
    /// one.
    fn refuse_stray(&mut self, arg: &str) {
        let is_assignment = arg.contains(['=', ':']) || arg.starts_with(|c: char| !c.is_alphanumeric());
        if self.secret_before || may_be_secret(arg) {
            self.errors.push(
                "unexpected argument (not shown, because it may be part of a secret): a flag begins with two hyphens, \
                 and a value with spaces needs quotes"
                    .to_owned(),
            );
            self.secret_before = true;
        } else if let [first, ..] = nearest(arg, &shown_names())[..]
            && is_assignment
        {
            self.errors.push(format!("unexpected argument {arg:?}: did you mean --{first}?"));
        } else {
            self.errors.push(format!("unexpected argument {arg:?}: write the value of a switch as in --verbose=true"));
        }
    }

    /// Warns of variables that have the prefix of this program and belong to no flag. No warning shows a value.
    ///
    /// `variables` are the names and values of the whole environment.
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
            self.warnings.push(format!("{more} more unknown variables begin with {ENV_PREFIX}"));
        }
    }

    /// True if a switch is given and true. For `--help` and `--version`, which work before anything is checked.
    pub(crate) fn asks(&self, switch: &Typed<bool>) -> bool {
        self.given(switch).is_some_and(|given| parse_switch(&given.value) == Some(true))
    }

    /// The value that was given for a flag; it may be empty.
    pub(crate) fn given(&self, flag: &Flag) -> Option<&Given> {
        self.given.get(flag.name)
    }

    /// The value that was given for a flag, or its default. An empty value counts as unset, unless it has a meaning.
    pub(crate) fn value(&self, flag: &Flag) -> Option<Given> {
        let given = self.given(flag).filter(|given| flag.takes_empty || !given.value.is_empty()).cloned();
        given.or_else(|| {
            let default = Given { origin: format!("--{}", flag.name), value: flag.default.to_owned() };
            (!flag.default.is_empty()).then_some(default)
        })
    }
}

/// The names of the flags that may be suggested.
fn shown_names() -> Vec<&'static str> {
    FLAGS.iter().filter(|flag| flag.group != Group::Compatibility).map(|flag| flag.name).collect()
}

/// Describes an unknown flag, with suggestions. The part of the name that may be a value is left out.
fn unknown_flag(name: &str) -> String {
    let bare: String =
        name.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')).take(MAX_SHOWN_NAME).collect();
    let meant = nearest(&bare, &shown_names());
    // In `--jwt-secretXYZ` the rest after the name may be the secret.
    let secret = flags::JWT_SECRET.name;
    let glued = bare.strip_prefix(secret).filter(|_| meant[..] != [flags::JWT_SECRET_FILE.name]);
    let shown = match glued {
        Some(value) if !value.is_empty() => &format!("{secret}…"),
        _ => &bare,
    };
    if bare.len() < name.len() && find(&bare).is_some() {
        return format!("{shown}…: write the value as the next argument, or after '='");
    }
    let flags: Vec<String> = meant.iter().map(|name| format!("--{name}")).collect();
    format!("{shown}{}", question(&flags, ": see --help"))
}

/// True if the value of a flag with this name may be a secret. The flag may be unknown.
fn may_be_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "jwt", "token", "key", "passw"].iter().any(|part| name.contains(part))
}

/// Returns a warning if the variable has the prefix of this program and belongs to no flag.
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
    Some(format!("unknown variable {shown}{}", question(&meant, ": no flag has this variable, see --help")))
}

/// True for the variables that Kubernetes and Docker set for a service with the name of this program: `…_SERVICE_HOST`,
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

#[cfg(test)]
mod tests;
