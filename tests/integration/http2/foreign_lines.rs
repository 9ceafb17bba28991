//! Log events of libraries about misuse are not logged, because each connection could cause some.

use std::io::Write;

use crate::https::Https;

use super::{DATA, END_STREAM, GOAWAY, RST_STREAM, field, frame, next_frame, open, post_to};

/// Broken streams that h2 resets before it closes their connection.
const MAX_RESETS: u32 = 1024;

#[test]
fn h2_does_not_write_to_the_log() {
    for format in [&["--log-format=text"][..], &["--log-format=json", "--verbose"]] {
        let mut https = Https::start(format);
        let mut client = https.http2();
        let head = [post_to("/count/a"), field("content-length", "1")].concat();
        let last = (0..=MAX_RESETS).map(|i| 2 * i + 1).find_map(|stream| {
            // More bytes than announced: h2 resets the stream, and at the limit closes the connection and logs a
            // warning.
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
        // The proxy logs its own sum of them.
        assert!(!https.proxy.lines_of("1024 requests refused: 1024 broken_body").is_empty(), "{:?}", https.proxy.seen);
    }
}
