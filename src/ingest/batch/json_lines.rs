//! JSON objects, one per line. Each line is accepted or rejected alone.

use memchr::memchr;

use crate::ingest::batch::accept_element;
use crate::ingest::batch::intake::Intake;
use crate::ingest::json::{Object, PlainFields, PlainObject};
use crate::metric::Sink;

/// Accepts or rejects the metrics of `lines`. Empty lines are ignored.
pub(super) fn accept_all(lines: &[u8], intake: &mut Intake<'_, impl Sink>) {
    // One check of all lines is cheaper than one per line.
    let text = std::str::from_utf8(lines).ok();
    let mut at = 0;
    while at < lines.len() {
        if let Some(error) = intake.end() {
            let left = lines[at..].split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            return intake.reject(left.count() as u64, error);
        }
        let end = memchr(b'\n', &lines[at..]).map_or(lines.len(), |len| at + len);
        let line = &lines[at..end];
        // A line that is not UTF-8 must not affect the others.
        let text = text.map_or_else(|| std::str::from_utf8(line).ok(), |text| text.get(at..end));
        if let Some(text) = text
            && let Some((object, len)) = PlainObject::read(line)
            && line[len..].trim_ascii().is_empty()
        {
            accept_element(Some(&PlainFields::new(&object, text)), intake);
        } else {
            accept_line(line.trim_ascii(), intake);
        }
        at = end + 1;
    }
}

/// Accepts or rejects the metric of a line, which serde_json parses.
fn accept_line(line: &[u8], intake: &mut Intake<'_, impl Sink>) {
    match line {
        [] => {}
        // Strings of unknown members need not be UTF-8.
        [b'{', ..] => accept_element(serde_json::from_slice::<Object<'_>>(line).ok().as_ref(), intake),
        _ => accept_element(None::<&Object<'_>>, intake),
    }
}
