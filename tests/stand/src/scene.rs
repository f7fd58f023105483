//! The whole scene: a directory, a mail server and a daemon that know each other; and a person who walks the steps.
//!
//! What the tests, the demo and the benchmarks start from. It asserts nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::binaries::{Profile, workspace};
use crate::daemon::{Daemon, DaemonOptions, Layout};
use crate::directory::DirectoryServer;
use crate::inbox::{Inbox, InboxOptions};
use crate::message::Message;
use crate::slapd::{SERVICE_PASSWORD, Slapd, SlapdOptions};

/// Where the pages would be.
pub const BASE_URL: &str = "https://activation.univ.example";

/// How the scene is to be.
#[derive(Debug, Default)]
pub struct SceneOptions {
    /// The directory.
    pub slapd: SlapdOptions,
    /// The mail server.
    pub inbox: InboxOptions,
    /// The daemon's build.
    pub profile: Profile,
    /// TOML that goes over the scene's own configuration, as a file in `conf.d/`.
    pub config: String,
    /// Another SMTP port than the inbox's: a proxy's, or Postfix's.
    pub smtp_port: Option<u16>,
    /// Another LDAP URI than the directory's own.
    pub ldap_uri: Option<String>,
    /// Where the store is, if not in the daemon's own place.
    pub store: Option<PathBuf>,
    /// The daemon's watchdog.
    pub watchdog: Option<Duration>,
    /// Name and content of further credentials.
    pub credentials: Vec<(String, String)>,
}

/// A running scene.
#[derive(Debug)]
pub struct Scene {
    /// The daemon. Dropped first.
    pub daemon: Daemon,
    /// The directory.
    pub slapd: Slapd,
    /// The mail server.
    pub inbox: Inbox,
}

impl Scene {
    /// Everything by default.
    pub fn new() -> Result<Self> {
        Self::start(SceneOptions::default())
    }

    /// Starts the three.
    #[expect(clippy::needless_pass_by_value, reason = "options are written where they are used")]
    pub fn start(options: SceneOptions) -> Result<Self> {
        let options = &options;
        let slapd = Slapd::start(options.slapd.clone())?;
        let inbox = Inbox::start(options.inbox.clone())?;
        Self::around(slapd, inbox, options)
    }

    /// Starts the daemon beside servers that run already, perhaps with a proxy before one of them.
    pub fn around(slapd: Slapd, inbox: Inbox, options: &SceneOptions) -> Result<Self> {
        let layout = Layout::new()?;
        let config = config(options, &layout, &slapd, &inbox);
        std::fs::write(layout.path().join("conf.d/50-scene.toml"), &options.config)?;
        let daemon = Daemon::start(layout, daemon_options(options, config))?;
        Ok(Self { daemon, slapd, inbox })
    }

    /// A person's mail with a link, come already or to come.
    pub fn mail(&self, address: &str, after: u64) -> Result<std::sync::Arc<Message>> {
        come(&self.inbox, address, after)
    }

    /// A walk of this person, who has proven the provisional password to the login page.
    pub fn open(&self, login: &str) -> Result<Walk<'_>> {
        Walk::open(self, login)
    }
}

/// What a daemon is started with in a scene.
pub fn daemon_options(options: &SceneOptions, config: String) -> DaemonOptions {
    DaemonOptions {
        config,
        credentials: [
            vec![
                ("key".to_owned(), "scene-key-0123456789abcdef0123456789abcdef".to_owned()),
                ("directory-password".to_owned(), SERVICE_PASSWORD.to_owned()),
            ],
            options.credentials.clone(),
        ]
        .concat(),
        profile: options.profile,
        watchdog: options.watchdog,
        ..DaemonOptions::default()
    }
}

