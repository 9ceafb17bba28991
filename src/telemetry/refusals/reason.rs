//! The reasons for refusing a request: a closed set, for logs and counters.

/// A reason for refusing a request.
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
    /// A request for the demo had a foreign name in `Host`, or came from a page of another site: 421, 403.
    ForeignSite,
    /// 413.
    BodyTooLarge,
    /// 408.
    BodyTimeout,
    /// The framing, the compression, the form or the JSON of the body is broken: 400.
    BrokenBody,
    /// 415.
    UnsupportedBody,
    /// The key or a parameter is invalid, or all metrics of a batch are: 400.
    BadMetric,
    /// A limit on all requests, batches or viewers together is reached: 503.
    Crowded,
    /// The peer closed the connection before its body was complete. Only in the lines of `--verbose`: no answer was
    /// sent.
    ClientLeft,
    /// A bug: 500.
    Internal,
}

impl Reason {
    /// The number of reasons.
    pub(super) const COUNT: usize = Self::Internal as usize + 1;

    /// The names, in the order of the variants.
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

    /// The name in logs.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}
