//! Which request is refused for others, and when memory is free again.

use super::*;
use std::task::Waker;

const BODY: usize = 1024 * 1024;

fn refused(holding: &Holding) -> bool {
    holding.is_refused(&Context::from_waker(Waker::noop()))
}

/// The tasks of refused requests run.
fn leave(holdings: &mut Vec<Holding>) -> usize {
    let before = holdings.len();
    holdings.retain(|holding| !refused(holding));
    before - holdings.len()
}

fn share() -> Rc<ConnectionShare> {
    Rc::default()
}

#[test]
fn the_oldest_request_makes_space_for_the_newest() {
    let budget = Budget::new(BODY, 1);
    let fit = PROCESS_TOTAL / BODY;
    let mut left = 0;
    let mut holdings = Vec::new();
    for _ in 0..fit + 16 {
        let holding = budget.hold(&share(), 100).expect("older ones make space");
        holding.append(&vec![b'x'; BODY], BODY).expect("older ones make space");
        assert!(budget.0.held.get() <= PROCESS_TOTAL);
        assert!(!refused(&holding));
        holdings.push(holding);
        left += leave(&mut holdings);
    }
    assert!((16..=20).contains(&left), "{left} refused");
    drop(holdings);
    assert_eq!((budget.0.held.get(), budget.0.leaving.get()), (0, 0));
    assert!(budget.0.unfinished.borrow().is_empty());
}

#[test]
fn what_goes_on_to_come_outlives_what_lies() {
    let budget = Budget::new(BODY, 1);
    let slow = budget.hold(&share(), 100).expect("space");
    let lies = budget.hold(&share(), 100).expect("space");
    let mut crowd = Vec::new();
    for i in 0..4 * PROCESS_TOTAL / REQUEST_OVERHEAD {
        crowd.push(budget.hold(&share(), 100).expect("older ones make space"));
        if i.is_multiple_of(1000) {
            slow.append(&[b'x'; PROGRESS / 4], BODY).expect("not refused");
            leave(&mut crowd);
        }
    }
    assert!(refused(&lies) && !refused(&slow));
}

#[test]
fn a_partial_frame_is_not_in_the_share_of_its_connection() {
    let budget = Budget::new(BODY, 1);
    let greedy = share();
    let partial = budget.hold_partial_frame(&greedy, 8000).expect("space");
    let uploads: Vec<Holding> = (0..4)
        .map(|_| {
            let holding = budget.hold(&greedy, 0).expect("space");
            holding.append(&vec![b'x'; BODY - 1], BODY).expect("space");
            holding
        })
        .collect();
    assert!(uploads.iter().any(refused) && !refused(&partial));
    partial.resize_partial_frame(16_000).expect("space");
    drop(uploads);
    assert_eq!((greedy.held.get(), budget.0.held.get()), (0, 16_000));
}

#[test]
fn a_share_that_nothing_can_leave_takes_no_more() {
    let budget = Budget::new(BODY, 1);
    let greedy = share();
    let whole: Vec<Holding> = (0..2)
        .map(|_| {
            let holding = budget.hold(&greedy, 0).expect("space");
            holding.append(&vec![b'x'; BODY], BODY).expect("space");
            holding.finish().expect("not refused");
            holding
        })
        .collect();
    let third = budget.hold(&greedy, 0).expect("space for a head");
    assert!(third.append(&vec![b'x'; BODY], BODY).is_err());
    assert_eq!(whole.len(), 2);
}

#[test]
fn newcomers_are_refused_until_the_tasks_of_others_have_run() {
    let budget = Budget::new(BODY, 1);
    let mut holdings = Vec::new();
    let refusals = (0..4 * PROCESS_TOTAL / REQUEST_OVERHEAD)
        .filter(|_| budget.hold(&share(), 0).map(|holding| holdings.push(holding)).is_err())
        .count();
    let all = budget.0.held.get() + budget.0.leaving.get();
    assert!(all <= PROCESS_TOTAL + PROCESS_TOTAL / LEAVING_PART + REQUEST_OVERHEAD, "{all} bytes");
    assert!(refusals > 0);
    leave(&mut holdings);
    budget.hold(&share(), 0).expect("space again");
}

#[test]
fn a_connection_over_its_share_makes_space_itself() {
    let budget = Budget::new(BODY, 1);
    let neighbour = budget.hold(&share(), 100).expect("space");
    let greedy = share();
    let holdings: Vec<Holding> = (0..10)
        .map(|_| {
            let holding = budget.hold(&greedy, 0).expect("space");
            holding.append(&vec![b'x'; BODY / 2], BODY).expect("space");
            assert!(greedy.held.get() <= CONNECTION_EXTRA + 2 * BODY);
            holding
        })
        .collect();
    assert_eq!(holdings.iter().filter(|holding| !refused(holding)).count(), 4);
    assert!(!refused(&neighbour));
}

#[test]
fn a_request_that_came_whole_is_not_refused_and_still_counts() {
    let budget = Budget::new(BODY, 1);
    let whole: Vec<Holding> = (0..PROCESS_TOTAL / BODY - 1)
        .map(|_| {
            let holding = budget.hold(&share(), 0).expect("space");
            holding.append(&vec![b'x'; BODY], BODY).expect("space");
            assert_eq!(holding.finish().expect("not refused").len(), BODY);
            holding
        })
        .collect();
    let late = budget.hold(&share(), 0).expect("space for a head");
    assert!(late.append(&vec![b'x'; BODY], BODY).is_err(), "nobody can make space");
    assert!(whole.iter().all(|holding| !refused(holding)));
    drop(whole);
    drop(late);
    assert_eq!(budget.0.held.get(), 0);
}

