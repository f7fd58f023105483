//! A tap on the line to a directory: it hands everything on, and notes each request that it sees (RFC 4511, section 4).
//!
//! In clear on the daemon's side, which is on this machine; by TLS on the server's, as AD wants where a password is set.
//! It must not change what passes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use parvis_stand::DirectoryServer;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Bind,
    Search,
    /// With the new password in it, or without.
    Modify {
        password: bool,
    },
    /// RFC 3062.
    PasswordModify,
    /// RFC 4532: a sign of life.
    WhoAmI,
    /// An end, of the connection or of a request: nothing is done for it, and nothing answered.
    Unbind,
    Abandon,
    /// Whatever else, by its tag.
    Other(u8),
}

impl Asked {
    /// From one LDAPMessage: what is in it after its length.
    fn read(message: &[u8]) -> Asked {
        let (identity, rest) =
            message.split_first().zip(message.get(1)).map_or((0, message), |((tag, _), length)| {
                assert_eq!(*tag, 0x02, "a message begins with its number");
                (usize::from(*length), &message[2..])
            });
        let operation = &rest[identity..];
        let has =
            |text: &str| operation.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()));
        match operation[0] {
            0x60 => Asked::Bind,
            0x42 => Asked::Unbind,
            0x63 => Asked::Search,
            0x66 => Asked::Modify { password: has("userPassword") || has("unicodePwd") },
            0x50 => Asked::Abandon,
            0x77 if has("1.3.6.1.4.1.4203.1.11.3") => Asked::WhoAmI,
            0x77 if has("1.3.6.1.4.1.4203.1.11.1") => Asked::PasswordModify,
            other => Asked::Other(other),
        }
    }

    /// Does the server set a password for it?
    pub fn sets_a_password(&self) -> bool {
        matches!(self, Asked::Modify { password: true } | Asked::PasswordModify)
    }
}

/// A tap that listens.
pub struct Tap {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: Runtime,
}

impl Tap {
    pub fn on(server: &dyn DirectoryServer) -> Tap {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (notes, target) = (Arc::clone(&asked), server.ldaps_address());
        let host = server.ldaps_url().trim_start_matches("ldaps://").split(':').next().unwrap().to_owned();
        let name = ServerName::try_from(host).unwrap();
        let tls = TlsConnector::from(trusting(&server.ca_file()));
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (notes, name, tls) = (Arc::clone(&notes), name.clone(), tls.clone());
                tokio::spawn(async move {
                    let server = TcpStream::connect(target).await?;
                    serve(client, tls.connect(name, server).await?, &notes).await
                });
            }
        });
        Tap { address, asked, _runtime: runtime }
    }

    /// Where the daemon comes to.
    pub fn uri(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// What was asked since this was asked last.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// Was this asked? It stays noted.
    pub fn noted(&self, what: &Asked) -> bool {
        self.asked.lock().unwrap().contains(what)
    }
}

fn trusting(ca: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

async fn serve(
    client: TcpStream,
    server: tokio_rustls::client::TlsStream<TcpStream>,
    notes: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = async {
        while let Some((head, body)) = message(&mut from_client).await? {
            notes.lock().unwrap().push(Asked::read(&body));
            to_server.write_all(&[head, body].concat()).await?;
            to_server.flush().await?;
        }
        to_server.shutdown().await
    };
    let down = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(up, down).map(drop)
}

/// One LDAPMessage: its tag and length, and the rest.
async fn message(from: &mut ReadHalf<TcpStream>) -> std::io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut head = vec![0; 2];
    if from.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[1..]).await?;
    assert_eq!(head[0], 0x30, "an LDAPMessage is a SEQUENCE");
    let mut length = usize::from(head[1]);
    if head[1] & 0x80 != 0 {
        let mut long = vec![0; length & 0x7f];
        from.read_exact(&mut long).await?;
        length = long.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
        head.extend(long);
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    Ok(Some((head, body)))
}
