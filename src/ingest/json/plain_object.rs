//! A parser of the most common objects, in one pass: members in any order, keys and names without escapes.
//!
//! It leaves any other object to serde_json, as a whole. Both parsers must give the same result: property tests and a fuzz
//! target compare them.

use std::borrow::Cow;
use std::ops::Range;

use crate::ingest::json::scan::{Scan, Token};
use crate::ingest::json::{Fields, param, params, plain_tags};
use crate::ingest::params::{Param, Params};
use crate::metric::{Kind, MetricError, Tags, TagsWriter};

/// The longest plain object, in bytes: offsets in it have 16 bits. Most objects have some 70 bytes.
const MAX_LEN: usize = u16::MAX as usize;

/// The places of an object's members in its text. It borrows nothing, so that an array can hold its objects from one slice to
/// the next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PlainObject {
    name: Span,
    value: Span,
    time: Span,
    shift: Span,
    sample_rate: Span,
    tags: Span,
    kind: Option<Kind>,
    /// Members whose span is JSON, one bit each. The span of any other member is the text of a string or a number.
    json: u8,
    /// False if the object has no parameter but `value`, and that as text.
    has_more: bool,
}

const VALUE: u8 = 1;
const TIME: u8 = 2;
const SHIFT: u8 = 4;
const SAMPLE_RATE: u8 = 8;
const TAGS: u8 = 16;

/// A part of an object's text. The span of an absent member is empty: an empty string means absent for each of them.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u16,
    len: u16,
}

impl Span {
    /// A span within the first [`MAX_LEN`] bytes.
    #[inline]
    fn new(range: &Range<usize>) -> Self {
        Self { start: range.start as u16, len: range.len() as u16 }
    }

    #[inline]
    fn of(self, text: &str) -> &str {
        if self.len == 0 {
            // Most members are absent.
            return "";
        }
        let start = usize::from(self.start);
        &text[start..start + usize::from(self.len)]
    }
}

impl PlainObject {
    /// Parses the object at the start of `text`, which must be UTF-8. Returns the object and its length in bytes, or `None` if
    /// it is not plain.
    #[inline]
    pub(crate) fn read(text: &[u8]) -> Option<(Self, usize)> {
        let mut object = Self::default();
        let mut scan = Scan::new(&text[..text.len().min(MAX_LEN)]);
        if !scan.accept(b'{') {
            return None;
        }
        loop {
            object.read_member(&mut scan)?;
            scan.space();
            if !scan.accept(b',') {
                break;
            }
        }
        (scan.peek() == Some(b'}')).then(|| (object, scan.at() + 1))
    }

    #[inline(always)]
    fn read_member(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        // Eight bytes distinguish all keys. A colon after white space is left to serde_json.
        const SEVEN: u64 = u64::MAX >> 8;
        let word = scan.peek_word()?;
        if word == u64::from_le_bytes(*b"\"metric\"") {
            scan.skip(8);
            if !scan.accept(b':') {
                return None;
            }
            self.name = Span::new(&scan.plain_string()?);
            return Some(());
        }
        if word & SEVEN == u64::from_le_bytes(*b"\"type\":\0") {
            scan.skip(7);
            return self.read_kind(scan);
        }
        if word == u64::from_le_bytes(*b"\"value\":") {
            scan.skip(8);
            (self.value, self.json) = read_value(scan, self.json, VALUE)?;
            self.has_more |= self.json & VALUE != 0;
        } else if word & SEVEN == u64::from_le_bytes(*b"\"tags\":\0") {
            scan.skip(7);
            (self.tags, self.json) = read_value(scan, self.json, TAGS)?;
        } else {
            return self.read_rare_member(scan);
        }
        Some(())
    }

    #[inline(never)]
    fn read_rare_member(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        let key = scan.plain_string()?;
        scan.space();
        if !scan.accept(b':') {
            return None;
        }
        let (member, bit) = match scan.get(key) {
            b"metric_type" => return self.read_kind(scan),
            b"time" => (&mut self.time, TIME),
            b"shift" => (&mut self.shift, SHIFT),
            b"sampleRate" => (&mut self.sample_rate, SAMPLE_RATE),
            // With white space before the colon.
            b"metric" | b"type" | b"value" | b"tags" => return None,
            _ => return scan.value().map(|_| ()),
        };
        self.has_more = true;
        (*member, self.json) = read_value(scan, self.json, bit)?;
        Some(())
    }

    #[inline(always)]
    fn read_kind(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        let range = scan.plain_string()?;
        self.kind = Kind::from_name(scan.get(range));
        Some(())
    }
}

/// Parses the value of the member with this bit. Returns its span and the new set of bits: if a name occurs twice, the last
/// member counts.
#[inline(always)]
fn read_value(scan: &mut Scan<'_>, json: u8, bit: u8) -> Option<(Span, u8)> {
    let start = scan.at();
    Some(match scan.value()? {
        Token::PlainString => (Span::new(&(start + 1..scan.at() - 1)), json & !bit),
        // A number is no valid value of `tags`.
        Token::PlainNumber if bit != TAGS => (Span::new(&(start..scan.at())), json & !bit),
        _ => (Span::new(&(start..scan.at())), json | bit),
    })
}

/// A plain object with its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainFields<'a> {
    object: &'a PlainObject,
    text: &'a str,
}

impl<'a> PlainFields<'a> {
    /// The fields of an object that was parsed from the start of `text`.
    pub(crate) fn new(object: &'a PlainObject, text: &'a str) -> Self {
        Self { object, text }
    }

    #[inline]
    fn param(&self, member: Span, bit: u8) -> Param<'a> {
        let text = member.of(self.text);
        match text {
            json if self.object.json & bit != 0 => param(json),
            text => Param::new(Cow::Borrowed(text)),
        }
    }
}

impl<'a> Fields<'a> for PlainFields<'a> {
    #[inline]
    fn name(&self) -> Result<&str, MetricError> {
        match self.object.name.of(self.text) {
            "" => Err(MetricError::Name),
            name => Ok(name),
        }
    }

    #[inline]
    fn kind(&self) -> Result<Kind, MetricError> {
        self.object.kind.ok_or(MetricError::Kind)
    }

    fn params(&self, kind: Kind) -> Params<'a> {
        let object = self.object;
        params(
            kind,
            self.param(object.value, VALUE),
            self.param(object.time, TIME),
            self.param(object.shift, SHIFT),
            self.param(object.sample_rate, SAMPLE_RATE),
        )
    }

    #[inline]
    fn only_value(&self) -> Option<&'a str> {
        (!self.object.has_more).then(|| self.object.value.of(self.text))
    }

    #[inline]
    fn tags<'t>(&self, writer: &'t mut TagsWriter) -> Result<Tags<'t>, MetricError>
    where
        'a: 't,
    {
        match self.object.tags.of(self.text) {
            json if self.object.json & TAGS != 0 => plain_tags::read(json, writer),
            "" => Ok(Tags::NONE),
            text => Tags::parse(text),
        }
    }
}

#[cfg(test)]
mod tests;
