//! Batches that are refused as a whole, and batches with rejected metrics.

use crate::support::request::{batch, typed_batch};

use super::start;

const GOOD: &str = r#"{"metric":"good","type":"count"}"#;

fn rejection(index: usize, error: &str) -> String {
    format!(r#"{{"index":{index},"error":"{error}"}}"#)
}

#[test]
fn broken_json_sends_nothing() {
    let (receiver, proxy) = start(&[]);
    let array = |rest: &str| format!("[{GOOD},{rest}").into_bytes();
    let mut bodies: Vec<Vec<u8>> =
        ["", "]", "1", "{]", "{}", "x]", "1 2]", "nul]", "NaN]", "'a']", "{a:1}]", "1]]", "1],", "1]x"]
            .map(array)
            .to_vec();
    bodies.extend(
        ["\"\n\"]", "\"\\x\"]", "\"\\ud8\"]", "01]", "1.]", "+1]", "{\"a\":1,}]", "{\"a\"}]", "// c\n1]"].map(array),
    );
    bodies.push(format!("[{GOOD}").into_bytes());
    bodies.push(format!("[{GOOD} {GOOD}]").into_bytes());
    bodies.push(format!("[,{GOOD}]").into_bytes());
    bodies.push(format!("\u{feff}[{GOOD}]").into_bytes());
    // JSON is UTF-8, also in ignored strings.
    bodies.push([b"[{\"x\":\"\xff\"},", GOOD.as_bytes(), b"]"].concat());
    bodies.push([b"[\"\xc3\",", GOOD.as_bytes(), b"]"].concat());
    for body in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = proxy.expect(typed_batch("application/json", &body), 400);
        assert_eq!(answer.body, "Invalid JSON specified\n", "{shown}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(!answer.closes());
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_fault_at_the_end_of_a_long_array_is_found_before_a_metric_is_sent() {
    let (receiver, proxy) = start(&[]);
    let good = vec![GOOD; 10_000].join(",");
    assert!(good.len() > 200_000);
    for body in
        [format!("[{good}"), format!("[{good},"), format!("[{good},]"), format!("[{good}}}"), format!("[{good}]x")]
    {
        for request in [typed_batch("application/json", &body), batch(&body)] {
            assert_eq!(proxy.expect(request, 400).body, "Invalid JSON specified\n");
        }
    }
    let mut body = format!("[{good},\"x\"]").into_bytes();
    let at = body.len() - 3;
    body[at] = 0xff;
    assert_eq!(proxy.expect(batch(&body), 400).body, "Invalid JSON specified\n");
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_document_that_is_neither_an_array_nor_an_object_is_refused() {
    let (receiver, proxy) = start(&[]);
    for body in ["1", "null", "true", "\"a:1|c\"", "x", "]", "}"] {
        let answer = proxy.expect(typed_batch("application/json", body), 400);
        assert_eq!(answer.body, "Invalid JSON specified\n", "{body}");
    }
    let two = format!("{GOOD} {GOOD}");
    for body in [&format!("{GOOD}x"), &GOOD[..GOOD.len() - 1], &two, &format!("{GOOD},"), "{\"metric\":}"] {
        let answer = proxy.expect(typed_batch("application/json", body), 400);
        assert_eq!(answer.body, "Invalid JSON specified\n", "{body}");
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn a_bad_object_is_rejected_alone() {
    let (receiver, proxy) = start(&[]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_tags = format!(r#"{{"metric":"a","type":"c","tags":{deep}}}"#);
    let long = format!(r#"{{"metric":"{}","type":"c"}}"#, "k".repeat(8190));
    let many = (0..65).map(|i| format!("\"k{i}\":1")).collect::<Vec<_>>().join(",");
    let many = format!(r#"{{"metric":"a","type":"c","tags":{{{many}}}}}"#);
    for (object, error) in [
        ("1", "Invalid JSON object specified"),
        ("null", "Invalid JSON object specified"),
        ("\"a:1|c\"", "Invalid JSON object specified"),
        ("[]", "Invalid JSON object specified"),
        (&deep, "Invalid JSON object specified"),
        ("{}", "Invalid key specified"),
        (r#"{"type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":"","type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":true,"type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":7,"type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":["a"],"type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":{"a":1},"type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":-1.5,"type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":"a:1|c","type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":"a|b","type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":"a\nb:1|c","type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":"a\u0000","type":"c"}"#, "Invalid key specified"),
        (r#"{"metric":"a"}"#, "Invalid type specified"),
        (r#"{"metric":"a","type":"meter"}"#, "Invalid type specified"),
        (r#"{"metric":"a","type":"Count"}"#, "Invalid type specified"),
        (r#"{"metric":"a","type":1}"#, "Invalid type specified"),
        (r#"{"metric":"a","type":["c"]}"#, "Invalid type specified"),
        (r#"{"metric":"a","type":"c","value":"x"}"#, "Invalid value specified"),
        (r#"{"metric":"a","type":"c","value":true}"#, "Invalid value specified"),
        (r#"{"metric":"a","type":"c","value":[1]}"#, "Invalid value specified"),
        (r#"{"metric":"a","type":"c","value":1e999}"#, "Invalid value specified"),
        (r#"{"metric":"a","type":"c","value":"1|c\nb:1"}"#, "Invalid value specified"),
        (r#"{"metric":"a","type":"h"}"#, "Invalid value specified"),
        (r#"{"metric":"a","type":"g","value":"x"}"#, "Invalid gauge value specified"),
        (r#"{"metric":"a","type":"g","value":1,"shift":"x"}"#, "Invalid gauge shift specified"),
        (r#"{"metric":"a","type":"g","shift":false}"#, "Invalid gauge shift specified"),
        (r#"{"metric":"a","type":"ms"}"#, "Invalid time specified"),
        (r#"{"metric":"a","type":"ms","value":-1}"#, "Invalid time specified"),
        (r#"{"metric":"a","type":"ms","value":1,"time":"x"}"#, "Invalid time specified"),
        (r#"{"metric":"a","type":"s","value":"a|b"}"#, "Invalid set value specified"),
        (r#"{"metric":"a","type":"s","value":{}}"#, "Invalid set value specified"),
        (r#"{"metric":"a","type":"c","sampleRate":2}"#, "Invalid sample rate specified"),
        (r#"{"metric":"a","type":"c","sampleRate":true}"#, "Invalid sample rate specified"),
        (r#"{"metric":"a","type":"c","tags":7}"#, "Invalid tags specified"),
        (r#"{"metric":"a","type":"c","tags":{"k":[1]}}"#, "Invalid tags specified"),
        (r#"{"metric":"a","type":"c","tags":["a",1]}"#, "Invalid tags specified"),
        (&deep_tags, "Invalid tags specified"),
        (&many, "Invalid tags specified"),
        (&long, "Metric longer than 8192 bytes"),
    ] {
        let shown = &object[..object.len().min(100)];
        let report = format!(r#"{{"accepted":2,"rejected":[{}]}}"#, rejection(1, error));
        let around = [GOOD, object, GOOD];
        for request in [batch(format!("[{}]", around.join(","))), batch(around.join("\n"))] {
            assert_eq!(proxy.expect(request, 200).body, report, "{shown}");
            proxy.assert_sent(&receiver, &["good:1|c"; 2]);
        }
    }
}

#[test]
fn a_bad_line_is_rejected_alone() {
    let (receiver, proxy) = start(&[]);
    let long = format!("{}:1|c", "k".repeat(8189));
    let tags = format!("a:1|c|#{}", vec!["k:v"; 65].join(","));
    let digits = format!("a:{}|c", "9".repeat(400));
    for (line, error) in [
        ("a", "Invalid line specified"),
        ("a:1", "Invalid line specified"),
        ("a|c", "Invalid line specified"),
        ("a:1|c|", "Invalid line specified"),
        ("a:1|c|0.5", "Invalid line specified"),
        (":1|c", "Invalid key specified"),
        ("a\x01b:1|c", "Invalid key specified"),
        ("a\rb:1|c", "Invalid key specified"),
        ("a:1|", "Invalid type specified"),
        ("a:1|x", "Invalid type specified"),
        ("a:1|C", "Invalid type specified"),
        ("a:1| c", "Invalid type specified"),
        ("a:|c", "Invalid value specified"),
        ("a:x|c", "Invalid value specified"),
        ("a:1e999|c", "Invalid value specified"),
        ("a:1e|c", "Invalid value specified"),
        ("a:1.|c", "Invalid value specified"),
        ("a:.5|c", "Invalid value specified"),
        ("a:.|c", "Invalid value specified"),
        ("a:1.2.3|c", "Invalid value specified"),
        ("a:1 |c", "Invalid value specified"),
        ("a:NaN|c", "Invalid value specified"),
        (&digits, "Invalid value specified"),
        ("a:x|g", "Invalid gauge value specified"),
        ("a:--1|g", "Invalid gauge value specified"),
        ("a:-1|ms", "Invalid time specified"),
        ("a:|s", "Invalid set value specified"),
        ("a:\x7f|s", "Invalid set value specified"),
        ("a:1|c|@0", "Invalid sample rate specified"),
        ("a:1|c|@1.1", "Invalid sample rate specified"),
        ("a:1|c|@", "Invalid sample rate specified"),
        ("a:1|c|@x", "Invalid sample rate specified"),
        ("a:1|c@0", "Invalid sample rate specified"),
        ("a:1|ms@x", "Invalid sample rate specified"),
        (&tags, "Invalid tags specified"),
        (&long, "Metric longer than 8192 bytes"),
    ] {
        let report = format!(r#"{{"accepted":2,"rejected":[{}]}}"#, rejection(1, error));
        // The same with a dot, because plain names have a separate parser.
        for line in [line.to_owned(), line.replacen('a', "a.b", 1)] {
            let answer = proxy.expect(batch(format!("good:1|c\n{line}\na.b:1|c\n")), 200);
            assert_eq!(answer.body, report, "{line:?}");
            proxy.assert_sent(&receiver, &["good:1|c", "a.b:1|c"]);
        }
    }
    for broken in [&b"a\xff:1|c"[..], b"a:1|c|#k:\xc3", b"\xff"] {
        let report = format!(r#"{{"accepted":2,"rejected":[{}]}}"#, rejection(1, "Invalid line specified"));
        let answer = proxy.expect(batch([b"good:1|c\n", broken, b"\ngood:1|c"].concat()), 200);
        assert_eq!(answer.body, report, "{broken:?}");
        proxy.assert_sent(&receiver, &["good:1|c"; 2]);
    }
}

#[test]
fn a_report_without_accepted_metrics_has_status_400() {
    let (receiver, proxy) = start(&[]);
    let report = format!(
        r#"{{"accepted":0,"rejected":[{},{}]}}"#,
        rejection(0, "Invalid value specified"),
        rejection(1, "Invalid type specified")
    );
    let objects = [r#"{"metric":"a","type":"c","value":"x"}"#, r#"{"metric":"a"}"#];
    for request in [batch("a:x|c\na:1|y"), batch(format!("[{}]", objects.join(","))), batch(objects.join("\n"))] {
        assert_eq!(proxy.expect(request, 400).body, report);
    }
    proxy.assert_sent(&receiver, &[]);
}
