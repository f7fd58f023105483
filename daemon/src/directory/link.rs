//! One connection to one server: made, protected, bound, and asked under deadlines.
//!
//! What ldap3 leaves to its caller is done here: every wait ends, a panic over a malformed answer becomes a fault, and
//! whether a request may have been carried out is never lost. It neither reconnects nor chooses a server.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use ldap3::asn1::StructureTag;
use ldap3::controls::RawControl;
use ldap3::exop::WhoAmI;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchOptions, StdStream};
use rustls_pki_types::ServerName;
use secrecy::ExposeSecret;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::dial;

use super::ber::take;
use super::relay::{Credits, message, relay};
use super::settings::{Bind, Prepared, Server, Tls};

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// It never left: the connection is gone.
    NotSent(String),
    /// It may have been carried out: the connection went while the answer was awaited, or the answer is malformed.
    Cut(String),
    /// It may yet be carried out: no answer in time.
    Late,
    /// The server answered no.
    Refused(LdapResult),
}

impl Fault {
    /// For the sysadmin.
    pub(super) fn words(&self) -> String {
        match self {
            Fault::NotSent(words) | Fault::Cut(words) => words.clone(),
            Fault::Late => "no answer in time".to_owned(),
            Fault::Refused(result) => refusal(result),
        }
    }
}

/// Another server is named in the place of an answer (RFC 4511, section 4.1.10).
const REFERRAL: u32 = 10;
const NOT_FOLLOWED: &str = "referrals are not followed: give directory.uris a server that holds these entries itself \
                            and may write them";

/// Where a referral leads: no more than what a line of the log can bear.
fn others(urls: &[String]) -> String {
    let named: String = urls.join(" ").chars().filter(|c| !c.is_control()).take(200).collect();
    if named.is_empty() { "another server".to_owned() } else { named }
}

/// A result code with its name and the server's text.
pub(super) fn refusal(result: &LdapResult) -> String {
    if result.rc == REFERRAL {
        return format!(
            "referral (10): the server names {} in its place, and {NOT_FOLLOWED}",
            others(&result.refs)
        );
    }
    let whole = result.to_string();
    let name = whole.split(", dn:").next().unwrap_or_default();
    if result.text.is_empty() { name.to_owned() } else { format!("{name}: {}", result.text) }
}

/// Whether a result code is of the server's own state, and may be another in a while: timeLimitExceeded,
/// adminLimitExceeded, busy, unavailable (RFC 4511, appendix A).
pub(super) fn passing(code: u32) -> bool {
    matches!(code, 3 | 11 | 51 | 52)
}

/// A question put with the usual deadline: the answer, or a fault that says whether it was sent.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, LdapError>>,
) -> Result<T, Fault> {
    match timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Err(_) => Err(Fault::Late),
        Ok(Err(_)) => Err(Fault::Cut("the server's answer is malformed".to_owned())),
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => Err(match error {
            LdapError::OpSend { .. } | LdapError::IdScrubSend { .. } => {
                Fault::NotSent("the connection is closed".to_owned())
            }
            LdapError::ResultRecv { .. } | LdapError::EndOfStream => {
                Fault::Cut("the server closed the connection".to_owned())
            }
            LdapError::LdapResult { result } => Fault::Refused(result),
            LdapError::FilterParsing => Fault::NotSent("the filter cannot be sent".to_owned()),
            other => Fault::Cut(other.to_string()),
        }),
    }
}

/// A search.
pub(super) struct Query<'a> {
    pub(super) base: &'a str,
    pub(super) scope: Scope,
    pub(super) filter: &'a str,
    pub(super) attributes: Arc<[String]>,
    /// How many entries at most; 0: as many as there are.
    pub(super) limit: i32,
}

/// What a search answered: the entries as they came, and the result.
pub(super) struct Answer {
    pub(super) entries: Vec<StructureTag>,
    pub(super) result: LdapResult,
}

/// Carry out a search. References to other servers are left out.
pub(super) async fn search(mut ldap: Ldap, query: &Query<'_>, limit: Duration) -> Result<Answer, Fault> {
    within(limit, async {
        // Whole seconds: never before our own limit.
        let seconds = i32::try_from(limit.as_secs()).unwrap_or(i32::MAX).saturating_add(1);
        let options = SearchOptions::new().sizelimit(query.limit).timelimit(seconds);
        ldap.with_search_options(options);
        let attributes = query.attributes.clone();
        let mut stream = ldap.streaming_search(query.base, query.scope, query.filter, attributes).await?;
        let mut entries = Vec::new();
        while let Some(item) = stream.next().await? {
            if !item.is_ref() && !item.is_intermediate() {
                entries.push(item.0);
            }
        }
        Ok(Answer { entries, result: stream.finish().await })
    })
    .await
}

