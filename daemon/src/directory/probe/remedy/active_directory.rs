//! Rights in Active Directory, as its administrator gives them: `dsacls` on Windows, `samba-tool` on Samba.

use super::{Addition, Remedies};
use crate::directory::probe::active_directory::Account;

const POWERSHELL: &str = "commands for Active Directory, as a domain administrator";
const SAMBA: &str = "the same for Samba, on a domain controller, as root";

/// The class `user`.
const USER: &str = "bf967aba-0de6-11d0-a285-00aa003049e2";
/// User-Force-Change-Password, which dsacls calls Reset Password.
const RESET: &str = "00299570-246d-11d0-a768-00aa006e0529";
/// DS-Replication-Get-Changes, which dsacls calls Replicating Directory Changes.
const FOLLOW: &str = "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2";

impl Remedies {
    /// With the service as the domain knows it.
    pub(in crate::directory::probe) fn of_account(mut self, account: &Account) -> Remedies {
        self.account = account.clone();
        self
    }

    /// What follows is given to this account.
    fn powershell(&self, commands: &str) -> Addition {
        let whose = match &self.account.name {
            Some(name) => format!("'{}'", name.replace('\'', "''")),
            None => format!("\"$((Get-ADDomain).NetBIOSName)\\{}\"", self.login()),
        };
        Addition { form: POWERSHELL, lines: format!("$parvis = {whose}\n{commands}") }
    }

    /// One change of one object's list; `SID` stands for the account.
    fn samba(&self, object: &str, rights: &str, comment: &str) -> Addition {
        let object = shell(object);
        let (before, sid) = match &self.account.sid {
            Some(sid) => (String::new(), sid.as_str()),
            None => {
                let shown = format!("samba-tool user show {} --attributes=objectSid", shell(&self.login()));
                (format!("sid=$({shown} | sed -n 's/^objectSid: //p')\n"), "$sid")
            }
        };
        let rights = rights.replace("SID", sid);
        let line = format!("samba-tool dsacl set --objectdn={object} --sddl=\"{rights}\"\n");
        Addition { form: SAMBA, lines: format!("{before}{line}{comment}") }
    }

    /// Reset passwords, and read and write what the mapping writes, of users below the base.
    pub(super) fn active_directory_access(&self) -> Vec<Addition> {
        let base = format!("'{}'", self.base.replace('\'', "''"));
        let mut lines = format!("dsacls {base} /I:S /G \"$($parvis):CA;Reset Password;user\"\n");
        let mut rights = format!("(OA;CIIO;CR;{RESET};{USER};SID)");
        let mut unknown = Vec::new();
        for name in &self.writes {
            lines.push_str(&format!("dsacls {base} /I:S /G \"$($parvis):RPWP;{name};user\"\n"));
            match self.account.guids.get(&name.to_lowercase()) {
                Some(guid) => rights.push_str(&format!("(OA;CIIO;RPWP;{guid};{USER};SID)")),
                None => unknown.push(name.as_str()),
            }
        }
        let comment = match unknown.is_empty() {
            true => String::new(),
            false => format!(
                "# then look again as this account: what gives {} is printed then\n",
                unknown.join(", ")
            ),
        };
        vec![self.powershell(&lines), self.samba(&self.base, &rights, &comment)]
    }

    /// Follow changes of the whole domain.
    pub(super) fn dirsync(&self) -> Vec<Addition> {
        let suffix = format!("'{}'", self.suffix.replace('\'', "''"));
        let lines = format!("dsacls {suffix} /G \"$($parvis):CA;Replicating Directory Changes\"\n");
        vec![self.powershell(&lines), self.samba(&self.suffix, &format!("(OA;;CR;{FOLLOW};;SID)"), "")]
    }

    /// How an administrator sees who may do what to an entry.
    pub(in crate::directory::probe) fn permissions(&self, dn: &str) -> Vec<Addition> {
        let lines = format!("dsacls '{}'\n", dn.replace('\'', "''"));
        let samba = format!("samba-tool dsacl get --objectdn={}\n", shell(dn));
        let mut whole = vec![Addition { form: POWERSHELL, lines }, Addition { form: SAMBA, lines: samba }];
        whole.extend(self.active_directory_access());
        whole
    }

    /// An account that is a user like any other, and its rights.
    pub(super) fn active_directory_account(&self) -> Vec<Addition> {
        let name = self.login();
        let lines = format!(
            "New-ADUser -Name '{}' -Enabled $true -AccountPassword (Read-Host -AsSecureString)\n",
            name.replace('\'', "''")
        );
        let samba = format!("samba-tool user create {}\n", shell(&name));
        let mut whole = vec![Addition { form: POWERSHELL, lines }, Addition { form: SAMBA, lines: samba }];
        whole.extend(self.active_directory_access());
        whole
    }
}

/// One word to a shell.
pub(super) fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
