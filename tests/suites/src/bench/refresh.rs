//! The first full refresh: the daemon on a new store, beside what it cannot do without: the same search by `ldapsearch`
//! to nowhere, and the same records written into a bare store.
//!
//! Nothing but the store starts anew: the directory is one for all pairs.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parvis_stand::run::program;
use parvis_stand::slapd::{PEOPLE, SERVICE_DN, SERVICE_PASSWORD};
use parvis_stand::{Layout, Scene, SceneOptions, SlapdOptions};
use parvisd::store::{Commit, Linker, Outcome, Write, open};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Length;
use super::enrolments::{newcomers, options};
use super::idle::resident;
use super::measure::{Limit, Line, median, number, pairs};
use super::start::ctl;

/// Of the search and the writes alone.
const MOST: f64 = 1.3;
/// Megabytes.
const MOST_MEMORY: f64 = 150.0;
/// Of what is resident, where ten times as many have arrived already.
const MOST_GROWTH: f64 = 1.05;
/// The whole of a refresh, however long the machine takes.
const PATIENCE: Duration = Duration::from_secs(600);
/// Values that the bare store is given in one commit: as many as are flushed at once at most, so that a power cut in the
/// middle of a flush loses nothing (`store::committer`).
const TOGETHER: usize = 128;

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    let provisional = length.of(200, 10_000, 100_000);
    let active = length.of(500, 90_000, 900_000);
    let (least, most, times) = (length.of(1, 10, 10), length.of(1, 30, 30), length.of(1, 3, 3));
    let home = Layout::new()?;
    // What is resident must not depend on the others: a tenth of them first.
    let alone = Subject::new(length, &home, provisional, active / 10)?.times(times)?;
    let mut subject = Subject::new(length, &home, provisional, active)?;
    let records = Records::of(&subject.scene, length)?;
    ensure!(records.people() == provisional, "{} people were taken in, not {provisional}", records.people());
    let what = format!("first refresh: {provisional} provisional of {} entries", provisional + active);
    let mut line = Line::new(&what, Vec::new(), "times the search and the writes", Limit::Most(MOST));
    let (mut ours, mut search, mut write, mut memory) = (vec![], vec![], vec![], vec![]);
    let (mut daemon, mut slapd) = (vec![], vec![]);
    let seen = RefCell::new(&mut line);
    pairs(
        least,
        most,
        |index| {
            let bare = |subject: &Subject| -> Result<(f64, f64)> {
                Ok((searched(&subject.scene, home.path())?, records.written(home.path())?))
            };
            // The one that goes first may find the machine in another state: by turns.
            let first = if index % 2 == 1 { Some(bare(&subject)?) } else { None };
            let taken = subject.anew()?;
            let bare = first.map_or_else(|| bare(&subject), Ok)?;
            seen.borrow_mut().values.push(taken.took / (bare.0 + bare.1));
            ours.push(taken.took);
            memory.push(taken.resident);
            daemon.push(taken.daemon);
            slapd.push(taken.slapd);
            search.push(bare.0);
            write.push(bare.1);
            Ok(())
        },
        || seen.borrow().certain(),
    )?;
    let count = records.values.len();
    let note = format!(
        "{} s; ldapsearch {} s, the bare store {} s for {count} values and {} records of audit; of processor time \
         parvisd {} s, slapd {} s",
        number(median(&ours)),
        number(median(&search)),
        number(median(&write)),
        records.bodies.len(),
        number(median(&daemon)),
        number(median(&slapd)),
    );
    let grown = memory.iter().map(|resident| resident / median(&alone)).collect();
    let beside = format!("{} MB with {} others", number(median(&alone)), active / 10);
    Ok(vec![
        line.noted(note),
        Line::new("resident after it", memory, "MB", Limit::Most(MOST_MEMORY)).noted(beside),
        Line::new("the same with ten times the others", grown, "times", Limit::Most(MOST_GROWTH)),
    ])
}

/// One refresh: seconds, seconds of processor time, and megabytes that are resident after it.
struct Taken {
    took: f64,
    daemon: f64,
    slapd: f64,
    resident: f64,
}

/// A directory, and a daemon whose store can be taken away.
struct Subject {
    scene: Scene,
    store: PathBuf,
}

impl Subject {
    fn new(length: Length, home: &Layout, provisional: usize, active: usize) -> Result<Self> {
        let store = home.state().join("store");
        let base = options(length, newcomers(provisional));
        let slapd = SlapdOptions {
            more: others(active),
            durable: false,
            accesslog: false,
            memberof: false,
            unique: false,
            ..base.slapd
        };
        let config = "[log]\nfilter = \"warn\"\n".to_owned();
        let scene = Scene::start(SceneOptions { store: Some(store.clone()), slapd, config, ..base })?;
        let mut subject = Self { scene, store };
        // Warms the directory up.
        subject.anew()?;
        Ok(subject)
    }

    /// From a start without a store until all was taken in.
    fn anew(&mut self) -> Result<Taken> {
        self.scene.daemon.terminate()?;
        std::fs::remove_dir_all(&self.store)?;
        let before = self.scene.slapd.usage()?.cpu;
        let begun = Instant::now();
        self.scene.daemon.restart()?;
        self.scene.daemon.wait_status("everything works", PATIENCE)?;
        Ok(Taken {
            took: begun.elapsed().as_secs_f64(),
            daemon: self.scene.daemon.usage()?.cpu.as_secs_f64(),
            slapd: self.scene.slapd.usage()?.cpu.saturating_sub(before).as_secs_f64(),
            resident: resident(&self.scene.daemon)?,
        })
    }

