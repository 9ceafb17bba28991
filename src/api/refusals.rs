//! All reasons to refuse a request, with their status, log name and text.

use std::borrow::Cow;

use http::StatusCode;
use thiserror::Error;

use crate::api::access::AccessError;
use crate::api::routes::RouteError;
use crate::auth::AuthError;
use crate::conn::body::BodyError;
use crate::conn::head::HeadError;
use crate::conn::inflate::UnknownCoding;
use crate::ingest::batch::BatchError;
use crate::ingest::form::FormError;
use crate::metric::MetricError;
use crate::telemetry::refusals::Reason;

/// The reason for which a request is not answered with 200. A refused request sends no datagram.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// The head breaks a rule of HTTP that the parser lets pass.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// No such path, or not with this method.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// No token, or an invalid one.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The body is too long, too slow or malformed.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body has an unknown compression.
    #[error(transparent)]
    Coding(#[from] UnknownCoding),
    /// The key in the path cannot be decoded.
    #[error("Invalid key specified")]
    Key,
    /// The form is malformed.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The batch, or the JSON of a single metric, cannot be read.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The name or a parameter is invalid for the metric.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The demo is requested under a foreign name, or by a page of another site.
    #[error(transparent)]
    Demo(#[from] AccessError),
    /// Too many pages receive the demo's events.
    #[error("Too many viewers")]
    Viewers,
    /// A bug of this server.
    #[error("Internal server error")]
    Internal,
}

impl Refusal {
    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Head(HeadError::Expectation) => StatusCode::EXPECTATION_FAILED,
            Self::Head(HeadError::TargetTooLong) => StatusCode::URI_TOO_LONG,
            Self::Head(HeadError::TooLarge | HeadError::TooManyFields) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Head(HeadError::TransferCoding) => StatusCode::NOT_IMPLEMENTED,
            Self::Head(HeadError::Host | HeadError::Framing | HeadError::Target) => StatusCode::BAD_REQUEST,
            Self::Route(RouteError::NotFound) => StatusCode::NOT_FOUND,
            Self::Route(RouteError::MethodNotAllowed(_)) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Auth(AuthError::Missing) => StatusCode::UNAUTHORIZED,
            Self::Auth(AuthError::Invalid) => StatusCode::FORBIDDEN,
            Self::Body(BodyError::TooLarge | BodyError::TooManyBlocks) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Coding(_) | Self::Batch(BatchError::ContentType) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(BodyError::Timeout) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(BodyError::Crowded) | Self::Viewers => StatusCode::SERVICE_UNAVAILABLE,
            Self::Body(BodyError::Broken | BodyError::Left | BodyError::Fragmented | BodyError::Encoding)
            | Self::Key
            | Self::Form(_)
            | Self::Batch(BatchError::Json)
            | Self::Metric(_) => StatusCode::BAD_REQUEST,
            Self::Demo(error) => error.status(),
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The name of the reason in the log.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Head(HeadError::TooLarge | HeadError::TooManyFields | HeadError::TargetTooLong) => {
                Reason::HeadTooLarge
            }
            Self::Head(_) => Reason::BadHead,
            Self::Route(RouteError::NotFound) => Reason::NotFound,
            Self::Route(RouteError::MethodNotAllowed(_)) => Reason::MethodNotAllowed,
            Self::Auth(AuthError::Missing) => Reason::NoToken,
            Self::Auth(AuthError::Invalid) => Reason::BadToken,
            Self::Demo(_) => Reason::ForeignSite,
            Self::Body(BodyError::TooLarge | BodyError::TooManyBlocks) => Reason::BodyTooLarge,
            Self::Body(BodyError::Timeout) => Reason::BodyTimeout,
            Self::Body(BodyError::Crowded) | Self::Viewers => Reason::Crowded,
            Self::Body(BodyError::Left) => Reason::ClientLeft,
            Self::Body(BodyError::Broken | BodyError::Fragmented | BodyError::Encoding)
            | Self::Form(_)
            | Self::Batch(BatchError::Json) => Reason::BrokenBody,
            Self::Coding(_) | Self::Batch(BatchError::ContentType) => Reason::UnsupportedBody,
            Self::Key | Self::Metric(_) => Reason::BadMetric,
            Self::Internal => Reason::Internal,
        }
    }

    /// The body of the answer: the reference's text if it has one, and a newline.
    pub(crate) fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Route(RouteError::NotFound) => "404 page not found\n".into(),
            Self::Route(RouteError::MethodNotAllowed(_)) => "Method Not Allowed\n".into(),
            other => format!("{other}\n").into(),
        }
    }

    /// The methods of the path, if the method is wrong.
    pub(crate) fn allow(&self) -> Option<&'static str> {
        match self {
            Self::Route(RouteError::MethodNotAllowed(allow)) => Some(allow),
            _ => None,
        }
    }

    /// True if the bytes after the request on an HTTP/1.1 connection may not be a request, so that it has to be closed.
    pub(crate) fn closes(&self) -> bool {
        matches!(self, Self::Head(_) | Self::Body(_))
    }
}
