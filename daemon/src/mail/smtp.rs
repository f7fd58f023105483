//! The conversation with the campus's mail server (RFC 5321; LMTP, RFC 2033): one mail, one recipient, one verdict.
//!
//! Every step is under a deadline, and a connection that missed one, or whose send was cancelled, is never used again.
//! It does not decide when to send or to try again: [`SendError`] says what a failure means, the caller what follows.

use std::fmt;
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Noop, Quit, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

use super::address::Address;
use super::commands::{Group, Rset, Text};
use super::message::Composed;
use super::relay::{Accepted, Probe};
use super::settings::{Login, RelayFault, RelaySettings, Security, Way};
use super::starttls;
use super::tls;
use super::verdict::{Reply, SendError, Stage, fit, verdict};
use super::wire::Wire;

/// A server that is spoken to. It holds no connection.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    settings: Arc<RelaySettings>,
    helo: ClientId,
    tls: Option<(tls::Connector, ServerName<'static>)>,
}

impl Server {
    /// Reads the CA file and checks what can be checked without the network.
    ///
    /// # Errors
    /// One fault of the settings.
    pub(crate) fn new(settings: RelaySettings) -> Result<Self, RelayFault> {
        let tls = match settings.security {
            Security::None => None,
            Security::StartTls | Security::Tls => {
                let name = ServerName::try_from(settings.host.clone()).map_err(|_| RelayFault::Host)?;
                Some((tls::connector(settings.ca_file.as_deref())?, name))
            }
        };
        let helo = ClientId::Domain(settings.helo_name.clone());
        Ok(Self { settings: Arc::new(settings), helo, tls })
    }

    /// Connects, encrypts and signs in as configured: a connection ready to send.
    ///
    /// # Errors
    /// [`SendError::Transient`] or [`SendError::Configuration`]; nothing was sent.
    pub(crate) async fn connect(&self) -> Result<Conversation, SendError> {
        let limit = self.settings.step_deadline;
        let mut wire = within(limit, Stage::Connect, self.dial()).await?;
        if let Some((tls, name)) = &self.tls {
            if self.settings.security == Security::StartTls {
                wire = within(limit, Stage::StartTls, starttls::ask(wire, &self.settings.helo_name)).await?;
            }
            wire = within(limit, Stage::Tls, async {
                wire.encrypt(&tls.0, name.clone()).await.map_err(|e| tls::fault(&e))
            })
            .await?;
            if self.settings.security == Security::StartTls {
                // lettre begins by reading a greeting; the server's was read before STARTTLS.
                wire = wire.unread(b"220 encrypted\r\n");
            }
        }
        let (written, pipelining) = (wire.written(), wire.pipelining());
        let smtp = within(limit, Stage::Greeting, async {
            AsyncSmtpConnection::connect_with_transport(Box::new(wire), &self.helo)
                .await
                .map_err(|e| refusal(Stage::Greeting, &e, None).error)
        })
        .await?;
        let settings = Arc::clone(&self.settings);
        let pipelining = pipelining.load(Ordering::Relaxed);
        let mut live =
            Live { smtp, written, pipelining, settings, dirty: false, mails: 0, used: Instant::now() };
        if let Some(login) = &self.settings.login {
            live.sign_in(login).await?;
        }
        Ok(Conversation { live: Some(live) })
    }

    /// Everything but a mail: connect, encrypt, sign in, name the sender, and take it back.
    ///
    /// # Errors
    /// As [`Self::connect`], and the sender's address refused.
    pub(crate) async fn probe(&self, from: &Address) -> Result<Probe, SendError> {
        let mut connection = self.connect().await?;
        let Some(mut live) = connection.live.take() else {
            return Err(closed());
        };
        let good = 200..=299;
        let mail = Mail::new(Some(from.lettre().clone()), Vec::new());
        let reply = live.say(Stage::MailFrom, mail, good.clone(), None).await.map_err(|stop| stop.error)?;
        live.say(Stage::Rset, Rset, good, None).await.map_err(|stop| stop.error)?;
        let probe = Probe {
            encrypted: self.tls.is_some(),
            signed_in: self.settings.login.is_some(),
            smtputf8: live.smtp.server_info().supports_feature(Extension::SmtpUtfEight),
            sender_reply: Some(words_of(&reply, &[])),
        };
        Conversation { live: Some(live) }.quit().await;
        Ok(probe)
    }

