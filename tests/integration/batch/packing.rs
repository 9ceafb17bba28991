//! The packing of a batch's lines in datagrams.

use crate::support::receiver::Receiver;
use crate::support::request::batch;

use super::{all_accepted, start};

/// Packs units into datagrams of at most `size` bytes, in order; a longer unit gets a datagram of its own.
fn filled<'a>(units: impl IntoIterator<Item = &'a str>, size: usize) -> Vec<String> {
    let mut datagrams: Vec<String> = Vec::new();
    for unit in units {
        match datagrams.last_mut() {
            Some(last) if last.len() + 1 + unit.len() <= size => {
                last.push('\n');
                last.push_str(unit);
            }
            _ => datagrams.push(unit.to_owned()),
        }
    }
    datagrams
}

/// Datagrams up to the one that ends with `end`.
fn received(receiver: &Receiver, end: &str) -> Vec<String> {
    let mut datagrams = vec![receiver.next()];
    while !datagrams.last().is_some_and(|last| last.ends_with(end)) {
        datagrams.push(receiver.next());
    }
    datagrams
}

/// Fewer datagrams than one system call sends, and a body of one slice, so that no flush happens before the end.
const TIGHT: usize = 63;

#[test]
fn datagrams_are_filled_up_to_the_packet_size() {
    for size in [64, 100, 512, 1432, 8192, 65_507] {
        // Lines of 8 to 67 bytes: some are longer than the smallest datagram.
        let line = |i: usize| format!("{}{i}:{i}|c", "k".repeat(1 + i * 7 % 60));
        let mut lines: Vec<String> = (0..).map(line).take(1500).collect();
        while filled(lines.iter().map(String::as_str), size).len() > TIGHT {
            lines.truncate(lines.len() * 9 / 10);
        }
        lines.push("end:1|c".to_owned());
        let (receiver, proxy) = start(&[&format!("--statsd-packet-size={size}")]);
        assert_eq!(proxy.expect(batch(lines.join("\n")), 200).body, all_accepted(lines.len()));
        let datagrams = received(&receiver, "end:1|c");
        assert_eq!(datagrams, filled(lines.iter().map(String::as_str), size), "{size}");
        assert!(datagrams.iter().all(|d| !d.ends_with('\n') && (d.len() <= size || !d.contains('\n'))));
    }
}

#[test]
fn both_lines_of_a_negative_gauge_are_in_one_datagram() {
    for size in [64, 65, 66, 100] {
        let gauges = 40;
        let objects: Vec<String> =
            (0..gauges).map(|i| format!(r#"{{"metric":"gauge.{i}","type":"g","value":{}}}"#, 20 - i * 3)).collect();
        let unit = |i: i32| match 20 - i * 3 {
            value if value < 0 => format!("gauge.{i}:0|g\ngauge.{i}:{value}|g"),
            value => format!("gauge.{i}:{value}|g"),
        };
        let mut units: Vec<String> = (0..gauges).map(unit).collect();
        units.push("end:1|c".to_owned());
        let (receiver, proxy) = start(&[&format!("--statsd-packet-size={size}")]);
        let end = r#"{"metric":"end","type":"c"}"#;
        proxy.expect(batch(format!("[{},{end}]", objects.join(","))), 200);
        let expected = filled(units.iter().map(String::as_str), size);
        assert!(expected.len() <= TIGHT);
        assert_eq!(received(&receiver, "end:1|c"), expected, "{size}");
    }
}

#[test]
fn long_batches_never_split_a_line_or_exceed_a_datagram() {
    let (receiver, proxy) = start(&[]);
    let line = |i: usize| format!("{}{i}:{i}|c", "k".repeat(1 + i * 7 % 60));
    let mut lines: Vec<String> = (0..2500).map(line).collect();
    lines.push("end:1|c".to_owned());
    let body = lines.join("\n");
    let body_len = body.len();
    assert!(body_len > 64 * 1024, "more than a slice");
    proxy.expect(batch(body), 200);
    let datagrams = received(&receiver, "end:1|c");
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 1432));
    assert_eq!(datagrams.join("\n"), lines.join("\n"));
    // A datagram may be half full at the end of a slice or a burst; nearly all are full.
    assert!(datagrams.len() * 1432 < body_len * 3 / 2, "{} datagrams", datagrams.len());
}
