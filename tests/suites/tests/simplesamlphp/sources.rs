//! The module's own files: PHP finds nothing to say about them, and the traps of SimpleSAMLphp that they go round.

use std::path::PathBuf;

use anyhow::Result;
use parvis_stand::binaries::workspace;
use parvis_stand::run::{output, program};

fn files() -> Result<Vec<PathBuf>> {
    let mut open = vec![workspace().join("hooks/simplesamlphp")];
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => open.push(entry.path()),
                kind if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(found)
}

#[test]
fn php_reads_every_file_and_none_is_long() -> Result<()> {
    let php = program("php")?;
    let mut read = 0;
    for file in files()?.iter().filter(|file| file.extension().is_some_and(|end| end == "php")) {
        let path = file.display().to_string();
        let out = output(&php, &["-d", "error_reporting=-1", "-d", "display_errors=1", "-l", &path], b"")?;
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && said.starts_with("No syntax errors"), "{path}: {said}");
        let text = std::fs::read_to_string(file)?;
        assert!(text.lines().count() <= 500, "{path} is long");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{path} has long lines");
        read += 1;
    }
    assert!(read >= 8, "{read} files");
    Ok(())
}

/// A filter that throws NoPassive is passed over by `processStatePassive`; ours is not.
#[test]
fn a_chain_that_swallows_no_passive_does_not_swallow_the_gate() -> Result<()> {
    let stage = crate::support::Stage::new()?;
    let script = workspace().join("tests/stand/simplesamlphp/passive-chain.php").display().to_string();
    let out = stage.ssp.php(&script)?;
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said} {}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(
        said,
        "a filter that throws NoPassive: passed over\nthe gate: Responder/NoPassive: not let through\n"
    );
    Ok(())
}
