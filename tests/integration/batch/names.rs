//! Names and members that StatsD finds among the inherited properties of its objects: some crash it, some are counted
//! wrong.

use crate::support::client::post;
use crate::support::request::{batch, typed_batch};

use super::start;

const INHERITED: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// Names that are the same after StatsD's sanitiser.
const DISGUISED: [&str; 4] = ["to%String", "const(ructor", "valueOf!", "_\u{a0}proto__"];

fn refused(error: &str) -> String {
    format!(r#"{{"accepted":0,"rejected":[{{"index":0,"error":"{error}"}}]}}"#)
}

#[test]
fn inherited_names_are_rejected_in_every_format_and_type() {
    let (receiver, proxy) = start(&[]);
    for name in INHERITED.into_iter().chain(DISGUISED) {
        for kind in ["c", "g", "ms", "s", "h", "d"] {
            let line = format!("{name}:1|{kind}");
            let tagged = format!("{name}:1|{kind}|#k:v");
            let object = format!(r#"{{"metric":"{name}","type":"{kind}","value":1}}"#);
            let ndjson = typed_batch("application/x-ndjson", &object);
            for request in [batch(line), batch(tagged), batch(format!("[{object}]")), ndjson] {
                assert_eq!(proxy.expect(request, 400).body, refused("Invalid key specified"), "{name} {kind}");
            }
        }
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn inherited_members_are_rejected_with_any_prefix() {
    let (receiver, proxy) = start(&["--metric-prefix=web"]);
    for member in INHERITED.into_iter().chain(DISGUISED) {
        let object = format!(r#"{{"metric":"u","type":"set","value":"{member}"}}"#);
        for request in [batch(format!("u:{member}|s")), batch(format!("[{object}]"))] {
            assert_eq!(proxy.expect(request, 400).body, refused("Invalid set value specified"), "{member}");
        }
    }
    // In a packed line, only this member is rejected.
    let report = r#"{"accepted":2,"rejected":[{"index":1,"error":"Invalid set value specified"}]}"#;
    assert_eq!(proxy.expect(batch("u:a:__proto__:b|s"), 200).body, report);
    proxy.expect(batch("last:1|c"), 200);
    assert_eq!(receiver.until("web.last:1|c"), ["web.u:a|s", "web.u:b|s"]);
}

#[test]
fn a_prefix_or_a_dot_makes_inherited_names_harmless() {
    let (receiver, proxy) = start(&["--metric-prefix=web"]);
    proxy.expect(batch(r#"[{"metric":"__proto__","type":"c"}]"#), 200);
    proxy.expect(batch("constructor:1|c\na.plain:1|c\nlast:1|c"), 200);
    assert_eq!(receiver.until("web.last:1|c"), ["web.__proto__:1|c", "web.constructor:1|c", "web.a.plain:1|c"]);
    let (receiver, proxy) = start(&[]);
    proxy.expect(batch("a.constructor:1|c\nconstructors:1|c"), 200);
    proxy.assert_sent(&receiver, &["a.constructor:1|c", "constructors:1|c"]);
}

/// Names that a daemon reads as one of its own: etsy's StatsD, gostatsd, Telegraf, netdata, collectd or
/// statsd_exporter.
const OWN: [&str; 14] = [
    "statsd.x",
    "stat\u{a0}sd.x",
    "\u{feff}statsd.x",
    "stat\u{2003}sd.x",
    "\u{3000}statsd.x",
    "s\u{200b}tatsd.x",
    "statsd\u{301}.x",
    "stat%sd.x",
    "/statsd.x",
    "statsd.x y",
    "statsd_exporter_lines_total",
    "statsd--exporter.lines",
    "statsd[k=v]_exporter_lines",
    "[k=v]statsd_exporter_lines",
];

/// Names that crash statsd_exporter, or make its page of metrics an error.
const UNREADABLE: [&str; 4] = ["]a[", "#a", ",a=b", "[k=v]"];

fn encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn names_of_daemons_own_metrics_are_rejected_in_every_spelling() {
    let (receiver, proxy) = start(&[]);
    for name in OWN.into_iter().chain(UNREADABLE) {
        let rest = post(&format!("/count/{}", encoded(name)), "value=1");
        assert_eq!(proxy.expect(rest, 400).body, "Invalid key specified\n", "{name:?}");
        let object = format!(r#"{{"metric":"{name}","type":"c","value":1}}"#);
        let ndjson = typed_batch("application/x-ndjson", &object);
        // A body that begins with a bracket is JSON.
        let line = (!name.starts_with('[')).then(|| batch(format!("{name}:1|c")));
        for request in [batch(format!("[{object}]")), ndjson].into_iter().chain(line) {
            assert_eq!(proxy.expect(request, 400).body, refused("Invalid key specified"), "{name:?}");
        }
    }
    // White space around a line is dropped before its name is read.
    proxy.expect(batch(" statsd.x:1|c"), 400);
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_prefix_makes_names_of_daemons_own_metrics_harmless() {
    let (receiver, proxy) = start(&["--metric-prefix=web"]);
    for name in OWN {
        proxy.expect(post(&format!("/count/{}", encoded(name)), "value=1"), 200);
        assert_eq!(receiver.next(), format!("web.{name}:1|c"));
    }
    // This name crashes statsd_exporter with any prefix.
    proxy.expect(post(&format!("/count/{}", encoded("]a[")), "value=1"), 400);
    proxy.expect(batch("last:1|c"), 200);
    assert_eq!(receiver.next(), "web.last:1|c");
}

#[test]
fn a_prefix_of_daemons_own_metrics_gives_a_warning_at_start() {
    let (receiver, proxy) = start(&["--metric-prefix=statsd"]);
    let warnings: Vec<_> = proxy.seen.iter().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{:?}", proxy.seen);
    assert!(warnings[0].contains("--metric-prefix \"statsd\"") && warnings[0].contains("choose another prefix"));
    proxy.expect(batch("a:1|c"), 200);
    assert_eq!(receiver.next(), "statsd.a:1|c");
}
