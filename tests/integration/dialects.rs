//! What leaves in each dialect: one test for each cell of the table in `docs/dialects.md`.
//!
//! The lines are written out, not derived from the proxy's own table: they are what the daemons' documents ask for.

mod table;

use crate::support::client::post;
use crate::support::proxy::{Proxy, command, refusal};
use crate::support::receiver::Receiver;
use crate::support::request::batch;

/// What becomes of a request.
enum Outcome {
    /// Exactly these lines leave.
    Sent(&'static [&'static str]),
    /// No line leaves, and this is why.
    Refused(&'static str),
}

use Outcome::{Refused, Sent};

fn check(dialect: &str, flags: &[&str], request: impl AsRef<[u8]>, expected: Outcome) {
    let receiver = Receiver::new();
    let dialect = format!("--statsd-dialect={dialect}");
    let mut all = vec![dialect.as_str()];
    all.extend(flags);
    let proxy = Proxy::start(&receiver, &all);
    let lines = match expected {
        Sent(lines) => {
            proxy.expect(request, 200);
            lines
        }
        Refused(text) => {
            let answer = proxy.expect(request, 400);
            let report = format!(r#"{{"accepted":0,"rejected":[{{"index":0,"error":"{text}"}}]}}"#);
            assert!(answer.body == report || answer.body == format!("{text}\n"), "{answer:?}");
            &[]
        }
    };
    // The server's own tags are on this line too, in whichever place the dialect has for them.
    proxy.expect(post("/count/last", ""), 200);
    let mut sent = Vec::new();
    while !sent.last().is_some_and(|line: &String| line.starts_with("last")) {
        sent.extend(receiver.next().lines().map(str::to_owned));
    }
    sent.pop();
    assert_eq!(sent, lines);
}

/// The tests of a dialect. Every column has to be there, in this order.
macro_rules! dialect {
    ($dialect:ident:
        tag_with_value $tag:expr,
        tag_without_value $bare:expr,
        tag_value_with_colon $colon:expr,
        own_tag_after_a_clients $own:expr,
        own_tag_alone $alone:expr,
        tags_and_rate $rate:expr,
        negative_gauge_by_rest $rest:expr,
        negative_gauge_by_json $json:expr,
        negative_gauge_with_tag $tagged:expr,
        gauge_shift_by_rest $shift:expr,
        gauge_shift_by_json $json_shift:expr,
        gauge_shift_in_a_batch $batch_shift:expr,
        gauge_with_minus_in_a_line $minus:expr,
        gauge_with_plus_in_a_line $plus:expr,
        packed_timings $packed:expr,
        packed_timings_with_rate_and_tag $packed_tagged:expr,
        packed_set $packed_set:expr,
        packed_gauge $packed_gauge:expr,
        histogram $histogram:expr,
        distribution $distribution:expr,
        negative_histogram $negative_histogram:expr,
        negative_distribution $negative_distribution:expr,
        comma_in_a_name $comma:expr,
        hash_in_a_name $hash:expr,
        bracket_in_a_name $bracket:expr,
        closing_bracket_in_a_name $closing:expr,
        name_like_an_event $event:expr $(,)?
    ) => {
        mod $dialect {
            use super::*;

            const DIALECT: &str = stringify!($dialect);

            #[test]
            fn tag_with_value() {
                check(DIALECT, &[], batch("a:1|c|#env:prod"), $tag)
            }
            #[test]
            fn tag_without_value() {
                check(DIALECT, &[], batch("a:1|c|#beta"), $bare)
            }
            #[test]
            fn tag_value_with_colon() {
                check(DIALECT, &[], batch("a:1|c|#t:10:30"), $colon)
            }
            #[test]
            fn own_tag_after_a_clients() {
                check(DIALECT, &["--statsd-tag=dc=eu"], batch("a:1|c|#env:prod,dc:us"), $own)
            }
            #[test]
            fn own_tag_alone() {
                check(DIALECT, &["--statsd-tag=dc=eu"], post("/count/a", ""), $alone)
            }
            #[test]
            fn tags_and_rate() {
                check(DIALECT, &[], batch("a:1|c|@0.5|#env:prod,k:v"), $rate)
            }
            #[test]
            fn negative_gauge_by_rest() {
                check(DIALECT, &[], post("/gauge/g", "value=-5"), $rest)
            }
            #[test]
            fn negative_gauge_by_json() {
                check(DIALECT, &[], batch(r#"[{"metric":"g","type":"gauge","value":-5}]"#), $json)
            }
            #[test]
            fn negative_gauge_with_tag() {
                check(DIALECT, &[], json("/gauge/g", r#"{"value":-5,"tags":{"k":"v"}}"#), $tagged)
            }
            #[test]
            fn gauge_shift_by_rest() {
                check(DIALECT, &[], post("/gauge/g", "shift=3"), $shift)
            }
            #[test]
            fn gauge_shift_by_json() {
                check(DIALECT, &[], json("/gauge/g", r#"{"shift":-3}"#), $json_shift)
            }
            #[test]
            fn gauge_shift_in_a_batch() {
                check(DIALECT, &[], batch(r#"{"metric":"g","type":"gauge","shift":3}"#), $batch_shift)
            }
            #[test]
            fn gauge_with_minus_in_a_line() {
                check(DIALECT, &[], batch("g:-5|g"), $minus)
            }
            #[test]
            fn gauge_with_plus_in_a_line() {
                check(DIALECT, &[], batch("g:+5|g"), $plus)
            }
            #[test]
            fn packed_timings() {
                check(DIALECT, &[], batch("a:1:2:3|ms"), $packed)
            }
            #[test]
            fn packed_timings_with_rate_and_tag() {
                check(DIALECT, &[], batch("a:1:2|ms|@0.5|#k:v"), $packed_tagged)
            }
            #[test]
            fn packed_set() {
                check(DIALECT, &[], batch("a:1:2|s"), $packed_set)
            }
            #[test]
            fn packed_gauge() {
                check(DIALECT, &[], batch("a:1:2|g"), $packed_gauge)
            }
            #[test]
            fn histogram() {
                check(DIALECT, &[], batch("a:1|h"), $histogram)
            }
            #[test]
            fn distribution() {
                check(DIALECT, &[], batch("a:1|d"), $distribution)
            }
            #[test]
            fn negative_histogram() {
                check(DIALECT, &[], batch("a:-1|h"), $negative_histogram)
            }
            #[test]
            fn negative_distribution() {
                check(
                    DIALECT,
                    &[],
                    batch(r#"[{"metric":"a","type":"distribution","value":-1}]"#),
                    $negative_distribution,
                )
            }
            #[test]
            fn comma_in_a_name() {
                check(DIALECT, &[], batch("a,b=c:1|c"), $comma)
            }
            #[test]
            fn hash_in_a_name() {
                check(DIALECT, &[], batch("a#b=c:1|c"), $hash)
            }
            #[test]
            fn bracket_in_a_name() {
                check(DIALECT, &[], post("/count/a%5Bb", ""), $bracket)
            }
            #[test]
            fn closing_bracket_in_a_name() {
                check(DIALECT, &[], batch(r#"{"metric":"a]b","type":"c"}"#), $closing)
            }
            #[test]
            fn name_like_an_event() {
                check(DIALECT, &[], batch("_e{5}:1|c"), $event)
            }
        }
    };
}

use dialect;

#[test]
fn statsd_is_the_dialect_unless_another_is_named() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    proxy.expect(batch("a:1:2|h|#beta"), 200);
    proxy.assert_sent(&receiver, &["a:1|ms|#beta:true", "a:2|ms|#beta:true"]);
}

#[test]
fn an_unknown_dialect_is_refused_at_the_start() {
    for name in ["graphite", "Datadog", "dogstatsd"] {
        let (code, text) = refusal(&mut command(&[&format!("--statsd-dialect={name}")]));
        assert_eq!(code, Some(2), "{name}: {text}");
        assert!(text.contains(&format!("--statsd-dialect {name:?}")), "{text}");
        assert!(text.contains("statsd, datadog, telegraf, influxdb, librato, signalfx, gostatsd"), "{text}");
    }
}
