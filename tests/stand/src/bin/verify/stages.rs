//! What is verified, in order. Each stage is independent of the others' success, but for what they leave in `target`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use parvis_stand::binaries::{PROGRAMS, Profile, binaries, cargo, host, workspace};
use parvis_stand::install::{self, DS389, EVERYTHING, LEMON, SAMBA_AD, cargo_tool, need};
use parvis_stand::run::program;
use serde_json::Value;

use crate::stage::{Stage, logged};
use crate::{demo, pages, units};

/// The cargo-deny that the configuration was written for.
const CARGO_DENY: &str = "0.20.2";

/// Where a suite leaves pictures of what it sees.
const PICTURES: &str = "PARVIS_PICTURES";

/// How this user reaches the network, where not everything is reached directly: sudo forgets it.
const NETWORK: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
];

/// Every stage there is; with a folder, pictures are left there.
pub fn plan(full: bool, pictures: Option<&Path>) -> Result<Vec<Stage>> {
    let metadata = install::metadata()?;
    let target = metadata.get("target_directory").and_then(Value::as_str).context("no target directory")?;
    let logs = PathBuf::from(target).join("verify");
    std::fs::create_dir_all(&logs)?;
    let mut plan = before(&logs);
    plan.extend(suites(&logs, &metadata, full, pictures)?);
    plan.extend(after(&logs, full, pictures));
    Ok(plan)
}

/// What needs no program of ours.
fn before(logs: &Path) -> Vec<Stage> {
    let mut doc = cargo_with(&["doc", "--workspace", "--no-deps", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    vec![
        Stage::new(logs, "packages", "the Debian packages that the suites need", packages),
        Stage::command(logs, "fmt", "the code is formatted", cargo_with(&["fmt", "--all", "--check"])),
        Stage::command(logs, "clippy", "no warning, in tests neither", cargo_with(&clippy)),
        // The advisories need a database from the network: they are for whoever publishes, not for every run.
        Stage::new(logs, "deny", "licences, sources and bans of the dependencies", deny),
        Stage::command(logs, "doc", "the documentation has no broken link", doc),
    ]
}

/// The tests: those of the crates, then each integration program of the workspace as a stage.
fn suites(logs: &Path, metadata: &Value, full: bool, pictures: Option<&Path>) -> Result<Vec<Stage>> {
    let test =
        |args: &[&str]| cargo_with(&[&["test", "--workspace", "--no-fail-fast", "--quiet"], args].concat());
    let mut stages = vec![
        Stage::command(logs, "build", "the tests compile", test(&["--no-run"])),
        Stage::new(logs, "programs", "parvisd, parvisctl, parvis-hook, parvis-pages and parvis-sso", |log| {
            binaries(Profile::Dev)?;
            // What the benchmark compares with: by this user, so that nothing is left for cargo to do as root.
            logged(cargo_with(&["build", "--quiet", "--package", "parvis-suites", "--bins"]), log)
        }),
        suite(logs, "unit", "the tests beside the code", test(&["--lib", "--bins"]), full, pictures),
        Stage::command(logs, "doctest", "the examples in the documentation", test(&["--doc"])),
    ];
    let mut names = integration_tests(metadata);
    // What reads the tree comes first: it takes a second and tells most.
    names.sort_by_key(|name| name != "tidy");
    for name in names {
        stages.push(suite(logs, &name, "a suite", test(&["--test", &name]), full, pictures));
    }
    Ok(stages)
}

/// Tests of which some need root.
fn suite(
    logs: &Path,
    name: &str,
    purpose: &str,
    command: Command,
    full: bool,
    pictures: Option<&Path>,
) -> Stage {
    let pictures = pictures.map(Path::to_owned);
    Stage::new(logs, name, purpose, move |log| logged(as_root(command, full, pictures.as_deref())?, log))
}

/// What needs the programs.
fn after(logs: &Path, full: bool, pictures: Option<&Path>) -> Vec<Stage> {
    let auto = cargo_with(&["run", "--quiet", "--package", "parvis-stand", "--bin", "demo", "--", "--auto"]);
    let bench = ["run", "--quiet", "--package", "parvis-suites", "--bin", "bench"];
    let (bench, what) = match full {
        true => ([&bench[..], &["--release", "--", "--full"]].concat(), "every limit of speed, judged"),
        false => ([&bench[..], &["--", "--smoke"]].concat(), "the benchmark works; nothing is judged"),
    };
    vec![
        suite(logs, "bench", what, cargo_with(&bench), full, pictures),
        Stage::command(logs, "demo", "from the letter to the account, unattended", auto),
        Stage::new(
            logs,
            "demo-pages",
            "the same in a browser: the address that is printed works",
            demo::in_a_browser,
        ),
        Stage::new(logs, "units", "systemd finds nothing to say about the units", units::verify),
        Stage::new(logs, "man", "a page for each program, with all its options", pages::verify),
    ]
}

fn cargo_with(args: &[&str]) -> Command {
    let mut command = cargo();
    // A frame of `libtest` says nothing; the words of a failed test say what was expected.
    command.args(args).env("RUST_BACKTRACE", "0");
    command
}

fn packages(log: &Path) -> Result<String> {
    let mut said = Vec::new();
    let result = need(&[EVERYTHING, LEMON, DS389, SAMBA_AD].concat(), &mut |line| {
        install::say(&format!("       {line}"));
        said.push(line.to_owned());
    });
    std::fs::write(log, said.join("\n"))?;
    result.map(|()| String::new())
}

fn deny(log: &Path) -> Result<String> {
    let tool = cargo_tool("cargo-deny", CARGO_DENY, &mut |line| install::say(&format!("       {line}")))?;
    let mut command = Command::new(tool);
    command.current_dir(workspace()).args([
        "--workspace",
        "--locked",
        "--config",
        ".cargo/deny.toml",
        "check",
    ]);
    command.args(["--hide-inclusion-graph", "bans", "licenses", "sources"]);
    logged(command, log)
}

/// The names of the workspace's integration test programs, each once.
fn integration_tests(metadata: &Value) -> Vec<String> {
    let list =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let targets = list(metadata, "packages").into_iter().flat_map(move |package| list(&package, "targets"));
    let tests = targets.filter(|target| {
        let kinds = target.get("kind").and_then(Value::as_array);
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "test"))
    });
    let names = tests.filter_map(|target| Some(target.get("name")?.as_str()?.to_owned()));
    names.collect::<BTreeSet<String>>().into_iter().collect()
}

