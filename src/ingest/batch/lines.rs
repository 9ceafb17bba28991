//! StatsD lines: `name:value|type[|@rate][|#tags]`, with the packed values and further fields of DogStatsD.

use std::borrow::Cow;

use memchr::memchr;

use crate::ingest::batch::intake::Intake;
use crate::ingest::batch::plain_line;
use crate::metric::{
    Kind, MAX_LINE, Member, Metric, MetricError, Name, Number, Numbers, Rate, Sink, Tags, Value, without_exponent,
    write_without_exponent,
};
use crate::statsd::encoding::Encoding;
use crate::statsd::line::write_tags;

/// The most bytes of lines for the packed values of one line, where each value needs a separate line: eight times the
/// longest line, so that one line does not use up the allowance of the batch.
const MAX_EXPANSION: usize = 64 * 1024;

/// Reads all lines of `text`; empty lines are skipped.
pub(super) fn take(text: &[u8], intake: &mut Intake<'_, impl Sink>) {
    // One check of the whole text is cheaper than one for each line.
    match std::str::from_utf8(text) {
        Ok(text) => take_text(text, intake),
        // An invalid line must not affect its neighbours.
        Err(_) => {
            let mut lines = text.split(|byte| *byte == b'\n');
            while let Some(line) = lines.next() {
                if let Some(error) = intake.end() {
                    let left = std::iter::once(line).chain(lines).filter(|line| !line.trim_ascii().is_empty());
                    return intake.reject(left.count() as u64, error);
                }
                match std::str::from_utf8(line) {
                    Ok(line) => take_text(line, intake),
                    Err(_) => intake.reject(1, MetricError::Line),
                }
            }
        }
    }
}

fn take_text(mut text: &str, intake: &mut Intake<'_, impl Sink>) {
    while !text.is_empty() {
        if let Some(error) = intake.end() {
            let left = text.as_bytes().split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            return intake.reject(left.count() as u64, error);
        }
        if let Some((metric, rest)) = plain_line::read(text, intake.encoding) {
            intake.accept_sampled(&metric);
            text = rest;
            continue;
        }
        let end = memchr(b'\n', text.as_bytes()).unwrap_or(text.len());
        let line = text[..end].trim_ascii();
        if !line.is_empty() {
            take_line(line, intake);
        }
        text = text.get(end + 1..).unwrap_or_default();
    }
}

/// The fields of a line.
struct Fields<'a> {
    name: Name<'a>,
    values: &'a str,
    kind: Kind,
    rate: Rate,
    tags: Tags<'a>,
}

fn take_line(line: &str, intake: &mut Intake<'_, impl Sink>) {
    let mut fields = match Fields::read(line, intake.encoding) {
        Ok(fields) => fields,
        Err(error) => return intake.reject(1, error),
    };
    // A single value has no colon; packed values are separated by colons.
    if !fields.values.contains(':') {
        return fields.take(fields.values, intake);
    }
    // Each value counts as a metric, packed or not.
    let sent = intake.encoding.dialect().kind(fields.kind);
    if intake.encoding.dialect().packed
        && !matches!(sent, Kind::Gauge | Kind::Set)
        && let Some(values) = plain_values(fields.values)
        && let Ok(numbers) = Numbers::packed(&values, |text| intake.encoding.number(sent, text))
    {
        let value = Value::Sampled(sent, numbers, fields.rate);
        return intake.accept_sampled(&Metric::new(fields.name, value, fields.tags));
    }
    // All lines share the tags, which are encoded once and then copied.
    let mut tags = Vec::new();
    write_tags(&mut tags, intake.encoding, fields.tags);
    let tags = String::from_utf8_lossy(&tags);
    if intake.encoding.writes_tags_early() {
        fields.tags = Tags::from_written(&tags);
    }
    let fixed =
        line.len() - fields.values.len() + intake.encoding.prefix().as_str().len() + intake.encoding.tags().len();
    let mut left = MAX_EXPANSION;
    let mut values = fields.values.split(':');
    while let Some(text) = values.next() {
        left = left.saturating_sub(fixed + text.len());
        if let Some(error) = intake.end().or((left == 0).then_some(MetricError::TooManyValues)) {
            return intake.reject(1 + values.count() as u64, error);
        }
        fields.take(text, intake);
    }
}

