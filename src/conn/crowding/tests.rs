//! The order in which connections are closed, their graces, and demands for a permit.

use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_demand_that_was_given_up_does_not_come_back() {
    let demand = PermitDemand::default();
    demand.set(Pressure { urgent: true, served_too: false });
    demand.meet(|pressure| {
        assert_eq!(pressure, Pressure { urgent: true, served_too: false });
        // Meanwhile a permit came free elsewhere.
        demand.clear();
        false
    });
    demand.meet(|_| panic!("nobody waits"));
    demand.set(Pressure { urgent: false, served_too: true });
    demand.meet(|_| false);
    let mut asked = 0;
    demand.meet(|pressure| {
        assert_eq!(pressure, Pressure { urgent: false, served_too: true });
        asked += 1;
        true
    });
    assert!(!demand.stands());
    demand.meet(|_| panic!("it was met"));
    assert_eq!(asked, 1, "what was not met still stands");
}

#[test]
fn a_step_counts_once() {
    let progress = Progress::new(ms(0));
    progress.reach(Step::Begun, || ms(10));
    progress.reach(Step::Begun, || panic!("it was taken"));
    progress.reach(Step::Secured, || ms(20));
    progress.reach(Step::Greeted, || panic!("a later one was taken"));
    let claim = |now| (progress.claim(ms(now)).claim, progress.claim(ms(now)).idle);
    assert_eq!(claim(25), (Claim::Underway, ms(5)));
    assert_eq!(claim(1020), (Claim::Stale, ms(1000)));
}

#[test]
fn those_that_sit_there_go_first_and_those_that_were_served_last() {
    let at = |step, since| {
        let progress = Progress::new(ms(0));
        progress.reach(step, || ms(since));
        progress.claim(ms(2000))
    };
    let mut order = [
        at(Step::Requested, 900),
        Idleness::served(ms(5000)),
        at(Step::Accepted, 0),
        at(Step::Begun, 1500),
        at(Step::Secured, 1600),
        at(Step::Greeted, 1500),
        Progress::new(ms(1999)).claim(ms(2000)),
        Idleness::served(ms(300)),
        Idleness::served(ms(400)),
    ];
    order.sort_by(|a, b| b.cmp(a));
    assert_eq!(
        order.map(|idleness| (idleness.claim, idleness.idle)),
        [
            (Claim::Stale, ms(2000)),
            (Claim::Stale, ms(1100)),
            (Claim::Silent, ms(1)),
            (Claim::Begun, ms(500)),
            (Claim::ServedLongAgo, ms(5000)),
            (Claim::Underway, ms(500)),
            (Claim::Underway, ms(400)),
            (Claim::Served, ms(400)),
            (Claim::Served, ms(300)),
        ]
    );
}

const PATIENT: Pressure = Pressure { urgent: false, served_too: false };
const URGENT: Pressure = Pressure { urgent: true, served_too: false };
const LAST: Pressure = Pressure { urgent: true, served_too: true };

/// A connection that took its last step so long ago.
fn after(step: Step, idle: u64) -> Idleness {
    let progress = Progress::new(ms(0));
    progress.reach(step, || ms(0));
    progress.claim(ms(idle))
}

#[test]
fn grace_is_for_those_that_may_be_about_to_be_served() {
    let kept = |pressure: Pressure, step, idle, unserved| {
        pressure.choose(vec![(after(step, idle), 0)], 1, unserved).is_empty()
    };
    for (step, grace) in [(Step::Accepted, 100), (Step::Begun, 100), (Step::Secured, 200), (Step::Requested, 100)] {
        assert!(kept(PATIENT, step, grace - 1, 100) && !kept(PATIENT, step, grace, 100), "{step:?}");
    }
    for (step, unserved, grace) in
        [(Step::Greeted, 10_000, 200), (Step::Secured, 20, 40), (Step::Requested, 10_000, 50), (Step::Requested, 4, 2)]
    {
        assert!(kept(URGENT, step, grace - 1, unserved) && !kept(URGENT, step, grace, unserved), "{step:?}");
    }
    assert!(!kept(URGENT, Step::Accepted, 0, 100) && !kept(URGENT, Step::Begun, 0, 100));
}

#[test]
fn one_in_its_grace_is_not_replaced_by_one_with_more_to_show() {
    let idle = vec![(after(Step::Accepted, 99), 0), (after(Step::Greeted, 200), 1), (Idleness::served(ms(900)), 2)];
    assert!(PATIENT.choose(idle.clone(), 1, 2).is_empty());
    assert_eq!(URGENT.choose(idle.clone(), 1, 2), [0]);
    assert_eq!(URGENT.choose(idle.clone(), 9, 2), [0, 1]);
    assert_eq!(URGENT.choose(idle[1..].to_vec(), 1, 2), [1]);
}

#[test]
fn those_that_were_served_stay_while_any_worker_has_one_that_was_not() {
    let served = vec![(Idleness::served(ms(500)), 0), (Idleness::served(ms(600)), 1)];
    assert!(URGENT.choose(served.clone(), 1, 1).is_empty());
    assert_eq!(PATIENT.choose(served.clone(), 1, 0), [1]);
    assert_eq!(LAST.choose(served, 1, 1), [1], "unless that one cannot be closed");
    assert_eq!(URGENT.choose(vec![(Idleness::served(ms(1000)), 0)], 1, 1), [0], "or they have been idle for long");
}
