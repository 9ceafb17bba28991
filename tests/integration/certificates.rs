//! Certificates and keys that are unusable or expire soon: errors and warnings at start.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::support::proxy::{Proxy, command, refusal};

/// `openssl pkcs8 -topk8`, with a passphrase.
const ENCRYPTED_PKCS8: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgqoQr1BC152AICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEIQk8unX3rXb0L7QUav+7D4EgZBn
BagXhUSXs3NpBTkWI8C1Kb2/yyi868nZd1drfKR05oAp8JI8B9V5MmWYZlTFtrv6
ijQAx0pDqcBD9an4ohM8uIaGwdKDkxoCR47E9EE+tZSya3JDhNftAnGGvTvoAwcD
4zdnq7F1zl/lfXLFsTxlMz0jX87D8R10WEuooZu2lAvnx/A2EgeReJ4wTzECufc=
-----END ENCRYPTED PRIVATE KEY-----
";

/// `openssl ec -aes128`, with a passphrase.
const ENCRYPTED_LEGACY: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,923240318FD6C38D8AB80ADE45006301

oCQqAtRehrlWtpBZ6OxiiVGpSQN1M5EZC53VAFG2zX9QHDL3yFeMdcCaHWsZrIrZ
/ZDREwUD3ij5ukamL4vnnNjMt0tYvTACSWjUyasSNkhv5rGVF85L1snpYcqhBGoG
7QYvZycDrN6sBB8HQcNc4U/T02NMpkMLcgngtrHycWg=
-----END EC PRIVATE KEY-----
";

/// A certificate and its key, in PEM.
struct Pair {
    cert: String,
    key: String,
}

/// A self-signed certificate that is valid in full years.
fn valid(from: i32, to: i32) -> Pair {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    Pair { cert: params.self_signed(&key).expect("a certificate").pem(), key: key.serialize_pem() }
}

fn sound() -> Pair {
    valid(2020, 2120)
}

/// An issuer's certificate, and one of a server that it issued.
fn issued(issuer_to: i32) -> (String, Pair) {
    let issuer_key = KeyPair::generate().expect("a key");
    let mut issuer = CertificateParams::new([]).expect("no name");
    issuer.distinguished_name.push(rcgen::DnType::CommonName, "Test issuer");
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (issuer.not_before, issuer.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(issuer_to, 1, 1));
    let issuer_cert = issuer.self_signed(&issuer_key).expect("a certificate").pem();
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
    let cert = params.signed_by(&key, &Issuer::new(issuer, issuer_key)).expect("a certificate").pem();
    (issuer_cert, Pair { cert, key: key.serialize_pem() })
}

/// The two files, and the flags that name them.
struct Files {
    _folder: TempDir,
    flags: [String; 2],
}

fn files(cert: &[u8], key: &[u8]) -> Files {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let flag = |name: &str, file: &str, content: &[u8]| {
        let path = folder.path().join(file);
        std::fs::write(&path, content).expect("a file");
        format!("--{name}={}", path.display())
    };
    let flags = [flag("tls-cert", "cert.pem", cert), flag("tls-key", "key.pem", key)];
    Files { _folder: folder, flags }
}

/// The error for the two files.
fn refused(cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> String {
    let files = files(cert.as_ref(), key.as_ref());
    let (code, said) = refusal(&mut command(&files.flags.each_ref().map(String::as_str)));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.lines().count() == 1 && said.contains("ERROR"), "{said}");
    said
}

/// The warnings of a server that starts with the two.
fn warnings(cert: &str, key: &str) -> Vec<String> {
    let files = files(cert.as_bytes(), key.as_bytes());
    let mut proxy = Proxy::start_with(&mut command(&files.flags.each_ref().map(String::as_str)));
    assert!(proxy.stop().success());
    proxy.seen.iter().filter(|line| line.contains("WARN")).cloned().collect()
}

#[test]
fn an_encrypted_key_is_reported_as_encrypted() {
    for key in [ENCRYPTED_PKCS8, ENCRYPTED_LEGACY, &ENCRYPTED_LEGACY.replace('\n', "\r\n")] {
        let said = refused(sound().cert, key);
        assert!(said.contains("key.pem: the key is encrypted") && said.contains("openssl pkey -in"), "{said}");
    }
}

#[test]
fn a_key_of_another_certificate_names_both_files() {
    let said = refused(sound().cert, sound().key);
    assert!(said.contains("key.pem: is not the key of the certificate in --tls-cert"), "{said}");
    assert!(said.contains("cert.pem: give the two files that were made together"), "{said}");
}