/// A suite runs as root: cargo stays this user's, and starts the test programs through sudo where that is needed.
fn as_root(mut command: Command, full: bool, pictures: Option<&Path>) -> Result<Command> {
    // Servers are waited for more than computed with: twice as many tests at once as there are processors.
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let mut environment = vec![("RUST_TEST_THREADS".to_owned(), (2 * processors).min(8).to_string())];
    environment.push((PROGRAMS.to_owned(), built_programs()?));
    environment.extend(full.then(|| ("PARVIS_FULL".to_owned(), "1".to_owned())));
    environment.extend(pictures.map(|folder| (PICTURES.to_owned(), folder.display().to_string())));
    if !nix::unistd::geteuid().is_root() {
        let mut runner = vec!["sudo".to_owned(), "-n".to_owned(), "env".to_owned()];
        for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME"].iter().chain(NETWORK) {
            runner.extend(std::env::var(name).ok().map(|value| format!("{name}={value}")));
        }
        // As a rule, a user's has not where the servers are.
        let path = std::env::var("PATH").unwrap_or_default();
        runner.push(format!("PATH={path}:/usr/local/sbin:/usr/sbin:/sbin"));
        runner.extend(environment.iter().map(|(name, value)| format!("{name}={value}")));
        let triple = host()?.to_uppercase().replace('-', "_");
        environment.push((format!("CARGO_TARGET_{triple}_RUNNER"), runner.join(" ")));
        if !install::sudo_works() {
            command = Command::new(program("sh")?);
            command.args([
                "-c",
                "echo this suite needs root: run through sudo, or let sudo ask nothing; exit 1",
            ]);
        }
    }
    command.envs(environment);
    Ok(command)
}

/// Built by this user before the suite, so that no test has to ask cargo, least of all as root.
fn built_programs() -> Result<String> {
    let programs = binaries(Profile::Dev)?;
    let dir = programs.parvisd.parent().and_then(Path::to_str);
    dir.map(str::to_owned).context("the directory of the programs is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_integration_test_is_a_stage_and_nothing_else_is() {
        let metadata: Value = serde_json::from_str(
            r#"{"packages": [
                {"targets": [{"name": "a", "kind": ["lib"]}, {"name": "two", "kind": ["test"]}]},
                {"targets": [{"name": "one", "kind": ["test"]}, {"name": "two", "kind": ["test"]},
                             {"name": "speed", "kind": ["bench"]}]}]}"#,
        )
        .unwrap();
        assert_eq!(integration_tests(&metadata), ["one", "two"]);
    }

    #[test]
    fn no_two_stages_share_a_name() {
        let names: Vec<String> = plan(false, None).unwrap().into_iter().map(|stage| stage.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }
}
