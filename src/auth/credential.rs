//! Finds the credential of a request.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, HeaderMap};

/// The token of a request: from `X-JWT-Token`, else `?token=`, else `Authorization: Bearer`. An empty one counts as none.
pub(super) fn find<'r>(headers: &'r HeaderMap, query: Option<&'r str>) -> Option<Cow<'r, [u8]>> {
    if let Some(token) = headers.get("x-jwt-token").map(|value| value.as_bytes()).filter(|token| !token.is_empty()) {
        return Some(Cow::Borrowed(token));
    }
    let query = query.unwrap_or_default();
    let parameter = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token");
    if let Some((_, token)) = parameter.filter(|(_, token)| !token.is_empty()) {
        return Some(match token {
            Cow::Borrowed(token) => Cow::Borrowed(token.as_bytes()),
            Cow::Owned(token) => Cow::Owned(token.into_bytes()),
        });
    }
    headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes())).map(Cow::Borrowed)
}

/// The token of an `Authorization` header whose scheme is Bearer (RFC 6750 section 2.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}
