//! A campus with mail: the scene's directory, inbox and daemon, and between them Postfix and Dovecot with the files of
//! `conf/`, changed in addresses, passwords and the mailboxes' owner only.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use parvis_stand::binaries::workspace;
use parvis_stand::dovecot::OWNER;
use parvis_stand::place::Place;
use parvis_stand::sender::{Replies, send};
use parvis_stand::slapd::SERVICE_PASSWORD;
use parvis_stand::{
    Dovecot, DovecotOptions, Inbox, InboxOptions, Message, Person, Population, Postfix, PostfixOptions,
    Scene, SceneOptions, Slapd, SlapdOptions, Srs, Walk, small,
};
use serde_json::json;

pub const SOON: Duration = Duration::from_secs(60);
/// What everybody chooses as a password of their own.
pub const PASSWORD: &str = "Quatre-vingts-chevaux-gris";
/// Éléonore, whose address is not her login.
pub const ELEONORE: &str = "eleonore.lefevre@univ.example";
/// A friend of everybody's.
pub const FRIEND: &str = "ami@ailleurs.example";

/// Which program forwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    Postfix,
    Sieve,
}

/// Whose notion of "keep a copy".
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Notion {
    Netscape,
    Qmail,
}

/// How the campus is to be.
#[derive(Clone)]
pub struct Options {
    pub by: By,
    pub notion: Notion,
    /// The senders of what is forwarded are rewritten.
    pub srs: bool,
    /// Text of the shipped files, and what a test puts in its place.
    pub changes: &'static [(&'static str, &'static str)],
    /// Put into the script before what it does.
    pub before_script: String,
    /// TOML that goes over the daemon's configuration.
    pub config: String,
}

impl Options {
    pub const MAPS: Self = Self::with(By::Postfix);
    pub const SIEVE: Self = Self::with(By::Sieve);

    const fn with(by: By) -> Self {
        Self {
            by,
            notion: Notion::Netscape,
            srs: false,
            changes: &[],
            before_script: String::new(),
            config: String::new(),
        }
    }
}

pub struct Campus {
    pub scene: Scene,
    pub dovecot: Dovecot,
    pub postfix: Postfix,
    _srs: Option<Srs>,
    _place: Place,
}

impl Campus {
    pub fn start(options: Options) -> Result<Self> {
        let mut slapd = SlapdOptions { people: people(), ..SlapdOptions::default() };
        // For the rule that gives an entry its class; slapd knows the attribute without it.
        slapd.writable.push("objectClass".to_owned());
        let slapd = Slapd::start(slapd)?;
        slapd.configure(&snippet("ldif", "olcAccess")?)?;
        if options.notion == Notion::Qmail {
            for person in people() {
                let dn = &person.dn;
                slapd.modify(&format!(
                    "dn: {dn}\nchangetype: modify\nadd: objectClass\nobjectClass: qmailUser\n-\n\
                     delete: objectClass\nobjectClass: mailRecipient\n"
                ))?;
            }
        }
        let inbox = Inbox::start(InboxOptions::default())?;
        let place = Place::new("trust")?;
        place.open_to_all()?;
        let trusted = place.join("ca.pem");
        std::fs::copy(slapd.ca_file(), &trusted)?;
        let config = options.config.clone();
        let shipped =
            Shipped { options, directory: slapd.ldaps_url(), trusted: trusted.display().to_string() };
        let srs = if shipped.options.srs { Some(Srs::start("univ.example")?) } else { None };
        let postfix = Postfix::start(&PostfixOptions {
            relay_to: inbox.port(),
            extra_config: shipped.main_cf(srs.as_ref())?,
            extra_parts: shipped.lines("postfix/master.cf")?,
            files: shipped.folder("postfix/parvis", "parvis/")?,
        })?;
        let dovecot = Dovecot::start(&DovecotOptions {
            config: shipped.dovecot(&postfix)?,
            files: shipped.dovecot_files()?,
        })?;
        let smtp_port = Some(postfix.port());
        let scene =
            Scene::around(slapd, inbox, &SceneOptions { smtp_port, config, ..SceneOptions::default() })?;
        Ok(Self { scene, dovecot, postfix, _srs: srs, _place: place })
    }

    /// A stranger's mail to some people; the subject tells it from others.
    pub fn write(&self, to: &[&str], subject: &str) -> Result<Replies> {
        send(self.postfix.port(), FRIEND, to, &letter(subject))
    }

    /// The same where everybody must be taken; and waits until nothing of it is on its way any more.
    pub fn deliver(&self, to: &[&str], subject: &str) -> Result<()> {
        let replies = self.write(to, subject)?;
        let taken = replies.recipients.iter().chain(&replies.message).all(|reply| reply.starts_with("250"));
        assert!(taken, "{replies:?}");
        self.postfix.wait_empty(SOON)
    }

    /// How often a mail came to an address of the outside world.
    pub fn outside(&self, address: &str, subject: &str) -> usize {
        self.came(address, subject).len()
    }

    /// The mails of that subject that came to an address of the outside world.
    pub fn came(&self, address: &str, subject: &str) -> Vec<Arc<Message>> {
        let mut mails = self.scene.inbox.messages_to(address);
        mails.retain(|mail| mail.subject() == subject);
        mails
    }

    /// How often a mail came to anybody outside.
    pub fn leaked(&self, subject: &str) -> usize {
        self.scene.inbox.messages().iter().filter(|mail| mail.subject() == subject).count()
    }

    /// How often a mail is in a mailbox.
    pub fn inside(&self, login: &str, subject: &str) -> usize {
        let mails = self.dovecot.mailbox(login).expect("a Maildir is readable");
        mails.iter().filter(|mail| mail.subject() == subject).count()
    }

