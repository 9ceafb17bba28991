//! Which of several daemons keeps a series: rendezvous hashing of its name.
//!
//! Each daemon has a score for each name, and the highest wins (Thaler and Ravishankar, "Using name-based mappings to
//! increase hit rates", 1998). The scores depend on the name and the daemon's address alone. So all proxies choose alike, in
//! whichever order they list the daemons, and whichever part of the name is a prefix of the proxy. A daemon that is removed
//! moves only its own series, in equal shares to the others; one that is added takes an equal share from each.
//!
//! The hash is a part of the interface: proxies of two versions may run side by side. A test holds it to its values.

/// Two odd words of the digits of pi after the point. To multiply by one, and to fold the halves of the product, spreads each
/// bit of the input over all of the output; wyhash is built of the same step.
const NAME_FACTOR: u64 = 0x243f_6a88_85a3_08d3;
const NODE_FACTOR: u64 = 0x4528_21e6_38d0_1377;

/// The two halves of a product, folded.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// The state of a hash over bytes that come in pieces: it is the same wherever they are parted.
#[derive(Clone, Copy, Debug, Default)]
struct NameHash {
    state: u64,
    /// Bytes that do not fill a word yet, in the low end.
    partial: u64,
    /// How many bits of `partial` are taken: 0 to 56.
    bits: u32,
    bytes: u64,
}

impl NameHash {
    fn of(bytes: &[u8]) -> Self {
        Self::default().with(bytes)
    }

    #[inline]
    fn with(mut self, bytes: &[u8]) -> Self {
        self.bytes += bytes.len() as u64;
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.add(u64::from_le_bytes(word.try_into().unwrap_or_default()), 64);
        }
        let rest = words.remainder();
        let last = match bytes.last_chunk::<8>() {
            // One load in place of a loop, with the bytes before shifted out.
            Some(word) => u64::from_le_bytes(*word).checked_shr(64 - 8 * rest.len() as u32).unwrap_or_default(),
            None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        self.add(last, 8 * rest.len() as u32);
        self
    }

    /// Adds the `bits` low bits of `word`; all others are zero.
    #[inline]
    fn add(&mut self, word: u64, bits: u32) {
        let filled = self.partial | word << self.bits;
        let taken = self.bits + bits;
        if taken < 64 {
            (self.partial, self.bits) = (filled, taken);
            return;
        }
        self.state = fold(self.state ^ filled ^ NAME_FACTOR, NODE_FACTOR);
        // What `filled` had no space for; a shift by all 64 bits is none.
        self.partial = word.checked_shr(64 - self.bits).unwrap_or_default();
        self.bits = taken - 64;
    }

    #[inline]
    fn finish(self) -> u64 {
        fold(self.state ^ self.partial ^ NAME_FACTOR, self.bytes ^ NODE_FACTOR)
    }
}

/// The daemons, and the part of each name that all have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shards {
    prefix: NameHash,
    nodes: Box<[u64]>,
}

impl Shards {
    /// A choice between daemons by their addresses, which are given in a form that all proxies share. `prefix` stands before
    /// every name.
    pub(crate) fn new(prefix: &str, nodes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let nodes = nodes.into_iter().map(|node| NameHash::of(node.as_ref().as_bytes()).finish());
        Self { prefix: NameHash::of(prefix.as_bytes()), nodes: nodes.collect() }
    }

    /// The daemon that keeps the series of this name, which is without its prefix and tags. Its index is that of its address;
    /// 0 if there are none.
    #[inline]
    pub(crate) fn choose(&self, name: &str) -> usize {
        self.best(name, |_| true).unwrap_or_default()
    }

    /// As above, among the daemons that are `usable`, or among all daemons if no daemon is usable.
    pub(crate) fn choose_among(&self, name: &str, usable: impl Fn(usize) -> bool) -> usize {
        self.best(name, usable).unwrap_or_else(|| self.choose(name))
    }

