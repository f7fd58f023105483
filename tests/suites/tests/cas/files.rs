//! The second gate and the examples: the policy script under Groovy, the shipped files against each other.

use anyhow::{Context, Result};
use parvis_stand::binaries::workspace;
use parvis_stand::run;
use serde_json::{Value, json};

use crate::support::{ACTIVE, PROVISIONAL, Script};

fn shipped(name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(workspace().join("hooks/cas").join(name))?)
}

#[test]
fn the_policy_script_asks_nobody_and_takes_only_active_people() -> Result<()> {
    let mut script = Script::new()?;
    script.configure(&[("socket", "/nowhere")])?;
    let policy = workspace().join("hooks/cas/parvis-policy.groovy");
    for cas in [6, 7] {
        for (states, passes) in [
            (json!([ACTIVE]), true),
            (json!([PROVISIONAL]), false),
            (json!([ACTIVE, PROVISIONAL]), false),
            (json!(["{COMPTE}S:SupannVerrouille"]), false),
            (json!([]), false),
        ] {
            let over = json!({ "script": policy, "cas": cas, "states": states });
            let said = script.sign_in("mdurand", "", &over)?;
            let both = (said.0["passed"] == true, said.0["refused"] == true);
            assert_eq!(both, (passes, !passes), "CAS {cas}, {states}: {}", said.0);
            assert!(said.log()?.contains("parvis: mdurand: "), "{}", said.0);
        }
        let said =
            script.sign_in("mdurand", ACTIVE, &json!({ "script": policy, "cas": cas, "broken": true }))?;
        assert_eq!((&said.0["refused"], &said.0["thrown"]), (&json!(true), &Value::Null), "{}", said.0);
    }
    Ok(())
}

#[test]
fn the_shipped_properties_are_the_defaults_of_the_script() -> Result<()> {
    let (file, script) = (shipped("parvis.properties")?, shipped("parvis.groovy")?);
    let known = script.split("DEFAULTS = [").nth(1).and_then(|rest| rest.split("    final Map").next());
    let known = known.context("the defaults")?.replace([' ', '\n'], "");
    let set = |line: &&str| line.contains(" = ");
    for line in file.lines().filter(set) {
        let (key, value) = line.trim_start_matches("# ").split_once(" = ").context("a key")?;
        assert!(known.contains(&format!("'{key}':")), "{key}");
        if !line.starts_with('#') {
            assert!(known.contains(&format!("'{key}':'{value}'")), "{key} = {value} in {known}");
        }
    }
    let keys = known.matches("':").count();
    let said = file.lines().filter(set).count();
    assert_eq!(keys, said, "every key is in the shipped file");
    Ok(())
}

#[test]
fn the_service_and_the_properties_of_cas_are_what_cas_reads() -> Result<()> {
    let service: Value = serde_json::from_str(&shipped("ent-100.json")?)?;
    assert_eq!(service["@class"], "org.apereo.cas.services.CasRegisteredService");
    // CAS finds a service's file by its name and number.
    assert_eq!(service["id"], 100);
    let gate = &service["accessStrategy"];
    let active = gate["requiredAttributes"]["supannRessourceEtat"][1][0].as_str().context("a pattern")?;
    let other = gate["rejectedAttributes"]["supannRessourceEtat"][1][0].as_str().context("a pattern")?;
    let asked = service["webflowInterruptPolicy"]["attributeValue"].as_str().context("a pattern")?;
    assert_eq!((active, other, asked), ("^\\{COMPTE\\}A.*", "^\\{COMPTE\\}[^A].*", "^\\{COMPTE\\}[^A].*"));
    let properties = shipped("cas.properties")?;
    for key in [
        "cas.interrupt.groovy.location=",
        "cas.interrupt.rest.url=http://127.0.0.1:8471/cas/interrupt",
        "cas.interrupt.core.trigger-mode=AFTER_AUTHENTICATION",
        "supannRessourceEtat",
    ] {
        assert!(properties.contains(key), "{key}");
    }
    Ok(())
}

#[test]
fn the_files_of_other_languages_are_sound() -> Result<()> {
    let python = run::program("python3")?;
    let compile = "import ast, sys; [ast.parse(open(name).read(), name) for name in sys.argv[1:]]";
    let glue = workspace().join("hooks/cas/django/parvis_cas.py").display().to_string();
    run::expect(&python, &["-c", compile, &glue], b"")?;
    for name in ["parvis.groovy", "parvis-policy.groovy", "django/parvis_cas.py"] {
        let text = shipped(name)?;
        assert!(text.lines().count() <= 500, "{name}");
        let wide = text.lines().find(|line| line.chars().count() > 125);
        assert_eq!(wide, None, "{name}");
    }
    Ok(())
}
