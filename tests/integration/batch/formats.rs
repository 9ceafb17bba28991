//! Lines, JSON and NDJSON: their parsing and their detection.

use crate::support::request::{batch, typed_batch};

use super::{all_accepted, start};

const LINES: &str = "a:1|c\nb:-2.50|c\nt:12.345|ms\ng:7|g\nu:user 42|s";

#[test]
fn lines_end_with_a_newline_a_crlf_or_the_body() {
    let (receiver, proxy) = start(&[]);
    let spaced = "\n\n  a:1|c  \r\n\r\n\t\nb:-2.50|c\nt:12.345|ms\r\n \ng:7|g\nu:user 42|s\n\n\n";
    for body in [LINES.to_owned(), format!("{LINES}\n"), LINES.replace('\n', "\r\n") + "\r\n", spaced.to_owned()] {
        assert_eq!(proxy.expect(batch(&body), 200).body, all_accepted(5), "{body:?}");
        proxy.assert_sent(&receiver, &["a:1|c", "b:-2.50|c", "t:12.345|ms", "g:7|g", "u:user 42|s"]);
    }
}

#[test]
fn plain_lines_are_sent_unchanged_between_others() {
    let (receiver, proxy) = start(&[]);
    let plain = ["a.b:1|c", "a.b:0.50|c", "a-b.c_d:007|g", "a.b:1.5|ms", "a.b:42|s", "a.b:1.0|s", "1.2:3|c"];
    let odd = ["a b:1|c", "a.b:1|c|@0.5", "a:+1|c\r", " a.b:2|h ", "a/b.c:1|g", "größe.x:1|c"];
    let lines: Vec<&str> = plain.into_iter().zip(odd.into_iter().cycle()).flat_map(<[&str; 2]>::from).collect();
    proxy.expect(batch(lines.join("\n")), 200);
    let sent = ["a b:1|c", "a.b:1|c|@0.5", "a:1|c", "a.b:2|ms", "a/b.c:1|g", "größe.x:1|c"];
    let expected: Vec<&str> = plain.into_iter().zip(sent.into_iter().cycle()).flat_map(<[&str; 2]>::from).collect();
    proxy.assert_sent(&receiver, &expected);
}

#[test]
fn signs_in_lines_are_shifts_and_other_plus_signs_are_dropped() {
    let (receiver, proxy) = start(&[]);
    proxy.expect(batch("g:5|g\ng:-5|g\ng:+5|g\nc:+5|c\nt:+5|ms\nu:+5|s\nu:-5|s"), 200);
    proxy.assert_sent(&receiver, &["g:5|g", "g:-5|g", "g:+5|g", "c:5|c", "t:5|ms", "u:+5|s", "u:-5|s"]);
}

#[test]
fn a_rate_in_a_line_is_forwarded_without_sampling() {
    let (receiver, proxy) = start(&[]);
    let many = "c:1|c|@0.001\n".repeat(500);
    assert_eq!(proxy.expect(batch(many), 200).body, all_accepted(500));
    proxy.assert_sent(&receiver, &["c:1|c|@0.001"; 500]);
    proxy.expect(batch("c:1|c|@0.50\nt:3|ms|@1e-1\nc:2|c|@1\nc:3|c|@1.0|#k:v\nc:4|c|#k:v|@.25\ng:1|g|@0.5"), 200);
    let expected = ["c:1|c|@0.5", "t:3|ms|@0.1", "c:2|c", "c:3|c|#k:v", "c:4|c|@0.25|#k:v", "g:1|g"];
    proxy.assert_sent(&receiver, &expected);
    // The format of BuckyClient.
    proxy.expect(batch("t:1|ms@0.5\nc.d:2|c@0.1|#k:v"), 200);
    proxy.assert_sent(&receiver, &["t:1|ms|@0.5", "c.d:2|c|@0.1|#k:v"]);
}

#[test]
fn tags_in_lines_are_cleaned_and_kept_in_order() {
    let (receiver, proxy) = start(&[]);
    proxy.expect(batch("a:1|c|#env:prod,beta,t:10:30,x=y\na:2|c|#\na:3|c|#,:v,=\na:4|c|#k:a b;c#d,ключ:знач"), 200);
    let expected = ["a:1|c|#env:prod,beta:true,t:10_30,x:y", "a:2|c", "a:3|c", "a:4|c|#k:a_b_c_d,ключ:знач"];
    proxy.assert_sent(&receiver, &expected);
}

#[test]
fn the_origin_of_a_client_is_dropped_and_a_time_in_the_past_is_refused() {
    let (receiver, proxy) = start(&[]);
    let body = "a:1|c|c:ci-83c0|#k:v\na:2|c|e:it-false|card:low\na:3|c|T1656581400\na:4|c|x";
    let refused = r#"{"accepted":2,"rejected":[{"index":2,"error":"Invalid line specified"},{"index":3,"error":"Invalid line specified"}]}"#;
    assert_eq!(proxy.expect(batch(body), 200).body, refused);
    proxy.assert_sent(&receiver, &["a:1|c|#k:v", "a:2|c"]);
}

