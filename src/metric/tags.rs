//! Tags: pairs of key and value that some daemons store beside the name.
//!
//! A client's tags are untrusted text. The writer cleans them: every character but letters, digits and `_-./` becomes
//! `_`, so that no tag can end its line, be read as two, or reach into another field.

use std::sync::LazyLock;

use crate::metric::{MAX_LINE, MetricError};

/// The most tags of one metric: far more than a chart can show, and few enough that comparing each with the server's
/// own is cheap.
pub(crate) const MAX_TAGS: usize = 64;

/// The tags of a metric in the client's text: `key:value` or `key=value`, separated by commas.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tags<'a> {
    text: &'a str,
    /// True if `text` is already encoded for a line, including the server's own tags.
    written: bool,
}

/// One tag; the value is optional.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tag<'a> {
    /// Not empty, and not cleaned.
    pub key: &'a str,
    /// Not empty, and not cleaned.
    pub value: Option<&'a str>,
}

impl<'a> Tags<'a> {
    /// No tags.
    pub(crate) const NONE: Tags<'static> = Tags { text: "", written: false };

    /// Reads at most [`MAX_TAGS`] tags from at most [`MAX_LINE`] bytes.
    pub(crate) fn parse(text: &'a str) -> Result<Self, MetricError> {
        if text.len() > MAX_LINE {
            return Err(MetricError::TooLong);
        }
        if text.bytes().filter(|b| *b == b',').count() >= MAX_TAGS {
            return Err(MetricError::Tags);
        }
        Ok(Self { text, written: false })
    }

    /// Tags that are already encoded for a line, including the server's own: several lines that share them need one
    /// cleaning.
    pub(crate) fn from_written(text: &'a str) -> Self {
        Self { text, written: true }
    }

    /// The text that [`Tags::from_written`] took.
    pub(crate) fn as_written(&self) -> Option<&'a str> {
        self.written.then_some(self.text)
    }

    /// True if there are no tags.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The tags that have a key, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Tag<'a>> {
        self.text.split(',').filter_map(|tag| {
            // A tag has a few bytes, too few for a search by blocks.
            let (key, value) = match tag.bytes().position(|byte| matches!(byte, b':' | b'=')) {
                Some(at) => (trim(&tag[..at]), Some(trim(&tag[at + 1..]))),
                None => (trim(tag), None),
            };
            (!key.is_empty()).then_some(Tag { key, value: value.filter(|value| !value.is_empty()) })
        })
    }
}

/// [`str::trim`], which looks each character up, for texts that mostly have nothing to trim.
fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [] => "",
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        [only] if only.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Writes any keys and values as text that [`Tags`] reads back as the same number of tags.
#[derive(Debug, Default)]
pub(crate) struct TagsWriter(String);

