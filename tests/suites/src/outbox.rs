//! An outbox filled while the daemon is stopped, and a bare sender to compare with: for the benchmark and the fault suite.
//!
//! One person is brought to the mailed link by a real daemon whose mail server is away; the dossier and the mail that waits
//! are cast as often as wanted, each under identities of their own. So every mail is one that the daemon itself would have
//! written, and is checked against its enrolment, composed and settled like any other. Whom the directory does not know
//! has no mark of an open enrolment: the watch does not look for them.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use parvis_stand::{Scene, run};
use parvisd::dossier::{press, unpress};
use parvisd::store::{Commit, Linker, Outcome, Store, Write, open};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The configuration under which a mould is taken: its mails are wanted for days, and nobody is limited.
pub const CONFIG: &str =
    "[links]\nrecovery = \"48h\"\n[limits]\ncampus = \"100000/1h\"\ndomain = \"100000/1h\"\n";
/// The domain of the address in the mould.
const DOMAIN: &str = "mould.example";
/// How many commits are on their way at once.
const AT_ONCE: usize = 16;
/// Mails in one commit.
const IN_ONE: usize = 40;

/// A person and a mail, to be cast again and again.
#[derive(Debug)]
pub struct Mould {
    dossier: String,
    waiting: String,
    person: String,
    mail: String,
    address: String,
}

/// A mail to be put into an outbox.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Makes it somebody's own.
    pub number: usize,
    /// Where it goes.
    pub domain: String,
    /// When it is due, from now on; until now, where negative.
    pub due_seconds: i64,
}

impl Cast {
    /// The address that it goes to.
    pub fn address(&self) -> String {
        format!("u{:07}@{}", self.number, self.domain)
    }
}

/// Where a scene's store is.
pub fn store_of(scene: &Scene) -> PathBuf {
    scene.daemon.layout().state().join("store")
}

impl Mould {
    /// Brings this person to the mailed link, and takes the mould. The daemon is stopped when this returns, and the outbox
    /// is empty; the inbox listens again.
    pub fn take(scene: &mut Scene, login: &str) -> Result<Self> {
        scene.inbox.close();
        let (_, opened) = scene.daemon.hook("open", &json!({ "login": login, "locale": "fr" }))?;
        let session = opened.get("session").context("no session")?;
        let address = format!("u0000000@{DOMAIN}");
        let request = json!({ "session": session, "address": address });
        let (code, answer) = scene.daemon.hook("recovery-address", &request)?;
        ensure!(code == 0, "no mail was ordered: {answer}");
        // Tried once and deferred, so that nothing is under way when the daemon stops.
        let tried = run::until(crate::LONG, || {
            let (_, state) = scene.daemon.hook("state", &json!({ "session": session }))?;
            Ok(state.pointer("/view/sent/delivery").is_some_and(|held| held == "deferred").then_some(()))
        })?;
        tried.context("the mail was never tried")?;
        scene.daemon.terminate()?;
        scene.inbox.open()?;
        let store = opened_store(&store_of(scene))?;
        let mould = Self::read(&*store, &address);
        let all: Vec<Write> =
            store.scan(b"o", b"p", 100)?.into_iter().map(|(key, _)| Write::Delete { key }).collect();
        runtime()?.block_on(store.commit(Commit { writes: all, ..Commit::default() }))?;
        store.close()?;
        mould
    }

