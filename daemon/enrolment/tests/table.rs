//! Every stage and step, against everything that can be asked or can happen: none is unanswered.
//!
//! A cell says where the person is afterwards, after a mark for the answer: `T` a ticket, `S` a session, `N` sign in
//! on this device, `W` write the directory. A `+` says that a mail goes out, `!` begins a refusal.

#[expect(dead_code, reason = "each suite uses a part of it")]
mod common;

use common::World;
use common::person::ADDRESS;
use common::scene::stage_at;
use jiff::SignedDuration;
use parvis_enrolment::enrolment::Stage;
use parvis_enrolment::event::{MailOutcome, Recovery, Report, WriteOutcome};
use parvis_enrolment::refusal::PasswordFault;
use parvis_enrolment::{
    Answer, Closure, Decision, Effect, Event, Purpose, Refusal, Request, Sighting, Standing, Step,
};
use std::collections::BTreeSet;

/// While the person is at it.
const AT_IT: &str = "
                      address kept    link    charter listing mail    must    forward passwd  nobody
admit                 Taddres Tkept   Tlink   Tcharte Tlistin Tmail   Tmust   Tforwar Tpasswd !nopop
open                  Saddres Skept   Slink   Scharte Slistin Smail   Smust   Sforwar Spasswd !nopop
enter                 Saddres Skept   Slink   Scharte Slistin Smail   Smust   Sforwar Spasswd !nopop
recovery-address      link+   link+   link+   !order  !order  !order  !order  !order  !order  !nopop
the address kept      link+   charter link+   !order  !order  !order  !order  !order  !order  !nopop
redeem recovery       !nolink !nolink Scharte !lnkuse !lnkuse !lnkuse !lnkuse !lnkuse !lnkuse !lnkuse
elsewhere             !nolink !nolink Ncharte !lnkuse !lnkuse !lnkuse !lnkuse !lnkuse !lnkuse !lnkuse
redeem forward        !nolink !nolink !nolink !nolink !nolink !nolink !nolink Spasswd !nolink !nolink
elsewhere             !nolink !nolink !nolink !nolink !nolink !nolink !nolink Npasswd !nolink !nolink
redeem invitation     Skept   !lnkuse !lnkold !lnkold !lnkold !lnkold !lnkold !lnkold !lnkold !lnkold
charter               !order  !order  !order  listing listing mail    must    forward passwd  !nopop
charter unticked      !order  !order  !order  !accept !accept !accept !accept !accept !accept !nopop
charter of old        !order  !order  !order  !stale  !stale  !stale  !stale  !stale  !stale  !nopop
listing               !order  !order  !order  !order  mail    mail    must    forward passwd  !nopop
listing undecided     !order  !order  !order  !order  !choose !choose !choose !choose !choose !nopop
mail not forwarded    !order  !order  !order  !order  !order  passwd  !must   passwd  passwd  !nopop
mail to recovery      !order  !order  !order  !order  !order  passwd  passwd  passwd  passwd  !nopop
mail elsewhere        !order  !order  !order  !order  !order  forwar+ forwar+ forwar+ forwar+ !nopop
password              !order  !order  !order  !order  !order  !order  !order  !confrm Wwritin !nopop
password too short    !order  !order  !order  !order  !order  !order  !order  !confrm !passwd !nopop
state                 address kept    link    charter listing mail    must    forward passwd  !nopop
resend                !order  !order  link+   !order  !order  !order  !order  forwar+ !order  !nopop
restart               address address address address address address address address address address
provisional as it was address kept    link    charter listing mail    must    forward passwd  nobody
provisional, written  address kept    link    charter listing mail    must    forward passwd  nobody
provisional, marked   addres+ addres+ addres+ addres+ addres+ addres+ addres+ addres+ addres+ address
provisional, older    address kept    link    charter listing mail    must    forward passwd  nobody
provisional, here     address kept    link    charter listing mail    must    forward passwd  nobody
active                withdra withdra withdra withdra withdra withdra withdra withdra withdra withdra
active, older         address kept    link    charter listing mail    must    forward passwd  nobody
locked                locked  locked  locked  locked  locked  locked  locked  locked  locked  locked
other                 withdra withdra withdra withdra withdra withdra withdra withdra withdra withdra
gone                  gone    gone    gone    gone    gone    gone    gone    gone    gone    gone
mail sent             address kept    link    charter listing mail    must    forward passwd  nobody
mail refused          address kept    link    charter listing mail    must    forward passwd  nobody
mail bounced          address kept    link    charter listing mail    must    forward passwd  nobody
notice bounced        address kept    link    charter listing mail    must    forward passwd  nobody
written               address kept    link    charter listing mail    must    forward passwd  nobody
password refused      address kept    link    charter listing mail    must    forward passwd  nobody
not written           address kept    link    charter listing mail    must    forward passwd  nobody
found active          address kept    link    charter listing mail    must    forward passwd  nobody
found unchanged       address kept    link    charter listing mail    must    forward passwd  nobody
found gone            address kept    link    charter listing mail    must    forward passwd  nobody
elapsed               address kept    link    charter listing mail    must    forward passwd  nobody
elapsed long          expired expired expired expired expired expired expired expired expired expired
remind                address kept    link    charter listing mail    must    forward passwd  nobody
remind long           addres+ kept+   addres+ charte+ listin+ mail+   must+   forwar+ passwd+ nobody
help desk: resend     addres+ !lnkuse link+   !order  !order  !order  !order  forwar+ !order  !nopop
help desk: cancel     cancell cancell cancell cancell cancell cancell cancell cancell cancell cancell
";

