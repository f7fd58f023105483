//! The CAS protocol through a real CAS server, as a browser and an application speak it: who gets a ticket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parvis_stand::binaries::{Profile, binaries};
use parvis_stand::djangocas::DjangoCas;
use parvis_stand::scene::{BASE_URL, SceneOptions};
use parvis_stand::sso::{Sso, SsoOptions, TOKEN};
use parvis_stand::{Scene, Walk};
use parvis_suites::strange::{self, recorder, strange_daemon};
use serde_json::json;

/// A browser without a window: cookies of one CAS, and what it was answered.
pub struct Visitor {
    cookies: Vec<(String, String)>,
    language: &'static str,
}

pub struct Page {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

impl Visitor {
    pub fn new(language: &'static str) -> Self {
        Self { cookies: Vec::new(), language }
    }

    pub fn has(&self, cookie: &str) -> bool {
        self.cookies.iter().any(|(name, _)| name == cookie)
    }

    pub fn get(&mut self, url: &str) -> Result<Page> {
        self.ask("GET", url, "", "")
    }

    fn ask(&mut self, method: &str, url: &str, more: &str, body: &str) -> Result<Page> {
        let rest = url.strip_prefix("http://").context("http")?;
        let (host, path) = rest.split_once('/').context("a path")?;
        let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1"))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(
            stream,
            "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept-Language: {}\r\nCookie: {}\r\n\
             User-Agent: Visitor/1\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.language,
            cookies.join("; "),
            body.len()
        )?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        let text = String::from_utf8_lossy(&all).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
        let mut location = None;
        for line in head.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            match name.to_lowercase().as_str() {
                "location" => location = Some(value.to_owned()),
                "set-cookie" => self.keep(value),
                _ => {}
            }
        }
        let status = head.split(' ').nth(1).context("a status")?.parse()?;
        Ok(Page { status, location, body: body.to_owned() })
    }

    fn keep(&mut self, line: &str) {
        let Some((name, value)) = line.split(';').next().unwrap_or_default().split_once('=') else { return };
        self.cookies.retain(|(own, _)| own != name);
        if !value.is_empty() && value != "\"\"" {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The form of CAS's sign-in page, filled in and sent.
    pub fn sign_in(&mut self, url: &str, login: &str, password: &str, more: &str) -> Result<Page> {
        let form = self.get(url)?;
        let mut fields = Vec::new();
        for tag in form.body.split("<input").skip(1) {
            let tag = tag.split('>').next().unwrap_or_default();
            let value = |name: &str| {
                let start = tag.split(&format!(" {name}=\"")).nth(1)?;
                Some(start.split('"').next().unwrap_or_default().replace("&amp;", "&"))
            };
            if let (Some(name), Some("hidden")) = (value("name"), value("type").as_deref()) {
                fields.push((name, value("value").unwrap_or_default()));
            }
        }
        fields.push(("username".to_owned(), login.to_owned()));
        fields.push(("password".to_owned(), password.to_owned()));
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let more = format!("Referer: {url}\r\nContent-Type: application/x-www-form-urlencoded\r\n{more}");
        self.ask("POST", url, &more, &body.join("&"))
    }
}

pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

pub const PASSWORD: &str = "Kivo-4821-Tepa";
pub const ARRIVED: &str = "Deja-arrivee-2024";

/// Where the application sends who has no session.
fn sign_in_url(cas: &DjangoCas) -> String {
    format!("{}login?service={}", cas.url(), encoded(&cas.app_url()))
}

/// The settings of the glue that asks parvis-sso.
pub fn by_url(sso: &Sso) -> String {
    format!("'url': {:?}, 'token-file': {:?}", sso.url(), sso.token_file().display().to_string())
}

/// Into the application: by the ticket of the redirection.
fn let_in(cas: &DjangoCas, visitor: &mut Visitor, page: &Page, login: &str) -> Result<()> {
    let to = page.location.clone().with_context(|| format!("no ticket: {} {}", page.status, page.body))?;
    anyhow::ensure!(to.starts_with(&format!("{}?ticket=ST-", cas.app_url())), "{to}");
    let entered = visitor.get(&to)?;
    anyhow::ensure!(entered.status == 302 && visitor.has("app"), "{}", entered.body);
    let page = visitor.get(&cas.app_url())?;
    anyhow::ensure!(page.body.contains(&format!("signed in as {login}")), "{}", page.body);
    Ok(())
}

/// No ticket, no session at CAS, and nothing in the application; words, and no trace of a program.
fn kept_out(cas: &DjangoCas, visitor: &mut Visitor, page: &Page) -> Result<()> {
    for text in ["ticket=ST-", "Traceback", "Exception", "parvis_cas"] {
        anyhow::ensure!(!page.body.contains(text), "{text} in {}", page.body);
    }
    let to = page.location.clone().unwrap_or_default();
    anyhow::ensure!(!to.contains("ticket=ST-"), "{to}");
    // CAS knows nobody: who asks for a ticket once more is shown the form.
    let again = visitor.get(&sign_in_url(cas))?;
    anyhow::ensure!(again.status == 200 && again.body.contains("name=\"password\""), "{}", again.body);
    anyhow::ensure!(visitor.get(&cas.app_url())?.status == 302, "the application has no session");
    Ok(())
}

#[test]
fn a_provisional_person_gets_no_ticket_before_activation_and_one_after() -> Result<()> {
    let options = SceneOptions {
        config: "[pages]\nreturn-to = [\"http://localhost/\"]\n".to_owned(),
        ..SceneOptions::default()
    };
    let scene = Scene::start(options)?;
    let sso = Sso::start(&scene, SsoOptions::default())?;
    let cas = DjangoCas::start(&scene, &by_url(&sso))?;
    // Only now is it known where CAS is.
    let over = scene.daemon.layout().path().join("conf.d/60-return.toml");
    std::fs::write(over, format!("[pages]\nreturn-to = [{:?}]\n", cas.url()))?;
    scene.daemon.hangup()?;
    scene.daemon.wait_log("was reloaded", Duration::from_secs(20))?;
    let mut marie = Visitor::new("fr");
    let sent = marie.get(&cas.app_url())?;
    assert_eq!((sent.status, sent.location.as_deref()), (302, Some(sign_in_url(&cas).as_str())));
    let page = marie.sign_in(&sign_in_url(&cas), "mdurand", PASSWORD, "")?;
    let url = page.location.clone().context("sent to activation")?;
    assert_eq!(page.status, 302);
    let ticket = url.strip_prefix(&format!("{BASE_URL}/enter/")).with_context(|| url.clone())?.to_owned();
    kept_out(&cas, &mut marie, &page)?;
    let mut walk = Walk::with_ticket(&scene, &ticket, "fr")?;
    walk.prove("marie@ailleurs.example")?;
    walk.charter()?;
    walk.listing(true)?;
    walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    // Still nobody, until the password is set.
    let page = marie.sign_in(&sign_in_url(&cas), "mdurand", PASSWORD, "")?;
    kept_out(&cas, &mut marie, &page)?;
    let done = walk.password("Grand-Bateau-Bleu-17")?;
    let back = done["view"]["done"]["return_to"].as_str().context("the way back")?.to_owned();
    assert_eq!(back, sign_in_url(&cas));
    let page = marie.sign_in(&back, "mdurand", "Grand-Bateau-Bleu-17", "")?;
    let_in(&cas, &mut marie, &page, "mdurand")?;
    let log = cas.log();
    assert!(log.contains("INFO parvis parvis: mdurand: sent to activation"), "{log}");
    assert!(log.contains("INFO parvis parvis: mdurand: passed by the directory"), "{log}");
    for secret in [&ticket, PASSWORD, "Grand-Bateau-Bleu-17", TOKEN] {
        assert!(!log.contains(secret), "{log}");
    }
    Ok(())
}

#[test]
fn with_the_daemon_stopped_or_hung_active_people_sign_in_and_provisional_ones_do_not() -> Result<()> {
    let mut scene = Scene::new()?;
    let sso = Sso::start(&scene, SsoOptions::default())?;
    let cas = DjangoCas::start(&scene, &by_url(&sso))?;
    for stopped in [false, true] {
        if stopped {
            scene.daemon.resume()?;
            scene.daemon.terminate()?;
        } else {
            scene.daemon.pause()?;
        }
        let mut claire = Visitor::new("fr");
        let page = claire.sign_in(&sign_in_url(&cas), "cbernard", ARRIVED, "")?;
        let_in(&cas, &mut claire, &page, "cbernard")?;
        for (language, words) in
            [("fr", "Réessayez dans quelques minutes"), ("en", "try again in a few minutes")]
        {
            let mut marie = Visitor::new(language);
            let begun = Instant::now();
            let page = marie.sign_in(&sign_in_url(&cas), "mdurand", PASSWORD, "")?;
            assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
            assert!(page.body.contains(words), "{}", page.body);
            kept_out(&cas, &mut marie, &page)?;
        }
    }
    Ok(())
}

#[test]
fn each_way_to_ask_and_every_kind_of_client_keeps_them_out() -> Result<()> {
    let scene = Scene::new()?;
    let sso = Sso::start(&scene, SsoOptions::default())?;
    let socket = format!("{:?}", scene.daemon.layout().hook_socket().display().to_string());
    let client = sso.client()?;
    let path = |path: &std::path::Path| format!("{:?}", path.display().to_string());
    let ways = [
        format!("'socket': {socket}"),
        format!("'hook': {}, 'socket': {socket}", path(&binaries(Profile::Dev)?.parvis_hook)),
        format!(
            "'url': {:?}, 'ca': {}, 'certificate': {}, 'key': {}",
            sso.tls_url(),
            path(&sso.authority().file()),
            path(&client.certificate),
            path(&client.key)
        ),
    ];
    for way in ways {
        let cas = DjangoCas::start(&scene, &way)?;
        let mut marie = Visitor::new("fr");
        let page = marie.sign_in(&sign_in_url(&cas), "mdurand", PASSWORD, "")?;
        assert!(
            page.location.as_deref().is_some_and(|url| url.starts_with(BASE_URL)),
            "{way}: {}",
            page.body
        );
        kept_out(&cas, &mut marie, &page)?;
        let mut claire = Visitor::new("fr");
        let page = claire.sign_in(&sign_in_url(&cas), "cbernard", ARRIVED, "")?;
        let_in(&cas, &mut claire, &page, "cbernard")?;
        // Who signs in anew as somebody provisional is no longer who they were.
        let renewed = format!("{}&renew=True", sign_in_url(&cas));
        let page = claire.sign_in(&renewed, "mdurand", PASSWORD, "")?;
        assert!(page.location.as_deref().is_some_and(|url| url.starts_with(BASE_URL)), "{}", page.body);
        let again = claire.get(&sign_in_url(&cas))?;
        assert!(again.status == 200 && again.body.contains("name=\"password\""), "{}", again.body);
        // The wrong password is CAS's own affair; locked people cannot prove theirs; an API is not sent anywhere.
        let mut other = Visitor::new("fr");
        let page = other.sign_in(&sign_in_url(&cas), "mdurand", "wrong", "")?;
        kept_out(&cas, &mut other, &page)?;
        let page = other.sign_in(&sign_in_url(&cas), "rlemoine", "Suno-4460-Pavi", "")?;
        kept_out(&cas, &mut other, &page)?;
        let page = other.sign_in(&sign_in_url(&cas), "mdurand", PASSWORD, "X-AJAX: 1\r\n")?;
        assert!(page.body.contains("\"status\": \"error\"") && page.body.contains(BASE_URL), "{}", page.body);
        kept_out(&cas, &mut other, &page)?;
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let body = |login: &str, password: &str| {
            let service = encoded(&cas.app_url());
            format!("username={login}&password={password}&service={service}&secret=stand-shared-secret")
        };
        let url = format!("{}auth", cas.url());
        assert_eq!(other.ask("POST", &url, form, &body("mdurand", PASSWORD))?.body, "no\n");
        assert_eq!(other.ask("POST", &url, form, &body("cbernard", ARRIVED))?.body, "yes\n");
    }
    Ok(())
}

#[test]
fn strange_answers_and_what_is_forwarded() -> Result<()> {
    let scene = Scene::new()?;
    for (name, habit) in [
        ("silent", strange::silent as strange::Habit),
        ("endless", strange::endless),
        ("dripping", strange::dripping),
        ("garbage", strange::garbage),
    ] {
        let (_place, socket) = strange_daemon(habit)?;
        let cas =
            DjangoCas::start(&scene, &format!("'socket': {:?}, 'timeout': 1", socket.display().to_string()))?;
        let mut marie = Visitor::new("en");
        let begun = Instant::now();
        let page = marie.sign_in(&sign_in_url(&cas), "mdurand", PASSWORD, "")?;
        assert!(begun.elapsed() < Duration::from_secs(5), "{name}: {:?}", begun.elapsed());
        assert!(page.body.contains("try again in a few minutes"), "{name}: {}", page.body);
        kept_out(&cas, &mut marie, &page)?;
        assert!(cas.log().contains("mdurand: no answer: "), "{name}: {}", cas.log());
    }
    let (_place, socket, asked) = recorder(
        "{\"parameters\":{\"allow\":false,\"status\":\"locked\",\"message\":\"Des mots à vous.\"}}\0",
    )?;
    let cas = DjangoCas::start(&scene, &format!("'socket': {:?}", socket.display().to_string()))?;
    let mut marie = Visitor::new("fr");
    let page = marie.sign_in(&sign_in_url(&cas), "mdurand", PASSWORD, "")?;
    assert!(page.body.contains("Des mots à vous."), "{}", page.body);
    kept_out(&cas, &mut marie, &page)?;
    let whole = json!({
        "login": "mdurand", "authenticated": true, "locale": "fr", "return_to": sign_in_url(&cas),
        "client": { "ip": "127.0.0.1", "user_agent": "Visitor/1" },
    });
    assert_eq!(asked.last(), whole);
    let commands = std::fs::read_to_string(format!("/proc/{}/cmdline", cas.pid()?))?;
    assert!(!commands.contains(TOKEN) && !commands.contains(PASSWORD));
    Ok(())
}
