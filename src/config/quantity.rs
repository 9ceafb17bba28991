//! Numbers of the command line: units, ranges, and hints for texts such as `5s` or `64k`.

use std::fmt;
use std::str::FromStr;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The unit of a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// A TCP or UDP port.
    Port,
    /// Whole seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// TCP connections.
    Connections,
    /// Worker threads.
    Threads,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "a port",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Connections => "connections",
            Self::Threads => "threads",
        })
    }
}

/// The allowed values of a numeric flag, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Range {
    /// The unit.
    pub unit: Unit,
    /// The least value.
    pub least: u64,
    /// The largest value.
    pub most: u64,
}

impl Range {
    /// Reads a number in this range. The error has the rule and, if the meaning is clear, the number to write instead.
    pub fn parse(&self, text: &str) -> Result<u64, String> {
        match u64::from_str(text) {
            Ok(number) if self.takes(number) => Ok(number),
            read => {
                let hint = if read.is_ok() { self.hint_at_range(text) } else { self.hint(text) };
                let Self { unit, least, most } = self;
                Err(format!("must be {unit}, {least} to {most}{}", hint.map(|h| format!("; {h}")).unwrap_or_default()))
            }
        }
    }

    fn takes(&self, number: u64) -> bool {
        (self.least..=self.most).contains(&number)
    }

    fn hint_at_range(&self, text: &str) -> Option<String> {
        (self.unit == Unit::Threads && text == "0").then(|| "leave it out for one thread per core".to_owned())
    }

    /// The number to write instead of a text with a unit, a sign, spaces or quotes.
    fn hint(&self, text: &str) -> Option<String> {
        let bare = text.trim().trim_matches(['"', '\'']).trim();
        let number = match self.unit {
            Unit::Port => return self.hint_at_port(bare),
            Unit::Seconds => match milliseconds(bare)? {
                ms if ms % 1000 != 0 => return Some("only whole seconds are possible".to_owned()),
                ms => ms / 1000,
            },
            Unit::Bytes => scaled(bare, size_factor)?,
            Unit::Connections | Unit::Threads => scaled(bare, count_factor)?,
        };
        self.takes(number).then(|| format!("write {number}"))
    }

    fn hint_at_port(&self, text: &str) -> Option<String> {
        if text.contains("://") {
            return Some(
                "Kubernetes sets such variables for a Service: set enableServiceLinks: false, or rename the Service"
                    .to_owned(),
            );
        }
        let number = match text.to_ascii_lowercase().as_str() {
            "http" => "80",
            "https" => "443",
            _ => text.rsplit(':').next()?.split('/').next()?,
        };
        let number = u64::from_str(number).ok().filter(|number| self.takes(*number))?;
        Some(format!("write {number}"))
    }
}

/// Reads a duration such as `5s`, `1m30s`, `1.5 h` or `250ms`, in milliseconds.
fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let factor = match after[..end].trim().to_ascii_lowercase().as_str() {
            "ms" | "msec" | "millis" | "milliseconds" => 1.0,
            "" | "s" | "sec" | "secs" | "second" | "seconds" => 1e3,
            "m" | "min" | "mins" | "minute" | "minutes" => 6e4,
            "h" | "hour" | "hours" => 3.6e6,
            "d" | "day" | "days" => 8.64e7,
            _ => return None,
        };
        sum += number * factor;
        rest = &after[end..];
    }
    whole(sum)
}

/// Reads a number with a suffix such as `64k`, `1.5 MiB` or `10_000`.
fn scaled(text: &str, factor: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let text = text.replace(['_', ',', '\''], "");
    let (number, suffix) = leading_number(&text)?;
    whole(number * factor(&suffix.trim().to_ascii_lowercase())? as f64)
}

/// The factor of a size's suffix. `k` is 1024, as usual for the sizes of buffers.
fn size_factor(suffix: &str) -> Option<u64> {
    Some(match suffix {
        "" | "b" | "byte" | "bytes" => 1,
        "k" | "kb" | "kib" => KIB,
        "m" | "mb" | "mib" => MIB,
        "g" | "gb" | "gib" => KIB * MIB,
        _ => return None,
    })
}

fn count_factor(suffix: &str) -> Option<u64> {
    Some(match suffix {
        "" | "connections" | "threads" => 1,
        "k" => 1000,
        "m" => 1_000_000,
        _ => return None,
    })
}

