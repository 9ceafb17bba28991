//! Bodies in each content coding that the proxy supports.

use std::io::Write;

use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compress, Compression, Crc, FlushCompress};

/// RFC 1952.
pub fn gzip(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_ref()).expect("a Vec takes it");
    encoder.finish().expect("a Vec takes it")
}

/// RFC 1950, which `deflate` means.
pub fn zlib(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_ref()).expect("a Vec takes it");
    encoder.finish().expect("a Vec takes it")
}

/// RFC 1951 alone, which some clients call `deflate`.
pub fn raw_deflate(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_ref()).expect("a Vec takes it");
    encoder.finish().expect("a Vec takes it")
}

/// Zeros, `mebibytes` of them, as gzip.
///
/// Blocks that end with a full flush have no references to earlier ones, so the blocks of one mebibyte are repeated.
pub fn gzip_bomb(mebibytes: u32) -> Vec<u8> {
    let zeros = vec![0; 1024 * 1024];
    let mut blocks = Vec::with_capacity(8192);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(&zeros, &mut blocks, FlushCompress::Full).expect("zeros compress");
    assert_eq!(compress.total_in(), zeros.len() as u64, "all input was taken, and the output fits");
    let mut one = Crc::new();
    one.update(&zeros);
    let mut crc = Crc::new();
    // Only the fixed fields: no name, no time, an unknown system.
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for _ in 0..mebibytes {
        bomb.extend_from_slice(&blocks);
        crc.combine(&one);
    }
    // The last block is empty.
    bomb.extend_from_slice(&[3, 0]);
    bomb.extend_from_slice(&crc.sum().to_le_bytes());
    bomb.extend_from_slice(&crc.amount().to_le_bytes());
    bomb
}
