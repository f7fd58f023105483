//! The house rules that a test can hold. It reads the tree and the manifests, and must not run anything of the product.
//!
//! A rule that is broken names each place. An exception stands in a list here, with its reason.

#[cfg(test)]
mod held {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use parvis_stand::binaries::{cargo, host, workspace};
    use serde_json::Value;

    /// Files that may be longer than [`LONGEST`], and why.
    const LONG: &[(&str, &str)] = &[];
    const LONGEST: usize = 500;

    /// What the top level may hold beside dotfiles.
    const TOP: &[&str] = &["Cargo.toml", "Cargo.lock", "daemon", "hooks", "systemd", "conf", "tests", "docs"];
    const TOP_PREFIXES: &[&str] = &["README", "LICENSE", "CHANGELOG"];

    /// Crates that do I/O, or run something: the rules and the contract must not reach one, however far.
    #[rustfmt::skip]
    const WORLDLY: &[&str] = &[
        "async-io", "async-std", "axum", "config", "etcd-client", "futures-executor", "getrandom", "h2", "hyper",
        "ldap3", "lettre", "mio", "native-tls", "openssl", "postgres", "rand", "redb", "reqwest", "rusqlite", "rustls",
        "sled", "smol", "socket2", "sqlx", "tokio", "tonic", "tracing", "ureq",
    ];

    /// Every file that git tracks, or would.
    fn files() -> Vec<PathBuf> {
        let out = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(workspace())
            .output()
            .expect("git runs here");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let names = String::from_utf8(out.stdout).expect("names are UTF-8");
        let paths = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
        let there: Vec<PathBuf> = paths.filter(|path| workspace().join(path).is_file()).collect();
        assert!(there.len() > 20, "git names {} files", there.len());
        there
    }

    fn is(path: &Path, extension: &str) -> bool {
        path.extension().is_some_and(|held| held == extension)
    }

    /// Path and text of the files wanted; what is not UTF-8 is not text.
    fn texts(wanted: impl Fn(&Path) -> bool) -> Vec<(PathBuf, String)> {
        let wanted = files().into_iter().filter(|path| wanted(path));
        wanted
            .filter_map(|path| {
                let text = std::fs::read_to_string(workspace().join(&path)).ok()?;
                Some((path, text))
            })
            .collect()
    }

    fn none(faults: impl IntoIterator<Item = String>, rule: &str) {
        let faults: Vec<String> = faults.into_iter().collect();
        assert!(faults.is_empty(), "{rule}:\n{}", faults.join("\n"));
    }

    /// `path:line: text` of each line that holds one of the needles.
    fn lines_with(texts: &[(PathBuf, String)], needles: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        for (path, text) in texts {
            for (number, line) in text.lines().enumerate() {
                if needles.iter().any(|needle| line.contains(needle.as_str())) {
                    found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                }
            }
        }
        found
    }

    /// Spelt in two halves, so that this file does not break its own rules.
    fn joined(halves: &[(&str, &str)]) -> Vec<String> {
        halves.iter().map(|(one, two)| format!("{one}{two}")).collect()
    }

    #[test]
    fn every_source_file_says_what_it_is_for() {
        let silent = texts(|path| is(path, "rs")).into_iter().filter(|(_, text)| !text.starts_with("//!"));
        none(silent.map(|(path, _)| path.display().to_string()), "a file opens with //!");
    }

    #[test]
    fn no_file_is_too_long_without_a_reason() {
        let excused = |path: &Path| LONG.iter().any(|(name, _)| Path::new(name) == path);
        let long = texts(|path| is(path, "rs") && !excused(path)).into_iter().filter_map(|(path, text)| {
            let lines = text.lines().count();
            (lines > LONGEST).then(|| format!("{}: {lines} lines", path.display()))
        });
        none(long, "a file has at most 500 lines");
        for (name, reason) in LONG {
            assert!(workspace().join(name).is_file() && !reason.is_empty(), "{name} is listed without need");
        }
    }

