//! The directories, each with the dozen people in it.

use parvis_stand::{DirectoryServer, Ds389, Ds389Options, SambaAd, SambaAdOptions, Slapd, SlapdOptions};

pub fn slapd() -> Box<dyn DirectoryServer> {
    Box::new(Slapd::start(SlapdOptions::default()).unwrap())
}

pub fn ds389() -> Box<dyn DirectoryServer> {
    Box::new(Ds389::start(&Ds389Options::default()).unwrap())
}

/// People whose password is not to be changed at once: AD would refuse their bind.
pub fn samba() -> Box<dyn DirectoryServer> {
    Box::new(SambaAd::start(&SambaAdOptions { must_change: false, ..SambaAdOptions::default() }).unwrap())
}
