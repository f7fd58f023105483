//! What to add to a server, as it is written there, with the site's own names in it.
//!
//! It knows what each product calls things; whether something is missing, the looks know.

mod active_directory;

use active_directory::shell;
use serde::Serialize;

use super::active_directory::Account;
use crate::directory::Dialect;
use crate::directory::facts::{Database, Learnt};
use crate::directory::settings::{Bind, Prepared, Way};

/// Lines to add to a server's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Addition {
    /// What it is and how it is given to the server: `LDIF for cn=config (ldapmodify)`.
    pub form: &'static str,
    /// The lines.
    pub lines: String,
}

const CONFIG: &str = "LDIF for cn=config (ldapmodify -Y EXTERNAL -H ldapi:///)";
const FILE: &str = "the same in slapd.conf, in the section of the database";
const DATA: &str = "LDIF for the directory itself (ldapmodify, as its administrator)";
const DSCONF: &str = "commands for 389 Directory Server; INSTANCE is the server's name (dsctl -l)";

/// The names that the lines need.
#[derive(Clone, Debug)]
pub(super) struct Remedies {
    dialect: Dialect,
    uri: String,
    service: String,
    base: String,
    suffix: String,
    /// The database in cn=config; guessed where that cannot be read.
    database: String,
    policy: String,
    known: bool,
    limits: Vec<String>,
    writes: Vec<String>,
    reads: Vec<String>,
    syncprov_loaded: bool,
    ppolicy_loaded: bool,
    account: Account,
}

impl Remedies {
    pub(super) fn of(prepared: &Prepared, dialect: Dialect) -> Remedies {
        let base = prepared.settings.base.clone();
        let at = base.to_lowercase().find("dc=").unwrap_or(0);
        let suffix = base.get(at..).unwrap_or(&base).to_owned();
        let service = match &prepared.settings.bind {
            Bind::Simple { dn, .. } => dn.clone(),
            Bind::External | Bind::Anonymous => format!("cn=parvis,{suffix}"),
        };
        Remedies {
            dialect,
            uri: prepared.settings.place(0).to_owned(),
            service,
            suffix,
            base,
            database: "olcDatabase={1}mdb,cn=config".to_owned(),
            policy: "olcOverlay={0}ppolicy,olcDatabase={1}mdb,cn=config".to_owned(),
            known: false,
            limits: Vec::new(),
            writes: Vec::new(),
            reads: prepared.attributes.to_vec(),
            syncprov_loaded: false,
            ppolicy_loaded: false,
            account: Account::default(),
        }
    }

    /// What the mapping writes.
    pub(super) fn writing(mut self, writes: &[String]) -> Remedies {
        self.writes = writes.to_vec();
        self.writes.sort();
        self.writes.dedup();
        self
    }

    /// What the server has already.
    pub(super) fn within(mut self, learnt: &Learnt) -> Remedies {
        let capabilities = &learnt.capabilities;
        // Servers refuse a rule that names what their schema does not have.
        self.writes.retain(|name| learnt.schema.knows(name) && learnt.writes(name));
        self.reads.retain(|name| learnt.schema.knows(name));
        self.syncprov_loaded = capabilities.control("1.3.6.1.4.1.4203.1.9.1.1");
        self.ppolicy_loaded = capabilities.control(crate::directory::ber::PASSWORD_POLICY);
        if let Some(context) = capabilities.contexts.iter().find(|context| {
            !context.is_empty() && self.base.to_lowercase().ends_with(&context.to_lowercase())
        }) {
            self.suffix.clone_from(context);
        }
        self
    }

    /// The database as the server's own configuration names it.
    pub(super) fn stored(mut self, database: &Database) -> Remedies {
        self.database.clone_from(&database.dn);
        self.suffix.clone_from(&database.suffix);
        self.limits.clone_from(&database.limits);
        self.policy =
            database.policy.clone().unwrap_or_else(|| format!("olcOverlay={{0}}ppolicy,{}", database.dn));
        self.known = true;
        self
    }

