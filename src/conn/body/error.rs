//! The reasons for which a body cannot be read.

use thiserror::Error;

use crate::conn::budget::NoSpace;
use crate::conn::inflate::InflateError;

/// The reason for which a body cannot be read.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub(crate) enum BodyError {
    /// It is larger than the cap, before or after decompression.
    #[error("Request body too large")]
    TooLarge,
    /// It is compressed in more blocks than any compressor writes.
    #[error("Request body too large")]
    TooManyBlocks,
    /// It did not arrive in time.
    #[error("Request body not received in time")]
    Timeout,
    /// Its framing is wrong.
    #[error("Malformed request body")]
    Broken,
    /// The peer closed, or cancelled the request. Probably nobody reads the answer.
    #[error("Malformed request body")]
    Left,
    /// It arrived in more pieces than any client has a reason for.
    #[error("Request body in too many pieces")]
    Fragmented,
    /// It does not match its Content-Encoding.
    #[error("Malformed compressed body")]
    Encoding,
    /// Other requests use up the memory for unfinished requests.
    #[error("Too many requests under way")]
    Crowded,
}

impl From<InflateError> for BodyError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::TooLarge => Self::TooLarge,
            InflateError::TooManyBlocks => Self::TooManyBlocks,
            InflateError::Broken => Self::Encoding,
        }
    }
}

impl From<NoSpace> for BodyError {
    fn from(_: NoSpace) -> Self {
        Self::Crowded
    }
}
