//! JSON objects, one in each line. A line stands for itself: one that is no object takes no other with it.

use memchr::memchr;

use crate::ingest::batch::intake::Intake;
use crate::ingest::batch::take;
use crate::ingest::json::{Object, PlainFields, PlainObject};
use crate::metric::Sink;

/// Takes the metrics of all lines of `lines`. An empty one is none.
pub(super) fn take_all(lines: &[u8], intake: &mut Intake<'_, impl Sink>) {
    // One look at all of it is cheaper than one for each line.
    let text = std::str::from_utf8(lines).ok();
    let mut at = 0;
    while at < lines.len() {
        if let Some(error) = intake.end() {
            let left = lines[at..].split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            return intake.reject(left.count() as u64, error);
        }
        let end = memchr(b'\n', &lines[at..]).map_or(lines.len(), |len| at + len);
        let line = &lines[at..end];
        // A broken line must not break its neighbours.
        let text = text.map_or_else(|| std::str::from_utf8(line).ok(), |text| text.get(at..end));
        if let Some(text) = text
            && let Some((object, len)) = PlainObject::read(line)
            && line[len..].trim_ascii().is_empty()
        {
            take(Some(&PlainFields::new(&object, text)), intake);
        } else {
            take_line(line.trim_ascii(), intake);
        }
        at = end + 1;
    }
}

/// Takes the metric of any line but an empty one.
fn take_line(line: &[u8], intake: &mut Intake<'_, impl Sink>) {
    match line {
        [] => {}
        // Members that are not used may have strings that are not UTF-8.
        [b'{', ..] => take(serde_json::from_slice::<Object<'_>>(line).ok().as_ref(), intake),
        _ => take(None::<&Object<'_>>, intake),
    }
}
