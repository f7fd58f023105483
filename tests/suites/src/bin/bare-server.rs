//! The least that a daemon can do for a line: one LDAP search on a kept connection.
//!
//! What `parvisd`'s `check` is measured against. `bare-server SOCKET LDAP-URI BIND-DN BASE`, the password on standard
//! input; prints a line when it listens. It serves one connection after the other, because nothing is quicker.

use std::io::Write;

use anyhow::{Context, Result, bail};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchOptions, ldap_escape};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, uri, dn, base] = arguments.as_slice() else { bail!("SOCKET LDAP-URI BIND-DN BASE") };
    let mut password = String::new();
    std::io::stdin().read_line(&mut password).context("failed to read the password")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(socket, uri, dn, password.trim_end(), base))
}

async fn serve(socket: &str, uri: &str, dn: &str, password: &str, base: &str) -> Result<()> {
    // Only loopback is spoken to; the certificate is the stand's own.
    let settings = LdapConnSettings::new().set_no_tls_verify(true);
    let (connection, mut ldap) = LdapConnAsync::with_settings(settings, uri).await?;
    tokio::spawn(connection.drive());
    ldap.simple_bind(dn, password).await?.success()?;
    let listener = UnixListener::bind(socket)?;
    writeln!(std::io::stdout(), "listening")?;
    loop {
        let (stream, _) = listener.accept().await?;
        // A client that breaks off is its own affair.
        let _ended = answer(&mut ldap, stream, base).await;
    }
}

async fn answer(ldap: &mut Ldap, mut stream: UnixStream, base: &str) -> Result<()> {
    let mut login = String::new();
    BufReader::new(&mut stream).read_line(&mut login).await?;
    let filter = format!("(uid={})", ldap_escape(login.trim_end()));
    ldap.with_search_options(SearchOptions::new().sizelimit(2));
    let found = ldap.search(base, Scope::Subtree, &filter, vec!["supannRessourceEtat"]).await?;
    let line: &[u8] = if found.0.len() == 1 { b"found\n" } else { b"unknown\n" };
    Ok(stream.write_all(line).await?)
}
