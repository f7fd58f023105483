//! `kill -9` at random moments while several people are at the steps.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use parvis_stand::{Inbox, Person, Scene, SceneOptions, SlapdOptions, campus};
use parvis_suites::{Dice, LONG, Page, admin, refusal};
use serde_json::{Value, json};

/// The steps of whoever does not forward, in order.
const STEPS: [&str; 7] =
    ["recovery-address", "recovery-link", "charter", "listing", "mail", "password", "done"];
const PASSWORD: &str = "Violet-mandarine-77";

fn place(step: &str) -> usize {
    STEPS.iter().position(|known| *known == step).unwrap_or_else(|| panic!("{step} is no step"))
}

/// One person with one browser, who tries again whatever happens to the daemon.
struct Walker<'a> {
    page: &'a Page,
    inbox: &'a Inbox,
    person: Person,
    session: Option<String>,
    /// The furthest step that was answered.
    at: usize,
    view: Value,
}

enum Answer {
    Moved,
    /// The daemon was gone or going: what was asked may have been done, or not.
    Lost,
    Refused(Value),
}

impl Walker<'_> {
    fn address(&self) -> String {
        format!("{}@ailleurs.example", self.person.login)
    }

    fn walk(&mut self) -> Result<()> {
        let begun = Instant::now();
        while self.session.is_none() || self.at < place("done") {
            ensure!(begun.elapsed() < LONG * 2, "{} is stuck at {}", self.person.login, self.at);
            if self.session.is_none() && !self.sign_in()? {
                return Ok(());
            }
            let (call, request) = self.next()?;
            match self.ask(call, request)? {
                Answer::Moved => {}
                Answer::Lost => self.look_again(call)?,
                Answer::Refused(answer) => bail!("{} {call}: {answer}", self.person.login),
            }
        }
        Ok(())
    }

    /// What this step asks for.
    fn next(&self) -> Result<(&'static str, Value)> {
        Ok(match *STEPS.get(self.at).context("a step")? {
            "recovery-address" => ("recovery-address", json!({ "address": self.address() })),
            "recovery-link" => {
                let mail = self.inbox.wait_for(&self.address(), |mail| !mail.links().is_empty(), LONG)?;
                ("redeem", json!({ "link": parvis_stand::scene::link(&mail)? }))
            }
            "charter" => {
                let version = self.view["charter"]["version"].clone();
                ("charter", json!({ "version": version, "accepted": true }))
            }
            "listing" => ("listing", json!({ "listed": true })),
            "mail" => ("mail", json!({ "forward": self.address(), "keep_copy": false })),
            _ => ("password", json!({ "password": PASSWORD })),
        })
    }

    fn ask(&mut self, call: &str, mut request: Value) -> Result<Answer> {
        if let Some(session) = &self.session {
            request["session"] = json!(session);
        }
        let (code, answer) = self.page.ask(call, &request)?;
        match code {
            0 => {
                if let Some(session) = answer["session"].as_str() {
                    self.session = Some(session.to_owned());
                }
                self.view = answer["view"].clone();
                self.at = place(answer["step"].as_str().unwrap_or_default());
                Ok(Answer::Moved)
            }
            69 | 75 => Ok(Answer::Lost),
            1 => Ok(Answer::Refused(answer)),
            _ => bail!("{call}: exit {code}: {answer}"),
        }
    }

    /// After an answer was lost: what was acknowledged before is there, and at most the lost call was done as well.
    fn look_again(&mut self, lost: &str) -> Result<()> {
        let before = self.at;
        loop {
            match self.ask("state", json!({}))? {
                Answer::Moved => break,
                Answer::Lost => {}
                // The lost answer had the session's new token: only that call changes it.
                Answer::Refused(answer) if refusal(&answer) == "session-unknown" && lost == "redeem" => {
                    self.session = None;
                    if !self.sign_in()? {
                        return Ok(());
                    }
                    break;
                }
                Answer::Refused(answer) => bail!("after a lost {lost} at {before}: {answer}"),
            }
        }
        let login = &self.person.login;
        ensure!(self.at >= before, "{login} was at {before}, and is at {} after a lost {lost}", self.at);
        ensure!(self.at <= before + 1, "{login} was at {before}, and is at {} after a lost {lost}", self.at);
        Ok(())
    }

    /// The account's enrolment is found where it was; false where it is active already.
    fn sign_in(&mut self) -> Result<bool> {
        let before = self.at;
        loop {
            match self.ask("open", json!({ "login": self.person.login }))? {
                Answer::Moved => break,
                Answer::Lost => {}
                Answer::Refused(answer) => {
                    ensure!(refusal(&answer) == "not-provisional" && before == place("password"), "{answer}");
                    return Ok(false);
                }
            }
        }
        ensure!(self.at >= before, "{}: {before} was acknowledged, and is {}", self.person.login, self.at);
        Ok(true)
    }
}