    #[test]
    fn no_lint_is_silenced_and_no_test_is_left_out() {
        let needles = joined(&[
            ("#[al", "low("),
            ("#![al", "low("),
            ("#[ig", "nore"),
            ("to", "do!("),
            ("unimple", "mented!("),
        ]);
        none(
            lines_with(&texts(|path| is(path, "rs")), &needles),
            "lints are expected with a reason, tests are run",
        );
    }

    #[test]
    fn nothing_is_promised_for_later() {
        let needles = joined(&[("TO", "DO"), ("FIX", "ME")]);
        let ours = texts(|path| !path.ends_with("Cargo.lock"));
        none(lines_with(&ours, &needles), "what is not done is not promised in the tree");
    }

    #[test]
    fn no_path_of_a_build_machine_is_in_the_tree() {
        let needles = joined(&[("/wo", "rk/"), ("/ho", "me/")]);
        let found = lines_with(&texts(|_| true), &needles).into_iter();
        // A value of the LDAP attribute is a path of the campus.
        none(found.filter(|line| !line.contains("homeDirectory")), "the tree builds anywhere");
    }

    #[test]
    fn the_top_level_is_as_designed() {
        let allowed = |name: &str| {
            let known = TOP.contains(&name) || TOP_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            known || name.starts_with('.')
        };
        let names: BTreeSet<String> = files()
            .iter()
            .filter_map(|path| Some(path.components().next()?.as_os_str().to_string_lossy().into_owned()))
            .collect();
        none(names.into_iter().filter(|name| !allowed(name)), "the top level is fixed");
    }

    #[test]
    fn every_manifest_takes_the_lints_of_the_workspace() {
        let members = texts(|path| path.ends_with("Cargo.toml") && path != Path::new("Cargo.toml"));
        let loose = members.into_iter().filter(|(_, text)| !text.contains("[lints]\nworkspace = true"));
        none(loose.map(|(path, _)| path.display().to_string()), "[lints] workspace = true");
    }

