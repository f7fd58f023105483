//! What may happen in a story, and how it is played. The moves are values that a story is made of; `play` turns each
//! into events, by the state that it finds.

mod invariants;
mod player;
mod promises;
mod surroundings;

pub use player::play;

use parvis_enrolment::Standing;
use proptest::prelude::*;

/// Where stories begin (local time in the campus's zone), so that nights of 23 and of 25 hours come up.
pub const BEGINNINGS: [(&str, &str); 7] = [
    ("Europe/Paris", "2026-09-01T10:00:00"),
    ("Europe/Paris", "2026-03-28T23:50:00"),
    ("Europe/Paris", "2026-10-24T23:50:00"),
    ("Africa/Cairo", "2026-10-29T22:00:00"),
    ("America/Sao_Paulo", "2018-11-03T23:00:00"),
    ("America/Godthab", "2026-03-28T20:00:00"),
    ("Pacific/Apia", "2011-12-29T23:00:00"),
];

/// Addresses that people type: two that are the same, own ones, and nonsense.
pub const ADDRESSES: [&str; 8] = [
    "jeanne@example.org",
    "Jeanne@Example.org",
    "j@bücher.example",
    "other@example.net",
    super::common::OFFERED,
    super::common::MAILBOX,
    "x@etu.univ.example",
    "nonsense",
];

/// What a story must have come through, together, for the invariants to mean something.
pub const PLACES: &[&str] = &[
    "stage unseen",
    "stage address",
    "stage address proven",
    "stage proving",
    "stage choosing",
    "stage activating",
    "stage done",
    "stage closed Withdrawn",
    "stage closed Locked",
    "stage closed Gone",
    "stage closed Expired",
    "stage closed Cancelled",
    "mail Link",
    "mail Forward",
    "mail Invitation",
    "mail Activated",
    "mail Reminder",
    "mail PasswordChanged",
    "round 2",
    "drift",
    "answer SignIn",
    "refusal AddressInvalid",
    "refusal AddressOwnDomain",
    "refusal AddressRefused",
    "refusal LinkUnknown",
    "refusal LinkExpired",
    "refusal LinkSuperseded",
    "refusal LinkUsed",
    "refusal TicketUnusable",
    "refusal SessionUnknown",
    "refusal SessionExpired",
    "refusal OutOfOrder",
    "refusal CharterRequired",
    "refusal CharterVersionStale",
    "refusal ListingRequired",
    "refusal ForwardRequired",
    "refusal ForwardLoop",
    "refusal ForwardUnconfirmed",
    "refusal Password",
    "refusal NotProvisional",
    "refusal NoPopulation",
    "refusal AccountLocked",
    "refusal AccountGone",
    "refusal TooManyAttempts",
    "refusal Busy",
];

/// A story: where it begins, for whom, and what happens.
#[derive(Clone, Debug)]
pub struct Tale {
    pub beginning: usize,
    pub population: usize,
    pub moves: Vec<Move>,
}

/// Something happens. Numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
pub enum Move {
    /// Browser `by` does what its page asks for; `taste` chooses where the person has a choice.
    Sensible { by: usize, taste: usize },
    /// Somebody asks for anything.
    Wild(Wild),
    /// The clock.
    Wait(Wait),
    /// The sysadmin or another program writes the entry, and the watch sees it or will.
    Write { standing: Standing, change: Change, seen: bool },
    /// A filter in the configuration is wrong for a while: the same entry counts as something else.
    Flap(Standing),
    /// The watch delivers what the entry once was, late or again.
    Deliver(usize),
    /// The directory is restored from a backup, and the watch reads all of it again.
    RollBack(usize),
    /// A person's call read the entry once, and comes to be decided only now.
    ReadBefore(usize),
    /// The entry is removed, or moves out of the watch's sight.
    Remove,
    /// What became of a mail, as our mail system says, or another.
    Mailed { mail: usize, outcome: usize },
    /// How a write ended, or what was found after a crash.
    Outcome(usize),
    /// The sweep.
    Sweep,
    /// The hour of the reminders; on some days too many mails were sent already.
    Remind { limited: bool },
    /// The help desk.
    Desk { cancel: bool },
    /// The sysadmin reloads another configuration.
    Reload(Reload),
    /// The watch begins again and delivers all that it ever did, in another order.
    Resynchronise { turn: usize },
}

