//! People at the steps, many at once, over kept connections to the hook socket.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use parvis_protocol::hook::{
    Answer, Call, Charter, Listing, Mail, Open, Password, RecoveryAddress, Redeem, Step, StepAnswer,
};
use parvis_protocol::{Client, Secret};
use parvis_stand::{Inbox, Person};

/// How long any one step may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// As many connections as people at once.
pub struct Crowd {
    connections: Vec<Mutex<Client>>,
    clock: Clock,
}

/// Microseconds that each step has taken, all people together.
#[derive(Default)]
pub struct Clock([AtomicU64; STEPS.len()]);

/// What a person waits for, in order.
const STEPS: [&str; 8] =
    ["open", "address", "mail's arrival", "link", "charter", "listing", "mail", "password"];

impl Clock {
    fn time<T>(&self, step: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        let done = work();
        if let Some(sum) = self.0.get(step) {
            sum.fetch_add(u64::try_from(begun.elapsed().as_micros()).unwrap_or_default(), Ordering::Relaxed);
        }
        done
    }

    /// Milliseconds of each step on average, since this was last asked.
    pub fn words(&self, people: usize) -> String {
        let each = |(name, sum): (&&str, &AtomicU64)| {
            format!("{name} {:.1}", sum.swap(0, Ordering::Relaxed) as f64 / 1000.0 / people as f64)
        };
        STEPS.iter().zip(&self.0).map(each).collect::<Vec<_>>().join(", ")
    }
}

impl Crowd {
    /// Connects.
    pub fn new(socket: &Path, size: usize) -> Result<Self> {
        let connect = |_| Ok(Mutex::new(Client::connect(socket, Instant::now() + PATIENCE)?));
        Ok(Self { connections: (0..size).map(connect).collect::<Result<_>>()?, clock: Clock::default() })
    }

    /// How long each step took.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Every person walks all the steps, and has got both mails when this returns: how long it took.
    pub fn enrol(&self, inbox: &Inbox, people: &[Person]) -> Result<Duration> {
        let next = AtomicUsize::new(0);
        let mails = inbox.last_number();
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .connections
                .iter()
                .map(|connection| {
                    let (next, clock) = (&next, &self.clock);
                    scope.spawn(move || -> Result<()> {
                        let mut client = connection.lock().map_err(|_| anyhow!("a thread has panicked"))?;
                        while let Some(person) = people.get(next.fetch_add(1, Ordering::Relaxed)) {
                            walk(&mut client, inbox, person, clock)
                                .with_context(|| format!("failed to enrol {}", person.login))?;
                        }
                        Ok(())
                    })
                })
                .collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().map_err(|_| anyhow!("a thread has panicked")).and_then(|result| result)
            })
        })?;
        inbox.wait_count(mails + 2 * people.len() as u64, PATIENCE)?;
        let took = begun.elapsed();
        inbox.forget();
        Ok(took)
    }
}

/// All ten steps of one person.
fn walk(client: &mut Client, inbox: &Inbox, person: &Person, clock: &Clock) -> Result<()> {
    let address = format!("{}@outside.example", person.login);
    let (locale, asker) = (None, None);
    let open = Open { login: person.login.clone(), return_to: None, locale: None, client: None };
    let here = clock.time(0, || ask(client, &Call::Open(open), Step::RecoveryAddress))?;
    let session = token(here)?;
    let call =
        RecoveryAddress { session: session.clone(), address: address.clone(), locale: None, client: None };
    clock.time(1, || ask(client, &Call::RecoveryAddress(call), Step::RecoveryLink))?;
    let mail = clock.time(2, || inbox.wait_for(&address, |_| true, PATIENCE))?;
    let link = Secret::new(parvis_stand::scene::link(&mail)?);
    let call = Redeem { link, session: Some(session), locale: None, client: None };
    let here = clock.time(3, || ask(client, &Call::Redeem(call), Step::Charter))?;
    let charter = here.view.as_ref().and_then(|view| view.charter.as_ref()).context("no charter is shown")?;
    let (version, sha256) = (charter.version.clone(), Some(charter.sha256.clone()));
    let session = token(here)?;
    let call =
        Charter { session: session.clone(), version, sha256, accepted: true, locale: None, client: None };
    clock.time(4, || ask(client, &Call::Charter(call), Step::Listing))?;
    let call = Listing { session: session.clone(), listed: Some(true), locale: None, client: None };
    clock.time(5, || ask(client, &Call::Listing(call), Step::Mail))?;
    let call = Mail {
        session: session.clone(),
        forward: Some(address),
        keep_copy: true,
        locale: None,
        client: None,
    };
    clock.time(6, || ask(client, &Call::Mail(call), Step::Password))?;
    let password = Secret::new("Violet-mandarine-77");
    let call = Password { session, password, locale, client: asker };
    clock.time(7, || ask(client, &Call::Password(call), Step::Done).map(drop))
}

fn ask(client: &mut Client, call: &Call, step: Step) -> Result<StepAnswer> {
    client.set_deadline(Instant::now() + PATIENCE);
    match client.ask(call) {
        Ok(Answer::Step(answer)) if answer.step == step => Ok(*answer),
        Ok(Answer::Step(answer)) => bail!("{:?} led to {:?}", call.method(), answer.step),
        Ok(_) => bail!("{:?} has an answer of another kind", call.method()),
        Err(error) => Err(anyhow!(error).context(format!("{:?}", call.method()))),
    }
}

fn token(answer: StepAnswer) -> Result<Secret> {
    answer.session.context("an answer without a session")
}
