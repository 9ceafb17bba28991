//! Counts the HTTP/2 frames between the wire and the handler: heads, and pieces of bodies.

use crate::conn::frames::Admission;

/// The most HTTP/2 heads of one connection that are decoded before they are processed. h2 decodes all received heads at
/// once, and a head of 500 bytes may take 50 KiB until it is refused.
const MAX_UNACCEPTED_HEADS: u8 = 4;

/// The most DATA frames of one connection that are read before they are processed. h2 closes a connection with some hundred
/// small unprocessed ones, and Node's client writes one for each piece, however short.
const MAX_UNACCEPTED_DATA: u8 = 64;

/// The heads and pieces of bodies that were read from one HTTP/2 connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Heads {
    /// Heads that were read and not processed; one more than the limit if another waits to be read.
    unaccepted: u8,
    /// The same of DATA frames.
    unaccepted_data: u8,
    /// Heads over a limit, and those that h2 refused. Saturates.
    oversized: u16,
    /// Heads of requests that were read, less those that h2 handed over.
    undelivered: u32,
}

impl Heads {
    /// Counts a frame. Returns false if it may not be read before the frames ahead of it are processed.
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

    /// True if a frame waits to be read until those ahead of it are processed.
    pub(super) fn are_held(&self) -> bool {
        self.is_head_held() || self.unaccepted_data > MAX_UNACCEPTED_DATA
    }

    fn is_head_held(&self) -> bool {
        self.unaccepted > MAX_UNACCEPTED_HEADS
    }

    /// Notes that all frames that were read are processed. Returns true if more wait.
    pub(super) fn accept(&mut self) -> bool {
        let held = self.are_held();
        (self.unaccepted, self.unaccepted_data) = (0, 0);
        held
    }

    /// Notes that h2 handed a head over.
    pub(super) fn note_delivered(&mut self) {
        self.undelivered = self.undelivered.saturating_sub(1);
    }

    /// The number of heads that h2 has read whole and not handed over. `is_incomplete` is true while the last frame is
    /// incomplete.
    pub(super) fn take_undelivered(&mut self, is_incomplete: bool) -> u32 {
        // The last one is incomplete, or waits to be read.
        let last = u32::from(is_incomplete || self.is_head_held());
        let undelivered = self.undelivered;
        self.undelivered = undelivered.min(last);
        undelivered.saturating_sub(last)
    }

    /// Notes a head over the limit of bytes or of fields.
    pub(super) fn note_oversized(&mut self) {
        self.oversized = self.oversized.saturating_add(1);
    }

    /// The number of heads over a limit.
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
