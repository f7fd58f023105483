//! What can be said of the settings by looking at them, and at this machine's users and time zones.

use super::{Notes, leaving};
use crate::config::{Security, Settings, Who};
use crate::mail::Way;
use nix::unistd::{Gid, Group, Uid, User};

/// Addresses, senders, time, roles, and what no look can find.
pub fn look(settings: &Settings, notes: &mut Notes) {
    for caution in &settings.cautions {
        notes.about("configuration").warning(
            caution.to_string(),
            "a value that is meant so",
            "correct the key",
        );
    }
    time(settings, notes.about("time"));
    addresses(settings, notes.about("pages"));
    sender(settings, notes.about("mail"));
    return_path(settings, notes.about("mail"));
    leaving::signature(settings, notes.about("mail"));
    roles(settings, notes.about("roles"));
    gate(settings, notes.about("applications"));
}

fn time(settings: &Settings, notes: &mut Notes) {
    let zone = &settings.policy.zone;
    let now = crate::service::clock::now().to_zoned(zone.clone());
    notes.ok(format!("{}: it is {} there", settings.campus.zone, now.strftime("%Y-%m-%d %H:%M %:z")));
    match zone.following(now.timestamp()).next() {
        Some(next) => {
            let at = next.timestamp().to_zoned(zone.clone());
            notes.ok(format!("its clocks change next on {}", at.strftime("%Y-%m-%d at %H:%M %:z")));
        }
        None => notes.ok("its clocks do not change"),
    }
}

fn addresses(settings: &Settings, notes: &mut Notes) {
    let pages = &settings.pages;
    let named =
        [("pages.base-url", Some(&pages.base_url)), ("pages.sign-in-url", pages.sign_in_url.as_ref())];
    let named = named.into_iter().filter_map(|(key, url)| url.map(|url| (key, url)));
    for (key, url) in named.chain(pages.return_to.iter().map(|prefix| ("pages.return-to", prefix))) {
        if url.starts_with("https://") {
            notes.ok(format!("{key}: {url}"));
        } else if is_local(url) {
            notes.warning(
                format!("{key}: {url} is in clear, on this machine"),
                "https://",
                "only for a trial",
            );
        } else {
            let action = "links and passwords would cross the network in clear: use https";
            notes.failure(format!("{key}: {url} is in clear"), "https://", action);
        }
    }
}

/// `http://` to this very machine.
fn is_local(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or_default();
    let host = host.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn sender(settings: &Settings, notes: &mut Notes) {
    let from = &settings.mail.from;
    let domain = from.rsplit('@').next().unwrap_or_default().to_lowercase();
    if settings.policy.own_domains.iter().any(|own| within(&domain, &own.to_lowercase())) {
        notes.ok(format!("mails come from {from}"));
    } else {
        let action =
            "use an address of the campus: receivers check that its domain lets this server send (SPF, DKIM)";
        notes.warning(format!("mails come from {from}"), "an address in one of campus.domains", action);
    }
    if matches!(settings.mail.way, Way::Sendmail(_)) {
        // Who is greeted, and how, is the program's affair.
        return;
    }
    let helo = settings.mail.helo.clone().unwrap_or_else(|| {
        nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
    });
    if helo.contains('.') {
        notes.ok(format!("the mail server is greeted as {helo}"));
    } else if settings.mail.security == Security::None {
        notes.ok(format!("the mail server, on this machine, is greeted as {helo}"));
    } else {
        let action = "set mail.helo to this machine's name in the DNS";
        notes.warning(
            format!("the mail server is greeted as {helo:?}"),
            "a full name, parvis.univ.example",
            action,
        );
    }
}

/// Where mail comes back to; a receiver compares that domain with the sender's (SPF alignment, RFC 7489 section 3.1.2).
fn return_path(settings: &Settings, notes: &mut Notes) {
    let mail = &settings.mail;
    let Some(path) = &mail.bounces else {
        let what =
            format!("what cannot be delivered comes back to {}, and Parvis does not know of it", mail.from);
        return notes.ok(what);
    };
    let from = mail.from.rsplit('@').next().unwrap_or_default().to_lowercase();
    let domain = path.domain();
    if within(domain, &from) || within(&from, domain) {
        notes.ok(format!("what cannot be delivered comes back to an address in {domain}"));
    } else {
        let action =
            "receivers that ask for DMARC want both in one domain, or a DKIM signature of the sender's";
        notes.warning(
            format!("mail.bounces is in {domain}, and mail.from in {from}"),
            "one domain, or one below the other",
            action,
        );
    }
    if settings.roles.mta.is_empty() {
        let action = "name the user as whom the mail system runs parvis-hook bounce";
        notes.warning("gate.mta is empty: nobody may hand over what comes back", "a user or a group", action);
    }
}

/// Whether a domain is another, or below it; both in lower case.
pub fn within(domain: &str, other: &str) -> bool {
    domain.strip_suffix(other).is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

fn roles(settings: &Settings, notes: &mut Notes) {
    let roles = &settings.roles;
    for (key, list) in [
        ("gate.sso", &roles.sso),
        ("gate.pages", &roles.pages),
        ("gate.mta", &roles.mta),
        ("gate.admin", &roles.admin),
    ] {
        for who in list {
            let (known, name) = known(who);
            if known {
                notes.ok(format!("{key}: {name}"));
            } else {
                let action = "create it, or correct the key: nobody has this role through it";
                notes.warning(
                    format!("{key}: {name} is not known to this machine"),
                    "a user or a group",
                    action,
                );
            }
        }
    }
}

fn known(who: &Who) -> (bool, String) {
    match who {
        Who::Uid(uid) => {
            (User::from_uid(Uid::from_raw(*uid)).is_ok_and(|user| user.is_some()), format!("user {uid}"))
        }
        Who::User(name) => (User::from_name(name).is_ok_and(|user| user.is_some()), format!("user {name}")),
        Who::Gid(gid) => {
            (Group::from_gid(Gid::from_raw(*gid)).is_ok_and(|group| group.is_some()), format!("group {gid}"))
        }
        Who::Group(name) => {
            (Group::from_name(name).is_ok_and(|group| group.is_some()), format!("group {name}"))
        }
    }
}

/// The directory is the gate: what Parvis cannot see is whether applications look at it.
fn gate(settings: &Settings, notes: &mut Notes) {
    let provisional = &settings.directory.provisional;
    let what = format!(
        "an application that binds to the directory by itself lets a provisional account in, unless its filter or the \
         directory's access rules keep it out: {provisional}"
    );
    let action = format!(
        "add (!{provisional}) to each application's filter, or deny them by an access rule; the login page asks \
         Parvis, other applications do not"
    );
    notes.warning(what, "no application that lets a provisional account in", &action);
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_this_machine_may_be_in_clear() {
        for local in ["http://localhost:8080/", "http://127.0.0.1/", "http://[::1]:80/x", "http://localhost"]
        {
            assert!(is_local(local), "{local}");
        }
        for other in
            ["http://univ.example/", "http://localhost.univ.example/", "http://127.0.0.1.x/", "http://"]
        {
            assert!(!is_local(other), "{other}");
        }
    }
}
