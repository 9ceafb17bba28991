//! The grant of a token: its bearer, and the metrics that they may send.

use std::rc::Rc;

/// The longest subject that is kept, in bytes: a UUID has 36, an e-mail address up to 254 (RFC 5321 section 4.5.3.1.3).
const MAX_SUBJECT: usize = 256;

/// The permission of a request, and its bearer. Each grant allows all metrics so far: claims and rules that narrow it belong
/// here.
///
/// A clone costs no allocation, and an anonymous grant none at all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grant(Option<Rc<Bearer>>);

/// The bearer of a verified token.
#[derive(Debug, Eq, PartialEq)]
struct Bearer {
    subject: Option<Box<str>>,
}

impl Grant {
    /// The grant of the bearer of a verified token.
    ///
    /// `subject` is the token's `sub` claim. One that is empty or has more than [`MAX_SUBJECT`] bytes is not kept: its
    /// beginning alone could be that of another bearer.
    pub(super) fn bearer(subject: Option<&str>) -> Self {
        let subject = subject.filter(|subject| (1..=MAX_SUBJECT).contains(&subject.len()));
        Self(Some(Rc::new(Bearer { subject: subject.map(Box::from) })))
    }

    /// The `sub` claim of the token, which names the bearer; at most [`MAX_SUBJECT`] bytes. `None` if no token was
    /// required, or if it has no usable `sub`.
    ///
    /// It is any text, control characters included: code that shows it must escape it.
    pub fn subject(&self) -> Option<&str> {
        self.0.as_ref()?.subject.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_kept_whole_or_not_at_all() {
        let subject = |text: &str| Grant::bearer(Some(text)).subject().map(str::to_owned);
        let (longest, longer) = ("x".repeat(MAX_SUBJECT), "x".repeat(MAX_SUBJECT + 1));
        assert_eq!(subject("a\nb"), Some("a\nb".to_owned()));
        assert_eq!(subject(&longest), Some(longest.clone()));
        assert_eq!(subject(&longer), None);
        assert_eq!(subject(""), None);
        assert_eq!(Grant::bearer(None).subject(), None);
        assert_eq!(Grant::default().subject(), None);
        assert_ne!(Grant::bearer(None), Grant::default());
    }
}
