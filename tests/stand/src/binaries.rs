//! The product's own programs, built once in a process. A package under `tests/` gets no `CARGO_BIN_EXE_*`, and
//! running its tests does not build the daemon: so this asks cargo. It must not build anything else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use anyhow::{Context, Result, bail};

use crate::run::lock;

/// How to build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// As `cargo test` does.
    #[default]
    Dev,
    /// Optimised: for benchmarks.
    Release,
    /// As it is shipped, but for `parvis-hook`, which is small and static.
    Shipped,
}

/// An environment variable that names a directory with the programs, built beforehand for [`Profile::Dev`].
pub const PROGRAMS: &str = "PARVIS_PROGRAMS";

/// Where the programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// The daemon.
    pub parvisd: PathBuf,
    /// The administrator's program.
    pub parvisctl: PathBuf,
    /// The login page's program.
    pub parvis_hook: PathBuf,
    /// The pages.
    pub parvis_pages: PathBuf,
    /// The contract over HTTP.
    pub parvis_sso: PathBuf,
}

/// The workspace's own directory.
pub fn workspace() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().nth(2).unwrap_or(here).to_owned()
    })
}

/// Builds what is not built yet, once in a process and profile. What cargo says goes to standard error.
pub fn binaries(profile: Profile) -> Result<Binaries> {
    static BUILT: OnceLock<Mutex<HashMap<Profile, Binaries>>> = OnceLock::new();
    let mut built = lock(BUILT.get_or_init(Mutex::default));
    if let Some(binaries) = built.get(&profile) {
        return Ok(binaries.clone());
    }
    let given = std::env::var_os(PROGRAMS).filter(|_| profile == Profile::Dev).map(PathBuf::from);
    let binaries = match given {
        Some(dir) => Binaries {
            parvisd: dir.join("parvisd"),
            parvisctl: dir.join("parvisctl"),
            parvis_hook: dir.join("parvis-hook"),
            parvis_pages: dir.join("parvis-pages"),
            parvis_sso: dir.join("parvis-sso"),
        },
        None => built_by_cargo(profile)?,
    };
    built.insert(profile, binaries.clone());
    Ok(binaries)
}

fn built_by_cargo(profile: Profile) -> Result<Binaries> {
    let mut args =
        vec!["-p", "parvisd", "-p", "parvis-hook", "-p", "parvis-pages", "-p", "parvis-sso", "--bins"];
    if profile != Profile::Dev {
        args.push("--release");
    }
    let mut found = build(&args, None)?;
    if profile == Profile::Shipped {
        let target = host()?;
        let args = ["-p", "parvis-hook", "--bins", "--profile", "hook", "--target", &target];
        found.extend(build(&args, Some("-C target-feature=+crt-static"))?);
    }
    let mut take = |name: &str| found.remove(name).with_context(|| format!("cargo built no {name}"));
    Ok(Binaries {
        parvisd: take("parvisd")?,
        parvisctl: take("parvisctl")?,
        parvis_hook: take("parvis-hook")?,
        parvis_pages: take("parvis-pages")?,
        parvis_sso: take("parvis-sso")?,
    })
}

/// A cargo command in the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// Runs `cargo build` and gives the programs it names, built now or earlier. `CARGO_TARGET_DIR` is cargo's affair.
fn build(args: &[&str], rustflags: Option<&str>) -> Result<HashMap<String, PathBuf>> {
    let mut command = cargo();
    command.args(["build", "--quiet", "--message-format", "json-render-diagnostics"]).args(args);
    if let Some(flags) = rustflags {
        command.env("RUSTFLAGS", flags);
    }
    let out =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("failed to run cargo")?;
    if !out.status.success() {
        bail!("cargo build {} failed ({})", args.join(" "), out.status);
    }
    Ok(executables(&String::from_utf8_lossy(&out.stdout)))
}

fn executables(messages: &str) -> HashMap<String, PathBuf> {
    let parsed = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    parsed
        .filter_map(|message| {
            let path = message.get("executable")?.as_str()?.to_owned();
            let name = message.get("target")?.get("name")?.as_str()?.to_owned();
            Some((name, PathBuf::from(path)))
        })
        .collect()
}

/// The target triple of this machine.
pub fn host() -> Result<String> {
    let out = Command::new("rustc").arg("-vV").output().context("failed to run rustc")?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say which host it is for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_read_from_what_cargo_prints() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"parvisd\"},\"executable\":\"/t/parvisd\"}\n\
                        {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"serde\"},\"executable\":null}\nnot json\n";
        let found = executables(messages);
        assert_eq!(found.len(), 1);
        assert_eq!(found["parvisd"], PathBuf::from("/t/parvisd"));
    }

    #[test]
    fn the_workspace_is_the_one_with_the_members() {
        assert!(workspace().join("tests/stand/Cargo.toml").exists());
    }
}
