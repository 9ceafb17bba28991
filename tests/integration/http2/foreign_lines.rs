//! What the crates below log of misuse is no line of the proxy's log: each connection could write some.

use std::io::Write;

use crate::https::Https;

use super::{DATA, END_STREAM, GOAWAY, RST_STREAM, field, frame, next_frame, open, post_to};

/// Broken streams of one connection that h2 resets before it ends the connection.
const MAX_RESETS: u32 = 1024;

#[test]
fn h2_does_not_write_to_the_log() {
    for format in [&["--log-format=text"][..], &["--log-format=json", "--verbose"]] {
        let mut https = Https::start(format);
        let mut client = https.http2();
        let head = [post_to("/count/a"), field("content-length", "1")].concat();
        let last = (0..=MAX_RESETS).map(|i| 2 * i + 1).find_map(|stream| {
            // More than was announced: h2 resets the stream, and at the limit ends the connection and logs a warning.
            let body = frame(DATA, END_STREAM, stream, b"12");
            client.write_all(&[open(stream, &head), body].concat()).expect("the request is taken");
            let ends =
                |frame: &super::Frame| frame.kind == GOAWAY || (frame.kind, frame.stream) == (RST_STREAM, stream);
            let end = std::iter::from_fn(|| next_frame(&mut client)).find(ends).expect("the connection stays");
            (end.kind == GOAWAY).then_some(end)
        });
        let reason = last.expect("the connection is ended").payload[7];
        assert_eq!(reason, 11, "ENHANCE_YOUR_CALM");
        https.assert_sent(&[]);
        https.proxy.stop();
        let foreign = https.proxy.lines_of("locally-reset streams reached limit");
        assert!(foreign.is_empty(), "{foreign:#?}");
        // The proxy's own sum of them is there.
        assert!(!https.proxy.lines_of("1024 requests refused: 1024 broken_body").is_empty(), "{:?}", https.proxy.seen);
    }
}
