//! What the gate needs of the configuration: limits, roles, sockets.

use super::super::raw;
use super::super::settings::{Network, Roles, Who};
use super::super::{Rates, units};
use super::Checker;

impl Checker<'_> {
    pub(super) fn rates(&mut self, limits: &raw::Limits) -> Option<Rates> {
        let [sign_in, address_changes, password, requests, address, domain, campus, client] = [
            ("limits.account-sign-in", &limits.account_sign_in),
            ("limits.account-address", &limits.account_address),
            ("limits.account-password", &limits.account_password),
            ("limits.account-requests", &limits.account_requests),
            ("limits.address", &limits.address),
            ("limits.domain", &limits.domain),
            ("limits.campus", &limits.campus),
            ("limits.client", &limits.client),
        ]
        .map(|(key, text)| self.take(key, units::rate(text)));
        let networks = limits.exempt_networks.iter().map(|text| network(text)).collect::<Vec<_>>();
        let exempt =
            networks.into_iter().filter_map(|found| self.take("limits.exempt-networks", found)).collect();
        Some(Rates {
            sign_in: sign_in?,
            address_changes: address_changes?,
            password: password?,
            requests: requests?,
            address: address?,
            domain: domain?,
            campus: campus?,
            client: client?,
            exempt,
        })
    }

    pub(super) fn roles(&mut self, gate: &raw::Gate) -> Roles {
        let mut who = |key: &str, names: &[String]| -> Vec<Who> {
            names.iter().filter_map(|name| self.take(key, principal(name))).collect()
        };
        let roles = Roles {
            sso: who("gate.sso", &gate.sso),
            pages: who("gate.pages", &gate.pages),
            mta: who("gate.mta", &gate.mta),
            admin: who("gate.admin", &gate.admin),
        };
        // The pages face the world, and prove people by a ticket or the password; only the SSO's word is enough.
        if let Some(both) =
            gate.pages.iter().find(|name| principal(name).is_ok_and(|who| roles.sso.contains(&who)))
        {
            self.fault(
                "gate.pages",
                format!("{both:?} is in gate.sso as well: only the SSO may vouch for people"),
            );
        }
        roles
    }

    pub(super) fn gate(&mut self, gate: &raw::Gate) {
        if !(4..=65_536).contains(&gate.connections) {
            self.fault("gate.connections", "should be 4 to 65536");
        }
        for (key, path) in
            [("gate.hook-socket", &gate.hook_socket), ("gate.admin-socket", &gate.admin_socket)]
        {
            if !path.is_absolute() || path.as_os_str().len() > 107 {
                self.fault(key, "should be an absolute path of at most 107 bytes");
            }
        }
    }
}

/// `name`, `1000`, `@group`, `@1000`.
fn principal(text: &str) -> Result<Who, String> {
    let (group, name) = text.strip_prefix('@').map_or((false, text), |name| (true, name));
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == ':') {
        return Err(format!("{text:?} is no user name, and no group name after an @"));
    }
    Ok(match (group, name.parse::<u32>()) {
        (false, Ok(uid)) => Who::Uid(uid),
        (false, Err(_)) => Who::User(name.to_owned()),
        (true, Ok(gid)) => Who::Gid(gid),
        (true, Err(_)) => Who::Group(name.to_owned()),
    })
}

fn network(text: &str) -> Result<Network, String> {
    let fault = || format!("{text:?} is no network such as 10.1.0.0/16 or 2001:db8::/32");
    let (address, bits) = text.split_once('/').ok_or_else(fault)?;
    let address: std::net::IpAddr = address.parse().map_err(|_| fault())?;
    let bits: u8 = bits.parse().map_err(|_| fault())?;
    if bits > if address.is_ipv4() { 32 } else { 128 } { Err(fault()) } else { Ok(Network { address, bits }) }
}
