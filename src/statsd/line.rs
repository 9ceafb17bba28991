//! A metric as the bytes of a StatsD line: `name:value|type[|@rate][|#tags]`.
//!
//! The grammar is that of etsy's StatsD (`docs/metric_types.md` there), with the tags of the server's dialect. Pure: the
//! sink is a byte vector.

use std::io::Write as _;

use crate::metric::{Kind, MAX_LINE, Metric, MetricError, Rate, Tag, Tags, Value, clean};
use crate::statsd::dialect::{PRESENT, TagStyle};
use crate::statsd::encoding::Encoding;

/// Appends the line of `metric` to `out`, without a final newline.
///
/// Where a sign makes a gauge a shift, a negative absolute gauge becomes two lines with a newline between: StatsD reads
/// `g:-5|g` as a shift, so the gauge is set to 0 first. The two must travel in one datagram, in this order.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, style: &Encoding, metric: &Metric<'_>) {
    match metric.plain_line() {
        // Most of a batch's lines.
        Some(line) if style.tags().is_empty() => {
            out.extend_from_slice(style.prefix().as_str().as_bytes());
            out.extend_from_slice(line.as_bytes());
        }
        _ => write_parts(out, style, metric),
    }
}

/// Appends the line of `metric`, part by part.
#[inline(never)]
fn write_parts(out: &mut Vec<u8>, style: &Encoding, metric: &Metric<'_>) {
    let start = out.len();
    let tags = tag_style(style, metric);
    open(out, style, metric, tags);
    let value = match metric.value() {
        Value::Sampled(_, numbers, _) => numbers.as_str(),
        Value::Gauge(number) if number.is_negative() && style.dialect().shifts => {
            let value = out.len();
            out.push(b'0');
            close(out, style, metric, tags);
            let end = out.len();
            out.push(b'\n');
            // The same name, type and tags, which are copied since to clean them costs more.
            out.extend_from_within(start..value);
            out.extend_from_slice(number.as_str().as_bytes());
            return out.extend_from_within(value + 1..end);
        }
        Value::Gauge(number) => number.as_str(),
        Value::GaugeShift(number) => {
            if !number.is_negative() {
                out.push(b'+');
            }
            number.as_str()
        }
        Value::Set(member) => member.as_str(),
    };
    out.extend_from_slice(value.as_bytes());
    close(out, style, metric, tags);
}

/// The length of the line of `metric`, in bytes: at most [`MAX_LINE`], or else [`MetricError::TooLong`].
pub(crate) fn length(style: &Encoding, metric: &Metric<'_>) -> Result<usize, MetricError> {
    let mut line = Vec::new();
    write(&mut line, style, metric);
    if line.len() > MAX_LINE { Err(MetricError::TooLong) } else { Ok(line.len()) }
}

/// What stands before the value.
#[inline]
fn open(out: &mut Vec<u8>, style: &Encoding, metric: &Metric<'_>, tags: Option<&TagStyle>) {
    write_name(out, style, metric);
    if tags.is_some_and(|tags| tags.in_name) {
        write_tags(out, style, metric.tags());
    }
    out.push(b':');
}

/// What stands after it.
fn close(out: &mut Vec<u8>, style: &Encoding, metric: &Metric<'_>, tags: Option<&TagStyle>) {
    write_type(out, style.written_kind(metric.value().kind()));
    sampled(out, metric.value().rate());
    if tags.is_some_and(|tags| !tags.in_name) {
        write_tags(out, style, metric.tags());
    }
}

#[inline]
fn write_name(out: &mut Vec<u8>, style: &Encoding, metric: &Metric<'_>) {
    let prefix = style.prefix().as_str();
    // To copy nothing is a call too.
    if !prefix.is_empty() {
        out.extend_from_slice(prefix.as_bytes());
    }
    out.extend_from_slice(metric.name().as_str().as_bytes());
}

/// Appends the bar and the type behind it. To copy so few bytes one by one is cheaper than the call that copies any number.
#[inline]
fn write_type(out: &mut Vec<u8>, kind: Kind) {
    let letters = kind.as_str().as_bytes();
    out.extend_from_slice(&[b'|', letters[0]]);
    if let Some(second) = letters.get(1) {
        out.push(*second);
    }
}

/// How tags are written, if the line of `metric` has any. Most have none.
#[inline]
fn tag_style(style: &Encoding, metric: &Metric<'_>) -> Option<&'static TagStyle> {
    let has_tags = !(metric.tags().is_empty() && style.tags().is_empty());
    style.dialect().tags.as_ref().filter(|_| has_tags)
}

/// Appends the client's tags and the server's own, as they stand in a line of the dialect.
pub(crate) fn write_tags(out: &mut Vec<u8>, style: &Encoding, tags: Tags<'_>) {
    if let Some(written) = tags.as_written() {
        return out.extend_from_slice(written.as_bytes());
    }
    let Some(how) = style.dialect().tags.as_ref().filter(|_| !(tags.is_empty() && style.tags().is_empty())) else {
        return;
    };
    let mut opened = false;
    let mut scratch = Vec::new();
    let mut separate = |out: &mut Vec<u8>| {
        let separator = if std::mem::replace(&mut opened, true) { "," } else { how.open };
        out.extend_from_slice(separator.as_bytes());
    };
    for Tag { key, value } in tags.iter().filter(|tag| style.takes(tag, &mut scratch)) {
        separate(out);
        clean(out, key, false);
        if let Some(value) = value.or((!how.bare).then_some(PRESENT)) {
            out.push(how.pair);
            clean(out, value, how.colons);
        }
    }
    if !style.tags().is_empty() {
        separate(out);
        out.extend_from_slice(style.tags().as_bytes());
    }
    // Tags may all be empty, or the server's own.
    if opened {
        out.extend_from_slice(how.close.as_bytes());
    }
}

#[inline]
fn sampled(out: &mut Vec<u8>, rate: Rate) {
    if rate.is_sampled() {
        write!(out, "|@{rate}").expect("writing to a Vec cannot fail");
    }
}

#[cfg(test)]
mod tests;