#[test]
fn whatever_was_acknowledged_survives_kill_9_and_no_mail_is_lost_or_sent_twice() -> Result<()> {
    const KILLS: usize = 20;
    const FINISHED: usize = 12;
    let people: Vec<Person> = campus(1000).split_off(12);
    let mut scene = Scene::start(SceneOptions {
        slapd: SlapdOptions { people: people.clone(), ..SlapdOptions::default() },
        config: "[limits]\naccount-sign-in = \"1000/1h\"\n[mail]\nretry-first = \"200ms\"\n".to_owned(),
        ..SceneOptions::default()
    })?;
    let page = Page::of(&scene.daemon)?;
    let (waiting, kills) = (Mutex::new(people.into_iter()), AtomicUsize::new(0));
    let finished: Mutex<Vec<Person>> = Mutex::default();
    let enough = || kills.load(Ordering::Relaxed) >= KILLS && finished.lock().unwrap().len() >= FINISHED;
    let Scene { daemon, inbox, slapd } = &mut scene;
    let inbox = &*inbox;
    let mut dice = Dice::new(20_260_901);
    std::thread::scope(|threads| -> Result<()> {
        let walkers: Vec<_> = (0..3)
            .map(|_| {
                threads.spawn(|| -> Result<()> {
                    while !enough() {
                        let Some(person) = waiting.lock().unwrap().next() else { break };
                        let (session, view) = (None, Value::Null);
                        let mut walker = Walker { page: &page, inbox, person, session, at: 0, view };
                        walker.walk()?;
                        finished.lock().unwrap().push(walker.person);
                    }
                    Ok(())
                })
            })
            .collect();
        while walkers.iter().any(|walker| !walker.is_finished()) {
            if !enough() {
                // Not a wait for anything: the moment of the blow.
                std::thread::sleep(dice.between(Duration::from_millis(10), Duration::from_millis(500)));
                daemon.kill9();
                kills.fetch_add(1, Ordering::Relaxed);
                daemon.restart()?;
            } else {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        walkers.into_iter().try_for_each(|walker| walker.join().expect("a walker panicked"))
    })?;
    assert!(kills.load(Ordering::Relaxed) >= KILLS, "everybody was done before");
    let finished = finished.into_inner().unwrap();
    assert!(finished.len() >= FINISHED, "only {} people finished", finished.len());
    for person in &finished {
        let address = format!("{}@ailleurs.example", person.login);
        assert!(slapd.bind_works(&person.dn, PASSWORD)?, "{}", person.login);
        let entry = slapd.entry(&person.dn)?.unwrap();
        assert!(entry.has("supannRessourceEtat", "{COMPTE}A:SupannActif"), "{}", person.login);
        assert_eq!(entry.get("supannListeRouge"), Some("FALSE"));
        assert_eq!(entry.get("mailForwardingAddress"), Some(address.as_str()));
        inbox.wait_for(&address, |mail| mail.links().is_empty(), LONG)?;
        let ids = |link: bool| -> std::collections::BTreeSet<String> {
            let mails = inbox.messages_to(&address);
            let of_kind = mails.iter().filter(|mail| mail.links().is_empty() != link);
            of_kind.map(|mail| mail.header("Message-ID").unwrap()).collect()
        };
        assert_eq!((ids(true).len(), ids(false).len()), (1, 1), "{}: other mails than these", person.login);
    }
    let verdict = admin(daemon, "AuditVerify", &json!({}))?;
    assert_eq!(verdict["ok"], true, "{verdict}");
    Ok(())
}

#[test]
fn what_a_death_in_the_middle_of_opening_the_store_leaves_keeps_nobody_from_opening_it() -> Result<()> {
    let mut scene = Scene::new()?;
    let session = {
        let mut walk = scene.open("mdurand")?;
        walk.prove("marie@ailleurs.example")?;
        walk.session
    };
    for leave in ["kill", "stop"] {
        if leave == "kill" {
            scene.daemon.kill9()
        } else {
            scene.daemon.terminate().map(drop)?
        }
        // sled's snapshot, begun and not finished; it would be taken for the newest.
        let sled = scene.daemon.layout().state().join("store/sled");
        std::fs::write(sled.join("snap.7FFFFFFFFFFFFFFF.generating"), b"half")?;
        scene.daemon.restart()?;
        let (code, state) = scene.daemon.hook("state", &json!({ "session": session }))?;
        assert_eq!((code, state["step"].as_str()), (0, Some("charter")), "after a {leave}: {state}");
    }
    Ok(())
}