    /// So many times; what was resident.
    fn times(mut self, times: usize) -> Result<Vec<f64>> {
        let resident = (0..times).map(|_| Ok(self.anew()?.resident)).collect();
        self.scene.daemon.terminate()?;
        std::fs::remove_dir_all(&self.store)?;
        resident
    }
}

/// People who have arrived already: in the way of every search, and nobody's business.
fn others(count: usize) -> String {
    let mut ldif = String::new();
    for index in 0..count {
        ldif.push_str(&format!(
            "dn: uid=a{index:07},{PEOPLE}\nobjectClass: inetOrgPerson\nobjectClass: supannPerson\nuid: a{index:07}\n\
             cn: Membre {index}\nsn: Membre {index}\nmail: a{index:07}@univ.example\n\
             supannRessourceEtat: {{COMPTE}}A:SupannActif\n\n"
        ));
    }
    ldif
}

/// Seconds for the same content synchronisation, to nowhere.
fn searched(scene: &Scene, dir: &Path) -> Result<f64> {
    let password = dir.join("password");
    std::fs::write(&password, SERVICE_PASSWORD)?;
    let begun = Instant::now();
    let status = Command::new(program("ldapsearch")?)
        .env("LDAPTLS_CACERT", scene.slapd.ca_file())
        .env("LDAPCONF", "/dev/null")
        .args(["-x", "-LLL", "-H", &scene.slapd.ldaps_url(), "-D", SERVICE_DN, "-y"])
        .arg(&password)
        .args([
            "-E",
            "!sync=ro",
            "-b",
            PEOPLE,
            "(&(objectClass=*)(supannRessourceEtat={COMPTE}I:SupannCree))",
        ])
        .args(READ)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    ensure!(status.success(), "ldapsearch failed ({status})");
    Ok(begun.elapsed().as_secs_f64())
}

/// What the daemon reads of a person, by the shipped configuration.
const READ: &[&str] = &[
    "objectClass",
    "entryUUID",
    "entryCSN",
    "modifyTimestamp",
    "pwdChangedTime",
    "uid",
    "supannRessourceEtat",
    "pwdAccountLockedTime",
    "supannEmpCorps",
    "eduPersonAffiliation",
    "displayName",
    "mail",
    "supannMailPerso",
    "preferredLanguage",
    "supannRessourceEtatDate",
    "supannListeRouge",
    "supannConsentement",
    "mailForwardingAddress",
    "mailDeliveryOption",
    "deliveryMode",
    "pwdReset",
];

/// What a refresh leaves in the store.
struct Records {
    values: Vec<(Vec<u8>, Vec<u8>)>,
    bodies: Vec<Vec<u8>>,
}

impl Records {
    fn of(scene: &Scene, length: Length) -> Result<Self> {
        let backup = ctl(&scene.daemon, length, ["backup", "-"])?.output()?;
        let mut records = Self { values: Vec::new(), bodies: Vec::new() };
        for line in String::from_utf8_lossy(&backup.stdout).lines() {
            let line: Value = serde_json::from_str(line).context("a line of the backup is no JSON")?;
            let bytes = |name: &str| line.get(name).and_then(Value::as_str).map(|text| BASE64.decode(text));
            if let (Some(key), Some(value)) = (bytes("key"), bytes("value")) {
                records.values.push((key?, value?));
            } else if let (Some(body), true) = (bytes("body"), line.get("record").is_some()) {
                records.bodies.push(body?);
            }
        }
        Ok(records)
    }

    /// How many people there are.
    fn people(&self) -> usize {
        self.values.iter().filter(|(key, _)| key.first() == Some(&b'p')).count()
    }

    /// Seconds to write them all into a new store, in large commits.
    fn written(&self, dir: &Path) -> Result<f64> {
        let dir = dir.join("bare");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
        let begun = Instant::now();
        let store = open(&dir, Arc::new(Digesting)).map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut bodies = self.bodies.chunks(TOGETHER);
        for together in self.values.chunks(TOGETHER) {
            let put =
                |(key, value): &(Vec<u8>, Vec<u8>)| Write::Put { key: key.clone(), value: value.clone() };
            let records = bodies.next().unwrap_or_default().to_vec();
            let commit = Commit { writes: together.iter().map(put).collect(), records, ..Commit::default() };
            let outcome = runtime.block_on(store.commit(commit));
            ensure!(matches!(outcome, Ok(Outcome::Committed(_))), "the bare store refuses");
        }
        for rest in bodies {
            let commit = Commit { records: rest.to_vec(), ..Commit::default() };
            ensure!(runtime.block_on(store.commit(commit)).is_ok(), "the bare store refuses");
        }
        store.close().map_err(|error| anyhow::anyhow!("{error}"))?;
        let took = begun.elapsed().as_secs_f64();
        drop(store);
        std::fs::remove_dir_all(&dir)?;
        Ok(took)
    }
}

/// A chain without a key.
pub struct Digesting;

impl Linker for Digesting {
    fn link(&self, previous: &[u8; 32], number: u64, body: &[u8]) -> [u8; 32] {
        let digest = Sha256::new().chain_update(previous).chain_update(number.to_be_bytes());
        digest.chain_update(body).finalize().into()
    }
}