    async fn dial(&self) -> Result<Wire, SendError> {
        let RelaySettings { host, port, way, transcript, .. } = self.settings.as_ref();
        if let Way::Lmtp(Some(path)) = way {
            let fault = |e: std::io::Error| SendError::Transient {
                code: None,
                about_us: true,
                words: format!("connect to {}: {}", path.display(), fit(&e.to_string(), &[])),
            };
            let wire = Wire::connect_unix(path).await.map_err(fault)?;
            return Ok(wire.in_lmtp(true).heard_by(transcript.clone()));
        }
        let fault = |e: std::io::Error| SendError::Transient {
            code: None,
            about_us: true,
            words: format!("connect to {host} port {port}: {}", fit(&e.to_string(), &[])),
        };
        let addresses = tokio::net::lookup_host((host.as_str(), *port)).await.map_err(fault)?;
        let wire = Wire::connect(addresses, self.settings.step_deadline).await.map_err(fault)?;
        Ok(wire.in_lmtp(matches!(way, Way::Lmtp(_))).heard_by(transcript.clone()))
    }
}

/// An open conversation. Dropping it closes it without a word; [`Self::quit`] is politer.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// Taken out while a step is under way: if that step's future is dropped, so is the connection.
    live: Option<Live>,
}

impl Conversation {
    /// Whether the next mail may go over this connection: it is open, was not idle for too long, and has not carried
    /// its share. After some seconds of silence the server is asked (NOOP).
    pub(crate) async fn fit(&mut self) -> bool {
        let Some(mut live) = self.live.take() else { return false };
        let (idle, settings) = (live.used.elapsed(), Arc::clone(&live.settings));
        if live.mails >= settings.mails_per_connection || idle >= settings.idle_limit {
            return false;
        }
        if idle >= ASK_AFTER && live.say(Stage::Noop, Noop, 200..=299, None).await.is_err() {
            return false;
        }
        self.live = Some(live);
        true
    }

    /// Sends one mail. After [`SendError::Permanent`] and most transient refusals the connection can be used on.
    ///
    /// # Errors
    /// See [`SendError`]. [`SendError::MaybeSent`] is the only one after which the mail may arrive.
    pub(crate) async fn send(&mut self, mail: &Composed) -> Result<Accepted, SendError> {
        let Some(mut live) = self.live.take() else { return Err(closed()) };
        match live.deliver(mail).await {
            Ok(accepted) => {
                live.mails += 1;
                live.used = Instant::now();
                self.live = Some(live);
                Ok(accepted)
            }
            Err(Stop { error, broken }) => {
                live.dirty = true;
                live.used = Instant::now();
                self.live = (!broken).then_some(live);
                Err(error)
            }
        }
    }

    /// Says goodbye, and does not wait long for the answer.
    pub(crate) async fn quit(mut self) {
        if let Some(mut live) = self.live.take() {
            let limit = live.settings.step_deadline.min(Duration::from_secs(2));
            // Whatever comes of it, the connection is closed: there is nothing to do about a failure.
            drop(timeout(limit, live.smtp.command(Quit)).await);
        }
    }
}

/// A kept connection that was silent for so long is asked before it is used.
const ASK_AFTER: Duration = Duration::from_secs(5);

struct Live {
    smtp: AsyncSmtpConnection,
    written: Arc<AtomicU64>,
    /// The server takes several commands at once.
    pipelining: bool,
    settings: Arc<RelaySettings>,
    /// A mail was begun and not finished: RSET before the next.
    dirty: bool,
    mails: u32,
    used: Instant,
}

/// A step that did not go as it should, and whether the connection went with it.
struct Stop {
    error: SendError,
    broken: bool,
}