    /// The usable daemon with the highest score. Of two with the same one, which chance nearly excludes, it is the one with the
    /// larger hash: the order of addresses decides nothing.
    #[inline]
    fn best(&self, name: &str, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let name = self.prefix.with(name.as_bytes()).finish();
        let (mut best, mut highest, mut its_node) = (None, 0, 0);
        for (index, node) in self.nodes.iter().enumerate() {
            let score = fold(name ^ *node, NODE_FACTOR);
            if score >= highest && (score > highest || *node >= its_node) && usable(index) {
                (best, highest, its_node) = (Some(index), score, *node);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn urls(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("udp://10.0.0.{i}:8125")).collect()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("web.page{}.load_{}", i % 97, i)).collect()
    }

    #[test]
    fn the_hash_is_what_it_was() {
        for (text, hash) in [
            ("", 0x46ea_c034_bcfa_bb47),
            ("a", 0x497e_fb4e_8471_4045),
            ("web.vitals.lcp", 0x7c90_cfef_b8a0_197e),
            ("udp://127.0.0.1:8125", 0x6da0_75b0_f12a_2a0b),
        ] {
            assert_eq!(NameHash::of(text.as_bytes()).finish(), hash, "{text:?}");
        }
    }

    #[test]
    fn each_daemon_has_its_share() {
        for count in [2, 3, 5, 16, 64] {
            let shards = Shards::new("", urls(count));
            let mut shares = vec![0usize; count];
            for name in names(64_000) {
                shares[shards.choose(&name)] += 1;
            }
            // Five standard deviations of a binomial distribution.
            let mean = 64_000.0 / count as f64;
            let tolerance = 5.0 * (mean * (1.0 - 1.0 / count as f64)).sqrt();
            for share in &shares {
                assert!((*share as f64 - mean).abs() < tolerance, "{count}: {shares:?}");
            }
        }
    }

    #[test]
    fn what_a_removed_daemon_had_is_shared_by_the_others() {
        let (all, mut left) = (urls(4), urls(4));
        left.remove(1);
        let (before, after) = (Shards::new("", &all), Shards::new("", &left));
        let mut moved = [0; 3];
        for name in names(40_000) {
            if before.choose(&name) == 1 {
                moved[after.choose(&name)] += 1;
            }
        }
        assert!(moved.iter().all(|count| (3000..3700).contains(count)), "{moved:?}");
    }

    proptest! {
        #[test]
        fn the_hash_is_the_same_wherever_the_bytes_are_parted(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let (mut hash, mut from) = (NameHash::default(), 0);
            for to in cuts {
                hash = hash.with(&bytes[from..to]);
                from = to;
            }
            prop_assert_eq!(hash.with(&bytes[from..]).finish(), NameHash::of(&bytes).finish());
        }

        #[test]
        fn a_prefix_of_the_proxy_and_one_of_the_client_are_the_same(
            prefix in "[a-z.]{0,12}",
            name in "\\PC{1,40}",
            count in 1usize..=64,
        ) {
            let whole = format!("{prefix}{name}");
            let (with, without) = (Shards::new(&prefix, urls(count)), Shards::new("", urls(count)));
            prop_assert_eq!(with.choose(&name), without.choose(&whole));
        }

        #[test]
        fn the_order_of_addresses_does_not_matter(
            name in "\\PC{1,40}",
            order in Just(urls(16)).prop_shuffle(),
        ) {
            let listed = urls(16);
            let (one, other) = (Shards::new("", &listed), Shards::new("", &order));
            prop_assert_eq!(&listed[one.choose(&name)], &order[other.choose(&name)]);
        }

        #[test]
        fn a_removed_daemon_moves_only_its_own_series(
            name in "\\PC{1,40}",
            count in 2usize..=64,
            removed in any::<prop::sample::Index>(),
        ) {
            let all = urls(count);
            let removed = removed.index(count);
            let mut left = all.clone();
            left.remove(removed);
            let before = Shards::new("", &all).choose(&name);
            let after = Shards::new("", &left).choose(&name);
            if before != removed {
                prop_assert_eq!(&all[before], &left[after]);
            }
            // One that is not usable is as good as removed.
            let among = Shards::new("", &all).choose_among(&name, |index| index != removed);
            prop_assert_eq!(&all[among], &left[after]);
            prop_assert_eq!(Shards::new("", &all).choose_among(&name, |_| false), before);
        }
    }
}
