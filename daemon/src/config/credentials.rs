//! Secrets: files in systemd's credentials directory, or in a folder beside the configuration. Never the environment.

use secrecy::SecretString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The largest credential, in bytes.
const LARGEST: u64 = 64 * 1024;

/// The folder that holds one file a secret.
#[derive(Clone, Debug)]
pub struct Credentials(PathBuf);

impl Credentials {
    /// `$CREDENTIALS_DIRECTORY` as systemd sets it, else `credentials/` beside the configuration file.
    pub fn of_process(file: &Path) -> Self {
        let given = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self(given.unwrap_or_else(|| file.with_file_name("credentials")))
    }

    /// This folder.
    #[cfg(test)]
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The file in which a secret is expected.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A secret, without the line end that editors add. The error says what to do, never what is in the file.
    pub fn read(&self, name: &str) -> Result<SecretString, String> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(format!("{name:?} is no name of a credential"));
        }
        secret(&self.path(name))
    }
}

/// A file that holds a secret and nothing else.
pub fn secret(path: &Path) -> Result<SecretString, String> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let mode = metadata.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(format!("{shown} can be read by everybody (mode {:o}): chmod 600 {shown}", mode & 0o777));
    }
    if metadata.len() > LARGEST {
        return Err(format!("{shown} is larger than {LARGEST} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(SecretString::from(secret))
}