/// The scene's configuration, for any of the stand's directories.
pub fn config(
    options: &SceneOptions,
    layout: &Layout,
    directory: &dyn DirectoryServer,
    inbox: &Inbox,
) -> String {
    // The stand's one user plays both the SSO and the pages, which no principal may: as a user, and as a group.
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let charters = workspace().join("conf/charters");
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    let uri = options.ldap_uri.clone().unwrap_or_else(|| directory.ldaps_url());
    let (bind_dn, base) = (directory.service().0, directory.base());
    let store = options.store.clone().unwrap_or_else(|| layout.state().join("store"));
    format!(
        r#"
[pages]
base-url = "{BASE_URL}"
return-to = ["https://ent.univ.example/"]

[gate]
hook-socket = {hook}
admin-socket = {admin}
sso = ["{uid}"]
pages = ["@{gid}"]
mta = ["{uid}"]
admin = ["{uid}"]
authenticate = true

[directory]
uris = ["{uri}"]
ca-file = {ca}
bind-dn = "{bind_dn}"
base = "{base}"

[mail]
host = "127.0.0.1"
port = {port}
helo = "parvis.univ.example"

[charter]
file = {{ fr = {fr}, en = {en} }}

[store]
path = {store}
"#,
        hook = quoted(&layout.hook_socket()),
        admin = quoted(&layout.admin_socket()),
        ca = quoted(&directory.ca_file()),
        port = options.smtp_port.unwrap_or_else(|| inbox.port()),
        fr = quoted(&charters.join("charter.fr.md")),
        en = quoted(&charters.join("charter.en.md")),
        store = quoted(&store),
    )
}

/// One browser of one person, at the steps.
#[derive(Debug)]
pub struct Walk<'s> {
    daemon: &'s Daemon,
    inbox: &'s Inbox,
    /// The token that the browser holds.
    pub session: String,
    /// The last answer.
    pub last: Value,
}

impl<'s> Walk<'s> {
    /// `open`: the login page draws the steps itself.
    pub fn open(scene: &'s Scene, login: &str) -> Result<Self> {
        Self::beside(&scene.daemon, &scene.inbox, login)
    }

    /// The same with a daemon of one's own.
    pub fn beside(daemon: &'s Daemon, inbox: &'s Inbox, login: &str) -> Result<Self> {
        let (code, last) = daemon.hook("open", &json!({ "login": login, "locale": "fr" }))?;
        Self::begun((daemon, inbox), code, last)
    }

    /// `check`, then `enter` with the ticket in its url: the login page redirects.
    pub fn enter(scene: &'s Scene, login: &str, return_to: Option<&str>) -> Result<Self> {
        Self::enter_in(scene, login, return_to, "fr")
    }

    /// The same, in a language.
    pub fn enter_in(scene: &'s Scene, login: &str, return_to: Option<&str>, locale: &str) -> Result<Self> {
        let request = json!({ "login": login, "authenticated": true, "return_to": return_to });
        let (_, checked) = scene.daemon.hook("check", &request)?;
        let url = at(&checked, "/url").as_str().with_context(|| format!("check gave no url: {checked}"))?;
        Self::with_ticket(scene, url.rsplit('/').next().unwrap_or_default(), locale)
    }

    /// `enter` with a ticket that somebody was sent on with.
    pub fn with_ticket(scene: &'s Scene, ticket: &str, locale: &str) -> Result<Self> {
        let (code, last) = scene.daemon.hook("enter", &json!({ "ticket": ticket, "locale": locale }))?;
        Self::begun((&scene.daemon, &scene.inbox), code, last)
    }

    /// `authenticate`: the daemon proves the letter's password itself.
    pub fn authenticate(scene: &'s Scene, login: &str, password: &str, locale: &str) -> Result<Self> {
        let request = json!({ "login": login, "password": password, "locale": locale });
        let (code, last) = scene.daemon.hook("authenticate", &request)?;
        match at(&last, "/refusal/message").as_str() {
            Some(message) => bail!("{message}"),
            None => Self::begun((&scene.daemon, &scene.inbox), code, last),
        }
    }