impl Live {
    async fn deliver(&mut self, mail: &Composed) -> Result<Accepted, Stop> {
        let parameters = self.parameters(mail)?;
        if self.dirty {
            self.say(Stage::Rset, Rset, 200..=299, Some(mail)).await?;
            self.dirty = false;
        }
        let from = Mail::new(Some(mail.from.lettre().clone()), parameters);
        let to = Rcpt::new(mail.to.lettre().clone(), Vec::new());
        if self.pipelining {
            self.announce_at_once(Group { from, to }, mail).await?;
        } else {
            self.say(Stage::MailFrom, from, 200..=299, Some(mail)).await?;
            self.say(Stage::RcptTo, to, 200..=299, Some(mail)).await?;
            self.say(Stage::Data, Data, 354..=354, Some(mail)).await?;
        }
        self.hand_over(mail).await
    }

    /// Says the three commands, then hears the three answers, each under the deadline of its step. What the server minded
    /// first is why; what follows from it says nothing.
    async fn announce_at_once(&mut self, group: Group, mail: &Composed) -> Result<(), Stop> {
        let mut heard = self.say(Stage::MailFrom, group, 200..=299, Some(mail)).await.map(drop);
        for (stage, good) in [(Stage::RcptTo, 200..=299), (Stage::Data, 354..=354)] {
            if heard.as_ref().is_err_and(|stop| stop.broken) {
                break;
            }
            heard = match (heard, self.hear(stage, good, mail).await) {
                (Ok(()), next) => next.map(drop),
                // After DATA it waits for a message that it has refused (RFC 2920 section 3.1). Without a final dot there is none.
                (Err(first), Ok(_)) => Err(Stop { broken: stage == Stage::Data, ..first }),
                (Err(first), Err(next)) => Err(Stop { broken: next.broken, ..first }),
            };
        }
        heard
    }

    /// The message and its final dot: the one step whose failure may leave the mail sent.
    async fn hand_over(&mut self, mail: &Composed) -> Result<Accepted, Stop> {
        let limit = self.settings.message_deadline;
        let before = self.written.load(Ordering::Relaxed);
        let outcome = match std::str::from_utf8(&mail.bytes) {
            Ok(text) => timeout(limit, self.smtp.command(Text(text))).await,
            Err(_) => timeout(limit, self.smtp.message(&mail.bytes)).await,
        };
        // Dots are doubled on the way, so the whole is at least this long: less means that the final dot never left.
        let whole = mail.bytes.len() as u64 + b"\r\n.\r\n".len() as u64;
        let gone = self.written.load(Ordering::Relaxed).saturating_sub(before) >= whole;
        let words = match outcome {
            Ok(Ok(reply)) if is_success(&reply) => {
                return Ok(Accepted { reply: words_of(&reply, &mail.hidden) });
            }
            Ok(Ok(reply)) => format!("an answer out of order: {}", words_of(&reply, &mail.hidden)),
            Ok(Err(e)) if e.status().is_some() => return Err(refusal(Stage::Message, &e, Some(mail))),
            Ok(Err(e)) => fit(&e.to_string(), &mail.hidden),
            Err(_) => no_answer(limit),
        };
        let words = format!("{}: {words}", Stage::Message.as_str());
        let error = if gone {
            SendError::MaybeSent { words }
        } else {
            SendError::Transient { code: None, about_us: true, words }
        };
        Err(Stop { error, broken: true })
    }

    async fn say<C: fmt::Display>(
        &mut self,
        stage: Stage,
        command: C,
        good: RangeInclusive<u16>,
        mail: Option<&Composed>,
    ) -> Result<Response, Stop> {
        let limit = self.settings.step_deadline;
        judged(stage, limit, timeout(limit, self.smtp.command(command)).await, good, mail)
    }

    /// The answer to a command of a group.
    async fn hear(
        &mut self,
        stage: Stage,
        good: RangeInclusive<u16>,
        mail: &Composed,
    ) -> Result<Response, Stop> {
        let limit = self.settings.step_deadline;
        judged(stage, limit, timeout(limit, self.smtp.read_response()).await, good, Some(mail))
    }

