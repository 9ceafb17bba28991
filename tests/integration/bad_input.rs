//! Input that no correct client sends: each case gets its answer, and no datagram is sent.
//!
//! After every refusal the proxy is alive, and the connection is either closed or ready for a correct request.

use crate::support::client::{Client, exchange, post};
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;

const HEAD: &str = "POST /count/a HTTP/1.1\r\nHost: localhost\r\n";

fn start() -> (Receiver, Proxy) {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--http-timeout-read=2"]);
    (receiver, proxy)
}

/// Sends each request on a connection of its own, and asserts that it is refused with one of `statuses`, that the
/// connection is closed, and that a request behind it on the same connection is not served.
fn refused_and_closed(requests: impl IntoIterator<Item = (String, Vec<u8>)>, statuses: &[u16]) {
    let (receiver, proxy) = start();
    for (name, request) in requests {
        let mut client = Client::connect(proxy.address);
        let answer = client.send(request).send(post("/count/behind", "value=1")).answer();
        assert!(statuses.contains(&answer.status), "{name}: {answer:?}");
        assert!(answer.closes(), "{name}: {answer:?}");
        assert!(client.is_closed(), "{name}: something came after the refusal");
    }
    proxy.assert_sent(&receiver, &[]);
}

fn named<'a>(
    cases: &'a [&'a str],
    request: impl Fn(&str) -> String + 'a,
) -> impl Iterator<Item = (String, Vec<u8>)> + 'a {
    cases.iter().map(move |case| (format!("{case:?}"), request(case).into_bytes()))
}

#[test]
fn transfer_encodings_other_than_chunked() {
    let codings = [
        "xchunked",
        "chunked, identity",
        "identity, chunked",
        "chunked, chunked",
        "identity",
        "\"chunked\"",
        "",
        "chunked\r\nTransfer-Encoding: chunked",
        "gzip",
    ];
    let request = |coding: &str| format!("{HEAD}Transfer-Encoding: {coding}\r\n\r\n7\r\nvalue=1\r\n0\r\n\r\n");
    refused_and_closed(named(&codings, request), &[400]);
    let others = [
        "POST /count/a HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nvalue=1\r\n0\r\n\r\n"
            .to_owned(),
        format!("{HEAD}Transfer-Encoding : chunked\r\n\r\n7\r\nvalue=1\r\n0\r\n\r\n"),
    ];
    refused_and_closed(others.into_iter().map(|request| (request.clone(), request.into_bytes())), &[400]);
    refused_and_closed(named(&["gzip, chunked"], request), &[501]);
}

