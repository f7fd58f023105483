//! From the tree to an active account, by the documents and nothing else: what they say to type is typed, and works.

use anyhow::{Context, Result, ensure};
use parvis_stand::run;
use parvis_stand::scene::at;
use parvis_suites::manual::Manual;
use serde_json::json;

use crate::support::{Campus, LONG};
use crate::walk::Walk;

#[test]
fn the_manual_leads_from_the_tree_to_an_active_account_that_a_reboot_keeps() -> Result<()> {
    let manual = Manual::read("docs/operating.md")?;
    let mut campus = Campus::new()?;
    campus.install()?;
    let checked = campus.root(&manual.section("Before the start: check")?.block("parvisctl check")?)?;
    assert!(checked.contains("failures: 0"), "{checked}");

    // Ready comes before everything works, so the second command is one to repeat.
    let started = manual.section("Start")?.block("enable --now")?;
    let (enable, status) = started.split_once('\n').context("first it is started, then asked")?;
    campus.root(enable)?;
    assert_eq!(status, "parvisctl status");
    campus.works()?;
    for (property, wanted) in [("Type", "notify"), ("ActiveState", "active"), ("UnitFileState", "enabled")] {
        assert_eq!(campus.shown("parvisd", property)?, wanted, "{property}");
    }
    campus.comes("parvisd", "StatusText", "everything works")?;
    for page in ["man8/parvisd.8", "man8/parvisctl.8", "man1/parvis-hook.1"] {
        campus.root(&format!("test -s /usr/local/share/man/{page}"))?;
    }

    who_may_ask(&campus, &manual)?;
    let marie = parvis_stand::small().remove(0);
    let mut walk = Walk::open(&campus, "tomcat", &marie.login)?;
    walk.finish("marie@ailleurs.example", "durand@autre.example", "Violet-mandarine-77")?;
    assert!(campus.slapd.bind_works(&marie.dn, "Violet-mandarine-77")?);
    assert!(!campus.slapd.bind_works(&marie.dn, &marie.provisional_password)?);
    let entry = campus.slapd.entry(&marie.dn)?.context("the entry is there")?;
    assert!(entry.has("supannRessourceEtat", "{COMPTE}A:SupannActif"), "{entry:?}");
    assert_eq!(entry.get("mailForwardingAddress"), Some("durand@autre.example"));

    // In one line, as the contract has it: the exit code lets her through now.
    let line = Manual::read("docs/contract.md")?.section("Ask in one line")?.block("parvis-hook check")?;
    let through =
        campus.machine.run_as("tomcat", &["sh", "-c", &line.replace("mdupont", &marie.login)], b"")?;
    assert!(through.code == 0 && through.out.contains("let them through"), "{through:?}");

    campus.machine.halt()?;
    campus.machine.boot()?;
    comes_back(&campus, &marie.login)?;
    // And after a power cut.
    campus.machine.kill9()?;
    campus.machine.boot()?;
    comes_back(&campus, &marie.login)?;
    assert!(campus.log().contains("not closed in order"), "{}", campus.log());
    Ok(())
}

/// Nobody starts it by hand, and what was stored is there.
fn comes_back(campus: &Campus, login: &str) -> Result<()> {
    assert_eq!(campus.shown("parvisd", "ActiveState")?, "active");
    campus.works()?;
    campus.root("parvisctl audit verify")?;
    let shown = campus.root(&format!("parvisctl show {login}"))?;
    assert!(shown.contains("marie@ailleurs.example"), "{shown}");
    let (code, answer) = campus.hook("tomcat", "check", &json!({ "login": login, "authenticated": true }))?;
    ensure!(code == 0 && at(&answer, "/status") == "active", "{answer}");
    Ok(())
}

/// The groups that the installation makes are who may ask what.
fn who_may_ask(campus: &Campus, manual: &Manual) -> Result<()> {
    campus.root("useradd --system tomcat; useradd --system stranger; useradd --system helpdesk")?;
    campus.root(&manual.section("Install")?.span("adduser ")?)?;
    campus.root("adduser helpdesk parvis-admin")?;
    let request = json!({ "login": "lnguyen", "authenticated": true });
    let (code, answer) = campus.hook("tomcat", "check", &request)?;
    assert_eq!((code, at(&answer, "/status")), (1, &json!("needs-activation")), "{answer}");
    for stranger in ["stranger", "helpdesk", "root"] {
        let (code, answer) = campus.hook(stranger, "check", &request)?;
        assert_eq!(
            (code, at(&answer, "/refusal/code")),
            (77, &json!("not-permitted")),
            "{stranger}: {answer}"
        );
    }
    campus.logged("a caller without the role was refused")?;
    for (user, code) in [("root", 0), ("helpdesk", 0), ("stranger", 77), ("tomcat", 77)] {
        let said = campus.machine.run_as(user, &["parvisctl", "status"], b"")?;
        assert_eq!(said.code, code, "{user}: {said:?}");
    }
    Ok(())
}

