//! `bounce`: a mail that came back, handed over by the mail system.
//!
//! Whatever it says, it changes something only for whom its return path names, and that we made. What cannot be used is
//! said in the log, and taken all the same where it is ours: the mail system has nothing better to do with it.

use super::hook::{Desk, Trouble, trouble};
use crate::engine::returned::{self, Taken};
use crate::mail::report::{self, Report};
use parvis_enrolment::event;
use parvis_protocol::hook::{Bounce, BounceAnswer};

pub async fn bounce(desk: &Desk, call: &Bounce) -> Result<BounceAnswer, Trouble> {
    let engine = &desk.gate.engine;
    let Some(path) = &desk.settings.mail.bounces else {
        tracing::warn!("a mail came back, but mail.bounces names no address for that: it is not looked at");
        return Ok(BounceAnswer { taken: false });
    };
    let mail = report::read(&call.message, path);
    let Some(named) = mail.words.iter().find_map(|word| returned::open(&engine.keys, word)) else {
        tracing::info!("a mail came back that names no mail of ours");
        return Ok(BounceAnswer { taken: false });
    };
    let person = named.person;
    let told = match mail.report {
        Some(Report::Failed(why)) => event::Report::Failed(why),
        Some(Report::Delayed(why)) => event::Report::Delayed(why),
        Some(Report::Delivered) => return Ok(BounceAnswer { taken: true }),
        None => {
            tracing::info!(%person, "an answer to a mail of ours is no delivery report; nothing is done");
            return Ok(BounceAnswer { taken: true });
        }
    };
    let what = match &told {
        event::Report::Failed(why) => format!("could not be delivered: {why}"),
        event::Report::Delayed(why) => format!("is delayed: {why}"),
    };
    let failed = match &told {
        event::Report::Failed(why) => Some(why.clone()),
        event::Report::Delayed(_) => None,
    };
    match returned::report(engine, named, told).await {
        Ok(Taken::Yes { news }) => {
            tracing::info!(%person, "a mail {what}");
            if let Some(why) = failed.filter(|_| news) {
                crate::workers::returned(engine, &desk.gate.board, person, &why);
            }
        }
        Ok(Taken::Nobody) => {
            tracing::info!(%person, "a mail of somebody who is no longer waiting for it {what}")
        }
        Err(failure) => return Err(trouble(failure, None)),
    }
    Ok(BounceAnswer { taken: true })
}
