//! What the command line says of `directory`. The man page is made of these comments.

use clap::{Args, Subcommand};
use parvis_enrolment::address::Address;
use std::path::PathBuf;

/// What to look at in the directory.
#[derive(Debug, Subcommand)]
pub enum Directory {
    /// Say which filters match a person and why, part by part, and what follows; exit 1 where nobody or several have the
    /// login, or where the server evaluates a filter otherwise than Parvis.
    Who {
        /// The login, as people type it.
        #[arg(value_name = "LOGIN")]
        login: String,
    },
    /// Print, as LDIF, what activation would write into a person's entry now: with the answers that the daemon has, else
    /// with these options. Nothing is written, and no password is shown.
    Plan(Plan),
    /// Say what a server is, how it can be followed, what the service may do there, and what to add to its configuration;
    /// without a configuration too. Nothing is changed. Exit 1 where the watch or the writes cannot work.
    Doctor(Doctor),
}

/// Which server, and who to be.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The server [default: directory.uris].
    #[arg(long, value_name = "URI")]
    pub uri: Option<String>,
    /// Protect ldap:// by StartTLS.
    #[arg(long)]
    pub starttls: bool,
    /// PEM file of the authorities to trust [default: directory.ca-file, else the system's].
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Permit ldap:// without TLS to another machine; the password crosses the network.
    #[arg(long)]
    pub allow_clear_text: bool,
    /// Who the service is [default: the configuration's, to its own servers; else nobody, or ldapi:// by SASL EXTERNAL].
    #[arg(long, value_name = "DN", requires = "password_file")]
    pub bind_dn: Option<String>,
    /// The file with its password.
    #[arg(long, value_name = "FILE", requires = "bind_dn")]
    pub password_file: Option<PathBuf>,
    /// Where the people are [default: directory.base, else guessed from the server's naming contexts].
    #[arg(long, value_name = "DN")]
    pub base: Option<String>,
}

/// Whose plan, and with which answers.
#[derive(Debug, Args)]
pub struct Plan {
    /// The login, as people type it.
    #[arg(value_name = "LOGIN")]
    pub login: String,
    /// As if they chose to be in the public directory.
    #[arg(long, conflicts_with = "hidden")]
    pub listed: bool,
    /// As if they chose not to be.
    #[arg(long)]
    pub hidden: bool,
    /// As if they forwarded their mail to this address, confirmed.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub forward: Option<String>,
    /// As if no copy of forwarded mail stayed in the mailbox.
    #[arg(long)]
    pub no_copy: bool,
    /// As if this were their recovery address.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub recovery: Option<String>,
}

fn address(text: &str) -> Result<String, String> {
    Address::parse(text).map(|_| text.to_owned()).map_err(|fault| fault.to_string())
}
