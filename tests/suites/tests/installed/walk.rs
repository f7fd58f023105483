//! The ten steps, walked by a login page that is a user of the machine and knows nothing but `parvis-hook`.

use anyhow::{Context, Result, ensure};
use parvis_stand::scene::at;
use serde_json::{Value, json};

use crate::support::{Campus, LONG};

/// A person's walk, and every secret that was seen on it.
#[derive(Debug)]
pub struct Walk<'c> {
    campus: &'c Campus,
    /// Whom the login page runs as.
    user: &'c str,
    last: Value,
    session: String,
    /// Sessions, links and passwords: none of them may be found anywhere.
    pub secrets: Vec<String>,
}

impl<'c> Walk<'c> {
    /// The login page has proven the letter's password.
    pub fn open(campus: &'c Campus, user: &'c str, login: &str) -> Result<Self> {
        let mut walk = Self { campus, user, last: Value::Null, session: String::new(), secrets: vec![] };
        walk.call("open", &json!({ "login": login, "locale": "en" }), "recovery-address")?;
        Ok(walk)
    }

    fn call(&mut self, call: &str, request: &Value, step: &str) -> Result<()> {
        let (code, answer) = self.campus.hook(self.user, call, request)?;
        ensure!(code == 0 && at(&answer, "/step") == step, "{call} leads to {step} (exit {code}): {answer}");
        if let Some(session) = at(&answer, "/session").as_str() {
            session.clone_into(&mut self.session);
            self.secrets.push(session.to_owned());
        }
        self.last = answer;
        Ok(())
    }

    fn step(&mut self, call: &str, mut request: Value, step: &str) -> Result<()> {
        let fields = request.as_object_mut().context("a request is an object")?;
        fields.insert("session".to_owned(), json!(self.session));
        self.call(call, &request, step)
    }

    /// Steps 3 and 4, or 7 and 8: gives an address; the link that is mailed there proves it.
    fn prove(&mut self, call: &str, request: Value, address: &str, steps: [&str; 2]) -> Result<()> {
        let before = self.campus.inbox.last_number();
        self.step(call, request, steps[0])?;
        let mail = self.campus.inbox.wait_for(address, |mail| mail.number > before, LONG)?;
        let links = mail.links();
        let link = links.iter().find_map(|url| url.split_once("/link/")).context("the mail has no link")?.1;
        self.secrets.push(link.to_owned());
        self.step("redeem", json!({ "link": link }), steps[1])
    }

    /// All that is left of the ten steps; the account is active at their end.
    pub fn finish(&mut self, recovery: &str, forward: &str, password: &str) -> Result<()> {
        let steps = ["recovery-link", "charter"];
        self.prove("recovery-address", json!({ "address": recovery }), recovery, steps)?;
        let shown = at(&self.last, "/view/charter").clone();
        let read =
            json!({ "version": at(&shown, "/version"), "sha256": at(&shown, "/sha256"), "accepted": true });
        self.step("charter", read, "listing")?;
        self.step("listing", json!({ "listed": false }), "mail")?;
        let request = json!({ "forward": forward, "keep_copy": true });
        self.prove("mail", request, forward, ["forward-link", "password"])?;
        self.secrets.push(password.to_owned());
        self.step("password", json!({ "password": password }), "done")
    }
}
