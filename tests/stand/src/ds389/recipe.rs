//! What the instance is made of: `dscreate`'s answers, what is changed in `dse.ldif`, the tree, the policy, the rights.
//!
//! It must not start the server for a test.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::ldif::push;
use crate::place::{Place, Port};
use crate::run::{expect, feed, program, until};
use crate::slapd::{PEOPLE, SERVICE_DN, SERVICE_PASSWORD, SUFFIX};
use crate::template::{template, version};

use super::dse::Dse;
use super::{Ds389Options, MANAGER_DN, MANAGER_PASSWORD, as_dirsrv, copy, given_to_dirsrv, schema};

/// The instance's configuration folder, from the place.
pub(super) const HOME: &str = "root/etc/dirsrv/slapd-t";
/// Its configuration.
pub(super) const DSE: &str = "root/etc/dirsrv/slapd-t/dse.ldif";

/// What an activation writes into a person's entry: the rights that Parvis needs there.
pub const WRITABLE: &[&str] = &[
    "userPassword",
    "supannListeRouge",
    "supannRessourceEtat",
    "supannRessourceEtatDate",
    "supannMailPerso",
    "supannConsentement",
    "mailForwardingAddress",
    "mailDeliveryOption",
    "deliveryMode",
];

const SCHEMA: &str = include_str!("../../schema/parvis-stand.schema");
/// Stands for the place in the template's files.
const HERE: &str = "@PLACE@";

/// A fresh copy of the instance in `place`, which knows where it is.
pub(super) fn instance(place: &Path) -> Result<()> {
    let (packages, this) = (version("389-ds-base")?, include_str!("recipe.rs"));
    let tree = template("389ds", &[&packages, SCHEMA, this, include_str!("schema.rs")], create)?;
    copy(&tree.join("root"), &place.join("root"))?;
    for file in [DSE, "root/etc/dirsrv/slapd-t/pkcs11.txt"] {
        let text = std::fs::read_to_string(place.join(file))?;
        let here = place.to_str().context("the place's name is not UTF-8")?;
        std::fs::write(place.join(file), text.replace(HERE, here))?;
    }
    Ok(())
}

/// `dscreate` in a place of its own, as the package's user, which it insists on.
fn create(into: &Path) -> Result<()> {
    let place = Place::new("389ds-template")?;
    place.open_to_all()?;
    let dir = place.path().to_str().context("the place's name is not UTF-8")?;
    let (ldap, ldaps) = (Port::free()?, Port::free()?);
    let answers = format!(
        "[general]\nconfig_version = 2\nfull_machine_name = localhost\nstrict_host_checking = False\n\
         selinux = False\nsystemd = False\nstart = False\n[slapd]\ninstance_name = t\nport = {}\nsecure_port = {}\n\
         root_dn = {MANAGER_DN}\nroot_password = {MANAGER_PASSWORD}\nself_sign_cert = False\n\
         [backend-userroot]\nsuffix = {SUFFIX}\ncreate_suffix_entry = False\nsample_entries = no\n",
        ldap.number(),
        ldaps.number()
    );
    std::fs::write(place.join("answers"), answers)?;
    given_to_dirsrv(place.path())?;
    dscreate(dir, &["ds-root", &format!("{dir}/root"), &format!("{dir}/bin")])?;
    // On loopback only, from its first moment on.
    for file in std::fs::read_dir(place.join("root/share/dirsrv/data"))?.flatten() {
        if file.file_name().to_string_lossy().starts_with("template-dse") {
            let listen = "nsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\nnsslapd-port:";
            let text = std::fs::read_to_string(file.path())?.replacen("nsslapd-port:", listen, 1);
            std::fs::write(file.path(), text)?;
        }
    }
    dscreate(dir, &["from-file", &format!("{dir}/answers")])?;
    stopped(&place)?;
    let known = schema::known(Path::new("/usr/share/dirsrv/schema"))?;
    std::fs::write(place.join(HOME).join("schema/98stand.ldif"), schema::ldif(SCHEMA, &known))?;
    let dse = std::fs::read_to_string(place.join(DSE))?;
    let dse = Dse::parse(&dse).text().replace(dir, HERE);
    std::fs::write(place.join(DSE), dse)?;
    let modules = place.join(HOME).join("pkcs11.txt");
    std::fs::write(&modules, std::fs::read_to_string(&modules)?.replace(dir, HERE))?;
    for name in
        ["cert9.db", "key4.db", "pin.txt", "pwdfile.txt", "noise.txt", "dse.ldif.bak", "dse.ldif.startOK"]
    {
        let _ = std::fs::remove_file(place.join(HOME).join(name));
    }
    // What is shared by processes is made anew, a hundred megabytes of it.
    for file in std::fs::read_dir(place.join("root/var/lib/dirsrv/slapd-t/db"))?.flatten() {
        if file.file_name().to_string_lossy().starts_with("__db.") {
            std::fs::remove_file(file.path())?;
        }
    }
    copy(&place.join("root"), &into.join("root"))
}