#[test]
fn packed_values_become_one_line_each() {
    let (receiver, proxy) = start(&[]);
    assert_eq!(proxy.expect(batch("t:1:2.5:3|ms|@0.5|#k:v\nc:1:-2|c\nu:a:b|s\ng:4:-1|g"), 200).body, all_accepted(9));
    let expected = [
        "t:1|ms|@0.5|#k:v",
        "t:2.5|ms|@0.5|#k:v",
        "t:3|ms|@0.5|#k:v",
        "c:1|c",
        "c:-2|c",
        "u:a|s",
        "u:b|s",
        "g:4|g",
        "g:-1|g",
    ];
    proxy.assert_sent(&receiver, &expected);
    let refused = r#"{"accepted":2,"rejected":[{"index":1,"error":"Invalid time specified"}]}"#;
    assert_eq!(proxy.expect(batch("t:1:-2:3|ms"), 200).body, refused);
    proxy.assert_sent(&receiver, &["t:1|ms", "t:3|ms"]);
}

/// Each kind once, as elements of an array.
const OBJECTS: [(&str, &str); 9] = [
    (r#"{"metric":"a","type":"count","value":2.50}"#, "a:2.50|c"),
    (r#"{"metric":"a","type":"counter"}"#, "a:1|c"),
    (r#"{"type":"c","value":"-3","metric":"a"}"#, "a:-3|c"),
    (r#"{"metric":"g","type":"gauge","value":7}"#, "g:7|g"),
    (r#"{"metric":"g","type":"gauge","shift":2,"value":9}"#, "g:+2|g"),
    (r#"{"metric":"t","type":"timing","time":12.345}"#, "t:12.345|ms"),
    (r#"{"metric":"t","metric_type":"timer","value":8}"#, "t:8|ms"),
    (r#"{"metric":"u","type":"set","value":"user 42","x":[{"y":null}]}"#, "u:user 42|s"),
    (
        r#"{"metric":"a","type":"count","tags":{"env":"prod","n":1,"on":true,"off":null}}"#,
        "a:1|c|#env:prod,n:1,on:true",
    ),
];

fn objects(separator: &str) -> String {
    OBJECTS.map(|(object, _)| object).join(separator)
}

fn object_lines() -> [&'static str; 9] {
    OBJECTS.map(|(_, line)| line)
}

#[test]
fn a_json_array_is_read_element_by_element() {
    let (receiver, proxy) = start(&[]);
    for body in [format!("[{}]", objects(",")), format!(" \r\n[ {} ]\n", objects("\t,\n"))] {
        assert_eq!(proxy.expect(typed_batch("application/json", &body), 200).body, all_accepted(9), "{body}");
        proxy.assert_sent(&receiver, &object_lines());
    }
}

#[test]
fn a_single_json_object_is_a_batch_of_one() {
    let (receiver, proxy) = start(&[]);
    let pretty = "{\n  \"metric\": \"a\",\n  \"type\": \"count\",\n  \"tags\": {\n    \"k\": \"v\"\n  }\n}\n";
    let compact = r#"{"metric":"a","type":"count","tags":["k:v"]}"#;
    for body in [pretty, compact] {
        for request in [typed_batch("application/json; charset=utf-8", body), batch(body)] {
            assert_eq!(proxy.expect(request, 200).body, all_accepted(1), "{body}");
            proxy.assert_sent(&receiver, &["a:1|c|#k:v"]);
        }
    }
}

#[test]
fn ndjson_is_detected_by_its_type_or_its_content() {
    let (receiver, proxy) = start(&[]);
    for body in [objects("\n"), objects("\r\n\r\n \n") + "\r\n"] {
        for request in [
            typed_batch("application/x-ndjson", &body),
            typed_batch("application/jsonl", &body),
            typed_batch("Application/NDJSON; charset=utf-8", &body),
            batch(&body),
        ] {
            assert_eq!(proxy.expect(request, 200).body, all_accepted(9), "{body}");
            proxy.assert_sent(&receiver, &object_lines());
        }
    }
}

#[test]
fn a_body_without_a_specific_type_is_detected_by_its_content() {
    let (receiver, proxy) = start(&[]);
    let array = format!("\n [{}]", objects(","));
    for (body, expected) in [
        (LINES.to_owned(), LINES.lines().collect::<Vec<_>>()),
        (array, object_lines().to_vec()),
        (objects("\n"), object_lines().to_vec()),
        (OBJECTS[0].0.to_owned(), vec![OBJECTS[0].1]),
    ] {
        let types = ["text/plain", "text/plain;charset=UTF-8", "application/octet-stream", "", CURL];
        for request in types.map(|name| typed_batch(name, &body)).into_iter().chain([batch(&body)]) {
            assert_eq!(proxy.expect(request, 200).body, all_accepted(expected.len()), "{body}");
            proxy.assert_sent(&receiver, &expected);
        }
    }
}

/// The Content-Type of `curl --data-binary`.
const CURL: &str = "application/x-www-form-urlencoded";

#[test]
fn a_specific_type_is_not_overridden_by_the_content() {
    let (receiver, proxy) = start(&[]);
    let answer = proxy.expect(typed_batch("application/json", LINES), 400);
    assert_eq!(answer.body, "Invalid JSON specified\n");
    let answer = proxy.expect(typed_batch("application/json", objects("\n")), 400);
    assert_eq!(answer.body, "Invalid JSON specified\n");
    let refused = r#"{"accepted":0,"rejected":[{"index":0,"error":"Invalid JSON object specified"}]}"#;
    for body in ["[{\"metric\":\"a\",\"type\":\"c\"}]", "a:1|c"] {
        assert_eq!(proxy.expect(typed_batch("application/x-ndjson", body), 400).body, refused);
    }
    proxy.assert_sent(&receiver, &[]);
}
