//! What the tests of `parvisctl` share: how it is run, and a campus with people at different steps.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use parvis_stand::Daemon;
use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::daemon::code;
use parvis_stand::run;
use parvis_stand::scene::{Scene, SceneOptions};
use serde_json::Value;

pub const SOON: Duration = Duration::from_secs(20);

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("parvisctl prints UTF-8");
        Self { code: code(output.status), out: text(&output.stdout), err: text(&output.stderr) }
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "one document: {self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

pub fn ctl(daemon: &Daemon, args: &[&str]) -> Said {
    Said::of(&daemon.ctl(args).unwrap())
}

/// With a configuration, and nothing else in the environment that would matter.
pub fn alone(config: &Path, args: &[&str]) -> Said {
    let mut command = Command::new(binaries(Profile::Dev).unwrap().parvisctl);
    command.env_remove("CREDENTIALS_DIRECTORY").arg("--config").arg(config).args(args);
    Said::of(&run::feed(command, b"").unwrap())
}

/// Marie is at the charter, Paul waits for his link, Linh is done, Théo has cancelled.
pub fn busy() -> Scene {
    busy_with("")
}

/// The same with a configuration of its own on top.
pub fn busy_with(config: &str) -> Scene {
    let scene = Scene::start(SceneOptions { config: config.to_owned(), ..SceneOptions::default() }).unwrap();
    let mut marie = scene.open("mdurand").unwrap();
    marie.prove("marie@ailleurs.example").unwrap();
    let mut linh = scene.open("lnguyen").unwrap();
    linh.prove("linh@ailleurs.example").unwrap();
    linh.charter().unwrap();
    linh.listing(true).unwrap();
    linh.step("mail", serde_json::json!({ "forward": null, "keep_copy": true }), "password").unwrap();
    linh.password("Quatre-vingts-chevaux-gris").unwrap();
    let mut paul = scene.open("pmoreau").unwrap();
    let request = serde_json::json!({ "address": "paul@ailleurs.example" });
    paul.step("recovery-address", request, "recovery-link").unwrap();
    scene.mail("paul@ailleurs.example", 0).unwrap();
    scene.open("tpetit").unwrap();
    scene
}

pub fn logins(said: &Said) -> Vec<String> {
    let people = said.json()["people"].as_array().unwrap().clone();
    people.iter().map(|person| person["login"].as_str().unwrap().to_owned()).collect()
}
