//! The sanitisers of the daemons: the characters that each drops or replaces before it looks a name up.
//!
//! No sanitiser may turn a client's name into one of a daemon's own. An operator can change the daemon at any time, and
//! daemons forward to each other, so each name is checked against all sanitisers, in every dialect.

/// The common beginning of `statsd.` and `statsd_exporter_`, with which the names of daemons' own metrics begin.
///
/// etsy's StatsD keeps `statsd.bad_lines_seen` and similar names (`prefixStats` in `stats.js`) among the counters of
/// its clients, and gostatsd uses the same beginning (`internal-namespace`). The own metrics of statsd_exporter begin
/// with `statsd_exporter_` and are served beside the metrics of clients; two metrics of one name turn its page of
/// metrics into an error. All of them are case-sensitive.
///
/// Outside tags no sanitiser changes a letter, or drops a letter, a digit, `.`, `_` or a single dash. So a name made of
/// these alone becomes one of a daemon's own only if it begins with this text.
pub(super) const OWN_BEGINS: &str = "statsd";

/// The text after `statsd_` in the names of statsd_exporter's own metrics.
const EXPORTERS_GO_ON: &str = "exporter_";

/// The result for one character.
enum Becomes {
    Kept(char),
    /// This character, once for a whole run.
    Run(char),
    Dropped,
    /// The name ends here.
    End,
}

/// The sanitiser of one daemon.
struct Sanitiser {
    /// The daemon, and the place in its source.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by people, and by the tests when one fails"))]
    daemon: &'static str,
    /// Selects the parts of the text that make the name; the second is mostly empty.
    parts: fn(&str) -> [&str; 2],
    each: fn(char) -> Becomes,
}

/// All sanitisers. The first is etsy's, by which inherited names are found too.
static SANITISERS: [Sanitiser; 8] = [
    Sanitiser { daemon: "StatsD: sanitizeKeyName in stats.js", parts: whole, each: statsd },
    Sanitiser {
        daemon: "statsite: src/ascii_parser_std.rl; the Datadog agent: parseMetricSampleNameAndRawValue in \
                 comp/dogstatsd/server/impl/parse_metrics.go; StatsD with keyNameSanitize: false",
        parts: whole,
        each: Becomes::Kept,
    },
    Sanitiser { daemon: "gostatsd: lexKeySep in internal/lexer/lexer.go", parts: whole, each: gostatsd },
    Sanitiser {
        daemon: "Telegraf: parser and parseName in plugins/inputs/statsd/statsd.go",
        parts: telegraf_parts,
        each: telegraf,
    },
    Sanitiser {
        daemon: "Telegraf with sanitize_name_method = \"upstream\": parseName in plugins/inputs/statsd/statsd.go",
        parts: telegraf_parts,
        each: telegraf_upstream,
    },
    Sanitiser {
        daemon: "collectd: escape_slashes in src/utils/common/common.c",
        parts: collectd_parts,
        each: collectd,
    },
    Sanitiser {
        daemon: "netdata: statsd_process in src/collectors/statsd.plugin/statsd.c",
        parts: netdata_parts,
        each: netdata,
    },
    Sanitiser {
        daemon: "statsd_exporter: parseNameAndTags in pkg/line/line.go, EscapeMetricName in pkg/mapper/escape.go",
        parts: exporter_parts,
        each: exporter,
    },
];

impl Sanitiser {
    /// Sanitises `name`, character by character.
    fn read(&self, name: &str) -> impl Iterator<Item = char> {
        let [first, second] = (self.parts)(name);
        let mut in_run = false;
        let each = first.chars().chain(second.chars()).map(self.each);
        each.take_while(|becomes| !matches!(becomes, Becomes::End)).filter_map(move |becomes| {
            let was_in_run = std::mem::replace(&mut in_run, matches!(becomes, Becomes::Run(_)));
            match becomes {
                Becomes::Kept(c) => Some(c),
                Becomes::Run(c) => (!was_in_run).then_some(c),
                Becomes::Dropped | Becomes::End => None,
            }
        })
    }

    fn makes_own(&self, name: &str) -> bool {
        let mut read = self.read(name);
        OWN_BEGINS.chars().all(|c| read.next() == Some(c))
            && match read.next() {
                Some('.') => true,
                Some('_') => EXPORTERS_GO_ON.chars().all(|c| read.next() == Some(c)),
                _ => false,
            }
    }
}

/// Applies StatsD's sanitiser, which runs before the name is looked up, so `to%String` is as harmful as `toString`.
pub(super) fn read_by_statsd(name: &str) -> impl Iterator<Item = char> {
    SANITISERS[0].read(name)
}

/// True if a daemon reads `name` as one of its own.
pub(super) fn is_daemons_own(name: &str) -> bool {
    may_be_own(name) && SANITISERS.iter().any(|sanitiser| sanitiser.makes_own(name))
}

