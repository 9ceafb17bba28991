//! The results as a bar chart: an SVG for light and dark pages.

use std::fmt::Write as _;

use crate::contest::Outcome;
use crate::load::CONNECTIONS;
use crate::server::Contender;

/// All lengths are in units of the SVG, which are pixels at its natural size.
const WIDTH: f64 = 760.0;
const MARGIN: f64 = 24.0;
/// The widest bar. The numbers are to its right.
const LONGEST: f64 = 540.0;
const BAR: f64 = 16.0;
const BAR_PITCH: f64 = 20.0;
const GROUP_TITLE: f64 = 22.0;
const GROUP_GAP: f64 = 18.0;
/// Top of the first group, below title and legend.
const TOP: f64 = 84.0;
const LEGEND_PITCH: f64 = 76.0;

/// The colours of the page may differ from those of the system, so the chart has its own background.
const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
.title{font-size:17px;font-weight:600}.group{font-weight:600}.note{fill:#59636e}\
.page{fill:#ffffff;stroke:#d1d9e0}.floor{fill:#8c959f}.proxy{fill:#0969da}.nginx{fill:#2da44e}\
@media (prefers-color-scheme:dark){\
text{fill:#f0f6fc}.note{fill:#9198a1}.page{fill:#0d1117;stroke:#3d444d}\
.floor{fill:#656c76}.proxy{fill:#4493f8}.nginx{fill:#3fb950}}";

/// Draws the CPU time per request, with a group of bars per scenario.
pub fn svg(outcomes: &[Outcome]) -> String {
    let longest = outcomes.iter().flat_map(|o| Contender::ALL.map(|c| o.micros(c).unwrap_or(0.0))).fold(0.0, f64::max);
    let mut body = String::new();
    let mut y = TOP;
    for outcome in outcomes {
        text(&mut body, MARGIN, y + 12.0, "group", outcome.scenario.name);
        y += GROUP_TITLE;
        for contender in Contender::ALL {
            let Some(micros) = outcome.micros(contender) else { continue };
            let width = LONGEST * micros / longest;
            rect(&mut body, (MARGIN, y), (width, BAR), contender.name());
            text(&mut body, MARGIN + width + 8.0, y + 12.5, "", &figures(outcome, contender, micros));
            y += BAR_PITCH;
        }
        y += GROUP_GAP;
    }
    let height = y - GROUP_GAP + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">CPU time per request of an epoll loop, the proxy and nginx</title>\n\
         <style>{STYLE}</style>\n\
         <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n",
        WIDTH - 1.0,
        height - 1.0,
    );
    text(&mut svg, MARGIN, 34.0, "title", "CPU time per request");
    let note = format!("µs on one core, {CONNECTIONS} connections; less is better");
    text(&mut svg, MARGIN, 56.0, "note", &note);
    for (index, contender) in Contender::ALL.into_iter().enumerate() {
        let x = WIDTH - MARGIN - LEGEND_PITCH * (Contender::ALL.len() - index) as f64;
        rect(&mut svg, (x, 23.0), (12.0, 12.0), contender.name());
        text(&mut svg, x + 18.0, 34.0, "", contender.name());
    }
    svg + &body + "</svg>\n"
}

/// The text beside a bar: its time, and its ratio to the floor, or to nginx if there is no floor.
fn figures(outcome: &Outcome, contender: Contender, micros: f64) -> String {
    let base = [Contender::Floor, Contender::Nginx].into_iter().find(|base| outcome.micros(*base).is_some());
    match base.filter(|base| *base != contender).and_then(|base| Some((base, outcome.ratio(contender, base)?))) {
        Some((base, ratio)) => format!("{micros:.1} µs, {ratio:.2} × {}", base.name()),
        None => format!("{micros:.1} µs"),
    }
}

fn rect(svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), class: &str) {
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\"/>"
    );
}

/// Adds `content`, which must have no markup.
fn text(svg: &mut String, x: f64, y: f64, class: &str, content: &str) {
    debug_assert!(!content.contains(['<', '&']), "{content} would need escaping");
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(svg, "<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>");
}
