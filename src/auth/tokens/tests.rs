//! Tests of tokens: their sources, times, grants, and forbidden content.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";

/// A time at which nothing else happens, in seconds since 1970.
const NOW: f64 = 1_800_000_000.0;

fn verifier() -> Verifier {
    Verifier::new(&Secret::new(SECRET.to_vec()))
}

/// A token with this header and these claims, well signed for its algorithm.
fn token(algorithm: Algorithm, header: &str, claims: &str) -> Vec<u8> {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).expect("an HMAC");
    format!("{message}.{signature}").into_bytes()
}

/// Verifies a token at a time, without the grant.
fn verify(verifier: &Verifier, token: &[u8], now: f64) -> Result<(), AuthError> {
    verifier.verify(token, now).map(drop)
}

fn with_claims(claims: &str) -> Vec<u8> {
    token(Algorithm::HS256, r#"{"alg":"HS256"}"#, claims)
}

/// A request's headers.
fn headers(fields: &[(&'static str, &[u8])]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.parse().expect("a name"), value.to_vec().try_into().expect("a value")))
        .collect()
}

#[test]
fn the_first_source_with_a_token_counts() {
    let verifier = verifier();
    let good = with_claims("{}");
    let text = String::from_utf8(good.clone()).expect("a token is ASCII");
    let query = format!("x=1&token={text}&token=later");
    let bearer = [b"bEaReR  ", &good[..], b" "].concat();
    let (own, other) = ("x-jwt-token", "authorization");
    for (fields, query, expected) in [
        (headers(&[(own, &good)]), None, Ok(())),
        (headers(&[]), Some(query.as_str()), Ok(())),
        (headers(&[(other, &bearer)]), None, Ok(())),
        // The own header comes before all others, good or bad.
        (headers(&[(own, &good), (other, b"Bearer x")]), Some("token=x"), Ok(())),
        (headers(&[(own, b"x"), (other, &bearer)]), Some(query.as_str()), Err(AuthError::Invalid)),
        (headers(&[(other, &bearer)]), Some("token=x"), Err(AuthError::Invalid)),
        // An empty token counts as none.
        (headers(&[(own, b""), (other, &bearer)]), Some("token=&a=b"), Ok(())),
        (headers(&[(own, b"")]), Some("token="), Err(AuthError::Missing)),
        (headers(&[(other, b"Basic dTpw")]), None, Err(AuthError::Missing)),
        (headers(&[(other, b"Bearer ")]), None, Err(AuthError::Missing)),
        (headers(&[(other, b"Bearer")]), Some("Token=x"), Err(AuthError::Missing)),
        (headers(&[]), None, Err(AuthError::Missing)),
    ] {
        assert_eq!(verifier.check(&fields, query).map(drop), expected, "{fields:?} {query:?}");
    }
}

#[test]
fn times_are_checked_without_leeway() {
    let verifier = verifier();
    for (claims, at, expected) in [
        (r#"{"exp":1800000000}"#, NOW - 0.001, Ok(())),
        (r#"{"exp":1800000000}"#, NOW, Err(AuthError::Invalid)),
        (r#"{"exp":1800000000.5}"#, NOW, Ok(())),
        (r#"{"nbf":1800000000}"#, NOW, Ok(())),
        (r#"{"nbf":1800000000}"#, NOW - 0.001, Err(AuthError::Invalid)),
        (r#"{"iat":1800000000}"#, NOW, Ok(())),
        (r#"{"iat":1800000001}"#, NOW, Err(AuthError::Invalid)),
        (r#"{"exp":-1}"#, NOW, Err(AuthError::Invalid)),
        ("{}", NOW, Ok(())),
        (r#"{"aud":["a","b"],"iss":7,"deep":{"a":[{}]}}"#, NOW, Ok(())),
    ] {
        assert_eq!(verify(&verifier, &with_claims(claims), at), expected, "{claims} at {at}");
    }
}

#[test]
fn a_cached_token_still_expires() {
    let verifier = verifier();
    let token = with_claims(r#"{"exp":1800000000}"#);
    assert_eq!(verify(&verifier, &token, NOW - 10.0), Ok(()));
    assert!(verifier.cache.borrow()[slot(&token)].is_some());
    assert_eq!(verify(&verifier, &token, NOW - 10.0), Ok(()));
    assert_eq!(verify(&verifier, &token, NOW), Err(AuthError::Invalid));
}

/// `verify` at each of these times, with one verifier, which caches the token.
fn verdicts(claims: &serde_json::Value, times: &[f64]) -> Vec<bool> {
    let (verifier, token) = (verifier(), with_claims(&claims.to_string()));
    times.iter().map(|now| verify(&verifier, &token, *now).is_ok()).collect()
}

#[test]
fn a_cached_token_follows_the_clock_forward_and_backward() {
    let claims = serde_json::json!({ "nbf": 1000, "exp": 2000 });
    let times = [1500.0, 2000.0, 1999.0, 1e9, 1500.0, 999.0, 1000.0, 0.0, 1500.0];
    let expected = [true, false, true, false, true, false, true, false, true];
    assert_eq!(verdicts(&claims, &times), expected);
    // Nothing but exp, nbf and iat depends on the time.
    assert_eq!(verdicts(&serde_json::json!({}), &[1e9, 0.0, 1e12, 1.0]), [true; 4]);
    assert_eq!(verdicts(&serde_json::json!({ "iat": 1000 }), &[1000.0, 999.0, 1e12]), [true, false, true]);
}

#[test]
fn only_verified_tokens_of_usual_length_are_cached() {
    let verifier = verifier();
    let is_cached = |token: &[u8]| verifier.cache.borrow()[slot(token)].is_some();
    let mut forged = with_claims("{}");
    let last = forged.len() - 1;
    forged[last] = if forged[last] == b'A' { b'E' } else { b'A' };
    assert_eq!(verify(&verifier, &forged, NOW), Err(AuthError::Invalid));
    assert!(!is_cached(&forged));
    let expired = with_claims(r#"{"exp":1}"#);
    assert_eq!(verify(&verifier, &expired, NOW), Err(AuthError::Invalid));
    assert!(!is_cached(&expired));
    let long = with_claims(&format!(r#"{{"sub":"{}"}}"#, "x".repeat(MAX_CACHED)));
    assert!((MAX_CACHED..=MAX_TOKEN).contains(&long.len()), "{}", long.len());
    assert_eq!(verify(&verifier, &long, NOW), Ok(()));
    assert!(!is_cached(&long));
    let longer = with_claims(&format!(r#"{{"sub":"{}"}}"#, "x".repeat(MAX_TOKEN)));
    assert_eq!(verify(&verifier, &longer, NOW), Err(AuthError::Invalid));
}

#[test]
fn a_token_with_the_slot_of_another_does_not_pass_for_it() {
    let verifier = verifier();
    let (good, mut forged) = (with_claims(r#"{"sub":"1"}"#), with_claims(r#"{"sub":"2"}"#));
    assert_eq!(verify(&verifier, &good, NOW), Ok(()));
    // The slot is that of the last bytes, which belong to the signature: the rest is free to forge.
    let signature = good.iter().rposition(|byte| *byte == b'.').expect("a token has dots");
    forged[signature..].copy_from_slice(&good[signature..]);
    assert_ne!(forged, good);
    assert_eq!(slot(&forged), slot(&good));
    assert_eq!(verify(&verifier, &forged, NOW), Err(AuthError::Invalid));
    assert_eq!(verify(&verifier, &good, NOW), Ok(()));
    for short in [&b""[..], b"a", b"a.b.c"] {
        assert_eq!(verify(&verifier, short, NOW), Err(AuthError::Invalid), "{short:?}");
    }
}

#[test]
fn claims_of_a_wrong_type_or_twice_are_refused() {
    let verifier = verifier();
    for bad in [
        r#"{"exp":null}"#,
        r#"{"exp":"4102444800"}"#,
        r#"{"exp":[4102444800]}"#,
        r#"{"exp":1e400}"#,
        r#"{"exp":4102444800,"exp":4102444800}"#,
        r#"{"sub":"alice","sub":"alice"}"#,
        r#"{"sub":7,"sub":"alice"}"#,
        r#"{"nbf":true}"#,
        r#"{"iat":{}}"#,
        "[]",
        "7",
        "null",
        "",
        "{",
        "{} {}",
    ] {
        assert_eq!(verify(&verifier, &with_claims(bad), NOW), Err(AuthError::Invalid), "{bad}");
    }
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    assert_eq!(verify(&verifier, &with_claims(&deep), NOW), Err(AuthError::Invalid), "1000 levels");
}

#[test]
fn a_grant_has_the_subject_of_its_token_from_the_cache_or_not() {
    let verifier = verifier();
    for (claims, subject) in [
        ("{}", None),
        (r#"{"sub":"alice"}"#, Some("alice")),
        // Of a kind that is no name, which is no reason to refuse the token.
        (r#"{"sub":7}"#, None),
        (r#"{"sub":null}"#, None),
        (r#"{"sub":"a\n\u202eb"}"#, Some("a\n\u{202e}b")),
    ] {
        let token = with_claims(claims);
        for _ in 0..2 {
            let grant = verifier.verify(&token, NOW).expect("a valid token");
            assert_eq!(grant.subject(), subject, "{claims}");
            assert_ne!(grant, Grant::default(), "a bearer is not anonymous");
        }
    }
}

#[test]
fn only_the_supported_algorithms_and_headers_pass() {
    let verifier = verifier();
    for (algorithm, name) in [(Algorithm::HS256, "HS256"), (Algorithm::HS384, "HS384"), (Algorithm::HS512, "HS512")] {
        let good = token(algorithm, &format!(r#"{{"alg":"{name}","typ":"JWT","kid":"1"}}"#), "{}");
        assert_eq!(verify(&verifier, &good, NOW), Ok(()), "{name}");
    }
    for bad in [
        // Another algorithm than the one that signed it.
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"hs256"}"#,
        "{}",
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","jwk":{"kty":"oct","k":"c2VjcmV0"}}"#,
        "[]",
        "",
    ] {
        assert_eq!(verify(&verifier, &token(Algorithm::HS256, bad, "{}"), NOW), Err(AuthError::Invalid), "{bad}");
    }
}

#[test]
fn a_sample_token_is_valid_for_its_time() {
    let secret = Secret::new(SECRET.to_vec());
    let token = sample_token(&secret, 60).expect("a token");
    let fields = headers(&[("x-jwt-token", token.as_bytes())]);
    assert_eq!(verifier().check(&fields, None).map(drop), Ok(()));
    // In the year 5138.
    assert_eq!(verify(&verifier(), token.as_bytes(), 1e11), Err(AuthError::Invalid));
    let other = Verifier::new(&Secret::new(b"another secret".to_vec()));
    assert_eq!(other.check(&fields, None), Err(AuthError::Invalid));
}
