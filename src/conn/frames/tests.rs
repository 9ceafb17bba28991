//! Frames that are counted and admitted, however they are cut.

use super::*;
use crate::conn::deadlines::Timeouts;
use std::sync::Arc;

fn meter() -> (FrameMeter, Rc<Deadlines>) {
    let timeouts = Timeouts { read: None, write: None, idle: None };
    let deadlines = Rc::new(Deadlines::new(&timeouts, Arc::default()));
    let mut meter = FrameMeter::new(Rc::clone(&deadlines));
    meter.count(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", |_| true).expect("the preface is no frame");
    (meter, deadlines)
}

fn frame(kind: u8, payload: usize) -> Vec<u8> {
    let mut frame = vec![0, (payload >> 8) as u8, payload as u8, kind, 0, 0, 0, 0, 1];
    frame.extend(std::iter::repeat_n(0xff, payload));
    frame
}

#[test]
fn floods_are_noticed_however_they_are_cut() {
    for (kind, payload) in [(6, 8), (4, 0), (3, 4), (8, 4), (2, 5), (0, 0), (9, 0), (42, 3)] {
        for size in [1, 7, 9, 4096] {
            let (mut meter, _) = meter();
            let flood: Vec<u8> = frame(kind, payload).repeat(MAX_USELESS_FRAMES + 1);
            let noticed = flood.chunks(size).any(|chunk| meter.count(chunk, |_| true).is_err());
            assert!(noticed, "frame {kind} in pieces of {size}");
        }
    }
}

#[test]
fn requests_that_are_reset_are_a_flood() {
    let (mut meter, _) = meter();
    let reset = [frame(HEADERS, 40), frame(RST_STREAM, 4)].concat();
    let noticed = (0..=MAX_USELESS_FRAMES).position(|_| meter.count(&reset, |_| true).is_err());
    assert_eq!(noticed, Some(MAX_USELESS_FRAMES));
}

#[test]
fn requests_are_no_flood() {
    let (mut meter, _) = meter();
    for _ in 0..10 * MAX_USELESS_FRAMES {
        meter.count(&frame(HEADERS, 40), |_| true).expect("a request");
        meter.count(&frame(DATA, 7), |_| true).expect("its body");
        meter.count(&frame(DATA, 0), |_| true).expect("its end");
        meter.count(&frame(8, 4), |_| true).expect("a window update for the answer");
    }
}

#[test]
fn a_steady_trickle_is_no_flood() {
    let (mut meter, deadlines) = meter();
    for _ in 0..20 * FRAME_WINDOW_TICKS {
        for _ in 0..5 {
            meter.count(&frame(6, 8), |_| true).expect("50 pings a second");
        }
        deadlines.sweep();
    }
}

#[test]
fn what_is_incomplete_is_known_however_it_is_cut() {
    let part = |kind: u8, flags: u8| {
        let mut frame = frame(kind, 20);
        frame[4] = flags;
        frame
    };
    let block = [part(HEADERS, 0), part(CONTINUATION, 0), part(CONTINUATION, END_HEADERS)].concat();
    let all = [part(HEADERS, END_HEADERS), block].concat();
    for size in 1..=all.len() {
        let (mut meter, _) = meter();
        assert_eq!(meter.incomplete(), None);
        let mut end = 0;
        for chunk in all.chunks(size) {
            meter.count(chunk, |_| true).expect("no flood");
            end += chunk.len();
            let bytes = (end - 1) % 29 + 1;
            let expected = (end != 29 && end != all.len()).then_some((bytes, end >= 58));
            let found = meter.incomplete().map(|found| (found.bytes, found.head));
            assert_eq!(found, expected, "{end} bytes in pieces of {size}");
        }
    }
}

#[test]
fn heads_are_requests_but_trailers_and_early_ones() {
    let (mut meter, _) = meter();
    let head = |stream: u32| {
        let mut frame = frame(HEADERS, 3);
        frame[4] = END_HEADERS;
        frame[5..9].copy_from_slice(&stream.to_be_bytes());
        frame
    };
    let mut requests = Vec::new();
    let mut count = |bytes: Vec<u8>| {
        meter.count(&bytes, |frame| {
            requests.push(frame == Admission::Request);
            true
        })
    };
    count(head(1)).expect("before the settings are known");
    count(vec![0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]).expect("an acknowledgement");
    // The highest bit is reserved, and no part of the number.
    for bytes in [head(3), head(0x8000_0005), head(7), head(3)] {
        count(bytes).expect("no flood");
    }
    assert_eq!(requests, [false, true, true, true, false]);
}

#[test]
fn a_frame_is_incomplete_since_its_first_byte() {
    let (mut meter, deadlines) = meter();
    let ping = frame(6, 8);
    meter.count(&ping[..3], |_| true).expect("no flood");
    deadlines.sweep();
    meter.count(&ping[3..10], |_| true).expect("no flood");
    assert_eq!(meter.incomplete().map(|found| found.since), Some(0));
    meter.count(&[&ping[10..], &ping[..1]].concat(), |_| true).expect("no flood");
    assert_eq!(meter.incomplete().map(|found| found.since), Some(1));
}

#[test]
fn a_head_that_is_not_admitted_waits_behind_its_frame_header() {
    let (mut meter, _) = meter();
    let both = [frame(HEADERS, 40), frame(DATA, 7), frame(HEADERS, 30), frame(DATA, 7)].concat();
    let mut admitted = 0;
    let mut once = |frame| {
        admitted += usize::from(frame != Admission::Data);
        admitted <= 1
    };
    let taken = meter.count(&both, &mut once).expect("no flood");
    assert_eq!(taken, 49 + 16 + 9);
    assert_eq!(meter.count(&both[taken..], |frame| frame == Admission::Data).expect("no flood"), 30 + 16);
}
