//! Parameters to values: defaults, order, errors, and what the daemon takes.

use super::*;
use crate::statsd::dialect::Dialect;

const KINDS: [Kind; 6] = [Kind::Count, Kind::Gauge, Kind::Timing, Kind::Set, Kind::Histogram, Kind::Distribution];

fn encoding(dialect: &str) -> Encoding {
    Encoding::new(Default::default(), Dialect::find(dialect).expect("a dialect"))
}

fn text(text: &str) -> Param<'_> {
    Param::new(Cow::Borrowed(text))
}

/// All four parameters the same.
fn all(param: Param<'_>) -> Params<'_> {
    Params { value: param.clone(), sample_rate: param.clone(), shift: param.clone(), time: param }
}

#[test]
fn what_is_absent_has_its_default_or_is_required() {
    let none = Params::default();
    for (kind, expected) in [
        (Kind::Count, Ok(Value::Sampled(Kind::Count, Number::ONE.into(), Rate::ALL))),
        (Kind::Gauge, Ok(Value::Gauge(Number::ONE))),
        (Kind::Set, Ok(Value::Set(Member::ONE))),
        (Kind::Timing, Err(MetricError::Time)),
        (Kind::Histogram, Err(MetricError::Value)),
        (Kind::Distribution, Err(MetricError::Value)),
    ] {
        for members in [Members::Integers, Members::Any] {
            assert_eq!(none.value(kind, &encoding("datadog"), members), expected, "{kind:?}");
        }
    }
    assert_eq!(text(""), Param::Absent);
}

#[test]
fn what_is_no_text_is_the_error_of_its_parameter() {
    let errors = [
        MetricError::Value,
        MetricError::Shift,
        MetricError::Time,
        MetricError::Set,
        MetricError::Value,
        MetricError::Value,
    ];
    for (kind, error) in KINDS.into_iter().zip(errors) {
        let invalid = all(Param::Invalid);
        assert_eq!(invalid.value(kind, &encoding("datadog"), Members::Any), Err(error), "{kind:?}");
        let nonsense = all(text("x|y"));
        assert_eq!(nonsense.value(kind, &encoding("datadog"), Members::Any), Err(error), "{kind:?}");
    }
    let rate = Params { sample_rate: Param::Invalid, ..all(text("1")) };
    for kind in [Kind::Count, Kind::Timing, Kind::Histogram, Kind::Distribution] {
        assert_eq!(rate.value(kind, &encoding("datadog"), Members::Any), Err(MetricError::Rate), "{kind:?}");
    }
    // Gauges and sets have no rate, so it is not looked at.
    assert!(rate.value(Kind::Gauge, &encoding("statsd"), Members::Any).is_ok());
    assert!(rate.value(Kind::Set, &encoding("statsd"), Members::Any).is_ok());
}

#[test]
fn a_shift_wins_over_a_value_where_the_daemon_has_shifts() {
    let params = Params { value: text("7"), shift: text("+3"), ..Params::default() };
    let three = Number::parse("3", MetricError::Shift).expect("a number");
    assert_eq!(params.value(Kind::Gauge, &encoding("statsd"), Members::Any), Ok(Value::GaugeShift(three)));
    assert_eq!(params.value(Kind::Gauge, &encoding("datadog"), Members::Any), Err(MetricError::ShiftUnsupported));
    let shift = Params { shift: text("x"), ..params };
    assert_eq!(shift.value(Kind::Gauge, &encoding("datadog"), Members::Any), Err(MetricError::Shift));
}

#[test]
fn members_of_a_set_are_integers_or_any_text() {
    for (member, integers, any) in [
        ("42", Ok("42"), Ok("42")),
        ("-42", Ok("-42"), Ok("-42")),
        ("+42", Ok("42"), Ok("+42")),
        ("1.5", Err(MetricError::Set), Ok("1.5")),
        ("user 42", Err(MetricError::Set), Ok("user 42")),
        ("a:b", Err(MetricError::Set), Err(MetricError::Set)),
    ] {
        let params = Params { value: text(member), ..Params::default() };
        for (members, expected) in [(Members::Integers, integers), (Members::Any, any)] {
            let value = params.value(Kind::Set, &encoding("statsd"), members);
            let sent = value.map(|value| match value {
                Value::Set(member) => member.as_str().to_owned(),
                other => panic!("{other:?}"),
            });
            assert_eq!(sent, expected.map(str::to_owned), "{member} {members:?}");
        }
    }
}

#[test]
fn kinds_and_rates_are_those_that_the_daemon_takes() {
    let params = Params { sample_rate: text("1e-9"), ..all(text("2.5")) };
    for (dialect, kind, sent, rate) in [
        ("statsd", Kind::Count, Kind::Count, "0.000001"),
        ("statsd", Kind::Timing, Kind::Timing, "0.001"),
        ("statsd", Kind::Histogram, Kind::Timing, "0.001"),
        ("datadog", Kind::Histogram, Kind::Histogram, "0.001"),
        ("datadog", Kind::Distribution, Kind::Distribution, "0.001"),
        ("gostatsd", Kind::Distribution, Kind::Histogram, "0.000001"),
    ] {
        match params.value(kind, &encoding(dialect), Members::Any) {
            Ok(Value::Sampled(found, numbers, raised)) => {
                assert_eq!((found, numbers.as_str(), raised.to_string()), (sent, "2.5", rate.to_owned()), "{dialect}");
            }
            other => panic!("{dialect} {kind:?}: {other:?}"),
        }
    }
}

#[test]
fn negative_values_are_taken_where_they_have_a_meaning() {
    let params = all(text("-1"));
    let params = Params { sample_rate: Param::Absent, ..params };
    for (dialect, kind, sound) in [
        ("statsd", Kind::Count, true),
        ("statsd", Kind::Gauge, true),
        ("statsd", Kind::Timing, false),
        ("statsd", Kind::Histogram, false),
        ("datadog", Kind::Histogram, true),
        ("datadog", Kind::Distribution, true),
        ("datadog", Kind::Timing, false),
    ] {
        assert_eq!(params.value(kind, &encoding(dialect), Members::Any).is_ok(), sound, "{dialect} {kind:?}");
    }
}
