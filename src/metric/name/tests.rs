//! Names, prefixes and members: which are refused, and which pass unchanged.

use super::*;
use proptest::prelude::*;

fn name(text: &str) -> Result<Name<'_>, MetricError> {
    Name::parse(&Prefix::default(), text)
}

#[test]
fn names_that_could_forge_a_line_are_refused() {
    for bad in ["", "a\nb", "a\rb", "a\0", "a:b", "a|b", "a\u{7f}", "a\u{85}b"] {
        assert_eq!(name(bad), Err(MetricError::Name), "{bad:?}");
    }
}

#[test]
fn ordinary_and_odd_names_pass_unchanged() {
    for good in ["a.b.c", "a%d", "with space", "a/b", "ключ", "a@b", "a#b", "constructors", "a.toString"] {
        assert_eq!(name(good).map(|n| n.as_str()), Ok(good));
    }
}

#[test]
fn inherited_names_are_refused_however_they_are_spelled() {
    for bad in INHERITED {
        assert_eq!(name(bad), Err(MetricError::Name), "{bad}");
    }
    for bad in ["to%String", "const(ructor", " _proto_ ", "\u{feff}_proto__", "valueOf!", "\t_proto__"] {
        assert_eq!(name(bad), Err(MetricError::Name), "{bad}");
    }
    assert!(INHERITED.iter().all(|bad| bad.len() <= INHERITED_MAX));
}

#[test]
fn no_name_begins_an_event() {
    for bad in ["_e{1,1}", "_e{-1,5}", "_e{a.b", " _e{1,1}", "\u{3000}_e{1,1}"] {
        assert_eq!(name(bad), Err(MetricError::Name), "{bad}");
    }
    assert!(name("_e").is_ok() && name("_errors{a}").is_ok());
    assert!(Name::parse(&"web".parse().expect("a sound prefix"), "_e{1,1}").is_ok());
}

#[test]
fn no_name_begins_as_those_of_the_daemons_own_counters() {
    for bad in ["statsd.bad_lines_seen", "statsd.x", "statsd.", "stat%sd.x", "stats(d.x", "ключstatsd.x", "statsdé.x"]
        .into_iter()
        .chain(["stat\u{a0}sd.x", "\u{feff}statsd.x", "stat\u{2003}sd.x", "\u{3000}statsd.x", " statsd.x"])
        .chain(["statsd.exporter.x", "statsd_exporter_x", "statsd--exporter.x", "statsd[a=b]_exporter!x"])
    {
        assert_eq!(name(bad), Err(MetricError::Name), "{bad:?}");
        assert_eq!(Name::scan(&Prefix::default(), &format!("{bad}:1|c")), None, "{bad:?}");
    }
    for good in ["statsd", "statsd2.x", "my.statsd.x", "Statsd.x", "statsd/x", "statsd-.x", "_statsd.x", "stat.sd.x"]
        .into_iter()
        .chain(["statsd_x", "statsd_exporter", "statsd-export.x", "a statsd.x"])
    {
        assert_eq!(name(good).map(|n| n.as_str()), Ok(good));
    }
    let prefix: Prefix = "web".parse().expect("a sound prefix");
    assert!(Name::parse(&prefix, "statsd.x").is_ok());
    assert!(Name::scan(&prefix, "statsd.x:1|c").is_some());
}

#[test]
fn a_prefix_can_be_that_of_a_daemon_itself() {
    for (text, own) in [
        ("", false),
        ("web", false),
        ("my.statsd", false),
        ("statsd2", false),
        ("statsd", true),
        ("statsd.web.", true),
        ("stat sd", false),
        ("stat\u{a0}sd", true),
        ("statsd_exporter", true),
    ] {
        assert_eq!(text.parse::<Prefix>().expect("a sound prefix").is_daemons_own(), own, "{text:?}");
    }
}

#[test]
fn no_name_ends_statsd_exporter_or_its_page_of_metrics() {
    let web: Prefix = "web".parse().expect("a sound prefix");
    for bad in ["]a[", "a][", "a]b.c[d=e]"] {
        assert_eq!(name(bad), Err(MetricError::Name), "{bad}");
        assert_eq!(Name::parse(&web, bad), Err(MetricError::Name), "{bad}");
    }
    for bad in ["#a", ",a=b", "[a=b]", "[]"] {
        assert_eq!(name(bad), Err(MetricError::Name), "{bad}");
        assert!(Name::parse(&web, bad).is_ok(), "{bad}");
    }
    for good in ["[a]b", "a[b]", "a[b", "a]b", "a#b", "a,b=c", "[a]]"] {
        assert!(name(good).is_ok(), "{good}");
    }
}

#[test]
fn a_prefix_makes_an_inherited_name_harmless() {
    let prefix: Prefix = "web".parse().expect("a sound prefix");
    assert_eq!(Name::parse(&prefix, "constructor").map(|n| n.as_str()), Ok("constructor"));
}

#[test]
fn prefixes_end_in_one_dot() {
    let read = |text: &str| text.parse::<Prefix>().map(|p| p.as_str().to_owned());
    assert_eq!(read("a.b").as_deref(), Ok("a.b."));
    assert_eq!(read("a.b.").as_deref(), Ok("a.b."));
    assert_eq!(read("").as_deref(), Ok(""));
    assert_eq!(read(".").as_deref(), Ok(""));
    assert_eq!(read("a:b"), Err(MetricError::Name));
    assert_eq!(read("a\nb"), Err(MetricError::Name));
}

#[test]
fn a_scanned_name_is_the_parsed_one() {
    let (web, none): (Prefix, _) = ("web".parse().expect("a sound prefix"), Prefix::default());
    assert_eq!(Name::scan(&none, "a.b:1|c"), Some((Name("a.b"), "1|c")));
    assert_eq!(Name::scan(&web, "ab:1:2"), Some((Name("ab"), "1:2")));
    let long = format!("{}:1|c", "a.".repeat(MAX_LINE));
    for closer in ["ab:1|c", "a b.c:1|c", "a.b", "a.b\n:1|c", "a.b|c:1", ":1|c", "", long.as_str()] {
        assert_eq!(Name::scan(&none, closer), None, "{closer:?}");
    }
}

#[test]
fn members_of_sets_are_any_safe_text() {
    for good in ["a", "user 42", "кот", "1.5", "-3", "a,b"] {
        assert_eq!(Member::parse(good).map(|m| m.as_str()), Ok(good));
    }
    for bad in ["", "a:b", "a|b", "a\nb", "constructor", "__proto__"] {
        assert_eq!(Member::parse(bad), Err(MetricError::Set), "{bad:?}");
    }
    assert_eq!(Member::parse_integer("-5").map(|m| m.as_str()), Ok("-5"));
    assert_eq!(Member::parse_integer("+5").map(|m| m.as_str()), Ok("5"));
    assert_eq!(Member::parse_integer("1.5"), Err(MetricError::Set));
}

proptest! {
    #[test]
    fn an_accepted_name_never_holds_what_ends_a_field(text in any::<String>()) {
        if let Ok(name) = name(&text) {
            prop_assert!(!name.as_str().contains(['\n', '\r', '\0', ':', '|']));
            prop_assert!(!name.as_str().is_empty());
        }
    }
}
