//! Finds the fields of a head that the server uses.

use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderMap, HeaderValue, ORIGIN, TRANSFER_ENCODING,
};

/// The fields of one name in a head.
#[derive(Clone, Copy, Debug, Default)]
pub struct Field<'h> {
    first: Option<&'h HeaderValue>,
    is_repeated: bool,
}

/// The field was sent more than once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repeated;

impl<'h> Field<'h> {
    /// The value of the first field of that name.
    pub fn first(self) -> Option<&'h HeaderValue> {
        self.first
    }

    /// The value, if the field was sent once; `None` if it was not sent.
    ///
    /// # Errors
    ///
    /// The field was sent more than once.
    pub fn single(self) -> Result<Option<&'h HeaderValue>, Repeated> {
        if self.is_repeated { Err(Repeated) } else { Ok(self.first) }
    }

    fn add(&mut self, value: &'h HeaderValue) {
        self.is_repeated = self.first.is_some();
        self.first = self.first.or(Some(value));
    }
}

/// The fields that the server uses, found in one pass over the head. Each look-up in the map costs as much as the whole pass
/// over the head of a script, and there would be eight.
#[derive(Debug, Default)]
pub struct Fields<'h> {
    /// `Content-Encoding`.
    pub content_encoding: Field<'h>,
    /// `Content-Type`.
    pub content_type: Field<'h>,
    /// `Host`.
    pub host: Field<'h>,
    /// `Origin`.
    pub origin: Field<'h>,
    /// `Transfer-Encoding`.
    pub transfer_encoding: Field<'h>,
    /// True if there is an `Expect`.
    pub expects: bool,
    /// True if there is an `Expect` other than `100-continue`.
    pub expects_other: bool,
    /// The number of `Cookie` fields.
    pub cookies: usize,
    /// The bytes of all field lines except those of `Cookie`.
    pub bytes: usize,
}

impl<'h> Fields<'h> {
    /// Finds the fields of a head.
    pub fn of(headers: &'h HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            // A comparison with a known name compares one byte.
            if *name == COOKIE {
                fields.cookies += 1;
                continue;
            } else if *name == HOST {
                fields.host.add(value);
            } else if *name == CONTENT_TYPE {
                fields.content_type.add(value);
            } else if *name == ORIGIN {
                fields.origin.add(value);
            } else if *name == CONTENT_ENCODING {
                fields.content_encoding.add(value);
            } else if *name == TRANSFER_ENCODING {
                fields.transfer_encoding.add(value);
            } else if *name == EXPECT {
                fields.expects = true;
                fields.expects_other |= !value.as_bytes().eq_ignore_ascii_case(b"100-continue");
            }
            fields.bytes += name.as_str().len() + ": ".len() + value.len() + "\r\n".len();
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderName;

    fn map(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn fields_are_found_and_cookies_are_not_counted() {
        let headers = map(&[(HOST, "h"), (COOKIE, "a=b"), (CONTENT_TYPE, "text/plain"), (COOKIE, "c=d")]);
        let fields = Fields::of(&headers);
        assert_eq!(fields.host.single(), Ok(Some(&HeaderValue::from_static("h"))));
        assert_eq!(fields.content_type.first(), Some(&HeaderValue::from_static("text/plain")));
        assert_eq!((fields.origin.single(), fields.expects), (Ok(None), false));
        assert_eq!(fields.cookies, 2);
        assert_eq!(fields.bytes, "host: h\r\ncontent-type: text/plain\r\n".len());
    }

    #[test]
    fn a_field_that_comes_twice_is_not_single() {
        let headers = map(&[(HOST, "a"), (CONTENT_TYPE, "t"), (HOST, "b"), (HOST, "c")]);
        let fields = Fields::of(&headers);
        assert_eq!(fields.host.single(), Err(Repeated));
        assert_eq!(fields.host.first(), Some(&HeaderValue::from_static("a")));
        assert_eq!(fields.content_type.single(), Ok(Some(&HeaderValue::from_static("t"))));
    }

    #[test]
    fn each_expectation_counts() {
        let expectations = |values: &[&'static str]| {
            let headers = map(&values.iter().map(|value| (EXPECT, *value)).collect::<Vec<_>>());
            let fields = Fields::of(&headers);
            (fields.expects, fields.expects_other)
        };
        assert_eq!(expectations(&["100-Continue"]), (true, false));
        assert_eq!(expectations(&["100-continue", "200-ok"]), (true, true));
        assert_eq!(expectations(&["200-ok", "100-continue"]), (true, true));
    }
}
