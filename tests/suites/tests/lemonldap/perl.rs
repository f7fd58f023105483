//! The Perl is checked as the Rust is: it compiles without a warning, keeps the house's form, and names no secret.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use parvis_stand::{lemon, run};

fn files(dir: &Path, all: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, all)?;
        } else {
            all.push(path);
        }
    }
    Ok(())
}

#[test]
fn it_compiles_without_a_warning_and_keeps_the_houses_form() -> Result<()> {
    let mut all = Vec::new();
    files(&lemon::plugin(), &mut all)?;
    ensure!(all.len() == 2, "{all:?}");
    let lib = lemon::plugin().display().to_string();
    for path in all {
        let name = path.display().to_string();
        let out = run::output(&run::program("perl")?, &["-I", &lib, "-wc", &name], b"")?;
        let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        ensure!(said == format!("{name} syntax OK"), "{said}");
        let text = std::fs::read_to_string(&path)?;
        ensure!(
            text.starts_with("# ") && text.contains("SPDX-License-Identifier: MIT OR Apache-2.0"),
            "{name}"
        );
        ensure!(text.contains("\nuse strict;\nuse warnings;\n"), "{name}");
        ensure!(text.lines().count() <= 500, "{name} is too long");
        for (number, line) in text.lines().enumerate() {
            ensure!(line.chars().count() <= 120, "{name}:{}: too long a line", number + 1);
            // One string given to a shell would be one too many.
            ensure!(
                !line.contains("system(") && !line.contains("qx") && !line.contains('\t'),
                "{name}: {line}"
            );
        }
    }
    Ok(())
}
