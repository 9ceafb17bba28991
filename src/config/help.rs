//! The text of `--help`, generated from the table of flags.

use std::fmt::Write as _;

use crate::config::flag::{Group, Kind};
use crate::config::flags::{self, FLAGS};

/// The groups in the order of their headings.
const HEADINGS: [(Group, &str); 6] = [
    (Group::Http, "HTTP"),
    (Group::Tls, "HTTPS"),
    (Group::Statsd, "StatsD"),
    (Group::Access, "Access"),
    (Group::Operation, "Operation"),
    (Group::Compatibility, "Accepted and ignored, for start scripts of the reference"),
];

/// The text of `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "Receives metrics over HTTP(S) from browsers, apps and scripts, and forwards them to StatsD over UDP.\n\n\
         Usage: statsd-http-proxy [FLAGS]\n",
    );
    for (group, heading) in HEADINGS {
        let _ = write!(text, "\n{heading}:\n");
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
        "\nA flag may have one dash or two, and its value follows after '=' or as the next argument. Each flag has an\n\
         environment variable, such as {} for --http-port; the flag takes precedence.\n",
        flags::HTTP_PORT.env()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
