//! The gate of configuration alone: SimpleSAMLphp's own `authorize` filter, as the documentation has it.

use anyhow::{Context, Result};
use parvis_stand::binaries::workspace;
use parvis_stand::{SimplesamlphpOptions, Visitor};

use crate::support::{Stage, is_in, no_assertion, person};

/// The block of `docs/simplesamlphp.md` that is marked so.
fn documented(mark: &str) -> Result<String> {
    let page = std::fs::read_to_string(workspace().join("docs/simplesamlphp.md"))?;
    let after = page.split(&format!("```php {mark}\n")).nth(1).context("the page has no such block")?;
    Ok(after.split("```").next().unwrap_or_default().to_owned())
}

#[test]
fn without_our_module_a_provisional_person_meets_the_second_gate() -> Result<()> {
    let stage = Stage::new()?;
    let authproc = documented("second-gate")?;
    stage.ssp.configure(&SimplesamlphpOptions { authproc, ..SimplesamlphpOptions::default() })?;
    let claire = person("cbernard");
    let came = stage.sign_in(&mut Visitor::new("fr"), &claire)?;
    assert!(is_in(&came, "cbernard"), "{came:?}");
    for login in ["mdurand", "rlemoine"] {
        let mut visitor = Visitor::new("fr");
        let fault = stage.sign_in(&mut visitor, &person(login)).map(|_| ()).unwrap_err();
        let fault = fault.root_cause().to_string();
        assert!(fault.contains("authorize_403.php") && fault.contains(": 403"), "{fault}");
        no_assertion(&visitor);
    }
    stage.scene.slapd.replace(
        &claire.dn,
        "supannRessourceEtat",
        &["{COMPTE}A:SupannActif", "{COMPTE}S:SupannVerrouAdministratif"],
    )?;
    let mut visitor = Visitor::new("fr");
    assert!(stage.sign_in(&mut visitor, &claire).is_err(), "one value locks, whatever the others say");
    no_assertion(&visitor);
    assert_eq!(stage.tap.asked().len(), 0, "nobody was asked");
    Ok(())
}

#[test]
fn both_gates_together_work_as_the_page_writes_them() -> Result<()> {
    let stage = Stage::new()?;
    let own = documented("gate")?.replace("/run/parvis/hook.sock", &stage.tap.path().display().to_string());
    let authproc = own + &documented("second-gate")?;
    stage.ssp.configure(&SimplesamlphpOptions { authproc, ..SimplesamlphpOptions::default() })?;
    assert!(is_in(&stage.sign_in(&mut Visitor::new("fr"), &person("cbernard"))?, "cbernard"));
    let came = stage.sign_in(&mut Visitor::new("fr"), &person("mdurand"))?;
    assert!(matches!(came, crate::support::Outcome::Activation(_)), "{came:?}");
    Ok(())
}

#[test]
fn a_gate_that_cannot_be_loaded_lets_nobody_through() -> Result<()> {
    let stage = Stage::new()?;
    let authproc = "5 => ['class' => 'parvis:Gat'],".to_owned();
    stage.ssp.configure(&SimplesamlphpOptions { authproc, ..SimplesamlphpOptions::default() })?;
    for login in ["cbernard", "mdurand"] {
        let mut visitor = Visitor::new("fr");
        let came = stage.sign_in(&mut visitor, &person(login));
        assert!(came.is_err(), "{came:?}");
        no_assertion(&visitor);
    }
    Ok(())
}
