//! What these tests share: a sign-in as CAS's script sees it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::binaries::workspace;
use parvis_stand::groovy::Groovy;
use parvis_stand::place::Place;
use parvis_stand::scene::at;
use serde_json::{Value, json};

pub const PROVISIONAL: &str = "{COMPTE}I:SupannCree";
pub const ACTIVE: &str = "{COMPTE}A:SupannActif";
pub const SERVICE: &str = "https://ent.univ.example/accueil?a=1&b=é";

/// A Groovy, and the folder of its configuration.
pub struct Script {
    groovy: Groovy,
    place: Place,
}

impl Script {
    pub fn new() -> Result<Self> {
        Ok(Self { groovy: Groovy::start()?, place: Place::new("groovy")? })
    }

    /// Writes parvis.properties.
    pub fn configure(&self, lines: &[(&str, &str)]) -> Result<PathBuf> {
        let text: String = lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let file = self.place.join("parvis.properties");
        std::fs::write(&file, text)?;
        Ok(file)
    }

    /// A sign-in to CAS 7, unless `over` says otherwise.
    pub fn sign_in(&mut self, login: &str, state: &str, over: &Value) -> Result<Answer> {
        let script = workspace().join("hooks/cas/parvis.groovy");
        let mut sign = json!({
            "script": script, "properties": self.place.join("parvis.properties"), "cas": 7, "login": login,
            "states": [state], "service": SERVICE, "locale": "fr", "ip": "192.0.2.7", "agent": "Mozilla/5.0",
        });
        for (key, value) in over.as_object().into_iter().flatten() {
            sign.as_object_mut().context("an object")?.insert(key.clone(), value.clone());
        }
        Ok(Answer(self.groovy.sign_in(&sign)?))
    }
}

/// What a script answered.
pub struct Answer(pub Value);

impl Answer {
    pub fn passed(&self) -> bool {
        at(&self.0, "/interrupt") == false && at(&self.0, "/thrown").is_null()
    }

    /// Stopped, with words, and no session: where to, if anywhere.
    pub fn stopped(&self) -> Result<Option<String>> {
        let answer = &self.0;
        for (key, value) in [("/interrupt", true), ("/block", true), ("/ssoEnabled", false)] {
            anyhow::ensure!(at(answer, key) == value, "{key} in {answer}");
        }
        anyhow::ensure!(self.message().len() > 10 && !self.message().contains("Exception"), "{answer}");
        let links = at(answer, "/links").as_object().context("links")?;
        let url = links.values().next().and_then(Value::as_str).map(str::to_owned);
        anyhow::ensure!(at(answer, "/autoRedirect") == url.is_some() && links.len() < 2, "{answer}");
        Ok(url)
    }

    pub fn message(&self) -> &str {
        at(&self.0, "/message").as_str().unwrap_or_default()
    }

    pub fn took(&self) -> Duration {
        Duration::from_millis(at(&self.0, "/took").as_u64().unwrap_or(u64::MAX))
    }

    /// The one line of the log.
    pub fn log(&self) -> Result<String> {
        match at(&self.0, "/log").as_array().map(Vec::as_slice) {
            Some([Value::String(line)]) => Ok(line.clone()),
            other => anyhow::bail!("one line a decision: {other:?}"),
        }
    }
}
