//! The command line as typed, in Go's syntax, with environment twins.
//!
//! Go's flag syntax (one dash or two, `-flag=x`, `-flag x`, `-switch`, `-switch=false`) is what the reference's start scripts
//! use, and no argument crate reads it; hence the few lines below.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::config::flag::{ENV_PREFIX, Flag, Group, Kind, Typed};
use crate::config::flags::{self, FLAGS, find};
use crate::config::suggestion::{nearest, question};
use crate::config::values::parse_switch;

/// The variable that names the commit when the server is built, with [`ENV_PREFIX`] before it.
const BUILD_VARIABLE: &str = "COMMIT";

/// The most unknown variables that are named at start.
const MAX_UNKNOWN_VARIABLES: usize = 16;

/// The longest unknown name that an error or a warning shows, in characters.
const MAX_SHOWN_NAME: usize = 64;

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
            if line.leaves_open(flag)
                && let Some(value) = env(&origin).filter(|value| !value.is_empty())
            {
                line.give(flag, origin, value);
            }
        }
        line
    }

    /// True if the environment may give a flag its value.
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

    /// True if a switch is given, and not as false: for those that are acted upon before anything is checked.
    pub(crate) fn asks(&self, switch: &Typed<bool>) -> bool {
        self.given(switch).is_some_and(|given| parse_switch(&given.value) == Some(true))
    }

    /// The value that was given for a flag, empty or not.
    pub(crate) fn given(&self, flag: &Flag) -> Option<&Given> {
        self.given.get(flag.name)
    }

    /// The value that was given for a flag, or its default. An empty one counts as unset, unless the flag takes it.
    pub(crate) fn value(&self, flag: &Flag) -> Option<Given> {
        let given = self.given(flag).filter(|given| flag.takes_empty || !given.value.is_empty()).cloned();
        given.or_else(|| {
            let default = Given { origin: format!("--{}", flag.name), value: flag.default.to_owned() };
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
    let secret = flags::JWT_SECRET.name;
    let glued = bare.strip_prefix(secret).filter(|_| meant[..] != [flags::JWT_SECRET_FILE.name]);
    let shown = match glued {
        Some(value) if !value.is_empty() => &format!("{secret}…"),
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

#[cfg(test)]
mod tests;