/// Splits a text into the decimal number at its beginning, which may have an exponent, and the rest.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let plain = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let end = match text[plain..].strip_prefix(['e', 'E']) {
        Some(power) if !power.is_empty() && power.bytes().all(|b| b.is_ascii_digit()) => text.len(),
        _ => plain,
    };
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64)
}

/// Formats a size: `64 KiB`, `1 MiB`, `1432 bytes`.
pub(crate) fn size(bytes: usize) -> String {
    let bytes = bytes as u64;
    match bytes {
        0 => "0 bytes".to_owned(),
        b if b.is_multiple_of(MIB) => format!("{} MiB", b / MIB),
        b if b.is_multiple_of(KIB) => format!("{} KiB", b / KIB),
        b => format!("{b} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::flags::{FLAGS, find};

    fn parse(flag: &str, text: &str) -> Result<u64, String> {
        find(flag).and_then(|flag| flag.range).expect("a numeric flag").parse(text)
    }

    #[test]
    fn a_range_includes_both_ends() {
        for range in FLAGS.iter().filter_map(|flag| flag.range) {
            assert_eq!(range.parse(&range.least.to_string()), Ok(range.least));
            assert_eq!(range.parse(&range.most.to_string()), Ok(range.most));
            assert!(range.parse(&(range.most + 1).to_string()).is_err());
        }
    }

    #[test]
    fn an_error_has_the_rule_with_its_unit_and_a_hint() {
        for (flag, text, error) in [
            ("http-timeout-read", "86401", "must be seconds, 0 to 86400"),
            ("http-timeout-read", "-1", "must be seconds, 0 to 86400"),
            ("http-timeout-read", "soon", "must be seconds, 0 to 86400"),
            ("http-timeout-read", "5s", "must be seconds, 0 to 86400; write 5"),
            ("http-timeout-read", "1m30s", "must be seconds, 0 to 86400; write 90"),
            ("http-timeout-read", "1.5 h", "must be seconds, 0 to 86400; write 5400"),
            ("http-timeout-read", "2d", "must be seconds, 0 to 86400"),
            ("http-timeout-read", "5000ms", "must be seconds, 0 to 86400; write 5"),
            ("http-timeout-read", "250ms", "must be seconds, 0 to 86400; only whole seconds are possible"),
            ("http-timeout-read", "0.5", "must be seconds, 0 to 86400; only whole seconds are possible"),
            ("http-max-body-size", "64k", "must be bytes, 1 to 67108864; write 65536"),
            ("http-max-body-size", "1.5MiB", "must be bytes, 1 to 67108864; write 1572864"),
            ("http-max-body-size", "64 KB", "must be bytes, 1 to 67108864; write 65536"),
            ("http-max-body-size", "1e3", "must be bytes, 1 to 67108864; write 1000"),
            ("http-max-body-size", "9g", "must be bytes, 1 to 67108864"),
            ("http-max-body-size", "64x", "must be bytes, 1 to 67108864"),
            ("http-max-connections", "10k", "must be connections, 1 to 1000000; write 10000"),
            ("http-max-connections", "10,000", "must be connections, 1 to 1000000; write 10000"),
            ("http-threads", "0", "must be threads, 1 to 1024; leave it out for one thread per core"),
            ("http-port", "http", "must be a port, 0 to 65535; write 80"),
            ("http-port", ":8080", "must be a port, 0 to 65535; write 8080"),
            ("http-port", " 80", "must be a port, 0 to 65535; write 80"),
            ("statsd-port", "8125/udp", "must be a port, 1 to 65535; write 8125"),
            ("statsd-port", "0", "must be a port, 1 to 65535"),
            ("statsd-port", "65536", "must be a port, 1 to 65535"),
            ("statsd-port", "", "must be a port, 1 to 65535"),
            ("statsd-port", "é", "must be a port, 1 to 65535"),
        ] {
            assert_eq!(parse(flag, text), Err(error.to_owned()), "{flag} {text:?}");
        }
        let kubernetes = parse("http-port", "tcp://10.0.0.1:80").expect_err("no port");
        assert!(kubernetes.contains("enableServiceLinks"), "{kubernetes}");
    }

    #[test]
    fn sizes_are_formatted() {
        let written = [0, 1432, 65536, 1 << 20, 1_000_000].map(size);
        assert_eq!(written, ["0 bytes", "1432 bytes", "64 KiB", "1 MiB", "1000000 bytes"]);
    }
}
