//! The settings that may change while the server runs: certificates, the secret of tokens, limits.
//!
//! A worker has one [`Policy`], which is replaced as a whole. A request and a handshake read it once, when they begin, and
//! keep it to their end, so that neither sees parts of two policies. There is no lock, since each worker makes a policy of
//! its own.

use std::cell::RefCell;
use std::rc::Rc;

use crate::auth::Verifier;
use crate::auth::secret::Secret;
use crate::net::tls::{Tls, TlsFiles};

/// The largest bodies in bytes, before and after decompression.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct BodyLimits {
    /// Of a single metric.
    pub max_body_size: usize,
    /// Of a batch.
    pub max_batch_size: usize,
}

impl BodyLimits {
    /// The largest body of any kind, in bytes.
    pub(crate) fn largest(self) -> usize {
        self.max_body_size.max(self.max_batch_size)
    }
}

/// The settings of a policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicySettings {
    /// The largest bodies.
    pub limits: BodyLimits,
    /// The secret of tokens; `None` requires none.
    pub secret: Option<Secret>,
    /// The files of the certificate; `None` serves plain HTTP.
    pub tls: Option<TlsFiles>,
}

/// [`PolicySettings`], ready for the requests and handshakes of one worker.
pub(crate) struct Policy {
    /// The largest bodies.
    pub limits: BodyLimits,
    /// Checks tokens; `None` if they are not required.
    pub verifier: Option<Verifier>,
    /// Begins TLS; `None` serves plain HTTP.
    pub tls: Option<Tls>,
}

impl Policy {
    /// A policy with these settings, and with the certificates that were read for them. Its cache of tokens is empty.
    pub(crate) fn new(settings: &PolicySettings, tls: Option<Tls>) -> Self {
        Self { limits: settings.limits, verifier: settings.secret.as_ref().map(Verifier::new), tls }
    }
}

/// The policy in force on one worker.
pub(crate) struct CurrentPolicy(RefCell<Rc<Policy>>);

impl CurrentPolicy {
    /// Starts with `policy`.
    pub(crate) fn new(policy: Policy) -> Self {
        Self(RefCell::new(Rc::new(policy)))
    }

    /// The policy for a request or handshake that begins now.
    pub(crate) fn get(&self) -> Rc<Policy> {
        Rc::clone(&self.0.borrow())
    }

    /// Puts `policy` in force for requests and handshakes that begin from now on.
    #[cfg_attr(not(test), expect(dead_code, reason = "settings are read at the start only, as yet"))]
    pub(crate) fn set(&self, policy: Policy) {
        self.0.replace(Rc::new(policy));
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::auth::AuthError;

    #[test]
    fn a_request_keeps_the_policy_that_it_began_with() {
        let limits = |max_body_size| BodyLimits { max_body_size, max_batch_size: 2 * max_body_size };
        let open = PolicySettings { limits: limits(10), ..PolicySettings::default() };
        let closed = PolicySettings {
            limits: limits(20),
            secret: Some(Secret::new(b"0123456789abcdef0123456789abcdef".to_vec())),
            ..PolicySettings::default()
        };
        let current = CurrentPolicy::new(Policy::new(&open, None));
        let before = current.get();
        current.set(Policy::new(&closed, None));
        let after = current.get();
        assert!(before.limits == limits(10) && before.verifier.is_none());
        assert_eq!((after.limits, after.limits.largest()), (limits(20), 40));
        let verifier = after.verifier.as_ref().expect("tokens are required");
        assert_eq!(verifier.check(&HeaderMap::new(), None), Err(AuthError::Missing));
        assert_eq!(Rc::strong_count(&before), 1, "the old policy ends with the last request of it");
    }
}