#[test]
fn invalid_content_lengths_are_refused() {
    let lengths = ["+2", "-1", "0x2", "2.0", "", "2, 3", "100000000000000000000000", "2\r\nContent-Length: 3"];
    refused_and_closed(named(&lengths, |length| format!("{HEAD}Content-Length: {length}\r\n\r\nxx")), &[400]);
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let (receiver, proxy) = start();
    for length in ["65537", "1000000000000"] {
        // No byte of the body is sent: the answer must not wait for it.
        let answer = proxy.expect(format!("{HEAD}Content-Length: {length}\r\n\r\n"), 413);
        assert_eq!(answer.body, "Request body too large\n");
        assert!(answer.closes());
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn the_answer_to_an_oversized_body_survives_a_client_that_sends_it_all() {
    let (receiver, proxy) = start();
    let body = "x".repeat(2_000_000);
    for head in [
        format!("Content-Length: {}\r\n\r\n", body.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()),
    ] {
        let mut client = Client::connect(proxy.address);
        client.send(HEAD).send(head).send(&body);
        assert_eq!(client.answer().status, 413);
        assert!(client.is_closed());
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_refused_body_is_never_read_as_a_request() {
    let (receiver, proxy) = start();
    let inner = post("/count/smuggled", "value=1").repeat(1200);
    let length = format!("Content-Length: {}\r\n\r\n", inner.len());
    let chunk = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", inner.len());
    for line in ["POST /nope HTTP/1.1", "GET /count/a HTTP/1.1", "POST /count/a HTTP/1.1", "POST /count/%0A HTTP/1.1"] {
        for framing in [&length, &chunk] {
            for warm in ["", &post("/gauge/warm", "value=1")] {
                let mut client = Client::connect(proxy.address);
                if !warm.is_empty() {
                    assert_eq!(client.send(warm).answer().status, 200);
                    assert_eq!(receiver.next(), "warm:1|g");
                }
                client.send(format!("{line}\r\nHost: localhost\r\n{framing}{inner}"));
                assert!(client.answer().status >= 400);
                assert!(client.is_closed(), "{line} {framing:?}: something came after the refusal");
            }
        }
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn the_last_answer_survives_excess_bytes() {
    let (receiver, proxy) = start();
    // A request of exactly the size of the first read, and then the line end that old browsers send after a form.
    let head = "POST /count/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1900\r\n";
    let pad = 2048 - head.len() - "X: \r\n\r\n".len() - 1900;
    let request = format!("{head}X: {}\r\n\r\nvalue=7&{}", "x".repeat(pad), "x".repeat(1900 - "value=7&".len()));
    assert_eq!(request.len(), 2048);
    for _ in 0..20 {
        let mut client = Client::connect(proxy.address);
        assert_eq!(client.send(format!("{request}\r\n")).answer().status, 200);
        assert_eq!(receiver.next(), "a:7|c");
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_refusal_with_its_body_leaves_the_connection_open() {
    let (receiver, proxy) = start();
    let mut client = Client::connect(proxy.address);
    for (path, status) in
        [("/nope", 404), ("/heartbeat", 405), ("/count/a", 200), ("/count/%0A", 400), ("/nope/a", 404)]
    {
        let answer = client.send(post(path, "value=1")).answer();
        assert_eq!((answer.status, answer.closes()), (status, false), "{path}");
    }
    proxy.assert_sent(&receiver, &["a:1|c"]);
}

#[test]
fn many_pipelined_requests_in_one_write_are_all_served() {
    let (receiver, proxy) = start();
    for _ in 0..5 {
        let mut client = Client::connect(proxy.address);
        client.send((0..100).map(|i| post("/count/p", &format!("value={i}"))).collect::<String>());
        for _ in 0..100 {
            assert_eq!(client.answer().status, 200);
        }
        let mut lines = Vec::new();
        while lines.len() < 100 {
            lines.extend(receiver.next().lines().map(str::to_owned));
        }
        assert_eq!(lines, (0..100).map(|i| format!("p:{i}|c")).collect::<Vec<_>>());
    }
}

#[test]
fn a_body_of_exactly_the_limit_is_accepted() {
    let (receiver, proxy) = start();
    let body = format!("value=3&pad={}", "x".repeat(65536 - "value=3&pad=".len()));
    proxy.expect(post("/count/a", &body), 200);
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    proxy.expect(chunked, 200);
    proxy.assert_sent(&receiver, &["a:3|c", "a:3|c"]);
}

#[test]
fn malformed_chunks_are_refused() {
    let long = "a".repeat(20_000);
    let chunks = [
        "+7\r\nvalue=1\r\n0\r\n\r\n",
        "-7\r\nvalue=1\r\n0\r\n\r\n",
        "0x7\r\nvalue=1\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nvalue=1\r\n0\r\n\r\n",
        "7\nvalue=1\r\n0\r\n\r\n",
        "7\rvalue=1\r\n0\r\n\r\n",
        "7\r\nvalue=1\n0\r\n\r\n",
        "3\r\nvalue=1\r\n0\r\n\r\n",
        "\r\nvalue=1\r\n0\r\n\r\n",
        "7;a\nb\r\nvalue=1\r\n0\r\n\r\n",
        &format!("7;{long}\r\nvalue=1\r\n0\r\n\r\n"),
        &format!("7\r\nvalue=1\r\n0\r\nX: {long}\r\n\r\n"),
    ];
    refused_and_closed(named(&chunks, |chunk| format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunk}")), &[400]);
}

#[test]
fn malformed_headers_are_refused() {
    let headers = [
        "a\0b: c",
        "a: b\0c",
        "a: b\u{7f}c",
        "a: b\rc",
        "a: b\r\n c",
        "abc",
        ": c",
        "a b: c",
        "é: c",
        " a: b",
        "a: \u{1}",
    ];
    refused_and_closed(named(&headers, |header| format!("{HEAD}{header}\r\n\r\n")), &[400]);
}

#[test]
fn what_is_not_http_1() {
    let mut hello = hex("16030100a5010000a10303");
    hello.extend([0; 160]);
    let cases = [
        ("HTTP/0.9", b"GET /heartbeat\r\n\r\n".to_vec()),
        ("HTTP/1.2", b"GET /heartbeat HTTP/1.2\r\nHost: localhost\r\n\r\n".to_vec()),
        ("HTTP/2.0", b"GET /heartbeat HTTP/2.0\r\nHost: localhost\r\n\r\n".to_vec()),
        ("a TLS hello", hello),
        ("an SSH banner", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
    ];
    refused_and_closed(cases.map(|(name, request)| (name.to_owned(), request)), &[400]);
}

#[test]
fn an_http2_preface_in_plaintext_is_closed() {
    let (receiver, proxy) = start();
    let mut client = Client::connect(proxy.address);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0");
    assert!(client.is_closed());
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn malformed_hosts_and_targets_are_refused() {
    let heads = [
        "POST /count/a HTTP/1.1\r\n",
        "POST /count/a HTTP/1.1\r\nHost: a\r\nHost: a\r\n",
        "POST /count/a HTTP/1.1\r\nHost: user@localhost\r\n",
        "POST /count/a HTTP/1.1\r\nHost: localhost/path\r\n",
        "GET * HTTP/1.1\r\nHost: localhost\r\n",
        "GET a HTTP/1.1\r\nHost: localhost\r\n",
        "POST http://user@localhost/count/a HTTP/1.1\r\nHost: localhost\r\n",
        "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n",
    ];
    refused_and_closed(named(&heads, |head| format!("{head}\r\n")), &[400]);
}

#[test]
fn an_expectation_that_cannot_be_met_is_refused() {
    let expectations = [
        "a-miracle",
        "100-continue\r\nExpect: a-miracle",
        "a-miracle\r\nExpect: 100-continue",
        "100-continue\r\nX: y\r\nexpect:",
        "100-continue, a-miracle",
        "100-continue, 100-continue",
    ];
    let request = |expect: &str| format!("{HEAD}Expect: {expect}\r\nContent-Length: 7\r\n\r\nvalue=1");
    refused_and_closed(named(&expectations, request), &[417]);
}

#[test]
fn heads_that_are_too_large() {
    let header = |kilobytes: usize| format!("{HEAD}X-Pad: {}\r\n\r\n", "a".repeat(kilobytes * 1024));
    let many = |count: usize| format!("{HEAD}{}\r\n", (0..count).map(|i| format!("X-{i}: 1\r\n")).collect::<String>());
    let uri = format!("POST /count/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(64 * 1024));
    let query = format!("POST /count/a?{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(9 * 1024));
    let cases = [
        ("9 KB", header(9)),
        ("17 KB", header(17)),
        ("64 KB", header(64)),
        ("200 KB", header(200)),
        ("101 headers", many(100)),
        ("1000 headers", many(1000)),
        ("64 KB of URI", uri),
        ("9 KB of query", query),
    ];
    refused_and_closed(cases.map(|(name, request)| (name.to_owned(), request.into_bytes())), &[431, 414]);
}

#[test]
fn a_large_cookie_is_accepted() {
    let (receiver, proxy) = start();
    let request = format!("{HEAD}Cookie: {}\r\nContent-Length: 0\r\n\r\n", "c".repeat(7 * 1024));
    proxy.expect(request, 200);
    proxy.assert_sent(&receiver, &["a:1|c"]);
}

#[test]
fn keys_that_could_forge_a_line_or_crash_a_daemon_are_refused() {
    let (receiver, proxy) = start();
    let keys = [
        "a%0Ab",
        "a%0Db",
        "a%00b",
        "a%7Cc",
        "a%3A1",
        "a%7f",
        "%c2%85",
        "%ff",
        "%c3%28",
        "a%",
        "a%zz",
        "constructor",
        "__proto__",
        "toString",
        "valueOf",
        "hasOwnProperty",
        "to%25String",
        "%20_proto_%20",
        "a%0Aevil%3A1%7Cc",
    ];
    for key in keys {
        for resource in ["count", "gauge", "set"] {
            let answer = proxy.expect(post(&format!("/{resource}/{key}"), "value=1"), 400);
            assert_eq!(answer.body, "Invalid key specified\n", "{key}");
        }
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn values_that_are_not_plain_finite_numbers_are_refused() {
    let (receiver, proxy) = start();
    let values = [
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "1e999",
        "1e3",
        "0x1",
        "1%7Cc",
        "1%0Ab%3A1",
        "%ff",
        "1,5",
        "--1",
        "1+1",
        "%D9%A3",
    ];
    for value in values {
        for (path, parameter, text) in [
            ("/count/a", "value", "Invalid value specified\n"),
            ("/gauge/a", "value", "Invalid gauge value specified\n"),
            ("/gauge/a", "shift", "Invalid gauge shift specified\n"),
            ("/timing/a", "time", "Invalid time specified\n"),
            ("/set/a", "value", "Invalid set value specified\n"),
        ] {
            let answer = proxy.expect(post(path, &format!("{parameter}={value}")), 400);
            assert_eq!(answer.body, text, "{parameter}={value}");
        }
    }
    proxy.expect(post("/timing/a", "time=-1"), 400);
    for rate in ["2", "1.5", "-1", "NaN", "inf", "x", "1%0A"] {
        for path in ["/count/a", "/timing/a"] {
            let answer = proxy.expect(post(path, &format!("value=1&time=1&sampleRate={rate}")), 400);
            assert_eq!(answer.body, "Invalid sample rate specified\n", "{rate}");
        }
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_line_beyond_8_kib() {
    let (receiver, proxy) = start();
    let value = "1".repeat(300);
    let fits = "k".repeat(7900 - value.len());
    proxy.expect(post(&format!("/count/{fits}"), &format!("value={value}")), 200);
    assert_eq!(receiver.next(), format!("{fits}:{value}|c"));
    let zeros = format!("value=0.{}", "0".repeat(1000));
    let answer = proxy.expect(post(&format!("/count/{}", "k".repeat(7500)), &zeros), 400);
    assert_eq!(answer.body, "Metric longer than 8192 bytes\n");
    // The two lines form one unit, which would be longer than any daemon accepts.
    proxy.expect(post(&format!("/gauge/{}", "k".repeat(4100)), "value=-1"), 400);
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn malformed_multipart_is_refused() {
    let (receiver, proxy) = start();
    let bodies =
        ["", "--XX\r\n", "--XX\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n42", "--YY\r\n\r\n--YY--\r\n"];
    for body in bodies {
        let request = format!(
            "{HEAD}Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(proxy.expect(request, 400).body, "Invalid form specified\n");
    }
    proxy.expect(format!("{HEAD}Content-Type: multipart/form-data\r\nContent-Length: 0\r\n\r\n"), 400);
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_compressed_body_is_not_read_as_a_form() {
    let (receiver, proxy) = start();
    let coded = |coding: &str| format!("{HEAD}Content-Encoding: {coding}\r\nContent-Length: 7\r\n\r\nvalue=5");
    for coding in ["br", "gzip, gzip", "gzip, identity", ""] {
        let answer = proxy.expect(coded(coding), 415);
        assert_eq!(answer.body, "Content encoding not supported\n", "{coding}");
        assert_eq!(answer.header("accept-encoding"), Some("gzip, deflate"));
    }
    for coding in ["gzip", "deflate"] {
        assert_eq!(proxy.expect(coded(coding), 400).body, "Malformed compressed body\n", "{coding}");
    }
    proxy.expect(coded("identity"), 200);
    proxy.assert_sent(&receiver, &["a:5|c"]);
}

#[test]
fn a_refusal_of_parameters_keeps_the_connection_usable() {
    let (receiver, proxy) = start();
    let mut client = Client::connect(proxy.address);
    for (path, body, status) in [
        ("/count/a", "value=x", 400),
        ("/count/a", "value=1", 200),
        ("/nope/a", "value=2", 404),
        ("/count/a%0A", "value=3", 400),
        ("/gauge/a", "value=4", 200),
    ] {
        assert_eq!(client.send(post(path, body)).answer().status, status, "{path} {body}");
    }
    proxy.assert_sent(&receiver, &["a:1|c", "a:4|g"]);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (receiver, proxy) = start();
    let mut client = Client::connect(proxy.address);
    let requests: String =
        (0..1000).map(|i| if i % 10 == 9 { post("/count/a", "value=x") } else { post("/count/a", "") }).collect();
    let mut writer = client.stream().try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || std::io::Write::write_all(&mut writer, requests.as_bytes()));
    for i in 0..1000 {
        assert_eq!(client.answer().status, if i % 10 == 9 { 400 } else { 200 }, "request {i}");
    }
    sender.join().expect("the sender ends").expect("all was taken");
    let lines: usize = (0..)
        .map_while(|_| Some(receiver.next().lines().count()))
        .scan(0, |sum, n| {
            *sum += n;
            Some(*sum)
        })
        .find(|sum| *sum >= 900)
        .expect("an endless iterator");
    assert_eq!(lines, 900);
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_request_that_the_client_does_not_complete_sends_nothing() {
    let (receiver, proxy) = start();
    for part in [
        "POST /cou",
        HEAD,
        &format!("{HEAD}Content-Length: 7\r\n\r\nvalue="),
        &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n7\r\nvalue=1\r\n"),
    ] {
        let mut client = Client::connect(proxy.address);
        client.send(part).finish();
        if let Some(answer) = client.try_answer() {
            assert_eq!(answer.status, 400, "{part:?}");
        }
        assert!(client.is_closed());
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_client_that_half_closes_gets_its_answer() {
    let (receiver, proxy) = start();
    let mut client = Client::connect(proxy.address);
    assert_eq!(client.send(post("/count/a", "value=2")).finish().answer().status, 200);
    assert!(client.is_closed());
    proxy.assert_sent(&receiver, &["a:2|c"]);
}

#[test]
fn unusual_but_valid_requests_are_served() {
    let (receiver, proxy) = start();
    for request in [
        "\r\nGET /heartbeat HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://localhost/heartbeat HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /heartbeat?x=y HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /heartbeat HTTP/1.0\r\n\r\n",
    ] {
        assert_eq!(exchange(proxy.address, request).body, "OK", "{request:?}");
    }
    let head =
        Client::connect(proxy.address).send("HEAD /heartbeat HTTP/1.1\r\nHost: localhost\r\n\r\n").answer_to_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("2")));
    proxy.expect("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 204);
    let mut client = Client::connect(proxy.address);
    client.send(format!("{HEAD}Expect: 100-continue\r\nContent-Length: 7\r\n\r\n"));
    assert_eq!(client.answer().status, 100);
    assert_eq!(client.send("value=5").answer().status, 200);
    proxy.assert_sent(&receiver, &["a:5|c"]);
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("hex digits"), 16).expect("hex digits"))
        .collect()
}