#[derive(Clone, Debug)]
pub struct Wild {
    pub call: usize,
    pub session: usize,
    pub link: usize,
    pub taste: usize,
    pub limited: bool,
}

#[derive(Clone, Debug)]
pub enum Wait {
    Seconds(i64),
    Hours(i64),
    Days(i64),
    /// Relative to the next midnight.
    Midnight(i64),
}

/// What besides the standing changes in the entry.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    Nothing,
    Population(usize),
    NoPopulation,
    Login,
    Marker,
    Offered(Option<usize>),
}

#[derive(Clone, Copy, Debug)]
pub enum Reload {
    Charter,
    /// A population's mailbox, forwarding and invitations.
    Population {
        which: usize,
        mailbox: bool,
        forwarding: usize,
        invite: bool,
    },
    /// A population is taken out, or comes back.
    Without(usize),
    Validity(usize),
    Anywhere(bool),
    Zone(usize),
}

pub fn tale() -> impl Strategy<Value = Tale> {
    (0..BEGINNINGS.len(), 0..4usize, prop::collection::vec(a_move(), 1..110))
        .prop_map(|(beginning, population, moves)| Tale { beginning, population, moves })
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        30 => (0..3usize, any::<u8>()).prop_map(|(by, taste)| Move::Sensible { by, taste: taste.into() }),
        16 => wild().prop_map(Move::Wild),
        8 => wait().prop_map(Move::Wait),
        3 => (standing(), change(), any::<bool>())
            .prop_map(|(standing, change, seen)| Move::Write { standing, change, seen }),
        2 => any::<u8>().prop_map(|which| Move::Deliver(which.into())),
        1 => standing().prop_map(Move::Flap),
        1 => any::<u8>().prop_map(|which| Move::RollBack(which.into())),
        1 => any::<u8>().prop_map(|which| Move::ReadBefore(which.into())),
        1 => Just(Move::Remove),
        4 => (any::<u8>(), 0..7usize).prop_map(|(mail, outcome)| Move::Mailed { mail: mail.into(), outcome }),
        2 => (0..8usize).prop_map(Move::Outcome),
        2 => Just(Move::Sweep),
        4 => prop::bool::weighted(0.2).prop_map(|limited| Move::Remind { limited }),
        2 => prop::bool::weighted(0.3).prop_map(|cancel| Move::Desk { cancel }),
        3 => reload().prop_map(Move::Reload),
        2 => any::<u8>().prop_map(|turn| Move::Resynchronise { turn: turn.into() }),
    ]
}

fn wild() -> impl Strategy<Value = Wild> {
    // Some calls twice: they have more ways to be refused than others.
    (
        prop::sample::select(vec![0, 1, 2, 3, 4, 4, 5, 6, 7, 7, 7, 8, 8, 8, 9, 10, 11usize]),
        any::<u8>(),
        any::<u8>(),
        any::<u8>(),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(call, session, link, taste, limited)| Wild {
            call,
            session: session.into(),
            link: link.into(),
            taste: taste.into(),
            limited,
        })
}

fn wait() -> impl Strategy<Value = Wait> {
    prop_oneof![
        6 => (0..200i64).prop_map(Wait::Seconds),
        2 => (1..30i64).prop_map(Wait::Hours),
        1 => (1..120i64).prop_map(Wait::Days),
        4 => (-2..=1i64).prop_map(Wait::Midnight),
    ]
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        8 => Just(Standing::Provisional),
        2 => Just(Standing::Active),
        1 => Just(Standing::Locked),
        1 => Just(Standing::Other),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => Just(Change::Nothing),
        2 => (0..4usize).prop_map(Change::Population),
        1 => Just(Change::NoPopulation),
        1 => Just(Change::Login),
        2 => Just(Change::Marker),
        1 => prop::option::of(0..ADDRESSES.len()).prop_map(Change::Offered),
    ]
}

fn reload() -> impl Strategy<Value = Reload> {
    prop_oneof![
        3 => Just(Reload::Charter),
        3 => (0..4usize, any::<bool>(), 0..3usize, any::<bool>()).prop_map(
            |(which, mailbox, forwarding, invite)| Reload::Population { which, mailbox, forwarding, invite }
        ),
        1 => (0..4usize).prop_map(Reload::Without),
        2 => (0..5usize).prop_map(Reload::Validity),
        2 => any::<bool>().prop_map(Reload::Anywhere),
        1 => (0..BEGINNINGS.len()).prop_map(Reload::Zone),
    ]
}