/// Before, during the write, and afterwards.
const OTHERWISE: &str = "
                      unseen  writing done    withdra locked  gone    expired cancell
admit                 !notpro Twritin !notpro !notpro !locked !gone   !sesexp !sesexp
open                  !notpro Swritin !notpro !notpro !locked !gone   !sesexp !sesexp
enter                 !ticket Swritin !ticket !ticket !ticket !ticket !ticket !ticket
recovery-address      !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
the address kept      !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
redeem recovery       !nolink !lnkuse !lnkuse !nolink !nolink !nolink !nolink !nolink
elsewhere             !nolink !lnkuse !lnkuse !nolink !nolink !nolink !nolink !nolink
redeem forward        !nolink !nolink !nolink !nolink !nolink !nolink !nolink !nolink
elsewhere             !nolink !nolink !nolink !nolink !nolink !nolink !nolink !nolink
redeem invitation     !nolink !lnkold !lnkold !lnkold !lnkold !lnkold !lnkold !lnkold
charter               !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
charter unticked      !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
charter of old        !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
listing               !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
listing undecided     !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
mail not forwarded    !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
mail to recovery      !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
mail elsewhere        !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
password              !nosess !busy   done    !notpro !locked !gone   !nosess !sesexp
password too short    !nosess !busy   done    !notpro !locked !gone   !nosess !sesexp
state                 !nosess writing done    !notpro !locked !gone   !nosess !sesexp
resend                !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
restart               !nosess !busy   !order  !notpro !locked !gone   !nosess !sesexp
provisional as it was addres+ writing done    address address address expired cancell
provisional, written  addres+ writing addres+ address address address expired cancell
provisional, marked   addres+ writing addres+ addres+ addres+ addres+ addres+ addres+
provisional, older    addres+ writing done    withdra locked  gone    expired cancell
provisional, here     address writing address address address address address address
active                unseen  done+   done    withdra locked  gone    expired cancell
active, older         unseen  writing done    withdra locked  gone    expired cancell
locked                unseen  writing done    withdra locked  gone    expired cancell
other                 unseen  writing done    withdra locked  gone    expired cancell
gone                  unseen  writing done    withdra locked  gone    expired cancell
mail sent             unseen  writing done    withdra locked  gone    expired cancell
mail refused          unseen  writing done    withdra locked  gone    expired cancell
mail bounced          unseen  writing done    withdra locked  gone    expired cancell
notice bounced        unseen  writing done    withdra locked  gone    expired cancell
written               unseen  done+   done    withdra locked  gone    expired cancell
password refused      unseen  passwd  done    withdra locked  gone    expired cancell
not written           unseen  passwd  done    withdra locked  gone    expired cancell
found active          unseen  done+   done    withdra locked  gone    expired cancell
found unchanged       unseen  passwd  done    withdra locked  gone    expired cancell
found gone            unseen  gone    done    withdra locked  gone    expired cancell
elapsed               unseen  writing done    withdra locked  gone    expired cancell
elapsed long          unseen  writing done    withdra locked  gone    expired cancell
remind                unseen  writing done    withdra locked  gone    expired cancell
remind long           unseen  writing done    withdra locked  gone    expired cancell
help desk: resend     !notpro !busy   !order  !notpro !locked !gone   !sesexp !sesexp
help desk: cancel     !notpro !busy   !order  !notpro !locked !gone   !sesexp !sesexp
";

