//! Logs delivery problems: one summary line per 10 s for the whole process, and the end of an outage.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::libc;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

/// The shortest time between two warnings.
const WARNING_PERIOD: Duration = Duration::from_secs(10);

/// How long nothing must go wrong after a datagram was sent for StatsD to be called back. A Linux host answers one sender
/// with one ICMP message a second (`net.ipv4.icmp_ratelimit`), so that two must have been due.
pub(crate) const QUIET: Duration = Duration::from_secs(3);

/// One kind of what goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// Metrics that the daemon's host refused.
    Refused,
    /// Metrics dropped, since the queue was full.
    QueueFull,
    /// Metrics dropped at the end of a shutdown.
    NoTimeLeft,
    /// Metrics dropped, since StatsD's name has no address.
    Unresolved,
    /// Metrics dropped after an error of the operating system.
    Failed(i32),
    /// Metrics that were under way when a connection ended, or unread in a socket that was closed.
    MaybeLost,
    /// Connections that the daemon has closed.
    Closed,
    /// Connections that broke.
    Broken(i32),
    /// Attempts to send that failed. The metrics wait.
    Attempt(i32),
}

impl Trouble {
    /// Whether it says that StatsD cannot be reached, and not that a queue is full, a datagram too long, or time is up.
    fn is_outage(self) -> bool {
        match self {
            Self::Refused | Self::Unresolved | Self::Attempt(_) | Self::Closed | Self::Broken(_) => true,
            Self::Failed(errno) => errno != libc::EMSGSIZE,
            Self::QueueFull | Self::NoTimeLeft | Self::MaybeLost => false,
        }
    }

    /// The error of the operating system, if there is one.
    pub(crate) fn errno(self) -> Option<i32> {
        match self {
            Self::Failed(errno) | Self::Attempt(errno) | Self::Broken(errno) => Some(errno),
            _ => None,
        }
    }

    /// Whether a line about `other` tells the reason of this one too.
    fn is_told_by(self, other: Self) -> bool {
        self == other || self.errno().is_some_and(|errno| other.errno() == Some(errno))
    }
}

/// How many times, and what.
struct Sum(u64, Trouble);

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, trouble) = self;
        match trouble {
            Trouble::Refused => write!(f, "{count} metrics refused (nothing listens on that port: is StatsD running?)"),
            Trouble::QueueFull => write!(f, "{count} metrics dropped (the queue is full)"),
            Trouble::NoTimeLeft => write!(f, "{count} metrics dropped (there was no time left to send them)"),
            Trouble::Unresolved => write!(f, "{count} metrics dropped (its name does not resolve)"),
            Trouble::MaybeLost => write!(f, "{count} metrics maybe lost (they were under way)"),
            Trouble::Closed => write!(f, "{count} connections closed by StatsD"),
            Trouble::Broken(errno) => write!(f, "{count} connections broken ({})", Reason(*errno)),
            Trouble::Failed(errno) => write!(f, "{count} metrics dropped ({})", Reason(*errno)),
            Trouble::Attempt(errno) => write!(f, "{count} attempts failed ({})", Reason(*errno)),
        }
    }
}

/// An error of the operating system, and what can be done about it.
struct Reason(i32);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", io::Error::from_raw_os_error(self.0))?;
        f.write_str(match self.0 {
            libc::EMSGSIZE => ": lower --statsd-packet-size",
            libc::EPERM => ": does a firewall on this host forbid it?",
            libc::ENETUNREACH | libc::EHOSTUNREACH => ": check the address and the routes to it",
            libc::EACCES | libc::EINVAL => ": is that the address of a host, or a socket that this user may write to?",
            libc::ECONNREFUSED | libc::ENOENT => ": is StatsD running?",
            libc::EPROTOTYPE => ": unix:// is for datagrams, unix-stream:// for connections",
            libc::EAGAIN => ": StatsD accepts no more connections",
            libc::EMFILE | libc::ENFILE => ": raise the limit on open files",
            _ => "",
        })
    }
}

/// Counts of several kinds. There are as many at most as the kernel has error codes, twice.
#[derive(Debug, Default)]
struct Sums(Vec<(Trouble, u64)>);

impl Sums {
    fn add(&mut self, trouble: Trouble, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == trouble) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((trouble, count)),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (trouble, count)) in self.0.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { ", " }, Sum(*count, *trouble))?;
        }
        Ok(())
    }
}

