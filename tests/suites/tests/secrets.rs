//! What may never be written down: tokens, passwords, credentials. Looked for in everything that the daemon leaves.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use parvis_stand::scene::{config, daemon_options};
use parvis_stand::slapd::SERVICE_PASSWORD;
use parvis_stand::{
    Daemon, Inbox, InboxOptions, Layout, Scene, SceneOptions, Slapd, SlapdOptions, Walk, run,
};
use parvis_suites::refusal;
use parvisd::dossier::unpress;
use serde_json::{Value, json};

/// What must not be found, under a name that a failing test may say.
#[derive(Default)]
struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    fn add(&mut self, name: &str, text: &str) {
        self.0.push((name.to_owned(), text.as_bytes().to_vec()));
        // A token is its identifier, a keyed hash and the person under a mask: the hash is what makes it one.
        if let Ok(bytes) = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text)
            && let Some(tag) = bytes.get(16..32)
        {
            self.0.push((format!("{name}, decoded"), tag.to_vec()));
            let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
            self.0.push((format!("{name}, in hexadecimal"), hex.into_bytes()));
        }
    }

    fn absent_from(&self, place: &str, bytes: &[u8]) -> Result<()> {
        for (name, secret) in &self.0 {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_slice());
            ensure!(!found, "{place} holds the {name}");
        }
        Ok(())
    }

    /// Every file below a folder but the credentials, which are meant to hold some.
    fn absent_below(&self, folder: &Path) -> Result<usize> {
        let mut read = 0;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() && entry.file_name() != "credentials" {
                read += self.absent_below(&path)?;
            } else if kind.is_file() {
                let bytes = std::fs::read(&path)?;
                self.absent_from(&path.display().to_string(), &bytes)?;
                read += bytes.len();
            }
        }
        Ok(read)
    }

    fn absent_everywhere(&self, scene: &Scene) -> Result<()> {
        let read = self.absent_below(scene.daemon.layout().path())?;
        ensure!(read > 10_000, "only {read} bytes were looked at");
        self.absent_from("the log", scene.daemon.log().as_bytes())?;
        // Records are pressed, so the files alone would not show what they hold.
        for record in records(scene)? {
            self.absent_from("a record", &record)?;
        }
        for name in ["environ", "cmdline"] {
            let path = format!("/proc/{}/{name}", scene.daemon.pid()?);
            self.absent_from(&path, &std::fs::read(&path)?)?;
        }
        Ok(())
    }
}

/// Every person's record, as the daemon reads it.
fn records(scene: &Scene) -> Result<Vec<Vec<u8>>> {
    let backup = scene.daemon.ctl(&["backup", "-"])?;
    ensure!(backup.status.success(), "{}", String::from_utf8_lossy(&backup.stderr));
    let decoded = |text: Option<&Value>| {
        let text = text.and_then(Value::as_str).unwrap_or_default();
        base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default()
    };
    let mut records = Vec::new();
    for line in String::from_utf8(backup.stdout)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        if decoded(line.get("key")).starts_with(b"p") {
            let record = decoded(line.get("value"));
            records.push(unpress(&record).map_err(anyhow::Error::msg)?.into_owned());
        }
    }
    ensure!(!records.is_empty(), "a backup without records");
    Ok(records)
}

