//! What mail needs of the configuration: how it leaves, who signs it, where it comes back to.

use super::super::raw;
use super::super::{MailSettings, Sources, units};
use super::Checker;
use crate::mail::{DkimFault, Login, RelayFault, ReturnPath, ReturnPathFault, Signer, Way};
use crate::workers::relay;
use secrecy::ExposeSecret;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

impl Checker<'_> {
    pub(super) fn mail(&mut self, mail: &raw::Mail, sources: &Sources) -> Option<MailSettings> {
        let login = match &mail.username {
            None => Some(None),
            Some(name) => {
                let password = sources.credentials.read(&mail.password_credential);
                let xoauth2 = mail.authentication == raw::Authentication::Xoauth2;
                let login = |password| Some(Login { username: name.clone(), password, xoauth2 });
                self.take("mail.password-credential", password).map(login)
            }
        };
        if let Err(fault) = parvis_enrolment::address::Address::parse(&mail.from) {
            self.fault("mail.from", fault.to_string());
        }
        let bounces = self.bounces(mail);
        let dkim = self.dkim(mail, sources);
        if let Some(address) = &mail.intercept {
            match parvis_enrolment::address::Address::parse(address) {
                Err(fault) => self.fault("mail.intercept", fault.to_string()),
                Ok(_) => self.caution(
                    "mail.intercept",
                    "every mail goes there, and to nobody else: only before production",
                ),
            }
        }
        let way = match mail.transport {
            raw::Transport::Smtp => Way::Smtp,
            raw::Transport::Lmtp => Way::Lmtp(mail.socket.clone()),
            raw::Transport::Sendmail => Way::Sendmail(mail.sendmail.clone()),
        };
        if mail.socket.is_some() && mail.transport != raw::Transport::Lmtp {
            self.fault("mail.socket", "is for transport = \"lmtp\" only");
        }
        let by_network = matches!(way, Way::Smtp | Way::Lmtp(None));
        let loopback = mail.host == "localhost"
            || mail.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if mail.security == raw::Security::None && by_network && !loopback {
            self.fault("mail.security", "mail would leave this machine in clear: starttls or tls");
        }
        if mail.connections == 0 || mail.connections > 64 {
            self.fault("mail.connections", "should be 1 to 64");
        }
        let [timeout, first, longest] = [
            ("mail.timeout", &mail.timeout),
            ("mail.retry-first", &mail.retry_first),
            ("mail.retry-longest", &mail.retry_longest),
        ]
        .map(|(key, text)| self.take(key, units::positive(text)));
        let mx = self.name_servers(&mail.mx_servers);
        let settings = MailSettings {
            way,
            host: mail.host.clone(),
            port: mail.port,
            security: mail.security,
            ca_file: mail.ca_file.clone(),
            helo: mail.helo.clone(),
            login: login?,
            from: mail.from.clone(),
            bounces,
            intercept: mail.intercept.clone(),
            connections: mail.connections,
            timeout: timeout?,
            overrides: mail.overrides.clone(),
            retry_first: first?,
            retry_longest: longest?,
            mx: mail.mx_lookup.then_some(mx),
            dkim: dkim?,
        };
        if let Err(fault) = relay(&settings) {
            let key = match fault {
                RelayFault::Host => "mail.host",
                RelayFault::LmtpPort => "mail.port",
                RelayFault::LoginOfProgram => "mail.username",
                RelayFault::Path(_) if mail.transport == raw::Transport::Lmtp => "mail.socket",
                RelayFault::Path(_) => "mail.sendmail",
                RelayFault::HeloName => "mail.helo",
                RelayFault::CaFile { .. } => "mail.ca-file",
                RelayFault::PasswordInClear | RelayFault::TlsOnSocket | RelayFault::Tls(_) => "mail.security",
            };
            self.fault(key, fault.to_string());
        }
        Some(settings)
    }

    fn bounces(&mut self, mail: &raw::Mail) -> Option<ReturnPath> {
        match mail.bounces.as_ref().map(|address| ReturnPath::new(address, &mail.bounce_delimiter)) {
            None => None,
            Some(Ok(path)) => Some(path),
            Some(Err(fault)) => {
                let delimiter = fault == ReturnPathFault::Delimiter;
                self.fault(
                    if delimiter { "mail.bounce-delimiter" } else { "mail.bounces" },
                    fault.to_string(),
                );
                None
            }
        }
    }

    fn name_servers(&mut self, servers: &[String]) -> Vec<SocketAddr> {
        let server = |text: &String| {
            let alone = text.parse().map(|ip: IpAddr| SocketAddr::from((ip, 53)));
            alone.or_else(|_| text.parse()).map_err(|_| {
                format!("{text:?} is no address of a name server such as 192.0.2.53 or 127.0.0.1:5353")
            })
        };
        let found: Vec<_> = servers.iter().map(server).collect();
        found.into_iter().filter_map(|found| self.take("mail.mx-servers", found)).collect()
    }

    /// What signs, where something does; `None` where it cannot.
    fn dkim(&mut self, mail: &raw::Mail, sources: &Sources) -> Option<Option<Arc<Signer>>> {
        let raw::Dkim { selector, domain, key_credential } = &mail.dkim;
        let Some(selector) = selector else {
            if domain.is_some() {
                self.fault("mail.dkim.selector", "is missing: the domain alone signs nothing");
                return None;
            }
            return Some(None);
        };
        let domain = domain.as_deref().or_else(|| mail.from.rsplit('@').next()).unwrap_or_default();
        let key = self.take("mail.dkim.key-credential", sources.credentials.read(key_credential))?;
        match Signer::new(selector, domain, key.expose_secret()) {
            Ok(signer) => Some(Some(Arc::new(signer))),
            Err(fault) => {
                let (key, place) = match fault {
                    DkimFault::Selector(_) => ("mail.dkim.selector", None),
                    DkimFault::Domain(_) => ("mail.dkim.domain", None),
                    DkimFault::Key(_) => {
                        ("mail.dkim.key-credential", Some(sources.credentials.path(key_credential)))
                    }
                };
                let place = place.map(|path| format!("{}: ", path.display())).unwrap_or_default();
                self.fault(key, format!("{place}{fault}"));
                None
            }
        }
    }
}
