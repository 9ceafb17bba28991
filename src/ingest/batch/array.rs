//! A JSON array, parsed element by element. A single object counts as an array of one element.

use serde::de::IgnoredAny;

use crate::ingest::batch::BatchError;
use crate::ingest::json::{PlainObject, value_at};

/// An element: its place and its form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    /// Offset in the body; the largest body has 16 MiB.
    at: u32,
    pub form: Form,
}

impl Element {
    /// The offset of its first byte in the body.
    pub(super) fn at(&self) -> usize {
        self.at as usize
    }
}

/// The form of an element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// A plain object, parsed.
    Plain(PlainObject),
    /// Any other object, left to serde_json.
    Object,
    /// A value that is no object.
    Other,
}

/// A position in an array.
#[derive(Clone, Debug)]
pub(super) struct Array {
    offset: usize,
    /// Number of elements so far.
    count: u64,
    next: Next,
}

/// The expected next token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// The single object.
    Single,
    /// The first element, or the end.
    First,
    /// A comma and an element, or the end.
    More,
    /// The end of the body.
    End,
}

impl Array {
    /// The start of the array in `body`, which must begin with `[` or `{`. An empty body is an empty array.
    pub(super) fn new(body: &[u8]) -> Result<Self, BatchError> {
        let offset = skip_space(body, 0);
        match body.get(offset) {
            None => Ok(Self { offset, count: 0, next: Next::End }),
            Some(b'[') => Ok(Self { offset: offset + 1, count: 0, next: Next::First }),
            Some(b'{') => Ok(Self { offset, count: 0, next: Next::Single }),
            Some(_) => Err(BatchError::Json),
        }
    }

    /// The offset in the body, in bytes.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Number of elements so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Checks elements of at least `len` bytes. Returns true if the array has ended, and is well-formed.
    pub(super) fn check(&mut self, body: &[u8], len: usize) -> Result<bool, BatchError> {
        let before = self.offset;
        while self.offset - before < len {
            if self.next(body)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next element, or `None` at the end.
    ///
    /// # Errors
    ///
    /// The array is malformed; never after [`Array::check`] has returned true.
    pub(super) fn next(&mut self, body: &[u8]) -> Result<Option<Element>, BatchError> {
        if !self.has_next(body)? {
            return Ok(None);
        }
        let at = self.offset;
        let form = match body.get(at) {
            Some(b'{') => match PlainObject::read(&body[at..]) {
                Some((object, len)) => {
                    (self.offset, self.count) = (at + len, self.count + 1);
                    Form::Plain(object)
                }
                None => {
                    self.skip(body)?;
                    Form::Object
                }
            },
            // serde_json is not tried for an object here: an error costs as much as a metric.
            _ => {
                self.skip(body)?;
                Form::Other
            }
        };
        Ok(Some(Element { at: at as u32, form }))
    }

    /// Skips an element.
    fn skip(&mut self, body: &[u8]) -> Result<(), BatchError> {
        self.offset = value_at::<IgnoredAny>(body, self.offset).ok_or(BatchError::Json)?.1;
        self.count += 1;
        Ok(())
    }

    /// Moves to the next element. Returns false if there is none.
    fn has_next(&mut self, body: &[u8]) -> Result<bool, BatchError> {
        self.offset = skip_space(body, self.offset);
        let byte = body.get(self.offset);
        match (self.next, byte) {
            (Next::Single, Some(_)) => {
                self.next = Next::End;
                Ok(true)
            }
            (Next::First | Next::More, Some(b']')) => {
                self.next = Next::End;
                self.offset = skip_space(body, self.offset + 1);
                if self.offset == body.len() { Ok(false) } else { Err(BatchError::Json) }
            }
            (Next::First, Some(_)) => {
                self.next = Next::More;
                Ok(true)
            }
            (Next::More, Some(b',')) => {
                self.offset = skip_space(body, self.offset + 1);
                Ok(true)
            }
            (Next::End, None) => Ok(false),
            _ => Err(BatchError::Json),
        }
    }
}

#[inline]
fn skip_space(body: &[u8], mut offset: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = body.get(offset) {
        offset += 1;
    }
    offset
}
