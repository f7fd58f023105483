//! How soon the invited are: from the directory's answer to an add until the mail server has the invitation, people coming
//! steadily, beside an add and a mail by themselves at the same pace.
//!
//! Both adds go to the same slapd while the same daemon follows it: the bare ones are of people who have arrived already,
//! of whom nothing is told to it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings};
use parvis_stand::slapd::{ADMIN_DN, ADMIN_PASSWORD, PEOPLE};
use parvis_stand::{Inbox, Scene, SceneOptions, Slapd};
use parvisd::mail::{Composed, Connection, Relay, RelaySettings};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::Length;
use super::enrolments::options;
use super::mail::{LINES, messages};
use super::measure::{Limit, Line, median, number, pairs, percentile};

/// In times of an add and a mail.
const MOST: f64 = 3.0;
/// The share of the people that is judged.
const SHARE: f64 = 0.99;
/// From one add to the next: fifty a second.
const PACE: Duration = Duration::from_millis(20);
/// Connections to the directory.
const LINKS: usize = 4;
/// How long an invitation may take at all.
const PATIENCE: Duration = Duration::from_secs(60);
const CONFIG: &str = "[limits]\ncampus = \"100000/1h\"\ndomain = \"100000/1h\"\n\n[[populations]]\nname = \"staff\"\n\
                      filter = \"(eduPersonAffiliation=employee)\"\nmailbox = true\nforwarding = \"optional\"\ninvite = true\n";

/// Measures and judges.
pub fn run(length: Length) -> Result<Vec<Line>> {
    let (least, most, each) = (length.of(1, 10, 20), length.of(1, 15, 30), length.of(20, 250, 500));
    let base = options(length, Vec::new());
    let scene = Scene::start(SceneOptions { config: format!("{}\n{CONFIG}", base.config), ..base })?;
    scene.daemon.wait_status("everything works", PATIENCE)?;
    let side = Side::new(&scene)?;
    let mut numbers = 0..;
    let mut next = |count: usize| {
        let begin = numbers.start;
        numbers.start += count;
        begin..begin + count
    };
    // Warms all up, and shows what an invitation looks like.
    side.invited(&scene, next(each))?;
    let ready = messages(&scene.inbox)?;
    side.bare(&scene.inbox, &ready, next(each))?;
    scene.inbox.forget();
    let (mut ratios, mut ours, mut bare, mut usual) = (vec![], vec![], vec![], vec![]);
    pairs(
        least,
        most,
        |index| {
            let mut mine = Vec::new();
            let mut other = Vec::new();
            for turn in 0..2 {
                if (index + turn) % 2 == 0 {
                    mine = side.invited(&scene, next(each))?;
                } else {
                    other = side.bare(&scene.inbox, &ready, next(each))?;
                }
                scene.inbox.forget();
            }
            ratios.push(percentile(&mine, SHARE) / percentile(&other, SHARE));
            ours.push(percentile(&mine, SHARE));
            bare.push(percentile(&other, SHARE));
            usual.push(median(&mine) / median(&other));
            Ok(())
        },
        || false,
    )?;
    let note = format!(
        "{} ms beside {} ms, {each} people at 50 a second; of the medians {} times",
        number(median(&ours)),
        number(median(&bare)),
        number(median(&usual)),
    );
    let what = "invitation after an add, 99th percentile, in times of both alone";
    Ok(vec![Line::new(what, ratios, "", Limit::Most(MOST)).noted(note)])
}

/// Somebody who adds people to the directory, and can send a mail without a daemon.
struct Side {
    runtime: Runtime,
    links: Vec<Ldap>,
    lines: Arc<Mutex<Vec<Connection>>>,
}

