//! Every odd character in every place of a daemon's own name, against the daemons' rules written down a second time.

use super::*;
use crate::metric::{Name, Prefix};

/// What each daemon makes of a name: written as its source has it, and not as the table has it.
fn read_by_each(name: &str) -> Vec<String> {
    let replaced = |text: String, kept: &str| {
        let text = text.replace('/', "-");
        text.chars().filter(|c| c.is_ascii_alphanumeric() || kept.contains(*c)).collect::<String>()
    };
    let spaces_joined = |text: &str, is_space: &dyn Fn(char) -> bool| {
        let mut joined = String::new();
        for c in text.chars() {
            match is_space(c) {
                true if joined.ends_with('\0') => {}
                true => joined.push('\0'),
                false => joined.push(c),
            }
        }
        joined.replace('\0', "_")
    };
    // ECMA-262, WhiteSpace and LineTerminator; the control characters among them are in no name.
    let javascript = |c: char| {
        matches!(c, ' ' | '\u{a0}' | '\u{feff}' | '\u{1680}' | '\u{2000}'..='\u{200a}')
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
    };
    let telegraf = name.trim_start().split(',').next().expect("split gives one piece").to_owned();
    let bytes = name.bytes().filter_map(|byte| match byte {
        b'/' => Some(b'-'),
        b' ' | b'\t' => Some(b'_'),
        b'.' | b'-' | b'_' => Some(byte),
        _ => byte.is_ascii_alphanumeric().then_some(byte),
    });
    vec![
        replaced(spaces_joined(name, &javascript), "_-."),
        replaced(spaces_joined(name, &javascript), "_-.;="),
        name.to_owned(),
        String::from_utf8(bytes.collect()).expect("only ASCII is kept"),
        replaced(spaces_joined(&telegraf, &|c| c == ' '), "_-.;="),
        telegraf,
        name.strip_prefix('/').unwrap_or(name).replace('/', "_"),
        name.split('=').next().expect("split gives one piece").trim_matches(' ').to_owned(),
        exporter_name(name),
    ]
}

fn exporter_name(name: &str) -> String {
    let name = match (name.find('['), name.find(']')) {
        (Some(open), Some(close)) => format!("{}{}", &name[..open], &name[close + 1..]),
        (None, None) => name.chars().take_while(|c| !['#', ','].contains(c)).collect(),
        _ => name.to_owned(),
    };
    let mut read = String::new();
    let mut before = ' ';
    for c in name.chars() {
        if c == '-' && before == '-' {
            continue;
        }
        read.push(if c.is_ascii_alphanumeric() { c } else { '_' });
        before = c;
    }
    read
}

fn is_own(read: &str) -> bool {
    read.starts_with("statsd.") || read.starts_with("statsd_exporter_")
}

/// Characters that a name may hold: those below U+3100, where all white space is, those of the last page of the first
/// plane, where U+FEFF is, and one of each plane beyond.
fn characters() -> impl Iterator<Item = char> {
    let first = ('\0'..'\u{3100}').chain('\u{fe00}'..='\u{ffff}');
    let beyond = (1..=16).filter_map(|plane| char::from_u32(plane * 0x1_0000 + 0xabc));
    first.chain(beyond).filter(|c| !c.is_control() && ![':', '|'].contains(c))
}

/// Whether a daemon reads `name` as its own, which the table must say too, and such a name must be refused.
fn check(name: &str) -> bool {
    let expected = read_by_each(name).iter().any(|read| is_own(read));
    assert_eq!(is_daemons_own(name), expected, "{name:?}");
    if expected {
        assert!(Name::parse(&Prefix::default(), name).is_err(), "{name:?}");
        assert!(Name::scan(&Prefix::default(), &format!("{name}:1|c")).is_none(), "{name:?}");
    }
    expected
}

#[test]
fn no_character_in_any_place_makes_a_name_a_daemons_own() {
    let own = "statsd.x";
    let (mut refused, mut taken) = (0, 0);
    for at in 0..=own.len() {
        let (before, after) = own.split_at(at);
        for c in characters() {
            *(if check(&format!("{before}{c}{after}")) { &mut refused } else { &mut taken }) += 1;
        }
    }
    assert!(refused > 100_000 && taken > 400, "{refused} refused, {taken} taken");
}

#[test]
fn no_character_in_place_of_another_makes_a_name_a_daemons_own() {
    for own in ["statsd.x", "statsd_exporter_x", "statsd.exporter.x", "statsd--exporter.x"] {
        for at in 0..own.len() {
            for c in characters().filter(|c| c.is_ascii() || c.is_whitespace() || *c == '\u{feff}' || *c == 'é') {
                for after in [&own[at..], &own[at + 1..]] {
                    check(&format!("{}{c}{after}", &own[..at]));
                }
            }
        }
    }
}

#[test]
fn no_two_odd_characters_make_a_name_a_daemons_own() {
    let odd =
        [' ', '\u{a0}', '\u{feff}', '\u{3000}', '/', '-', '_', '%', '[', ']', '#', ',', '=', ';', 'é', '\u{1f600}'];
    for own in ["statsd.x", "statsd_exporter_x"] {
        for (first, second) in (0..=own.len()).flat_map(|first| (first..=own.len()).map(move |second| (first, second)))
        {
            for (a, b) in odd.into_iter().flat_map(|a| odd.into_iter().map(move |b| (a, b))) {
                let name = format!("{}{a}{}{b}{}", &own[..first], &own[first..second], &own[second..]);
                if !ends_a_daemon(&name) {
                    check(&name);
                }
            }
        }
    }
}

#[test]
fn every_sanitiser_names_its_source() {
    for sanitiser in &SANITISERS {
        assert!(sanitiser.daemon.contains(" in ") || sanitiser.daemon.contains("src/"), "{}", sanitiser.daemon);
        assert_eq!(sanitiser.read("a.b_c9").count(), 6, "{}", sanitiser.daemon);
    }
}
