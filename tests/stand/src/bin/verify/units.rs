//! The systemd units, as systemd itself reads them. `systemd-analyze verify` exits with 0 even for a key that it does
//! not know, so anything it says is a failure. It must not need the programs installed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use parvis_stand::binaries::workspace;
use parvis_stand::run::program;

/// Verifies every unit in `systemd/`; fine where there is none.
pub fn verify(log: &Path) -> Result<String> {
    let units = units(&workspace().join("systemd"))?;
    if units.is_empty() {
        return Ok("no unit yet".to_owned());
    }
    let said = said_of(&units)?;
    std::fs::write(log, &said)?;
    if !said.trim().is_empty() {
        bail!("systemd-analyze verify has something to say");
    }
    Ok(format!("{} units", units.len()))
}

/// Name and text of each unit, with a program that exists in the place of ours: systemd looks for it.
fn units(dir: &Path) -> Result<Vec<(String, String)>> {
    let mut units = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry?.path();
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        if ["service", "socket", "timer", "path", "target"].contains(&kind) {
            let name =
                path.file_name().and_then(|name| name.to_str()).context("a unit's name is not UTF-8")?;
            let text = std::fs::read_to_string(&path)?;
            units.push((name.to_owned(), text.lines().map(with_true).collect()));
        }
    }
    units.sort();
    Ok(units)
}

fn with_true(line: &str) -> String {
    let command = line.strip_prefix("Exec").and_then(|rest| rest.split_once('='));
    match command {
        Some((key, command)) if !command.trim().is_empty() => {
            let words = command.trim_start_matches(['-', '@', ':', '+', '!', '|', ' ']);
            let arguments = words.split_once(' ').map_or("", |(_, arguments)| arguments);
            format!("Exec{key}=/bin/true {arguments}\n")
        }
        _ => format!("{line}\n"),
    }
}

fn said_of(units: &[(String, String)]) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(program("systemd-analyze")?);
    command.args(["verify", "--man=no"]);
    for (name, text) in units {
        let path = dir.path().join(name);
        std::fs::write(&path, text)?;
        command.arg(path);
    }
    let out = command.output().context("failed to run systemd-analyze")?;
    let said = [out.stdout, out.stderr].concat();
    let mut said = String::from_utf8_lossy(&said).into_owned();
    if !out.status.success() {
        said.push_str(&format!("\nsystemd-analyze ended with {}", out.status));
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> Vec<(String, String)> {
        vec![("x.service".to_owned(), text.lines().map(with_true).collect())]
    }

    #[test]
    fn a_sound_unit_passes_and_an_unknown_key_does_not() {
        let sound = "[Service]\nType=notify\nExecStart=/usr/sbin/no-such-program --config x\n";
        assert_eq!(said_of(&unit(sound)).unwrap().trim(), "");
        let said = said_of(&unit(&format!("{sound}ProtectSytem=strict\n"))).unwrap();
        assert!(said.contains("ProtectSytem"), "{said}");
    }

    #[test]
    fn only_the_program_is_replaced() {
        assert_eq!(with_true("ExecStart=-/usr/bin/a b c"), "ExecStart=/bin/true b c\n");
        assert_eq!(with_true("ExecReload="), "ExecReload=\n");
        assert_eq!(with_true("Type=exec"), "Type=exec\n");
    }
}
