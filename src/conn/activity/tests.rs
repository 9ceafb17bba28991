//! The tables in the documentation of [`state`](super::state) are the data: each state meets each event.

use super::heads::Heads;
use super::state::{AWAKE, Buffers, Event, Http1, Http2, Phase, State};
use super::{Activity, Directive};

/// The tick at which the states of the test began, and that of the event.
const SINCE: u32 = 50;
const NOW: u32 = 70;

const EVENTS: [Event; 16] = [
    Event::Received,
    Event::Multiplex,
    Event::BeginRequest,
    Event::EndBody,
    Event::EndRequest,
    Event::ContinueRequest,
    Event::Written,
    Event::Wake,
    Event::FallAsleep,
    Event::BeginHead,
    Event::EndWithAnswer,
    Event::AskLinger,
    Event::BeginLinger,
    Event::Directed(Directive::Sleep),
    Event::Directed(Directive::GoAway),
    Event::Directed(Directive::Close),
];

const PHASES: [(&str, Phase); 8] = [
    ("head", Phase::Head),
    ("body", Phase::Body),
    ("handling", Phase::Handling),
    ("answering", Phase::Answering { is_whole: false }),
    ("answering whole", Phase::Answering { is_whole: true }),
    ("idle", Phase::Idle { is_whole: false }),
    ("idle whole", Phase::Idle { is_whole: true }),
    ("linger", Phase::Linger),
];

const BUFFERS: [(&str, Buffers); 4] = [
    ("unused", Buffers::Unused),
    ("brief", Buffers::Brief),
    ("lasting", Buffers::Lasting),
    ("freed", Buffers::Freed(SINCE)),
];

/// A table of the documentation: its rows, and the cells of each.
struct Table(Vec<Vec<&'static str>>);

impl Table {
    /// The table whose first cell is `title`.
    fn read(title: &str) -> Self {
        let lines = include_str!("state.rs").lines().map(|line| line.strip_prefix("//! |").unwrap_or_default());
        let rows = lines.map(|line| line.trim_end_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
        Self(rows.skip_while(|row| row[0] != title).take_while(|row| !row[0].is_empty()).collect())
    }

    /// The cell of `row` and `column`; the column of an event that the table does not have is `!`.
    fn cell(&self, row: &str, column: &str) -> &'static str {
        let row = self.0.iter().find(|cells| cells[0] == row).unwrap_or_else(|| panic!("no row {row:?}"));
        assert_eq!(row.len(), self.0[0].len(), "{row:?}");
        self.0[0].iter().position(|title| *title == column).map_or("!", |column| row[column])
    }
}

/// The column of an event in the table that has it.
fn column(event: Event) -> &'static str {
    match event {
        Event::Received => "received",
        Event::Multiplex => "multiplex",
        Event::BeginRequest => "begin request",
        Event::EndBody => "end body",
        Event::EndRequest => "end request",
        Event::ContinueRequest => "continue request",
        Event::Written => "written",
        Event::Wake => "wake",
        Event::FallAsleep => "fall asleep",
        Event::BeginHead => "begin head",
        Event::EndWithAnswer => "end with answer",
        Event::AskLinger => "ask linger",
        Event::BeginLinger => "begin linger",
        Event::Directed(Directive::Sleep) => "directive to sleep",
        Event::Directed(Directive::GoAway) => "directive to go away",
        Event::Directed(Directive::Close) => "directive to close",
    }
}

fn http1_states() -> impl Iterator<Item = (&'static str, &'static str, Http1)> {
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    PHASES.into_iter().flat_map(move |(name, phase)| {
        BUFFERS.into_iter().flat_map(move |(buffers_name, buffers)| {
            flags.into_iter().map(move |(wants_linger, is_last)| {
                (name, buffers_name, Http1 { phase, since: SINCE, buffers, wants_linger, is_last })
            })
        })
    })
}

/// The phase that a cell names, and true if its time begins with the event.
fn phase(cell: &str) -> (Phase, bool) {
    let name = cell.trim_end_matches(", *now*");
    let phase = PHASES.iter().find(|(phase, _)| *phase == name).unwrap_or_else(|| panic!("no phase {name:?}")).1;
    (phase, name != cell)
}

fn buffers(cell: &str) -> Buffers {
    match cell {
        "freed, *now*" => Buffers::Freed(NOW),
        "lasting within [`AWAKE`], else brief" if NOW - SINCE < AWAKE => Buffers::Lasting,
        "lasting within [`AWAKE`], else brief" => Buffers::Brief,
        name => BUFFERS.iter().find(|(buffers, _)| *buffers == name).unwrap_or_else(|| panic!("no {name:?}")).1,
    }
}