impl Side {
    fn new(scene: &Scene) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let links = (0..LINKS).map(|_| runtime.block_on(link(&scene.slapd))).collect::<Result<_>>()?;
        let settings = RelaySettings {
            port: scene.inbox.port(),
            ..RelaySettings::new("127.0.0.1", "parvis.univ.example")
        };
        let relay = Relay::new(settings)?;
        let lines = (0..LINES).map(|_| runtime.block_on(relay.connect())).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { runtime, links, lines: Arc::new(Mutex::new(lines)) })
    }

    /// Adds provisional people; milliseconds from each answer until the invitation had come.
    fn invited(&self, scene: &Scene, people: Range<usize>) -> Result<Vec<f64>> {
        let answered = self.paced(people, |mut link, number| async move {
            add(&mut link, number, "{COMPTE}I:SupannCree").await?;
            Ok((number, Instant::now()))
        })?;
        let waited = answered.into_iter().map(|(number, answered)| {
            let come = scene.inbox.wait_for(&address(number), |_| true, PATIENCE)?.come;
            // It may have come before the answer was read.
            Ok(millis(come.saturating_duration_since(answered)))
        });
        waited.collect()
    }

    /// Adds people who are active, and then sends a mail; milliseconds for both.
    fn bare(&self, inbox: &Inbox, ready: &[Composed], people: Range<usize>) -> Result<Vec<f64>> {
        let (before, count) = (inbox.last_number(), people.len() as u64);
        let mails: Arc<[Composed]> = ready.into();
        let took = self.paced(people, |mut link, number| {
            let (lines, mails) = (Arc::clone(&self.lines), Arc::clone(&mails));
            async move {
                let begun = Instant::now();
                add(&mut link, number, "{COMPTE}A:SupannActif").await?;
                let mail = mails.get(number % mails.len()).context("no mail")?;
                let mut line = lines.lock().await.pop().context("more at once than connections")?;
                line.send(mail).await?;
                let took = begun.elapsed();
                lines.lock().await.push(line);
                Ok(millis(took))
            }
        })?;
        inbox.wait_count(before + count, PATIENCE)?;
        Ok(took)
    }

    /// Does something for each, at the pace, whether or not the one before has ended.
    fn paced<T, F>(&self, people: Range<usize>, mut work: impl FnMut(Ldap, usize) -> F) -> Result<Vec<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.runtime.block_on(async {
            let mut time = tokio::time::interval(PACE);
            let mut under_way: Vec<JoinHandle<Result<T>>> = Vec::new();
            for (number, link) in people.zip(self.links.iter().cycle()) {
                time.tick().await;
                under_way.push(tokio::spawn(work(link.clone(), number)));
            }
            let mut done = Vec::new();
            for one in under_way {
                done.push(one.await??);
            }
            Ok(done)
        })
    }
}

async fn link(slapd: &Slapd) -> Result<Ldap> {
    // Only loopback is spoken to; the certificate is the stand's own.
    let settings = LdapConnSettings::new().set_no_tls_verify(true);
    let (connection, mut ldap) = LdapConnAsync::with_settings(settings, &slapd.ldaps_url()).await?;
    tokio::spawn(connection.drive());
    ldap.simple_bind(ADMIN_DN, ADMIN_PASSWORD).await?.success()?;
    Ok(ldap)
}

fn address(number: usize) -> String {
    format!("i{number:06}@perso.example")
}

async fn add(link: &mut Ldap, number: usize, state: &str) -> Result<()> {
    let (login, address) = (format!("i{number:06}"), address(number));
    let (name, mail) = (format!("Nouveau {number}"), format!("{login}@univ.example"));
    let attributes = [
        ("objectClass", vec!["inetOrgPerson", "eduPerson", "supannPerson"]),
        ("uid", vec![login.as_str()]),
        ("cn", vec![name.as_str()]),
        ("sn", vec!["Nouveau"]),
        ("displayName", vec![name.as_str()]),
        ("mail", vec![mail.as_str()]),
        ("supannMailPerso", vec![address.as_str()]),
        ("eduPersonAffiliation", vec!["employee"]),
        ("supannRessourceEtat", vec![state]),
    ];
    let attributes =
        attributes.into_iter().map(|(name, values)| (name, values.into_iter().collect())).collect();
    link.add(&format!("uid={login},{PEOPLE}"), attributes)
        .await?
        .success()
        .map_err(|fault| anyhow!("{fault}"))?;
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
