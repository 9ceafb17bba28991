//! Lines of each kind and dialect, and how they read back.

use super::*;
use crate::metric::{Member, Number, Numbers};
use crate::statsd::dialect::DIALECTS;
use proptest::prelude::*;

fn tagged(encoding: &Encoding, name: &str, value: Value<'_>, tags: &str) -> String {
    let name = encoding.name(name).expect("a sound name");
    let mut out = Vec::new();
    write(&mut out, encoding, &Metric::new(name, value, Tags::parse(tags).expect("few tags")));
    String::from_utf8(out).expect("a line is UTF-8")
}

fn line(prefix: &str, name: &str, value: Value<'_>) -> String {
    tagged(&Encoding::new(prefix.parse().expect("a sound prefix"), DIALECTS[0]), name, value, "")
}

fn n(text: &str) -> Number<'_> {
    Number::parse(text, MetricError::Value).expect("a sound number")
}

fn encoding(dialect: &str) -> Encoding {
    Encoding::new(Default::default(), crate::statsd::dialect::Dialect::find(dialect).expect("a dialect"))
}

#[test]
fn each_kind_has_its_line() {
    let half = Rate::parse("0.5").expect("a rate");
    assert_eq!(line("", "a", Value::Sampled(Kind::Count, n("1").into(), Rate::ALL)), "a:1|c");
    assert_eq!(line("p", "a", Value::Sampled(Kind::Count, n("-2").into(), half)), "p.a:-2|c|@0.5");
    assert_eq!(line("", "a", Value::Gauge(n("+10"))), "a:10|g");
    assert_eq!(line("", "a", Value::GaugeShift(n("3"))), "a:+3|g");
    assert_eq!(line("", "a", Value::GaugeShift(n("-3"))), "a:-3|g");
    assert_eq!(line("", "a", Value::Sampled(Kind::Timing, n("12.345").into(), half)), "a:12.345|ms|@0.5");
    assert_eq!(line("", "a", Value::Set(Member::ONE)), "a:1|s");
    assert_eq!(line("", "a", Value::Sampled(Kind::Histogram, n("1").into(), half)), "a:1|h|@0.5");
    assert_eq!(line("", "a", Value::Sampled(Kind::Distribution, n("1").into(), Rate::ALL)), "a:1|d");
    let values = Numbers::packed("1:2", |text| Number::parse(text, MetricError::Value)).expect("two numbers");
    assert_eq!(line("", "a", Value::Sampled(Kind::Timing, values, half)), "a:1:2|ms|@0.5");
}

#[test]
fn a_negative_gauge_is_set_to_zero_first() {
    assert_eq!(line("p", "g", Value::Gauge(n("-5"))), "p.g:0|g\np.g:-5|g");
}

#[test]
fn tags_are_written_as_the_dialect_has_them() {
    let tags = "env:prod,beta,t=10:30,:x";
    for (dialect, expected) in [
        ("statsd", "a:1|c|#env:prod,beta:true,t:10_30"),
        ("datadog", "a:1|c|#env:prod,beta,t:10:30"),
        ("telegraf", "a:1|c|#env:prod,beta,t:10:30"),
        ("gostatsd", "a:1|c|#env:prod,beta,t:10:30"),
        ("influxdb", "a,env=prod,beta=true,t=10_30:1|c"),
        ("librato", "a#env=prod,beta=true,t=10_30:1|c"),
        ("signalfx", "a[env=prod,beta=true,t=10_30]:1|c"),
    ] {
        assert_eq!(
            tagged(&encoding(dialect), "a", Value::Sampled(Kind::Count, n("1").into(), Rate::ALL), tags),
            expected,
            "{dialect}"
        );
    }
    for dialect in DIALECTS {
        let encoding = encoding(dialect.name);
        assert_eq!(
            tagged(&encoding, "a", Value::Sampled(Kind::Count, n("1").into(), Rate::ALL), ",:x,="),
            "a:1|c",
            "{}",
            dialect.name
        );
    }
}

#[test]
fn rates_stand_before_tags_and_both_lines_of_a_gauge_have_them() {
    let half = Rate::parse("0.5").expect("a rate");
    assert_eq!(
        tagged(&encoding("statsd"), "a", Value::Sampled(Kind::Count, n("1").into(), half), "k:v"),
        "a:1|c|@0.5|#k:v"
    );
    assert_eq!(tagged(&encoding("statsd"), "g", Value::Gauge(n("-5")), "k:v"), "g:0|g|#k:v\ng:-5|g|#k:v");
    assert_eq!(tagged(&encoding("signalfx"), "g", Value::Gauge(n("-5")), "k:v"), "g[k=v]:0|g\ng[k=v]:-5|g");
    assert_eq!(tagged(&encoding("datadog"), "g", Value::Gauge(n("-5")), "k:v"), "g:-5|g|#k:v");
}

