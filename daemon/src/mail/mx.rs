//! Whether a mail domain takes mail at all, as the DNS says: no such domain (RFC 8020), or a null MX (RFC 7505).
//!
//! Only a hint: whatever is not one of these two for certain, in time, is nothing. What was found is remembered for a
//! while, in memory.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use hickory_resolver::{Resolver, TokioResolver};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// A page waits behind it.
const TIME: Duration = Duration::from_millis(900);
/// For one server; the next is asked within [`TIME`].
const ONE_SERVER: Duration = Duration::from_millis(400);
/// How long an answer is remembered; and a resolver, whose servers may have changed.
const REMEMBERED: Duration = Duration::from_secs(3600);
const SAME_SERVERS: Duration = Duration::from_secs(600);
/// So many domains are remembered, and so many looked up at once.
const MOST: usize = 4096;
const AT_ONCE: usize = 32;

/// What is known of mail domains.
#[derive(Debug)]
pub struct MailDomains {
    known: Mutex<HashMap<String, (bool, Instant)>>,
    resolver: Mutex<Option<Built>>,
    lookups: Semaphore,
}

/// A resolver, of these servers (none: the system's), made then.
#[derive(Debug)]
struct Built {
    servers: Vec<SocketAddr>,
    made: Instant,
    resolver: Arc<TokioResolver>,
}

impl Default for MailDomains {
    fn default() -> Self {
        Self { known: Mutex::default(), resolver: Mutex::default(), lookups: Semaphore::new(AT_ONCE) }
    }
}

impl MailDomains {
    /// Asks these servers, or without any those of `/etc/resolv.conf`; what they say for certain is remembered. The domain
    /// is in ASCII.
    pub async fn look_up(&self, servers: &[SocketAddr], domain: &str) {
        let Ok(_turn) = self.lookups.try_acquire() else { return };
        if self.remembered(domain).is_some() {
            return;
        }
        let Some(resolver) = self.resolver(servers) else { return };
        let Ok(name) = Name::from_ascii(format!("{domain}.")) else { return };
        let Ok(answer) = timeout(TIME, resolver.mx_lookup(name)).await else { return };
        let closed = match answer {
            Ok(found) => {
                let mut exchangers = found.answers().iter().filter_map(|record| match &record.data {
                    RData::MX(mx) => Some(&mx.exchange),
                    _ => None,
                });
                match (exchangers.next(), exchangers.next()) {
                    (Some(only), None) => only.is_root(),
                    (Some(_), Some(_)) => false,
                    (None, _) => return,
                }
            }
            Err(error) if error.is_nx_domain() => true,
            // No MX: the domain's own address takes mail (RFC 5321 section 5.1).
            Err(error) if error.is_no_records_found() => false,
            Err(_) => return,
        };
        let mut known = lock(&self.known);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(domain.to_owned(), (closed, Instant::now()));
    }

    /// Whether the domain is known to take no mail.
    pub fn closed(&self, domain: &str) -> bool {
        self.remembered(domain).unwrap_or(false)
    }

    fn remembered(&self, domain: &str) -> Option<bool> {
        let known = lock(&self.known);
        known.get(domain).filter(|(_, since)| since.elapsed() < REMEMBERED).map(|(closed, _)| *closed)
    }

    fn resolver(&self, servers: &[SocketAddr]) -> Option<Arc<TokioResolver>> {
        let mut held = lock(&self.resolver);
        if let Some(built) = held.as_ref().filter(|built| built.servers == servers)
            && built.made.elapsed() < SAME_SERVERS
        {
            return Some(built.resolver.clone());
        }
        let resolver = Arc::new(build(servers)?);
        *held = Some(Built { servers: servers.to_vec(), made: Instant::now(), resolver: resolver.clone() });
        Some(resolver)
    }
}

/// `None` where the system names no server that can be used.
fn build(servers: &[SocketAddr]) -> Option<TokioResolver> {
    let mut builder = if servers.is_empty() {
        Resolver::builder_tokio().ok()?
    } else {
        let mut config = ResolverConfig::from_name_servers(Vec::new());
        for server in servers {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = connections.map(|mut connection| {
                connection.port = server.port();
                connection
            });
            config.add_name_server(NameServerConfig::new(server.ip(), true, connections.to_vec()));
        }
        Resolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = ONE_SERVER;
    options.attempts = 1;
    options.cache_size = 256;
    builder.build().ok()
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
