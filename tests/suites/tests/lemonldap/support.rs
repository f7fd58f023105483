//! A campus with LemonLDAP::NG before it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use parvis_stand::lemon::Ports;
use parvis_stand::scene::SceneOptions;
use parvis_stand::{Lemon, LemonOptions, Person, Reply, Scene, small};
use serde_json::{Value, json};

/// Somebody who has arrived.
pub const ACTIVE: &str = "cbernard";
/// Somebody who has not.
pub const NEW: &str = "mdurand";
/// Somebody who is locked.
pub const LOCKED: &str = "rlemoine";

/// The longest that any answer may take where the plugin's timeout is [`TIMEOUT`], on a machine that is busy.
pub const BOUND: Duration = Duration::from_secs(8);
/// `parvisTimeout` in the tests of faults.
pub const TIMEOUT: &str = "1";

/// The scene and the portal before it.
pub struct Campus {
    pub lemon: Lemon,
    pub scene: Scene,
}

impl Campus {
    /// The plugin asks the daemon's own socket.
    pub fn new() -> Result<Self> {
        Self::with(SceneOptions::default(), LemonOptions::default(), &[])
    }

    /// As [`Campus::new`], with more of the portal's configuration and of the plugin's.
    pub fn with(scene: SceneOptions, mut lemon: LemonOptions, params: &[(&str, &str)]) -> Result<Self> {
        let ports = Ports::free()?;
        let config = format!("{}{}", ports.daemon_config(), scene.config);
        let scene = Scene::start(SceneOptions { config, ..scene })?;
        let socket = scene.daemon.layout().hook_socket();
        lemon.params = with_socket(params, &socket);
        let lemon = Lemon::start(&scene.slapd, ports, &lemon)?;
        Ok(Self { lemon, scene })
    }

    /// Signs in with the password that the letter has, or that an active person has.
    pub fn sign_in(&self, login: &str) -> Result<Reply> {
        self.lemon.sign_in(login, &person(login).provisional_password, &[])
    }

    /// As a program: it wants JSON.
    pub fn sign_in_json(&self, login: &str) -> Result<(u16, Value)> {
        let reply = self.lemon.sign_in(
            login,
            &person(login).provisional_password,
            &[("Accept", "application/json")],
        )?;
        let said = serde_json::from_str(&reply.body).with_context(|| reply.body.clone())?;
        ensure!(reply.status != 500, "{said}: {}", self.lemon.log());
        Ok((reply.status, said))
    }

    /// This person is let in; the session's identifier.
    pub fn enters(&self, login: &str) -> Result<String> {
        let reply = self.sign_in(login)?;
        let session = reply.cookie("lemonldap").map(str::to_owned);
        session.with_context(|| format!("{login} got no session ({}): {}", reply.status, self.lemon.log()))
    }

    /// Nobody has a session or a ticket, and this answer gives none.
    pub fn nobody_is_in(&self, reply: &Reply) -> Result<()> {
        ensure!(reply.cookie("lemonldap").is_none(), "a session's cookie: {:?}", reply.headers);
        let sessions = self.lemon.sessions()?;
        ensure!(sessions.is_empty(), "sessions: {sessions:?}");
        ensure!(self.lemon.tickets()? == 0, "a ticket was given");
        Ok(())
    }

    /// This answer sends to the activation pages, and to nothing else.
    pub fn sent_to_activation(&self, reply: &Reply) -> Result<()> {
        let to = reply.location();
        ensure!(
            reply.status == 302 && to.starts_with("https://activation.univ.example/enter/"),
            "not sent to activation: {} {to} {}\n{}",
            reply.status,
            reply.body,
            self.lemon.log()
        );
        self.nobody_is_in(reply)
    }

    /// This answer is a page with these words, and lets nobody in.
    pub fn told(&self, reply: &Reply, words: &str) -> Result<()> {
        ensure!(
            reply.body.contains(words),
            "no {words:?} ({}): {}\n{}",
            reply.status,
            reply.body,
            self.lemon.log()
        );
        ensure!(!reply.body.contains(" at /") && reply.location().is_empty(), "{}", reply.body);
        self.nobody_is_in(reply)
    }

    /// The plugin's last line.
    pub fn decided(&self) -> String {
        self.lemon.decisions().pop().unwrap_or_default()
    }
}

/// `parvisSocket`, unless another way is given.
fn with_socket(params: &[(&str, &str)], socket: &Path) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    if !["parvisSocket", "parvisHook", "parvisUrl"].iter().any(|way| params.iter().any(|(key, _)| key == way))
    {
        all.push(("parvisSocket".to_owned(), socket.display().to_string()));
    }
    all
}

/// The dozen, one by name.
pub fn person(login: &str) -> Person {
    small().into_iter().find(|person| person.login == login).expect("the dozen have these logins")
}

/// A portal with more configuration.
pub fn configured(conf: Value) -> LemonOptions {
    LemonOptions { conf, ..LemonOptions::default() }
}

/// Makes somebody active, as the help desk might, without the pages.
pub fn activate(scene: &Scene, login: &str) -> Result<()> {
    scene.slapd.replace(&person(login).dn, "supannRessourceEtat", &["{COMPTE}A:SupannActif"])
}

/// The directory has this person's password changed at the next sign-in, and lets them do nothing else before.
pub fn must_reset(scene: &Scene, login: &str) -> Result<()> {
    scene.slapd.replace("cn=default,ou=policies,dc=univ,dc=example", "pwdMustChange", &["TRUE"])?;
    scene.slapd.replace(&person(login).dn, "pwdReset", &["TRUE"])
}

/// The whole of an activation on the socket, by a person who keeps the offered address.
pub fn walk(scene: &Scene, login: &str, password: &str) -> Result<()> {
    let mut walk = scene.open(login)?;
    walk.prove(&format!("{login}@ailleurs.example"))?;
    walk.charter()?;
    walk.listing(false)?;
    let forward = person(login).mailbox.is_none().then(|| format!("{login}@ailleurs.example"));
    walk.step("mail", json!({ "forward": forward, "keep_copy": true }), "password")?;
    walk.password(password).map(drop)
}
