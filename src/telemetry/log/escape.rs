//! Escapes the characters in log lines that could forge, hide or reorder text: the paths in a log come from any client.

/// The notation of escaped characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Escapes {
    /// As in Rust: `\n`, `\u{202e}`.
    Text,
    /// As `Text`, but the escape character itself is kept, for the colours of the log. The formatter has already
    /// escaped it in fields and messages.
    ColouredText,
    /// As in JSON: `\u202e`. In JSON such a character is always inside a string (RFC 8259 section 7).
    Json,
}

/// Escapes all characters of a complete log line that are not printable, except its final line feed. `None` if there
/// are none, as in nearly all lines.
///
/// The characters that are not printable are those that `char::escape_debug` escapes: control characters (C0, C1, DEL),
/// format characters, which reorder or hide text (Cf: bidirectional controls, zero widths, tags), line and paragraph
/// separators, all spaces except U+0020, private and unassigned characters, and combining marks.
pub(crate) fn escape(line: &str, escapes: Escapes) -> Option<String> {
    let text = line.strip_suffix('\n').unwrap_or(line);
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let mut escaped = String::with_capacity(line.len() + 32);
    for character in text.chars() {
        if may_stand(character) || (character == '\x1b' && escapes == Escapes::ColouredText) {
            escaped.push(character);
        } else if escapes == Escapes::Json {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.extend(character.escape_debug());
        }
    }
    escaped.push_str(&line[text.len()..]);
    Some(escaped)
}

fn may_stand(character: char) -> bool {
    if character.is_ascii() { !character.is_ascii_control() } else { character.escape_debug().len() == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of each kind: C0, DEL, C1, bidirectional controls and isolates, zero widths, separators, tags, private
    /// use.
    const BAD: [char; 20] = [
        '\0',
        '\r',
        '\t',
        '\u{7}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{ad}',
        '\u{61c}',
        '\u{200b}',
        '\u{200e}',
        '\u{202e}',
        '\u{2028}',
        '\u{2029}',
        '\u{2066}',
        '\u{2069}',
        '\u{feff}',
        '\u{fff9}',
        '\u{e0041}',
        '\u{e000}',
    ];

    #[test]
    fn printable_characters_are_kept() {
        for line in ["plain\n", "", "\n", "\"quoted\" \\ {}\n"] {
            assert_eq!(escape(line, Escapes::Json), None);
        }
        assert_eq!(escape("größe 大小\n", Escapes::Text).as_deref(), Some("größe 大小\n"));
    }

    #[test]
    fn other_characters_are_escaped() {
        for bad in BAD.into_iter().chain(['\n', '\x1b']) {
            let line = format!("{{\"path\":\"/a{bad}b\"}}\n");
            for escapes in [Escapes::Text, Escapes::ColouredText, Escapes::Json] {
                if bad == '\x1b' && escapes == Escapes::ColouredText {
                    continue;
                }
                let escaped = escape(&line, escapes).expect("something to escape");
                let text = escaped.strip_suffix('\n').expect("the line's own line feed");
                assert!(!text.contains(bad) && text.chars().all(may_stand), "{bad:?} in {escaped:?}");
                if escapes == Escapes::Json {
                    let read: serde_json::Value = serde_json::from_str(text).expect("still JSON");
                    assert_eq!(read["path"], format!("/a{bad}b"));
                }
            }
        }
    }

    #[test]
    fn colours_of_the_log_are_kept() {
        assert_eq!(
            escape("\x1b[32m INFO\x1b[0m a\n", Escapes::ColouredText).as_deref(),
            Some("\x1b[32m INFO\x1b[0m a\n")
        );
    }
}
