//! Statuses, headers and reports.

use crate::support::client::Client;
use crate::support::request::{batch, request, typed_batch};

use super::{all_accepted, start};

#[test]
fn the_report_is_json_that_any_page_may_read() {
    let (receiver, proxy) = start(&[]);
    for (body, status, report) in [
        ("a:1|c\nbad", 200, r#"{"accepted":1,"rejected":[{"index":1,"error":"Invalid line specified"}]}"#),
        ("bad", 400, r#"{"accepted":0,"rejected":[{"index":0,"error":"Invalid line specified"}]}"#),
    ] {
        let answer = proxy.expect(request("POST", "/batch", &["Origin: https://example.com"], body), status);
        assert_eq!(answer.body, report);
        for (name, value) in [
            ("content-type", "application/json"),
            ("x-content-type-options", "nosniff"),
            ("access-control-allow-origin", "https://example.com"),
            ("vary", "Origin"),
            ("content-length", &report.len().to_string()),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        let answer = proxy.expect(batch(body), status);
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert!(!answer.closes());
    }
    proxy.assert_sent(&receiver, &["a:1|c"; 2]);
}

#[test]
fn a_batch_may_be_sent_with_put() {
    let (receiver, proxy) = start(&[]);
    let answer = proxy.expect(request("PUT", "/batch", &["Origin: https://example.com"], "a:1|c"), 200);
    assert_eq!(answer.body, all_accepted(1));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://example.com"));
    proxy.assert_sent(&receiver, &["a:1|c"]);
}

#[test]
fn other_methods_get_405_with_allow() {
    let (receiver, proxy) = start(&[]);
    for method in ["GET", "DELETE", "PATCH"] {
        let answer = proxy.expect(request(method, "/batch", &[], "a:1|c"), 405);
        assert_eq!(
            (answer.body.as_str(), answer.header("allow")),
            ("Method Not Allowed\n", Some("POST, PUT, OPTIONS"))
        );
    }
    let head = Client::connect(proxy.address).send(request("HEAD", "/batch", &[], "")).answer_to_head();
    assert_eq!((head.status, head.header("allow")), (405, Some("POST, PUT, OPTIONS")));
    // PUT is allowed only for batches.
    let answer = proxy.expect(request("PUT", "/count/a", &[], "value=1"), 405);
    assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_preflight_lets_pages_put_batches_and_post_single_metrics() {
    let (_receiver, proxy) = start(&["--jwt-secret=a secret of more than thirty-two bytes"]);
    for (path, allow, methods) in [
        ("/batch", "POST, PUT, OPTIONS", "GET, POST, PUT, HEAD, OPTIONS"),
        ("/count/a", "POST, OPTIONS", "GET, POST, HEAD, OPTIONS"),
    ] {
        let headers = ["Origin: https://example.com", "Access-Control-Request-Method: PUT"];
        let answer = proxy.expect(request("OPTIONS", path, &headers, ""), 204);
        assert_eq!(answer.header("allow"), Some(allow));
        assert_eq!(answer.header("access-control-allow-methods"), Some(methods));
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://example.com"));
        let headers = answer.header("access-control-allow-headers").expect("the headers are told");
        for name in ["Content-Type", "Content-Encoding", "X-JWT-Token", "Authorization"] {
            assert!(headers.split(", ").any(|header| header == name), "{name} in {headers}");
        }
    }
}

#[test]
fn unsupported_content_types_get_415() {
    let (receiver, proxy) = start(&[]);
    for name in ["application/xml", "multipart/form-data; boundary=XX", "image/png", "application/jsonx"] {
        let answer = proxy.expect(typed_batch(name, "a:1|c"), 415);
        assert_eq!(answer.body, "Content type not supported\n", "{name}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn an_empty_batch_is_accepted_in_every_format() {
    let (receiver, proxy) = start(&[]);
    let mut requests: Vec<Vec<u8>> = ["", "\n", "\r\n \n\n", "[]", " [ ]\n"].map(batch).to_vec();
    requests.extend(["", " ", "[]", "[\n]\n"].map(|body| typed_batch("application/json", body)));
    requests.extend(["", "\n\r\n"].map(|body| typed_batch("application/x-ndjson", body)));
    for request in requests {
        assert_eq!(proxy.expect(&request, 200).body, r#"{"accepted":0,"rejected":[]}"#);
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn the_first_twenty_rejections_are_reported() {
    let (receiver, proxy) = start(&[]);
    let told: Vec<String> =
        (0..20).map(|i| format!(r#"{{"index":{},"error":"Invalid value specified"}}"#, 2 * i)).collect();
    let report = format!(r#"{{"accepted":30,"rejected":[{}]}}"#, told.join(","));
    let lines = ["a:x|c", "a:1|c"].repeat(30).join("\n");
    let objects = [r#"{"metric":"a","type":"c","value":"x"}"#, r#"{"metric":"a","type":"c"}"#].repeat(30);
    for request in [batch(lines), batch(format!("[{}]", objects.join(","))), batch(objects.join("\n"))] {
        assert_eq!(proxy.expect(request, 200).body, report);
        proxy.assert_sent(&receiver, &["a:1|c"; 30]);
    }
}

#[test]
fn blank_lines_have_no_index() {
    let (receiver, proxy) = start(&[]);
    let report = r#"{"accepted":2,"rejected":[{"index":1,"error":"Invalid line specified"}]}"#;
    assert_eq!(proxy.expect(batch("\n\na:1|c\n\r\n\nbad\n\na:2|c"), 200).body, report);
    proxy.assert_sent(&receiver, &["a:1|c", "a:2|c"]);
}
