//! The server's own tags, and the search for a client's tag of the same key.

/// The most tags of the server: one bit of a `u32` each.
pub(crate) const MAX_CONSTANT_TAGS: usize = 32;

/// Tags on every line, encoded once.
///
/// The writer compares each tag of a client with them, and a body may contain half a million tags of two bytes. So the
/// first and the last byte of a key select the few candidates.
#[derive(Clone, Debug)]
pub(crate) struct ConstantTags {
    keys: Vec<String>,
    /// For each byte, the keys that begin with it, one bit each.
    by_first: Box<[u32; 256]>,
    /// For each byte, the keys that end with it.
    by_last: Box<[u32; 256]>,
    /// All tags as encoded in a line, without the opening and closing text.
    written: String,
}

impl Default for ConstantTags {
    fn default() -> Self {
        Self { keys: Vec::new(), by_first: Box::new([0; 256]), by_last: Box::new([0; 256]), written: String::new() }
    }
}

impl ConstantTags {
    /// Adds a tag; `key` is not empty, and there are fewer than [`MAX_CONSTANT_TAGS`]. `written` is the tag as encoded
    /// in a line, or `None` in a dialect without tags.
    pub(crate) fn push(&mut self, key: &str, written: Option<&str>) {
        if let (Some(first), Some(last)) = (key.bytes().next(), key.bytes().next_back()) {
            self.by_first[usize::from(first)] |= 1 << self.keys.len();
            self.by_last[usize::from(last)] |= 1 << self.keys.len();
        }
        self.keys.push(key.to_owned());
        if let Some(written) = written {
            if !self.written.is_empty() {
                self.written.push(',');
            }
            self.written.push_str(written);
        }
    }

    /// The number of tags.
    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    /// True if one of the tags has this key.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        let (Some(first), Some(last)) = (key.first(), key.last()) else { return false };
        let mut candidates = self.by_first[usize::from(*first)] & self.by_last[usize::from(*last)];
        while candidates != 0 {
            if self.keys[candidates.trailing_zeros() as usize].as_bytes() == key {
                return true;
            }
            candidates &= candidates - 1;
        }
        false
    }

    /// All tags as encoded in a line, without the opening and closing text.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_no_others() {
        let mut tags = ConstantTags::default();
        assert!(!tags.contains(b"") && !tags.contains(b"k"));
        let keys: Vec<String> = (0..MAX_CONSTANT_TAGS).map(|i| format!("k{}x{i}", i % 3)).collect();
        for key in &keys {
            tags.push(key, None);
        }
        assert_eq!((tags.count(), tags.written()), (MAX_CONSTANT_TAGS, ""));
        assert!(keys.iter().all(|key| tags.contains(key.as_bytes())));
        for other in ["", "k", "k0x", "k0x00", "x0", "k1x0"] {
            assert!(!tags.contains(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn tags_are_written_in_their_order() {
        let mut tags = ConstantTags::default();
        tags.push("b", Some("b:1"));
        tags.push("a", Some("a:2"));
        assert_eq!(tags.written(), "b:1,a:2");
    }
}