    /// Another identity than one for which the server's rules do not count.
    pub(super) fn instead_of_root(mut self) -> Remedies {
        self.service = format!("cn=parvis,{}", self.suffix);
        (self.account.name, self.account.sid) = (None, None);
        self
    }

    /// The first part of the service's name.
    fn login(&self) -> String {
        let first = self.service.split(',').next().and_then(|rdn| rdn.split_once('='));
        first.map_or("parvis", |(_, name)| name).to_owned()
    }

    /// A comment where a name in the lines is a guess.
    fn guess(&self) -> String {
        if self.known {
            return String::new();
        }
        format!(
            "# {} is a guess: ldapsearch -LLL -Y EXTERNAL -H ldapi:/// -b cn=config '(olcSuffix={})' 1.1\n",
            self.database, self.suffix
        )
    }

    fn config(&self, change: &str) -> Addition {
        Addition { form: CONFIG, lines: format!("{}{change}", self.guess()) }
    }

    /// Read, write what the mapping writes, set a password without reading one: in the order in which they must stand.
    pub(super) fn access(&self) -> Vec<Addition> {
        match self.dialect {
            Dialect::Openldap => self.openldap_access(),
            Dialect::Ds389 => self.ds389_access(),
            Dialect::ActiveDirectory => self.active_directory_access(),
            Dialect::Standard => Vec::new(),
        }
    }

    fn openldap_access(&self) -> Vec<Addition> {
        let (base, service, attributes) = (&self.base, &self.service, self.writes.join(","));
        let rules = [
            format!("to dn.subtree=\"{base}\" attrs=userPassword by dn.exact=\"{service}\" =w by * break"),
            format!("to dn.subtree=\"{base}\" attrs={attributes} by dn.exact=\"{service}\" write by * break"),
            format!("to dn.subtree=\"{base}\" by dn.exact=\"{service}\" read by * break"),
        ];
        let mut change = format!("dn: {}\nchangetype: modify\nadd: olcAccess\n", self.database);
        let mut file = String::from("# before every other access rule\n");
        for (at, rule) in rules.iter().enumerate() {
            change.push_str(&format!("olcAccess: {{{at}}}{rule}\n"));
            file.push_str(&format!("access {rule}\n"));
        }
        vec![self.config(&change), Addition { form: FILE, lines: file }]
    }

    fn ds389_access(&self) -> Vec<Addition> {
        let (base, service) = (&self.base, &self.service);
        let who = format!("userdn = \"ldap:///{service}\"");
        let writes: Vec<&str> = self.writes.iter().map(String::as_str).collect();
        let writes = [&writes[..], &["userPassword"]].concat().join(" || ");
        let reads: Vec<&str> = self.reads.iter().map(String::as_str).collect();
        let reads = reads.join(" || ");
        let lines = format!(
            "dn: {base}\nchangetype: modify\nadd: aci\n\
             aci: (targetattr = \"{reads}\")(version 3.0; acl \"Parvis reads people\"; allow (read, search, compare) {who};)\n\
             aci: (targetattr = \"{writes}\")(version 3.0; acl \"Parvis writes people\"; allow (write) {who};)\n"
        );
        vec![Addition { form: DATA, lines }]
    }

