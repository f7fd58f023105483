//! Three people, unattended: what is shown is what happened, and anything else is an error.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use parvis_stand::install::say;
use parvis_stand::scene::at;
use parvis_stand::{Entry, Person, Scene, Walk, small};
use serde_json::json;

/// What of an entry is shown before and after.
const SHOWN: &[&str] = &[
    "supannRessourceEtat",
    "supannRessourceEtatDate",
    "supannListeRouge",
    "supannMailPerso",
    "mailForwardingAddress",
    "mailDeliveryOption",
    "supannConsentement",
];

pub fn run(scene: &Scene, locale: &str) -> Result<()> {
    active(scene)?;
    permanent(scene, locale)?;
    vacataire(scene, locale)?;
    student(scene, locale)
}

/// An active person passes, as on every other day.
fn active(scene: &Scene) -> Result<()> {
    say("\n── somebody who is active already ──");
    let (code, answer) =
        scene.daemon.hook("check", &json!({ "login": "cbernard", "authenticated": true }))?;
    ensure!(code == 0 && at(&answer, "/allow") == true, "an active person was stopped: {answer}");
    say("check cbernard: let through");
    Ok(())
}

/// A permanent member, with forwarding to a second address that has its own link.
fn permanent(scene: &Scene, locale: &str) -> Result<()> {
    let person = begin("a permanent member, with forwarding to another address", "mdurand")?;
    let password = "Violet-mandarine-77";
    let before = show(scene, &person, "before")?;
    gate(scene, &person)?;
    let mut walk = sign_in(scene, &person, locale)?;
    walk.prove("marie.durand@laposte.example")?;
    said(&walk, "address proven by its link");
    walk.charter()?;
    walk.listing(true)?;
    said(&walk, "charter accepted, listed in the public directory");
    walk.forward("marie@ailleurs.example", true)?;
    said(&walk, "forwarding address confirmed by its own link");
    let done = walk.password(password)?;
    ensure!(at(&done, "/view/done/mailbox") == "mdurand@univ.example", "no mailbox at the end: {done}");
    end(
        scene,
        &person,
        password,
        &before,
        &[
            ("mailForwardingAddress", "marie@ailleurs.example"),
            ("supannListeRouge", "FALSE"),
            ("mailDeliveryOption", "mailbox"),
        ],
    )
}

/// A vacataire: no mailbox, so an address to forward to is required.
fn vacataire(scene: &Scene, locale: &str) -> Result<()> {
    let person = begin("a vacataire: no mailbox, forwarding required", "pmoreau")?;
    let password = "Trottoir-cerise-41";
    let before = show(scene, &person, "before")?;
    gate(scene, &person)?;
    let mut walk = sign_in(scene, &person, locale)?;
    walk.prove("paul.moreau@courriel.example")?;
    walk.charter()?;
    walk.listing(false)?;
    let (_, refused) = walk.call("mail", json!({ "forward": null, "keep_copy": false }))?;
    ensure!(at(&refused, "/refusal/code") == "forward-required", "no forwarding was accepted: {refused}");
    say(&format!("  refused without an address: {}", text(at(&refused, "/refusal/message"))));
    let request = json!({ "forward": "paul.moreau@courriel.example", "keep_copy": false });
    walk.step("mail", request, "password")?;
    said(&walk, "forwards to the recovery address, which is proven already");
    walk.password(password)?;
    end(
        scene,
        &person,
        password,
        &before,
        &[("mailForwardingAddress", "paul.moreau@courriel.example"), ("supannListeRouge", "TRUE")],
    )
}

