//! Deadlines, drains and the choice of a connection, with a clock that the test moves.

use std::task::Context;

use super::overdue::{CROWDED_IDLE, DRAIN_IDLE};
use super::*;
use crate::conn::activity::state::AWAKE;
use crate::conn::crowding::CROWDED_GRACE;

const URGENT: Pressure = Pressure { urgent: true, served_too: false };
const LAST: Pressure = Pressure { urgent: true, served_too: true };

fn deadlines() -> Rc<Deadlines> {
    let seconds = |s| Some(Duration::from_secs(s));
    let timeouts = Timeouts { read: seconds(5), write: seconds(3), idle: seconds(75) };
    Rc::new(Deadlines::new(&timeouts, Arc::default()))
}

/// A connection as the accept loop hands it over.
fn accept(deadlines: &Rc<Deadlines>) -> ActivityGuard {
    deadlines.lifecycle.demand.add_unserved();
    deadlines.watch_connection()
}

/// Sweeps until a directive is given, and says which and after how many ticks.
fn directive_after(deadlines: &Deadlines, activity: &Activity, most: u32) -> Option<(Directive, u32)> {
    (1..=most).find_map(|tick| {
        deadlines.sweep();
        activity.take_directive().map(|directive| (directive, tick))
    })
}

#[test]
fn a_silent_connection_is_closed_after_the_read_timeout() {
    let deadlines = deadlines();
    let guard = accept(&deadlines);
    assert_eq!(directive_after(&deadlines, guard.activity(), 60), Some((Directive::Close, 51)));
}

#[test]
fn a_dripped_head_does_not_move_its_deadline() {
    let deadlines = deadlines();
    let guard = accept(&deadlines);
    for _ in 0..30 {
        guard.activity().received();
        deadlines.sweep();
    }
    assert_eq!(directive_after(&deadlines, guard.activity(), 60), Some((Directive::Close, 21)));
}

#[test]
fn an_idle_connection_sleeps_then_is_closed() {
    let deadlines = deadlines();
    let guard = accept(&deadlines);
    let activity = guard.activity();
    let serve = || {
        activity.received();
        activity.wake();
        activity.begin_request();
        activity.end_body();
        activity.end_request();
        activity.written();
    };
    serve();
    assert!(activity.may_sleep(), "one request wakes it briefly");
    activity.fall_asleep();
    serve();
    assert!(!activity.may_sleep(), "another at once wakes it for longer");
    assert_eq!(directive_after(&deadlines, activity, 10), Some((Directive::Sleep, AWAKE)));
    assert!(activity.may_sleep());
    activity.fall_asleep();
    assert_eq!(directive_after(&deadlines, activity, 800), Some((Directive::Close, 751 - AWAKE)));
}

#[test]
fn a_peer_that_does_not_read_is_closed() {
    let deadlines = deadlines();
    let guard = accept(&deadlines);
    guard.activity().received();
    guard.activity().begin_request();
    guard.activity().blocked();
    guard.activity().blocked();
    assert_eq!(directive_after(&deadlines, guard.activity(), 60), Some((Directive::Close, 31)));
}

#[test]
fn http2_is_told_to_go_away_then_closed() {
    let deadlines = deadlines();
    let guard = accept(&deadlines);
    guard.activity().multiplex();
    guard.activity().begin_request();
    assert_eq!(directive_after(&deadlines, guard.activity(), 800), None);
    guard.activity().end_request();
    assert_eq!(directive_after(&deadlines, guard.activity(), 800), Some((Directive::GoAway, 751)));
    assert_eq!(directive_after(&deadlines, guard.activity(), 800), Some((Directive::Close, 31)));
}

#[test]
fn draining_gives_idle_connections_two_seconds() {
    let deadlines = deadlines();
    let guard = accept(&deadlines);
    let activity = guard.activity();
    activity.received();
    activity.begin_request();
    activity.end_request();
    activity.written();
    deadlines.drain();
    assert_eq!(directive_after(&deadlines, activity, 60), Some((Directive::Close, DRAIN_IDLE)));
}

#[test]
fn a_crowd_shortens_idleness() {
    let lifecycle = Arc::new(Lifecycle::default());
    lifecycle.crowded.store(true, Ordering::Relaxed);
    let timeouts = Timeouts { read: None, write: None, idle: Some(Duration::from_secs(75)) };
    let deadlines = Rc::new(Deadlines::new(&timeouts, lifecycle));
    let guard = accept(&deadlines);
    guard.activity().received();
    guard.activity().begin_request();
    guard.activity().end_request();
    guard.activity().written();
    assert_eq!(directive_after(&deadlines, guard.activity(), 60), Some((Directive::Close, CROWDED_IDLE)));
}

/// A connection whose task has waited, after `prepare`.
fn connection(deadlines: &Rc<Deadlines>, prepare: impl FnOnce(&Activity)) -> ActivityGuard {
    let guard = accept(deadlines);
    prepare(guard.activity());
    assert_eq!(guard.activity().directive(&Context::from_waker(std::task::Waker::noop())), None);
    guard
}

fn serve(activity: &Activity) {
    activity.received();
    activity.begin_request();
    activity.end_body();
    activity.note_served();
    activity.end_request();
    activity.written();
}

