//! Bodies that do not match their Content-Encoding, and unknown codings.

use crate::support::coding::{gzip, raw_deflate, zlib};
use crate::support::proxy::Proxy;
use crate::support::request::{chunked, request};

use super::{coded, start};

const BODY: &str = "a:1|c\nb:2|c\na:1|c\nb:2|c\na:1|c\nb:2|c\nc:34567|c";

fn refused(proxy: &Proxy, coding: &str, body: &[u8], why: &str) {
    let header = format!("Content-Encoding: {coding}");
    for path in ["/batch", "/count/a"] {
        for request in [coded(path, coding, body), chunked("POST", path, &[&header], body, 1)] {
            let answer = proxy.expect(request, 400);
            assert_eq!(answer.body, "Malformed compressed body\n", "{coding}, {why}");
            assert!(answer.closes());
        }
    }
}

#[test]
fn a_body_that_is_truncated_at_any_byte_is_refused() {
    let (receiver, proxy) = start(&[]);
    for (coding, body) in [("gzip", gzip(BODY)), ("deflate", zlib(BODY)), ("deflate", raw_deflate(BODY))] {
        for len in 1..body.len() {
            refused(&proxy, coding, &body[..len], &format!("{len} bytes"));
        }
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_body_with_a_flipped_bit_is_refused() {
    let (receiver, proxy) = start(&[]);
    // Time, level and system in the header of gzip are not checked, and neither are the bits that fill the last byte
    // before the checksum.
    let good = gzip(BODY);
    for at in (0..good.len()).filter(|at| !(4..10).contains(at) && at + 9 != good.len()) {
        let mut body = good.clone();
        // The lowest flag is a hint that the data is text; the next one announces a checksum that is missing.
        body[at] ^= if at == 3 { 2 } else { 1 };
        refused(&proxy, "gzip", &body, &format!("byte {at}"));
    }
    let good = zlib(BODY);
    for at in (0..good.len()).filter(|at| at + 5 != good.len()) {
        let mut body = good.clone();
        body[at] ^= 1;
        refused(&proxy, "deflate", &body, &format!("byte {at}"));
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn wrong_checksums_and_lengths_are_refused() {
    let (receiver, proxy) = start(&[]);
    let good = gzip(BODY);
    let end = good.len();
    for (why, range) in [("CRC", end - 8..end - 4), ("length", end - 4..end)] {
        let mut body = good.clone();
        body[range].fill(0);
        refused(&proxy, "gzip", &body, why);
    }
    let mut body = zlib(BODY);
    let end = body.len();
    body[end - 4..].fill(0);
    refused(&proxy, "deflate", &body, "Adler-32");
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn bytes_after_the_compressed_data_are_refused() {
    let (receiver, proxy) = start(&[]);
    for (coding, body) in [("gzip", gzip(BODY)), ("deflate", zlib(BODY)), ("deflate", raw_deflate(BODY))] {
        for rest in [&b"\0"[..], b"x", b"\n", b"a:1|c", &gzip("d:1|c"), &body] {
            refused(&proxy, coding, &[&body, rest].concat(), &format!("and {rest:?}"));
        }
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_body_in_another_coding_than_declared_is_refused() {
    let (receiver, proxy) = start(&[]);
    for (coding, body) in [
        ("gzip", zlib(BODY)),
        ("gzip", raw_deflate(BODY)),
        ("gzip", BODY.into()),
        ("gzip", b"\x1f\x8b\x07".to_vec()),
        ("gzip", vec![0; 100]),
        ("deflate", gzip(BODY)),
        ("deflate", BODY.into()),
        ("deflate", vec![0; 100]),
        ("deflate", vec![0xff; 100]),
    ] {
        refused(&proxy, coding, &body, &format!("{body:?}"));
    }
    // Without a declared coding it is not a metric either.
    let answer = proxy.expect(request("POST", "/batch", &[], gzip(BODY)), 400);
    assert!(answer.body.starts_with(r#"{"accepted":0,"rejected":[{"index":0,"#), "{answer:?}");
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn unknown_codings_get_415_with_the_supported_ones() {
    let (receiver, proxy) = start(&[]);
    for coding in ["br", "zstd", "compress", "gzip, gzip", "gzip, identity", "gzip;q=1", "gzi", "", "*"] {
        for path in ["/batch", "/count/a"] {
            let answer = proxy.expect(coded(path, coding, gzip(BODY)), 415);
            assert_eq!(answer.body, "Content encoding not supported\n", "{coding}");
            assert_eq!(answer.header("accept-encoding"), Some("gzip, deflate"));
            assert!(!answer.closes());
        }
    }
    let twice = ["Content-Encoding: gzip", "Content-Encoding: gzip"];
    proxy.expect(request("POST", "/batch", &twice, gzip(gzip(BODY))), 415);
    // The answer for an unknown type has no Accept-Encoding.
    let answer = proxy.expect(request("POST", "/batch", &["Content-Type: image/png", twice[0]], gzip(BODY)), 415);
    assert_eq!((answer.body.as_str(), answer.header("accept-encoding")), ("Content type not supported\n", None));
    proxy.assert_sent(&receiver, &[]);
}
