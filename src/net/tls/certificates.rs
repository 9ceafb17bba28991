//! The certificate chain and its key: read from PEM files, held against each other and against the calendar.
//!
//! No error here shows a byte of a file. The parser's own errors hold the line at which it stopped, which in a key's
//! file whose newlines were lost is the whole key.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use httpdate::fmt_http_date;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer, UnixTime};
use thiserror::Error;
use webpki::{EndEntityCert, KeyUsage};

use crate::net::tls::TlsFiles;

/// The largest PEM file, in bytes: a chain has some 10 KiB. A bound for a file such as `/dev/zero`.
const MAX_PEM: u64 = 1024 * 1024;

/// How long before its end a certificate is warned of: two weeks, in which a renewal every 60 of 90 days has failed
/// for weeks already. For one of a shorter life, such as Let's Encrypt's of six days, the last third of it.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// The most kinds of PEM sections that an error lists.
const MAX_LISTED: usize = 5;

/// Later than any date that a certificate can hold (RFC 5280 section 4.1.2.5): the first second of the year 10000.
const END_OF_TIME: Duration = Duration::from_secs(253_402_300_800);

/// Why HTTPS cannot be served.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    /// A file is missing or unreadable.
    #[error("{flag} {}: cannot be read", .path.display())]
    Read {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file has more than [`MAX_PEM`] bytes.
    #[error("{flag} {}: has more than {MAX_PEM} bytes, so it is no PEM file", .path.display())]
    TooLarge {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The file is DER or PKCS #12.
    #[error(
        "{flag} {}: is binary, not PEM: convert it with openssl {command} -in {} -out new.pem, or with openssl pkcs12 -nodes \
         -in {} -out new.pem if it is PKCS #12",
        .path.display(), .path.display(), .path.display()
    )]
    Binary {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// The command that reads DER.
        command: &'static str,
    },
    /// The PEM is broken.
    #[error(
        "{flag} {}: is damaged PEM: the BEGIN line, the END line and the lines of base64 between them must be whole, each \
         on a line of its own",
        .path.display()
    )]
    Damaged {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The chain is empty.
    #[error("--tls-cert {}: holds no certificate ({found}): give the file with the whole chain", .path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// No key.
    #[error("--tls-key {}: holds no private key ({found}): give the key of the certificate, in PEM", .path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// The key needs a passphrase.
    #[error(
        "--tls-key {}: the key is encrypted, and nobody is there to give its passphrase: decrypt it with openssl pkey -in \
         {} -out new.pem, readable by this server's user only",
        .path.display(), .path.display()
    )]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is of a kind that cannot be used.
    #[error("--tls-key {}: must be an RSA key of 2048 to 8192 bits, an ECDSA key on P-256, P-384 or P-521, or Ed25519", .path.display())]
    KeyKind {
        /// The file.
        path: PathBuf,
        /// What the crypto library said.
        source: rustls::Error,
    },
    /// A certificate cannot be read.
    #[error("--tls-cert {}: certificate {number} of the file cannot be used: it must be X.509 version 3", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
        /// What the parser said.
        source: webpki::Error,
    },
    /// The certificate of the key is there, but not first.
    #[error(
        "--tls-cert {}: wrong order: certificate {number} of the file is the one for the key: put it first, then those of \
         its issuers, each before its own issuer's",
        .path.display()
    )]
    LeafNotFirst {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
    },
    /// The key is that of another certificate.
    #[error(
        "--tls-key {}: is not the key of the certificate in --tls-cert {}: give the two files that were made together",
        .key.display(), .cert.display()
    )]
    Mismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        cert: PathBuf,
    },
    /// The library cannot be set up.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

/// The time by which certificates are judged.
pub(crate) fn now() -> UnixTime {
    UnixTime::now()
}

/// Reads the chain and the key, and checks that the chain begins with the key's certificate.
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
    // The error may hold a line of the file.
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
        // The error may hold a line of the file.
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
    // A byte order mark, as some editors write it, would hide the first BEGIN line.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    // A DER file is one ASN.1 SEQUENCE of more than 127 bytes (ITU-T X.690 sections 8.1.2 and 8.1.3).
    if matches!(bytes[..], [0x30, length, ..] if length >= 0x80) {
        return Err(TlsError::Binary { flag, path: path.to_owned(), command });
    }
    Ok(bytes)
}

/// True if a key is encrypted: in PKCS #8 (RFC 7468 section 11), or as OpenSSL's older format says in its headers
/// (RFC 1421 section 4.6.1.1).
fn is_encrypted(pem: &[u8]) -> bool {
    let by_header = pem.split(|b| matches!(b, b'\n' | b'\r')).any(|line| {
        line.strip_prefix(b"Proc-Type:").is_some_and(|value| value.windows(9).any(|part| part == b"ENCRYPTED"))
    });
    by_header || labels(pem).any(|label| label == "ENCRYPTED PRIVATE KEY")
}