impl From<String> for TagsWriter {
    /// Takes text in the form of [`Tags`].
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl TagsWriter {
    /// A writer of nothing yet, for some `len` bytes of text.
    pub(crate) fn with_capacity(len: usize) -> Self {
        Self(String::with_capacity(len))
    }

    /// Adds a tag.
    pub(crate) fn push(&mut self, key: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        push_without(&mut self.0, key, |byte| matches!(byte, b',' | b':' | b'='));
        self.0.push(':');
        push_without(&mut self.0, value, |byte| byte == b',');
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Appends `text` with each `reserved` ASCII character replaced by `_`.
fn push_without(out: &mut String, text: &str, reserved: impl Fn(u8) -> bool) {
    // Most texts have none.
    if !text.bytes().any(&reserved) {
        return out.push_str(text);
    }
    out.extend(text.chars().map(|c| if c.is_ascii() && reserved(c as u8) { '_' } else { c }));
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/')
}

/// A bit for each character of the Basic Multilingual Plane, set for letters and digits. The standard library searches
/// compressed tables, some 40 ns for each character, so a body of such characters cost as much as one with ten times as
/// many metrics.
static ALPHANUMERIC: LazyLock<[u64; 1024]> = LazyLock::new(|| {
    let mut bits = [0; 1024];
    for code in 0..0x1_0000u32 {
        if char::from_u32(code).is_some_and(char::is_alphanumeric) {
            bits[code as usize / 64] |= 1 << (code % 64);
        }
    }
    bits
});

fn is_alphanumeric(c: char) -> bool {
    let code = c as usize;
    match ALPHANUMERIC.get(code / 64) {
        Some(bits) => bits >> (code % 64) & 1 == 1,
        None => c.is_alphanumeric(),
    }
}

/// Appends `text` with every character but letters, digits and `_-./` replaced by `_`. With `colons`, colons stay:
/// daemons that end the key at the first colon accept further ones, and addresses and times contain them.
pub(crate) fn clean(out: &mut Vec<u8>, text: &str, colons: bool) {
    if text.bytes().all(is_plain) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut kept_from = 0;
    for (at, c) in text.char_indices() {
        let keeps = match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => is_plain(byte) || (colons && byte == b':'),
            _ => is_alphanumeric(c),
        };
        if !keeps {
            out.extend_from_slice(&text.as_bytes()[kept_from..at]);
            out.push(b'_');
            kept_from = at + c.len_utf8();
        }
    }
    out.extend_from_slice(&text.as_bytes()[kept_from..]);
}

/// True if `text` is not empty and [`clean`] would not change it.
pub(crate) fn is_clean(text: &str, colons: bool) -> bool {
    let mut cleaned = Vec::new();
    clean(&mut cleaned, text, colons);
    !text.is_empty() && cleaned == text.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(&str, Option<&str>)> {
        Tags::parse(text).expect("few tags").iter().map(|tag| (tag.key, tag.value)).collect()
    }

    #[test]
    fn both_ways_to_write_a_pair_are_read() {
        assert_eq!(pairs("env:prod,locale=en"), [("env", Some("prod")), ("locale", Some("en"))]);
        assert_eq!(pairs("env = prod , beta"), [("env", Some("prod")), ("beta", None)]);
        assert_eq!(pairs("url:http://a/?b=c"), [("url", Some("http://a/?b=c"))]);
        assert_eq!(pairs(",:x,=,k:"), [("k", None)]);
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn too_many_are_refused() {
        let tags = vec!["k:v"; MAX_TAGS].join(",");
        assert_eq!(pairs(&tags).len(), MAX_TAGS);
        assert_eq!(Tags::parse(&format!("{tags},k:v")), Err(MetricError::Tags));
    }

    #[test]
    fn what_could_forge_anything_becomes_an_underscore() {
        let clean = |text, colons| {
            let mut out = Vec::new();
            super::clean(&mut out, text, colons);
            String::from_utf8(out).expect("clean text is UTF-8")
        };
        assert_eq!(clean("eu-west_1.a/b", false), "eu-west_1.a/b");
        assert_eq!(clean("a|b,c:d=e#f[g]\n;h i", false), "a_b_c_d_e_f_g___h_i");
        assert_eq!(clean("10:30", true), "10:30");
        assert_eq!(clean("größe", false), "größe");
        assert!(is_clean("prod", false) && !is_clean("a b", false) && !is_clean("", false));
    }

    #[test]
    fn letters_and_digits_are_those_of_the_standard_library() {
        for c in (0..=0x1_1000).filter_map(char::from_u32) {
            assert_eq!(is_alphanumeric(c), c.is_alphanumeric(), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn written_tags_read_back_as_many(tags in prop::collection::vec(("\\PC{0,9}", "\\PC{0,9}"), 0..9)) {
            let mut writer = TagsWriter::default();
            for (key, value) in &tags {
                writer.push(key, value);
            }
            let read: Vec<_> = Tags::from_written(writer.as_str()).iter().collect();
            let expected = tags.iter().filter(|(key, _)| !key.trim().is_empty()).count();
            prop_assert_eq!(read.len(), expected);
        }
    }
}