    fn read(store: &dyn Store, address: &str) -> Result<Self> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
        let (_, held) = store.scan(b"o", b"p", 1)?.into_iter().next().context("no mail waits")?;
        let waiting = text(&held.value)?;
        let value: Value = serde_json::from_str(&waiting)?;
        let field = |pointer: &str| -> Result<String> {
            Ok(value.pointer(pointer).and_then(Value::as_str).context("a mail of another form")?.to_owned())
        };
        let (person, mail) = (field("/person")?, field("/order/mail")?);
        let key: Vec<u8> = [b'p'].into_iter().chain(bytes(&person)?).collect();
        let held = store.get(&key)?.context("the mail's person is not there")?;
        let dossier = text(&unpress(&held.value).map_err(anyhow::Error::msg)?)?;
        // As a mail that was never tried.
        let waiting = waiting.replace("\"tries\":1", "\"tries\":0");
        Ok(Self { dossier, waiting, person, mail, address: address.to_owned() })
    }

    /// Puts these mails, and their people, into the store of a daemon that is stopped.
    pub fn fill(&self, store: &Path, casts: impl Iterator<Item = Cast>) -> Result<()> {
        self.write(store, casts.map(|cast| (cast, [true, true])))
    }

    /// The people alone: no mail waits for them.
    pub fn fill_people(&self, store: &Path, casts: impl Iterator<Item = Cast>) -> Result<()> {
        self.write(store, casts.map(|cast| (cast, [true, false])))
    }

    /// The mails alone, to people who are there.
    pub fn fill_mails(&self, store: &Path, casts: impl Iterator<Item = Cast>) -> Result<()> {
        self.write(store, casts.map(|cast| (cast, [false, true])))
    }

    /// Of each of these the person, the mail, or both.
    fn write(&self, store: &Path, casts: impl Iterator<Item = (Cast, [bool; 2])>) -> Result<()> {
        let store = opened_store(store)?;
        let now = now()?;
        let filled = runtime()?.block_on(async {
            let (mut casts, mut under_way) = (casts.peekable(), VecDeque::new());
            while casts.peek().is_some() {
                let writes: Vec<Write> = casts
                    .by_ref()
                    .take(IN_ONE)
                    .flat_map(|(cast, which)| self.cast(&cast, which, now))
                    .collect();
                under_way.push_back(store.commit(Commit { writes, ..Commit::default() }));
                if under_way.len() >= AT_ONCE
                    && let Some(first) = under_way.pop_front()
                {
                    committed(first.await)?;
                }
            }
            for last in under_way {
                committed(last.await)?;
            }
            Ok(())
        });
        store.close()?;
        filled
    }

    fn cast(&self, cast: &Cast, which: [bool; 2], now: Duration) -> impl Iterator<Item = Write> + use<> {
        let id = |what: &str| -> Vec<u8> {
            Sha256::digest(format!("{what} {}", cast.number)).iter().copied().take(16).collect()
        };
        let (person, mail) = (id("person"), id("mail"));
        let text = |mould: &str| {
            mould
                .replace(&self.person, &hex(&person))
                .replace(&self.mail, &hex(&mail))
                .replace(&self.address, &cast.address())
        };
        let due = i64::try_from(now.as_millis()).unwrap_or_default() + cast.due_seconds * 1000;
        let key = |kind: u8, parts: &[&[u8]]| [&[kind], parts.concat().as_slice()].concat();
        let writes = [
            Write::Put { key: key(b'p', &[&person]), value: press(text(&self.dossier).as_bytes()) },
            Write::Put {
                key: key(b'o', &[&u64::try_from(due).unwrap_or_default().to_be_bytes(), &mail]),
                value: text(&self.waiting).into_bytes(),
            },
        ];
        writes.into_iter().zip(which).filter_map(|(write, wanted)| wanted.then_some(write))
    }
}

#[expect(clippy::disallowed_methods, reason = "what is put into a real store is due by the real clock")]
fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

fn committed(answer: Result<Outcome, parvisd::store::StoreError>) -> Result<()> {
    match answer? {
        Outcome::Committed(_) => Ok(()),
        Outcome::Conflict => bail!("a commit without checks was in conflict"),
    }
}

/// To whom mails wait in a store, as it lies on the disk: a copy is opened, so whoever died finds its own as it was.
pub fn waiting(store: &Path) -> Result<BTreeSet<String>> {
    let copy = tempfile::tempdir()?;
    duplicate(store, &copy.path().join("store"))?;
    let store = opened_store(&copy.path().join("store"))?;
    let found = store.scan(b"o", b"p", 1_000_000)?;
    store.close()?;
    let to = |value: &[u8]| -> Result<String> {
        let value: Value = serde_json::from_slice(value)?;
        Ok(value.pointer("/order/to").and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    found.iter().map(|(_, held)| to(&held.value)).collect()
}

fn duplicate(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let (entry, to) = (entry?.path(), to.to_owned());
        let name = entry.file_name().context("a file without a name")?;
        if entry.is_dir() {
            duplicate(&entry, &to.join(name))?
        } else {
            std::fs::copy(&entry, to.join(name))?;
        }
    }
    Ok(())
}

fn opened_store(path: &Path) -> Result<Arc<dyn Store>> {
    Ok(open(path, Arc::new(Unlinked))?)
}

/// Nothing is appended to the chain here.
struct Unlinked;

impl Linker for Unlinked {
    fn link(&self, _: &[u8; 32], _: u64, _: &[u8]) -> [u8; 32] {
        [0; 32]
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let number = u128::from_str_radix(hex, 16).context("an identifier of another form")?;
    Ok(number.to_be_bytes().to_vec())
}
