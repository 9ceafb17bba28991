//! "Did you mean": the known names that are most similar to an unknown one.

/// Suggestions for one name. A longer list is less useful than `--help`.
const MAX_SUGGESTIONS: usize = 3;

/// Bytes of a name that are compared. The time of the comparison grows with the square of the length.
const MAX_COMPARED: usize = 64;

/// The shortest prefix that matches a whole word, in bytes: `cert` for `certificate`.
const MIN_STEM: usize = 3;

/// Finds the names that are most similar to `typed`, at most three; empty if no name is similar.
///
/// Names are in lower case with dashes. `typed` may use capitals, underscores, dots or `camelCase`.
pub(crate) fn nearest(typed: &str, names: &[&'static str]) -> Vec<&'static str> {
    let typed = normalize(typed);
    if typed.is_empty() {
        return Vec::new();
    }
    let similar = by_distance(&typed, names);
    if !similar.is_empty() {
        return similar;
    }
    let related: Vec<_> = names.iter().copied().filter(|name| is_related(&typed, name)).collect();
    if related.len() > MAX_SUGGESTIONS { Vec::new() } else { related }
}

/// Writes the end of an error: `: did you mean --a or --b?`, or `otherwise` if `names` is empty.
pub(crate) fn question(names: &[impl AsRef<str>], otherwise: &str) -> String {
    match names {
        [] => otherwise.to_owned(),
        [first @ .., last] if !first.is_empty() => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!(": did you mean {} or {}?", first.join(", "), last.as_ref())
        }
        [only, ..] => format!(": did you mean {}?", only.as_ref()),
    }
}

/// The names at the least distance, counted in insertions, deletions, replacements and swaps of neighbours. Empty if
/// the least distance is more than a quarter of the name.
fn by_distance(typed: &str, names: &[&'static str]) -> Vec<&'static str> {
    let distances = names.iter().map(|name| (strsim::osa_distance(typed, name), *name));
    let allowed = |name: &str| (name.len().max(typed.len()) / 4).max(1);
    let near: Vec<_> = distances.filter(|(distance, name)| *distance <= allowed(name)).collect();
    let least = near.iter().map(|(distance, _)| *distance).min();
    let found = near.into_iter().filter(|(distance, _)| Some(*distance) == least).map(|(_, name)| name);
    found.take(MAX_SUGGESTIONS).collect()
}

/// True if `name` begins with `typed`, or if one name contains all words of the other, in any order.
fn is_related(typed: &str, name: &str) -> bool {
    let words = |text: &str| text.split('-').map(str::to_owned).collect::<Vec<_>>();
    let same =
        |a: &str, b: &str| a == b || (a.len().min(b.len()) >= MIN_STEM && (a.starts_with(b) || b.starts_with(a)));
    let within = |a: &[String], b: &[String]| a.iter().all(|word| b.iter().any(|other| same(word, other)));
    let (typed_words, name_words) = (words(typed), words(name));
    name.starts_with(typed) || within(&typed_words, &name_words) || within(&name_words, &typed_words)
}

/// Writes a name in the style of the table: lower case, words joined by single dashes.
fn normalize(typed: &str) -> String {
    let mut name = String::new();
    let mut after_lower = false;
    for c in typed.chars().take_while(|c| !matches!(c, '=' | ':') && !c.is_whitespace()) {
        if name.len() >= MAX_COMPARED {
            break;
        }
        let separates = !c.is_alphanumeric();
        if (separates || (after_lower && c.is_uppercase())) && !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if !separates {
            name.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase();
    }
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 10] = [
        "http-host",
        "http-port",
        "http-timeout-read",
        "statsd-port",
        "statsd-tag",
        "tls-cert",
        "jwt-secret",
        "metric-prefix",
        "verbose",
        "version",
    ];

    fn suggest(typed: &str) -> Vec<&'static str> {
        nearest(typed, &NAMES)
    }

    #[test]
    fn a_misspelt_name_gets_its_suggestion() {
        for (typed, meant) in [
            ("http-prot", "http-port"),
            ("htp-port", "http-port"),
            ("http-portt", "http-port"),
            ("http-timeout-raed", "http-timeout-read"),
            ("metrics-prefix", "metric-prefix"),
            ("jwtsecret", "jwt-secret"),
            ("verbos", "verbose"),
            ("HTTP-PORT", "http-port"),
            ("http_port", "http-port"),
            ("http.port", "http-port"),
            ("httpPort", "http-port"),
            ("-http-port", "http-port"),
            ("http-port:80", "http-port"),
            ("http-port 80", "http-port"),
        ] {
            assert_eq!(suggest(typed), [meant], "{typed}");
        }
    }

    #[test]
    fn a_part_or_an_extension_of_a_name_gets_its_suggestion() {
        for (typed, meant) in [
            ("port", &["http-port", "statsd-port"][..]),
            ("prefix", &["metric-prefix"]),
            ("tags", &["statsd-tag"]),
            ("tls-certificate", &["tls-cert"]),
            ("statsd-udp-port", &["statsd-port"]),
            ("read-timeout", &["http-timeout-read"]),
            ("v", &["verbose", "version"]),
        ] {
            assert_eq!(suggest(typed), meant, "{typed}");
        }
    }

    #[test]
    fn a_name_unlike_all_others_gets_no_suggestion() {
        for typed in ["", "-", "nope", "no-such-flag", "listen", "héé", &"x".repeat(10_000)] {
            assert!(suggest(typed).is_empty(), "{typed}");
        }
    }

    #[test]
    fn a_question_has_all_names() {
        assert_eq!(question(&["a"], ""), ": did you mean a?");
        assert_eq!(question(&["a", "b", "c"], ""), ": did you mean a, b or c?");
        assert_eq!(question(&[] as &[&str], ": see --help"), ": see --help");
    }
}
