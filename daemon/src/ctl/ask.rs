//! Calls to the daemon, on its admin socket.

use super::failure::Failure;
use nix::unistd::{Uid, User};
use parvis_protocol::admin::Call;
use parvis_protocol::limits;
use parvis_protocol::{Client, client::Reply};
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a look takes at most.
pub const QUICK: Duration = Duration::from_secs(15);
/// What walks through everything that is stored takes at most.
pub const LONG: Duration = Duration::from_secs(600);

/// Where the daemon is asked.
pub struct Desk {
    socket: PathBuf,
}

impl Desk {
    /// On this socket.
    pub const fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The admin socket.
    pub fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    /// A connection; `what` completes "failed to …".
    pub fn connect(&self, what: &'static str) -> Result<Line<'_>, Failure> {
        let client = Client::connect(&self.socket, Instant::now() + QUICK);
        let client = client.map_err(|error| Failure::of_call(error, what, &self.socket))?;
        Ok(Line { desk: self, client, what })
    }

    /// One call on a connection of its own.
    pub fn ask<T: DeserializeOwned>(
        &self,
        call: &Call,
        what: &'static str,
        within: Duration,
    ) -> Result<T, Failure> {
        self.connect(what)?.ask(call, within)
    }
}

/// An open connection.
pub struct Line<'d> {
    desk: &'d Desk,
    client: Client,
    what: &'static str,
}

impl Line<'_> {
    /// One call, one answer.
    pub fn ask<T: DeserializeOwned>(&mut self, call: &Call, within: Duration) -> Result<T, Failure> {
        self.client.set_deadline(Instant::now() + within);
        let reply = self.client.call(&call.method().full_name(), call);
        self.read(&reply.map_err(|error| Failure::of_call(error, self.what, &self.desk.socket))?)
    }

    /// One call, many answers, each of which may take so long; `each` gets one, and whether it is the last.
    pub fn stream<T: DeserializeOwned>(
        &mut self,
        call: &Call,
        within: Duration,
        mut each: impl FnMut(T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.client.set_deadline(Instant::now() + within);
        let mut reply = self.client.call_more(&call.method().full_name(), call);
        loop {
            let one = reply.map_err(|error| Failure::of_call(error, self.what, &self.desk.socket))?;
            each(self.read(&one)?)?;
            if !one.continues {
                return Ok(());
            }
            self.client.set_deadline(Instant::now() + within);
            reply = self.client.receive();
        }
    }

    fn read<T: DeserializeOwned>(&self, reply: &Reply) -> Result<T, Failure> {
        reply.read().map_err(|error| Failure::Differs { what: self.what.to_owned(), why: error.to_string() })
    }
}

/// Who asks, for the audit: the person behind sudo, else the user's name, else the number.
pub fn by() -> String {
    let usable = |name: &String| !name.trim().is_empty() && limits::PERSON.admits(name);
    let variable = |name: &str| std::env::var(name).ok().filter(usable);
    let uid = Uid::current();
    let known = || User::from_uid(uid).ok().flatten().map(|user| user.name).filter(usable);
    variable("SUDO_USER").or_else(|| variable("USER")).or_else(known).unwrap_or_else(|| uid.to_string())
}