#[test]
fn no_token_no_password_and_no_credential_is_in_the_store_the_log_or_the_process() -> Result<()> {
    let mut scene = Scene::start(SceneOptions {
        config: "[log]\nfilter = \"debug\"\n[limits]\nresend-cooldown = \"1s\"\n".to_owned(),
        ..SceneOptions::default()
    })?;
    let mut secrets = Secrets::default();
    secrets.add("key", "scene-key-0123456789abcdef0123456789abcdef");
    secrets.add("directory's password", SERVICE_PASSWORD);
    let mut sessions = 0;
    let mut seen = |secrets: &mut Secrets, walk: &Walk<'_>| {
        sessions += 1;
        secrets.add(&format!("session {sessions}"), &walk.session);
    };
    let request = json!({ "login": "mdurand", "authenticated": true });
    let (_, checked) = scene.daemon.hook("check", &request)?;
    let ticket = checked["url"].as_str().context("a url")?.rsplit('/').next().context("a ticket")?.to_owned();
    secrets.add("ticket", &ticket);
    secrets.absent_everywhere(&scene)?;
    let wrong = "Mauvais-mot-de-passe-99";
    secrets.add("wrong password", wrong);
    let (_, refused) =
        scene.daemon.hook("authenticate", &json!({ "login": "mdurand", "password": wrong }))?;
    assert_eq!(refusal(&refused), "sign-in-refused");
    secrets.add("password of the letter", "Kivo-4821-Tepa");
    let request = json!({ "login": "mdurand", "password": "Kivo-4821-Tepa" });
    let (code, signed_in) = scene.daemon.hook("authenticate", &request)?;
    assert_eq!(code, 0, "{signed_in}");
    secrets.add("session of authenticate", signed_in["session"].as_str().context("a session")?);
    {
        let mut walk = Walk::enter(&scene, "mdurand", None)?;
        seen(&mut secrets, &walk);
        walk.step("recovery-address", json!({ "address": "marie@ailleurs.example" }), "recovery-link")?;
        let link = walk.link("marie@ailleurs.example", 0)?;
        secrets.add("recovery link", &link);
        secrets.absent_everywhere(&scene)?;
        walk.call("resend", json!({}))?;
        walk.call("enter", json!({ "ticket": link }))?;
        walk.step("redeem", json!({ "link": link }), "charter")?;
        seen(&mut secrets, &walk);
        secrets.absent_everywhere(&scene)?;
        walk.charter()?;
        walk.listing(true)?;
        let before = scene.inbox.last_number();
        let forward = json!({ "forward": "dupont@ailleurs.example", "keep_copy": true });
        walk.step("mail", forward, "forward-link")?;
        let link = walk.link("dupont@ailleurs.example", before)?;
        secrets.add("forward link", &link);
        walk.step("redeem", json!({ "link": link }), "password")?;
        seen(&mut secrets, &walk);
        for refused in ["court", "mdurand-mdurand-1", "Password1234!"] {
            secrets.add("refused password", refused);
            assert_eq!(walk.call("password", json!({ "password": refused }))?.0, 1);
        }
        secrets.add("new password", "Violet-mandarine-77");
        walk.password("Violet-mandarine-77")?;
    }
    secrets.absent_everywhere(&scene)?;
    // Neither in what it leaves when it stops, nor when it is killed, nor when it starts again.
    scene.daemon.restart()?;
    secrets.absent_everywhere(&scene)?;
    scene.daemon.kill9();
    secrets.absent_below(scene.daemon.layout().path())?;
    scene.daemon.restart()?;
    secrets.absent_everywhere(&scene)?;
    // The test can find what is there: the address is no secret.
    let open = Secrets(vec![("address".to_owned(), b"marie@ailleurs.example".to_vec())]);
    assert!(open.absent_everywhere(&scene).is_err(), "this test looks at the wrong files");
    let seen = records(&scene)?.iter().any(|record| open.absent_from("a record", record).is_err());
    assert!(seen, "this test does not read the records");
    Ok(())
}

#[test]
fn a_dying_daemon_leaves_no_core_and_nobody_of_its_own_user_reads_its_memory() -> Result<()> {
    const NOBODY: u32 = 65_534;
    let slapd = Slapd::start(SlapdOptions::default())?;
    let inbox = Inbox::start(InboxOptions::default())?;
    let layout = Layout::new()?;
    let options = SceneOptions::default();
    let mut started = daemon_options(&options, config(&options, &layout, &slapd, &inbox));
    // As a user of its own, as the unit does it; the binary where that user can go.
    let (parvisd, ca) = (layout.path().join("parvisd"), layout.path().join("ca.pem"));
    run::copy_program(&parvis_stand::binaries::binaries(options.profile)?.parvisd, &parvisd)?;
    std::fs::copy(slapd.ca_file(), &ca)?;
    let charters = parvis_stand::binaries::workspace().join("conf/charters");
    for name in ["charter.fr.md", "charter.en.md"] {
        std::fs::copy(charters.join(name), layout.path().join(name))?;
    }
    started.config =
        started.config.replace(&slapd.ca_file().display().to_string(), &ca.display().to_string());
    let here = layout.path().display().to_string();
    started.config = started.config.replace(&charters.display().to_string(), &here);
    let script = layout.path().join("as-nobody");
    let text = format!(
        "#!/bin/sh\nchown -R {NOBODY}:{NOBODY} {here}\nexec setpriv --reuid={NOBODY} --regid={NOBODY} \
         --clear-groups --pdeathsig KILL -- {} \"$@\"\n",
        parvisd.display()
    );
    run::script(&script, &text)?;
    started.program = Some(script);
    let daemon = Daemon::start(layout, started)?;
    let proc = format!("/proc/{}", daemon.pid()?);
    let status = std::fs::read_to_string(format!("{proc}/status"))?;
    assert!(status.contains(&format!("Uid:\t{NOBODY}\t")), "{status}");
    // The kernel gives an undumpable process's files to root (proc(5)): its own user cannot read them.
    for name in ["mem", "environ"] {
        assert_eq!(std::fs::metadata(format!("{proc}/{name}"))?.uid(), 0, "{name} can be read");
    }
    let limits = std::fs::read_to_string(format!("{proc}/limits"))?;
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).context("the limit")?;
    assert_eq!(core.split_whitespace().rev().nth(2), Some("0"), "{core}");
    Ok(())
}
