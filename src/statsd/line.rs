//! Writes a metric as a StatsD line: `name:value|type[|@rate][|#tags]`.
//!
//! The grammar is that of etsy's StatsD (`docs/metric_types.md` there), with the tags of the dialect. Pure: it writes
//! to a byte vector.

use std::io::Write as _;

use crate::metric::{Kind, MAX_LINE, Metric, MetricError, Rate, Tag, Tags, Value, clean};
use crate::statsd::dialect::{PRESENT, TagStyle};
use crate::statsd::encoding::Encoding;

/// Appends the line of `metric` to `out`, without a final newline.
///
/// Where a signed gauge is a shift, a negative absolute gauge becomes two lines separated by a newline: StatsD reads
/// `g:-5|g` as a shift, so the gauge is set to 0 first. Both must be sent in one datagram, in this order.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, encoding: &Encoding, metric: &Metric<'_>) {
    match metric.plain_line() {
        // Most lines of a batch.
        Some(line) if encoding.tags().is_empty() => {
            out.extend_from_slice(encoding.prefix().as_str().as_bytes());
            out.extend_from_slice(line.as_bytes());
        }
        _ => write_parts(out, encoding, metric),
    }
}

/// Appends the line of `metric`, part by part.
#[inline(never)]
fn write_parts(out: &mut Vec<u8>, encoding: &Encoding, metric: &Metric<'_>) {
    let start = out.len();
    let tags = tag_style(encoding, metric);
    open(out, encoding, metric, tags);
    let value = match metric.value() {
        Value::Sampled(_, numbers, _) => numbers.as_str(),
        Value::Gauge(number) if number.is_negative() && encoding.dialect().shifts => {
            let value = out.len();
            out.push(b'0');
            close(out, encoding, metric, tags);
            let end = out.len();
            out.push(b'\n');
            // Copies name, type and tags, because cleaning the tags again would cost more.
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
    close(out, encoding, metric, tags);
}

/// The length of the line of `metric`, in bytes: at most [`MAX_LINE`], or else [`MetricError::TooLong`].
pub(crate) fn length(encoding: &Encoding, metric: &Metric<'_>) -> Result<usize, MetricError> {
    let mut line = Vec::new();
    write(&mut line, encoding, metric);
    if line.len() > MAX_LINE { Err(MetricError::TooLong) } else { Ok(line.len()) }
}

/// Appends the text before the value.
#[inline]
fn open(out: &mut Vec<u8>, encoding: &Encoding, metric: &Metric<'_>, tags: Option<&TagStyle>) {
    write_name(out, encoding, metric);
    if tags.is_some_and(|tags| tags.in_name) {
        write_tags(out, encoding, metric.tags());
    }
    out.push(b':');
}

/// Appends the text after the value.
fn close(out: &mut Vec<u8>, encoding: &Encoding, metric: &Metric<'_>, tags: Option<&TagStyle>) {
    write_type(out, encoding.written_kind(metric.value().kind()));
    sampled(out, metric.value().rate());
    if tags.is_some_and(|tags| !tags.in_name) {
        write_tags(out, encoding, metric.tags());
    }
}

#[inline]
fn write_name(out: &mut Vec<u8>, encoding: &Encoding, metric: &Metric<'_>) {
    let prefix = encoding.prefix().as_str();
    // Copying nothing would still be a call.
    if !prefix.is_empty() {
        out.extend_from_slice(prefix.as_bytes());
    }
    out.extend_from_slice(metric.name().as_str().as_bytes());
}

/// Appends the bar and the type. Pushing so few bytes one by one is cheaper than a call that copies any number.
#[inline]
fn write_type(out: &mut Vec<u8>, kind: Kind) {
    let letters = kind.as_str().as_bytes();
    out.extend_from_slice(&[b'|', letters[0]]);
    if let Some(second) = letters.get(1) {
        out.push(*second);
    }
}

/// The syntax of tags if the line of `metric` has tags. Most lines have none.
#[inline]
fn tag_style(encoding: &Encoding, metric: &Metric<'_>) -> Option<&'static TagStyle> {
    let has_tags = !(metric.tags().is_empty() && encoding.tags().is_empty());
    encoding.dialect().tags.as_ref().filter(|_| has_tags)
}

/// Appends the client's tags and the server's own, in the syntax of the dialect.
pub(crate) fn write_tags(out: &mut Vec<u8>, encoding: &Encoding, tags: Tags<'_>) {
    if let Some(written) = tags.as_written() {
        return out.extend_from_slice(written.as_bytes());
    }
    let Some(how) = encoding.dialect().tags.as_ref().filter(|_| !(tags.is_empty() && encoding.tags().is_empty()))
    else {
        return;
    };
    let mut opened = false;
    let mut scratch = Vec::new();
    let mut separate = |out: &mut Vec<u8>| {
        let separator = if std::mem::replace(&mut opened, true) { "," } else { how.open };
        out.extend_from_slice(separator.as_bytes());
    };
    for Tag { key, value } in tags.iter().filter(|tag| encoding.takes(tag, &mut scratch)) {
        separate(out);
        clean(out, key, false);
        if let Some(value) = value.or((!how.bare).then_some(PRESENT)) {
            out.push(how.pair);
            clean(out, value, how.colons);
        }
    }
    if !encoding.tags().is_empty() {
        separate(out);
        out.extend_from_slice(encoding.tags().as_bytes());
    }
    // All tags may be empty, or have the key of one of the server's own.
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