    /// No limit on what the service reads.
    pub(super) fn limits(&self) -> Vec<Addition> {
        let service = &self.service;
        match self.dialect {
            Dialect::Openldap => {
                let rule = format!("dn.exact=\"{service}\" size=unlimited time=unlimited");
                // A limit that comes before others counts at once only where all are given anew (slapd 2.5).
                let before = format!("dn.exact=\"{service}\" ").to_lowercase();
                let others = self.limits.iter().filter(|other| !other.to_lowercase().starts_with(&before));
                let verb = if self.limits.is_empty() { "add" } else { "replace" };
                let mut change = format!(
                    "dn: {}\nchangetype: modify\n{verb}: olcLimits\nolcLimits: {{0}}{rule}\n",
                    self.database
                );
                for (at, other) in others.enumerate() {
                    change.push_str(&format!("olcLimits: {{{}}}{other}\n", at + 1));
                }
                if !self.known {
                    change.insert_str(
                        0,
                        "# where another limit fits the service already, restart slapd afterwards\n",
                    );
                }
                vec![self.config(&change), Addition { form: FILE, lines: format!("limits {rule}\n") }]
            }
            Dialect::Ds389 => {
                let mut lines = format!("dn: {service}\nchangetype: modify\n");
                for name in ["nsSizeLimit", "nsTimeLimit", "nsLookThroughLimit", "nsIdleTimeout"] {
                    lines.push_str(&format!("replace: {name}\n{name}: -1\n-\n"));
                }
                vec![Addition { form: DATA, lines }]
            }
            Dialect::ActiveDirectory | Dialect::Standard => Vec::new(),
        }
    }

    /// What lets changes be followed this way.
    pub(super) fn watch(&self, way: Way) -> Vec<Addition> {
        match (self.dialect, way) {
            (Dialect::Openldap, _) => self.syncprov(),
            (Dialect::Ds389, _) => {
                let lines = "dsconf INSTANCE plugin retro-changelog enable\n\
                    dsconf INSTANCE plugin retro-changelog set --attribute nsuniqueid:targetUniqueId\n\
                    dsconf INSTANCE plugin contentsync enable\n\
                    dsctl INSTANCE restart\n";
                let ldif = "dn: cn=Retro Changelog Plugin,cn=plugins,cn=config\nchangetype: modify\n\
                    replace: nsslapd-pluginEnabled\nnsslapd-pluginEnabled: on\n-\n\
                    replace: nsslapd-attribute\nnsslapd-attribute: nsuniqueid:targetUniqueId\n\n\
                    dn: cn=Content Synchronization,cn=plugins,cn=config\nchangetype: modify\n\
                    replace: nsslapd-pluginEnabled\nnsslapd-pluginEnabled: on\n";
                vec![
                    Addition { form: DSCONF, lines: lines.to_owned() },
                    Addition {
                        form: "the same as LDIF (as Directory Manager); then restart",
                        lines: ldif.to_owned(),
                    },
                ]
            }
            (Dialect::ActiveDirectory, Way::Dirsync) => self.dirsync(),
            _ => Vec::new(),
        }
    }

    fn syncprov(&self) -> Vec<Addition> {
        let mut change = String::new();
        if !self.syncprov_loaded {
            change.push_str(
                "dn: cn=module{0},cn=config\nchangetype: modify\nadd: olcModuleLoad\nolcModuleLoad: syncprov\n\n",
            );
        }
        change.push_str(&format!(
            "dn: olcOverlay=syncprov,{}\nchangetype: add\nobjectClass: olcOverlayConfig\nobjectClass: olcSyncProvConfig\n\
             olcOverlay: syncprov\nolcSpCheckpoint: 1000 5\nolcSpSessionlog: 10000\n",
            self.database
        ));
        let mut file =
            String::from("overlay syncprov\nsyncprov-checkpoint 1000 5\nsyncprov-sessionlog 10000\n");
        if !self.syncprov_loaded {
            file.insert_str(0, "# moduleload syncprov, at the top of the file\n");
        }
        vec![self.config(&change), Addition { form: FILE, lines: file }]
    }

