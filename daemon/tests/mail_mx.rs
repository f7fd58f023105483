//! What the DNS says of a mail domain: with dnsmasq, and with servers that answer nonsense.
#![cfg(test)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parvis_stand::dns::{Dns, Nonsense};
use parvisd::mail::MailDomains;

async fn closed(server: SocketAddr, domain: &str) -> bool {
    let domains = MailDomains::default();
    let begun = Instant::now();
    domains.look_up(&[server], domain).await;
    assert!(begun.elapsed() < Duration::from_millis(1500), "{domain}: {:?}", begun.elapsed());
    domains.closed(domain)
}

#[tokio::test]
async fn no_such_domain_and_a_null_mx_take_no_mail_and_everything_else_does() {
    let dns = Dns::start().unwrap();
    for (domain, expected) in [
        ("takes.example", false),
        ("takes-by-two.example", false),
        // No MX, and an address: RFC 5321 section 5.1.
        ("address-alone.example", false),
        ("null.example", true),
        ("nothing-of-the-kind.example", true),
        // Answered by nobody: the server refuses what is not its own.
        ("elsewhere.test", false),
    ] {
        assert_eq!(closed(dns.address(), domain).await, expected, "{domain}");
    }
}

#[tokio::test]
async fn what_was_found_is_remembered_and_what_was_not_is_asked_again() {
    let (dns, domains) = (Dns::start().unwrap(), MailDomains::default());
    let address = dns.address();
    domains.look_up(&[address], "null.example").await;
    drop(dns);
    domains.look_up(&[address], "null.example").await;
    assert!(domains.closed("null.example"), "remembered");
    domains.look_up(&[address], "nothing-of-the-kind.example").await;
    assert!(!domains.closed("nothing-of-the-kind.example"), "a server that is gone says nothing");
    let dns = Dns::start().unwrap();
    domains.look_up(&[dns.address()], "nothing-of-the-kind.example").await;
    assert!(domains.closed("nothing-of-the-kind.example"));
}

#[tokio::test]
async fn nonsense_says_nothing_in_time() {
    for nonsense in Nonsense::ALL {
        let server = nonsense.serve().unwrap();
        // A large answer that is right is one: a null MX among eight thousand bytes of text, by TCP.
        let expected = nonsense == Nonsense::LargeByTcp;
        assert_eq!(closed(server.address(), "strange.example").await, expected, "{nonsense:?}");
    }
}

#[tokio::test]
async fn many_at_once_are_bounded() {
    let server = Nonsense::Silence.serve().unwrap();
    let domains = MailDomains::default();
    let begun = Instant::now();
    let lookups = (0..500).map(|n| {
        let (domains, address) = (&domains, server.address());
        async move { domains.look_up(&[address], &format!("d{n}.example")).await }
    });
    futures_util::future::join_all(lookups).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
