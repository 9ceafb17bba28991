//! A metric as the bytes of a StatsD line: `name:value|type[|@rate]`.
//!
//! The grammar is that of etsy's StatsD (`docs/metric_types.md` there). Pure: the sink is a byte vector.

use std::io::Write as _;

use crate::metric::{Metric, Number, Prefix, Rate, Value};

/// The longest line that is sent, in bytes: the receive buffer of a DogStatsD agent, the smallest among the daemons
/// that take more than one Ethernet frame. Anything longer would arrive cut, as another metric.
pub const MAX_LINE: usize = 8192;

/// Appends the line of `metric` to `out`, without a final newline.
///
/// A negative absolute gauge becomes two lines with a newline between: StatsD reads `g:-5|g` as a shift, so the gauge
/// is set to 0 first. The two must travel in one datagram, in this order.
pub fn write(out: &mut Vec<u8>, prefix: &Prefix, metric: &Metric<'_>) {
    let name = |out: &mut Vec<u8>| {
        out.extend_from_slice(prefix.as_str().as_bytes());
        out.extend_from_slice(metric.name.as_str().as_bytes());
        out.push(b':');
    };
    if let Value::Gauge(value) = metric.value
        && value.is_negative()
    {
        name(out);
        out.extend_from_slice(b"0|g\n");
    }
    name(out);
    match metric.value {
        Value::Count(value, rate) => {
            number(out, value);
            out.extend_from_slice(b"|c");
            sampled(out, rate);
        }
        Value::Gauge(value) => {
            number(out, value);
            out.extend_from_slice(b"|g");
        }
        Value::GaugeShift(value) => {
            if !value.is_negative() {
                out.push(b'+');
            }
            number(out, value);
            out.extend_from_slice(b"|g");
        }
        Value::Timing(value, rate) => {
            number(out, value);
            out.extend_from_slice(b"|ms");
            sampled(out, rate);
        }
        Value::Set(value) => {
            number(out, value);
            out.extend_from_slice(b"|s");
        }
    }
}

/// The bytes that [`write`] appends for `metric`.
pub fn len(prefix: &Prefix, metric: &Metric<'_>) -> usize {
    let name = prefix.as_str().len() + metric.name.as_str().len();
    let number = |number: &Number<'_>| usize::from(number.is_negative()) + number.digits().len();
    let rate = |rate: &Rate| if rate.is_sampled() { "|@".len() + rate.to_string().len() } else { 0 };
    name + ":".len()
        + match &metric.value {
            Value::Count(value, r) => number(value) + "|c".len() + rate(r),
            Value::Gauge(value) if value.is_negative() => name + ":0|g\n".len() + number(value) + "|g".len(),
            Value::Gauge(value) => number(value) + "|g".len(),
            Value::GaugeShift(value) => 1 + value.digits().len() + "|g".len(),
            Value::Timing(value, r) => number(value) + "|ms".len() + rate(r),
            Value::Set(value) => number(value) + "|s".len(),
        }
}

fn number(out: &mut Vec<u8>, number: Number<'_>) {
    if number.is_negative() {
        out.push(b'-');
    }
    out.extend_from_slice(number.digits().as_bytes());
}

fn sampled(out: &mut Vec<u8>, rate: Rate) {
    if rate.is_sampled() {
        write!(out, "|@{rate}").expect("writing to a Vec cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Name;
    use proptest::prelude::*;

    fn line(prefix: &str, name: &str, value: Value<'_>) -> String {
        let prefix: Prefix = prefix.parse().expect("a sound prefix");
        let name = Name::parse(&prefix, name).expect("a sound name");
        let mut out = Vec::new();
        write(&mut out, &prefix, &Metric { name, value });
        String::from_utf8(out).expect("a line is UTF-8")
    }

    fn n(text: &str) -> Number<'_> {
        Number::parse(text).expect("a sound number")
    }

    #[test]
    fn each_kind_has_its_line() {
        let half = Rate::parse("0.5").expect("a rate");
        assert_eq!(line("", "a", Value::Count(n("1"), Rate::ALL)), "a:1|c");
        assert_eq!(line("p", "a", Value::Count(n("-2"), half)), "p.a:-2|c|@0.5");
        assert_eq!(line("", "a", Value::Gauge(n("+10"))), "a:10|g");
        assert_eq!(line("", "a", Value::GaugeShift(n("3"))), "a:+3|g");
        assert_eq!(line("", "a", Value::GaugeShift(n("-3"))), "a:-3|g");
        assert_eq!(line("", "a", Value::Timing(n("12.345"), half)), "a:12.345|ms|@0.5");
        assert_eq!(line("", "a", Value::Set(n("42"))), "a:42|s");
    }

    #[test]
    fn a_negative_gauge_is_set_to_zero_first() {
        assert_eq!(line("p", "g", Value::Gauge(n("-5"))), "p.g:0|g\np.g:-5|g");
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
            let prefix = Prefix::default();
            let Ok(name) = Name::parse(&prefix, &text) else { return Ok(()) };
            let rate = Rate::parse(&rate.to_string()).expect("a rate in range");
            let number = n(&value);
            let double: f64 = value.parse().expect("a decimal");
            for (value, kind) in [
                (Value::Count(number, rate), "c"),
                (Value::Gauge(number), "g"),
                (Value::GaugeShift(number), "g"),
                (Value::Timing(number, rate), "ms"),
                (Value::Set(number), "s"),
            ] {
                let mut out = Vec::new();
                write(&mut out, &prefix, &Metric { name, value });
                prop_assert_eq!(len(&prefix, &Metric { name, value }), out.len());
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
}
