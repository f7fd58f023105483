//! What the domain is made of: its provisioning, the service account with its rights, and a person in AD's words.
//!
//! It must not start a server.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::campus::{Person, Population, State};
use crate::directory::copy;
use crate::ldif::push;
use crate::place::Place;
use crate::run::{expect, output, program};
use crate::template::{template, version};

use super::{ADMIN_PASSWORD, SERVICE_PASSWORD};

/// The domain's naming context.
pub const SUFFIX: &str = "DC=ad,DC=univ,DC=example";
/// Where the people are.
pub const BASE: &str = "OU=people,DC=ad,DC=univ,DC=example";
/// The account that Parvis binds as.
pub const SERVICE_DN: &str = "CN=parvis,OU=services,DC=ad,DC=univ,DC=example";
/// The same as a user principal name.
pub const SERVICE: &str = "parvis@ad.univ.example";
/// The domain's name in DNS.
pub const DOMAIN: &str = "ad.univ.example";

/// What an activation writes into a person's entry, beside the password: each attribute with its `schemaIDGUID`, by
/// which a right names it. The extension attributes are, in order, the forwarding address, whether the person is listed,
/// and the charter.
pub const WRITABLE: &[(&str, &str)] = &[
    ("employeeType", "a8df73f0-c5ea-11d1-bbcb-0080c76670c0"),
    ("otherMailbox", "0296c123-40da-11d1-a9c0-0000f80367c1"),
    ("msDS-cloudExtensionAttribute1", "9709eaaf-49da-4db2-908a-0446e5eab844"),
    ("msDS-cloudExtensionAttribute2", "f34ee0ac-c0c1-4ba9-82c9-1a90752f16a5"),
    ("msDS-cloudExtensionAttribute3", "82f6c81a-fada-4a0d-b0f7-706d46838eb5"),
    ("pwdLastSet", "bf967a0a-0de6-11d0-a285-00aa003049e2"),
    ("lockoutTime", "28630ebf-41d5-11d1-a9c1-0000f80367c1"),
];

/// The class `user`.
const USER: &str = "bf967aba-0de6-11d0-a285-00aa003049e2";
/// The right to reset a password (User-Force-Change-Password).
const RESET: &str = "00299570-246d-11d0-a768-00aa006e0529";
/// The right to follow changes by DirSync (DS-Replication-Get-Changes).
const FOLLOW: &str = "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2";
/// Stands for the place in the template's files.
const HERE: &str = "@PLACE@";
/// Stands for the server's address.
const ADDRESS: &str = "@ADDRESS@";

/// A fresh copy of the domain in `place`, which knows where it is and on which address it listens.
pub(super) fn domain(place: &Path, address: Ipv4Addr) -> Result<()> {
    let (packages, this) = (version("samba-ad-dc")?, include_str!("recipe.rs"));
    let tree = template("samba", &[&packages, this, ADMIN_PASSWORD, SERVICE_PASSWORD], provision)?;
    for folder in ["private", "state", "cache", "bind-dns", "run"] {
        let from = tree.join(folder);
        if from.exists() {
            copy(&from, &place.join(folder))?;
        } else {
            std::fs::create_dir(place.join(folder))?;
        }
    }
    configured(place, address)
}

fn configured(place: &Path, address: Ipv4Addr) -> Result<()> {
    let here = place.to_str().context("the place's name is not UTF-8")?;
    std::fs::write(place.join("smb.conf"), CONF.replace(HERE, here).replace(ADDRESS, &address.to_string()))?;
    Ok(())
}

/// Its LDAP alone. A network of 8 bits is how Samba is told one address of loopback: with 32 it finds no interface.
/// Simple binds in clear are taken, because a directory that refuses them is no test of a client that must not try.
const CONF: &str = "[global]
netbios name = DC1
realm = AD.UNIV.EXAMPLE
workgroup = UNIVAD
server role = active directory domain controller
server services = ldap
dcerpc endpoint servers = -winreg
interfaces = @ADDRESS@/8
bind interfaces only = yes
disable netbios = yes
ldap server require strong auth = no
tls enabled = yes
tls cafile = @PLACE@/ca.pem
tls certfile = @PLACE@/server.pem
tls keyfile = @PLACE@/server.key
log level = 1
private dir = @PLACE@/private
lock directory = @PLACE@/run
state directory = @PLACE@/state
cache directory = @PLACE@/cache
binddns dir = @PLACE@/bind-dns
pid directory = @PLACE@/run
ncalrpc dir = @PLACE@/run/ncalrpc
winbindd socket directory = @PLACE@/run/winbindd
ntp signd socket directory = @PLACE@/run/ntp
idmap_ldb:use rfc2307 = yes
";

