//! Names and members that StatsD would look up in what its objects inherit: some crash it, some are counted wrong.

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

/// The same after StatsD has cleaned them.
const DISGUISED: [&str; 4] = ["to%String", "const(ructor", "valueOf!", "_\u{a0}proto__"];

fn refused(error: &str) -> String {
    format!(r#"{{"accepted":0,"rejected":[{{"index":0,"error":"{error}"}}]}}"#)
}

#[test]
fn inherited_names_are_rejected_in_every_format_and_of_every_kind() {
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
fn inherited_members_are_rejected_whatever_the_prefix() {
    let (receiver, proxy) = start(&["--metric-prefix=web"]);
    for member in INHERITED.into_iter().chain(DISGUISED) {
        let object = format!(r#"{{"metric":"u","type":"set","value":"{member}"}}"#);
        for request in [batch(format!("u:{member}|s")), batch(format!("[{object}]"))] {
            assert_eq!(proxy.expect(request, 400).body, refused("Invalid set value specified"), "{member}");
        }
    }
    // In a packed line, it takes no other member with it.
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