    /// A policy that judges passwords, and hashes those that come clear.
    pub(super) fn policy(&self) -> Vec<Addition> {
        let suffix = &self.suffix;
        let mut change = String::new();
        if !self.ppolicy_loaded {
            change.push_str(
                "dn: cn=module{0},cn=config\nchangetype: modify\nadd: olcModuleLoad\nolcModuleLoad: ppolicy\n\n",
            );
        }
        change.push_str(&format!(
            "dn: olcOverlay=ppolicy,{}\nchangetype: add\nobjectClass: olcOverlayConfig\nobjectClass: olcPPolicyConfig\n\
             olcOverlay: ppolicy\nolcPPolicyDefault: cn=default,ou=policies,{suffix}\nolcPPolicyHashCleartext: TRUE\n",
            self.database
        ));
        let data = format!(
            "dn: ou=policies,{suffix}\nchangetype: add\nobjectClass: organizationalUnit\nou: policies\n\n\
             dn: cn=default,ou=policies,{suffix}\nchangetype: add\nobjectClass: namedObject\nobjectClass: pwdPolicy\n\
             cn: default\npwdAttribute: userPassword\npwdMinLength: 12\npwdCheckQuality: 2\npwdInHistory: 5\n"
        );
        vec![self.config(&change), Addition { form: DATA, lines: data }]
    }

    /// A clear password in a Modify is hashed.
    pub(super) fn hashing(&self) -> Vec<Addition> {
        let change = format!(
            "dn: {}\nchangetype: modify\nreplace: olcPPolicyHashCleartext\nolcPPolicyHashCleartext: TRUE\n",
            self.policy
        );
        let file = Addition { form: FILE, lines: "ppolicy_hash_cleartext\n".to_owned() };
        vec![self.config(&change), file]
    }

    /// 389 DS: how an administrator sees for whom no password rule counts.
    pub(super) fn administrators(&self) -> Vec<Addition> {
        let ask = format!("ldapsearch -LLL -x -W -D 'cn=Directory Manager' -H {}", shell(&self.uri));
        let lines = format!(
            "{ask} -b cn=config -s base passwordAdminDN\n\
             {ask} -b {} '(&(objectClass=ldapsubentry)(passwordAdminDN=*))' passwordAdminDN\n",
            shell(&self.suffix)
        );
        let form = "commands that show who is a password administrator: accounts, and groups of them";
        vec![Addition { form, lines }]
    }

    /// 389 DS: rules that judge a password.
    pub(super) fn syntax(&self) -> Vec<Addition> {
        let lines = "dsconf INSTANCE pwpolicy set --pwdchecksyntax on --pwdminlen 12\n";
        let ldif = "dn: cn=config\nchangetype: modify\nreplace: passwordCheckSyntax\npasswordCheckSyntax: on\n-\n\
                    replace: passwordMinLength\npasswordMinLength: 12\n";
        vec![
            Addition { form: DSCONF, lines: lines.to_owned() },
            Addition { form: "the same as LDIF (as Directory Manager)", lines: ldif.to_owned() },
        ]
    }

    /// An index for equality.
    pub(super) fn index(&self, names: &[String]) -> Vec<Addition> {
        let rule = format!("{} eq", names.join(","));
        let change =
            format!("dn: {}\nchangetype: modify\nadd: olcDbIndex\nolcDbIndex: {rule}\n", self.database);
        let file = format!("index {rule}\n# then, with slapd stopped: slapindex\n");
        vec![self.config(&change), Addition { form: FILE, lines: file }]
    }

    /// An account of Parvis's own, and its rights.
    pub(super) fn account(&self) -> Vec<Addition> {
        if self.dialect == Dialect::ActiveDirectory {
            return self.active_directory_account();
        }
        let (service, name) = (&self.service, self.login());
        let class = "objectClass: organizationalRole\nobjectClass: simpleSecurityObject\n";
        let data = format!(
            "# the password: slappasswd, or ldappasswd afterwards\n\
             dn: {service}\nchangetype: add\n{class}cn: {name}\nuserPassword: {{SSHA}}...\n"
        );
        let mut whole = vec![Addition { form: DATA, lines: data }];
        whole.extend(self.access());
        whole.extend(self.limits());
        whole
    }
}