/// Where a person can be, as the columns are named.
const SCENES: [&str; 18] = [
    "address",
    "kept",
    "link",
    "charter",
    "listing",
    "mail",
    "must",
    "forward",
    "passwd",
    "nobody",
    "unseen",
    "writing",
    "done",
    "withdrawn",
    "locked",
    "gone",
    "expired",
    "cancelled",
];

#[test]
fn while_the_person_is_at_it() {
    check(AT_IT);
}

#[test]
fn before_and_afterwards() {
    check(OTHERWISE);
}

/// A new stage, request or event does not compile until it has a name here; this says that it then has its cells.
#[test]
fn nothing_is_missing() {
    let columns: BTreeSet<String> = [AT_IT, OTHERWISE].iter().flat_map(|table| columns(table)).collect();
    assert_eq!(columns, SCENES.iter().map(|scene| cut(scene)).collect());
    let reached: BTreeSet<String> = SCENES.iter().map(|scene| cut(place(&stage_at(scene)))).collect();
    assert_eq!(reached, columns, "each column is the scene that it says");
    let world = stage_at("mail");
    let rows = rows(&world);
    let named: BTreeSet<&str> = rows.iter().map(|(_, event)| kind(event)).collect();
    assert_eq!(named, KINDS.iter().copied().collect());
}

fn check(table: &str) {
    let columns = columns(table);
    let mut found = format!("\n{:22}", "");
    found.push_str(columns.iter().map(|name| format!("{name:7}")).collect::<Vec<_>>().join(" ").trim_end());
    let names: Vec<&str> = rows(&stage_at("mail")).iter().map(|(name, _)| *name).collect();
    for (at, name) in names.iter().enumerate() {
        let cells = columns.iter().map(|column| {
            let scene = SCENES.iter().find(|scene| cut(scene) == *column).expect("each column is a scene");
            let mut world = stage_at(scene);
            world.now += SignedDuration::from_mins(5);
            let event = rows(&world).remove(at).1;
            world.now += SignedDuration::from_hours(match *name {
                "elapsed long" => 24 * 100,
                "remind long" => 24 * 4,
                _ => 0,
            });
            let before = world.enrolment.clone();
            let outcome = world.tell(event);
            assert!(outcome.is_ok() || world.enrolment == before);
            format!("{:7}", cell(&world, &outcome))
        });
        let cells: Vec<String> = cells.collect();
        found.push_str(&format!("\n{name:22}{}", cells.join(" ").trim_end()));
    }
    found.push('\n');
    assert!(found == table, "expected:{table}found:{found}");
}

fn columns(table: &str) -> Vec<String> {
    table.lines().nth(1).unwrap_or_default().split_whitespace().map(cut).collect()
}

fn cut(name: &str) -> String {
    name.chars().take(7).collect()
}