/// A time in which StatsD could not be reached.
#[derive(Debug)]
struct Away {
    since: Instant,
    /// All that went wrong in it.
    sums: Sums,
    /// Whether a warning told of it.
    told: bool,
    /// When a datagram was sent for the first time after the last thing that went wrong.
    sent: Option<Instant>,
}

/// A line to log.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Line {
    Warning(String),
    Back(String),
}

#[derive(Debug, Default)]
struct State {
    warned: Option<Instant>,
    untold: Sums,
    /// The kinds that a warning has named.
    named: Vec<Trouble>,
    away: Option<Away>,
}

impl State {
    /// Notes that something went wrong, and gives the warning if it is time for one.
    fn note(&mut self, now: Instant, trouble: Trouble, count: u64) -> Option<Line> {
        self.untold.add(trouble, count);
        if trouble.is_outage() && self.away.is_none() {
            self.away = Some(Away { since: now, sums: Sums::default(), told: false, sent: None });
        }
        if let Some(away) = &mut self.away {
            away.sums.add(trouble, count);
            if trouble.is_outage() {
                away.sent = None;
            }
        }
        self.warning(now)
    }

    /// Notes that a datagram was sent.
    fn sent(&mut self, now: Instant) {
        if let Some(away) = &mut self.away {
            away.sent.get_or_insert(now);
        }
    }

    /// The sum of what no warning has told yet, if it is time.
    fn warning(&mut self, now: Instant) -> Option<Line> {
        if self.untold.is_empty() || self.warned.is_some_and(|warned| now < warned + WARNING_PERIOD) {
            return None;
        }
        self.warned = Some(now);
        if let Some(away) = &mut self.away {
            away.told = true;
        }
        Some(self.tell())
    }

    fn tell(&mut self) -> Line {
        let untold = std::mem::take(&mut self.untold);
        for (trouble, _) in &untold.0 {
            if !self.named.contains(trouble) {
                self.named.push(*trouble);
            }
        }
        Line::Warning(untold.to_string())
    }

    /// That StatsD is back, if it is and a warning told that it was away.
    fn back(&mut self, now: Instant) -> Option<Line> {
        let away = self.away.take_if(|away| away.told && away.sent.is_some_and(|sent| now >= sent + QUIET))?;
        // All that is untold is in the sums of the outage.
        self.untold = Sums::default();
        let time = away.sent.unwrap_or(now).duration_since(away.since);
        Some(Line::Back(format!("is back after {:.1} s, with {}", time.as_secs_f64(), away.sums)))
    }

    /// When there may be something to tell without anything happening.
    fn due(&self) -> Option<Instant> {
        let warning = self.warned.filter(|_| !self.untold.is_empty()).map(|warned| warned + WARNING_PERIOD);
        let back = self.away.as_ref().filter(|away| away.told).and_then(|away| Some(away.sent? + QUIET));
        match (warning, back) {
            (Some(warning), Some(back)) => Some(warning.min(back)),
            (warning, back) => warning.or(back),
        }
    }

    /// What is left at the end and has a reason that no warning named; the counts are in the last line anyway.
    fn last(&mut self) -> Option<Line> {
        let named = |trouble: &Trouble| self.named.iter().any(|named| trouble.is_told_by(*named));
        let new = self.untold.0.iter().any(|(trouble, _)| !named(trouble));
        new.then(|| self.tell())
    }
}

/// What goes wrong towards StatsD, of all workers together.
#[derive(Debug)]
pub(crate) struct Outage {
    /// StatsD as the command line names it.
    name: String,
    /// Tells the resolver that sending failed.
    pub failed: Notify,
    state: Mutex<State>,
    /// Whether StatsD is away, for those who send.
    away: AtomicBool,
    /// Wakes [`Outage::report`] when its next line may be due earlier than it knew.
    earlier: Notify,
}