fn dscreate(dir: &str, args: &[&str]) -> Result<()> {
    let mut command = as_dirsrv(&program("env")?);
    command.args([format!("HOME={dir}"), format!("PATH={dir}/bin:/usr/sbin:/usr/bin:/sbin:/bin")]);
    // Who it runs as it reads from the environment, where sudo has left root's name.
    command.args([
        "LOGNAME=dirsrv",
        "USER=dirsrv",
        "PYTHONDONTWRITEBYTECODE=1",
        "LC_ALL=C.UTF-8",
        "dscreate",
    ]);
    command.args(args);
    let out = feed(command, b"").context("failed to run dscreate")?;
    if !out.status.success() {
        let said = [out.stdout, out.stderr].concat();
        bail!("dscreate failed ({}): {}", out.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

/// `dscreate` may leave its server running.
fn stopped(place: &Place) -> Result<()> {
    let Ok(pid) = std::fs::read_to_string(place.join("root/run/dirsrv/slapd-t.pid")) else { return Ok(()) };
    let process = Path::new("/proc").join(pid.trim());
    let ours = std::fs::read(process.join("cmdline")).unwrap_or_default();
    if !String::from_utf8_lossy(&ours).contains(&place.path().to_string_lossy().into_owned()) {
        return Ok(());
    }
    expect(&program("kill")?, &[pid.trim()], b"")?;
    // A zombie has ended, whoever its parent is.
    let ended = || std::fs::read(process.join("cmdline")).map_or(true, |line| line.is_empty());
    let gone = until(std::time::Duration::from_secs(60), || Ok(ended().then_some(())))?;
    gone.context("the server that dscreate started does not stop")
}

/// What a server of this kind has before its first start.
pub(super) fn configure(dse: &mut Dse, options: &Ds389Options, ldap: u16, ldaps: u16) -> Result<()> {
    let switch = |on: bool| if on { "on" } else { "off" };
    for (name, value) in [
        ("nsslapd-port", ldap.to_string().as_str()),
        ("nsslapd-securePort", &ldaps.to_string()),
        ("nsslapd-security", "on"),
        ("nsslapd-accesslog-logbuffering", "off"),
    ] {
        dse.set("cn=config", name, value)?;
    }
    for (plugin, on) in [
        ("Content Synchronization", options.sync && options.changelog),
        ("Retro Changelog Plugin", options.changelog),
        ("MemberOf Plugin", true),
        ("USN", options.usn),
    ] {
        dse.set(&format!("cn={plugin},cn=plugins,cn=config"), "nsslapd-pluginEnabled", switch(on))?;
    }
    // By itself it would take a tenth of the machine's memory, for a dozen people.
    let database = "cn=config,cn=ldbm database,cn=plugins,cn=config";
    dse.set(database, "nsslapd-cache-autosize", "0")?;
    dse.set(&format!("cn=bdb,{database}"), "nsslapd-dbcachesize", "20000000")?;
    let people = "cn=userroot,cn=ldbm database,cn=plugins,cn=config";
    dse.set(people, "nsslapd-cachememsize", "20000000")?;
    for name in ["supannRessourceEtat", "supannAliasLogin"] {
        dse.add(&format!(
            "dn: cn={name},cn=index,cn=userroot,cn=ldbm database,cn=plugins,cn=config\nobjectClass: top\n\
             objectClass: nsIndex\ncn: {name}\nnsSystemIndex: false\nnsIndexType: eq"
        ));
    }
    Ok(())
}

/// The tree above the people, with the rights: Parvis reads people, but neither a password nor one of before, and writes
/// what an activation writes. A person reads their own entry; the other services read people.
pub(super) fn tree(writable: &[String]) -> Result<String> {
    let mut ldif = format!(
        "dn: {SUFFIX}\nobjectClass: domain\nobjectClass: supannOrg\ndc: univ\nsupannEtablissement: {{UAI}}0000000X\n\n"
    );
    for branch in ["groups", "policies", "services"] {
        ldif.push_str(&format!(
            "dn: ou={branch},{SUFFIX}\nobjectClass: organizationalUnit\nou: {branch}\n\n"
        ));
    }
    ldif.push_str(&format!("dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people\n"));
    for rule in rules(writable) {
        push(&mut ldif, "aci", &rule);
    }
    ldif.push('\n');
    for service in ["parvis", "portal", "postfix", "dovecot"] {
        ldif.push_str(&format!(
            "dn: cn={service},ou=services,{SUFFIX}\nobjectClass: organizationalRole\n\
             objectClass: simpleSecurityObject\ncn: {service}\nuserPassword: {SERVICE_PASSWORD}\n"
        ));
        // As OpenLDAP's limits: to search without them is a right of the account.
        for limit in ["nsSizeLimit", "nsLookThroughLimit", "nsTimeLimit", "nsIdleTimeout"] {
            ldif.push_str(&format!("{limit}: -1\n"));
        }
        ldif.push('\n');
    }
    Ok(ldif)
}

fn rules(writable: &[String]) -> Vec<String> {
    let kept = "targetattr != \"userPassword || passwordHistory || aci\"";
    let read = "allow (read, search, compare)";
    let mut rules = vec![
        format!(
            "({kept})(version 3.0; acl \"Parvis reads people\"; {read} userdn = \"ldap:///{SERVICE_DN}\";)"
        ),
        format!(
            "({kept})(version 3.0; acl \"Services read people\"; {read} userdn = \"ldap:///cn=*,ou=services,{SUFFIX}\";)"
        ),
        format!("({kept})(version 3.0; acl \"People read themselves\"; {read} userdn = \"ldap:///self\";)"),
    ];
    if !writable.is_empty() {
        let attributes = writable.join(" || ");
        rules.push(format!(
            "(targetattr = \"{attributes}\")(version 3.0; acl \"Parvis activates people\"; allow (write) \
             userdn = \"ldap:///{SERVICE_DN}\";)"
        ));
    }
    rules
}

/// The policy of the whole server.
pub(super) fn policy(must_change: bool) -> String {
    let mut ldif = "dn: cn=config\nchangetype: modify\n".to_owned();
    for (name, value) in [
        ("passwordCheckSyntax", "on"),
        ("passwordMinLength", "8"),
        ("passwordHistory", "on"),
        ("passwordInHistory", "3"),
        ("passwordLockout", "on"),
        ("passwordMaxFailure", "5"),
        ("passwordLockoutDuration", "60"),
        ("passwordMustChange", if must_change { "on" } else { "off" }),
    ] {
        ldif.push_str(&format!("replace: {name}\n{name}: {value}\n-\n"));
    }
    ldif
}
