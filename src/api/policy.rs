//! What may change while the server runs: certificates, the secret of tokens, limits.
//!
//! A worker holds one [`Policy`], which is swapped whole. A request and a handshake take it once, when they begin, and keep
//! it to their end: neither ever sees parts of two policies. Nothing is locked, since a policy belongs to one worker, and
//! each worker makes its own.

use std::cell::RefCell;
use std::rc::Rc;

use crate::auth::Verifier;
use crate::auth::secret::Secret;
use crate::net::tls::{Tls, TlsFiles};

/// The largest bodies, in bytes, as they come and inflated.
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

/// What the operator decides, and may decide anew while the server runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicySettings {
    /// The largest bodies.
    pub limits: BodyLimits,
    /// Tokens are required when set.
    pub secret: Option<Secret>,
    /// HTTPS, when set.
    pub tls: Option<TlsFiles>,
}

/// The settings of [`PolicySettings`], ready for the requests and handshakes of one worker.
pub(crate) struct Policy {
    /// The largest bodies.
    pub limits: BodyLimits,
    /// Checks tokens; `None` if they are not required.
    pub verifier: Option<Verifier>,
    /// Begins TLS; `None` serves plain HTTP.
    pub tls: Option<Tls>,
}

impl Policy {
    /// A policy with these settings, and with the certificates that were read for them. It remembers no token yet.
    pub(crate) fn new(settings: &PolicySettings, tls: Option<Tls>) -> Self {
        Self { limits: settings.limits, verifier: settings.secret.as_ref().map(Verifier::new), tls }
    }
}

/// The policy in force on one worker.
pub(crate) struct CurrentPolicy(RefCell<Rc<Policy>>);

impl CurrentPolicy {
    /// Begins with `policy`.
    pub(crate) fn new(policy: Policy) -> Self {
        Self(RefCell::new(Rc::new(policy)))
    }

    /// The policy of what begins now.
    pub(crate) fn get(&self) -> Rc<Policy> {
        Rc::clone(&self.0.borrow())
    }

    /// Puts `policy` in force for what begins from now on.
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
    fn what_has_begun_keeps_the_policy_that_it_began_with() {
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