#[test]
fn the_servers_own_tags_come_last_and_cannot_be_set_by_a_client() {
    for (dialect, expected, alone) in [
        ("statsd", "a:1|c|#k:v,env:prod,dc:x", "a:1|c|#env:prod,dc:x"),
        ("influxdb", "a,k=v,env=prod,dc=x:1|c", "a,env=prod,dc=x:1|c"),
        ("signalfx", "a[k=v,env=prod,dc=x]:1|c", "a[env=prod,dc=x]:1|c"),
    ] {
        let mut encoding = encoding(dialect);
        encoding.add_tag("env=prod").expect("a tag");
        encoding.add_tag("dc=x").expect("a tag");
        let write = |tags| tagged(&encoding, "a", Value::Sampled(Kind::Count, n("1").into(), Rate::ALL), tags);
        assert_eq!(write("k:v,env:evil, env =evil"), expected);
        assert_eq!(write(""), alone);
        assert_eq!(write("env:evil"), alone);
    }
}

#[test]
fn a_metric_that_a_sink_makes_of_a_plain_line_is_written_by_its_parts() {
    let encoding = Encoding::new("p".parse().expect("a sound prefix"), DIALECTS[0]);
    let name = encoding.name("a.b").expect("a sound name");
    let read = Metric::from_plain_line("a.b:1|c", name, Value::Sampled(Kind::Count, n("1").into(), Rate::ALL));
    let made = Metric::new(read.name(), Value::Sampled(Kind::Count, n("7").into(), Rate::ALL), read.tags());
    for (metric, expected) in [(read, "p.a.b:1|c"), (made, "p.a.b:7|c")] {
        let mut out = Vec::new();
        write(&mut out, &encoding, &metric);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

/// A second reading of StatsD's grammar, written apart from the writer: name, value, type, rate.
fn read_back(line: &str) -> (&str, &str, &str, Option<f64>) {
    let (name, rest) = line.split_once(':').expect("a name");
    let fields: Vec<&str> = rest.split('|').collect();
    let rate = fields.get(2).map(|f| f.strip_prefix('@').expect("a rate").parse().expect("a decimal"));
    assert!(fields.len() == 2 || fields.len() == 3, "{line}");
    (name, fields[0], fields[1], rate)
}

proptest! {
    #[test]
    fn every_line_reads_back_as_one_metric_of_the_same_meaning(
        text in "\\PC{1,40}",
        value in "[+-]?[0-9]{1,9}(\\.[0-9]{1,6})?",
        rate in 0.001f64..1.0,
    ) {
        let encoding = Encoding::default();
        let Ok(name) = encoding.name(&text) else { return Ok(()) };
        let rate = Rate::parse(&rate.to_string()).expect("a rate in range");
        let number = n(&value);
        let double: f64 = value.parse().expect("a decimal");
        for (value, kind) in [
            (Value::Sampled(Kind::Count, number.into(), rate), "c"),
            (Value::Gauge(number), "g"),
            (Value::GaugeShift(number), "g"),
            (Value::Sampled(Kind::Timing, number.into(), rate), "ms"),
            (Value::Sampled(Kind::Histogram, number.into(), rate), "h"),
            (Value::Sampled(Kind::Distribution, number.into(), rate), "d"),
        ] {
            let mut out = Vec::new();
            write(&mut out, &encoding, &Metric::new(name, value, Tags::NONE));
            let sent = String::from_utf8(out).expect("a line is UTF-8");
            let lines: Vec<&str> = sent.split('\n').collect();
            if matches!(value, Value::Gauge(v) if v.is_negative()) {
                prop_assert_eq!(lines.len(), 2);
                prop_assert_eq!(read_back(lines[0]), (text.as_str(), "0", "g", None));
            } else {
                prop_assert_eq!(lines.len(), 1);
            }
            let (got_name, got_value, got_kind, got_rate) = read_back(lines[lines.len() - 1]);
            prop_assert_eq!(got_name, text.as_str());
            prop_assert_eq!(got_kind, kind);
            prop_assert_eq!(got_value.parse::<f64>().ok(), Some(double));
            prop_assert_eq!(got_value.starts_with('+'), matches!(value, Value::GaugeShift(v) if !v.is_negative()));
            prop_assert_eq!(got_rate.map(|r| r.to_string()), value.rate().is_sampled().then(|| rate.to_string()));
        }
    }
}
