//! The stand: the real servers, started privately for the tests, the demo and the benchmarks.
//!
//! Everything here listens on loopback only, keeps its files in a directory of its own under `/tmp`, and is gone when
//! its value is dropped, or when the process that made it dies. Nothing here is a mock: a directory is slapd, the mail
//! system is Postfix. The one server of our own is the [`inbox`], which stands for the rest of the world.
//! It must not know the rules of an enrolment, nor anything of `parvisd` but its command line and its sockets.

pub mod binaries;
pub mod browser;
pub mod campus;
pub mod certs;
pub mod container;
pub mod daemon;
pub mod directory;
pub mod djangocas;
pub mod dkim;
pub mod dns;
pub mod dovecot;
pub mod ds389;
pub mod front;
pub mod groovy;
pub mod inbox;
pub mod install;
pub mod ldap;
pub mod ldif;
pub mod lemon;
pub mod message;
pub mod pages;
pub mod place;
pub mod postfix;
pub mod proxy;
pub mod run;
pub mod samba;
pub mod scene;
pub mod sender;
pub mod shibboleth;
pub mod simplesamlphp;
pub mod slapd;
pub mod srs;
pub mod sso;
pub mod template;
pub mod visitor;

pub use browser::{Browser, BrowserOptions};
pub use campus::{Person, Population, State, campus, small};
pub use container::{Container, ContainerOptions, Said};
pub use daemon::{Daemon, DaemonOptions, Layout};
pub use directory::{Backup, DirectoryServer};
pub use dns::{Dns, Nonsense};
pub use dovecot::{Dovecot, DovecotOptions};
pub use ds389::{Ds389, Ds389Options};
pub use front::Front;
pub use inbox::{Behaviour, Inbox, InboxOptions, Stage};
pub use ldap::Client;
pub use ldif::Entry;
pub use lemon::{Lemon, LemonOptions, Reply};
pub use message::Message;
pub use pages::{Pages, PagesOptions};
pub use place::Port;
pub use postfix::{Postfix, PostfixOptions};
pub use proxy::{Fault, Proxy};
pub use samba::{SambaAd, SambaAdOptions};
pub use scene::{Scene, SceneOptions, Walk};
pub use shibboleth::Shibboleth;
pub use simplesamlphp::{Simplesamlphp, SimplesamlphpOptions};
pub use slapd::{SUFFIX, Slapd, SlapdOptions};
pub use srs::Srs;
pub use visitor::Visitor;