/// What the server says that it can do (RFC 4512, section 5.1).
#[derive(Clone, Debug, Default)]
pub(super) struct Capabilities {
    pub(super) controls: Vec<String>,
    pub(super) extensions: Vec<String>,
    pub(super) subschema: Option<String>,
    pub(super) config: Option<String>,
    /// Vendor and version, in the server's words (RFC 3045); empty where it does not say.
    pub(super) vendor: String,
    /// What Active Directory calls its capabilities, and everybody else features.
    pub(super) features: Vec<String>,
    /// The rootDSE's own object classes.
    pub(super) classes: Vec<String>,
    /// The naming contexts (RFC 4512, section 5.1).
    pub(super) contexts: Vec<String>,
    /// `highestCommittedUSN`: what Active Directory has written up to now.
    pub(super) committed: Option<u64>,
}

pub(super) const ASSERTION: &str = "1.3.6.1.1.12";
pub(super) const POST_READ: &str = "1.3.6.1.1.13.2";
pub(super) const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";

impl Capabilities {
    pub(super) fn control(&self, number: &str) -> bool {
        self.controls.iter().any(|known| known == number)
    }

    pub(super) fn extension(&self, number: &str) -> bool {
        self.extensions.iter().any(|known| known == number)
    }
}

/// A request control without a value.
pub(super) fn bare_control(number: &str) -> RawControl {
    RawControl { ctype: number.to_owned(), crit: false, val: None }
}

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Link {
    ldap: Ldap,
    driver: JoinHandle<()>,
    /// Its sender lives as long as the driver does, whether that ends or panics.
    ended: watch::Receiver<()>,
    /// Which of the servers this is.
    pub(super) index: usize,
    /// Where it leads, for people.
    pub(super) place: String,
    /// May a password travel on it?
    pub(super) protected: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    /// Connect to one server and protect the connection; nobody is bound yet.
    pub(super) async fn dial(prepared: &Prepared, index: usize) -> Result<Link, Fault> {
        let idle = prepared.settings.timeouts.operation * 2;
        Link::make(prepared, index, async |server: &Server| open(server, prepared, idle).await).await
    }

    async fn make(
        prepared: &Prepared,
        index: usize,
        open: impl AsyncFnOnce(&Server) -> Result<(LdapConnAsync, Ldap), LdapError>,
    ) -> Result<Link, Fault> {
        let Some(server) = prepared.servers.get(index) else {
            return Err(Fault::NotSent("there is no such server".to_owned()));
        };
        let place = prepared.settings.place(index).to_owned();
        let (connection, ldap) = within(prepared.settings.timeouts.connect, open(server)).await?;
        let (alive, ended) = watch::channel(());
        let driver = tokio::spawn(async move {
            let _alive = alive;
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "an LDAP connection ended");
            }
        });
        Ok(Link { ldap, driver, ended, index, place, protected: server.protected() })
    }

    /// Connect, protect, and bind as the service.
    pub(super) async fn establish(prepared: &Prepared, index: usize) -> Result<Link, Fault> {
        let link = Link::dial(prepared, index).await?;
        link.bind(prepared).await?;
        Ok(link)
    }

    /// The same through a relay that hands on no more than is taken. Each answer must be given back to the credits.
    pub(super) async fn establish_relayed(
        prepared: &Prepared,
        index: usize,
    ) -> Result<(Link, Credits), Fault> {
        let idle = prepared.settings.timeouts.operation * 2;
        let mut credits = None;
        let link = Link::make(prepared, index, async |server: &Server| {
            let (stream, given) = relayed(server, prepared, idle).await?;
            credits = Some(given);
            let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(stream));
            LdapConnAsync::with_settings(settings, "ldapi:///").await
        })
        .await?;
        link.bind(prepared).await?;
        let credits = credits.ok_or_else(|| Fault::NotSent("the relay was not made".to_owned()))?;
        credits.give_back();
        Ok((link, credits))
    }

    async fn bind(&self, prepared: &Prepared) -> Result<(), Fault> {
        let mut ldap = self.ldap();
        let limit = prepared.settings.timeouts.connect;
        let result = match &prepared.settings.bind {
            Bind::Simple { dn, password } => {
                within(limit, ldap.simple_bind(dn, password.expose_secret())).await?
            }
            Bind::External => within(limit, ldap.sasl_external_bind()).await?,
            Bind::Anonymous => return Ok(()),
        };
        if result.rc == 0 { Ok(()) } else { Err(Fault::Refused(result)) }
    }

    /// A handle for one request.
    pub(super) fn ldap(&self) -> Ldap {
        self.ldap.clone()
    }

    /// Has the connection ended?
    pub(super) fn closed(&self) -> bool {
        self.driver.is_finished()
    }

    /// Wait until the connection has ended.
    pub(super) async fn end(&self) {
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }

    /// A sign of life, and who we are to the server (RFC 4532).
    pub(super) async fn who_am_i(&self, limit: Duration) -> Result<String, Fault> {
        let mut ldap = self.ldap();
        let answer = within(limit, ldap.extended(WhoAmI)).await?;
        Ok(answer.0.val.map(|name| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default())
    }

    /// What the server says that it can do.
    pub(super) async fn capabilities(&self, limit: Duration) -> Result<Capabilities, Fault> {
        let names = [
            "objectClass",
            "supportedControl",
            "supportedExtension",
            "supportedCapabilities",
            "supportedFeatures",
            "subschemaSubentry",
            "configContext",
            "namingContexts",
            "vendorName",
            "vendorVersion",
            "highestCommittedUSN",
        ];
        let attributes: Arc<[String]> = names.map(str::to_owned).into();
        let query = Query { base: "", scope: Scope::Base, filter: "(objectClass=*)", attributes, limit: 1 };
        let answer = search(self.ldap(), &query, limit).await?;
        let read = super::ber::first(answer.entries).map(|(_, read)| read).unwrap_or_default();
        let of = |name: &str| -> Vec<String> {
            read.get(name)
                .into_iter()
                .flatten()
                .map(|value| String::from_utf8_lossy(value).into_owned())
                .collect()
        };
        Ok(Capabilities {
            controls: of("supportedcontrol"),
            extensions: of("supportedextension"),
            subschema: of("subschemasubentry").into_iter().next(),
            config: of("configcontext").into_iter().next(),
            vendor: [of("vendorname"), of("vendorversion")].concat().join(" "),
            features: [of("supportedcapabilities"), of("supportedfeatures")].concat(),
            classes: of("objectclass"),
            contexts: of("namingcontexts"),
            committed: of("highestcommittedusn").first().and_then(|text| text.parse().ok()),
        })
    }
}