    /// What MAIL FROM must announce (RFC 6531, RFC 6152).
    fn parameters(&self, mail: &Composed) -> Result<Vec<MailParameter>, Stop> {
        let mut parameters = Vec::new();
        if mail.from.needs_smtputf8() || mail.to.needs_smtputf8() {
            if !self.smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
                let words = "the mail server takes no addresses outside ASCII (it lacks SMTPUTF8)".to_owned();
                // The sender is every mail's; the recipient is one.
                let error = if mail.from.needs_smtputf8() {
                    SendError::Configuration { code: None, words: format!("{words}, and the sender is one") }
                } else {
                    SendError::Unable { words }
                };
                return Err(Stop { error, broken: false });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !mail.bytes.is_ascii() {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    async fn sign_in(&mut self, login: &Login) -> Result<(), SendError> {
        let mechanisms: &[Mechanism] =
            if login.xoauth2 { &[Mechanism::Xoauth2] } else { &[Mechanism::Plain, Mechanism::Login] };
        let secret = login.password.expose_secret().to_owned();
        let credentials = Credentials::new(login.username.clone(), secret);
        let limit = self.settings.step_deadline;
        match timeout(limit, self.smtp.auth(mechanisms, &credentials)).await {
            Ok(Ok(reply)) if is_success(&reply) => Ok(()),
            Ok(Ok(reply)) => Err(Stop::lost(Stage::Auth, &words_of(&reply, &[])).error),
            // No common mechanism, or a challenge that ours does not have: trying again changes nothing.
            Ok(Err(e)) if e.is_client() => Err(SendError::Configuration {
                code: None,
                words: format!("{}: {}", Stage::Auth.as_str(), fit(&e.to_string(), &[])),
            }),
            Ok(Err(e)) => Err(refusal(Stage::Auth, &e, None).error),
            Err(_) => Err(Stop::lost(Stage::Auth, &no_answer(limit)).error),
        }
    }
}

impl Stop {
    fn lost(stage: Stage, words: &str) -> Self {
        let words = format!("{}: {words}", stage.as_str());
        Self { error: SendError::Transient { code: None, about_us: true, words }, broken: true }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("mails", &self.mails).field("dirty", &self.dirty).finish_non_exhaustive()
    }
}

/// What an answer says, or that there is none.
fn judged(
    stage: Stage,
    limit: Duration,
    answer: Result<Result<Response, lettre::transport::smtp::Error>, Elapsed>,
    good: RangeInclusive<u16>,
    mail: Option<&Composed>,
) -> Result<Response, Stop> {
    match answer {
        Ok(Ok(reply)) if good.contains(&u16::from(reply.code())) => Ok(reply),
        Ok(Ok(reply)) => {
            let hidden = mail.map(|mail| mail.hidden.as_slice()).unwrap_or_default();
            Err(Stop::lost(stage, &format!("an answer out of order: {}", words_of(&reply, hidden))))
        }
        Ok(Err(e)) => Err(refusal(stage, &e, mail)),
        Err(_) => Err(Stop::lost(stage, &no_answer(limit))),
    }
}

/// lettre's error as a verdict: a negative reply by its code, everything else as a lost connection.
fn refusal(stage: Stage, error: &lettre::transport::smtp::Error, mail: Option<&Composed>) -> Stop {
    let hidden = mail.map(|mail| mail.hidden.as_slice()).unwrap_or_default();
    match error.status() {
        Some(code) => {
            let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            let reply = Reply { code: u16::from(code), text: &text };
            let to = mail.map(|mail| mail.to.as_str()).unwrap_or_default();
            Stop { error: verdict(stage, &reply, to, hidden), broken: reply.code == 421 }
        }
        None => Stop::lost(stage, &fit(&error.to_string(), hidden)),
    }
}

async fn within<T>(
    limit: Duration,
    stage: Stage,
    work: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(Stop::lost(stage, &no_answer(limit)).error))
}

fn no_answer(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f64())
}

fn closed() -> SendError {
    SendError::Transient {
        code: None,
        about_us: true,
        words: "the connection to the mail server is closed".to_owned(),
    }
}

fn is_success(reply: &Response) -> bool {
    (200..=299).contains(&u16::from(reply.code()))
}

fn words_of(reply: &Response, hidden: &[String]) -> String {
    let text = reply.message().collect::<Vec<_>>().join(" ");
    fit(&format!("{} {text}", reply.code()), hidden)
}
