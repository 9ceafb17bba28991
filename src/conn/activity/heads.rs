//! HTTP/2 frames between the wire and the handler, counted: heads, and pieces of bodies.

use crate::conn::frames::Admission;

/// HTTP/2 heads of one connection that are decoded before they are taken up. h2 decodes all that have come at once, and a
/// head of 500 bytes may take 50 KiB until it is refused.
const MAX_UNACCEPTED_HEADS: u8 = 4;

/// DATA frames of one connection that are read before they are taken up. h2 ends a connection of which some hundred small ones
/// are not taken, and Node's client writes one for each piece, however short.
const MAX_UNACCEPTED_DATA: u8 = 64;

/// The heads and pieces of one HTTP/2 connection that were read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Heads {
    /// Heads that were read and not taken up; one more than the most if another waits to be read.
    unaccepted: u8,
    /// The same of DATA frames.
    unaccepted_data: u8,
    /// Heads that were larger than they may be, or that h2 refused. Stops at its largest value.
    oversized: u16,
    /// Heads of requests that were read, less those that h2 handed over.
    undelivered: u32,
}

impl Heads {
    /// Counts a frame. False if it may not be read before those that were read are taken up.
    pub(super) fn admit(&mut self, frame: Admission) -> bool {
        if frame == Admission::Data {
            self.unaccepted_data = self.unaccepted_data.saturating_add(1);
            return self.unaccepted_data <= MAX_UNACCEPTED_DATA;
        }
        self.undelivered += u32::from(frame == Admission::Request);
        let unaccepted = self.unaccepted;
        self.unaccepted = unaccepted.saturating_add(1);
        unaccepted < MAX_UNACCEPTED_HEADS
    }

    /// True if a frame waits to be read until those before it are taken up.
    pub(super) fn are_held(&self) -> bool {
        self.is_head_held() || self.unaccepted_data > MAX_UNACCEPTED_DATA
    }

    fn is_head_held(&self) -> bool {
        self.unaccepted > MAX_UNACCEPTED_HEADS
    }

    /// All frames that were read are taken up. Returns true if more wait.
    pub(super) fn accept(&mut self) -> bool {
        let held = self.are_held();
        (self.unaccepted, self.unaccepted_data) = (0, 0);
        held
    }

    /// h2 handed a head over.
    pub(super) fn note_delivered(&mut self) {
        self.undelivered = self.undelivered.saturating_sub(1);
    }

    /// How many heads h2 did not hand over of those that it has read whole; `is_incomplete` is true while the last frame
    /// is not there whole.
    pub(super) fn take_undelivered(&mut self, is_incomplete: bool) -> u32 {
        // The last one is not there whole, or waits to be read.
        let last = u32::from(is_incomplete || self.is_head_held());
        let undelivered = self.undelivered;
        self.undelivered = undelivered.min(last);
        undelivered.saturating_sub(last)
    }

    /// A head was larger than it may be, or had more fields.
    pub(super) fn note_oversized(&mut self) {
        self.oversized = self.oversized.saturating_add(1);
    }

    /// How many heads were larger than they may be.
    pub(super) fn oversized(&self) -> u32 {
        self.oversized.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_head_waits_until_four_are_taken_up() {
        let mut heads = Heads::default();
        assert_eq!([(); 4].map(|()| heads.admit(Admission::Request)), [true; 4]);
        assert!(!heads.are_held());
        assert!(!heads.admit(Admission::Request) && heads.are_held());
        assert!(heads.accept(), "one waits");
        assert!(!heads.are_held() && !heads.accept());
    }

    #[test]
    fn data_waits_after_64_frames() {
        let mut heads = Heads::default();
        assert!((0..MAX_UNACCEPTED_DATA).all(|_| heads.admit(Admission::Data)) && !heads.are_held());
        assert!(!heads.admit(Admission::Data) && heads.are_held());
        heads.admit(Admission::Request);
        assert_eq!(heads.take_undelivered(false), 1, "no head waits");
        assert!(heads.accept() && heads.admit(Admission::Data));
    }

    #[test]
    fn a_head_that_h2_kept_is_told_once_and_whole() {
        let mut heads = Heads::default();
        heads.admit(Admission::Request);
        heads.admit(Admission::Request);
        heads.admit(Admission::OtherHead);
        heads.note_delivered();
        assert_eq!(heads.take_undelivered(true), 0, "it is still coming");
        assert_eq!(heads.take_undelivered(false), 1);
        assert_eq!(heads.take_undelivered(false), 0);
    }

    #[test]
    fn the_count_of_oversized_heads_does_not_wrap() {
        let mut heads = Heads::default();
        (0..70_000).for_each(|_| heads.note_oversized());
        assert_eq!(heads.oversized(), 65_535);
    }
}
