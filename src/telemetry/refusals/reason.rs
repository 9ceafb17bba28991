//! Why a request is refused: a closed set of reasons, for logs and counts.

/// Why a request is refused, as logs name it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// The head breaks a rule of HTTP: 400, 417, 501.
    BadHead,
    /// The head or its target is too long: 431, 414.
    HeadTooLarge,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 401.
    NoToken,
    /// 403.
    BadToken,
    /// The demo is asked for under a foreign name, or by a page of another site: 421, 403.
    ForeignSite,
    /// 413.
    BodyTooLarge,
    /// 408.
    BodyTimeout,
    /// The framing or the compression of the body is broken, or it is no form and no JSON: 400.
    BrokenBody,
    /// 415.
    UnsupportedBody,
    /// The key, a parameter or the whole batch is no metric: 400.
    BadMetric,
    /// No memory for the body, or no capacity for another viewer: 503.
    Crowded,
    /// The peer left before its body was there whole. Only in the lines of `--verbose`: nobody was refused.
    ClientLeft,
    /// A bug: 500.
    Internal,
}

impl Reason {
    /// How many there are.
    pub(super) const COUNT: usize = Self::Internal as usize + 1;

    /// Their names, in order.
    pub(super) const NAMES: [&'static str; Self::COUNT] = [
        "bad_head",
        "head_too_large",
        "not_found",
        "method_not_allowed",
        "no_token",
        "bad_token",
        "foreign_site",
        "body_too_large",
        "body_timeout",
        "broken_body",
        "unsupported_body",
        "bad_metric",
        "crowded",
        "client_left",
        "internal",
    ];

    /// Its name in logs.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}
