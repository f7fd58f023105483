//! Mail: templates, the message, its signature, the ways in which it leaves.
//!
//! It turns a template and values into an RFC 5322 message, and hands a message to a server or a program. It knows neither
//! enrolments nor the store nor the directory; when and whether to send is `workers`' business. Nothing in this
//! folder writes to a log: a message holds a link, and whoever reads the log must not get it.
//!
//! `Templates::render` → `compose` → `Relay::connect`, `Connection::send`; what comes back: `report::read`.

pub mod address;
mod clean;
mod commands;
mod dkim;
mod held;
pub mod message;
mod mx;
mod night;
mod overrides;
mod quoted;
mod relay;
pub mod report;
mod sendmail;
mod settings;
mod smtp;
mod starttls;
pub mod templates;
mod tls;
pub mod values;
mod verdict;
mod wire;

pub use address::{Address, AddressFault};
pub use dkim::{DkimFault, Signer};
pub use held::{Held, held};
pub use message::{ComposeError, Composed, Letter, Sender, compose};
pub use mx::MailDomains;
pub use relay::{Accepted, Connection, Probe, Relay};
pub use report::{ReturnPath, ReturnPathFault};
pub use settings::{Login, RelayFault, RelaySettings, Security, Way};
pub use templates::{Rendered, TemplateFault, TemplateFaults, Templates};
pub use values::{Campus, Locale, MailName, Person, Values};
pub use verdict::{Enhanced, SendError};
pub use wire::Transcript;
