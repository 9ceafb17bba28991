//! `--statsd-tag`: the tags of the server are on every line, and no client can change them.

use crate::support::client::post;
use crate::support::proxy::{Proxy, command, refusal};
use crate::support::receiver::Receiver;
use crate::support::request::{batch, json};

/// Sends a last metric, and asserts what came before it: `tags` end its line as any other.
fn assert_sent(proxy: &Proxy, receiver: &Receiver, tags: &str, expected: &[&str]) {
    proxy.expect(post("/count/last", ""), 200);
    assert_eq!(receiver.until(&format!("last:1|c|#{tags}")), expected);
}

#[test]
fn own_tags_are_on_every_line_after_the_clients() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--statsd-tag=env=prod", "-statsd-tag", "dc:eu-1,rack=7"]);
    proxy.expect(post("/count/a", "value=2"), 200);
    proxy.expect(post("/gauge/g", "value=-5"), 200);
    proxy.expect(json("/timing/t", r#"{"time":1,"tags":{"k":"v"}}"#), 200);
    proxy.expect(batch("a:1:2|c|#k:v\nu:x|s\nc:1|c|@0.5\na.plain:1|c"), 200);
    proxy.expect(batch(r#"[{"metric":"a","type":"c","tags":["k:v","beta"]}]"#), 200);
    let expected = [
        "a:2|c|#env:prod,dc:eu-1,rack:7",
        "g:0|g|#env:prod,dc:eu-1,rack:7",
        "g:-5|g|#env:prod,dc:eu-1,rack:7",
        "t:1|ms|#k:v,env:prod,dc:eu-1,rack:7",
        "a:1|c|#k:v,env:prod,dc:eu-1,rack:7",
        "a:2|c|#k:v,env:prod,dc:eu-1,rack:7",
        "u:x|s|#env:prod,dc:eu-1,rack:7",
        "c:1|c|@0.5|#env:prod,dc:eu-1,rack:7",
        "a.plain:1|c|#env:prod,dc:eu-1,rack:7",
        "a:1|c|#k:v,beta:true,env:prod,dc:eu-1,rack:7",
    ];
    assert_sent(&proxy, &receiver, "env:prod,dc:eu-1,rack:7", &expected);
}

#[test]
fn a_client_cannot_set_an_own_tag() {
    let receiver = Receiver::new();
    let proxy = Proxy::start(&receiver, &["--statsd-tag=env=prod", "--statsd-tag=a_b=x"]);
    let lines = "a:1|c|#env:evil\na:2|c|#env\na:3|c|# env =evil,k:v\na:4|c|#a b:evil,a;b:evil\na:5|c|#environment:x";
    proxy.expect(batch(lines), 200);
    for tags in [r#"{"env":"evil"}"#, r#"" env : evil""#, r#"["env=evil"]"#, r#"{"\u0065nv":"evil"}"#] {
        proxy.expect(json("/count/b", &format!(r#"{{"tags":{tags}}}"#)), 200);
    }
    let own = "env:prod,a_b:x";
    let expected = [
        &format!("a:1|c|#{own}"),
        &format!("a:2|c|#{own}"),
        &format!("a:3|c|#k:v,{own}"),
        &format!("a:4|c|#{own}"),
        &format!("a:5|c|#environment:x,{own}"),
        &format!("b:1|c|#{own}"),
        &format!("b:1|c|#{own}"),
        &format!("b:1|c|#{own}"),
        &format!("b:1|c|#{own}"),
    ];
    assert_sent(&proxy, &receiver, own, &expected.map(String::as_str));
}

#[test]
fn own_tags_are_read_from_the_environment_unless_a_flag_is_given() {
    let receiver = Receiver::new();
    let port = format!("--statsd-port={}", receiver.port());
    for (flags, tags) in [(&[][..], "env:prod,dc:x"), (&["--statsd-tag=env=test"], "env:test")] {
        let mut all = vec![port.as_str()];
        all.extend(flags);
        let proxy = Proxy::start_with(command(&all).env("STATSD_HTTP_PROXY_STATSD_TAG", "env=prod, dc=x,"));
        proxy.expect(post("/count/a", ""), 200);
        assert_eq!(receiver.next(), format!("a:1|c|#{tags}"));
    }
}

#[test]
fn invalid_own_tags_are_refused_at_start() {
    let many: Vec<String> = (0..33).map(|i| format!("--statsd-tag=k{i}=v")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (flags, named) in [
        (&["--statsd-tag=env"][..], "--statsd-tag \"env\""),
        (&["--statsd-tag=env="], "--statsd-tag \"env=\""),
        (&["--statsd-tag==prod"], "--statsd-tag \"=prod\""),
        (&["--statsd-tag=a=b c"], "--statsd-tag \"a=b c\""),
        (&["--statsd-tag=a|b=c"], "--statsd-tag \"a|b=c\""),
        (&["--statsd-tag=a=b\nc"], "--statsd-tag \"a=b\\nc\""),
        (&["--statsd-tag=t=10:30"], "--statsd-tag \"t=10:30\""),
        (&["--statsd-tag=env=a", "--statsd-tag=env=b"], "--statsd-tag \"env=b\""),
        (&["--statsd-tag=ok=yes,bad"], "--statsd-tag \"bad\""),
        (&many, "--statsd-tag \"k32=v\""),
    ] {
        let (code, text) = refusal(&mut command(flags));
        assert_eq!(code, Some(2), "{flags:?}: {text}");
        assert!(text.contains(named), "{named} in {text}");
    }
    let (code, text) = refusal(command(&[]).env("STATSD_HTTP_PROXY_STATSD_TAG", "a=1,b"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("STATSD_HTTP_PROXY_STATSD_TAG \"b\""), "{text}");
}