/// The labels of a PEM file's sections. Only what looks like one: a damaged line may hold a key.
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

/// What a PEM file holds, for an error.
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

/// What is odd about a chain at a time, though it can be served: a sentence each, with the date.
pub(crate) fn warnings(path: &Path, chain: &[CertificateDer<'_>], now: UnixTime) -> Vec<String> {
    let mut warnings = Vec::new();
    let parsed: Vec<_> = chain.iter().map(|certificate| EndEntityCert::try_from(certificate).ok()).collect();
    for (index, certificate) in parsed.iter().enumerate() {
        let state = certificate.as_ref().and_then(validity).and_then(|period| judge(period, now));
        if let Some(state) = state {
            warnings.push(format!("--tls-cert {}: certificate {} of the file {state}", path.display(), index + 1));
        }
    }
    for (index, pair) in parsed.windows(2).enumerate() {
        if let [Some(subject), Some(issuer)] = pair
            && subject.issuer() != issuer.subject()
        {
            warnings.push(format!(
                "--tls-cert {}: certificate {} of the file is not that of the issuer of certificate {}: clients may not trust \
                 the chain",
                path.display(),
                index + 2,
                index + 1,
            ));
        }
    }
    warnings
}

/// The seconds from which, and up to which, a certificate is valid.
///
/// The parser tells a date only as the reason why a certificate is not valid at some time. So it is asked about the
/// beginning and the end of all time.
fn validity(certificate: &EndEntityCert<'_>) -> Option<(u64, u64)> {
    let ask = |time| {
        let time = UnixTime::since_unix_epoch(time);
        certificate.verify_for_usage(&[], &[], &[], time, KeyUsage::server_auth(), None, None).err()
    };
    let from = match ask(Duration::ZERO) {
        Some(webpki::Error::CertNotValidYet { not_before, .. }) => not_before.as_secs(),
        _ => 0,
    };
    match ask(END_OF_TIME) {
        Some(webpki::Error::CertExpired { not_after, .. }) => Some((from, not_after.as_secs())),
        _ => None,
    }
}

fn judge((from, to): (u64, u64), now: UnixTime) -> Option<String> {
    let date = |seconds| fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    let now = now.as_secs();
    let soon = EXPIRES_SOON.as_secs().min(to.saturating_sub(from) / 3);
    if now < from {
        Some(format!("is not valid before {}: clients refuse it; look at the clock of this machine too", date(from)))
    } else if now > to {
        Some(format!("expired on {}: clients refuse it; renew it, and restart", date(to)))
    } else if to - now < soon {
        Some(format!("expires on {}: renew it, and restart", date(to)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    #[test]
    fn a_certificate_is_warned_of_two_weeks_before_its_end_or_in_its_last_third() {
        let at = |day: u64| UnixTime::since_unix_epoch(Duration::from_secs(day * DAY));
        let (long, short) = ((100 * DAY, 190 * DAY), (100 * DAY, 106 * DAY));
        for (period, day, part) in [
            (long, 99, Some("is not valid before Sat, 11 Apr 1970 00:00:00 GMT")),
            (long, 100, None),
            (long, 176, None),
            (long, 177, Some("expires on Fri, 10 Jul 1970 00:00:00 GMT")),
            (long, 190, Some("expires on")),
            (long, 191, Some("expired on Fri, 10 Jul 1970 00:00:00 GMT")),
            (short, 100, None),
            (short, 104, None),
            (short, 105, Some("expires on")),
        ] {
            let said = judge(period, at(day));
            match part {
                Some(part) => assert!(said.as_ref().is_some_and(|said| said.contains(part)), "{day}: {said:?}"),
                None => assert_eq!(said, None, "{day}"),
            }
        }
    }

    #[test]
    fn the_dates_of_a_certificate_are_found() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let parsed = EndEntityCert::try_from(made.cert.der()).expect("it parses");
        // rcgen's own: 1975-01-01 to 4096-01-01.
        assert_eq!(validity(&parsed), Some((157_766_400, 67_090_118_400)));
    }

    #[test]
    fn only_what_looks_like_a_label_is_shown() {
        let pem = b"-----BEGIN A-----\r\n-----BEGIN B KEY-----\n-----BEGIN A-----\n-----BEGIN key-----\n-----BEGIN C\n";
        assert_eq!(sections(pem), "only A, B KEY");
    }
}
