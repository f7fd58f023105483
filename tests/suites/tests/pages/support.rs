//! A scene with pages, and a person at a browser.

use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::scene::{BASE_URL, SceneOptions};
use parvis_stand::{Browser, BrowserOptions, Pages, PagesOptions, Person, Scene, small};

/// What a browser says of a form that it sends from a page of ours.
pub const OWN: [(&str, &str); 2] = [("Origin", BASE_URL), ("Sec-Fetch-Site", "same-origin")];

/// The scene and its pages.
pub struct Stage {
    pub pages: Pages,
    pub scene: Scene,
}

impl Stage {
    pub fn new() -> Result<Self> {
        Self::with(SceneOptions::default(), PagesOptions::default())
    }

    pub fn with(scene: SceneOptions, pages: PagesOptions) -> Result<Self> {
        let scene = Scene::start(scene)?;
        let pages = Pages::start(&scene, pages)?;
        Ok(Self { pages, scene })
    }

    pub fn browser(&self, options: &BrowserOptions) -> Result<Browser> {
        Browser::start(&self.pages, options)
    }

    /// Gives the daemon this as its last word of configuration, and waits until it is in force.
    pub fn reload(&self, config: &str) -> Result<()> {
        const DONE: &str = "the configuration was reloaded";
        let daemon = &self.scene.daemon;
        std::fs::write(daemon.layout().path().join("conf.d/90-test.toml"), config)?;
        let before = daemon.log().matches(DONE).count();
        daemon.hangup()?;
        let done = parvis_stand::run::until(parvis_stand::browser::PATIENCE, || {
            Ok((daemon.log().matches(DONE).count() > before).then_some(()))
        })?;
        done.with_context(|| format!("the daemon did not reload: {}", daemon.log()))
    }

    /// The link in the newest mail to an address after this number, as the mail has it.
    pub fn link(&self, address: &str, after: u64) -> Result<String> {
        let mail = self.scene.inbox.wait_for(
            address,
            |mail| mail.number > after && !mail.links().is_empty(),
            Duration::from_secs(20),
        )?;
        let prefix = format!("{BASE_URL}/link/");
        let link = mail.links().into_iter().find(|link| link.starts_with(&prefix));
        link.context("the mail has no link")
    }
}

pub fn person(login: &str) -> Person {
    small().into_iter().find(|person| person.login == login).expect("the dozen have these logins")
}

pub fn url(path: &str) -> String {
    format!("{BASE_URL}{path}")
}

/// Steps 1 and 2.
pub fn sign_in(browser: &Browser, person: &Person) -> Result<()> {
    browser.goto(&url("/sign-in"))?;
    browser.fill("#login", &person.login)?;
    browser.fill("#password", &person.provisional_password)?;
    browser.press("main form .main")
}

/// Steps 3 and 4, the link opened in the same browser.
pub fn prove(stage: &Stage, browser: &Browser, address: &str) -> Result<()> {
    let before = stage.scene.inbox.last_number();
    browser.fill("#address", address)?;
    browser.press("main form .main")?;
    let link = stage.link(address, before)?;
    browser.goto(&link)?;
    browser.press("main form .main")
}

/// Step 5.
pub fn charter(browser: &Browser) -> Result<()> {
    browser.click("#accepted")?;
    browser.press("main form .main")
}

/// Step 6.
pub fn listing(browser: &Browser, listed: bool) -> Result<()> {
    browser.click(if listed { "#listed" } else { "#hidden" })?;
    browser.press("main form .main")
}

/// Step 9.
pub fn password(browser: &Browser, password: &str) -> Result<()> {
    browser.fill("#password", password)?;
    browser.press("main form .main")
}

impl Stage {
    /// Neither the pages' log nor the web server's holds any of these, nor any link or ticket.
    pub fn no_secret_in_the_logs(&self, secrets: &[&str]) -> Result<()> {
        let logs = self.pages.log() + &self.pages.front_log();
        assert!(
            logs.contains("answered") && logs.contains("/step"),
            "the logs say too little to prove anything"
        );
        let mails = self.scene.inbox.messages();
        let links = mails.iter().flat_map(|mail| mail.links());
        let tokens = links.filter_map(|link| link.rsplit('/').next().map(str::to_owned));
        for secret in
            tokens.filter(|token| token.len() > 20).chain(secrets.iter().map(|one| (*one).to_owned()))
        {
            assert!(!logs.contains(&secret), "a log has {secret}");
        }
        Ok(())
    }
}

/// An HTTP answer, as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(own, _)| own == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn cookies(&self) -> Vec<&str> {
        let own = self.headers.iter().filter(|(name, _)| name == "set-cookie");
        own.map(|(_, value)| value.as_str()).collect()
    }

    /// The value that a `Set-Cookie` gives.
    pub fn given(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}=");
        self.cookies().into_iter().find_map(|cookie| cookie.strip_prefix(&prefix)?.split(';').next())
    }

    /// The token of the page's forms.
    pub fn form(&self) -> Option<&str> {
        self.body.split("name=\"form\" value=\"").nth(1)?.split('"').next()
    }
}

/// Sends bytes to the pages themselves, and reads what comes until they close.
pub fn raw(stage: &Stage, bytes: &[u8]) -> Result<Answer> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", stage.pages.port()))?;
    stream.set_read_timeout(Some(Duration::from_secs(40)))?;
    // They may have answered and closed before everything is sent.
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let text = String::from_utf8_lossy(&all).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": "));
    Ok(Answer {
        status: status.with_context(|| format!("no answer: {head:?}"))?,
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
        body: body.to_owned(),
    })
}

/// A request without a body.
pub fn ask(stage: &Stage, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: activation.univ.example\r\nConnection: close\r\n{extra}\r\n"
    );
    raw(stage, request.as_bytes())
}

/// A form, as a browser on our own page sends it, but for what the headers say otherwise.
pub fn post(stage: &Stage, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
    let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: activation.univ.example\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n{extra}\r\n",
        body.len()
    );
    raw(stage, &[head.as_bytes(), body].concat())
}