#[test]
fn unfinished_heads_count_too() {
    let budget = Budget::new(BODY, 1);
    let shares: Vec<_> = (0..600).map(|_| share()).collect();
    let mut holdings = Vec::new();
    for i in 0..64 * 600 {
        holdings.push((i, budget.hold(&shares[i % 600], 100 * 110).expect("older ones make space")));
        if i.is_multiple_of(100) {
            holdings.retain(|(_, holding)| !refused(holding));
        }
    }
    holdings.retain(|(_, holding)| !refused(holding));
    assert!(budget.0.held.get() <= PROCESS_TOTAL);
    assert_eq!(holdings.last().map(|(i, _)| *i), Some(64 * 600 - 1));
    assert_eq!(holdings.len(), PROCESS_TOTAL / (100 * 110 + REQUEST_OVERHEAD));
}

/// Adds a piece to the upload of `connection`, or begins it again if it was refused or is whole.
fn go_on(budget: &Budget, upload: &mut Option<Holding>, piece: usize, whole: usize) -> bool {
    let current = upload.take_if(|holding| !refused(holding) && holding.look(<[u8]>::len) < whole);
    let was_refused = upload.take().is_some_and(|holding| refused(&holding));
    let holding = current.unwrap_or_else(|| budget.hold(&share(), 100).expect("others make space"));
    if holding.append(&vec![b'x'; piece], BODY).is_ok() {
        *upload = Some(holding);
    }
    was_refused
}

#[test]
fn a_slow_upload_survives_a_crowd_of_fast_large_ones() {
    let budget = Budget::new(BODY, 1);
    let mut crowd: Vec<Option<Holding>> = (0..60).map(|_| None).collect();
    let mut slow = None;
    let mut crowd_refused = 0;
    for _ in 0..600 {
        assert!(!go_on(&budget, &mut slow, PROGRESS, 60 * PROGRESS), "{crowd_refused} of the crowd refused");
        // Each of them progresses eight times as fast.
        for upload in &mut crowd {
            crowd_refused += usize::from(go_on(&budget, upload, 8 * PROGRESS, BODY));
        }
    }
    assert!(crowd_refused > 0);
}

#[test]
fn a_large_upload_that_pauses_survives_a_crowd_of_small_ones() {
    let budget = Budget::new(BODY, 1);
    let mut crowd: Vec<Option<Holding>> = (0..2400).map(|_| None).collect();
    let (mut large, mut crowd_refused) = (None, 0);
    for round in 0..80 {
        // In each fourth round all others progress, and it does not.
        if round % 4 != 3 {
            assert!(!go_on(&budget, &mut large, BODY / 8, BODY), "round {round}");
        }
        for upload in &mut crowd {
            crowd_refused += usize::from(go_on(&budget, upload, PROGRESS, 24 * PROGRESS));
        }
    }
    assert!(crowd_refused > 0);
}

#[test]
fn what_has_been_idle_for_long_goes_before_what_fills_the_memory() {
    let budget = Budget::new(BODY, 1);
    let lies = budget.hold(&share(), 100).expect("space");
    let large = budget.hold(&share(), 100).expect("space");
    large.append(&vec![b'x'; BODY], BODY).expect("space");
    let newcomer = budget.hold(&share(), 100).expect("space");
    let chosen = |now| budget.0.unfinished.borrow().choose(&newcomer.entry, now).map(|entry| entry.number.get());
    let now = Instant::now();
    assert_eq!(chosen(now), Some(large.entry.number.get()));
    assert_eq!(chosen(now + candidates::STALE), Some(lies.entry.number.get()));
}

#[test]
fn one_that_fills_the_memory_alone_is_refused_itself() {
    let budget = Budget::new(BODY, 1);
    let whole: Vec<Holding> = (0..PROCESS_TOTAL / BODY - 1)
        .map(|_| {
            let holding = budget.hold(&share(), 0).expect("space");
            holding.append(&vec![b'x'; BODY], BODY).expect("space");
            holding.finish().expect("not refused");
            holding
        })
        .collect();
    let small = budget.hold(&share(), 100).expect("space");
    let large = budget.hold(&share(), 100).expect("space");
    assert!(large.append(&vec![b'x'; BODY], BODY).is_err());
    assert!(!refused(&small));
    drop(whole);
}

#[test]
fn whole_bodies_that_wait_leave_a_quarter_to_others() {
    let budget = Budget::new(BODY, 1);
    let mut waiting = Vec::new();
    let refused_one = loop {
        let holding = budget.hold(&share(), 0).expect("space");
        holding.append(&vec![b'x'; BODY], BODY).expect("space");
        holding.finish().expect("not refused");
        if holding.wait().is_err() {
            break holding;
        }
        waiting.push(holding);
    };
    // One less than a quarter: each holds more than its body.
    assert_eq!(waiting.len(), 3 * PROCESS_TOTAL / BODY / UNFINISHED_PART - 1);
    waiting.pop();
    refused_one.wait().expect("another one is gone");
}
