//! A JSON array whose elements are read one by one, or a single object as if it were the only element of one.

use serde::de::IgnoredAny;

use crate::ingest::batch::BatchError;
use crate::ingest::json::{PlainObject, value_at};

/// An element that was passed: where it is, and what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    /// The largest body is far from what 32 bits can tell.
    at: u32,
    pub form: Form,
}

impl Element {
    /// Where it begins in the body.
    pub(super) fn at(&self) -> usize {
        self.at as usize
    }
}

/// What an element is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// An object that was read.
    Plain(PlainObject),
    /// An object that has to be read by serde_json.
    Object,
    /// Something else.
    Other,
}

/// How far an array was read.
#[derive(Clone, Debug)]
pub(super) struct Array {
    offset: usize,
    /// Elements read or passed over so far.
    count: u64,
    next: Next,
}

/// What has to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// The one object.
    Single,
    /// The first element, or the end.
    First,
    /// A comma and an element, or the end.
    More,
    /// Nothing.
    End,
}

impl Array {
    /// Begins to read `body`, which is no array of metrics unless it begins with `[` or `{`. An empty body is an empty one.
    pub(super) fn new(body: &[u8]) -> Result<Self, BatchError> {
        let offset = skip_space(body, 0);
        match body.get(offset) {
            None => Ok(Self { offset, count: 0, next: Next::End }),
            Some(b'[') => Ok(Self { offset: offset + 1, count: 0, next: Next::First }),
            Some(b'{') => Ok(Self { offset, count: 0, next: Next::Single }),
            Some(_) => Err(BatchError::Json),
        }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Elements so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Checks that some `len` bytes more are well-formed; returns whether all are now.
    pub(super) fn check(&mut self, body: &[u8], len: usize) -> Result<bool, BatchError> {
        let before = self.offset;
        while self.offset - before < len {
            if self.next(body)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next element.
    ///
    /// Of an array that was checked there is no error.
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
                    self.pass(body)?;
                    Form::Object
                }
            },
            // To try for an object where there is none costs an error, which costs as much as a metric.
            _ => {
                self.pass(body)?;
                Form::Other
            }
        };
        Ok(Some(Element { at: at as u32, form }))
    }

    /// Goes past an element.
    fn pass(&mut self, body: &[u8]) -> Result<(), BatchError> {
        self.offset = value_at::<IgnoredAny>(body, self.offset).ok_or(BatchError::Json)?.1;
        self.count += 1;
        Ok(())
    }

    /// Goes to the next element, if there is one.
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