    /// The direct dependencies of each package that end up in what it ships, by package name.
    fn graph() -> BTreeMap<String, BTreeSet<String>> {
        // For this machine only: cargo has not fetched what other platforms need.
        let out = cargo()
            .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform"])
            .arg(host().expect("rustc runs here"))
            .output()
            .expect("cargo runs here");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let metadata: Value = serde_json::from_slice(&out.stdout).expect("cargo prints JSON");
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let packages = list(&metadata["packages"]);
        let names: BTreeMap<String, String> =
            packages.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let ships =
                |dependency: &Value| list(&dependency["dep_kinds"]).iter().any(|one| one["kind"] != "dev");
            let needed =
                list(&node["deps"]).into_iter().filter(ships).map(|one| names[&text(&one["pkg"])].clone());
            // Two versions of one crate are one name here: their dependencies add up.
            graph.entry(names[&text(&node["id"])].clone()).or_default().extend(needed);
        }
        graph
    }

    /// Everything that a package needs, however far.
    fn reach(graph: &BTreeMap<String, BTreeSet<String>>, package: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![package.to_owned()];
        while let Some(name) = open.pop() {
            for needed in &graph[&name] {
                if reached.insert(needed.clone()) {
                    open.push(needed.clone());
                }
            }
        }
        reached
    }

    #[test]
    fn the_rules_and_the_contract_reach_no_runtime_no_database_and_no_network() {
        let graph = graph();
        assert!(reach(&graph, "parvisd").contains("tokio"), "the graph is read wrongly");
        for package in ["parvis-enrolment", "parvis-protocol"] {
            let reached = reach(&graph, package);
            let worldly: Vec<&str> = WORLDLY.iter().copied().filter(|name| reached.contains(*name)).collect();
            assert!(worldly.is_empty(), "{package} reaches {worldly:?}");
        }
    }

    #[test]
    fn imports_between_our_packages_point_one_way() {
        let graph = graph();
        let ours: BTreeSet<String> =
            graph.keys().filter(|name| name.starts_with("parvis")).cloned().collect();
        let of_ours =
            |name: &str| -> BTreeSet<String> { reach(&graph, name).intersection(&ours).cloned().collect() };
        let only =
            |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        for alone in ["parvis-enrolment", "parvis-protocol"] {
            assert_eq!(of_ours(alone), only(&[]), "{alone}");
        }
        assert_eq!(of_ours("parvisd"), only(&["parvis-enrolment", "parvis-protocol"]));
        for name in ["parvis-hook", "parvis-pages", "parvis-sso", "parvis-stand"] {
            if graph.contains_key(name) {
                assert_eq!(of_ours(name), only(&["parvis-protocol"]), "{name}");
            }
        }
    }

    /// The modules that a text names right after `crate::`, alone or in a group.
    fn crate_modules(text: &str) -> BTreeSet<String> {
        let word = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        let mut modules = BTreeSet::new();
        for rest in text.split("crate::").skip(1) {
            let Some(group) = rest.strip_prefix('{') else {
                modules.insert(word(rest));
                continue;
            };
            let mut depth = 0;
            let mut heads = vec![group];
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => heads.push(&group[at + 1..]),
                    _ => {}
                }
            }
            modules.extend(heads.into_iter().map(word));
        }
        modules.remove("");
        modules
    }

    #[test]
    fn groups_of_imports_are_read() {
        let text = "use crate::{a, b::{c, d}, e};\nlet x = crate::f::g();";
        assert_eq!(crate_modules(text).into_iter().collect::<Vec<_>>(), ["a", "b", "e", "f"]);
    }

    #[test]
    fn the_directory_the_store_and_the_mail_do_not_know_each_other() {
        let rooms = ["directory", "store", "mail"];
        let home = Path::new("daemon/src");
        let mut faults = Vec::new();
        for room in rooms {
            let inside =
                |path: &Path| path.starts_with(home.join(room)) || path == home.join(format!("{room}.rs"));
            for (path, text) in texts(|path| is(path, "rs") && inside(path)) {
                let named = crate_modules(&text);
                let others = rooms.iter().filter(|other| **other != room && named.contains(**other));
                faults.extend(others.map(|other| format!("{} names crate::{other}", path.display())));
            }
        }
        none(faults, "directory, store and mail meet in the workers only");
    }

    #[test]
    fn only_the_gate_and_the_programs_speak_the_protocol() {
        let home = Path::new("daemon/src");
        let speaks = |path: &Path| {
            ["gate", "gate.rs", "ctl", "bin"].iter().any(|name| path.starts_with(home.join(name)))
        };
        let elsewhere = texts(|path| is(path, "rs") && path.starts_with(home) && !speaks(path));
        none(lines_with(&elsewhere, &["parvis_protocol".to_owned()]), "gate/ translates, and ctl/ asks");
    }

    #[test]
    fn every_path_that_the_architecture_page_names_exists() {
        let page = std::fs::read_to_string(workspace().join("docs/ARCHITECTURE.md")).unwrap_or_default();
        none(stale(&page, exists), "what the page names exists");
    }

    /// From the workspace, or from the daemon's sources.
    fn exists(path: &str) -> bool {
        ["", "daemon/src"].iter().any(|base| workspace().join(base).join(path).exists())
    }

    /// The code spans of a page that are paths, and do not exist.
    fn stale(page: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
        let spans = page.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
        let paths = spans.filter(|span| {
            let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            let file = [".rs", ".toml", ".md", ".service", ".socket"].iter().any(|end| span.ends_with(end));
            plain && !span.starts_with('/') && (span.contains('/') || file)
        });
        paths.filter(|path| !exists(path)).map(str::to_owned).collect()
    }

    #[test]
    fn paths_are_told_from_other_code() {
        let page = "`daemon/src` and `gone/x.rs`, `/run/parvis/hook.sock`, `cargo verify`, `lost.md`\n```\n`a/b`\n```\n`x/`";
        assert_eq!(stale(page, |path| path == "daemon/src"), ["gone/x.rs", "lost.md", "x/"]);
    }
}
