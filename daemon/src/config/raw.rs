//! The configuration as it is written: one struct a section, every key of `conf/parvis.toml`. No meaning yet.

use crate::directory::mapping::WriteRule;
use crate::directory::{Dialect, Way};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A text in each language, by its tag.
pub type Texts = BTreeMap<String, String>;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Raw {
    pub campus: Campus,
    pub pages: Pages,
    pub gate: Gate,
    pub check: Check,
    pub directory: Directory,
    pub populations: Vec<Population>,
    pub mail: Mail,
    pub links: Links,
    pub charter: Charter,
    pub password: Password,
    pub limits: Limits,
    pub reminders: Reminders,
    pub sweep: Sweep,
    pub reports: Reports,
    pub store: Store,
    pub log: Log,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Campus {
    pub name: Texts,
    pub zone: String,
    pub zone_name: Texts,
    pub locale: String,
    pub domains: Vec<String>,
    pub recipient_delimiter: String,
    pub letter_name: Texts,
    pub help_address: String,
    pub help_url: Option<String>,
    pub lost_letter: Texts,
    pub logo_url: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pages {
    pub base_url: String,
    pub sign_in_url: Option<String>,
    pub return_to: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gate {
    pub hook_socket: PathBuf,
    pub admin_socket: PathBuf,
    pub connections: usize,
    pub sso: Vec<String>,
    pub pages: Vec<String>,
    pub mta: Vec<String>,
    pub admin: Vec<String>,
    pub authenticate: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    pub unknown: Unknown,
    pub pass: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    Refuse,
    Pass,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Directory {
    pub uris: Vec<String>,
    pub starttls: bool,
    pub allow_clear_text: bool,
    pub ca_file: Option<PathBuf>,
    pub bind: Bind,
    pub bind_dn: Option<String>,
    pub bind_password_credential: String,
    pub base: String,
    pub login_filter: String,
    pub address_filter: String,
    pub address_targets: Vec<String>,
    pub login_attribute: String,
    pub name_attribute: String,
    pub mail_attribute: String,
    pub recovery_attribute: String,
    pub locale_attribute: String,
    pub marker_attribute: Option<String>,
    pub provisional: String,
    pub active: String,
    pub locked: String,
    pub server: Server,
    pub watch: Watch,
    pub watch_every: String,
    pub compare_every: String,
    pub password_write: PasswordWrite,
    pub probe_entry: Option<String>,
    pub timeout: String,
    pub connections: usize,
    pub mailbox_usable: Texts,
    pub writes: Vec<WriteRule>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Bind {
    Simple,
    External,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    Auto,
    #[serde(untagged)]
    Stated(Dialect),
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Watch {
    Auto,
    #[serde(untagged)]
    Stated(Way),
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordWrite {
    Auto,
    Modify,
    Extended,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Population {
    pub name: String,
    pub filter: String,
    pub mailbox: bool,
    pub forwarding: Forwarding,
    #[serde(default)]
    pub invite: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Forwarding {
    Off,
    Optional,
    Required,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mail {
    pub transport: Transport,
    pub socket: Option<PathBuf>,
    pub sendmail: PathBuf,
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub ca_file: Option<PathBuf>,
    pub helo: Option<String>,
    pub username: Option<String>,
    pub password_credential: String,
    pub authentication: Authentication,
    pub from: String,
    pub intercept: Option<String>,
    pub bounces: Option<String>,
    pub bounce_delimiter: String,
    pub connections: usize,
    pub timeout: String,
    pub overrides: Option<PathBuf>,
    pub retry_first: String,
    pub retry_longest: String,
    pub mx_lookup: bool,
    pub mx_servers: Vec<String>,
    pub dkim: Dkim,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dkim {
    pub selector: Option<String>,
    pub domain: Option<String>,
    pub key_credential: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Smtp,
    Lmtp,
    Sendmail,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Authentication {
    Password,
    Xoauth2,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    None,
    Starttls,
    Tls,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Links {
    pub recovery: String,
    pub forward: String,
    pub invitation: String,
    pub minimum: String,
    pub recovery_link_continues: Continues,
    pub key_credential: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Continues {
    SameBrowser,
    Anywhere,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Charter {
    pub version: String,
    pub title: Texts,
    pub url: Texts,
    pub file: BTreeMap<String, PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Password {
    pub minimum: usize,
    pub maximum: usize,
    pub classes: u8,
    pub strength: u8,
    pub breached: Option<PathBuf>,
    pub history_sentence: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    pub session_idle: String,
    pub session_longest: String,
    pub ticket: String,
    pub resend_cooldown: String,
    pub mails_a_link: u32,
    pub enrolment_idle: String,
    pub notice: String,
    pub account_sign_in: String,
    pub account_address: String,
    pub account_password: String,
    pub account_requests: String,
    pub address: String,
    pub domain: String,
    pub campus: String,
    pub client: String,
    pub exempt_networks: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sweep {
    pub schedule: String,
    pub keep_done: String,
    pub keep_closed: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reminders {
    pub after: String,
    pub schedule: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reports {
    pub to: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Store {
    pub path: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Log {
    pub filter: String,
    pub target: LogTarget,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum LogTarget {
    Auto,
    Journal,
    Terminal,
}