#[test]
fn a_chain_in_the_wrong_order_says_which_comes_first() {
    let (issuer, server) = issued(2120);
    let said = refused(format!("{issuer}{}", server.cert), &server.key);
    assert!(said.contains("cert.pem: wrong order: certificate 2 of the file is the one for the key"), "{said}");
    let right = format!("{}{issuer}", server.cert);
    assert_eq!(warnings(&right, &server.key), [] as [&str; 0]);
    let unrelated = format!("{}{}", server.cert, sound().cert);
    let warned = warnings(&unrelated, &server.key);
    assert!(
        warned.len() == 1 && warned[0].contains("certificate 2 of the file is not that of the issuer"),
        "{warned:?}"
    );
}

#[test]
fn the_error_for_a_wrong_file_names_it_and_the_remedy() {
    let pair = sound();
    for (cert, key, parts) in [
        (&pair.key[..], &pair.key[..], ["cert.pem: holds no certificate (only PRIVATE KEY)", "the whole chain"]),
        ("", &pair.key, ["cert.pem: holds no certificate (it is empty)", "the whole chain"]),
        ("hello\n", &pair.key, ["cert.pem: holds no certificate (nothing in it is PEM)", "the whole chain"]),
        (&pair.cert, &pair.cert, ["key.pem: holds no private key (only CERTIFICATE)", "the key of the certificate"]),
        (&pair.cert, "", ["key.pem: holds no private key (it is empty)", "the key of the certificate"]),
        ("0\u{82}binary", &pair.key, ["cert.pem: is binary, not PEM", "openssl x509 -inform der"]),
        (&pair.cert, "0\u{82}binary", ["key.pem: is binary, not PEM", "openssl pkey -inform der"]),
    ] {
        let said = refused(cert, key);
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?} in {said}");
    }
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let said = refused(broken, &pair.key);
    assert!(said.contains("cert.pem: certificate 1 of the file cannot be used"), "{said}");
}

#[test]
fn one_file_may_have_both_and_files_may_be_from_windows() {
    let pair = sound();
    let both = format!("{}{}", pair.key, pair.cert);
    assert_eq!(warnings(&both, &both), [] as [&str; 0]);
    // With a byte order mark and the line ends of Windows.
    let windows = |pem: &str| format!("\u{feff}{}", pem.replace('\n', "\r\n"));
    assert_eq!(warnings(&windows(&pair.cert), &windows(&pair.key)), [] as [&str; 0]);
    // The usable key is found among other sections.
    assert_eq!(warnings(&both, &format!("{ENCRYPTED_PKCS8}{both}")), [] as [&str; 0]);
}

#[test]
fn a_damaged_key_is_never_shown() {
    let pair = sound();
    let lines: Vec<&str> = pair.key.lines().collect();
    let secret = &lines[1][4..20];
    let one_line = pair.key.replace('\n', " ");
    for key in [
        one_line.clone(),
        one_line.replace("-----BEGIN PRIVATE KEY----- ", "-----BEGIN PRIVATE KEY"),
        pair.key.replace('\n', "\\n"),
        pair.key.replace("-----END PRIVATE KEY-----", ""),
        pair.key.replace("\n-----END", "-----END"),
        pair.key.replacen('M', "*", 1),
        pair.key.replace("PRIVATE KEY", "SECRET KEY"),
        lines[1..].join("\n"),
        lines[1].to_owned(),
    ] {
        let said = refused(&pair.cert, &key);
        let as_numbers = secret.bytes().map(|b| b.to_string()).collect::<Vec<_>>().join(", ");
        assert!(said.contains("key.pem: ") && !said.contains(secret) && !said.contains(&as_numbers), "{said}");
    }
}

#[test]
fn an_expired_or_future_certificate_gives_a_warning_with_the_date() {
    for (from, to, parts) in [
        (2019, 2020, ["certificate 1 of the file expired on Wed, 01 Jan 2020 00:00:00 GMT", "renew it"]),
        (2100, 2120, ["certificate 1 of the file is not valid before Fri, 01 Jan 2100 00:00:00 GMT", "clock"]),
    ] {
        let pair = valid(from, to);
        let warned = warnings(&pair.cert, &pair.key);
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(parts.iter().all(|part| warned[0].contains(part)), "{parts:?} in {warned:?}");
    }
    let (issuer, server) = issued(2021);
    let warned = warnings(&format!("{}{issuer}", server.cert), &server.key);
    assert!(
        warned.len() == 1 && warned[0].contains("certificate 2 of the file expired on Fri, 01 Jan 2021"),
        "{warned:?}"
    );
    let pair = sound();
    assert_eq!(warnings(&pair.cert, &pair.key), [] as [&str; 0]);
}
