//! The page's own story, told to a daemon that is configured as the page's campus.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use parvis_stand::place::Place;
use parvis_stand::{Person, Population, Scene, SceneOptions, SlapdOptions, State, binaries, run};
use parvis_suites::{LONG, Raw};
use serde_json::{Value, json};

use super::same::differences;

/// The campus of the page.
const CAMPUS: &str = r#"
[campus]
domains = ["example.edu"]
help-address = "help@example.edu"
[pages]
base-url = "https://activate.example.edu"
sign-in-url = "https://sso.example.edu/login"
return-to = ["https://portal.example.edu/"]
[directory]
mailbox-usable = { fr = "demain matin", en = "tomorrow morning" }
[charter]
version = "2026-1"
title = { fr = "Charte", en = "Acceptable use policy" }
url = { fr = "https://www.example.edu/charte-2026-1", en = "https://www.example.edu/charter-2026-1" }
[password]
classes = 0
strength = 0
history-sentence = false
"#;

/// A fenced block of the page: what its first line says, and its JSON.
struct Block {
    line: usize,
    says: Vec<String>,
    json: Value,
}

impl Block {
    fn is(&self, word: &str) -> bool {
        self.says.iter().any(|said| said == word)
    }

    fn named(&self, key: &str) -> Option<&str> {
        self.says.iter().find_map(|said| said.strip_prefix(key)?.strip_prefix('='))
    }
}

fn blocks() -> Result<Vec<Block>> {
    let page = std::fs::read_to_string(binaries::workspace().join("docs/contract.md"))?;
    let (mut found, mut open) = (Vec::new(), None::<(usize, String, String)>);
    for (number, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(says), None) => open = Some((number + 1, says.to_owned(), String::new())),
            (Some(_), Some(_)) => {
                let (line, says, text) = open.take().context("a block")?;
                if says.starts_with("json") {
                    let says = says.split_whitespace().map(str::to_owned).collect();
                    found.push(Block { line, says, json: serde_json::from_str(&text)? });
                }
            }
            (None, Some((_, _, text))) => text.push_str(line),
            (None, None) => {}
        }
    }
    Ok(found)
}

fn person(login: &str, given: &str, surname: &str, mailbox: &str) -> Person {
    Person {
        login: login.to_owned(),
        dn: format!("uid={login},{}", parvis_stand::slapd::PEOPLE),
        provisional_password: "Kivo-4821-Tepa".to_owned(),
        name: format!("{given} {surname}"),
        given: given.to_owned(),
        surname: surname.to_owned(),
        population: Population::Permanent,
        state: State::Provisional,
        mailbox: Some(mailbox.to_owned()),
        personal_mail: Some("marie@example.org".to_owned()),
        language: Some("en".to_owned()),
    }
}

/// What the placeholders stand for by now.
struct Story<'a> {
    scene: &'a Scene,
    session: String,
    ticket: String,
    link: String,
}

impl Story<'_> {
    fn filled(&self, request: &Value) -> Result<Value> {
        let text = request.to_string();
        let held = [("<session>", &self.session), ("<ticket>", &self.ticket), ("<link>", &self.link)];
        let filled = held.iter().fold(text, |text, (name, value)| text.replace(name, value));
        Ok(serde_json::from_str(&filled)?)
    }

    fn ask(&mut self, call: &str, format: Option<&str>, request: &Value) -> Result<(i32, Value)> {
        let input = match request.get("message").filter(|_| call == "bounce") {
            // On standard input the mail is as it is.
            Some(mail) => {
                base64::engine::general_purpose::STANDARD.decode(mail.as_str().unwrap_or_default())?
            }
            None => request.to_string().into_bytes(),
        };
        let format = format.map_or_else(Vec::new, |format| vec!["--as", format]);
        let out = self.scene.daemon.hook_raw(&[&[call], format.as_slice()].concat(), &input)?;
        let answer: Value = serde_json::from_slice(&out.stdout)?;
        if let Some(session) = answer["session"].as_str() {
            session.clone_into(&mut self.session);
        }
        if let Some((_, ticket)) = answer["url"].as_str().and_then(|url| url.split_once("/enter/")) {
            ticket.clone_into(&mut self.ticket);
        }
        Ok((parvis_stand::daemon::code(out.status), answer))
    }

    /// What the page says happens meanwhile: mails arrive, and the page's reader opens them.
    fn meanwhile(&mut self, call: &str, request: &Value) -> Result<()> {
        match call {
            "state" => {
                let sent = run::until(LONG, || {
                    let (_, state) = self.scene.daemon.hook("state", &json!({ "session": self.session }))?;
                    Ok((state["view"]["sent"]["delivery"] == "sent").then_some(()))
                })?;
                ensure!(sent.is_some(), "the mail was never sent");
            }
            "look" => self.link = self.newest_link("marie@example.org")?,
            "redeem" if request["session"].is_null() => self.somebody_elses_link()?,
            "redeem" if self.step()? == "forward-link" => {
                self.link = self.newest_link("dupont@example.net")?
            }
            _ => {}
        }
        Ok(())
    }

    fn step(&self) -> Result<String> {
        let (_, state) = self.scene.daemon.hook("state", &json!({ "session": self.session }))?;
        Ok(state["step"].as_str().unwrap_or_default().to_owned())
    }

    fn newest_link(&self, address: &str) -> Result<String> {
        let mail = self.scene.inbox.wait_for(address, |mail| !mail.links().is_empty(), LONG)?;
        let token = |url: &String| url.strip_prefix("https://activate.example.edu/link/").map(str::to_owned);
        mail.links().iter().find_map(token).context("a link in the mail")
    }

    /// Marie's own link is used by now: the phone without a session is somebody else's, at the same place.
    fn somebody_elses_link(&mut self) -> Result<()> {
        let hook = |call: &str, request: Value| self.scene.daemon.hook(call, &request);
        let (_, opened) = hook("open", json!({ "login": "pmartin" }))?;
        let request = json!({ "session": opened["session"], "address": "paul@example.org" });
        ensure!(hook("recovery-address", request)?.0 == 0, "an address");
        self.link = self.newest_link("paul@example.org")?;
        Ok(())
    }
}

