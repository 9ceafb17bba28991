//! Request heads: the checks after the parser.

use http::header::{EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Version};

use super::input::Input;
use crate::internals::{Coding, ContentType, DIALECTS, Fields, KeptHead, check_head, decode_key, encoding, metric_key};

/// An accepted head has one meaning for every server, in any order of its fields.
pub fn heads(data: &[u8]) {
    let mut input = Input(data);
    let version = match input.byte() % 3 {
        0 => Version::HTTP_11,
        1 => Version::HTTP_10,
        _ => Version::HTTP_2,
    };
    let Some(head) = parse(input.0, version, false) else { return };
    let fields = Fields::of(&head.headers);
    let verdict = check_head(&head, &fields);
    if let Some(reversed) = parse(input.0, version, true) {
        assert_eq!(check_head(&reversed, &Fields::of(&reversed.headers)), verdict, "{head:?} in another order");
    }
    let content_type = fields.content_type.first();
    assert_eq!(content_type, head.headers.get("content-type"));
    let _ = (Coding::of(fields.content_encoding), ContentType::of(content_type.map(|value| value.as_bytes())));
    if verdict.is_ok() {
        assert_plain(&head);
        assert_route(&head);
        assert_kept(head);
    }
}

/// Reads `method target`, then a `name:value` in each line.
fn parse(text: &[u8], version: Version, reversed: bool) -> Option<Parts> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let (method, target) = split(lines.next()?, b' ')?;
    let mut request = Request::builder().version(version).method(method).uri(target);
    let mut fields: Vec<_> = lines.filter_map(|line| split(line, b':')).collect();
    if reversed {
        fields.reverse();
    }
    for (name, value) in fields {
        request = request.header(name, value.trim_ascii());
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = text.iter().position(|byte| *byte == at)?;
    Some((&text[..position], &text[position + 1..]))
}

/// Panics if another server could interpret the head differently.
fn assert_plain(head: &Parts) {
    assert!(head.headers.len() <= 100);
    let path = head.uri.path();
    assert!(path.starts_with('/') || (path == "*" && head.method == Method::OPTIONS), "{path:?}");
    assert!(head.headers.get_all(EXPECT).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")));
    if head.version >= Version::HTTP_2 {
        return;
    }
    let codings: Vec<_> = head.headers.get_all(TRANSFER_ENCODING).iter().collect();
    assert!(codings.len() <= 1 && codings.iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")));
    let hosts: Vec<_> = head.headers.get_all(HOST).iter().collect();
    assert!(hosts.len() == 1 || (hosts.is_empty() && head.version < Version::HTTP_11), "{hosts:?}");
    for host in hosts {
        let host = host.to_str().expect("a host is ASCII");
        assert!(!host.contains(['@', ',', '/', '?', '#', '\\', ' ', '\t']), "{host:?}");
        let port = host.rsplit(']').next().and_then(|rest| rest.split_once(':')).map_or("", |(_, port)| port);
        assert!(port.is_empty() || port.parse::<u16>().is_ok(), "{host:?}");
    }
}

/// Panics if an accepted key could forge a line.
fn assert_route(head: &Parts) {
    let Some(key) = metric_key(head.uri.path()) else { return };
    let Some(key) = decode_key(key) else { return };
    for dialect in DIALECTS {
        let encoding = encoding(dialect, "", &[]);
        if let Ok(name) = encoding.name(&key) {
            assert_eq!(name.as_str(), key);
            assert!(!key.is_empty() && !key.contains(|c: char| c.is_control() || matches!(c, ':' | '|')), "{key:?}");
        }
    }
}

/// Panics if the copy of a kept head differs from it.
fn assert_kept(head: Parts) {
    // Only HTTP/2 heads are copied, whose target begins with a slash (RFC 9113 section 8.3.1).
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    if !target.starts_with('/') {
        return;
    }
    let keep = |copied| {
        let fields = Fields::of(&head.headers);
        KeptHead::new(head.clone(), fields.origin.first().cloned(), fields.content_type.first().cloned(), copied)
    };
    let (kept, copied) = (keep(false), keep(true));
    assert_eq!((&kept.origin, &kept.content_type), (&copied.origin, &copied.content_type));
    assert_eq!((kept.path(), kept.query()), (head.uri.path(), head.uri.query()));
    assert_eq!((kept.path(), kept.query(), kept.size()), (copied.path(), copied.query(), copied.size()));
}