/// One of everything that can be asked or can happen, with arguments that are right if anything is.
fn rows(world: &World) -> Vec<(&'static str, Event)> {
    let ask = |name, request| (name, Event::Asked(request));
    let session = world.enrolment.sessions.first().map_or(common::id(u64::MAX), |session| session.id);
    let ticket = world.enrolment.tickets.first().map_or(common::id(u64::MAX), |ticket| ticket.id);
    let redeem = |purpose, session| Request::Redeem { link: world.newest(purpose), session };
    let charter = |version: &str, accepted| Request::Charter {
        session,
        version: version.to_owned(),
        accepted,
        locale: "fr".to_owned(),
    };
    let mail = |forward: Option<&str>| Request::Mail {
        session,
        forward: forward.map(str::to_owned),
        inward: false,
        keep_copy: true,
    };
    let password = |fault| Request::Password { session, fault, attempt: world.attempt() };
    let address = |text: &str| Request::RecoveryAddress { session, address: text.to_owned(), inward: false };
    let seen = |standing, stamp: u64, in_person| {
        Event::Sighted(Sighting { stamp: stamp.to_string(), ..world.sighting(standing, in_person) })
    };
    let mut marked = world.sighting(Standing::Provisional, false);
    marked.stamp = (world.stamp + 1).to_string();
    marked.profile.marker = Some("a new letter".to_owned());
    let stamp = || Some((world.stamp + 1).to_string());
    let latest = world.mails.last().map_or(common::id(u64::MAX), |order| order.mail);
    let carried = world.mails.last().map_or(Some(common::id(u64::MAX)), |order| order.link);
    let written = Event::Written;
    vec![
        ask("admit", Request::Admit { return_to: None }),
        ask("open", Request::Open { return_to: None }),
        ask("enter", Request::Enter { ticket }),
        ask("recovery-address", address("new@example.org")),
        ask("the address kept", address(common::OFFERED)),
        ask("redeem recovery", redeem(Purpose::Recovery, Some(session))),
        ask("elsewhere", redeem(Purpose::Recovery, None)),
        ask("redeem forward", redeem(Purpose::Forward, Some(session))),
        ask("elsewhere", redeem(Purpose::Forward, None)),
        ask("redeem invitation", redeem(Purpose::Invitation, Some(session))),
        ask("charter", charter("1", true)),
        ask("charter unticked", charter("1", false)),
        ask("charter of old", charter("0", true)),
        ask("listing", Request::Listing { session, listed: Some(true) }),
        ask("listing undecided", Request::Listing { session, listed: None }),
        ask("mail not forwarded", mail(None)),
        ask("mail to recovery", mail(Some(ADDRESS))),
        ask("mail elsewhere", mail(Some("third@example.net"))),
        ask("password", password(None)),
        ask("password too short", password(Some(PasswordFault::TooShort))),
        ask("state", Request::State { session }),
        ask("resend", Request::Resend { session }),
        ask("restart", Request::Restart { session }),
        ("provisional as it was", seen(Standing::Provisional, world.stamp, false)),
        ("provisional, written", seen(Standing::Provisional, world.stamp + 1, false)),
        ("provisional, marked", Event::Sighted(marked)),
        ("provisional, older", seen(Standing::Provisional, world.stamp - 9, false)),
        ("provisional, here", seen(Standing::Provisional, world.stamp, true)),
        ("active", seen(Standing::Active, world.stamp + 1, false)),
        ("active, older", seen(Standing::Active, world.stamp - 9, false)),
        ("locked", seen(Standing::Locked, world.stamp + 1, false)),
        ("other", seen(Standing::Other, world.stamp + 1, false)),
        ("gone", Event::Gone),
        ("mail sent", Event::Mailed(latest, MailOutcome::Sent)),
        ("mail refused", Event::Mailed(latest, MailOutcome::Refused("no".to_owned()))),
        ("mail bounced", Event::Reported(carried, Report::Failed("no".to_owned()))),
        ("notice bounced", Event::Reported(None, Report::Failed("no".to_owned()))),
        ("written", written(WriteOutcome::Applied(stamp()))),
        ("password refused", written(WriteOutcome::PasswordRefused(PasswordFault::Reused))),
        ("not written", written(WriteOutcome::NotDone("no".to_owned()))),
        ("found active", Event::Recovered(Recovery::Active(stamp()))),
        ("found unchanged", Event::Recovered(Recovery::NotDone)),
        ("found gone", Event::Recovered(Recovery::Gone)),
        ("elapsed", Event::Elapsed),
        ("elapsed long", Event::Elapsed),
        ("remind", Event::Remind),
        ("remind long", Event::Remind),
        ("help desk: resend", Event::AdminResend),
        ("help desk: cancel", Event::AdminCancel),
    ]
}