fn same(block: &Block, real: &Value) -> Result<()> {
    let found = differences(&block.json, real);
    ensure!(found.is_empty(), "docs/contract.md:{}: {}\n{real}", block.line, found.join("\n"));
    Ok(())
}

#[test]
fn every_example_of_the_page_is_what_the_daemon_says() -> Result<()> {
    let people = vec![
        person("mdupont", "Marie", "Dupont", "marie.dupont@example.edu"),
        person("pmartin", "Paul", "Martin", "paul.martin@example.edu"),
        person("fresh", "Fanny", "Fresh", "fanny@example.edu"),
    ];
    // The page's digest is that of these texts.
    let charters = Place::new("charters")?;
    std::fs::write(charters.join("en.md"), "test")?;
    std::fs::write(charters.join("fr.md"), "essai")?;
    let file = |name: &str| charters.join(name).display().to_string();
    let texts = format!("file = {{ fr = {:?}, en = {:?} }}\n", file("fr.md"), file("en.md"));
    let scene = Scene::start(SceneOptions {
        slapd: SlapdOptions { people, ..SlapdOptions::default() },
        config: CAMPUS.replace("[charter]\n", &format!("[charter]\n{texts}")),
        ..SceneOptions::default()
    })?;
    let (session, ticket, link) = Default::default();
    let mut story = Story { scene: &scene, session, ticket, link };
    let blocks = blocks()?;
    let (mut at, mut run) = (0, 0);
    let mut faults = Vec::new();
    while let Some(block) = blocks.get(at) {
        at += 1;
        let Some(call) = block.named("call") else { continue };
        let answer = blocks.get(at).context("an answer after the call")?;
        let request = match block.named("format") {
            // Who is in CAS's examples has not begun yet.
            Some(_) => json!({ "login": "fresh", "authenticated": true, "locale": "en" }),
            None => {
                story.meanwhile(call, &block.json)?;
                story.filled(&block.json)?
            }
        };
        if answer.json["status"] == "needs-charter" {
            // No daemon asks for it yet: what it will print is held by the protocol's own tests.
            continue;
        }
        let (code, real) = story.ask(call, None, &request)?;
        let allowed = answer.json.get("allow").is_none_or(|allow| allow == true);
        let wanted = i32::from(!(answer.is("answer") && allowed));
        if code != wanted {
            faults.push(format!("docs/contract.md:{}: exit {code}: {real}", block.line));
        }
        faults.extend(same(answer, &real).err().map(|fault| fault.to_string()));
        if let Some(format) = block.named("format") {
            let printed = blocks.get(at + 1).context("what is printed")?;
            let (_, real) = story.ask(call, Some(format), &request)?;
            faults.extend(same(printed, &real).err().map(|fault| fault.to_string()));
        }
        run += 1;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(run >= 20, "only {run} examples were run");
    on_the_wire(&scene, &blocks)
}

/// The examples in Varlink's own form; Marie is active by now.
fn on_the_wire(scene: &Scene, blocks: &[Block]) -> Result<()> {
    let mut raw = Raw::connect(&scene.daemon.layout().hook_socket())?;
    let of = |kind: &str| blocks.iter().find(|block| block.is(kind)).context("an example on the wire");
    let call = of("wire")?;
    raw.call(call.json["method"].as_str().context("a method")?, &call.json["parameters"], false)?;
    same(of("wire-answer")?, &raw.receive()?.context("an answer")?)?;
    raw.call("org.parvis.Hook.Redeem", &json!({ "link": "x", "locale": "en" }), false)?;
    same(of("wire-error")?, &raw.receive()?.context("an answer")?)
}
