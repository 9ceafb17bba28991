//! Forms, URL-encoded and multipart: the bodies of the reference's clients.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream;
use thiserror::Error;

use crate::ingest::params::{Param, Params};

/// The most parts of a multipart body: the four known names, twice over, and a few unknown ones.
const MAX_PARTS: usize = 16;

/// The multipart body is malformed. The text is the reference's.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("Invalid form specified")]
pub struct FormError;

/// Reads a body that is not multipart as a URL-encoded form, whatever its type: `fetch()` and `sendBeacon()` send forms
/// as text/plain or without a type. The first of several parameters of one name counts.
///
/// A newline at the end of the body is not part of its last value: `echo value=1` and editors append one. A
/// percent-encoded newline is part of it.
pub fn urlencoded(body: &[u8]) -> Params<'_> {
    let mut params = Params::default();
    for (name, value) in form_urlencoded::parse(without_final_newline(body)) {
        set(&mut params, &name, value);
    }
    params
}

/// `text` without the `\n` or `\r\n` at its end.
fn without_final_newline(text: &[u8]) -> &[u8] {
    match text {
        [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text,
        text => text,
    }
}

/// Reads a multipart body. A newline at the end of a value is not part of it, because values from files end with one.
pub fn multipart(content_type: &[u8], body: &Bytes) -> Result<Params<'static>, FormError> {
    let content_type = std::str::from_utf8(content_type).map_err(|_| FormError)?;
    let boundary = multer::parse_boundary(content_type).map_err(|_| FormError)?;
    let whole = stream::iter([Ok::<_, std::convert::Infallible>(body.clone())]);
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut params = Params::default();
    let read = async {
        let mut count = 0;
        while let Some(part) = parts.next_field().await? {
            count += 1;
            if count > MAX_PARTS {
                return Ok(false);
            }
            if let Some(name) = part.name().map(str::to_owned) {
                let mut text = part.text().await?;
                text.truncate(without_final_newline(text.as_bytes()).len());
                set(&mut params, &name, Cow::Owned(text));
            }
        }
        Ok::<_, multer::Error>(true)
    };
    // The whole body has been received, so reading it never waits.
    match read.now_or_never() {
        Some(Ok(true)) => Ok(params),
        Some(Ok(false) | Err(_)) | None => Err(FormError),
    }
}

fn set<'a>(params: &mut Params<'a>, name: &str, value: Cow<'a, str>) {
    let slot = match name {
        "value" => &mut params.value,
        "sampleRate" => &mut params.sample_rate,
        "shift" => &mut params.shift,
        "time" => &mut params.time,
        _ => return,
    };
    if *slot == Param::Absent {
        *slot = Param::new(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::params::Members;
    use crate::metric::{Kind, MetricError, Number, Rate, Value};
    use crate::statsd::encoding::Encoding;

    fn value<'a>(params: &'a Params<'_>, kind: Kind) -> Result<Value<'a>, MetricError> {
        params.value(kind, &Encoding::default(), Members::Integers)
    }

    #[test]
    fn errors_name_the_parameter() {
        for (body, kind, error) in [
            ("value=x", Kind::Count, MetricError::Value),
            ("value=1&sampleRate=x", Kind::Count, MetricError::Rate),
            ("value=x", Kind::Gauge, MetricError::Gauge),
            ("shift=x", Kind::Gauge, MetricError::Shift),
            ("", Kind::Timing, MetricError::Time),
            ("time=", Kind::Timing, MetricError::Time),
            ("time=-1", Kind::Timing, MetricError::Time),
            ("value=x", Kind::Set, MetricError::Set),
            ("value=1.5", Kind::Set, MetricError::Set),
            ("value=%ff1", Kind::Count, MetricError::Value),
            ("value=1%0A", Kind::Count, MetricError::Value),
        ] {
            assert_eq!(value(&urlencoded(body.as_bytes()), kind), Err(error), "{body}");
        }
    }

    #[test]
    fn the_first_of_several_counts_and_empty_is_absent() {
        let params = urlencoded(b"value=1&value=2&sampleRate=&x=3");
        assert_eq!(value(&params, Kind::Count), Ok(Value::Sampled(Kind::Count, Number::ONE.into(), Rate::ALL)));
    }

    #[test]
    fn a_final_newline_is_no_part_of_a_value() {
        let read =
            |body: &str| urlencoded(body.as_bytes()).value.text(MetricError::Value).map(|text| text.map(str::to_owned));
        for body in ["value=1\n", "value=1\r\n", "x=2&value=1\n", "value=1&x=2\n", "value=1\n&value=2"] {
            let newline_within = body.contains("\n&");
            let expected = if newline_within { "1\n" } else { "1" };
            assert_eq!(read(body), Ok(Some(expected.to_owned())), "{body:?}");
        }
        for (body, expected) in
            [("value=1\n\n", "1\n"), ("value=1\r", "1\r"), ("value=1%0A", "1\n"), ("value=1%0A\n", "1\n")]
        {
            assert_eq!(read(body), Ok(Some(expected.to_owned())), "{body:?}");
        }
        assert_eq!((read("value=\n"), read("\n")), (Ok(None), Ok(None)));
        for end in ["", "\n", "\r\n"] {
            let part = format!("--XX\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n42{end}\r\n--XX--\r\n");
            let read = multipart(b"multipart/form-data; boundary=XX", &Bytes::from(part));
            assert_eq!(read.map(|params| params.value), Ok(Param::Text("42".into())), "{end:?}");
        }
    }

    #[test]
    fn multipart_is_read_and_refused_when_broken() {
        let read = |body: &[u8]| multipart(b"multipart/form-data; boundary=XX", &Bytes::copy_from_slice(body));
        let good = read(b"--XX\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n42\r\n--XX--\r\n");
        assert_eq!(good.map(|params| params.value), Ok(Param::Text("42".into())));
        let mut many = b"--XX\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n".repeat(MAX_PARTS + 1);
        many.extend_from_slice(b"--XX--\r\n");
        assert_eq!(read(&many), Err(FormError));
        assert_eq!(read(b"--XX\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n42"), Err(FormError));
        assert_eq!(multipart(b"multipart/form-data", &Bytes::new()), Err(FormError));
    }
}
