//! What daemons make of a name before they look it up: which characters each of them drops or replaces.
//!
//! A client's name must not become one of a daemon's own behind any of them. Whoever runs this server can put another
//! daemon behind it tomorrow, and daemons forward to each other, so each name is held against all of them, whatever the
//! dialect.

/// How the names of daemons' own metrics begin: `statsd.` or `statsd_exporter_`. This is what both have in common.
///
/// etsy's StatsD keeps `statsd.bad_lines_seen` and its kin (`prefixStats` in `stats.js`) among the counters of its clients,
/// and gostatsd names its own so too (`internal-namespace`). What statsd_exporter counts about itself begins with
/// `statsd_exporter_` and is served beside the metrics of clients, and two metrics of one name make its page of metrics
/// an error. Case matters to all of them.
///
/// No sanitiser changes a letter, nor drops a letter, a digit, `.`, `_` or a single dash, but in tags. So a name made of
/// these alone becomes one of a daemon's own only if it begins so.
pub(super) const OWN_BEGINS: &str = "statsd";

/// What follows `statsd_` in the names of statsd_exporter's own metrics.
const EXPORTERS_GO_ON: &str = "exporter_";

/// What becomes of one character.
enum Becomes {
    Kept(char),
    /// This, once for a whole run of such characters.
    Run(char),
    Dropped,
    /// The end of the name.
    End,
}

/// How a daemon reads a name.
struct Sanitiser {
    /// Who does so, and where its source says it.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by people, and by the tests when one fails"))]
    daemon: &'static str,
    /// The parts of the text that make the name; the second is mostly empty.
    parts: fn(&str) -> [&str; 2],
    each: fn(char) -> Becomes,
}

/// The first is etsy's, whose objects inherit names too.
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
    /// What it makes of `name`, character by character.
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

/// What StatsD's sanitiser makes of `name`: it runs before the name is looked up, so `to%String` is as bad as `toString`.
pub(super) fn read_by_statsd(name: &str) -> impl Iterator<Item = char> {
    SANITISERS[0].read(name)
}

/// Whether a daemon reads `name` as one of its own.
pub(super) fn is_daemons_own(name: &str) -> bool {
    may_be_own(name) && SANITISERS.iter().any(|sanitiser| sanitiser.makes_own(name))
}

/// False if no daemon can read `name` as its own. This decides for nearly all names, of which a batch may have a hundred
/// thousand.
fn may_be_own(name: &str) -> bool {
    let [first, second] = if name.contains('[') { exporter_parts(name) } else { [name, ""] };
    may_begin_own(&mut name.bytes()) || (!second.is_empty() && may_begin_own(&mut first.bytes().chain(second.bytes())))
}

/// False if what no sanitiser drops is not the begin of an own name: letters, digits, `.`, `_`, the first dash; and spaces
/// and slashes but at the begin.
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

/// Whether `text` stands in the way of a daemon wherever it is in a name: statsd_exporter takes what is between the first
/// `[` and the first `]` for tags, and where the latter comes first it ends with `slice bounds out of range`.
pub(super) fn ends_a_daemon(text: &str) -> bool {
    let first = text.bytes().find(|byte| matches!(byte, b'[' | b']'));
    first == Some(b']') && text.contains('[')
}

/// Whether nothing is left of `name` to a daemon that keeps it nevertheless: statsd_exporter then serves a metric
/// without a name, which makes its page of metrics an error until it is started anew.
pub(super) fn is_kept_without_a_name(name: &str) -> bool {
    name.starts_with(['[', '#', ',']) && exporter_parts(name).iter().all(|part| part.is_empty())
}

fn whole(name: &str) -> [&str; 2] {
    [name, ""]
}

/// A run of white space, as JavaScript's `\s` has it, to `_`; `/` to `-`; all but `a-zA-Z0-9_.-` dropped. Version 0.9
/// keeps `;` and `=` too, which are in no name that is refused.
fn statsd(c: char) -> Becomes {
    match c {
        // U+FEFF is white space to JavaScript, though not to Unicode.
        _ if c.is_whitespace() || c == '\u{feff}' => Becomes::Run('_'),
        '/' => Becomes::Kept('-'),
        '.' | 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => Becomes::Kept(c),
        _ => Becomes::Dropped,
    }
}

/// It goes byte by byte, so white space that is not ASCII is dropped like all else that is not.
fn gostatsd(c: char) -> Becomes {
    match c {
        ' ' | '\t' => Becomes::Kept('_'),
        '/' => Becomes::Kept('-'),
        '.' | 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => Becomes::Kept(c),
        _ => Becomes::Dropped,
    }
}

/// A line without the white space around it, as Unicode has it; a name ends at the first tag.
fn telegraf_parts(name: &str) -> [&str; 2] {
    [name.trim_start(), ""]
}

fn telegraf(c: char) -> Becomes {
    if c == ',' { Becomes::End } else { Becomes::Kept(c) }
}

/// As StatsD's, but that Go's `\s` is ASCII, without the vertical tab.
fn telegraf_upstream(c: char) -> Becomes {
    match c {
        ',' => Becomes::End,
        '\t' | '\n' | '\u{c}' | '\r' | ' ' => Becomes::Run('_'),
        _ if c.is_whitespace() || c == '\u{feff}' => Becomes::Dropped,
        ';' | '=' => Becomes::Kept(c),
        _ => statsd(c),
    }
}

/// Without one slash at the begin; a slash alone becomes another name, which is none of a daemon's.
fn collectd_parts(name: &str) -> [&str; 2] {
    [name.strip_prefix('/').unwrap_or(name), ""]
}

fn collectd(c: char) -> Becomes {
    Becomes::Kept(if c == '/' { '_' } else { c })
}

/// A name ends at `=` as at a colon, and has no spaces around it; those behind it matter to nobody here.
fn netdata_parts(name: &str) -> [&str; 2] {
    [name.trim_start_matches([' ', '\t']), ""]
}

fn netdata(c: char) -> Becomes {
    if c == '=' { Becomes::End } else { Becomes::Kept(c) }
}

/// Without tags in any of the three styles, all of which it reads unless told otherwise.
fn exporter_parts(name: &str) -> [&str; 2] {
    match (name.find('['), name.find(']')) {
        (Some(open), Some(close)) if open < close => [&name[..open], &name[close + 1..]],
        (None, None) => [name.split(['#', ',']).next().unwrap_or_default(), ""],
        _ => [name, ""],
    }
}

/// Of several dashes all but the first are dropped.
fn exporter(c: char) -> Becomes {
    match c {
        '-' => Becomes::Run('_'),
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => Becomes::Kept(c),
        _ => Becomes::Kept('_'),
    }
}

#[cfg(test)]
mod tests;
