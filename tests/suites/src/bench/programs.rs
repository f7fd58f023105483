//! The programs that the product is compared with: built here, because nobody ships them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use parvis_stand::binaries::{Profile, cargo, workspace};
use parvis_stand::install::target_directory;

use super::Length;

/// Which build of the product is measured.
pub fn profile(length: Length) -> Profile {
    length.of(Profile::Dev, Profile::Shipped, Profile::Shipped)
}

/// `bare-client`: static, as small as rustc makes it.
pub fn bare_client() -> Result<PathBuf> {
    let folder = target_directory()?.join("bare");
    std::fs::create_dir_all(&folder)?;
    let program = folder.join("bare-client");
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.arg(workspace().join("tests/suites/src/bin/bare-client.rs")).args(["--edition", "2024"]);
    for option in ["opt-level=s", "lto=fat", "panic=abort", "strip=symbols", "target-feature=+crt-static"] {
        command.args(["-C", option]);
    }
    command.arg("-o").arg(&program);
    done(command, "rustc")?;
    Ok(program)
}

/// `bare-server`: optimised, as the daemon is.
pub fn bare_server(length: Length) -> Result<PathBuf> {
    built(length, "bare-server")
}

/// `bare-page`: optimised, as the pages are.
pub fn bare_page(length: Length) -> Result<PathBuf> {
    built(length, "bare-page")
}

fn built(length: Length, name: &str) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--quiet", "-p", "parvis-suites", "--bin", name]);
    let release = length != Length::Smoke;
    command.args(release.then_some("--release"));
    done(command, "cargo")?;
    Ok(target_directory()?.join(if release { "release" } else { "debug" }).join(name))
}

fn done(mut command: Command, name: &str) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("failed to run {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}
