//! What four people chose at step 7, and where their mail goes: the same story for each way to forward, and for each
//! notion of "keep a copy".

use anyhow::Result;

use crate::support::{By, Campus, ELEONORE, Notion, Options};

struct Chosen {
    login: &'static str,
    address: &'static str,
    forward: Option<(&'static str, bool)>,
    /// How often a mail comes to the outside address, and to the mailbox.
    comes: (usize, usize),
}

const CHOSEN: [Chosen; 4] = [
    Chosen {
        login: "mdurand",
        address: "mdurand@univ.example",
        forward: Some(("marie@maison.example", true)),
        comes: (1, 1),
    },
    Chosen {
        login: "elefevre",
        address: ELEONORE,
        forward: Some(("eleonore@maison.example", false)),
        comes: (1, 0),
    },
    // A vacataire.
    Chosen {
        login: "pmoreau",
        address: "pmoreau@univ.example",
        forward: Some(("paul@maison.example", false)),
        comes: (1, 0),
    },
    Chosen { login: "lnguyen", address: "lnguyen@univ.example", forward: None, comes: (0, 1) },
];

/// To `address`, a form of theirs: where it came, and nowhere else.
fn goes_where_they_chose(campus: &Campus, chosen: &Chosen, address: &str, subject: &str) -> Result<()> {
    campus.deliver(&[address], subject)?;
    let outside = chosen.forward.map_or(0, |(address, _)| campus.outside(address, subject));
    assert_eq!((outside, campus.inside(chosen.login, subject)), chosen.comes, "{subject}");
    assert_eq!(campus.leaked(subject), outside, "{subject} went elsewhere");
    Ok(())
}

fn everybodys_mail_goes_where_they_chose(options: Options) -> Result<()> {
    let campus = Campus::start(options)?;
    for chosen in &CHOSEN {
        campus.activate(chosen.login, chosen.forward)?;
    }
    for chosen in &CHOSEN {
        let (local, domain) = chosen.address.split_once('@').expect("an address");
        goes_where_they_chose(&campus, chosen, chosen.address, &format!("alone-{local}"))?;
        let shouted = chosen.address.to_uppercase();
        goes_where_they_chose(&campus, chosen, &shouted, &format!("shouted-{local}"))?;
        let tagged = format!("{local}+listes@{domain}");
        goes_where_they_chose(&campus, chosen, &tagged, &format!("tagged-{local}"))?;
    }
    // One mail to all of them, to somebody who waits, and to two whom nobody knows.
    let mut to: Vec<&str> = CHOSEN.iter().map(|chosen| chosen.address).collect();
    to.extend(["tpetit@univ.example", "nemo@univ.example", "elefevre@univ.example"]);
    let replies = campus.write(&to, "together")?;
    let codes: Vec<&str> = replies.recipients.iter().filter_map(|reply| reply.get(..9)).collect();
    let taken = "250 2.1.5";
    assert_eq!(codes, [taken, taken, taken, taken, "450 4.2.1", "550 5.1.1", "550 5.1.1"], "{replies:?}");
    campus.postfix.wait_empty(crate::support::SOON)?;
    let mut outside = 0;
    for chosen in &CHOSEN {
        let came = chosen.forward.map_or(0, |(address, _)| campus.outside(address, "together"));
        assert_eq!((came, campus.inside(chosen.login, "together")), chosen.comes, "{}", chosen.login);
        outside += came;
    }
    assert_eq!(campus.leaked("together"), outside);
    let no_mailbox = ["pmoreau", "tpetit", "nemo"].map(|login| campus.dovecot.homes().join(login).exists());
    assert_eq!(no_mailbox, [false; 3], "a mailbox was made for somebody who has none");
    let log = campus.postfix.log() + &campus.dovecot.log();
    let complaints = log
        .lines()
        .filter(|line| ["warning:", "fatal:", "Warning:", "Error:"].iter().any(|word| line.contains(word)));
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&str>::new());
    Ok(())
}

#[test]
fn by_postfix_in_netscapes_words() -> Result<()> {
    everybodys_mail_goes_where_they_chose(Options::MAPS)
}

#[test]
fn by_postfix_in_qmails_words() -> Result<()> {
    everybodys_mail_goes_where_they_chose(Options { notion: Notion::Qmail, ..Options::MAPS })
}

#[test]
fn by_sieve_in_netscapes_words() -> Result<()> {
    everybodys_mail_goes_where_they_chose(Options::SIEVE)
}

#[test]
fn by_sieve_in_qmails_words() -> Result<()> {
    everybodys_mail_goes_where_they_chose(Options { by: By::Sieve, notion: Notion::Qmail, ..Options::MAPS })
}