impl Outage {
    /// Nothing has gone wrong yet towards the StatsD that the command line calls `name`.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            failed: Notify::new(),
            state: Mutex::default(),
            away: AtomicBool::new(false),
            earlier: Notify::new(),
        }
    }

    /// Notes that something went wrong `count` times, with a warning if none was logged in the last 10 s.
    pub(crate) fn note(&self, trouble: Trouble, count: u64) {
        if trouble.is_outage() {
            self.failed.notify_one();
        }
        self.change(|state, now| state.note(now, trouble, count));
    }

    /// Notes that a datagram was sent. Costs the load of a flag while all is well.
    pub(crate) fn sent(&self) {
        if self.away.load(Ordering::Relaxed) {
            self.change(|state, now| {
                state.sent(now);
                None
            });
        }
    }

    /// Whether StatsD is away.
    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Logs sums and the end of an outage when they are due, for ever.
    pub(crate) async fn report(&self) {
        loop {
            let due = self.state().due();
            match due {
                Some(due) => tokio::select! {
                    () = sleep_until(due) => {
                        self.change(State::warning);
                        self.change(State::back);
                    }
                    () = self.earlier.notified() => {}
                },
                None => self.earlier.notified().await,
            }
        }
    }

    /// Logs what is left to tell at the end of the process.
    pub(crate) fn finish(&self) {
        self.change(|state, _| state.last());
    }

    fn change(&self, change: impl FnOnce(&mut State, Instant) -> Option<Line>) {
        let line = {
            let mut state = self.state();
            let due = state.due();
            let line = change(&mut state, Instant::now());
            self.away.store(state.away.is_some(), Ordering::Relaxed);
            if state.due() != due {
                self.earlier.notify_one();
            }
            line
        };
        match line {
            Some(Line::Warning(what)) => warn!("StatsD at {}: {what}", self.name),
            Some(Line::Back(what)) => info!("StatsD at {} {what}", self.name),
            None => {}
        }
    }

    /// The state is whole at each moment: a panic elsewhere leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn text(line: Option<Line>) -> String {
        match line {
            Some(Line::Warning(text) | Line::Back(text)) => text,
            None => String::new(),
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_in_one_sum() {
        let (mut state, start) = (State::default(), Instant::now());
        assert!(text(state.note(start, Trouble::Refused, 1)).starts_with("1 metrics refused"));
        for ms in 1..9999 {
            assert_eq!(state.note(start + ms * MS, Trouble::Refused, 2), None);
        }
        assert_eq!(state.note(start + 9999 * MS, Trouble::QueueFull, 3), None);
        assert_eq!(state.due(), Some(start + WARNING_PERIOD));
        let warning = text(state.warning(start + WARNING_PERIOD));
        assert!(
            warning.starts_with("19996 metrics refused (")
                && warning.ends_with("), 3 metrics dropped (the queue is full)"),
            "{warning}"
        );
        assert_eq!(state.due(), None);
    }

    #[test]
    fn statsd_is_back_when_it_is_quiet_after_a_datagram() {
        let (mut state, start) = (State::default(), Instant::now());
        state.note(start, Trouble::Refused, 1);
        state.sent(start + 5 * MS);
        state.note(start + 6 * MS, Trouble::Refused, 4);
        assert_eq!(state.back(start + 60_000 * MS), None, "nothing was sent since");
        state.sent(start + 2000 * MS);
        state.sent(start + 4000 * MS);
        assert_eq!(state.back(start + 4999 * MS), None);
        assert_eq!(state.due(), Some(start + 5000 * MS));
        let back = text(state.back(start + 5000 * MS));
        assert!(back.starts_with("is back after 2.0 s, with 5 metrics refused ("), "{back}");
        assert_eq!((state.due(), state.back(start + 90_000 * MS)), (None, None));
    }

    #[test]
    fn an_outage_that_no_warning_told_of_ends_after_its_warning() {
        let (mut state, start) = (State::default(), Instant::now());
        assert!(state.note(start, Trouble::QueueFull, 1).is_some());
        state.sent(start);
        assert!(state.away.is_none(), "a full queue is no outage");
        assert_eq!(state.note(start + MS, Trouble::Attempt(libc::ENETUNREACH), 1), None);
        state.sent(start + 2 * MS);
        assert_eq!(state.back(start + 9000 * MS), None);
        assert!(state.warning(start + WARNING_PERIOD).is_some());
        assert!(state.back(start + WARNING_PERIOD).is_some());
    }

    #[test]
    fn the_end_tells_only_reasons_that_are_new() {
        let (mut state, start) = (State::default(), Instant::now());
        state.note(start, Trouble::Attempt(libc::ENETUNREACH), 1);
        state.note(start, Trouble::Failed(libc::ENETUNREACH), 7);
        assert_eq!(state.last(), None);
        state.note(start, Trouble::NoTimeLeft, 2);
        let last = text(state.last());
        assert!(last.contains("7 metrics dropped (Network is unreachable") && last.contains("no time left"), "{last}");
        assert_eq!(state.last(), None);
    }
}
