//! The ten steps in a browser: the pages on localhost, the letters and the inbox in this terminal.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Result, bail};
use parvis_stand::binaries::workspace;
use parvis_stand::install::say;
use parvis_stand::pages::localhost;
use parvis_stand::{Pages, PagesOptions, Port, Scene, SceneOptions, State, small};

use crate::terminal::letters;

/// How soon a mail is shown that came.
const GLANCE: Duration = Duration::from_millis(200);

/// A campus whose mails lead to that port.
pub fn scene(port: &Port) -> Result<Scene> {
    let config = format!("[pages]\nbase-url = \"{}\"\n", localhost(port));
    Scene::start(SceneOptions { config, ..SceneOptions::default() })
}

/// Until the person is done with it: Enter, or the end of the input.
pub fn run(scene: &Scene, port: Port, locale: &str) -> Result<()> {
    let address = localhost(&port);
    let charters = workspace().join("conf/charters");
    let file = |locale: &str| charters.join(format!("charter.{locale}.md")).display().to_string();
    let config = format!("[charter]\nfile = {{ fr = {:?}, en = {:?} }}\n", file("fr"), file("en"));
    let keys = format!("locale = {locale:?}\n");
    let mut pages =
        Pages::on_localhost(scene, port, PagesOptions { config, keys, ..PagesOptions::default() })?;
    let people = small();
    letters(&people);
    say(&format!("\nOpen {address} and sign in with a letter. Mails appear here. Enter ends it all.\n"));
    let ended = enter();
    let mut shown = 0;
    while matches!(ended.recv_timeout(GLANCE), Err(RecvTimeoutError::Timeout)) {
        for mail in scene.inbox.messages().iter().filter(|mail| mail.number > shown) {
            say(&format!("\n── a mail to {} ──\n{}", mail.to.join(", "), mail.readable()));
        }
        shown = scene.inbox.last_number();
    }
    for person in people.iter().filter(|person| person.state == State::Provisional) {
        let entry = scene.slapd.entry(&person.dn)?;
        let active =
            entry.is_some_and(|entry| entry.values("supannRessourceEtat").contains(&"{COMPTE}A:SupannActif"));
        if active {
            if scene.slapd.bind_works(&person.dn, &person.provisional_password)? {
                bail!("{} is active, and the provisional password still works", person.login);
            }
            say(&format!("{} is active; the provisional password no longer works", person.login));
        }
    }
    let status = pages.terminate()?;
    if !status.success() {
        bail!("parvis-pages ended with {status}: {}", pages.log());
    }
    Ok(())
}

/// Told, or cut off, when a line was entered or the input ends.
fn enter() -> Receiver<()> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // Whatever comes of it, it is the end.
        drop(std::io::stdin().lock().read_line(&mut line));
        drop(tell);
    });
    told
}