/// The outcome of `event` in an HTTP/1.1 state by the tables.
fn expected_http1(tables: &[Table; 2], names: (&str, &str), state: Http1, event: Event) -> Option<Http1> {
    match event {
        Event::AskLinger => return Some(Http1 { wants_linger: true, ..state }),
        Event::EndWithAnswer => return Some(Http1 { is_last: true, ..state }),
        Event::Directed(Directive::Close) => return Some(state),
        _ => {}
    }
    let (phase_cell, buffers_cell) = (tables[0].cell(names.0, column(event)), tables[1].cell(names.1, column(event)));
    match (phase_cell, buffers_cell) {
        ("!", "!") => None,
        ("!", "-") | ("-", "!") => Some(state),
        ("!", cell) => Some(Http1 { buffers: buffers(cell), ..state }),
        (cell, "!") => {
            let (phase, begins) = phase(cell);
            let since = if begins { NOW } else { SINCE };
            let wants_linger = state.wants_linger && event != Event::BeginRequest;
            Some(Http1 { phase, since, wants_linger, ..state })
        }
        cells => panic!("{event:?} is in both tables: {cells:?}"),
    }
}

#[test]
fn each_event_does_to_each_http1_state_what_the_tables_say() {
    let tables = ["HTTP/1.1", "HTTP/1.1 buffers"].map(Table::read);
    assert_eq!(tables.each_ref().map(|table| table.0.len()), [2 + 1 + PHASES.len(), 2 + BUFFERS.len()]);
    let mut met = 0;
    for (phase, buffers, state) in http1_states() {
        for event in EVENTS {
            let expected = expected_http1(&tables, (phase, buffers), state, event);
            let after = State::Http1(state).after(event, NOW);
            assert_eq!(after, expected.map(State::Http1), "{event:?} in {state:?}");
            met += 1;
        }
    }
    assert_eq!(met, 8 * 4 * 4 * EVENTS.len());
}

#[test]
fn each_event_does_to_a_new_connection_what_the_tables_say() {
    let (http1, http2) = (Table::read("HTTP/1.1"), Table::read("HTTP/2"));
    let new = State::New { since: SINCE };
    for event in EVENTS {
        let expected = match event {
            Event::Directed(Directive::Close) => Some(new),
            Event::Multiplex => {
                assert_eq!(http2.0[2][0], "new, by \"multiplex\" 0 requests, *now*");
                let heads = Heads::default();
                Some(State::Http2(Http2 { requests: 0, since: NOW, goes_away_since: None, incomplete: None, heads }))
            }
            _ => match http1.cell("new", column(event)) {
                "!" => None,
                cell => {
                    assert_eq!(phase(cell), (Phase::Head, true));
                    let (wants_linger, is_last) = (false, false);
                    let buffers = Buffers::Unused;
                    Some(State::Http1(Http1 { phase: Phase::Head, since: NOW, buffers, wants_linger, is_last }))
                }
            },
        };
        assert_eq!(new.after(event, NOW), expected, "{event:?}");
    }
}

#[test]
fn each_event_does_to_each_http2_state_what_the_table_says() {
    let table = Table::read("HTTP/2");
    assert_eq!(table.0.len(), 2 + 3);
    for (row, requests) in [("0 requests", 0), ("n requests", 3)] {
        for goes_away_since in [None, Some(SINCE)] {
            let heads = Heads::default();
            let state = Http2 { requests, since: SINCE, goes_away_since, incomplete: None, heads };
            for event in EVENTS {
                let column = match event {
                    Event::BeginRequest | Event::ContinueRequest => "begin or continue request",
                    event => column(event),
                };
                let cell = match event {
                    Event::Received | Event::EndBody | Event::Written | Event::EndWithAnswer => "-",
                    Event::Directed(Directive::Close) => "-",
                    _ => table.cell(row, column),
                };
                let expected = match cell {
                    "!" => None,
                    "-" => Some(state),
                    "1 request" | "n + 1 requests" => Some(Http2 { requests: requests + 1, ..state }),
                    "n - 1 requests, *now*" => Some(Http2 { requests: requests - 1, since: NOW, ..state }),
                    "goes away, *now*" => Some(Http2 { goes_away_since: Some(NOW), ..state }),
                    cell => panic!("{cell:?}"),
                };
                assert_eq!(State::Http2(state).after(event, NOW), expected.map(State::Http2), "{event:?} in {state:?}");
            }
        }
    }
}

#[test]
fn buffers_are_kept_if_the_next_request_comes_within_a_moment() {
    let head = |buffers| Http1 { phase: Phase::Head, since: SINCE, buffers, wants_linger: false, is_last: false };
    for (now, buffers) in [(SINCE + AWAKE - 1, Buffers::Lasting), (SINCE + AWAKE, Buffers::Brief)] {
        let woken = State::Http1(head(Buffers::Freed(SINCE))).after(Event::Wake, now);
        assert_eq!(woken, Some(State::Http1(head(buffers))), "at {now}");
    }
}

/// Each idle connection has one of these: see "Sleeping connections" in docs/architecture.md.
#[test]
fn the_activity_of_a_connection_is_small() {
    assert!(size_of::<State>() <= 48, "{}", size_of::<State>());
    assert!(size_of::<Activity>() <= 152, "{}", size_of::<Activity>());
}