/// Packed values without exponents and plus signs, as single values are sent. `None` if they are longer than a line.
fn plain_values(values: &str) -> Option<Cow<'_, str>> {
    if values.len() > MAX_LINE {
        return None;
    }
    if !values.contains(['e', 'E', '+']) {
        return Some(Cow::Borrowed(values));
    }
    let mut plain = String::new();
    for (index, value) in values.split(':').enumerate() {
        if index > 0 {
            plain.push(':');
        }
        let start = plain.len();
        if !write_without_exponent(&mut plain, value) {
            plain.push_str(value);
        }
        // The sign stays before any byte but a digit, and the number is then refused.
        if let [b'+', b'0'..=b'9', ..] = plain.as_bytes()[start..] {
            plain.remove(start);
        }
        if plain.len() > MAX_LINE {
            return None;
        }
    }
    Some(Cow::Owned(plain))
}

impl<'a> Fields<'a> {
    fn read(line: &'a str, encoding: &Encoding) -> Result<Self, MetricError> {
        let (name, rest) = split(line, b':').ok_or(MetricError::Line)?;
        let (values, kind) = split(rest, b'|').ok_or(MetricError::Line)?;
        if line.len() - values.len() > MAX_LINE {
            return Err(MetricError::TooLong);
        }
        let name = encoding.name(name)?;
        // Most lines end with their type.
        if let Some(kind) = Kind::from_type(kind.as_bytes()) {
            return Ok(Self { name, values, kind, rate: Rate::ALL, tags: Tags::NONE });
        }
        let (kind, mut rest) = split(kind, b'|').map_or((kind, None), |(kind, rest)| (kind, Some(rest)));
        // BuckyClient writes `ms@0.5`, without the bar.
        let (kind, glued) = split(kind, b'@').map_or((kind, None), |(kind, rate)| (kind, Some(rate)));
        let kind = Kind::from_type(kind.as_bytes()).ok_or(MetricError::Kind)?;
        let applied = |text: &str| encoding.applied_rate(encoding.dialect().kind(kind), Rate::parse(text)?);
        let mut rate = glued.map_or(Ok(Rate::ALL), applied)?;
        let mut tags = Tags::NONE;
        while let Some(fields) = rest {
            let (field, more) = split(fields, b'|').map_or((fields, None), |(field, more)| (field, Some(more)));
            rest = more;
            match field.as_bytes() {
                [b'@', ..] => rate = applied(&field[1..])?,
                [b'#', ..] => tags = Tags::parse(&field[1..])?,
                // The client's container and host (DogStatsD 1.2 and later), which a stranger could forge.
                [b'c' | b'e', b':', ..] => {}
                _ if field.starts_with("card:") => {}
                // Other fields, among them `T`, a time in the past: counting such a value now would be wrong.
                _ => return Err(MetricError::Line),
            }
        }
        Ok(Self { name, values, kind, rate, tags })
    }

    /// Forwards one value.
    fn take(&self, text: &str, intake: &mut Intake<'_, impl Sink>) {
        let plain = if self.kind == Kind::Set { Cow::Borrowed(text) } else { without_exponent(text) };
        match self.value(&plain, intake.encoding) {
            Ok(value) => intake.accept_sampled(&Metric::new(self.name, value, self.tags)),
            Err(error) => intake.reject(1, error),
        }
    }

    /// Reads `text` as a value of this kind.
    fn value<'v>(&self, text: &'v str, encoding: &Encoding) -> Result<Value<'v>, MetricError> {
        match self.kind {
            Kind::Gauge => {
                let number = Number::parse(text, MetricError::Gauge)?;
                match text.as_bytes().first() {
                    // A daemon without shifts reads this as an absolute value, and its clients mean it so.
                    Some(b'-') if !encoding.dialect().shifts => Ok(Value::Gauge(number)),
                    Some(b'+' | b'-') => encoding.shift(number),
                    _ => Ok(Value::Gauge(number)),
                }
            }
            Kind::Set => Member::parse(text).map(Value::Set),
            kind => {
                let sent = encoding.dialect().kind(kind);
                Ok(Value::Sampled(sent, encoding.number(sent, text)?.into(), self.rate))
            }
        }
    }
}

fn split(text: &str, at: u8) -> Option<(&str, &str)> {
    // Fields are a few bytes long, too short to pay for the call of a block search.
    let position = text.bytes().position(|byte| byte == at)?;
    Some((&text[..position], &text[position + 1..]))
}
