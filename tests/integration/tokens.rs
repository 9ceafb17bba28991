//! Tokens: valid ones are accepted, and all others are refused before the body is read.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

use crate::support::client::post;
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;

const SECRET: &str = "a secret of more than thirty-two bytes";
const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn start() -> (Receiver, Proxy) {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--jwt-secret", SECRET]);
    (receiver, proxy)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn encode(part: &str) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// Signs a header and claims.
fn sign_with(algorithm: hmac::Algorithm, secret: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn sign(header: &str, claims: &str) -> String {
    sign_with(hmac::HMAC_SHA256, SECRET, header, claims)
}

fn with_header(name: &str, value: &str) -> String {
    post("/count/a", "value=1").replacen("\r\n", &format!("\r\n{name}: {value}\r\n"), 1)
}

fn last_good(receiver: &Receiver, proxy: &Proxy, expected: &[&str]) {
    let request = post("/count/last", "").replacen("\r\n", &format!("\r\nX-JWT-Token: {}\r\n", sign(HS256, "{}")), 1);
    proxy.expect(request, 200);
    assert_eq!(receiver.until("last:1|c"), expected);
}

#[test]
fn valid_tokens_are_accepted_in_each_place() {
    let (receiver, proxy) = start();
    let token = sign(HS256, &format!(r#"{{"exp":{}}}"#, now() + 60));
    proxy.expect(with_header("X-JWT-Token", &token), 200);
    proxy.expect(post(&format!("/count/a?token={token}"), "value=1"), 200);
    proxy.expect(post(&format!("/count/a?x=y&token={token}&z="), "value=1"), 200);
    proxy.expect(with_header("Authorization", &format!("Bearer {token}")), 200);
    proxy.expect(with_header("Authorization", &format!("bearer   {token}")), 200);
    last_good(&receiver, &proxy, &["a:1|c"; 5]);
}

#[test]
fn the_log_names_the_bearer_escaped_and_bounded_and_no_token() {
    let receiver = Receiver::new();
    let long = "x".repeat(257);
    // What it may not do: end a line, reorder text, move the cursor, look like another field.
    let odd = r#"a\nb\u202e\u001b[2J\" status=200"#;
    let cases = [
        (format!(r#"{{"sub":"{odd}"}}"#), Some("a\nb\u{202e}\u{1b}[2J\" status=200")),
        (r#"{"sub":"4f6c"}"#.to_owned(), Some("4f6c")),
        (format!(r#"{{"sub":"{long}"}}"#), None),
        (r#"{"sub":17}"#.to_owned(), None),
        ("{}".to_owned(), None),
    ];
    for format in ["json", "text"] {
        let log_format = format!("--log-format={format}");
        let mut proxy = Proxy::start(&receiver, &["--verbose", &log_format, "--jwt-secret", SECRET]);
        for (claims, _) in &cases {
            let token = sign(HS256, claims);
            // Verified, and from the cache.
            proxy.expect(with_header("X-JWT-Token", &token), 200);
            proxy.expect(with_header("X-JWT-Token", &token), 200);
        }
        proxy.expect(with_header("X-JWT-Token", &format!("{}x", sign(HS256, r#"{"sub":"forged"}"#))), 403);
        assert_eq!(proxy.stop().code(), Some(0));
        let lines: Vec<&String> = proxy.seen.iter().filter(|line| line.contains("/count/a")).collect();
        assert_eq!(lines.len(), 2 * cases.len() + 1, "one line a request: {:?}", proxy.seen);
        let expected = cases.iter().flat_map(|(_, subject)| [*subject; 2]).chain([None]);
        for (line, subject) in lines.into_iter().zip(expected) {
            assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
            assert!(!line.contains("eyJ"), "a token: {line}");
            if format == "json" {
                let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
                assert_eq!(line.get("subject").and_then(|subject| subject.as_str()), subject, "{line}");
            } else {
                let shown = subject.map(|subject| format!(" subject={subject:?} bytes="));
                assert_eq!(line.contains(" subject="), shown.is_some(), "{line}");
                assert!(shown.is_none_or(|shown| line.contains(&shown)), "{line}");
            }
        }
    }
}

#[test]
fn the_first_place_with_a_token_decides() {
    let (receiver, proxy) = start();
    let good = sign(HS256, "{}");
    proxy.expect(with_header("X-JWT-Token", &format!("bad\r\nAuthorization: Bearer {good}")), 403);
    let query = post("/count/a?token=bad", "value=1");
    proxy.expect(query.replacen("\r\n", &format!("\r\nAuthorization: Bearer {good}\r\n"), 1), 403);
    let empty = post("/count/a?token=", "value=1");
    proxy.expect(empty.replacen("\r\n", &format!("\r\nX-JWT-Token: \r\nAuthorization: Bearer {good}\r\n"), 1), 200);
    last_good(&receiver, &proxy, &["a:1|c"]);
}

#[test]
fn all_three_algorithms_are_accepted() {
    let (receiver, proxy) = start();
    for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        let token = sign_with(algorithm, SECRET, &format!(r#"{{"alg":"{name}"}}"#), "{}");
        proxy.expect(with_header("X-JWT-Token", &token), 200);
    }
    last_good(&receiver, &proxy, &["a:1|c"; 3]);
}

#[test]
fn other_claims_may_have_any_value() {
    let (receiver, proxy) = start();
    let claims = format!(
        r#"{{"aud":["a"],"iss":"x","sub":5,"iat":{},"nbf":{}.5,"exp":{}.5,"x":[{{}}]}}"#,
        now(),
        now() - 9,
        now() + 60
    );
    proxy.expect(with_header("X-JWT-Token", &sign(HS256, &claims)), 200);
    last_good(&receiver, &proxy, &["a:1|c"]);
}

#[test]
fn no_token_is_401() {
    let (receiver, proxy) = start();
    for request in [
        post("/count/a", "value=1"),
        with_header("X-JWT-Token", ""),
        with_header("Authorization", "Basic dTpw"),
        with_header("Authorization", "Bearer"),
        post("/count/a?token=", "value=1"),
        post("/count/a?Token=x", "value=1"),
    ] {
        assert_eq!(proxy.expect(request, 401).body, "Token not specified\n");
    }
    last_good(&receiver, &proxy, &[]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_bad_token_is_403() {
    let (receiver, proxy) = start();
    let good = sign(HS256, "{}");
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let (header, claims) = message.split_once('.').expect("three parts");
    let raw = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    let mut flipped = raw.clone();
    flipped[0] ^= 1;
    let levels = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let signed_by = |algorithm, alg: &str| sign_with(algorithm, SECRET, &format!(r#"{{"alg":"{alg}"}}"#), "{}");
    let tokens = [
        // Other algorithms, and none.
        format!("{}.{claims}.", encode(r#"{"alg":"none"}"#)),
        format!("{}.{claims}.", encode(r#"{"alg":"None"}"#)),
        format!("{}.{claims}.{signature}", encode(r#"{"alg":"nOnE"}"#)),
        signed_by(hmac::HMAC_SHA256, "none"),
        signed_by(hmac::HMAC_SHA256, "RS256"),
        signed_by(hmac::HMAC_SHA256, "HS512"),
        signed_by(hmac::HMAC_SHA256, "hs256"),
        sign(r#"{"typ":"JWT"}"#, "{}"),
        sign(r#"{"alg":null}"#, "{}"),
        sign(r#"["HS256"]"#, "{}"),
        // The signature.
        format!("{message}.{}", &signature[..signature.len() - 1]),
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(&flipped)),
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(&raw[..16])),
        format!("{message}.{}", URL_SAFE.encode(&raw)),
        format!("{message}.{signature}="),
        format!("{message}."),
        sign_with(hmac::HMAC_SHA256, "another secret", HS256, "{}"),
        format!("{header}.{}.{signature}", encode(r#"{"sub":"root"}"#)),
        // The shape.
        format!("{header}.{claims}"),
        format!("{good}.{signature}"),
        format!(".{good}"),
        "..".to_owned(),
        "x".to_owned(),
        format!("{good} {good}"),
        format!("{good},{good}"),
        // Times.
        sign(HS256, r#"{"exp":null}"#),
        sign(HS256, r#"{"exp":-1}"#),
        sign(HS256, r#"{"exp":0}"#),
        sign(HS256, r#"{"exp":"4102444800"}"#),
        sign(HS256, r#"{"exp":true}"#),
        sign(HS256, r#"{"exp":1e400}"#),
        sign(HS256, r#"{"exp":4102444800,"exp":4102444800}"#),
        sign(HS256, &format!(r#"{{"exp":{}}}"#, now() - 1)),
        sign(HS256, &format!(r#"{{"nbf":{}}}"#, now() + 60)),
        sign(HS256, &format!(r#"{{"iat":{}}}"#, now() + 60)),
        sign(HS256, r#"{"nbf":null}"#),
        sign(HS256, r#"{"iat":"1"}"#),
        // Critical extensions, and keys in the header.
        sign(r#"{"alg":"HS256","crit":["exp"]}"#, "{}"),
        sign(r#"{"alg":"HS256","crit":[]}"#, "{}"),
        sign(r#"{"alg":"HS256","crit":null}"#, "{}"),
        sign(r#"{"alg":"HS256","jwk":{"kty":"oct","k":"YQ"}}"#, "{}"),
        sign_with(hmac::HMAC_SHA256, "a", r#"{"alg":"HS256","jwk":{"kty":"oct","k":"YQ"}}"#, "{}"),
        // The JSON.
        sign(HS256, "[]"),
        sign(HS256, "1"),
        sign(HS256, ""),
        sign(HS256, "{"),
        sign(HS256, "{}{}"),
        sign(HS256, &format!(r#"{{"a":{levels}}}"#)),
        // The size.
        sign(HS256, &format!(r#"{{"a":"{}"}}"#, "x".repeat(4000))),
    ];
    for token in &tokens {
        let answer = proxy.expect(with_header("X-JWT-Token", token), 403);
        assert_eq!(answer.body, "Error parsing token\n", "{token}");
        // Refused tokens are not cached.
        proxy.expect(with_header("X-JWT-Token", token), 403);
    }
    last_good(&receiver, &proxy, &[]);
}

#[test]
fn a_token_of_a_megabyte_is_refused() {
    let (receiver, proxy) = start();
    let token = sign(HS256, &format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20)));
    let deep = sign(HS256, &format!(r#"{{"a":{}}}"#, "[".repeat(100_000)));
    proxy.expect(with_header("X-JWT-Token", &token), 431);
    proxy.expect(with_header("X-JWT-Token", &deep), 431);
    proxy.expect(post(&format!("/count/a?token={token}"), "value=1"), 431);
    last_good(&receiver, &proxy, &[]);
}

#[test]
fn a_cached_token_expires() {
    let (receiver, proxy) = start();
    let exp = now() + 2;
    let token = sign(HS256, &format!(r#"{{"exp":{exp}}}"#));
    let mut sent = 0;
    while now() < exp {
        // The second may change while the request is under way.
        let before = now();
        let answer = crate::support::client::exchange(proxy.address, with_header("X-JWT-Token", &token));
        assert!(answer.status == 200 || (answer.status == 403 && now() > before), "{answer:?}");
        if answer.status == 200 {
            sent += 1;
            assert_eq!(receiver.next(), "a:1|c");
        }
    }
    assert!(sent > 0);
    proxy.expect(with_header("X-JWT-Token", &token), 403);
    last_good(&receiver, &proxy, &[]);
}

#[test]
fn errors_have_the_order_of_the_contract() {
    let (receiver, proxy) = start();
    proxy.expect(post("/nope/a", ""), 404);
    proxy.expect("DELETE /count/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 405);
    proxy.expect(post("/count/a%0A", "value=x"), 401);
    proxy.expect(format!("POST /count/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 1 << 30), 401);
    let good = sign(HS256, "{}");
    let large = format!(
        "POST /count/a%0A HTTP/1.1\r\nHost: localhost\r\nX-JWT-Token: {good}\r\nContent-Length: {}\r\n\r\n",
        1 << 30
    );
    proxy.expect(large, 413);
    last_good(&receiver, &proxy, &[]);
}

#[test]
fn secrets_come_from_a_file_or_the_environment_and_are_never_logged() {
    let receiver = Receiver::new();
    let port = format!("--statsd-port={}", receiver.port());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).expect("a file");
    let file_flag = format!("--jwt-secret-file={}", file.display());
    let mut from_file = crate::support::proxy::command(&[&port, &file_flag, "--verbose"]);
    let mut from_env = crate::support::proxy::command(&[&port, "--verbose"]);
    from_env.env("STATSD_HTTP_PROXY_JWT_SECRET", SECRET);
    for command in [&mut from_file, &mut from_env] {
        let mut proxy = Proxy::start_with(command);
        let token = sign(HS256, "{}");
        proxy.expect(with_header("X-JWT-Token", &token), 200);
        proxy.expect(post(&format!("/count/a?token={token}"), "value=1"), 200);
        proxy.expect(post("/count/a?token=forged", "value=1"), 403);
        assert!(proxy.stop().success());
        let log = proxy.seen.join("\n");
        assert_eq!(log.matches("/count/a").count(), 3, "{log}");
        for hidden in [SECRET, token.as_str(), "forged", "token="] {
            assert!(!log.contains(hidden), "{hidden:?} in {log}");
        }
    }
}
