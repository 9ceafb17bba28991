//! The parameters of a metric resource, from a form body to validated values.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream;
use thiserror::Error;

use crate::metric::{Number, Rate, Value};
use crate::route::Resource;

/// Parts read of a multipart body: the four known names, twice over, with room for a few unknown ones.
const MAX_PARTS: usize = 16;

/// Which parameter is wrong. The texts are the reference's.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum ParamsError {
    /// The multipart body is broken.
    #[error("Invalid form specified")]
    Form,
    /// A count.
    #[error("Invalid value specified")]
    Value,
    /// A rate.
    #[error("Invalid sample rate specified")]
    SampleRate,
    /// A gauge's value.
    #[error("Invalid gauge value specified")]
    Gauge,
    /// A gauge's shift.
    #[error("Invalid gauge shift specified")]
    Shift,
    /// A duration: missing, negative or no number.
    #[error("Invalid time specified")]
    Time,
    /// A set's member.
    #[error("Invalid set value specified")]
    Set,
}

/// The parameters as text; an empty one counts as absent, the first of several counts.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Params<'a> {
    value: Option<Cow<'a, str>>,
    sample_rate: Option<Cow<'a, str>>,
    shift: Option<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
}

impl<'a> Params<'a> {
    /// Reads a body. One that is not multipart is read as a URL-encoded form, whatever its type says: `fetch()` and
    /// `sendBeacon()` send forms as text/plain or without a type.
    pub fn read(content_type: Option<&[u8]>, body: &'a Bytes) -> Result<Self, ParamsError> {
        match content_type.filter(|text| text.get(..10).is_some_and(|t| t.eq_ignore_ascii_case(b"multipart/"))) {
            Some(content_type) => Self::read_multipart(content_type, body),
            None => Ok(Self::read_form(body)),
        }
    }

    fn read_form(body: &'a [u8]) -> Self {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            params.set(&name, value);
        }
        params
    }

    fn read_multipart(content_type: &[u8], body: &Bytes) -> Result<Self, ParamsError> {
        let content_type = std::str::from_utf8(content_type).map_err(|_| ParamsError::Form)?;
        let boundary = multer::parse_boundary(content_type).map_err(|_| ParamsError::Form)?;
        let whole = stream::iter([Ok::<_, std::convert::Infallible>(body.clone())]);
        let mut parts = multer::Multipart::new(whole, boundary);
        let mut params = Self::default();
        let read = async {
            let mut count = 0;
            while let Some(part) = parts.next_field().await? {
                count += 1;
                if count > MAX_PARTS {
                    return Ok(false);
                }
                if let Some(name) = part.name().map(str::to_owned) {
                    params.set(&name, Cow::Owned(part.text().await?));
                }
            }
            Ok::<_, multer::Error>(true)
        };
        // The whole body is there already, so reading it never waits.
        match read.now_or_never() {
            Some(Ok(true)) => Ok(params),
            Some(Ok(false) | Err(_)) | None => Err(ParamsError::Form),
        }
    }

    fn set(&mut self, name: &str, value: Cow<'a, str>) {
        let slot = match name {
            "value" => &mut self.value,
            "sampleRate" => &mut self.sample_rate,
            "shift" => &mut self.shift,
            "time" => &mut self.time,
            _ => return,
        };
        slot.get_or_insert(value);
    }

    /// The value that `resource` makes of these parameters.
    pub fn value(&self, resource: Resource) -> Result<Value<'_>, ParamsError> {
        match resource {
            Resource::Count => {
                let value = number(&self.value, Number::parse, ParamsError::Value)?;
                Ok(Value::Count(value.unwrap_or(Number::ONE), self.rate()?))
            }
            Resource::Gauge => {
                if let Some(shift) = number(&self.shift, Number::parse, ParamsError::Shift)? {
                    return Ok(Value::GaugeShift(shift));
                }
                let value = number(&self.value, Number::parse, ParamsError::Gauge)?;
                Ok(Value::Gauge(value.unwrap_or(Number::ONE)))
            }
            Resource::Timing => {
                let time = number(&self.time, Number::parse_unsigned, ParamsError::Time)?.ok_or(ParamsError::Time)?;
                Ok(Value::Timing(time, self.rate()?))
            }
            Resource::Set => {
                let value = number(&self.value, Number::parse_integer, ParamsError::Set)?;
                Ok(Value::Set(value.unwrap_or(Number::ONE)))
            }
        }
    }

    fn rate(&self) -> Result<Rate, ParamsError> {
        match given(&self.sample_rate) {
            Some(text) => Rate::parse(text).map_err(|_| ParamsError::SampleRate),
            None => Ok(Rate::ALL),
        }
    }
}

fn given<'p>(param: &'p Option<Cow<'_, str>>) -> Option<&'p str> {
    param.as_deref().filter(|text| !text.is_empty())
}

fn number<'p>(
    param: &'p Option<Cow<'_, str>>,
    parse: impl Fn(&'p str) -> Result<Number<'p>, crate::metric::MetricError>,
    error: ParamsError,
) -> Result<Option<Number<'p>>, ParamsError> {
    given(param).map(|text| parse(text).map_err(|_| error)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &'static str, resource: Resource) -> Result<String, ParamsError> {
        let body = Bytes::from_static(body.as_bytes());
        let params = Params::read(None, &body)?;
        params.value(resource).map(|value| format!("{value:?}"))
    }

    #[test]
    fn errors_name_the_parameter() {
        for (body, resource, error) in [
            ("value=x", Resource::Count, ParamsError::Value),
            ("value=1&sampleRate=x", Resource::Count, ParamsError::SampleRate),
            ("value=x", Resource::Gauge, ParamsError::Gauge),
            ("shift=x", Resource::Gauge, ParamsError::Shift),
            ("", Resource::Timing, ParamsError::Time),
            ("time=", Resource::Timing, ParamsError::Time),
            ("time=-1", Resource::Timing, ParamsError::Time),
            ("value=x", Resource::Set, ParamsError::Set),
            ("value=1.5", Resource::Set, ParamsError::Set),
            ("value=%ff1", Resource::Count, ParamsError::Value),
            ("value=1%0A", Resource::Count, ParamsError::Value),
        ] {
            assert_eq!(form(body, resource), Err(error), "{body}");
        }
    }

    #[test]
    fn the_first_of_several_counts_and_empty_is_absent() {
        let body = Bytes::from_static(b"value=1&value=2&sampleRate=&x=3");
        let params = Params::read(None, &body).expect("a form");
        assert_eq!(params.value(Resource::Count), Ok(Value::Count(Number::ONE, Rate::ALL)));
    }

    #[test]
    fn multipart_is_read_and_refused_when_broken() {
        let kind = b"multipart/form-data; boundary=XX";
        let read = |body: &'static [u8]| {
            let body = Bytes::from_static(body);
            Params::read(Some(kind), &body)?.value(Resource::Count).map(|value| format!("{value:?}"))
        };
        let good = read(b"--XX\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n42\r\n--XX--\r\n");
        assert!(good.is_ok_and(|value| value.contains("42")));
        let many = b"--XX\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n".repeat(MAX_PARTS + 1);
        let many = Bytes::from([many.as_slice(), b"--XX--\r\n"].concat());
        assert_eq!(Params::read(Some(kind), &many), Err(ParamsError::Form));
        let cut = read(b"--XX\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n42");
        assert_eq!(cut, Err(ParamsError::Form));
        let body = Bytes::from_static(b"");
        assert_eq!(Params::read(Some(b"multipart/form-data"), &body), Err(ParamsError::Form));
    }
}