    /// A browser that has got this far by other means.
    pub fn resumed(scene: &'s Scene, session: String, last: Value) -> Self {
        Self { daemon: &scene.daemon, inbox: &scene.inbox, session, last }
    }

    fn begun((daemon, inbox): (&'s Daemon, &'s Inbox), code: i32, last: Value) -> Result<Self> {
        match at(&last, "/session").as_str().map(str::to_owned) {
            Some(session) if code == 0 => Ok(Self { daemon, inbox, session, last }),
            _ => bail!("no session (exit {code}): {last}"),
        }
    }

    /// A call in this session, whatever comes of it.
    pub fn call(&mut self, call: &str, mut request: Value) -> Result<(i32, Value)> {
        if let Some(fields) = request.as_object_mut() {
            fields.insert("session".to_owned(), json!(self.session));
        }
        if let (Some(fields), Some(locale)) =
            (request.as_object_mut(), at(&self.last, "/view/locale").as_str())
        {
            fields.entry("locale").or_insert_with(|| json!(locale));
        }
        let (code, answer) = self.daemon.hook(call, &request)?;
        if let Some(session) = at(&answer, "/session").as_str() {
            session.clone_into(&mut self.session);
        }
        if code == 0 {
            self.last = answer.clone();
        }
        Ok((code, answer))
    }

    /// A call that must lead to this step.
    pub fn step(&mut self, call: &str, request: Value, step: &str) -> Result<Value> {
        let (code, answer) = self.call(call, request)?;
        if code != 0 || at(&answer, "/step") != step {
            bail!("{call} should have led to {step} (exit {code}): {answer}");
        }
        Ok(answer)
    }

    /// Steps 3 and 4: gives the address, waits for the mail, presses the button of its link.
    pub fn prove(&mut self, address: &str) -> Result<()> {
        let before = self.inbox.last_number();
        self.step("recovery-address", json!({ "address": address }), "recovery-link")?;
        let link = self.link(address, before)?;
        self.step("redeem", json!({ "link": link }), "charter").map(|_| ())
    }

    /// The token in the newest mail to an address.
    pub fn link(&self, address: &str, after: u64) -> Result<String> {
        link(&*come(self.inbox, address, after)?)
    }

    /// Step 5, as shown.
    pub fn charter(&mut self) -> Result<()> {
        let shown = at(&self.last, "/view/charter");
        let request =
            json!({ "version": at(shown, "/version"), "sha256": at(shown, "/sha256"), "accepted": true });
        self.step("charter", request, "listing").map(|_| ())
    }

    /// Step 6.
    pub fn listing(&mut self, listed: bool) -> Result<()> {
        self.step("listing", json!({ "listed": listed }), "mail").map(|_| ())
    }

    /// Steps 7 and 8: forwards to an address, and proves it by its own link.
    pub fn forward(&mut self, address: &str, keep_copy: bool) -> Result<()> {
        let before = self.inbox.last_number();
        let request = json!({ "forward": address, "keep_copy": keep_copy });
        self.step("mail", request, "forward-link")?;
        let link = self.link(address, before)?;
        self.step("redeem", json!({ "link": link }), "password").map(|_| ())
    }

    /// Step 9.
    pub fn password(&mut self, password: &str) -> Result<Value> {
        self.step("password", json!({ "password": password }), "done")
    }
}

fn come(inbox: &Inbox, address: &str, after: u64) -> Result<std::sync::Arc<Message>> {
    inbox.wait_for(address, |mail| mail.number > after, Duration::from_secs(20))
}

/// What stands at a JSON pointer (RFC 6901); null where nothing does.
pub fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The token of the link in a mail.
pub fn link(mail: &Message) -> Result<String> {
    let prefix = format!("{BASE_URL}/link/");
    let token = mail.links().into_iter().find_map(|url| url.strip_prefix(&prefix).map(str::to_owned));
    token.with_context(|| format!("the mail {} has no link", mail.subject()))
}
