//! Tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use form_urlencoded::Serializer;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use super::input::Input;
use crate::internals::{AuthError, Grant, Secret, Verifier};

const SECRET: &[u8] = b"the secret of the property";

thread_local! {
    // One verifier for all inputs, as in a worker: its cache must not change a result.
    static VERIFIER: Verifier = Verifier::new(&Secret::new(SECRET.to_vec()));
}

/// Only a token that is signed with the secret and valid now is accepted, in each place of a request.
pub fn tokens(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    match choice % 3 {
        0 => assert_any(input.0),
        1 => assert_signed(input.0, choice / 3),
        _ => assert_changed(&mut input),
    }
}

/// Any bytes, in each place.
fn assert_any(token: &[u8]) {
    let Ok(text) = std::str::from_utf8(token) else { return };
    if let Some(verdict) = verdict(text) {
        assert!(verdict.is_err() || is_signed(token), "a forged token: {text:?}");
    }
}

/// A header and a payload, separated by a newline, with a valid signature.
fn assert_signed(parts: &[u8], algorithm: u8) {
    let mut parts = parts.splitn(2, |byte| *byte == b'\n');
    let (header, payload) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let token = sign(header, payload, usize::from(algorithm) % 3);
    let Some(Ok(grant)) = verdict(&token) else { return };
    assert!(is_signed(token.as_bytes()));
    let object = |bytes: &[u8]| serde_json::from_slice::<Map<String, Value>>(bytes).expect("an object");
    let (header, claims) = (object(header), object(payload));
    let expected = ["HS256", "HS384", "HS512"][usize::from(algorithm) % 3];
    assert_eq!(header.get("alg").and_then(Value::as_str), Some(expected));
    assert!(!header.contains_key("crit") && !header.contains_key("jwk"), "{header:?}");
    let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| (1..=256).contains(&subject.len()));
    assert_eq!(grant.subject(), subject);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let time = |name: &str| claims.get(name).map(|time| time.as_f64().expect("a time is a number"));
    assert!(time("exp").is_none_or(|exp| exp > now - 1.0), "{claims:?}");
    assert!(time("nbf").is_none_or(|nbf| nbf <= now) && time("iat").is_none_or(|iat| iat <= now), "{claims:?}");
}

/// A valid token with one changed byte.
fn assert_changed(input: &mut Input<'_>) {
    let (at, byte, sub) = (usize::from(input.short()), input.byte(), usize::from(input.byte()));
    let payload = format!(r#"{{"sub":"{}"}}"#, "x".repeat(sub % 64));
    let valid = sign(br#"{"alg":"HS256"}"#, payload.as_bytes(), 0);
    assert!(matches!(verdict(&valid), Some(Ok(_))));
    let mut changed = valid.clone().into_bytes();
    let at = at % changed.len();
    if byte != changed[at] {
        changed[at] = byte;
        if let Ok(text) = String::from_utf8(changed) {
            assert!(!matches!(verdict(&text), Some(Ok(_))), "byte {at} does not matter: {text:?}");
        }
    }
    assert!(matches!(verdict(&valid), Some(Ok(_))), "once more");
}

/// The result for a token, which must be the same in each place. `None` if a header cannot contain it.
fn verdict(token: &str) -> Option<Result<Grant, AuthError>> {
    let query = Serializer::new(String::new()).append_pair("token", token).finish();
    let in_query = check(&HeaderMap::new(), Some(&query));
    let own = HeaderValue::from_bytes(token.as_bytes()).ok()?;
    let in_header = check(&HeaderMap::from_iter([("x-jwt-token".parse().expect("a name"), own)]), None);
    assert_eq!(in_query, in_header, "{token:?}");
    // Space around a bearer token is not part of it.
    if token.trim_ascii() == token {
        let bearer = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).ok()?;
        assert_eq!(check(&HeaderMap::from_iter([(AUTHORIZATION, bearer)]), None), in_header, "{token:?}");
    }
    Some(in_header)
}

fn check(headers: &HeaderMap, query: Option<&str>) -> Result<Grant, AuthError> {
    VERIFIER.with(|verifier| verifier.check(headers, query))
}

/// The signatures of HS256, HS384 and HS512, made without the crate that the server uses.
fn hash(algorithm: usize) -> hmac::Key {
    hmac::Key::new([hmac::HMAC_SHA256, hmac::HMAC_SHA384, hmac::HMAC_SHA512][algorithm], SECRET)
}

fn sign(header: &[u8], payload: &[u8], algorithm: usize) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = hmac::sign(&hash(algorithm), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// True if the last part of `token` is a signature of the others.
fn is_signed(token: &[u8]) -> bool {
    let Some(dot) = token.iter().rposition(|byte| *byte == b'.') else { return false };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(&token[dot + 1..]) else { return false };
    (0..3).any(|algorithm| hmac::verify(&hash(algorithm), &token[..dot], &signature).is_ok())
}