/// A student, through the SSO's redirect, with a first password that is refused.
fn student(scene: &Scene, locale: &str) -> Result<()> {
    let person = begin("a student, sent here by the login page", "lnguyen")?;
    let password = "Pivoine-Atlas-908";
    let before = show(scene, &person, "before")?;
    let mut walk = Walk::enter_in(scene, &person.login, Some("https://ent.univ.example/accueil"), locale)?;
    said(&walk, "handed over by the login page with a ticket");
    walk.prove("linh.nguyen@etu.example")?;
    walk.charter()?;
    walk.listing(false)?;
    walk.step("mail", json!({ "forward": null, "keep_copy": true }), "password")?;
    let (_, refused) = walk.call("password", json!({ "password": "lnguyen-2026-Abc" }))?;
    ensure!(at(&refused, "/refusal/code") == "password-contains-identity", "accepted: {refused}");
    say(&format!("  a first password is refused: {}", text(at(&refused, "/refusal/message"))));
    let done = walk.password(password)?;
    ensure!(at(&done, "/view/done/return_to") == "https://ent.univ.example/accueil", "no way back: {done}");
    end(scene, &person, password, &before, &[("supannListeRouge", "TRUE"), ("mailDeliveryOption", "mailbox")])
}

fn begin(title: &str, login: &str) -> Result<Person> {
    say(&format!("\n── {title} ──"));
    let person = small().into_iter().find(|person| person.login == login);
    let person = person.with_context(|| format!("{login} is not on the campus"))?;
    say(&format!("{} ({login}), provisional password {}", person.name, person.provisional_password));
    Ok(person)
}

/// The login page asks: a provisional person is not let through.
fn gate(scene: &Scene, person: &Person) -> Result<()> {
    let (code, answer) =
        scene.daemon.hook("check", &json!({ "login": person.login, "authenticated": true }))?;
    ensure!(code == 1 && at(&answer, "/allow") == false, "a provisional person was let through: {answer}");
    say(&format!("  the login page asks, and is told: {}", text(at(&answer, "/message"))));
    Ok(())
}

fn sign_in<'s>(scene: &'s Scene, person: &Person, locale: &str) -> Result<Walk<'s>> {
    let walk = Walk::authenticate(scene, &person.login, &person.provisional_password, locale)?;
    said(&walk, "signed in with the letter");
    Ok(walk)
}

fn said(walk: &Walk<'_>, what: &str) {
    say(&format!("  {what} → {}", text(at(&walk.last, "/view/title"))));
}

fn show(scene: &Scene, person: &Person, when: &str) -> Result<Entry> {
    let entry = scene.slapd.entry(&person.dn)?.with_context(|| format!("{} is gone", person.dn))?;
    say(&format!("  {when}:"));
    for name in SHOWN {
        for value in entry.values(name) {
            say(&format!("    {name}: {value}"));
        }
    }
    Ok(entry)
}

/// The proof: the new password binds, the provisional one does not, the entry says what was chosen, the notice came.
fn end(
    scene: &Scene,
    person: &Person,
    password: &str,
    before: &Entry,
    expected: &[(&str, &str)],
) -> Result<()> {
    let after = show(scene, person, "after")?;
    ensure!(before.has("supannRessourceEtat", "{COMPTE}I:SupannCree"), "it was not provisional before");
    ensure!(after.has("supannRessourceEtat", "{COMPTE}A:SupannActif"), "the account is not active");
    ensure!(!after.has("supannRessourceEtat", "{COMPTE}I:SupannCree"), "the account is still provisional");
    for (name, value) in expected {
        ensure!(after.has(name, value), "{name} should be {value}: {:?}", after.values(name));
    }
    ensure!(scene.slapd.bind_works(&person.dn, password)?, "the new password does not work");
    ensure!(
        !scene.slapd.bind_works(&person.dn, &person.provisional_password)?,
        "the provisional password still works"
    );
    say("  a bind with the new password works; with the provisional one it no longer does");
    let address = after.get("supannMailPerso").context("no recovery address was written")?;
    let notice = scene.inbox.wait_for(address, |mail| mail.links().is_empty(), Duration::from_secs(20))?;
    say(&format!("  a notice went to {address}: {}", notice.subject()));
    let (code, answer) =
        scene.daemon.hook("check", &json!({ "login": person.login, "authenticated": true }))?;
    ensure!(code == 0 && at(&answer, "/status") == "active", "not let through afterwards: {answer}");
    Ok(())
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}
