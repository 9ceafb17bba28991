//! Forms, URL-encoded and multipart: the bodies of the reference's clients.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream;
use thiserror::Error;

use crate::params::{Param, Params};

/// Parts read of a multipart body: the four known names, twice over, with room for a few unknown ones.
const MAX_PARTS: usize = 16;

/// The multipart body is broken. The text is the reference's.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("Invalid form specified")]
pub struct FormError;

/// Reads a body that is no multipart: a URL-encoded form, whatever its type says. `fetch()` and `sendBeacon()` send forms
/// as text/plain or without a type. The first of several parameters of one name counts.
pub fn urlencoded(body: &[u8]) -> Params<'_> {
    let mut params = Params::default();
    for (name, value) in form_urlencoded::parse(body) {
        set(&mut params, &name, value);
    }
    params
}

/// Reads a multipart body.
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
                set(&mut params, &name, Cow::Owned(part.text().await?));
            }
        }
        Ok::<_, multer::Error>(true)
    };
    // The whole body is there already, so reading it never waits.
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
    use crate::metric::{Kind, MetricError, Number, Rate, Value};
    use crate::params::Members;
    use crate::statsd::style::Style;

    fn value<'a>(params: &'a Params<'_>, kind: Kind) -> Result<Value<'a>, MetricError> {
        params.value(kind, &Style::default(), Members::Integers)
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
