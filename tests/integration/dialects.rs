//! The output in each dialect: one test for each cell of the table in `docs/dialects.md`.
//!
//! The expected lines are from the documentation of the daemons, not derived from the table in the code.

mod table;

use crate::support::client::post;
use crate::support::proxy::{Proxy, command, refusal};
use crate::support::receiver::Receiver;
use crate::support::request::batch;

/// The expected result of a request.
enum Outcome {
    /// Exactly these lines are sent.
    Sent(&'static [&'static str]),
    /// No line is sent; this is the error.
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
    // This line has the tags of the server too, in the position of the dialect.
    proxy.expect(post("/count/last", ""), 200);
    let mut sent = Vec::new();
    while !sent.last().is_some_and(|line: &String| line.starts_with("last")) {
        sent.extend(receiver.next().lines().map(str::to_owned));
    }
    sent.pop();
    assert_eq!(sent, lines);
}

/// The tests of a dialect. Every column is required, in this order.
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
        name_like_an_event $event:expr,
        name_of_a_daemons_own_counter $own_counter:expr,
        least_rate_of_a_counter $count_rate:expr,
        lower_rate_of_a_counter $low_count_rate:expr,
        least_multiplied_rate_of_a_timing $timing_rate:expr,
        lower_rate_of_a_timing $low_timing_rate:expr,
        lower_rate_of_a_histogram $low_histogram_rate:expr,
        lower_rate_of_a_distribution $low_distribution_rate:expr,
        lowest_rate_of_a_timing $lowest_timing_rate:expr $(,)?
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
            #[test]
            fn name_of_a_daemons_own_counter() {
                check(DIALECT, &[], batch("statsd.bad_lines_seen:1|c"), $own_counter)
            }
            #[test]
            fn least_rate_of_a_counter() {
                check(DIALECT, &[], batch("a:1|c|@1e-6"), $count_rate)
            }
            #[test]
            fn lower_rate_of_a_counter() {
                check(DIALECT, &[], batch("a:1|c|@0.0000009"), $low_count_rate)
            }
            #[test]
            fn least_multiplied_rate_of_a_timing() {
                check(DIALECT, &[], batch("a:1|ms|@0.001"), $timing_rate)
            }
            #[test]
            fn lower_rate_of_a_timing() {
                check(DIALECT, &[], batch("a:1|ms|@0.0009"), $low_timing_rate)
            }
            #[test]
            fn lower_rate_of_a_histogram() {
                check(DIALECT, &[], batch("a:1:2|h|@0.0009"), $low_histogram_rate)
            }
            #[test]
            fn lower_rate_of_a_distribution() {
                check(DIALECT, &[], batch("a:1|d|@0.0009"), $low_distribution_rate)
            }
            #[test]
            fn lowest_rate_of_a_timing() {
                check(DIALECT, &[], batch("a:1|ms|@0.000000001"), $lowest_timing_rate)
            }
        }
    };
}

use dialect;

/// A `sampleRate` may be any rate, but no line has a rate below the minimum of the daemon. If the daemon does not
/// multiply, the minimum is one in a million, so probably no request is forwarded.
#[test]
fn a_sample_rate_is_raised_to_the_minimum_of_a_line() {
    let metrics = vec![r#"{"metric":"t.x","type":"timing","value":1,"sampleRate":1e-9}"#; 15_000].join(",");
    for name in ["statsd", "datadog", "telegraf", "influxdb", "librato", "signalfx", "plain"] {
        let receiver = Receiver::new();
        let proxy = Proxy::start(&receiver, &[&format!("--statsd-dialect={name}")]);
        // At one in a thousand, sampling drops all of 15,000 once in three million runs.
        proxy.expect(batch(format!("[{metrics}]")), 200);
        proxy.expect(post("/timing/t.x", "time=1&sampleRate=0"), 200);
        proxy.expect(post("/count/last", ""), 200);
        let mut sent = Vec::new();
        while !sent.last().is_some_and(|line: &String| line.starts_with("last")) {
            sent.extend(receiver.next().lines().map(str::to_owned));
        }
        sent.pop();
        assert!(!sent.is_empty() && sent.len() < 200, "{name}: {}", sent.len());
        assert!(sent.iter().all(|line| line == "t.x:1|ms|@0.001"), "{name}: {sent:?}");
    }
}

#[test]
fn the_default_dialect_is_statsd() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    proxy.expect(batch("a:1:2|h|#beta"), 200);
    proxy.assert_sent(&receiver, &["a:1|ms|#beta:true", "a:2|ms|#beta:true"]);
}

#[test]
fn an_unknown_dialect_is_refused_at_start() {
    for name in ["graphite", "Datadog", "dogstatsd"] {
        let (code, text) = refusal(&mut command(&[&format!("--statsd-dialect={name}")]));
        assert_eq!(code, Some(2), "{name}: {text}");
        assert!(text.contains(&format!("--statsd-dialect {name:?}")), "{text}");
        assert!(text.contains("statsd, datadog, telegraf, influxdb, librato, signalfx, gostatsd, plain"), "{text}");
    }
}
