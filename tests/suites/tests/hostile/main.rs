//! Whatever comes to the sockets: it gets its refusal, nothing is lost, logged or leaked, and others are served.

#[cfg(test)]
mod fields;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod people;
#[cfg(test)]
mod tokens;

/// That the daemon has been through it all unharmed: it lives, its state is intact, its log is clean.
#[cfg(test)]
fn unharmed(scene: &parvis_stand::Scene, session: &str, step: &str) -> anyhow::Result<()> {
    let (code, state) = scene.daemon.hook("state", &serde_json::json!({ "session": session }))?;
    assert_eq!((code, state["step"].as_str()), (0, Some(step)), "{state}");
    let verdict = parvis_suites::admin(&scene.daemon, "AuditVerify", &serde_json::json!({}))?;
    assert_eq!(verdict["ok"], true, "{verdict}");
    for line in scene.daemon.log().lines() {
        let dirty = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!line.contains(dirty), "the log has what it should not: {line:?}");
        assert!(line.starts_with("20") && !line.contains("panicked"), "{line:?}");
    }
    Ok(())
}
