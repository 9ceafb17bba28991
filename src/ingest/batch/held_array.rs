//! A JSON array that is read once: its elements are held until it has ended well, since a refused request sends nothing.
//!
//! Only where they lie is held, not what they are: 32 bytes each, which point into the body.

use crate::ingest::batch::array::{Array, Element, Form};
use crate::ingest::batch::intake::Intake;
use crate::ingest::batch::{BatchError, SLICE, take};
use crate::ingest::json::{Object, PlainFields};
use crate::metric::Sink;

/// Elements of one array that are held, a MiB of them: some twice as many objects as the default cap has space for. Those
/// behind are checked, and read again when their turn comes.
pub(super) const MAX_HELD: usize = 32 * 1024;

/// Bytes of an object in most arrays, at the least: a capacity by it does not have to grow.
const USUAL_OBJECT: usize = 48;

/// An array on its way from a body to a sink.
#[derive(Debug)]
pub(super) struct HeldArray {
    array: Array,
    held: Vec<Element>,
    /// How many of `held` were taken.
    taken: usize,
    /// How many elements were taken before those of `held`.
    taken_before: u64,
    step: Step,
}

/// What is done next.
#[derive(Clone, Debug)]
enum Step {
    /// Read and hold.
    Hold,
    /// Check what follows the last that is held; keep where that begins.
    Check(Array),
    /// Take what is held. Of an array that was checked further elements are read, up to so many in all.
    Take(u64),
}

impl HeldArray {
    /// An array of which nothing was read.
    pub(super) fn new(array: Array) -> Self {
        Self { array, held: Vec::new(), taken: 0, taken_before: 0, step: Step::Hold }
    }

    /// Takes all of a short array, whose text this is.
    ///
    /// # Errors
    ///
    /// The array is malformed. Nothing of it was taken then.
    pub(super) fn take_at_once(&mut self, text: &str, intake: &mut Intake<'_, impl Sink>) -> Result<(), BatchError> {
        while !self.step(text.as_bytes(), Some(text), SLICE, intake)? {}
        Ok(())
    }

    /// Reads, checks or takes a slice of `body`, which is UTF-8; returns whether all were taken.
    ///
    /// # Errors
    ///
    /// The array is malformed. Nothing of it was taken then.
    pub(super) fn advance(&mut self, body: &[u8], intake: &mut Intake<'_, impl Sink>) -> Result<bool, BatchError> {
        self.step(body, None, SLICE, intake)
    }

    fn step(
        &mut self,
        body: &[u8],
        text: Option<&str>,
        len: usize,
        intake: &mut Intake<'_, impl Sink>,
    ) -> Result<bool, BatchError> {
        match &mut self.step {
            Step::Hold => self.hold(body, len)?,
            Step::Check(rest) => {
                if self.array.check(body, len)? {
                    let count = self.array.count();
                    self.array = rest.clone();
                    self.step = Step::Take(count);
                }
            }
            Step::Take(count) => {
                let count = *count;
                if self.taken == self.held.len() {
                    self.taken_before += self.taken as u64;
                    self.taken = 0;
                    self.held.clear();
                    self.read(body, len)?;
                }
                self.take(body, text, len, intake);
                let taken = self.taken_before + self.taken as u64;
                if let Some(error) = intake.end().filter(|_| taken < count) {
                    intake.reject(count - taken, error);
                    return Ok(true);
                }
                return Ok(taken == count);
            }
        }
        Ok(false)
    }

    fn hold(&mut self, body: &[u8], len: usize) -> Result<(), BatchError> {
        if self.held.is_empty() {
            self.held.reserve_exact(MAX_HELD.min(1 + body.len() / USUAL_OBJECT));
        }
        if self.read(body, len)? {
            self.step = Step::Take(self.array.count());
        } else if self.held.len() == MAX_HELD {
            self.step = Step::Check(self.array.clone());
        }
        Ok(())
    }

    /// Reads some `len` bytes of elements, unless the most are held; returns whether the array has ended.
    fn read(&mut self, body: &[u8], len: usize) -> Result<bool, BatchError> {
        let start = self.array.offset();
        while self.array.offset() - start < len && self.held.len() < MAX_HELD {
            match self.array.next(body)? {
                Some(element) => self.held.push(element),
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Takes some `len` bytes of elements that are held, unless `intake` ends before.
    fn take(&mut self, body: &[u8], text: Option<&str>, len: usize, intake: &mut Intake<'_, impl Sink>) {
        let waiting = &self.held[self.taken..];
        let Some(start) = waiting.first().map(Element::at) else { return };
        let some = waiting.partition_point(|element| element.at() - start < len);
        let end = waiting.get(some).map_or(self.array.offset(), Element::at);
        let (text, start) = match text {
            Some(text) => (text, 0),
            // The body was found to be UTF-8.
            None => (std::str::from_utf8(&body[start..end]).unwrap_or_default(), start),
        };
        let mut taken = 0;
        for element in &waiting[..some] {
            if intake.end().is_some() {
                break;
            }
            match &element.form {
                Form::Plain(object) => take(Some(&PlainFields::new(object, &text[element.at() - start..])), intake),
                Form::Object => take(Object::at(body, element.at()).as_ref(), intake),
                Form::Other => take(None::<&Object<'_>>, intake),
            }
            taken += 1;
        }
        self.taken += taken;
    }
}
