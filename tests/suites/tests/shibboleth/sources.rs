//! The files themselves: short enough to read, and the configuration is XML at least. No Shibboleth has read it here.

use anyhow::Result;
use parvis_stand::binaries::workspace;
use parvis_stand::run::{expect, program};

#[test]
fn the_files_are_short_and_whole() -> Result<()> {
    let home = workspace().join("hooks/shibboleth");
    for name in ["parvis.jsp", "parvis-ask.jspf"] {
        let text = std::fs::read_to_string(home.join(name))?;
        assert!(text.lines().count() <= 500, "{name} is long");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{name} has long lines");
    }
    // What names neither generation's servlets is for both.
    let page = std::fs::read_to_string(home.join("parvis.jsp"))?;
    let code = page.split_once("--%>").map_or("", |(_, code)| code);
    assert!(!code.contains("javax.servlet") && !code.contains("jakarta.servlet"));
    let file = home.join("context/context-check-intercept-config.xml").display().to_string();
    let script = "$x = new DOMDocument(); exit($x->load($argv[1]) ? 0 : 1);";
    expect(&program("php")?, &["-r", script, "--", &file], b"")?;
    for (name, word) in
        [("messages.properties", "cannot sign in"), ("messages_fr.properties", "ne pouvez pas")]
    {
        let text = std::fs::read_to_string(home.join("messages").join(name))?;
        assert!(text.contains("ContextCheckDenied = context-check-denied") && text.contains(word), "{name}");
    }
    Ok(())
}
