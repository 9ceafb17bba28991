//! Reads the certificate chain and its key from PEM files, and checks that they fit.
//!
//! No error here shows a byte of a file. The errors of the parser contain the line at which it stopped, which is the whole
//! key if its file lost its newlines.

mod error;
pub(crate) mod validity;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use webpki::EndEntityCert;

use crate::net::tls::TlsFiles;

pub(crate) use crate::net::tls::certificates::error::TlsError;

/// The largest PEM file, in bytes: a chain has some 10 KiB. It bounds files such as `/dev/zero`.
const MAX_PEM: u64 = 1024 * 1024;

/// The most kinds of PEM sections that an error lists.
const MAX_LISTED: usize = 5;

/// Reads the chain and the key, and checks that the chain begins with the certificate of the key.
///
/// # Errors
///
/// A file cannot be read or parsed, or the two do not fit.
pub(crate) fn load(files: &TlsFiles) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = read_chain(&files.cert)?;
    let key = read_key(&files.key)?;
    check_pair(files, &chain, &key)?;
    Ok((chain, key))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let flag = "--tls-cert";
    let pem = read_file(flag, path, "x509 -inform der")?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    // The error may contain a line of the file.
    let chain = chain.map_err(|_| TlsError::Damaged { flag, path: path.to_owned() })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned(), found: sections(&pem) });
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let flag = "--tls-key";
    let pem = read_file(flag, path, "pkey -inform der")?;
    match PrivateKeyDer::pem_slice_iter(&pem).next() {
        Some(Ok(key)) => Ok(key),
        // In the older format an encrypted key looks like a damaged one.
        _ if is_encrypted(&pem) => Err(TlsError::EncryptedKey { path: path.to_owned() }),
        // The error may contain a line of the file.
        Some(Err(_)) => Err(TlsError::Damaged { flag, path: path.to_owned() }),
        None => Err(TlsError::NoKey { path: path.to_owned(), found: sections(&pem) }),
    }
}

fn read_file(flag: &'static str, path: &Path, command: &'static str) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_PEM + 1).read_to_end(&mut bytes))
        .map_err(|source| TlsError::Read { flag, path: path.to_owned(), source })?;
    if bytes.len() as u64 > MAX_PEM {
        return Err(TlsError::TooLarge { flag, path: path.to_owned() });
    }
    // Some editors write a byte order mark, which would hide the first BEGIN line.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    // A DER file is one ASN.1 SEQUENCE of more than 127 bytes (ITU-T X.690 sections 8.1.2 and 8.1.3).
    if matches!(bytes[..], [0x30, length, ..] if length >= 0x80) {
        return Err(TlsError::Binary { flag, path: path.to_owned(), command });
    }
    Ok(bytes)
}

/// True if a key is encrypted: in PKCS #8 (RFC 7468 section 11), or by the headers of OpenSSL's older format
/// (RFC 1421 section 4.6.1.1).
fn is_encrypted(pem: &[u8]) -> bool {
    let by_header = pem.split(|b| matches!(b, b'\n' | b'\r')).any(|line| {
        line.strip_prefix(b"Proc-Type:").is_some_and(|value| value.windows(9).any(|part| part == b"ENCRYPTED"))
    });
    by_header || labels(pem).any(|label| label == "ENCRYPTED PRIVATE KEY")
}

/// The labels of the sections of a PEM file. Only texts that are certainly labels: a damaged line may contain a key.
fn labels(pem: &[u8]) -> impl Iterator<Item = &str> {
    pem.split(|b| matches!(b, b'\n' | b'\r')).filter_map(|line| {
        let label = line.strip_prefix(b"-----BEGIN ")?;
        let end = label.windows(5).position(|part| part == b"-----")?;
        let label = str::from_utf8(&label[..end]).ok()?;
        let is_label =
            label.len() <= 40 && label.bytes().all(|b| b.is_ascii_uppercase() || b == b' ' || b.is_ascii_digit());
        is_label.then_some(label)
    })
}

/// Describes the sections of a PEM file, for an error.
fn sections(pem: &[u8]) -> String {
    let mut found: Vec<&str> = Vec::new();
    for label in labels(pem) {
        if !found.contains(&label) && found.len() < MAX_LISTED {
            found.push(label);
        }
    }
    match &found[..] {
        [] if pem.trim_ascii().is_empty() => "it is empty".to_owned(),
        [] => "nothing in it is PEM".to_owned(),
        found => format!("only {}", found.join(", ")),
    }
}

fn check_pair(files: &TlsFiles, chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>) -> Result<(), TlsError> {
    let signer = aws_lc_rs::sign::any_supported_type(key)
        .map_err(|source| TlsError::KeyKind { path: files.key.clone(), source })?;
    let Some(public) = signer.public_key() else { return Ok(()) };
    let leaf = EndEntityCert::try_from(&chain[0]).map_err(|source| TlsError::Certificate {
        path: files.cert.clone(),
        number: 1,
        source,
    });
    if leaf.as_ref().is_ok_and(|leaf| leaf.subject_public_key_info() == public) {
        return Ok(());
    }
    match chain.iter().position(|certificate| is_for(certificate, &public)) {
        Some(index) => Err(TlsError::LeafNotFirst { path: files.cert.clone(), number: index + 1 }),
        None => {
            leaf?;
            Err(TlsError::Mismatch { key: files.key.clone(), cert: files.cert.clone() })
        }
    }
}

fn is_for(certificate: &CertificateDer<'_>, public: &SubjectPublicKeyInfoDer<'_>) -> bool {
    EndEntityCert::try_from(certificate).is_ok_and(|certificate| certificate.subject_public_key_info() == *public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certain_labels_are_shown() {
        let pem = b"-----BEGIN A-----\r\n-----BEGIN B KEY-----\n-----BEGIN A-----\n-----BEGIN key-----\n-----BEGIN C\n";
        assert_eq!(sections(pem), "only A, B KEY");
    }
}
