//! The text of slapd.conf and of the tree above the people. It must not start anything.

use std::path::Path;

use anyhow::Result;

use crate::ldif::push;

use super::{
    ADMIN_DN, ADMIN_PASSWORD, CONFIG_DN, CONFIG_PASSWORD, PEOPLE, SERVICE_DN, SERVICE_PASSWORD, SUFFIX,
    SlapdOptions, hash,
};

/// What an activation writes into a person's entry, beside `userPassword`: the rights that Parvis needs there.
pub const WRITABLE: &[&str] = &[
    "supannListeRouge",
    "supannRessourceEtat",
    "supannRessourceEtatDate",
    "supannMailPerso",
    "supannConsentement",
    "mailForwardingAddress",
    "mailDeliveryOption",
    "deliveryMode",
    "pwdReset",
];

/// The whole of slapd.conf.
pub(super) fn text(options: &SlapdOptions, dir: &Path) -> String {
    let mut conf = global(options, dir);
    conf.push_str(&config_database(options));
    if options.accesslog {
        conf.push_str(&accesslog_database(options, dir));
    }
    conf.push_str(&people_database(options, dir));
    conf.push_str("database monitor\n");
    conf
}

fn global(options: &SlapdOptions, dir: &Path) -> String {
    let dir = dir.display();
    let mut conf = String::new();
    for schema in ["core", "cosine", "inetorgperson", "namedobject"] {
        conf.push_str(&format!("include /etc/ldap/schema/{schema}.schema\n"));
    }
    conf.push_str(&format!(
        "include {dir}/stand.schema\npidfile {dir}/slapd.pid\nargsfile {dir}/slapd.args\n"
    ));
    conf.push_str(&options.schema);
    conf.push_str("modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload back_monitor\n");
    let wanted = [
        ("syncprov", options.syncprov),
        ("accesslog", options.accesslog),
        ("ppolicy", options.ppolicy),
        ("memberof", options.memberof),
        ("unique", options.unique),
    ];
    for (module, _) in wanted.iter().filter(|(_, wanted)| *wanted) {
        conf.push_str(&format!("moduleload {module}\n"));
    }
    conf.push_str("sizelimit unlimited\nlocalSSF 71\n");
    conf.push_str(&format!("TLSCACertificateFile {dir}/ca.pem\n"));
    conf.push_str(&format!("TLSCertificateFile {dir}/server.pem\nTLSCertificateKeyFile {dir}/server.key\n"));
    if options.require_tls {
        conf.push_str("security simple_bind=71\n");
    }
    if options.external_is_service {
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        let peer = format!("gidNumber={gid}[+]uidNumber={uid},cn=peercred,cn=external,cn=auth");
        conf.push_str(&format!("authz-regexp \"{peer}\" \"{SERVICE_DN}\"\n"));
    }
    conf
}

fn config_database(options: &SlapdOptions) -> String {
    let reader =
        if options.config_readable { format!("by dn.exact=\"{SERVICE_DN}\" read ") } else { String::new() };
    format!("database config\nrootdn {CONFIG_DN}\nrootpw {CONFIG_PASSWORD}\naccess to * {reader}by * none\n")
}

fn accesslog_database(options: &SlapdOptions, dir: &Path) -> String {
    // Whoever reads cn=accesslog reads password hashes: the administrator only.
    format!(
        "database mdb\nsuffix cn=accesslog\nrootdn cn=accesslog\ndirectory {}/accesslog.mdb\nmaxsize 4294967296\n{}\
         index default eq\nindex entryCSN,objectClass,reqEnd,reqResult,reqStart,reqDN\n\
         access to * by dn.exact=\"{ADMIN_DN}\" read by * none\n",
        dir.display(),
        sync_mode(options)
    )
}

