//! The four resources of single metrics, with parameters as a JSON object.

use crate::support::client::post;
use crate::support::proxy::Proxy;
use crate::support::receiver::Receiver;
use crate::support::request::{json, request};

fn start() -> (Receiver, Proxy) {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &[]);
    (receiver, proxy)
}

#[test]
fn parameters_are_members_of_an_object() {
    let (receiver, proxy) = start();
    for (path, body, lines) in [
        ("/count/a", r#"{"value":2.50}"#, &["a:2.50|c"][..]),
        ("/count/a", r#"{"value":"-3"}"#, &["a:-3|c"]),
        ("/count/a", "{}", &["a:1|c"]),
        ("/count/a", r#" { "value" : null , "sampleRate" : "" } "#, &["a:1|c"]),
        ("/count/a", r#"{"value":1.5e3}"#, &["a:1500|c"]),
        ("/count/a", r#"{"value":1,"value":2,"x":{"value":3}}"#, &["a:2|c"]),
        ("/count/a", r#"{"value":4,"metric":"b","type":"g"}"#, &["a:4|c"]),
        ("/count/a", r#"{"sampleRate":1}"#, &["a:1|c"]),
        ("/count/a%20b", r#"{"value":5}"#, &["a b:5|c"]),
        ("/gauge/g", r#"{"value":7}"#, &["g:7|g"]),
        ("/gauge/g", r#"{"value":"+7"}"#, &["g:7|g"]),
        ("/gauge/g", r#"{"value":-5}"#, &["g:0|g", "g:-5|g"]),
        ("/gauge/g", "{}", &["g:1|g"]),
        ("/gauge/g", r#"{"shift":3}"#, &["g:+3|g"]),
        ("/gauge/g", r#"{"value":9,"shift":-2.5}"#, &["g:-2.5|g"]),
        ("/timing/t", r#"{"time":12.345}"#, &["t:12.345|ms"]),
        ("/timing/t", r#"{"value":8}"#, &["t:8|ms"]),
        ("/timing/t", r#"{"value":8,"time":9}"#, &["t:9|ms"]),
        ("/set/s", r#"{"value":42}"#, &["s:42|s"]),
        ("/set/s", r#"{"value":"-7"}"#, &["s:-7|s"]),
        ("/set/s", "{}", &["s:1|s"]),
    ] {
        let answer = proxy.expect(json(path, body), 200);
        assert_eq!((answer.body.as_str(), answer.header("content-length")), ("", Some("0")));
        proxy.assert_sent(&receiver, lines);
    }
}

#[test]
fn tags_are_an_object_a_string_or_an_array() {
    let (receiver, proxy) = start();
    for tags in [r#"{"env":"prod","n":1}"#, r#""env:prod,n=1""#, r#"["env:prod","n:1"]"#] {
        for (path, line) in [
            ("/count/a", "a:1|c|#env:prod,n:1"),
            ("/gauge/a", "a:1|g|#env:prod,n:1"),
            ("/timing/a", "a:1|ms|#env:prod,n:1"),
            ("/set/a", "a:1|s|#env:prod,n:1"),
        ] {
            proxy.expect(json(path, &format!(r#"{{"value":1,"tags":{tags}}}"#)), 200);
            proxy.assert_sent(&receiver, &[line]);
        }
    }
    proxy.expect(json("/gauge/a", r#"{"value":-1,"tags":{"k":"v"}}"#), 200);
    proxy.expect(json("/count/a", r#"{"tags":{"k|c\nb:1":"v,x:y"}}"#), 200);
    proxy.expect(json("/count/a", r#"{"tags":{}}"#), 200);
    let expected = ["a:0|g|#k:v", "a:-1|g|#k:v", "a:1|c|#k_c_b_1:v_x_y", "a:1|c"];
    proxy.assert_sent(&receiver, &expected);
}

#[test]
fn the_sample_rate_is_applied_here() {
    let (receiver, proxy) = start();
    for _ in 0..100 {
        proxy.expect(json("/count/a", r#"{"sampleRate":0}"#), 200);
        proxy.expect(json("/timing/a", r#"{"value":1,"sampleRate":"0.0"}"#), 200);
        proxy.expect(json("/count/b", r#"{"sampleRate":0.5,"tags":"k:v"}"#), 200);
    }
    // StatsD has no rates for gauges.
    proxy.expect(json("/gauge/a", r#"{"value":3,"sampleRate":0}"#), 200);
    proxy.expect(post("/count/last", ""), 200);
    let mut kept = receiver.until("last:1|c");
    assert_eq!(kept.pop().as_deref(), Some("a:3|g"));
    assert!(kept.iter().all(|line| line == "b:1|c|@0.5|#k:v"), "{kept:?}");
    // Seven standard deviations.
    assert!((15..=85).contains(&kept.len()), "{} of 100", kept.len());
}

#[test]
fn a_text_body_that_begins_like_an_object_is_json() {
    let (receiver, proxy) = start();
    let body = " \n{\"value\":5}";
    for headers in [
        &["Content-Type: text/plain"][..],
        &["Content-Type: text/plain;charset=UTF-8"],
        &["Content-Type: application/octet-stream"],
        &["Content-Type: text/json"],
        &[],
    ] {
        proxy.expect(request("POST", "/count/a", headers, body), 200);
        proxy.assert_sent(&receiver, &["a:5|c"]);
        assert_eq!(proxy.expect(request("POST", "/count/a", headers, "{"), 400).body, "Invalid JSON specified\n");
    }
    // A form is still a form, and text may be a form.
    proxy.expect(post("/count/a", body), 200);
    proxy.expect(request("POST", "/count/a", &["Content-Type: text/plain"], "value=6"), 200);
    proxy.assert_sent(&receiver, &["a:1|c", "a:6|c"]);
}

#[test]
fn a_value_that_is_not_an_object_is_refused() {
    let (receiver, proxy) = start();
    for body in
        ["", "{", "}", "[]", r#"[{"value":1}]"#, "1", "null", "\"value\"", "value=1", r#"{"value":1}x"#, "{'value':1}"]
    {
        for path in ["/count/a", "/gauge/a", "/timing/a", "/set/a"] {
            let answer = proxy.expect(json(path, body), 400);
            assert_eq!(answer.body, "Invalid JSON specified\n", "{body}");
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
            assert!(!answer.closes());
        }
    }
    proxy.assert_sent(&receiver, &[]);
}

#[test]
fn members_of_wrong_types_are_invalid_parameters() {
    let (receiver, proxy) = start();
    for bad in ["true", "[1]", "{}", "\"x\"", "\"1|c\\nb:1\"", "1e999", "\"\\ud800\""] {
        for (path, member, text) in [
            ("/count/a", "value", "Invalid value specified\n"),
            ("/count/a", "sampleRate", "Invalid sample rate specified\n"),
            ("/gauge/a", "value", "Invalid gauge value specified\n"),
            ("/gauge/a", "shift", "Invalid gauge shift specified\n"),
            ("/timing/a", "time", "Invalid time specified\n"),
            ("/timing/a", "value", "Invalid time specified\n"),
            ("/set/a", "value", "Invalid set value specified\n"),
        ] {
            let answer = proxy.expect(json(path, &format!(r#"{{"{member}":{bad}}}"#)), 400);
            assert_eq!(answer.body, text, "{path} {member} {bad}");
        }
    }
    for (path, body, text) in [
        ("/timing/a", "{}", "Invalid time specified\n"),
        ("/timing/a", r#"{"time":-1}"#, "Invalid time specified\n"),
        ("/set/a", r#"{"value":1.5}"#, "Invalid set value specified\n"),
        ("/count/a", r#"{"sampleRate":1.5}"#, "Invalid sample rate specified\n"),
        ("/count/a", r#"{"tags":7}"#, "Invalid tags specified\n"),
        ("/count/a", r#"{"tags":{"k":[]}}"#, "Invalid tags specified\n"),
        ("/count/constructor", r#"{"tags":{"k":"v"}}"#, "Invalid key specified\n"),
    ] {
        assert_eq!(proxy.expect(json(path, body), 400).body, text, "{path} {body}");
    }
    proxy.assert_sent(&receiver, &[]);
}