/// False if no daemon can read `name` as its own. This test alone settles nearly all names, and a batch may have a
/// hundred thousand.
fn may_be_own(name: &str) -> bool {
    let [first, second] = if name.contains('[') { exporter_parts(name) } else { [name, ""] };
    may_begin_own(&mut name.bytes()) || (!second.is_empty() && may_begin_own(&mut first.bytes().chain(second.bytes())))
}

/// False if the characters that no sanitiser drops do not begin an own name. These are letters, digits, `.`, `_`, the
/// first dash, and, except at the beginning, spaces and slashes.
fn may_begin_own(bytes: &mut dyn Iterator<Item = u8>) -> bool {
    let mut kept = bytes
        .skip_while(|byte| !byte.is_ascii_graphic() || *byte == b'/')
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b' ' | b'/'));
    if !OWN_BEGINS.bytes().all(|byte| kept.next() == Some(byte)) {
        return false;
    }
    match kept.next() {
        Some(b'.') => true,
        after => {
            let mut letters = after.into_iter().chain(kept).filter(u8::is_ascii_alphanumeric);
            EXPORTERS_GO_ON.bytes().filter(u8::is_ascii_alphanumeric).all(|byte| letters.next() == Some(byte))
        }
    }
}

/// True if `text` crashes a daemon anywhere in a name: statsd_exporter reads the text between the first `[` and the
/// first `]` as tags, and if `]` comes first it panics with `slice bounds out of range`.
pub(super) fn ends_a_daemon(text: &str) -> bool {
    let first = text.bytes().find(|byte| matches!(byte, b'[' | b']'));
    first == Some(b']') && text.contains('[')
}

/// True if a daemon reads `name` as empty and stores it nevertheless: statsd_exporter then serves a metric without a
/// name, which turns its page of metrics into an error until it is restarted.
pub(super) fn is_kept_without_a_name(name: &str) -> bool {
    name.starts_with(['[', '#', ',']) && exporter_parts(name).iter().all(|part| part.is_empty())
}

fn whole(name: &str) -> [&str; 2] {
    [name, ""]
}

/// Replaces a run of white space (JavaScript's `\s`) by `_` and `/` by `-`, and drops all characters but
/// `a-zA-Z0-9_.-`. Version 0.9 keeps `;` and `=` too, which no refused name contains.
fn statsd(c: char) -> Becomes {
    match c {
        // U+FEFF is white space in JavaScript, but not in Unicode.
        _ if c.is_whitespace() || c == '\u{feff}' => Becomes::Run('_'),
        '/' => Becomes::Kept('-'),
        '.' | 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => Becomes::Kept(c),
        _ => Becomes::Dropped,
    }
}

/// Works byte by byte, so it drops all characters beyond ASCII, white space included.
fn gostatsd(c: char) -> Becomes {
    match c {
        ' ' | '\t' => Becomes::Kept('_'),
        '/' => Becomes::Kept('-'),
        '.' | 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => Becomes::Kept(c),
        _ => Becomes::Dropped,
    }
}

/// Trims Unicode white space around the line; a name ends at the first tag.
fn telegraf_parts(name: &str) -> [&str; 2] {
    [name.trim_start(), ""]
}

fn telegraf(c: char) -> Becomes {
    if c == ',' { Becomes::End } else { Becomes::Kept(c) }
}

/// As StatsD's, except that Go's `\s` is ASCII without the vertical tab.
fn telegraf_upstream(c: char) -> Becomes {
    match c {
        ',' => Becomes::End,
        '\t' | '\n' | '\u{c}' | '\r' | ' ' => Becomes::Run('_'),
        _ if c.is_whitespace() || c == '\u{feff}' => Becomes::Dropped,
        ';' | '=' => Becomes::Kept(c),
        _ => statsd(c),
    }
}

/// Drops one slash at the beginning. A slash alone becomes another name, which is not a daemon's own.
fn collectd_parts(name: &str) -> [&str; 2] {
    [name.strip_prefix('/').unwrap_or(name), ""]
}

fn collectd(c: char) -> Becomes {
    Becomes::Kept(if c == '/' { '_' } else { c })
}

/// A name ends at `=` or a colon and is trimmed; spaces at its end do not matter here.
fn netdata_parts(name: &str) -> [&str; 2] {
    [name.trim_start_matches([' ', '\t']), ""]
}

fn netdata(c: char) -> Becomes {
    if c == '=' { Becomes::End } else { Becomes::Kept(c) }
}

/// Drops tags in any of the three styles, all of which statsd_exporter reads by default.
fn exporter_parts(name: &str) -> [&str; 2] {
    match (name.find('['), name.find(']')) {
        (Some(open), Some(close)) if open < close => [&name[..open], &name[close + 1..]],
        (None, None) => [name.split(['#', ',']).next().unwrap_or_default(), ""],
        _ => [name, ""],
    }
}

/// Replaces a run of dashes by one `_`.
fn exporter(c: char) -> Becomes {
    match c {
        '-' => Becomes::Run('_'),
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => Becomes::Kept(c),
        _ => Becomes::Kept('_'),
    }
}

#[cfg(test)]
mod tests;
