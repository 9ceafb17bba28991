//! The grammar of StatsD, implemented separately from the parser and the writer of the crate.

use crate::internals::{ContentType, Encoding, MAX_LINE, Unit, read_batch};

/// Newlines that pad a body whose line represents many samples: the limit of samples grows with the body.
const FILLER: usize = 10_000;

/// Panics unless `unit` is one line, or the two lines of a negative gauge, which a daemon of this dialect reads
/// correctly.
pub(super) fn assert_unit(unit: &Unit, encoding: &Encoding) {
    assert!(unit.bytes.len() <= MAX_LINE, "{} bytes", unit.bytes.len());
    let text = std::str::from_utf8(&unit.bytes).expect("lines are UTF-8");
    let lines: Vec<&str> = text.split('\n').collect();
    let measured: usize = lines.iter().map(|line| assert_line(line, encoding)).sum();
    match lines[..] {
        [_] => assert_eq!(measured as u64, u64::from(unit.measurements), "{text:?}"),
        [zero, shift] => {
            assert_eq!(unit.measurements, 1, "{text:?}");
            let (name, rest) = zero.split_once(":0|g").unwrap_or_else(|| panic!("{text:?}"));
            let same = shift.strip_prefix(name).and_then(|shift| shift.strip_suffix(rest)).unwrap_or_default();
            assert!(encoding.dialect().shifts && same.starts_with(":-") && same.ends_with("|g"), "{text:?}");
        }
        _ => panic!("{text:?}"),
    }
}

/// Panics unless `line` is `name:value|type[|@rate][|#tags]`; returns its number of values.
fn assert_line(line: &str, encoding: &Encoding) -> usize {
    assert!(!line.contains(char::is_control), "{line:?}");
    let dialect = encoding.dialect();
    let (name, rest) = line.split_once(':').unwrap_or_else(|| panic!("no value in {line:?}"));
    assert!(name.len() > encoding.prefix().as_str().len() && name.starts_with(encoding.prefix().as_str()), "{line:?}");
    assert!(!name.contains('|'), "{line:?}");
    let mut fields = rest.split('|');
    let values = fields.next().unwrap_or_default();
    let kind = fields.next().unwrap_or_else(|| panic!("no type in {line:?}"));
    let count = match kind {
        "s" => 1,
        "c" | "g" | "ms" | "h" | "d" => values.split(':').map(|value| assert_number(value, kind, line)).count(),
        _ => panic!("unknown type in {line:?}"),
    };
    assert!(!values.is_empty() && (count == 1 || (dialect.packed && kind != "g")), "{line:?}");
    assert!(kind == "g" || !values.contains('+') || kind == "s", "{line:?}");
    let mut field = fields.next();
    if let Some(rate) = field.and_then(|field| field.strip_prefix('@')) {
        // StatsD reads `1e-05` as 1.
        assert!(rate.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{line:?}");
        assert!(rate.parse::<f64>().is_ok_and(|rate| rate > 0.0 && rate < 1.0), "{line:?}");
        field = fields.next();
    }
    if let Some(tags) = field {
        let tags = tags.strip_prefix('#').unwrap_or_else(|| panic!("{line:?}"));
        assert!(dialect.tags.is_some_and(|tags| !tags.in_name), "{line:?}");
        assert!(tags.split(',').all(|tag| !tag.is_empty() && !tag.starts_with(':')), "{line:?}");
        assert!(!tags.contains(char::is_whitespace), "{line:?}");
    }
    assert_eq!(fields.next(), None, "{line:?}");
    count
}

/// Panics unless `value` is a plain finite decimal that a metric of this type may have.
fn assert_number(value: &str, kind: &str, line: &str) {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    assert!(plain && value.parse::<f64>().is_ok_and(f64::is_finite), "{line:?}");
    assert!(kind != "ms" || !value.starts_with('-'), "{line:?}");
}

/// Panics unless the proxy parses each line of `unit` back to itself. `encoding` has no own tags, because they would be on
/// the line twice.
pub(super) fn assert_reads_back(unit: &Unit, encoding: &Encoding) {
    let text = std::str::from_utf8(&unit.bytes).expect("lines are UTF-8");
    for line in text.split('\n') {
        let bare = line.strip_prefix(encoding.prefix().as_str()).expect("the prefix comes first");
        let name = bare.split(':').next().unwrap_or_default();
        // Only the writer makes tags in names, and spaces around a line are dropped.
        let in_name = encoding.dialect().tags.is_some_and(|tags| tags.in_name);
        if (in_name && name.bytes().any(|byte| encoding.dialect().reserved.contains(&byte)))
            || bare != bare.trim_ascii()
        {
            continue;
        }
        // If there are several lines, the first one prevents the detection of JSON.
        let mut body = format!("a.b:1|c\n{bare}").into_bytes();
        if bare.contains("|@") {
            body.resize(body.len() + FILLER, b'\n');
        }
        let read = read_batch(encoding, ContentType::Unnamed, &body, 64 * 1024).expect("lines are always read");
        let last = read.units.last().map(|unit| String::from_utf8_lossy(&unit.bytes).into_owned());
        assert_eq!(last.as_deref(), Some(line), "read back in {}", encoding.dialect().name);
    }
}
