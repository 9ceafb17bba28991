//! The contract: raw exchanges with the real binary, one test for each.
//!
//! `tests/contract/cases.json` has the bytes to send, the expected answer, and the exact datagrams.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::PATIENCE;
use crate::support::client::{exchange, post};
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;

const CASES: &str = include_str!("../contract/cases.json");

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub flags: Vec<String>,
    pub request: String,
    status: Vec<u16>,
    body: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    datagrams: Vec<String>,
}

pub fn cases() -> Vec<Case> {
    serde_json::from_str(CASES).expect("the cases are JSON")
}

/// Sends raw bytes, as latin-1, and reads the answer to its end.
fn raw(proxy: &Proxy, request: &str) -> Vec<u8> {
    let bytes: Vec<u8> = request.chars().map(|c| u8::try_from(u32::from(c)).expect("latin-1")).collect();
    let mut stream = TcpStream::connect(proxy.address).expect("the proxy accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    stream.write_all(&bytes).expect("the request is taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the proxy closes after Connection: close");
    answer
}

fn play(name: &str) {
    let case = cases().into_iter().find(|case| case.name == name).expect("the case is in the file");
    let receiver = Receiver::new();
    let flags: Vec<&str> = case.flags.iter().map(String::as_str).collect();
    let proxy = Proxy::start(&receiver, &flags);
    let answer = raw(&proxy, &case.request);
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status_line = lines.next().expect("a status line");
    let status: u16 = status_line.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    assert!(case.status.contains(&status), "{text}");
    if let Some(expected) = &case.body {
        assert_eq!(body, expected);
    }
    let headers: Vec<(String, &str)> =
        lines.filter_map(|line| line.split_once(':')).map(|(n, v)| (n.to_ascii_lowercase(), v.trim())).collect();
    for (name, part) in &case.headers {
        let found = headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.to_ascii_lowercase());
        match (part, found) {
            (Some(part), Some(value)) => assert!(value.contains(&part.to_ascii_lowercase()), "{name}: {value}"),
            (Some(part), None) => panic!("no header {name} with {part:?} in {head}"),
            (None, found) => assert_eq!(found, None, "{name} must be absent"),
        }
    }
    // A last valid request ends the list: its datagram follows all datagrams of the case.
    let mut last = post("/count/last", "");
    let mut end = "last:1|c".to_owned();
    if case.flags.iter().any(|flag| flag.starts_with("--jwt-secret")) {
        last = last.replacen("\r\n", &format!("\r\nX-JWT-Token: {}\r\n", contract_token()), 1);
    }
    if let Some(prefix) = case.flags.iter().find_map(|flag| flag.strip_prefix("--metric-prefix=")) {
        end = format!("{}.{end}", prefix.trim_end_matches('.'));
    }
    assert_eq!(exchange(proxy.address, last).status, 200);
    assert_eq!(receiver.datagrams_until(&end), case.datagrams);
}

/// A token for the secret of the cases, from the case with a token that never expires.
fn contract_token() -> String {
    let case = cases().into_iter().find(|case| case.name == "jwt-no-exp").expect("the case is in the file");
    let line = case.request.lines().find_map(|line| line.strip_prefix("X-JWT-Token: ").map(str::to_owned));
    line.expect("the case has a token")
}

macro_rules! play_each {
    ($($test:ident $name:literal),* $(,)?) => {
        $(#[test] fn $test() { play($name); })*

        #[test]
        fn every_case_of_the_file_is_played() {
            let names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

play_each! {
    heartbeat "heartbeat",
    heartbeat_jwt_needs_no_token "heartbeat-jwt-needs-no-token",
    heartbeat_head "heartbeat-head",
    heartbeat_post "heartbeat-post",
    count_default "count-default",
    count_value "count-value",
    count_negative "count-negative",
    count_rate_1 "count-rate-1",
    count_empty_value "count-empty-value",
    count_no_content_type "count-no-content-type",
    count_text_plain "count-text-plain",
    count_form_charset "count-form-charset",
    count_multipart "count-multipart",
    count_bad_value "count-bad-value",
    count_bad_rate "count-bad-rate",
    count_rate_1_5 "count-rate-1.5",
    count_rate_nan "count-rate-NaN",
    count_nan "count-nan",
    count_plus "count-plus",
    count_decimal "count-decimal",
    count_inject_value "count-inject-value",
    count_unknown_param "count-unknown-param",
    gauge_default "gauge-default",
    gauge_value "gauge-value",
    gauge_plus_is_absolute "gauge-plus-is-absolute",
    gauge_shift_up "gauge-shift-up",
    gauge_shift_down "gauge-shift-down",
    gauge_shift_wins "gauge-shift-wins",
    gauge_negative_absolute "gauge-negative-absolute",
    gauge_bad_value "gauge-bad-value",
    gauge_bad_shift "gauge-bad-shift",
    timing "timing",
    timing_rate_1 "timing-rate-1",
    timing_missing "timing-missing",
    timing_bad "timing-bad",
    timing_decimal "timing-decimal",
    set_default "set-default",
    set_value "set-value",
    set_bad "set-bad",
    prefix "prefix",
    prefix_dot "prefix-dot",
    key_pct_decoded "key-pct-decoded",
    key_newline "key-newline",
    key_colon "key-colon",
    key_pipe "key-pipe",
    key_format_verb "key-format-verb",
    key_missing "key-missing",
    key_missing_slash "key-missing-slash",
    key_two_segments "key-two-segments",
    type_unknown "type-unknown",
    root_get "root-get",
    count_get "count-get",
    count_delete "count-delete",
    unknown_get "unknown-get",
    cors_post "cors-post",
    cors_heartbeat "cors-heartbeat",
    cors_401_readable "cors-401-readable",
    cors_400_readable "cors-400-readable",
    preflight "preflight",
    preflight_jwt_needs_no_token "preflight-jwt-needs-no-token",
    jwt_seed_token "jwt-seed-token",
    jwt_header_lowercase "jwt-header-lowercase",
    jwt_query "jwt-query",
    jwt_header_beats_query "jwt-header-beats-query",
    jwt_missing "jwt-missing",
    jwt_empty "jwt-empty",
    jwt_garbage "jwt-garbage",
    jwt_query_garbage "jwt-query-garbage",
    jwt_wrong_secret "jwt-wrong-secret",
    jwt_no_exp "jwt-no-exp",
    jwt_empty_claims "jwt-empty-claims",
    jwt_expired "jwt-expired",
    jwt_exp_future "jwt-exp-future",
    jwt_nbf_future "jwt-nbf-future",
    jwt_aud_any "jwt-aud-any",
    jwt_hs384 "jwt-hs384",
    jwt_hs512 "jwt-hs512",
    jwt_none "jwt-none",
    jwt_rs256_header "jwt-rs256-header",
    jwt_claims_tampered "jwt-claims-tampered",
    jwt_before_params "jwt-before-params",
    chunked "chunked",
}
