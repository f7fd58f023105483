//! How the outside world misbehaves: what the inbox does instead of accepting. It must not do I/O.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A moment of an SMTP dialogue, named for what the client has just sent (or, first, for its arrival).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The connection: before the greeting.
    Connect,
    /// EHLO or HELO; LHLO (LMTP), where a mail has one recipient.
    Hello,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA, before the text.
    Data,
    /// The dot after the text: the message has come whole.
    Dot,
}

/// What the inbox does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes the message.
    Accept,
    /// Refuses for good at RCPT: `550 5.1.1`.
    Reject,
    /// Answers with this line at this stage, each time (the code decides whether it is for good).
    Answer(Stage, String),
    /// `451 4.3.0` at RCPT as many times, then takes the message.
    Defer(u32),
    /// Says nothing more from this stage on, and keeps the connection.
    Silence(Stage),
    /// Closes the connection at this stage without an answer.
    Cut(Stage),
    /// Takes the message, and closes the connection before it has said so: the client cannot know.
    CutAfterDot,
    /// Takes the message, and never says so.
    SilenceAfterDot,
    /// `450 4.2.0` at RCPT until so long after it was first asked (greylisting), then takes the message.
    Greylist(Duration),
    /// Says what it would say at this stage a byte at a time, so long apart.
    Drip(Stage, Duration),
    /// Answers everything as late as this, for connections; for a recipient, RCPT and the dot.
    Slow(Duration),
}

/// Who gets which behaviour.
#[derive(Debug, Default)]
pub(super) struct Script {
    recipients: HashMap<String, Behaviour>,
    /// When those under greylisting were first asked for.
    asked: HashMap<String, Instant>,
    /// For the connections to come: how many more (`None`: all), and what.
    connections: Option<(Option<u32>, Behaviour)>,
}

impl Script {
    pub(super) fn recipient(&mut self, address: &str, behaviour: Behaviour) {
        self.recipients.insert(address.to_lowercase(), behaviour);
    }

    pub(super) fn connections(&mut self, count: Option<u32>, behaviour: Behaviour) {
        self.connections = Some((count, behaviour));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What a new connection meets.
    pub(super) fn for_connection(&mut self) -> Behaviour {
        match &mut self.connections {
            None | Some((Some(0), _)) => Behaviour::Accept,
            Some((None, behaviour)) => behaviour.clone(),
            Some((Some(left), behaviour)) => {
                *left -= 1;
                behaviour.clone()
            }
        }
    }

    /// What a recipient meets at RCPT; a deferral is counted down here. What is scripted for `@domain` is for all of that
    /// domain that nothing else is scripted for.
    pub(super) fn for_recipient(&mut self, address: &str) -> Behaviour {
        let address = address.to_lowercase();
        let domain = address.rfind('@').and_then(|at| address.get(at..)).unwrap_or_default();
        let name = if self.recipients.contains_key(&address) { address.as_str() } else { domain };
        match self.recipients.get_mut(name) {
            None | Some(Behaviour::Defer(0)) => Behaviour::Accept,
            Some(Behaviour::Defer(left)) => {
                *left -= 1;
                Behaviour::Defer(1)
            }
            Some(Behaviour::Greylist(time)) => {
                let first = *self.asked.entry(address.clone()).or_insert_with(Instant::now);
                if first.elapsed() < *time { Behaviour::Greylist(*time) } else { Behaviour::Accept }
            }
            Some(behaviour) => behaviour.clone(),
        }
    }
}
