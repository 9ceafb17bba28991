//! The secret that tokens are signed with: reads it, and warns of suspicious ones.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use thiserror::Error;

/// The least length of an HS256 key, in bytes (RFC 7518 section 3.2). Shorter secrets are in use, so they cause a warning.
const SECRET_MIN: usize = 32;

/// The largest file of a secret, in bytes: far larger than any key, and a bound for files such as `/dev/zero`.
const MAX_SECRET: usize = 64 * 1024;

/// A secret. Its `Debug` does not show it.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Vec<u8>);

/// The reason for which a file contains no secret. No text shows the content of the file.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file is missing or unreadable.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The file is empty, or contains only a newline.
    #[error("the file is empty")]
    Empty,
    /// The file has more than [`MAX_SECRET`] bytes.
    #[error("the file has more than {MAX_SECRET} bytes: it holds no secret")]
    TooLarge,
}

impl Secret {
    /// A secret of exactly these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads a file. One final newline, `\n` or `\r\n`, is not part of the secret.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is empty, or is too large.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_SECRET as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MAX_SECRET {
            return Err(SecretError::TooLarge);
        }
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        if bytes.is_empty() { Err(SecretError::Empty) } else { Ok(Self(bytes)) }
    }

    /// The bytes, to sign or to verify with.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Warnings about the secret, one sentence each, without any of its bytes.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let bytes = self.0.len();
        let short = (bytes < SECRET_MIN).then(|| {
            format!("the JWT secret has {bytes} bytes: under {SECRET_MIN}, it can be guessed from a single token")
        });
        short.into_iter().chain(self.text_warning())
    }

    /// A warning about a secret that is text.
    fn text_warning(&self) -> Option<String> {
        let text = str::from_utf8(&self.0).ok()?;
        if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
            return None;
        }
        if text.trim_start().starts_with("-----BEGIN") {
            return Some(
                "the JWT secret is a PEM file: only HS256, HS384 and HS512 are supported, and who knows the file can sign \
                 tokens, so a public key is no secret"
                    .to_owned(),
            );
        }
        let lines = text.split(['\n', '\r']).filter(|line| !line.is_empty()).count();
        if lines > 1 {
            return Some(format!("the JWT secret has {lines} lines of text: all of them together are one secret"));
        }
        let odd = if text.starts_with('\u{feff}') {
            "begins with a byte order mark"
        } else if text.starts_with(char::is_whitespace) {
            "begins with a space or a newline"
        } else if text.ends_with(char::is_whitespace) {
            "ends with a space or a newline"
        } else {
            return None;
        };
        Some(format!("the JWT secret {odd}, which is part of it"))
    }
}

/// True if the name of a file is probably a secret that was given instead: long, and unlike a path.
pub(crate) fn may_be_secret_itself(name: &str) -> bool {
    name.len() >= SECRET_MIN / 2 && !name.starts_with('/') && !name.contains('.')
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn read(content: &[u8]) -> Result<Secret, SecretError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("it is written");
        Secret::read(file.path())
    }

    fn warnings(content: &str) -> Vec<String> {
        read(content.as_bytes()).expect("a secret").warnings().collect()
    }

    #[test]
    fn one_final_newline_is_not_part_of_it() {
        for content in [KEY.to_owned(), format!("{KEY}\n"), format!("{KEY}\r\n")] {
            assert_eq!(read(content.as_bytes()).expect("a secret").expose(), KEY.as_bytes());
            assert_eq!(warnings(&content), [] as [&str; 0]);
        }
        assert_eq!(read(b"a\n\n").expect("a secret").expose(), b"a\n");
        assert!(matches!(read(b"\n"), Err(SecretError::Empty)));
        assert!(matches!(read(b""), Err(SecretError::Empty)));
    }

    #[test]
    fn warnings_do_not_show_the_secret() {
        for (content, part) in [
            (format!("{KEY}\nsecond line\n"), "2 lines of text"),
            (format!("{KEY}\rsecond line"), "2 lines of text"),
            (format!("{KEY}\r\n\r\nthird line\r\n"), "2 lines of text"),
            (format!("{KEY}\n\n"), "ends with a space or a newline"),
            (format!("{KEY} \n"), "ends with a space or a newline"),
            (format!("\u{feff}{KEY}"), "byte order mark"),
            (format!(" {KEY}"), "begins with a space"),
            (format!("-----BEGIN PUBLIC KEY-----\n{KEY}\n-----END PUBLIC KEY-----\n"), "PEM file"),
        ] {
            let warnings = warnings(&content);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains(part) && !warnings[0].contains("0123"), "{part} in {warnings:?}");
        }
    }

    #[test]
    fn binary_secrets_cause_no_warning_about_text() {
        for content in
            [&[b"\x00\n".as_slice(), KEY.as_bytes()].concat(), &[b"\xff\n".as_slice(), KEY.as_bytes()].concat()]
        {
            assert_eq!(read(content).expect("a secret").warnings().count(), 0, "{content:?}");
        }
    }

    #[test]
    fn a_secret_in_place_of_a_file_is_recognised() {
        for path in ["/run/secrets/a-very-long-name-for-a-secret", "jwt.secret", "./secrets/a-very-long-name", "secret"]
        {
            assert!(!may_be_secret_itself(path), "{path}");
        }
        for secret in [KEY, "dGhpcyBpcyBh/HNlY3JldA==", "correct horse battery staple"] {
            assert!(may_be_secret_itself(secret), "{secret}");
        }
    }

    #[test]
    fn a_file_without_an_end_is_refused() {
        assert!(matches!(Secret::read(Path::new("/dev/zero")), Err(SecretError::TooLarge)));
    }
}
