//! The lines that nearly all are, `name:digits|type` and no more, read in one pass.
//!
//! Whatever is not obvious is left to the reader of all lines, which must say the same of these: a test holds the two
//! together. With it alone a line costs 35 ns, of which this saves half.

use crate::metric::{Kind, Member, Metric, Name, Number, Rate, Tags, Value};
use crate::statsd::encoding::Encoding;

/// Reads the line that `text` begins with, and what follows it.
pub(super) fn read<'a>(text: &'a str, style: &Encoding) -> Option<(Metric<'a>, &'a str)> {
    // Nothing that any dialect reserves is in a plain name.
    let (name, rest) = Name::scan(style.prefix(), text)?;
    let (number, rest) = Number::scan(rest)?;
    let (kind, len) = match rest.as_bytes() {
        [b'm', b's', ..] => (Kind::Timing, 2),
        [b'c', ..] => (Kind::Count, 1),
        [b'g', ..] => (Kind::Gauge, 1),
        [b's', ..] => (Kind::Set, 1),
        _ => return None,
    };
    let line = &text[..text.len() - rest.len() + len];
    let rest = match &rest.as_bytes()[len..] {
        [] => "",
        [b'\n', ..] => &rest[len + 1..],
        _ => return None,
    };
    let value = match kind {
        Kind::Gauge => Value::Gauge(number),
        Kind::Set => Value::Set(Member::from_number(number)),
        kind => Value::Sampled(kind, number.into(), Rate::ALL),
    };
    Some((Metric { name, value, tags: Tags::NONE, as_it_came: Some(line) }, rest))
}
