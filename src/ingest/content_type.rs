//! The Content-Type of a body.

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The types that matter to the readers of bodies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContentType {
    /// One JSON document.
    Json,
    /// JSON documents, one in each line.
    JsonLines,
    /// A URL-encoded form. curl declares any body as one.
    Form,
    /// A multipart form.
    Multipart,
    /// Text, bytes or no type: the types that browsers send without a preflight.
    Unnamed,
    /// Any other type.
    Other,
}

impl ContentType {
    /// Reads a Content-Type header (RFC 9110 section 8.3) and ignores its parameters.
    pub fn of(header: Option<&[u8]>) -> Self {
        let Some(header) = header else { return Self::Unnamed };
        // Nearly all single metrics have this type; one comparison finds it.
        if header == FORM {
            return Self::Form;
        }
        let essence = header.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        let is = |names: &[&str]| names.iter().any(|name| essence.eq_ignore_ascii_case(name.as_bytes()));
        if essence.eq_ignore_ascii_case(FORM) {
            Self::Form
        } else if is(&["", "text/plain", "application/octet-stream"]) {
            Self::Unnamed
        } else if is(&["application/json", "text/json"]) {
            Self::Json
        } else if is(&["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"]) {
            Self::JsonLines
        } else if essence.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/")) {
            Self::Multipart
        } else {
            Self::Other
        }
    }

    /// True if the body of a single metric is JSON: its type says so, or it has no type and begins like an object.
    pub fn is_object(self, body: &[u8]) -> bool {
        match self {
            Self::Json | Self::JsonLines => true,
            Self::Unnamed => body.trim_ascii_start().first() == Some(&b'{'),
            Self::Form | Self::Multipart | Self::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart_whatever_their_case_and_parameters() {
        for (header, expected) in [
            (None, ContentType::Unnamed),
            (Some("text/plain;charset=UTF-8"), ContentType::Unnamed),
            (Some("application/json; charset=utf-8"), ContentType::Json),
            (Some("Application/X-NDJSON"), ContentType::JsonLines),
            (Some("application/x-www-form-urlencoded"), ContentType::Form),
            (Some("multipart/form-data; boundary=x"), ContentType::Multipart),
            (Some("application/xml"), ContentType::Other),
            (Some("multi"), ContentType::Other),
        ] {
            assert_eq!(ContentType::of(header.map(str::as_bytes)), expected, "{header:?}");
        }
    }
}
