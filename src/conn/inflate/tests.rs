//! Tests of compressed bodies: codings, the cap, and damage.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};

use super::*;
use crate::conn::head::Fields;

fn inflate(coding: Coding, pieces: &[&[u8]], cap: usize) -> Result<Vec<u8>, InflateError> {
    let mut inflate = Inflate::new(coding, cap);
    for piece in pieces {
        inflate.write(piece)?;
    }
    inflate.finish()
}

/// `body` as gzip, as zlib and as raw deflate, each with its coding.
fn compressed(body: &[u8]) -> [(Coding, Vec<u8>); 3] {
    let level = Compression::default();
    let mut gzip = GzEncoder::new(Vec::new(), level);
    let mut zlib = ZlibEncoder::new(Vec::new(), level);
    let mut raw = DeflateEncoder::new(Vec::new(), level);
    let bytes = [
        gzip.write_all(body).and_then(|()| gzip.finish()),
        zlib.write_all(body).and_then(|()| zlib.finish()),
        raw.write_all(body).and_then(|()| raw.finish()),
    ];
    let [gzip, zlib, raw] = bytes.map(|bytes| bytes.expect("writing to a Vec cannot fail"));
    [(Coding::Gzip, gzip), (Coding::Deflate, zlib), (Coding::Deflate, raw)]
}

/// Lines that are all different, so that they take many blocks.
fn lines(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| format!("page.load.{i}:{}|ms\n", i * 7919 % 1000).into_bytes()).collect()
}

#[test]
fn codings_are_told_apart() {
    for (value, expected) in [
        ("gzip", Ok(Coding::Gzip)),
        ("X-GZip", Ok(Coding::Gzip)),
        (" deflate ", Ok(Coding::Deflate)),
        ("identity", Ok(Coding::Identity)),
        ("br", Err(UnknownCoding)),
        ("gzip, gzip", Err(UnknownCoding)),
        ("", Err(UnknownCoding)),
    ] {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(value))]);
        assert_eq!(Coding::of(Fields::of(&headers).content_encoding), expected, "{value:?}");
    }
    assert_eq!(Coding::of(Field::default()), Ok(Coding::Identity));
    let mut twice = HeaderMap::new();
    twice.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    twice.append(CONTENT_ENCODING, HeaderValue::from_static("identity"));
    assert_eq!(Coding::of(Fields::of(&twice).content_encoding), Err(UnknownCoding));
}

#[test]
fn what_was_compressed_comes_out_however_it_comes_in() {
    for body in [Vec::new(), b"a:1|c".to_vec(), lines(50), lines(20_000)] {
        for (coding, compressed) in compressed(&body) {
            for size in [1, 7, PIECE - 1, PIECE, PIECE + 1, 64 * 1024] {
                // Byte by byte takes its time, and shows nothing more in a long body.
                let size = size.max(compressed.len() / 5000);
                let pieces: Vec<&[u8]> = compressed.chunks(size).collect();
                assert!(inflate(coding, &pieces, body.len()) == Ok(body.clone()), "{coding:?} in pieces of {size}");
            }
        }
    }
    assert_eq!(inflate(Coding::Identity, &[b"a:1", b"|c"], 5), Ok(b"a:1|c".to_vec()));
}

#[test]
fn nothing_comes_out_past_the_cap() {
    let zeros = vec![0; 1_000_000];
    for body in [lines(50), lines(20_000), zeros] {
        for (coding, compressed) in compressed(&body) {
            assert!(inflate(coding, &[&compressed], body.len() - 1) == Err(InflateError::TooLarge), "{coding:?}");
        }
    }
    assert_eq!(inflate(Coding::Identity, &[b"a:1", b"|c"], 4), Err(InflateError::TooLarge));
    // Output past the cap is not kept.
    let [(_, bomb), ..] = compressed(&vec![0; 50_000_000]);
    let mut inflate = Inflate::new(Coding::Gzip, 100_000);
    assert_eq!(inflate.write(&bomb), Err(InflateError::TooLarge));
    assert!(inflate.capped.len <= 100_000, "{}", inflate.capped.len);
}

#[test]
fn what_is_cut_or_damaged_is_broken() {
    let body = lines(20);
    for (coding, compressed) in compressed(&body) {
        for end in 0..compressed.len() {
            let cut = inflate(coding, &[&compressed[..end]], body.len());
            // Of a deflate body without a byte it is not known which kind it is; its reader asks for none.
            let expected =
                if end == 0 && coding == Coding::Deflate { Ok(Vec::new()) } else { Err(InflateError::Broken) };
            assert_eq!(cut, expected, "{coding:?} cut at {end}");
        }
        let trailing = [&compressed[..], b"x"].concat();
        assert_eq!(inflate(coding, &[&trailing], body.len()), Err(InflateError::Broken), "{coding:?} and a byte");
        let twice = compressed.repeat(2);
        assert_eq!(inflate(coding, &[&twice], 2 * body.len()), Err(InflateError::Broken), "{coding:?} twice");
    }
    // The checksum at the end of gzip and zlib.
    for (coding, mut damaged) in compressed(&body).into_iter().take(2) {
        let at = damaged.len() - 6;
        damaged[if coding == Coding::Gzip { at } else { at + 3 }] ^= 1;
        assert_eq!(inflate(coding, &[&damaged], body.len()), Err(InflateError::Broken), "{coding:?}");
    }
    assert_eq!(inflate(Coding::Gzip, &[b"no gzip at all, but long enough to be one"], 100), Err(InflateError::Broken));
}

#[test]
fn blocks_that_hold_nothing_are_counted() {
    let empty = [0, 0, 0, 0xff, 0xff];
    let last = [1, 0, 0, 0xff, 0xff];
    let body = |count: usize| [&empty.repeat(count)[..], &last].concat();
    assert_eq!(inflate(Coding::Deflate, &[&body(1000)], 10), Ok(Vec::new()));
    assert_eq!(inflate(Coding::Deflate, &[&body(2000)], 10), Err(InflateError::TooManyBlocks));
}