/// Kinds of requests and events; total, so that a new one does not compile until it is in the table.
const KINDS: [&str; 22] = [
    "admit",
    "open",
    "enter",
    "recovery-address",
    "redeem",
    "charter",
    "listing",
    "mail",
    "password",
    "state",
    "resend",
    "restart",
    "sighted",
    "gone",
    "mailed",
    "reported",
    "written",
    "recovered",
    "elapsed",
    "remind",
    "admin-resend",
    "admin-cancel",
];

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Asked(Request::Admit { .. }) => "admit",
        Event::Asked(Request::Open { .. }) => "open",
        Event::Asked(Request::Enter { .. }) => "enter",
        Event::Asked(Request::RecoveryAddress { .. }) => "recovery-address",
        Event::Asked(Request::Redeem { .. }) => "redeem",
        Event::Asked(Request::Charter { .. }) => "charter",
        Event::Asked(Request::Listing { .. }) => "listing",
        Event::Asked(Request::Mail { .. }) => "mail",
        Event::Asked(Request::Password { .. }) => "password",
        Event::Asked(Request::State { .. }) => "state",
        Event::Asked(Request::Resend { .. }) => "resend",
        Event::Asked(Request::Restart { .. }) => "restart",
        Event::Sighted(_) => "sighted",
        Event::Gone => "gone",
        Event::Mailed(..) => "mailed",
        Event::Reported(..) => "reported",
        Event::Written(_) => "written",
        Event::Recovered(_) => "recovered",
        Event::Elapsed => "elapsed",
        Event::Remind => "remind",
        Event::AdminResend => "admin-resend",
        Event::AdminCancel => "admin-cancel",
    }
}

/// Where the person is: total, so that a new stage or step does not compile until it is in the table.
fn place(world: &World) -> &'static str {
    match &world.enrolment.stage {
        Stage::Unseen => "unseen",
        Stage::Address { proven: None } => "address",
        Stage::Address { proven: Some(_) } => "kept",
        Stage::Proving => "link",
        Stage::Choosing(_) => match world.enrolment.step(&world.policy) {
            None => "nobody",
            Some(Step::Charter) => "charter",
            Some(Step::Listing) => "listing",
            Some(Step::Mail) if world.profile.population.as_deref() == Some("visitor") => "must",
            Some(Step::Mail) => "mail",
            Some(Step::ForwardLink) => "forward",
            Some(Step::Password) => "passwd",
            Some(Step::RecoveryAddress | Step::RecoveryLink | Step::Done) => "no step of choosing",
        },
        Stage::Activating { .. } => "writing",
        Stage::Done { .. } => "done",
        Stage::Closed { why: Closure::Withdrawn, .. } => "withdrawn",
        Stage::Closed { why: Closure::Locked, .. } => "locked",
        Stage::Closed { why: Closure::Gone, .. } => "gone",
        Stage::Closed { why: Closure::Expired, .. } => "expired",
        Stage::Closed { why: Closure::Cancelled, .. } => "cancelled",
    }
}

fn cell(world: &World, outcome: &Result<Decision, Refusal>) -> String {
    let decision = match outcome {
        Ok(decision) => decision,
        Err(refusal) => return format!("!{}", refused(refusal)),
    };
    let answer = match decision.answer {
        Answer::State => "",
        Answer::Ticket(_) => "T",
        Answer::Session(_) => "S",
        Answer::SignIn => "N",
        Answer::Write => "W",
    };
    let mailed = decision.effects.iter().any(|effect| matches!(effect, Effect::Mail(_)));
    let text: String = format!("{answer}{}", place(world)).chars().take(if mailed { 6 } else { 7 }).collect();
    if mailed { text + "+" } else { text }
}

fn refused(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::AddressInvalid(..) => "addres",
        Refusal::AddressOwnDomain(_) => "owndom",
        Refusal::AddressRefused(_) => "refuse",
        Refusal::LinkUnknown => "nolink",
        Refusal::LinkExpired(_) => "lnkexp",
        Refusal::LinkSuperseded(_) => "lnkold",
        Refusal::LinkUsed(_) => "lnkuse",
        Refusal::TicketUnusable => "ticket",
        Refusal::SessionUnknown => "nosess",
        Refusal::SessionExpired(_) => "sesexp",
        Refusal::OutOfOrder(_) => "order",
        Refusal::CharterRequired => "accept",
        Refusal::CharterVersionStale => "stale",
        Refusal::ListingRequired => "choose",
        Refusal::ForwardRequired => "must",
        Refusal::ForwardLoop => "loop",
        Refusal::ForwardUnconfirmed => "confrm",
        Refusal::Password(_) => "passwd",
        Refusal::NotProvisional => "notpro",
        Refusal::NoPopulation => "nopop",
        Refusal::AccountLocked => "locked",
        Refusal::AccountGone => "gone",
        Refusal::TooManyAttempts(_) => "often",
        Refusal::Busy => "busy",
    }
}
