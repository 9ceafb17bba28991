//! The dependency rules of modules. The table in docs/architecture.md is both the document and the data of the test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The modules in the order of the table, each with the modules that it may use.
struct Rules(Vec<(String, Vec<String>)>);

impl Rules {
    /// Reads the table under `## Dependencies`.
    fn read(document: &str) -> Self {
        let section = document.lines().skip_while(|line| *line != "## Dependencies").skip(1);
        let rows = section.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| `"));
        let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        Self(
            rows.map(|row| {
                let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
                (names(cells[0]).remove(0), names(cells[1]))
            })
            .collect(),
        )
    }

    /// The uses in a file that the table does not allow, each with its line.
    fn violations(&self, path: &str, source: &str) -> Vec<String> {
        let module = path.trim_start_matches("src/").split(['/', '.']).next().expect("a module");
        let allowed = self.0.iter().find(|(name, _)| name == module).map(|(_, uses)| uses);
        let mut found = Vec::new();
        for (number, line) in code(source) {
            for used in used(line).filter(|used| *used != module) {
                if !allowed.is_some_and(|allowed| allowed.iter().any(|name| name == used)) {
                    found.push(format!("{path}:{number}: {module} must not use {used}"));
                }
            }
        }
        found
    }
}

/// The lines of a file that are neither comments nor its unit tests, with their numbers.
fn code(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.lines().enumerate().map(|(index, line)| (index + 1, line.trim_start()));
    lines.take_while(|(_, line)| *line != "mod tests {").filter(|(_, line)| !line.starts_with("//"))
}

/// The modules that a line names with `crate::`.
fn used(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::")
        .filter(|(at, _)| !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        .flat_map(|(at, prefix)| {
            let rest = &line[at + prefix.len()..];
            let group = rest.strip_prefix('{').map(|group| group.split('}').next().unwrap_or_default());
            let names: Vec<&str> = group.map_or_else(|| vec![rest], |group| group.split(',').collect());
            names.into_iter().map(|name| {
                let name = name.trim();
                &name[..name.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(name.len())]
            })
        })
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file by its path, without files of unit tests, which may use any module.
fn sources(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("tests.rs") {
                let name =
                    path.strip_prefix(repository()).expect("below the repository").to_str().expect("UTF-8").to_owned();
                found.insert(name, std::fs::read_to_string(&path).expect("a source is text"));
            }
        }
    }
    found
}

fn rules() -> Rules {
    Rules::read(&std::fs::read_to_string(repository().join("docs/architecture.md")).expect("the document is there"))
}

#[test]
fn modules_use_only_the_modules_that_the_architecture_allows() {
    let rules = rules();
    let sources = sources(&repository().join("src"));
    assert!(sources.len() > 80, "{} sources", sources.len());
    let violations: Vec<String> = sources.iter().flat_map(|(path, source)| rules.violations(path, source)).collect();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    // An unused entry would allow a dependency that is added later.
    for (module, uses) in &rules.0 {
        let used_by: Vec<&str> = sources
            .iter()
            .filter(|(path, _)| path.trim_start_matches("src/").split(['/', '.']).next() == Some(module))
            .flat_map(|(_, source)| code(source).flat_map(|(_, line)| used(line)).collect::<Vec<_>>())
            .collect();
        for name in uses {
            assert!(used_by.contains(&name.as_str()), "{module} does not use {name}: take it out of the table");
        }
    }
}

#[test]
fn dependencies_run_one_way() {
    let rules = rules();
    for (index, (module, uses)) in rules.0.iter().enumerate() {
        for name in uses {
            let at = rules.0.iter().position(|(other, _)| other == name);
            let at = at.unwrap_or_else(|| panic!("{module} may use {name}, which has no row"));
            assert!(at > index, "{module} may use {name}, which stands above it");
        }
    }
}

#[test]
fn ingest_reaches_no_socket() {
    let rules = rules();
    let uses = |module: &str| rules.0.iter().find(|(name, _)| name == module).map(|(_, uses)| uses.clone());
    let mut reached = vec!["ingest".to_owned()];
    let mut next = 0;
    while let Some(module) = reached.get(next) {
        let uses = uses(module).unwrap_or_else(|| panic!("{module} has no row"));
        reached.extend(uses.into_iter().filter(|name| !reached.contains(name)).collect::<Vec<_>>());
        next += 1;
    }
    for socket in ["upstream", "net", "conn", "server"] {
        assert!(!reached.iter().any(|name| name == socket), "ingest reaches {socket}: {reached:?}");
    }
    assert!(reached.contains(&"metric".to_owned()), "{reached:?}");
}

#[test]
fn the_diagram_has_every_module_and_only_allowed_arrows() {
    let document = std::fs::read_to_string(repository().join("docs/architecture.md")).expect("the document is there");
    let rules = Rules::read(&document);
    let picture = document.lines().skip_while(|line| *line != "```mermaid").take_while(|line| *line != "```");
    let name = |node: &str| node.trim().split('[').next().expect("a name").to_owned();
    let arrows: Vec<(String, String)> =
        picture.filter_map(|line| line.split_once(" --> ")).map(|(from, to)| (name(from), name(to))).collect();
    for (from, to) in &arrows {
        let uses = rules.0.iter().find(|(module, _)| module == from).map(|(_, uses)| uses);
        assert!(uses.is_some_and(|uses| uses.contains(to)), "the picture has an arrow from {from} to {to}");
    }
    for (module, _) in rules.0.iter().filter(|(module, _)| !["internals", "lib", "main"].contains(&module.as_str())) {
        assert!(arrows.iter().any(|(from, to)| from == module || to == module), "the picture lacks {module}");
    }
}

#[test]
fn every_forbidden_use_is_reported_with_file_and_line() {
    let rules = rules();
    for (path, line) in [
        ("src/conn/http1.rs", "use crate::api::pipeline::respond;"),
        ("src/conn/deadlines.rs", "use crate::config::Config;"),
        ("src/api/pipeline.rs", "use crate::demo::page::FILES;"),
        ("src/api/context.rs", "use crate::config::Config;"),
        ("src/api/context.rs", "    config: Arc<crate::config::Config>,"),
        ("src/auth.rs", "use crate::config::Secret;"),
        ("src/ingest/batch.rs", "use crate::{metric::Kind, net::socket::Socket};"),
        ("src/ingest/form.rs", "use crate::conn::body::Body;"),
        ("src/upstream/queue.rs", "use crate::config::Config;"),
        ("src/server/worker.rs", "use crate::demo::Console;"),
        ("src/metric/name.rs", "use crate::statsd::line;"),
        ("src/telemetry/log.rs", "use crate::config::Config;"),
        ("src/net/listener.rs", "use crate::conn::deadlines::Activity;"),
    ] {
        let source = format!("//! use crate::config::Config;\n\n{line}\n");
        let found = rules.violations(path, &source);
        assert!(found.len() == 1 && found[0].starts_with(&format!("{path}:3: ")), "{line} in {path}: {found:?}");
    }
    assert_eq!(rules.violations("src/api/pipeline.rs", "use crate::conn::body::Body;\n"), [""; 0]);
}
