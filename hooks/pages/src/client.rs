//! Whoever is on the other side: the address that the nearest proxy we do not know saw.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// From where a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over the network.
    Address(IpAddr),
    /// Through a Unix socket.
    Local,
}

/// Whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    networks: Vec<IpNet>,
    local: bool,
}

impl Proxies {
    /// From the configuration's words.
    pub fn of(words: &[String]) -> Result<Self, String> {
        let mut proxies = Self::default();
        for word in words {
            if word == "unix" {
                proxies.local = true;
                continue;
            }
            let network = word.parse::<IpNet>().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
            proxies
                .networks
                .push(network.map_err(|_| format!("{word:?} is neither a network nor \"unix\""))?);
        }
        Ok(proxies)
    }

    fn trusts(&self, peer: Peer) -> bool {
        match peer {
            Peer::Local => self.local,
            Peer::Address(address) => {
                let address = address.to_canonical();
                self.networks.iter().any(|network| network.contains(&address))
            }
        }
    }

    /// The client's address: the last in `X-Forwarded-For` that no proxy of ours is. What stands before it, anybody
    /// could have written.
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> Option<IpAddr> {
        let mut seen = peer;
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        let mut hops = lines.iter().rev().flat_map(|line| line.rsplit(',')).take(32);
        while self.trusts(seen) {
            let Some(address) = hops.next().and_then(|hop| hop.trim().parse().ok()) else { break };
            seen = Peer::Address(address);
        }
        match seen {
            Peer::Address(address) => Some(address.to_canonical()),
            Peer::Local => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, header: Option<&str>) -> Option<String> {
        let proxies =
            Proxies::of(&["127.0.0.1".to_owned(), "10.0.0.0/8".to_owned(), "unix".to_owned()]).unwrap();
        let peer = peer.parse().map_or(Peer::Local, Peer::Address);
        let mut headers = HeaderMap::new();
        header.map(|value| headers.insert("x-forwarded-for", value.parse().unwrap()));
        proxies.client(peer, &headers).map(|address| address.to_string())
    }

    #[test]
    fn only_a_known_proxy_is_believed() {
        assert_eq!(seen("192.0.2.9", Some("198.51.100.1")).as_deref(), Some("192.0.2.9"));
        assert_eq!(seen("127.0.0.1", Some("198.51.100.1")).as_deref(), Some("198.51.100.1"));
        assert_eq!(
            seen("127.0.0.1", Some("6.6.6.6, 198.51.100.1, 10.1.2.3")).as_deref(),
            Some("198.51.100.1")
        );
        assert_eq!(seen("unix", Some("2001:db8::1")).as_deref(), Some("2001:db8::1"));
        assert_eq!(seen("unix", None), None);
        assert_eq!(seen("127.0.0.1", Some("nonsense")).as_deref(), Some("127.0.0.1"));
        assert_eq!(seen("127.0.0.1", Some("::ffff:192.0.2.1")).as_deref(), Some("192.0.2.1"));
    }
}