#[test]
fn those_that_sent_nothing_useful_for_longest_are_closed_first() {
    let deadlines = deadlines();
    let long_served = connection(&deadlines, serve);
    deadlines.sweep();
    let long_silent = connection(&deadlines, |_| {});
    deadlines.sweep();
    let just_silent = connection(&deadlines, Activity::received);
    let just_served = connection(&deadlines, serve);
    let answering = connection(&deadlines, |activity| {
        activity.received();
        activity.begin_request();
        activity.end_body();
    });
    let unread = accept(&deadlines);
    let mut all = [long_served, long_silent, just_silent, just_served, answering, unread].map(Some);
    // Which one is closed, if the demand is so pressing.
    let mut closed = |pressure| {
        let met = deadlines.close_least_useful(pressure);
        let told =
            |guard: &Option<ActivityGuard>| guard.as_ref().is_some_and(|g| g.activity().take_directive().is_some());
        let closed = all.iter().position(told);
        if let Some(closed) = closed {
            assert!(deadlines.close_least_useful(pressure), "its permit comes free first");
            assert_eq!(all.iter().position(told), None);
            all[closed] = None;
        }
        assert_eq!(met, closed.is_some());
        closed
    };
    assert_eq!([closed(URGENT), closed(URGENT), closed(URGENT)], [Some(1), Some(2), None]);
    assert_eq!([closed(LAST), closed(LAST), closed(LAST)], [Some(0), Some(3), None]);
}

#[test]
fn a_connection_has_a_grace_while_the_demand_is_not_urgent() {
    let deadlines = deadlines();
    let guard = connection(&deadlines, |_| {});
    let demand = &deadlines.lifecycle.demand;
    demand.set(Pressure::default());
    deadlines.clock.pass(CROWDED_GRACE - Duration::from_micros(1));
    deadlines.make_space();
    assert_eq!(guard.activity().take_directive(), None);
    deadlines.clock.pass(Duration::from_micros(1));
    assert!(deadlines.is_space_demanded(), "what was not met still stands");
    deadlines.make_space();
    assert_eq!(guard.activity().take_directive(), Some(Directive::Close));
    drop(guard);
    let late = connection(&deadlines, |_| {});
    deadlines.make_space();
    assert_eq!(late.activity().take_directive(), None, "the demand was met");
    demand.set(URGENT);
    deadlines.make_space();
    assert_eq!(late.activity().take_directive(), Some(Directive::Close));
}

#[test]
fn a_connection_that_ends_meets_the_demand() {
    let deadlines = deadlines();
    let (useful, ends) = (connection(&deadlines, serve), connection(&deadlines, |_| {}));
    deadlines.lifecycle.demand.set(LAST);
    drop(ends);
    deadlines.make_space();
    assert_eq!(useful.activity().take_directive(), None);
}

#[test]
fn those_that_were_not_served_are_counted() {
    let deadlines = deadlines();
    let counts = || (deadlines.lifecycle.demand.unserved(), deadlines.giving_way.get());
    let served = connection(&deadlines, serve);
    let silent = connection(&deadlines, |_| {});
    serve(served.activity());
    assert_eq!(counts(), (1, 0));
    assert!(deadlines.close_least_useful(URGENT));
    assert_eq!(counts(), (1, 1));
    drop((served, silent));
    assert_eq!(counts(), (0, 0));
}

#[test]
fn a_connection_that_is_to_close_is_not_told_otherwise() {
    let deadlines = deadlines();
    let guard = connection(&deadlines, Activity::multiplex);
    assert!(deadlines.close_least_useful(URGENT));
    deadlines.drain();
    assert_eq!(guard.activity().take_directive(), Some(Directive::Close));
}

#[test]
fn http2_that_begins_in_a_shutdown_is_told_to_go_away() {
    let deadlines = deadlines();
    let guard = accept(&deadlines);
    deadlines.drain();
    guard.activity().multiplex();
    assert_eq!(guard.activity().take_directive(), Some(Directive::GoAway));
}

#[test]
fn a_peer_that_takes_no_answer_is_closed_for_others() {
    let deadlines = deadlines();
    let guard = connection(&deadlines, |activity| {
        activity.received();
        activity.begin_request();
        activity.end_body();
        activity.blocked();
    });
    deadlines.clock.pass(CROWDED_GRACE);
    assert!(deadlines.close_least_useful(URGENT));
    assert_eq!(guard.activity().take_directive(), Some(Directive::Close));
}

#[test]
fn an_answer_that_is_taken_late_does_not_end_the_next_request() {
    let deadlines = deadlines();
    let guard = accept(&deadlines);
    let activity = guard.activity();
    activity.received();
    activity.wake();
    activity.begin_request();
    activity.end_body();
    activity.end_request();
    activity.blocked();
    // hyper reads the next head before the answer is out.
    activity.begin_request();
    activity.written();
    activity.flushed();
    activity.end_body();
    assert!(!activity.may_sleep(), "a request is being handled");
    deadlines.drain();
    assert_eq!(directive_after(&deadlines, activity, 60), None);
    activity.end_request();
    activity.written();
    assert!(activity.may_sleep());
}