fn people_database(options: &SlapdOptions, dir: &Path) -> String {
    let mut conf = format!(
        "database mdb\nsuffix {SUFFIX}\nrootdn {ADMIN_DN}\nrootpw {ADMIN_PASSWORD}\n\
         directory {}/people.mdb\nmaxsize 8589934592\n{}\
         index objectClass,uid,mail,mailAlternateAddress,supannAliasLogin,supannRessourceEtat,member,entryUUID,entryCSN eq\n\
         limits dn.exact=\"{SERVICE_DN}\" size=unlimited time=unlimited\n",
        dir.display(),
        sync_mode(options)
    );
    conf.push_str(&access(options));
    if options.memberof {
        conf.push_str("overlay memberof\n");
    }
    if options.unique {
        conf.push_str(&format!("overlay unique\nunique_uri ldap:///{PEOPLE}?uid?sub\n"));
    }
    if options.ppolicy {
        conf.push_str(&format!("overlay ppolicy\nppolicy_default cn=default,ou=policies,{SUFFIX}\n"));
        if options.hash_cleartext {
            conf.push_str("ppolicy_hash_cleartext\n");
        }
    }
    if options.syncprov {
        conf.push_str("overlay syncprov\nsyncprov-checkpoint 1000 5\n");
        conf.push_str(&format!("syncprov-sessionlog {}\n", options.session_log));
    }
    if options.accesslog {
        conf.push_str("overlay accesslog\nlogdb cn=accesslog\nlogops writes\nlogsuccess TRUE\n");
    }
    conf.push_str(&options.extra_config);
    conf.push('\n');
    conf
}

/// Parvis may set a password and never read one, may write what an activation writes, and reads the rest. A person
/// reads their own entry; the other services read people.
fn access(options: &SlapdOptions) -> String {
    let services = format!("ou=services,{SUFFIX}");
    let mut rules = format!(
        "access to dn.subtree=\"{PEOPLE}\" attrs=userPassword by dn.exact=\"{SERVICE_DN}\" =w by anonymous auth by * none\n\
         access to attrs=userPassword by anonymous auth by * none\n"
    );
    let readers = format!("by self read by dn.children=\"{services}\" read by * none\n");
    if !options.writable.is_empty() {
        let attributes = options.writable.join(",");
        rules.push_str(&format!(
            "access to dn.subtree=\"{PEOPLE}\" attrs={attributes} by dn.exact=\"{SERVICE_DN}\" write {readers}"
        ));
    }
    rules.push_str(&format!("access to * {readers}"));
    rules
}

fn sync_mode(options: &SlapdOptions) -> &'static str {
    if options.durable { "checkpoint 1024 5\n" } else { "dbnosync\n" }
}

/// The tree above the people: the suffix, the branches, the default policy, the services.
pub(super) fn tree() -> Result<String> {
    let mut ldif = format!(
        "dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\nobjectClass: supannOrg\n\
         dc: univ\nsupannEtablissement: {{UAI}}0000000X\n"
    );
    push(&mut ldif, "o", "Université de l’Exemple");
    ldif.push('\n');
    for branch in ["people", "groups", "policies", "services"] {
        ldif.push_str(&format!(
            "dn: ou={branch},{SUFFIX}\nobjectClass: organizationalUnit\nou: {branch}\n\n"
        ));
    }
    ldif.push_str(&format!("dn: cn=default,ou=policies,{SUFFIX}\n{POLICY}\n"));
    for service in ["parvis", "portal", "postfix", "dovecot"] {
        let password = hash(SERVICE_PASSWORD)?;
        ldif.push_str(&format!(
            "dn: cn={service},ou=services,{SUFFIX}\nobjectClass: organizationalRole\n\
             objectClass: simpleSecurityObject\ncn: {service}\nuserPassword: {password}\n\n"
        ));
    }
    Ok(ldif)
}

/// pwdCheckQuality 2: what cannot be judged, because it comes hashed, is refused to everyone but the rootdn.
const POLICY: &str = "objectClass: namedObject\nobjectClass: pwdPolicy\ncn: default\npwdAttribute: userPassword\n\
    pwdMinLength: 8\npwdCheckQuality: 2\npwdInHistory: 3\npwdLockout: TRUE\npwdMaxFailure: 5\n\
    pwdLockoutDuration: 60\npwdMustChange: FALSE\npwdAllowUserChange: TRUE\n";
