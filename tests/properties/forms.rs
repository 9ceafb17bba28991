//! Forms: URL-encoded and multipart.

use bytes::Bytes;
use form_urlencoded::Serializer;

use super::grammar::{assert_reads_back, assert_unit};
use super::input::Input;
use crate::internals::{Encoding, Kind, Members, Param, Params, Unit, encoding, multipart, urlencoded, write_single};

/// Longer than any input, so that no value contains it.
const BOUNDARY: &str = "boundary-of-the-property-that-no-value-holds";

/// The parameters of any form parse back to themselves from a form of either kind, and produce only valid lines.
pub fn forms(data: &[u8]) {
    let mut input = Input(data);
    let server = input.encoding();
    let is_multipart = input.byte() & 1 == 1;
    let body = input.0;
    if is_multipart {
        if let Ok(params) = multipart(b"multipart/form-data; boundary=X", &Bytes::copy_from_slice(body)) {
            assert_lines(&params, &server);
            assert_reread(&params);
        }
        return;
    }
    let params = urlencoded(body);
    assert_lines(&params, &server);
    assert_reread(&params);
    if !body.ends_with(b"\n") && !body.ends_with(b"\r") {
        for end in ["\n", "\r\n"] {
            let ended = [body, end.as_bytes()].concat();
            assert_eq!(urlencoded(&ended), params, "a final newline is no part of a form");
        }
    }
}

/// Panics if these parameters produce an invalid line of any type.
fn assert_lines(params: &Params<'_>, server: &Encoding) {
    let plain = encoding(server.dialect(), server.prefix().as_str(), &[]);
    for kind in [Kind::Count, Kind::Gauge, Kind::Timing, Kind::Set] {
        for members in [Members::Integers, Members::Any] {
            let Ok(bytes) = write_single(server, kind, "a.b", params, members) else { continue };
            // The form has a sample rate, which drops all metrics at 0.
            if bytes.ends_with(b"|@0") || bytes.windows(4).any(|field| field == b"|@0|") {
                continue;
            }
            let unit = Unit { bytes, measurements: 1 };
            assert_unit(&unit, server);
            if server.tags().is_empty() {
                assert_reads_back(&unit, &plain);
            }
        }
    }
}

/// Panics unless the parameters, written as a form of either kind, parse back to themselves.
fn assert_reread(params: &Params<'_>) {
    let fields = [
        ("value", &params.value),
        ("sampleRate", &params.sample_rate),
        ("shift", &params.shift),
        ("time", &params.time),
    ];
    let texts = || {
        fields.iter().filter_map(|(name, param)| match param {
            Param::Text(text) => Some((*name, &**text)),
            Param::Absent | Param::Invalid => None,
        })
    };
    let encoded = Serializer::new(String::new()).extend_pairs(texts()).finish();
    assert_eq!(urlencoded(encoded.as_bytes()), *params, "{encoded}");
    let mut parts = String::new();
    for (name, text) in texts() {
        // One newline at the end of a part is dropped.
        let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\n\r\n");
        parts.push_str(&part);
    }
    parts.push_str(&format!("--{BOUNDARY}--\r\n"));
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    // A value that ends with `\r` would form a newline of two characters with the next byte.
    if texts().all(|(_, text)| !text.ends_with('\r') && !text.contains(BOUNDARY)) {
        assert_eq!(multipart(content_type.as_bytes(), &Bytes::from(parts)).as_ref(), Ok(params), "{encoded}");
    }
}