    /// A person's way to step 7: their recovery address is proven, the charter accepted, the listing chosen.
    pub fn until_mail(&self, login: &str) -> Result<Walk<'_>> {
        let mut walk = self.scene.open(login)?;
        walk.prove(&recovery(login))?;
        walk.charter()?;
        walk.listing(false)?;
        Ok(walk)
    }

    /// A whole activation; `forward` is another address than the recovery address, and so confirmed by its own link.
    pub fn activate(&self, login: &str, forward: Option<(&str, bool)>) -> Result<()> {
        let mut walk = self.until_mail(login)?;
        match forward {
            Some((address, keep_copy)) => walk.forward(address, keep_copy)?,
            None => {
                walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
            }
        }
        walk.password(PASSWORD).map(|_| ())
    }
}

/// A snippet of the page about forwarding, in a language, with a word in it.
pub fn snippet(language: &str, word: &str) -> Result<String> {
    let page = std::fs::read_to_string(workspace().join("docs/forwarding.md"))?;
    let fence = format!("```{language}\n");
    let begins = page.split(&fence).skip(1);
    let mut snippets = begins.filter_map(|text| text.split("```").next());
    let found = snippets.find(|text| text.contains(word)).map(str::to_owned);
    found.with_context(|| format!("docs/forwarding.md has no {language} with {word}"))
}

pub fn recovery(login: &str) -> String {
    format!("{login}@secours.example")
}

pub fn letter(subject: &str) -> String {
    format!(
        "From: Ami <{FRIEND}>\nTo: undisclosed-recipients:;\nSubject: {subject}\n\
         Message-ID: <{subject}@ailleurs.example>\nDate: Mon, 31 Aug 2026 10:00:00 +0200\n\nBonjour !"
    )
}

/// As in the stand, but the vacataires have an address of the campus too, without a mailbox behind it.
fn people() -> Vec<Person> {
    let mut people = small();
    for person in &mut people {
        if person.population == Population::Vacataire {
            person.mailbox = Some(format!("{}@univ.example", person.login));
        }
        if person.login == "elefevre" {
            person.mailbox = Some(ELEONORE.to_owned());
        }
    }
    people
}

/// The files of `conf/`, filled in.
struct Shipped {
    options: Options,
    directory: String,
    trusted: String,
}

impl Shipped {
    fn file(&self, name: &str) -> Result<String> {
        let path = workspace().join("conf").join(name);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let text = text
            .replace("ldaps://ldap.univ.example", &self.directory)
            .replace("/etc/ssl/certs/ca-certificates.crt", &self.trusted)
            .replace("change-me", SERVICE_PASSWORD);
        let text = match self.options.notion {
            Notion::Netscape => text,
            // As the comments in these files say.
            Notion::Qmail => {
                text.replace("parvis/netscape/", "parvis/qmail/").replace("-netscape.", "-qmail.")
            }
        };
        Ok(self.options.changes.iter().fold(text, |text, (from, to)| text.replace(from, to)))
    }

    /// Without comments, for where there is no room for them.
    fn lines(&self, name: &str) -> Result<String> {
        let text = self.file(name)?;
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(lines.map(|line| format!("{line}\n")).collect())
    }

    fn folder(&self, name: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        let mut files = Vec::new();
        let base = workspace().join("conf").join(name);
        for folder in ["", "netscape", "qmail"] {
            for entry in std::fs::read_dir(base.join(folder))? {
                let path = entry?.path();
                if path.is_file() {
                    let inner = path.strip_prefix(&base)?.display().to_string();
                    files.push((format!("{prefix}{inner}"), self.file(&format!("{name}/{inner}"))?));
                }
            }
        }
        Ok(files)
    }

    fn main_cf(&self, srs: Option<&Srs>) -> Result<String> {
        // Who is a stranger, and that strangers may write to the campus only, is every server's own affair.
        let mut text = String::from(
            "mynetworks = 127.0.0.1/32\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
        );
        text.push_str(&self.file("postfix/main.cf")?);
        if self.options.by == By::Sieve {
            text.push_str(&self.file("postfix/sieve.cf")?);
        }
        if let Some(srs) = srs {
            let rewriting = self.file("postfix/srs.cf")?;
            let port = |port: u16| format!("127.0.0.1:{port}");
            let rewriting = rewriting.replace("127.0.0.1:10001", &port(srs.forward_port()));
            text.push_str(&rewriting.replace("127.0.0.1:10002", &port(srs.reverse_port())));
        }
        Ok(text)
    }

    fn dovecot(&self, postfix: &Postfix) -> Result<String> {
        let mut text = self.file("dovecot/parvis.conf")?;
        if self.options.by == By::Sieve {
            text.push_str(&self.file("dovecot/parvis-sieve.conf")?);
        }
        Ok(text
            .replace("= vmail", &format!("= {OWNER}"))
            .replace("/var/spool/postfix", &postfix.queue().display().to_string())
            .replace("localhost:25", &format!("127.0.0.1:{}", postfix.port())))
    }

    fn dovecot_files(&self) -> Result<Vec<(String, String)>> {
        let mut files = Vec::new();
        if self.options.by == By::Sieve {
            let script = self.file("dovecot/forward.sieve")?;
            let first = format!("{}if environment", self.options.before_script);
            files.push(("sieve/forward.sieve".to_owned(), script.replacen("if environment", &first, 1)));
        }
        for entry in std::fs::read_dir(workspace().join("conf/dovecot"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if Path::new(&name).extension().is_some_and(|end| end == "ext") {
                let text = self.file(&format!("dovecot/{name}"))?;
                files.push((name, text));
            }
        }
        Ok(files)
    }
}
