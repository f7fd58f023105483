//! The ten steps in a terminal: what the pages will show, asked and answered line by line.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parvis_stand::install::say;
use parvis_stand::scene::at;
use parvis_stand::{Person, Population, Scene, State, Walk, run, scene, small};
use serde_json::{Value, json};

pub fn run(scene: &Scene, locale: &str) -> Result<()> {
    let people = small();
    letters(&people);
    let mut walk = sign_in(scene, locale)?;
    say("\nAt any prompt: !mail shows the inbox, !quit ends the demo and everything in it.");
    loop {
        let step = at(&walk.last, "/step").as_str().unwrap_or_default().to_owned();
        head(at(&walk.last, "/view"));
        match step.as_str() {
            "recovery-address" => recovery_address(scene, &mut walk)?,
            "recovery-link" | "forward-link" => link(scene, &mut walk)?,
            "charter" => charter(scene, &mut walk)?,
            "listing" => listing(scene, &mut walk)?,
            "mail" => mail(scene, &mut walk)?,
            "password" => password(scene, &mut walk)?,
            "done" => return done(scene, &people, &walk),
            other => bail!("the daemon is at a step that this demo does not know: {other}"),
        }
    }
}

/// What HR would have put into an envelope.
pub fn letters(people: &[Person]) {
    say("\nThree letters came from the printer:\n");
    let kinds = [
        (Population::Permanent, "permanent member of staff, with a mailbox"),
        (Population::Vacataire, "vacataire: no mailbox, forwarding required"),
        (Population::Student, "student, with a mailbox"),
    ];
    for (population, what) in kinds {
        let found = people.iter().find(|p| p.population == population && p.state == State::Provisional);
        if let Some(person) = found {
            say(&format!(
                "  {:<16} {:<16} {} ({what})",
                person.login, person.provisional_password, person.name
            ));
        }
    }
}

fn sign_in<'s>(scene: &'s Scene, locale: &str) -> Result<Walk<'s>> {
    say("\nSteps 1 and 2: the login page.");
    loop {
        let login = ask(scene, "login name")?;
        let password = ask(scene, "provisional password")?;
        match Walk::authenticate(scene, login.trim(), password.trim(), locale) {
            Ok(walk) => return Ok(walk),
            Err(error) => say(&format!("  {error}")),
        }
    }
}

fn head(view: &Value) {
    let text = |name: &str| view[name].as_str().unwrap_or_default().to_owned();
    say(&format!("\n[{}/{}] {}", at(view, "/progress/current"), at(view, "/progress/total"), text("title")));
    say(&text("lead"));
}

fn recovery_address(scene: &Scene, walk: &mut Walk<'_>) -> Result<()> {
    let offered = at(&walk.last, "/view/recovery/offered").as_str().unwrap_or_default().to_owned();
    let address = ask(scene, &format!("address [{offered}]"))?;
    let address = if address.trim().is_empty() { offered } else { address };
    tell(walk.call("recovery-address", json!({ "address": address }))?);
    Ok(())
}

fn link(scene: &Scene, walk: &mut Walk<'_>) -> Result<()> {
    let text =
        ask(scene, "press Enter to read the mail and press its button; or type another address, or !resend")?;
    match text.trim() {
        "" => {
            let newest = run::until(Duration::from_secs(15), || {
                Ok(scene.inbox.messages().into_iter().rev().find(|mail| !mail.links().is_empty()))
            })?;
            let Some(newest) = newest else {
                say("  no mail has come yet; !mail shows the inbox, !resend sends it again");
                return refresh(walk);
            };
            say(&format!("\n{}\n", newest.readable()));
            tell(walk.call("redeem", json!({ "link": scene::link(&newest)? }))?);
        }
        "!resend" => tell(walk.call("resend", json!({}))?),
        address if at(&walk.last, "/step") == "recovery-link" => {
            tell(walk.call("recovery-address", json!({ "address": address }))?);
        }
        address => tell(walk.call("mail", json!({ "forward": address, "keep_copy": true }))?),
    }
    refresh(walk)
}

