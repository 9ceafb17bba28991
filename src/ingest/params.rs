//! The parameters of a metric, of any format, to a validated value.

use std::borrow::Cow;

use crate::metric::{Kind, Member, MetricError, Number, Rate, Value};
use crate::statsd::encoding::Encoding;

/// One parameter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Param<'a> {
    /// Missing, or empty.
    #[default]
    Absent,
    /// Text.
    Text(Cow<'a, str>),
    /// Neither text nor a number.
    Invalid,
}

impl<'a> Param<'a> {
    /// A parameter from text; empty text is absent.
    pub fn new(text: Cow<'a, str>) -> Self {
        if text.is_empty() { Self::Absent } else { Self::Text(text) }
    }

    /// The text, or `None` if absent. Returns `error` if invalid.
    pub fn text(&self, error: MetricError) -> Result<Option<&str>, MetricError> {
        self.borrow().text(error)
    }

    #[inline]
    fn borrow(&self) -> ParamRef<'_> {
        match self {
            Self::Absent => ParamRef::Absent,
            Self::Text(text) => ParamRef::Text(text),
            Self::Invalid => ParamRef::Invalid,
        }
    }
}

/// A [`Param`] that owns nothing, so that to pass it on or to drop it costs nothing either.
#[derive(Clone, Copy, Debug)]
enum ParamRef<'a> {
    /// Not given, or empty.
    Absent,
    /// Given as text.
    Text(&'a str),
    /// Given as something that is no text and no number.
    Invalid,
}

impl<'a> ParamRef<'a> {
    #[inline]
    fn new(text: &'a str) -> Self {
        if text.is_empty() { Self::Absent } else { Self::Text(text) }
    }

    #[inline]
    fn text(self, error: MetricError) -> Result<Option<&'a str>, MetricError> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Invalid => Err(error),
        }
    }
}

/// The members that a set accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Members {
    /// Integers, as the reference's resource.
    Integers,
    /// Any text that a line can carry.
    Any,
}

/// The parameters of one metric.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Params<'a> {
    /// `value`
    pub value: Param<'a>,
    /// `sampleRate`
    pub sample_rate: Param<'a>,
    /// `shift`
    pub shift: Param<'a>,
    /// `time`
    pub time: Param<'a>,
}

impl Params<'_> {
    /// The value of a metric of `kind` with these parameters, as the daemon of `encoding` accepts it.
    pub fn value(&self, kind: Kind, encoding: &Encoding, members: Members) -> Result<Value<'_>, MetricError> {
        let params = ParamsRef {
            value: self.value.borrow(),
            sample_rate: self.sample_rate.borrow(),
            shift: self.shift.borrow(),
            time: self.time.borrow(),
        };
        params.value(kind, encoding, members)
    }
}

/// [`Params`] that own nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParamsRef<'a> {
    value: ParamRef<'a>,
    sample_rate: ParamRef<'a>,
    shift: ParamRef<'a>,
    time: ParamRef<'a>,
}

impl<'a> ParamsRef<'a> {
    /// Parameters of which only one was given: `value`, or `time` under that name.
    #[inline]
    pub(crate) fn from_value(value: &'a str) -> Self {
        let value = ParamRef::new(value);
        Self { value, sample_rate: ParamRef::Absent, shift: ParamRef::Absent, time: value }
    }

    /// See [`Params::value`].
    // Inlined, what the caller knows of the parameters is not tested again.
    #[inline(always)]
    pub(crate) fn value(&self, kind: Kind, encoding: &Encoding, members: Members) -> Result<Value<'a>, MetricError> {
        let sent = encoding.dialect().kind(kind);
        match kind {
            Kind::Gauge => {
                if let Some(shift) = self.shift.text(MetricError::Shift)? {
                    return encoding.shift(Number::parse(shift, MetricError::Shift)?);
                }
                let value = self.value.text(MetricError::Gauge)?;
                let value = value.map_or(Ok(Number::ONE), |text| Number::parse(text, MetricError::Gauge))?;
                Ok(Value::Gauge(value))
            }
            Kind::Set => match (self.value.text(MetricError::Set)?, members) {
                (None, _) => Ok(Value::Set(Member::ONE)),
                (Some(text), Members::Integers) => Member::parse_integer(text).map(Value::Set),
                (Some(text), Members::Any) => Member::parse(text).map(Value::Set),
            },
            Kind::Count => {
                let value = self.value.text(MetricError::Value)?;
                let value = value.map_or(Ok(Number::ONE), |text| encoding.number(sent, text))?;
                Ok(Value::Sampled(sent, value.into(), self.rate(sent, encoding)?))
            }
            Kind::Timing => {
                let time = self.time.text(MetricError::Time)?.ok_or(MetricError::Time)?;
                Ok(Value::Sampled(sent, encoding.number(sent, time)?.into(), self.rate(sent, encoding)?))
            }
            Kind::Histogram | Kind::Distribution => {
                let value = self.value.text(MetricError::Value)?.ok_or(MetricError::Value)?;
                Ok(Value::Sampled(sent, encoding.number(sent, value)?.into(), self.rate(sent, encoding)?))
            }
        }
    }

    fn rate(&self, sent: Kind, encoding: &Encoding) -> Result<Rate, MetricError> {
        let rate = self.sample_rate.text(MetricError::Rate)?.map_or(Ok(Rate::ALL), Rate::parse)?;
        Ok(encoding.sampling_rate(sent, rate))
    }
}

#[cfg(test)]
mod tests;