/// No password is on a command line: provisioning invents the administrator's, and ours is set from standard input.
fn provision(into: &Path) -> Result<()> {
    let place = Place::new("samba-template")?;
    let dir = place.path().to_str().context("the place's name is not UTF-8")?;
    // An empty one, so that the system's is not read.
    std::fs::write(place.join("empty.conf"), "[global]\n")?;
    let (conf, target) = (format!("{dir}/empty.conf"), format!("--targetdir={dir}"));
    samba_tool(&[
        "domain",
        "provision",
        "-s",
        &conf,
        &target,
        "--realm=AD.UNIV.EXAMPLE",
        "--domain=UNIVAD",
        "--server-role=dc",
        "--dns-backend=NONE",
        "--host-name=dc1",
        "--host-ip=127.0.0.1",
        "--use-rfc2307",
        "--option=vfs objects=",
    ])?;
    configured(place.path(), Ipv4Addr::LOCALHOST)?;
    let (conf, database) = (format!("{dir}/smb.conf"), format!("{dir}/private/sam.ldb"));
    let ldb = |tool: &str, ldif: &str| {
        let conf = format!("--configfile={conf}");
        expect(&program(tool)?, &[conf.as_str(), "-H", &database], ldif.as_bytes())
    };
    ldb("ldbadd", &tree())?;
    let mut admin =
        format!("dn: CN=Administrator,CN=Users,{SUFFIX}\nchangetype: modify\nreplace: unicodePwd\n");
    admin.push_str(&format!("unicodePwd:: {}\n", unicode(ADMIN_PASSWORD)));
    ldb("ldbmodify", &admin)?;
    let here = ["-s", &conf, "-H", &database];
    samba_tool(
        &[
            &["domain", "passwordsettings", "set"],
            &here[..],
            &["--min-pwd-age=0", "--min-pwd-length=8", "--history-length=3", "--account-lockout-threshold=5"],
            &["--account-lockout-duration=1", "--reset-account-lockout-after=1"],
        ]
        .concat(),
    )?;
    let text =
        expect(&program("ldbsearch")?, &["-H", &database, "-b", SERVICE_DN, "-s", "base", "objectSid"], b"")?;
    let sid = text.lines().find_map(|line| line.strip_prefix("objectSid: "));
    let sid = sid.context("the service account has no objectSid")?;
    for (dn, rights) in [(BASE, rights(sid)), (SUFFIX, format!("(OA;;CR;{FOLLOW};;{sid})"))] {
        let (object, sddl) = (format!("--objectdn={dn}"), format!("--sddl={rights}"));
        samba_tool(&[&["dsacl", "set"], &here[..], &["--action=allow", &object, &sddl]].concat())?;
    }
    for folder in ["private", "state"] {
        copy(&place.join(folder), &into.join(folder))?;
    }
    Ok(())
}

/// On every user under the people: reset the password, and write what an activation writes.
fn rights(sid: &str) -> String {
    let write = WRITABLE.iter().map(|(_, guid)| format!("(OA;CIIO;WP;{guid};{USER};{sid})"));
    format!("{}(OA;CIIO;CR;{RESET};{USER};{sid})", write.collect::<String>())
}

fn samba_tool(args: &[&str]) -> Result<()> {
    let out = output(&program("samba-tool")?, args, b"").context("failed to run samba-tool")?;
    if !out.status.success() {
        let what: Vec<&str> = args.iter().take(3).copied().collect();
        let said = String::from_utf8_lossy(&out.stderr);
        bail!("samba-tool {} failed ({}): {}", what.join(" "), out.status, said.trim());
    }
    Ok(())
}

fn tree() -> String {
    let mut ldif = String::new();
    for branch in ["people", "services"] {
        ldif.push_str(&format!("dn: OU={branch},{SUFFIX}\nobjectClass: organizationalUnit\n\n"));
    }
    ldif.push_str(&account("parvis").1);
    ldif
}

/// An ordinary account whose password does not expire: where it is, and its entry.
pub(super) fn account(login: &str) -> (String, String) {
    let dn = format!("CN={login},OU=services,{SUFFIX}");
    let entry = format!(
        "dn: {dn}\nobjectClass: user\nsAMAccountName: {login}\nuserPrincipalName: {login}@{DOMAIN}\n\
         userAccountControl: 66048\nunicodePwd:: {}\n\n",
        unicode(SERVICE_PASSWORD)
    );
    (dn, entry)
}

/// A password as AD takes it: in quotes, UTF-16, little end first; here in base64, for LDIF.
pub fn unicode(password: &str) -> String {
    let quoted = format!("\"{password}\"");
    STANDARD.encode(quoted.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
}

/// Where the person with this login is.
pub(super) fn dn(login: &str) -> String {
    format!("CN={login},{BASE}")
}

/// The person's entry, ready for `ldapadd`.
pub(super) fn entry(person: &Person, must_change: bool) -> String {
    let mut ldif = String::new();
    let mut put = |name: &str, value: &str| push(&mut ldif, name, value);
    put("dn", &dn(&person.login));
    put("objectClass", "user");
    put("sAMAccountName", &person.login);
    put("userPrincipalName", &format!("{}@{DOMAIN}", person.login));
    put("displayName", &person.name);
    put("givenName", &person.given);
    put("sn", &person.surname);
    let (population, state) = (population(person.population), state(person.state));
    put("departmentNumber", population);
    put("employeeType", state);
    put("userAccountControl", if person.state == State::Locked { "514" } else { "512" });
    if let Some(mailbox) = &person.mailbox {
        put("mail", mailbox);
        put("proxyAddresses", &format!("SMTP:{mailbox}"));
    }
    if let Some(address) = &person.personal_mail {
        put("otherMailbox", address);
    }
    if let Some(language) = &person.language {
        put("preferredLanguage", language);
    }
    if person.state == State::Provisional && must_change {
        put("pwdLastSet", "0");
    }
    ldif.push_str(&format!("unicodePwd:: {}\n\n", unicode(&person.provisional_password)));
    ldif
}

fn population(population: Population) -> &'static str {
    match population {
        Population::Permanent => "permanent",
        Population::Vacataire => "vacataire",
        Population::Student => "student",
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Provisional => "provisional",
        State::Active => "active",
        State::Locked => "locked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_quoted_and_of_16_bits() {
        assert_eq!(STANDARD.decode(unicode("é1")).unwrap(), b"\"\0\xe9\x001\0\"\0");
    }
}
