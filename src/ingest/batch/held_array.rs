//! A JSON array, parsed once: its elements are held until it has ended, because a refused request sends nothing.
//!
//! An element is held as offsets in the body, 32 bytes in all.

use crate::ingest::batch::array::{Array, Element, Form};
use crate::ingest::batch::intake::Intake;
use crate::ingest::batch::{BatchError, SLICE, accept_element};
use crate::ingest::json::{Object, PlainFields};
use crate::metric::Sink;

/// Elements of an array that are held: one MiB, and twice as many objects as the default size limit usually has space for.
/// Further elements are checked first, and parsed again after the held ones.
pub(super) const MAX_HELD: usize = 32 * 1024;

/// Bytes of a short object: a capacity computed with it rarely grows.
const USUAL_OBJECT: usize = 48;

/// An array that is being processed.
#[derive(Debug)]
pub(super) struct HeldArray {
    array: Array,
    held: Vec<Element>,
    /// Number of elements of `held` that were accepted or rejected.
    done: usize,
    /// Number of elements before those of `held`.
    done_before: u64,
    step: Step,
}

/// The current step.
#[derive(Clone, Debug)]
enum Step {
    /// Parse and hold elements.
    Hold,
    /// Check the elements after the held ones, which begin at this position.
    Check(Array),
    /// Accept the held elements; if there are more, parse these in slices. The array has this number of elements.
    Accept(u64),
}

impl HeldArray {
    /// The array at its start.
    pub(super) fn new(array: Array) -> Self {
        Self { array, held: Vec::new(), done: 0, done_before: 0, step: Step::Hold }
    }

    /// Processes a short array, whose text this is, to its end.
    ///
    /// # Errors
    ///
    /// The array is malformed. No metric of it has reached the sink then.
    pub(super) fn process_short(&mut self, text: &str, intake: &mut Intake<'_, impl Sink>) -> Result<(), BatchError> {
        while !self.step(text.as_bytes(), Some(text), intake)? {}
        Ok(())
    }

    /// Parses, checks or accepts a slice of `body`, which must be UTF-8. Returns true if that was the last one.
    ///
    /// # Errors
    ///
    /// The array is malformed. No metric of it has reached the sink then.
    pub(super) fn advance(&mut self, body: &[u8], intake: &mut Intake<'_, impl Sink>) -> Result<bool, BatchError> {
        self.step(body, None, intake)
    }

    fn step(
        &mut self,
        body: &[u8],
        text: Option<&str>,
        intake: &mut Intake<'_, impl Sink>,
    ) -> Result<bool, BatchError> {
        match &mut self.step {
            Step::Hold => self.hold(body)?,
            Step::Check(rest) => {
                if self.array.check(body, SLICE)? {
                    let count = self.array.count();
                    self.array = rest.clone();
                    self.step = Step::Accept(count);
                }
            }
            Step::Accept(count) => {
                let count = *count;
                if self.done == self.held.len() {
                    self.done_before += self.done as u64;
                    self.done = 0;
                    self.held.clear();
                    self.read(body)?;
                }
                self.accept(body, text, intake);
                let done = self.done_before + self.done as u64;
                if let Some(error) = intake.end().filter(|_| done < count) {
                    intake.reject(count - done, error);
                    return Ok(true);
                }
                return Ok(done == count);
            }
        }
        Ok(false)
    }

    fn hold(&mut self, body: &[u8]) -> Result<(), BatchError> {
        if self.held.is_empty() {
            self.held.reserve_exact(MAX_HELD.min(1 + body.len() / USUAL_OBJECT));
        }
        if self.read(body)? {
            self.step = Step::Accept(self.array.count());
        } else if self.held.len() == MAX_HELD {
            self.step = Step::Check(self.array.clone());
        }
        Ok(())
    }

    /// Parses a slice of elements, but no more than may be held. Returns true if the array has ended.
    fn read(&mut self, body: &[u8]) -> Result<bool, BatchError> {
        let start = self.array.offset();
        while self.array.offset() - start < SLICE && self.held.len() < MAX_HELD {
            match self.array.next(body)? {
                Some(element) => self.held.push(element),
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Accepts or rejects a slice of the held elements, until `intake` ends.
    fn accept(&mut self, body: &[u8], text: Option<&str>, intake: &mut Intake<'_, impl Sink>) {
        let waiting = &self.held[self.done..];
        let Some(start) = waiting.first().map(Element::at) else { return };
        let count = waiting.partition_point(|element| element.at() - start < SLICE);
        let end = waiting.get(count).map_or(self.array.offset(), Element::at);
        let (text, start) = match text {
            Some(text) => (text, 0),
            // The body was checked to be UTF-8.
            None => (std::str::from_utf8(&body[start..end]).unwrap_or_default(), start),
        };
        let mut done = 0;
        for element in &waiting[..count] {
            if intake.end().is_some() {
                break;
            }
            match &element.form {
                Form::Plain(object) => {
                    accept_element(Some(&PlainFields::new(object, &text[element.at() - start..])), intake)
                }
                Form::Object => accept_element(Object::at(body, element.at()).as_ref(), intake),
                Form::Other => accept_element(None::<&Object<'_>>, intake),
            }
            done += 1;
        }
        self.done += done;
    }
}
