//! Compares the documents with the code: the tables of flags, dialects, modules and bounds.

use std::path::{Path, PathBuf};

use statsd_http_proxy::tables::{DIALECTS, Dialect, FLAGS, Flag, FlagKind as Kind, MetricKind as Metric, PRESENT};

/// The documents whose links are checked.
const DOCUMENTS: [&str; 10] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/http-api.md",
    "docs/browser.md",
    "docs/dialects.md",
    "docs/configuration.md",
    "docs/architecture.md",
    "docs/migrating-from-gometric.md",
];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn document(path: &str) -> String {
    read(&repository().join(path))
}

/// The rows of a document that begin with a flag, in order.
fn rows(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("| `--")).collect()
}

fn default_cell(flag: &Flag) -> String {
    match flag.kind {
        Kind::Switch => "`false`".to_owned(),
        Kind::Value(_) | Kind::List(_) if flag.default.is_empty() => String::new(),
        Kind::Value(_) | Kind::List(_) => format!("`{}`", flag.default),
    }
}

/// Cells of a Markdown row, without the spaces around them.
fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split(" |").map(|cell| cell.trim_start_matches('|').trim().to_owned()).collect()
}

#[test]
fn the_readme_has_every_flag() {
    let text = document("README.md");
    let expected: Vec<Vec<String>> =
        FLAGS.iter().map(|f| vec![format!("`--{}`", f.name), default_cell(f), f.help.to_owned()]).collect();
    let found: Vec<Vec<String>> = rows(&text).into_iter().map(cells).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_configuration_page_has_every_flag_with_its_variable() {
    let text = document("docs/configuration.md");
    let expected: Vec<Vec<String>> = FLAGS
        .iter()
        .map(|f| vec![format!("`--{}`", f.name), format!("`{}`", f.env()), default_cell(f), f.help.to_owned()])
        .collect();
    let found: Vec<Vec<String>> = rows(&text).into_iter().map(cells).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_configuration_page_has_every_range() {
    let text = document("docs/configuration.md");
    let table = text.lines().skip_while(|line| *line != "### Ranges").skip_while(|line| !line.starts_with("|---"));
    let found: Vec<Vec<String>> = table.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect();
    let expected: Vec<Vec<String>> = FLAGS
        .iter()
        .filter_map(|flag| Some((flag, flag.range?)))
        .map(|(flag, range)| {
            let unit = range.unit.to_string().trim_start_matches("a ").to_owned();
            vec![unit, range.least.to_string(), range.most.to_string(), format!("`--{}`", flag.name)]
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn the_readme_shows_the_latest_benchmark() {
    let readme = document("README.md");
    let results = document("bench/results/latest.md");
    for row in results.lines().filter(|line| line.starts_with('|')) {
        assert!(readme.contains(row), "README.md lacks {row:?}");
    }
    assert!(readme.contains("bench/results/latest.svg"));
}

#[test]
fn every_local_link_has_a_target() {
    for path in DOCUMENTS {
        let folder = repository().join(path);
        let folder = folder.parent().expect("a document lies in a folder");
        for link in document(path).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (target, anchor) = link.split_once('#').map_or((link, None), |(target, anchor)| (target, Some(anchor)));
            let target = if target.is_empty() { repository().join(path) } else { folder.join(target) };
            assert!(target.exists(), "{path} links to {link}");
            if let Some(anchor) = anchor {
                assert!(anchors(&read(&target)).any(|found| found == anchor), "{path} links to {link}");
            }
        }
    }
}

/// The anchors that GitHub makes of the headings of a document.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// Text as code in a cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', r"\|"))
}

/// The expected row of a dialect.
fn dialect_cells(dialect: &Dialect) -> Vec<String> {
    let tags = dialect.tags.as_ref().map_or(["dropped", "–", "–"].map(str::to_owned), |tags| {
        let pair = |key: &str, value: &str| format!("{key}{}{value}", char::from(tags.pair));
        let written = format!("{}{}{}", tags.open, pair("env", "prod"), tags.close);
        [
            code(&if tags.in_name { format!("a{written}:1|c") } else { format!("a:1|c{written}") }),
            code(&if tags.bare { "beta".to_owned() } else { pair("beta", PRESENT) }),
            code(&pair("at", if tags.colons { "10:30" } else { "10_30" })),
        ]
    });
    let [written, bare, colons] = tags;
    let (level, shift) = ("g:-5|g", "g:+3|g");
    let reserved: Vec<String> = dialect.reserved.iter().map(|byte| code(&char::from(*byte).to_string())).collect();
    vec![
        code(dialect.name),
        written,
        bare,
        colons,
        if dialect.shifts { format!("{} {}", code("g:0|g"), code(level)) } else { code(level) },
        if dialect.shifts { code(shift) } else { "refused".to_owned() },
        format!("{}, {}", if dialect.shifts { "a shift" } else { "a level" }, code(level)),
        if dialect.packed { "one line" } else { "a line each" }.to_owned(),
        code(dialect.histogram.as_str()),
        code(dialect.distribution.as_str()),
        if dialect.negative_histograms { "sent" } else { "refused" }.to_owned(),
        code(&dialect.least_rate(Metric::Count).to_string()),
        code(&dialect.least_rate(Metric::Timing).to_string()),
        reserved.join(" "),
    ]
}

#[test]
fn the_table_of_dialects_matches_the_code() {
    let text = document("docs/dialects.md");
    let rows = text.lines().skip_while(|line| *line != "## The table").skip_while(|line| !line.starts_with("|---"));
    let found: Vec<Vec<String>> = rows.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect();
    assert_eq!(found, DIALECTS.map(dialect_cells));
    let help = FLAGS.iter().find(|flag| flag.name == "statsd-dialect").expect("the flag is there").help;
    assert!(DIALECTS.iter().all(|dialect| help.contains(dialect.name)), "{help}");
}

/// All source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn the_architecture_has_every_module() {
    let text = document("docs/architecture.md");
    let cell = |path: &str| format!("| `{path}` |");
    for path in sources(&repository().join("src")) {
        let name = path.strip_prefix(repository()).expect("below the repository").to_str().expect("UTF-8").to_owned();
        // Files that only declare the modules of a folder, and files of unit tests, need no row.
        let is_folder = [
            "src/api.rs",
            "src/conn.rs",
            "src/ingest.rs",
            "src/net.rs",
            "src/statsd.rs",
            "src/telemetry.rs",
            "src/upstream.rs",
        ]
        .contains(&name.as_str())
            || name.ends_with("/tests.rs");
        assert!(is_folder || text.contains(&cell(&name)), "docs/architecture.md has no row for {name}");
    }
    for row in text.lines().filter(|line| line.starts_with("| `src/")) {
        let path = row.split('`').nth(1).expect("a path");
        assert!(repository().join(path).exists(), "docs/architecture.md has a row for {path}");
    }
}

/// The paths of source files that a document names in code, such as `src/api/pipeline.rs`.
fn named_sources(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split('`').skip(1).step_by(2);
    words.filter(|word| word.ends_with(".rs") && !word.contains(' '))
}

#[test]
fn every_named_source_file_exists() {
    for path in DOCUMENTS {
        for name in named_sources(&document(path)) {
            assert!(repository().join(name).exists(), "{path} names {name}");
        }
    }
}

/// Counts the calls that start a task or a thread, without tests, definitions, and calls within them.
fn spawns(source: &str) -> usize {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default().lines().map(str::trim_start);
    let code =
        code.filter(|line| !["//", "use ", "pub(crate) fn spawn", "self.spawn("].iter().any(|no| line.starts_with(no)));
    let calls = ["spawn(", "spawn_local(", "spawn_blocking(", "spawn_endless("];
    code.map(|line| calls.iter().map(|call| line.matches(call).count()).sum::<usize>()).sum()
}

#[test]
fn every_task_and_thread_is_in_the_table_of_their_ends() {
    let text = document("docs/architecture.md");
    let rows = text.lines().skip_while(|line| *line != "## Tasks, and what their end means");
    let rows: Vec<&str> = rows.take_while(|line| *line != "## Logging").filter(|line| line.contains("`src/")).collect();
    for path in sources(&repository().join("src")).into_iter().filter(|path| !path.ends_with("tests.rs")) {
        let name = path.strip_prefix(repository()).expect("below the repository").to_str().expect("UTF-8").to_owned();
        let found = rows.iter().filter(|row| row.contains(&format!("`{name}`"))).count();
        assert_eq!(spawns(&read(&path)), found, "rows for {name} in docs/architecture.md");
    }
}

#[test]
fn the_bounds_are_where_the_architecture_says() {
    let text = document("docs/architecture.md");
    let rows = text.lines().skip_while(|line| *line != "## Bounds").filter(|line| line.contains("` in `src/"));
    let mut count = 0;
    for row in rows {
        let last = cells(row).pop().expect("a cell");
        // `A`, `B` in `src/c.rs`, `D` in `src/e.rs`
        let words: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        let mut names: Vec<&str> = Vec::new();
        for word in words {
            if !word.starts_with("src/") {
                names.push(word);
                continue;
            }
            let source = document(word);
            for name in names.drain(..) {
                let there = match name.strip_prefix("--") {
                    Some(flag) => source.contains(&format!("\"{flag}\"")),
                    None => source.contains(&format!("const {name}:")),
                };
                assert!(there, "{word} has no {name}, of which docs/architecture.md says: {row}");
                count += 1;
            }
        }
    }
    assert!(count > 30, "the table of bounds was not read");
}

/// Functions that read the system clock.
const SYSTEM_CLOCK: [&str; 4] = ["SystemTime::now", "UnixTime::now", "get_current_timestamp", "ClockId::Realtime"];

#[test]
fn the_system_clock_is_read_only_where_the_architecture_says() {
    let text = document("docs/architecture.md");
    let section = text.lines().skip_while(|line| *line != "## Clocks").skip(1);
    let rows = section.take_while(|line| !line.starts_with("## ")).filter(|line| line.contains("| `src/"));
    let expected: Vec<String> = rows.map(|row| cells(row)[1].trim_matches('`').to_owned()).collect();
    let readers = sources(&repository().join("src")).into_iter();
    let readers = readers.filter(|path| SYSTEM_CLOCK.iter().any(|name| read(path).contains(name)));
    let mut found: Vec<String> = readers
        .map(|path| path.strip_prefix(repository()).expect("below the repository").display().to_string())
        .collect();
    found.sort();
    assert_eq!(found, expected);
}

/// The words after each `make ` in code.
fn make_targets(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("\n```").skip(1).step_by(2).flat_map(|block| block.split("\nmake ").skip(1));
    let code = text.split("`make ").skip(1).chain(blocks);
    code.filter_map(|rest| rest.split(['`', ' ', '\n']).next())
}

#[test]
fn contributing_has_every_make_target() {
    let (makefile, text) = (document("Makefile").replace("\\\n", " "), document("CONTRIBUTING.md"));
    let phony = makefile.lines().find_map(|line| line.strip_prefix(".PHONY:")).expect("targets that are no files");
    let targets: Vec<&str> =
        phony.split_whitespace().filter(|target| !["all", "about-test"].contains(target)).collect();
    for target in &targets {
        assert!(makefile.contains(&format!("\n{target}:")), "the Makefile has no rule for {target}");
        assert!(make_targets(&text).any(|found| found == *target), "CONTRIBUTING.md lacks make {target}");
    }
    let script = format!("\n```sh\n{}\n```", document(".ci/run"));
    assert!(make_targets(&script).count() >= 5, ".ci/run was not read");
    for (path, text) in DOCUMENTS.map(|path| (path, document(path))).into_iter().chain([(".ci/run", script)]) {
        for found in make_targets(&text) {
            assert!(targets.contains(&found), "{path} has make {found}, which the Makefile has not");
        }
    }
}

#[test]
fn contributing_has_every_fuzz_target() {
    let text = document("CONTRIBUTING.md");
    let manifest = document("fuzz/Cargo.toml");
    let workflow = document(".github/workflows/fuzz.yml");
    let targets = sources(&repository().join("fuzz/fuzz_targets"));
    assert!(targets.len() >= 8, "the fuzz targets were not read");
    for path in targets {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        assert!(text.contains(&format!("\n| `{name}` | ")), "CONTRIBUTING.md has no row for {name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml lacks {name}");
        let matrix = workflow.lines().find_map(|line| line.trim().strip_prefix("target: [")).expect("a matrix");
        assert!(matrix.split([',', ']', ' ']).any(|word| word == name), "the weekly run lacks {name}");
    }
}

#[test]
fn the_oldest_rust_is_the_same_everywhere() {
    let of = |path: &str| {
        let manifest = document(path);
        let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
        version.map(|version| version.trim_matches('"').to_owned()).expect("a rust-version")
    };
    let version = of("Cargo.toml");
    assert_eq!(of("fuzz/Cargo.toml"), version);
    for path in ["README.md", "CONTRIBUTING.md"] {
        let text = document(path);
        for found in text.split("Rust ").skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            assert!(found.starts_with(&version), "{path} says Rust {}", &found[..8]);
        }
    }
}