async fn open(
    server: &Server,
    prepared: &Prepared,
    idle: Duration,
) -> Result<(LdapConnAsync, Ldap), LdapError> {
    let settings = LdapConnSettings::new();
    match server {
        Server::Unix { path } => {
            let stream = UnixStream::connect(path).await?.into_std()?;
            LdapConnAsync::with_settings(settings.set_std_stream(StdStream::Unix(stream)), "ldapi:///").await
        }
        Server::Tcp { host, port, tls: how } => {
            let stream = reach(bare(host), *port, prepared, idle).await?;
            let scheme = if *how == Tls::Whole { "ldaps" } else { "ldap" };
            let settings = settings
                .set_std_stream(StdStream::Tcp(stream.into_std()?))
                .set_config(prepared.tls.clone())
                .set_starttls(*how == Tls::Start);
            LdapConnAsync::with_settings(settings, &format!("{scheme}://{host}:{port}")).await
        }
    }
}

/// The same, protected by ourselves, because ldap3 protects nothing but its own TCP connections.
async fn relayed(
    server: &Server,
    prepared: &Prepared,
    idle: Duration,
) -> Result<(std::os::unix::net::UnixStream, Credits), LdapError> {
    let (host, port, how) = match server {
        Server::Unix { path } => return Ok(relay(UnixStream::connect(path).await?)?),
        Server::Tcp { host, port, tls } => (host, *port, *tls),
    };
    let mut stream = reach(bare(host), port, prepared, idle).await?;
    if how == Tls::None {
        return Ok(relay(stream)?);
    }
    if how == Tls::Start {
        start_tls(&mut stream).await?;
    }
    let name = ServerName::try_from(bare(host).to_owned())?;
    Ok(relay(TlsConnector::from(prepared.tls.clone()).connect(name, stream).await?)?)
}

/// A host as it is looked up: an IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The first address of this name that answers, watched for a peer that is gone.
async fn reach(host: &str, port: u16, prepared: &Prepared, idle: Duration) -> std::io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((host, port)).await?;
    let stream = dial::first(addresses, prepared.settings.timeouts.connect).await?;
    watchful(&stream, idle)?;
    Ok(stream)
}

/// RFC 4511, section 4.14: message 1, an extended request that names the operation and no more.
async fn start_tls(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut request = vec![0x30, 29, 0x02, 1, 1, 0x77, 24, 0x80, 22];
    request.extend(b"1.3.6.1.4.1.1466.20037");
    stream.write_all(&request).await?;
    let answer = message(stream).await?.unwrap_or_default();
    if accepts(&answer) { Ok(()) } else { Err(std::io::Error::other("the server refuses StartTLS")) }
}

/// An extended response to message 1 with the result code 0.
fn accepts(answer: &[u8]) -> bool {
    let Some((0x30, whole, _)) = take(answer) else { return false };
    let Some((0x02, [1], rest)) = take(whole) else { return false };
    let Some((0x78, response, _)) = take(rest) else { return false };
    matches!(take(response), Some((0x0a, [0], _)))
}

/// Send at once, and let the kernel notice a peer that is gone.
fn watchful(stream: &TcpStream, idle: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(idle))?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10)),
    )
}
