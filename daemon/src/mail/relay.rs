//! The campus's mail server, whichever way it is reached: the one seam behind which the ways differ.

use super::address::Address;
use super::message::Composed;
use super::sendmail::Sendmail;
use super::settings::{RelayFault, RelaySettings, Way};
use super::smtp::{Conversation, Server};
use super::verdict::SendError;

/// The campus's mail server, as it is configured. Cheap to clone; it holds no connection.
#[derive(Clone, Debug)]
pub struct Relay(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Server(Server),
    Program(Sendmail),
}

impl Relay {
    /// Reads the CA file and checks what can be checked without the network.
    ///
    /// # Errors
    /// One fault of the settings.
    pub fn new(settings: RelaySettings) -> Result<Self, RelayFault> {
        settings.check()?;
        Ok(Self(match &settings.way {
            Way::Smtp | Way::Lmtp(_) => Kind::Server(Server::new(settings)?),
            Way::Sendmail(program) => {
                Kind::Program(Sendmail::new(program.clone(), settings.message_deadline))
            }
        }))
    }

    /// Connects, encrypts and signs in as configured: ready to send.
    ///
    /// # Errors
    /// [`SendError::Transient`] or [`SendError::Configuration`]; nothing was sent.
    pub async fn connect(&self) -> Result<Connection, SendError> {
        Ok(match &self.0 {
            Kind::Server(server) => Connection(Open::Conversation(Box::new(server.connect().await?))),
            Kind::Program(program) => Connection(Open::Program(program.clone())),
        })
    }

    /// Everything but a mail: connect, encrypt, sign in, name the sender, and take it back. Of a program, whether it is
    /// there.
    ///
    /// # Errors
    /// As [`Self::connect`], and the sender's address refused.
    pub async fn probe(&self, from: &Address) -> Result<Probe, SendError> {
        match &self.0 {
            Kind::Server(server) => server.probe(from).await,
            Kind::Program(program) => program.probe(),
        }
    }
}

/// Ready to send. Dropping it ends it without a word; [`Self::quit`] is politer.
#[derive(Debug)]
pub struct Connection(Open);

#[derive(Debug)]
enum Open {
    Conversation(Box<Conversation>),
    Program(Sendmail),
}

impl Connection {
    /// Whether the next mail may go over it.
    pub async fn fit(&mut self) -> bool {
        match &mut self.0 {
            Open::Conversation(conversation) => conversation.fit().await,
            Open::Program(_) => true,
        }
    }

    /// Sends one mail. After [`SendError::Permanent`] and most transient refusals the connection can be used on.
    ///
    /// # Errors
    /// See [`SendError`]. [`SendError::MaybeSent`] is the only one after which the mail may arrive.
    pub async fn send(&mut self, mail: &Composed) -> Result<Accepted, SendError> {
        match &mut self.0 {
            Open::Conversation(conversation) => conversation.send(mail).await,
            Open::Program(program) => program.send(mail).await,
        }
    }

    /// Says goodbye, and does not wait long for the answer.
    pub async fn quit(self) {
        match self.0 {
            Open::Conversation(conversation) => conversation.quit().await,
            Open::Program(_) => {}
        }
    }
}

/// The server has taken the mail, and is answerable for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it said, with its queue's name for the mail as a rule: one line, at most 300 characters, no link.
    pub reply: String,
}

/// What [`Relay::probe`] has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The conversation was under TLS, with a certificate that was verified.
    pub encrypted: bool,
    /// A login and password were accepted.
    pub signed_in: bool,
    /// Addresses outside ASCII can be reached.
    pub smtputf8: bool,
    /// What the server said to our sender's address; nothing where it was not asked.
    pub sender_reply: Option<String>,
}
