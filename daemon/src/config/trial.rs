//! The shipped configuration with secrets made up, for the tests of other rooms. Nothing of it is in the daemon.

use super::{Credentials, Settings, Sources};
use std::os::unix::fs::PermissionsExt;

/// The settings of this text over the defaults.
pub fn settings(text: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parvis.toml");
    let charters = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/charters");
    let base = format!(
        "[charter]\nfile = {{ fr = \"{charters}/charter.fr.md\", en = \"{charters}/charter.en.md\" }}\n{text}"
    );
    std::fs::write(&file, base).unwrap();
    let credentials = folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    for (name, content) in [("key", "0123456789abcdef0123456789abcdef"), ("directory-password", "secret")] {
        std::fs::write(credentials.join(name), content).unwrap();
        std::fs::set_permissions(credentials.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let sources = Sources { environment: Vec::new(), credentials: Credentials::at(&credentials), file };
    sources.settings().unwrap_or_else(|faults| panic!("{faults:?}"))
}