fn charter(scene: &Scene, walk: &mut Walk<'_>) -> Result<()> {
    let shown = at(&walk.last, "/view/charter").clone();
    say(&format!(
        "  {} ({})",
        at(&shown, "/url").as_str().unwrap_or_default(),
        at(&shown, "/version").as_str().unwrap_or_default()
    ));
    let accepted = yes(scene, "accept it? (y/n)")?;
    tell(walk.call("charter", json!({ "version": at(&shown, "/version"), "accepted": accepted }))?);
    Ok(())
}

fn listing(scene: &Scene, walk: &mut Walk<'_>) -> Result<()> {
    let listed = yes(scene, "appear in the public directory? (y/n)")?;
    tell(walk.call("listing", json!({ "listed": listed }))?);
    Ok(())
}

fn mail(scene: &Scene, walk: &mut Walk<'_>) -> Result<()> {
    let view = at(&walk.last, "/view/mail").clone();
    let mailbox = at(&view, "/mailbox").as_str().unwrap_or("none");
    let offered = at(&view, "/offered").as_str().unwrap_or_default();
    say(&format!(
        "  mailbox: {mailbox}; forwarding: {}",
        at(&view, "/forwarding").as_str().unwrap_or_default()
    ));
    let text = ask(scene, &format!("forward to (empty: none; = for {offered})"))?;
    let forward = match text.trim() {
        "" => None,
        "=" => Some(offered.to_owned()),
        address => Some(address.to_owned()),
    };
    let keep_copy = forward.is_none()
        || at(&view, "/mailbox").is_null()
        || yes(scene, "keep a copy in the mailbox? (y/n)")?;
    tell(walk.call("mail", json!({ "forward": forward, "keep_copy": keep_copy }))?);
    Ok(())
}

fn password(scene: &Scene, walk: &mut Walk<'_>) -> Result<()> {
    for rule in at(&walk.last, "/view/password/rules").as_array().into_iter().flatten() {
        say(&format!("  · {}", at(rule, "/sentence").as_str().unwrap_or_default()));
    }
    let password = ask(scene, "new password (shown: this is a demo)")?;
    tell(walk.call("password", json!({ "password": password }))?);
    Ok(())
}

fn done(scene: &Scene, people: &[Person], walk: &Walk<'_>) -> Result<()> {
    let login = at(&walk.last, "/view/done/login").as_str().unwrap_or_default();
    let person = people.iter().find(|person| person.login == login).context("nobody of this campus")?;
    let entry = scene.slapd.entry(&person.dn)?.context("the entry is gone")?;
    say(&format!("\n{}", entry.dn));
    for name in ["supannRessourceEtat", "supannListeRouge", "supannMailPerso", "mailForwardingAddress"] {
        entry.values(name).iter().for_each(|value| say(&format!("  {name}: {value}")));
    }
    let old = scene.slapd.bind_works(&person.dn, &person.provisional_password)?;
    say(&format!(
        "  a bind with the provisional password {}",
        if old { "still works" } else { "no longer works" }
    ));
    if old {
        bail!("the provisional password should no longer work");
    }
    Ok(())
}

/// The step again: the link may have been used, or a mail refused.
fn refresh(walk: &mut Walk<'_>) -> Result<()> {
    let (code, answer) = walk.call("state", json!({}))?;
    if code != 0 {
        say(&format!("  {}", at(&answer, "/refusal/message").as_str().unwrap_or_default()));
    }
    Ok(())
}

fn tell((code, answer): (i32, Value)) {
    if code != 0 {
        say(&format!("  ✗ {}", at(&answer, "/refusal/message").as_str().unwrap_or_default()));
    }
}

fn yes(scene: &Scene, prompt: &str) -> Result<bool> {
    loop {
        match ask(scene, prompt)?.trim().to_lowercase().as_str() {
            "y" | "yes" | "o" | "oui" => return Ok(true),
            "n" | "no" | "non" => return Ok(false),
            _ => say("  y or n, please"),
        }
    }
}

/// A line from the person; `!mail` and `!quit` work everywhere.
fn ask(scene: &Scene, prompt: &str) -> Result<String> {
    loop {
        let mut out = std::io::stdout();
        write!(out, "{prompt}: ")?;
        out.flush()?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            bail!("the input ended before the last step");
        }
        match line.trim() {
            "!quit" => bail!("ended before the last step"),
            "!mail" => scene.inbox.messages().iter().for_each(|mail| say(&format!("\n{}", mail.readable()))),
            _ => return Ok(line.trim_end_matches('\n').to_owned()),
        }
    }
}
