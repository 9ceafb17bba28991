//! A JSON array whose elements are read one by one, or a single object as if it were the only element of one.

use serde::de::{Deserialize, IgnoredAny};

use crate::ingest::batch::BatchError;
use crate::ingest::json::Object;

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
            if !self.has_next(body)? {
                return Ok(true);
            }
            self.pass(body)?;
        }
        Ok(false)
    }

    /// The next element; one that is no object is `None` within.
    ///
    /// Of an array that was checked there is no error.
    pub(super) fn next<'a>(&mut self, body: &'a [u8]) -> Result<Option<Option<Object<'a>>>, BatchError> {
        if !self.has_next(body)? {
            return Ok(None);
        }
        // To try for an object where there is none costs an error, which costs as much as a metric.
        let begins_object = body.get(self.offset) == Some(&b'{');
        if let Some((object, end)) = begins_object.then(|| value::<Object<'a>>(body, self.offset)).flatten() {
            (self.offset, self.count) = (end, self.count + 1);
            return Ok(Some(Some(object)));
        }
        self.pass(body)?;
        Ok(Some(None))
    }

    /// Goes past an element.
    fn pass(&mut self, body: &[u8]) -> Result<(), BatchError> {
        self.offset = value::<IgnoredAny>(body, self.offset).ok_or(BatchError::Json)?.1;
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

/// The value at `offset`, and where it ends. `None` if it is malformed or of another type.
fn value<'a, T: Deserialize<'a>>(body: &'a [u8], offset: usize) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_slice(&body[offset..]).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, offset + values.byte_offset()))
}

fn skip_space(body: &[u8], offset: usize) -> usize {
    let rest = body.get(offset..).unwrap_or_default();
    offset + rest.iter().take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')).count()
}
