//! The objects that nearly all are, read in one pass: members in any order, and names without escapes.
//!
//! Whatever is not obvious is left to the reader of all objects, which must say the same of these: tests and a fuzz target hold
//! the two together.

use std::borrow::Cow;
use std::ops::Range;

use crate::ingest::json::scan::{Scan, Token};
use crate::ingest::json::{Fields, param, params, tags};
use crate::ingest::params::{Param, Params};
use crate::metric::{Kind, MetricError, Tags, TagsWriter};

/// Bytes that a plain object has at most: its members are found by 16 bits each. Most objects have some 70 bytes.
const MAX_LEN: usize = u16::MAX as usize;

/// Where the members of an object lie in its text. It owns nothing and borrows nothing, so that an array can be held, object by
/// object, from one slice to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PlainObject {
    name: Span,
    value: Span,
    time: Span,
    shift: Span,
    sample_rate: Span,
    tags: Span,
    kind: Option<Kind>,
    /// The members whose span is their value, a bit for each. That of any other is JSON.
    plain: u8,
}

const VALUE: u8 = 1;
const TIME: u8 = 2;
const SHIFT: u8 = 4;
const SAMPLE_RATE: u8 = 8;
const TAGS: u8 = 16;

/// A part of an object's text. That of a member that is not there is empty, as an empty string is to each of them.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u16,
    len: u16,
}

impl Span {
    /// A span of the first [`MAX_LEN`] bytes.
    #[inline]
    fn new(range: &Range<usize>) -> Self {
        Self { start: range.start as u16, len: range.len() as u16 }
    }

    #[inline]
    fn of(self, text: &str) -> &str {
        let start = usize::from(self.start);
        &text[start..start + usize::from(self.len)]
    }
}

impl PlainObject {
    /// Reads the object that `text` begins with, and returns its length too. `None` if it needs a closer look.
    ///
    /// `text` is UTF-8.
    pub(crate) fn read(text: &[u8]) -> Option<(Self, usize)> {
        let mut object = Self::default();
        let mut scan = Scan::new(&text[..text.len().min(MAX_LEN)]);
        scan.accept(b'{').then_some(())?;
        loop {
            object.read_member(&mut scan)?;
            scan.space();
            if !scan.accept(b',') {
                break;
            }
        }
        (scan.rest().first() == Some(&b'}')).then(|| (object, scan.at() + 1))
    }

    #[inline]
    fn read_member(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        let (member, bit, key) = match scan.rest() {
            [b'"', b'm', b'e', b't', b'r', b'i', b'c', b'"', ..] => {
                scan.after_key(8)?;
                self.name = Span::new(&scan.plain_string()?);
                return Some(());
            }
            [b'"', b't', b'y', b'p', b'e', b'"', ..] => return self.read_kind(scan, 6),
            [b'"', b'm', b'e', b't', b'r', b'i', b'c', b'_', b't', b'y', b'p', b'e', b'"', ..] => {
                return self.read_kind(scan, 13);
            }
            [b'"', b'v', b'a', b'l', b'u', b'e', b'"', ..] => (&mut self.value, VALUE, 7),
            [b'"', b't', b'i', b'm', b'e', b'"', ..] => (&mut self.time, TIME, 6),
            [b'"', b's', b'h', b'i', b'f', b't', b'"', ..] => (&mut self.shift, SHIFT, 7),
            [b'"', b's', b'a', b'm', b'p', b'l', b'e', b'R', b'a', b't', b'e', b'"', ..] => {
                (&mut self.sample_rate, SAMPLE_RATE, 12)
            }
            [b'"', b't', b'a', b'g', b's', b'"', ..] => (&mut self.tags, TAGS, 6),
            _ => {
                // A key with escapes may be one of the above.
                scan.plain_string()?;
                scan.after_key(0)?;
                return scan.value().map(|_| ());
            }
        };
        scan.after_key(key)?;
        let start = scan.at();
        let (range, plain) = match scan.value()? {
            Token::PlainString => (start + 1..scan.at() - 1, true),
            // Tags that are a number are none.
            Token::PlainNumber => (start..scan.at(), bit != TAGS),
            Token::Scalar | Token::Nested => (start..scan.at(), false),
        };
        // Of several members with one name the last counts.
        *member = Span::new(&range);
        self.plain = if plain { self.plain | bit } else { self.plain & !bit };
        Some(())
    }

    #[inline]
    fn read_kind(&mut self, scan: &mut Scan<'_>, key: usize) -> Option<()> {
        scan.after_key(key)?;
        let range = scan.plain_string()?;
        self.kind = Kind::from_name(scan.get(range));
        Some(())
    }
}

/// A plain object with its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainFields<'a> {
    object: &'a PlainObject,
    text: &'a str,
}

impl<'a> PlainFields<'a> {
    /// The object that was read at the beginning of `text`.
    pub(crate) fn new(object: &'a PlainObject, text: &'a str) -> Self {
        Self { object, text }
    }

    #[inline]
    fn param(&self, member: Span, bit: u8) -> Param<'a> {
        let text = member.of(self.text);
        match text {
            "" => Param::Absent,
            text if self.object.plain & bit != 0 => Param::Text(Cow::Borrowed(text)),
            json => param(json),
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

    #[inline]
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
    fn tags<'t>(&self, writer: &'t mut TagsWriter) -> Result<Tags<'t>, MetricError>
    where
        'a: 't,
    {
        match self.object.tags.of(self.text) {
            "" => Ok(Tags::NONE),
            text if self.object.plain & TAGS != 0 => Tags::parse(text),
            json => tags::read(json, writer),
        }
    }
}