#[test]
fn a_backup_brings_back_what_it_holds_and_an_upgrade_goes_on() -> Result<()> {
    let manual = Manual::read("docs/operating.md")?;
    let campus = Campus::started()?;
    let arrived = |login: &str| -> Result<bool> {
        let shown = campus.root(&format!("parvisctl show {login}"))?;
        Ok(shown.contains("arrived"))
    };
    Walk::open(&campus, "tomcat", "mdurand")?;
    assert!(arrived("mdurand")?);
    let restoring = manual.section("Backup and restore")?;
    campus.root(&restoring.block("parvisctl backup")?)?;
    let made = campus.root("stat -c '%a %U' /var/backups/parvis-*.jsonl")?;
    assert_eq!(made, "600 root\n");
    Walk::open(&campus, "tomcat", "lnguyen")?;
    assert!(arrived("lnguyen")?);

    // The manual's own day.
    let restore = restoring.block("parvisctl restore")?;
    let name =
        restore.split_whitespace().find(|word| word.ends_with(".jsonl")).context("a backup is named")?;
    campus.root(&format!("mv /var/backups/parvis-*.jsonl {name}"))?;
    let said = campus.root(&restore)?;
    assert!(said.contains("the chain holds"), "{said}");
    campus.works()?;
    assert!(arrived("mdurand")? && !arrived("lnguyen")?, "what the backup holds, and no more");
    for unit in ["parvisd.service", "parvisd-hook.socket", "parvisd-admin.socket"] {
        assert_eq!(campus.shown(unit, "ActiveState")?, "active", "{unit}");
    }
    assert!(Walk::open(&campus, "tomcat", "lnguyen").is_ok());

    // The chain's head as the journal has it is one that the chain is held against.
    let audit = manual.section("The audit, and its anchors")?;
    campus.root("parvisctl audit export")?;
    let asked = audit.block("audit anchor")?;
    let anchor =
        run::until(LONG, || Ok(Some(campus.root(&asked)?).filter(|anchor| !anchor.trim().is_empty())))?;
    let anchor = anchor.context("the journal has no anchor")?;
    let verify = audit.block("--anchor")?;
    let (verify, _) = verify.rsplit_once(' ').context("an anchor is the last word")?;
    campus.root(&format!("{verify} {}", anchor.trim()))?;
    let (number, _) = anchor.split_once(':').context("an anchor has a number")?;
    assert_eq!(
        campus.ask(&["parvisctl", "audit", "verify", "--anchor", &format!("{number}:{:064}", 0)])?.code,
        1
    );

    let before = campus.shown("parvisd", "MainPID")?;
    let upgrade = manual.section("Upgrade")?.block("parvis-before-upgrade")?;
    let install = manual.section("Install")?.block("systemd-sysusers")?;
    let typed = upgrade.replace("(install the new programs and units)", &install);
    ensure!(typed != upgrade, "the upgrade says when to install");
    campus.root(&typed)?;
    campus.works()?;
    assert_ne!(campus.shown("parvisd", "MainPID")?, before);
    assert!(arrived("mdurand")? && arrived("lnguyen")?);
    Ok(())
}

#[test]
fn the_short_way_in_the_readme_is_the_manuals() -> Result<()> {
    let manual = Manual::read("docs/operating.md")?;
    let mut known = Vec::new();
    for heading in ["Install", "Before the start: check", "Start"] {
        let section = manual.section(heading)?;
        known.extend(section.spans());
        known.extend(
            section
                .blocks()
                .into_iter()
                .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>()),
        );
    }
    let short = Manual::read("README.md")?.section("Install it")?.block("cargo build")?;
    let typed = short.lines().map(|line| line.split("   #").next().unwrap_or_default().trim());
    let typed: Vec<&str> = typed.filter(|line| !line.starts_with('#')).collect();
    assert!(typed.len() > 4, "{typed:?}");
    for line in typed {
        assert!(known.iter().any(|known| known == line), "not in docs/operating.md: {line}");
    }
    Ok(())
}
