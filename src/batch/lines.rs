//! StatsD lines: `name:value|type[|@rate][|#tags]`, with the packed values and further fields of DogStatsD.

use memchr::{memchr, memchr_iter};

use crate::batch::{Report, Sink, plain};
use crate::metric::{Kind, MAX_LINE, Member, Metric, MetricError, Name, Number, Numbers, Rate, Tags, Value};
use crate::statsd::style::Style;

/// Bytes that the packed values of one line may become where each needs a line of its own: eight times the longest line.
/// Without this bound, a long name with thousands of values would make a gigabyte of the largest body.
const MAX_EXPANSION: usize = 64 * 1024;

/// Takes all lines of `text`. An empty one is none.
pub fn take(text: &[u8], style: &Style, sink: &mut impl Sink, report: &mut Report) {
    // One look at all of it is cheaper than one for each line.
    match std::str::from_utf8(text) {
        Ok(text) => take_text(text, style, sink, report),
        // A broken line must not break its neighbours.
        Err(_) => {
            for line in text.split(|byte| *byte == b'\n') {
                match std::str::from_utf8(line) {
                    Ok(line) => take_text(line, style, sink, report),
                    Err(_) => report.note(Err(MetricError::Line)),
                }
            }
        }
    }
}

fn take_text(mut text: &str, style: &Style, sink: &mut impl Sink, report: &mut Report) {
    while !text.is_empty() {
        if let Some((metric, rest)) = plain::read(text, style) {
            report.note(sink.take(&metric));
            text = rest;
            continue;
        }
        let end = memchr(b'\n', text.as_bytes()).unwrap_or(text.len());
        let line = text[..end].trim_ascii();
        if !line.is_empty() {
            take_line(line, style, sink, report);
        }
        text = text.get(end + 1..).unwrap_or_default();
    }
}

/// A line, taken apart.
struct Fields<'a> {
    name: Name<'a>,
    values: &'a str,
    kind: Kind,
    rate: Rate,
    tags: Tags<'a>,
}

fn take_line(line: &str, style: &Style, sink: &mut impl Sink, report: &mut Report) {
    let fields = match Fields::read(line, style) {
        Ok(fields) => fields,
        Err(error) => return report.note(Err(error)),
    };
    let Fields { name, values, tags, .. } = fields;
    let mut send = |value| sink.take(&Metric { name, value, tags, as_it_came: None });
    match fields.value(values, style) {
        Ok(value) => return report.note(send(value)),
        // No value has a colon, but several of them have.
        Err(error) if !values.contains(':') => return report.note(Err(error)),
        Err(_) => {}
    }
    // Each value is a metric of its own, whichever way they are sent.
    let sent = style.dialect().kind(fields.kind);
    if style.dialect().packed
        && !matches!(sent, Kind::Gauge | Kind::Set)
        && values.len() <= MAX_LINE
        && let Ok(numbers) = Numbers::packed(values, |text| style.number(sent, text))
    {
        let count = numbers.count();
        return report.note_all(u64::from(count), send(Value::Sampled(sent, numbers, fields.rate)));
    }
    let fixed = line.len() - values.len();
    let mut room = MAX_EXPANSION;
    let mut rest = Some(values);
    while let Some(values) = rest {
        let (text, more) = split(values, b':').map_or((values, None), |(text, more)| (text, Some(more)));
        room = room.saturating_sub(style.prefix().as_str().len() + fixed + text.len() + style.tags().len());
        if room == 0 {
            let left = 1 + memchr_iter(b':', values.as_bytes()).count();
            return report.note_all(left as u64, Err(MetricError::TooManyValues));
        }
        report.note(fields.value(text, style).and_then(&mut send));
        rest = more;
    }
}

impl<'a> Fields<'a> {
    fn read(line: &'a str, style: &Style) -> Result<Self, MetricError> {
        let (name, rest) = split(line, b':').ok_or(MetricError::Line)?;
        let (values, kind) = split(rest, b'|').ok_or(MetricError::Line)?;
        if line.len() - values.len() > MAX_LINE {
            return Err(MetricError::TooLong);
        }
        let name = style.name(name)?;
        // Most lines end with their type.
        if let Some(kind) = Kind::of_line(kind.as_bytes()) {
            return Ok(Self { name, values, kind, rate: Rate::ALL, tags: Tags::NONE });
        }
        let (kind, mut rest) = split(kind, b'|').map_or((kind, None), |(kind, rest)| (kind, Some(rest)));
        // BuckyClient writes `ms@0.5`, without the bar.
        let (kind, glued) = split(kind, b'@').map_or((kind, None), |(kind, rate)| (kind, Some(rate)));
        let kind = Kind::of_line(kind.as_bytes()).ok_or(MetricError::Kind)?;
        let mut rate = glued.map_or(Ok(Rate::ALL), Rate::parse_applied)?;
        let mut tags = Tags::NONE;
        while let Some(fields) = rest {
            let (field, more) = split(fields, b'|').map_or((fields, None), |(field, more)| (field, Some(more)));
            rest = more;
            match field.as_bytes() {
                [b'@', ..] => rate = Rate::parse_applied(&field[1..])?,
                [b'#', ..] => tags = Tags::parse(&field[1..])?,
                // Where the client runs (DogStatsD 1.2 and later): the server's to say, not a stranger's.
                [b'c' | b'e', b':', ..] => {}
                _ if field.starts_with("card:") => {}
                // Among them `T`, a time in the past: to count it now would be wrong.
                _ => return Err(MetricError::Line),
            }
        }
        Ok(Self { name, values, kind, rate, tags })
    }

    /// The value that `text` is in a line of this kind.
    fn value<'v>(&self, text: &'v str, style: &Style) -> Result<Value<'v>, MetricError> {
        match self.kind {
            Kind::Gauge => {
                let number = Number::parse(text, MetricError::Gauge)?;
                match text.as_bytes().first() {
                    // A daemon without shifts takes this for a level, and so do its clients.
                    Some(b'-') if !style.dialect().shifts => Ok(Value::Gauge(number)),
                    Some(b'+' | b'-') => style.shift(number),
                    _ => Ok(Value::Gauge(number)),
                }
            }
            Kind::Set => Member::parse(text).map(Value::Set),
            kind => {
                let sent = style.dialect().kind(kind);
                Ok(Value::Sampled(sent, style.number(sent, text)?.into(), self.rate))
            }
        }
    }
}

fn split(text: &str, at: u8) -> Option<(&str, &str)> {
    // Fields are a few bytes long, too short for a search by blocks to be worth its call.
    let position = text.bytes().position(|byte| byte == at)?;
    Some((&text[..position], &text[position + 1..]))
}
