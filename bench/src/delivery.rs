//! The delivery of metrics whose requests were answered with 200.

/// Numbers of metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery {
    /// Answered with 200.
    pub accepted: u64,
    /// Accepted and not received.
    pub lost: u64,
}

impl Delivery {
    /// Counts `received` metrics of `requests` with `size` metrics each.
    ///
    /// The number may be larger, see [`CONNECTIONS`](crate::load::CONNECTIONS), and the excess must not hide losses.
    /// But a request sends all its metrics, even if wrk does not count it, so an incomplete request shows a loss in any
    /// case.
    pub fn note(&mut self, requests: u64, size: u64, received: u64) {
        let accepted = requests * size;
        let torn = received.next_multiple_of(size) - received;
        self.accepted += accepted;
        self.lost += accepted.saturating_sub(received).max(torn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_beyond_those_accepted_make_up_for_none_lost() {
        let mut delivery = Delivery::default();
        delivery.note(100, 1, 97);
        delivery.note(100, 1, 164);
        assert_eq!((delivery.accepted, delivery.lost), (200, 3));
    }

    #[test]
    fn a_torn_batch_is_a_loss_among_uncounted_ones_too() {
        let mut delivery = Delivery::default();
        delivery.note(10, 100, 1_300);
        delivery.note(10, 100, 940);
        assert_eq!((delivery.accepted, delivery.lost), (2_000, 60));
        delivery.note(10, 100, 1_240);
        assert_eq!((delivery.accepted, delivery.lost), (3_000, 120));
    }
}
