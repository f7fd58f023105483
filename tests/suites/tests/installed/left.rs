//! Nothing of such a machine is left on this one: not when it is put away, and not when whoever made it is killed.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use parvis_stand::place::Place;
use parvis_stand::{Container, ContainerOptions, run};

use crate::support::LONG;

/// In the environment of the process that is killed: this test, once more.
const MAKER: &str = "PARVIS_INSTALLED_MAKER";

/// What there is of a container on this machine: its first process, its folder, its control groups, its mounts.
fn traces(pid: u32, folder: &Path) -> Result<Vec<String>> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let name = folder.file_name().and_then(|name| name.to_str()).context("a folder without a name")?;
    let groups = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (at, kind) = (fields.nth(1)?, fields.next()?);
        kind.starts_with("cgroup").then(|| Path::new(at).join(name))
    });
    let paths = groups.chain([folder.to_owned(), Path::new("/proc").join(pid.to_string())]);
    let there = paths.filter(|path| path.exists()).map(|path| path.display().to_string());
    Ok(there.chain(mounts.lines().filter(|line| line.contains(name)).map(str::to_owned)).collect())
}

#[test]
fn nothing_is_left_of_it_whoever_ends() -> Result<()> {
    let options = ContainerOptions::default();
    if std::env::var_os(MAKER).is_some() {
        let machine = Container::start(&options)?;
        println!("made {} {}", machine.pid()?, machine.folder().display());
        // Until somebody kills us.
        std::io::stdin().read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let mut maker = Command::new(std::env::current_exe()?);
    maker.args(["--exact", "--nocapture", "left::nothing_is_left_of_it_whoever_ends"]).env(MAKER, "1");
    let mut maker = maker.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(maker.stdout.take().context("it has no output")?).lines();
    let made = lines.find_map(|line| Some(line.ok()?.split_once("made ")?.1.to_owned()));
    maker.kill()?;
    maker.wait()?;
    let made = made.context("it made none")?;
    let (pid, folder) = made.split_once(' ').context("a number and a folder")?;
    let (pid, folder): (u32, PathBuf) = (pid.parse()?, folder.into());
    let dead = run::until(LONG, || Ok((!Path::new("/proc").join(pid.to_string()).exists()).then_some(())))?;
    dead.context("the machine outlives its maker")?;

    // What is empty then, the next one removes.
    Place::sweep();
    let machine = Container::start(&options)?;
    assert_eq!(traces(pid, &folder)?, Vec::<String>::new());
    let (pid, folder) = (machine.pid()?, machine.folder().to_owned());
    assert!(traces(pid, &folder)?.len() > 2, "it leaves traces while it is there");
    drop(machine);
    assert_eq!(traces(pid, &folder)?, Vec::<String>::new());
    Ok(())
}
