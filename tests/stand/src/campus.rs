//! A small believable campus: the people of a university, as their directory holds them before anybody arrives.
//!
//! Everything is fixed text: the same campus every time. It must not know how a person is activated.

use crate::ldif::push;
use crate::slapd::SUFFIX;

/// The provisional password that everybody beyond the first dozen shares, so that a large campus loads in seconds.
pub const SHARED_PASSWORD: &str = "Bienvenue-4417-Parvis";

/// Which kind of member a person is: what they may and must choose depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Population {
    /// Staff with a contract of their own: a mailbox.
    Permanent,
    /// Paid by the hour: no mailbox, so a forwarding address is required (`supannEmpCorps` `{NCORPS}758`).
    Vacataire,
    /// A mailbox.
    Student,
}

/// What `supannRessourceEtat` says of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// `{COMPTE}I:SupannCree`: waiting for its owner.
    Provisional,
    /// `{COMPTE}A:SupannActif`.
    Active,
    /// `{COMPTE}S:SupannVerrouAdministratif`.
    Locked,
}

/// A member of the campus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// `uid`, and what they type as their name.
    pub login: String,
    /// What the letter says; of an active person, the password of their own.
    pub provisional_password: String,
    /// Their entry's name.
    pub dn: String,
    /// Given name and surname, in that order, in their own writing.
    pub name: String,
    /// `givenName`.
    pub given: String,
    /// `sn`.
    pub surname: String,
    /// What they are here.
    pub population: Population,
    /// Whether they have arrived.
    pub state: State,
    /// `mail`: the mailbox's address, for those who have one.
    pub mailbox: Option<String>,
    /// `supannMailPerso`: the address that they gave when they were recruited, if they did.
    pub personal_mail: Option<String>,
    /// `preferredLanguage`, if known.
    pub language: Option<String>,
}

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Population,
    State,
    Option<&'static str>,
    Option<&'static str>,
);

use Population::{Permanent, Student, Vacataire};
use State::{Active, Locked, Provisional};

/// Login, given name, surname, password, population, state, personal address, language.
#[rustfmt::skip]
const PEOPLE: &[Row] = &[
    ("mdurand", "Marie", "Durand", "Kivo-4821-Tepa", Permanent, Provisional, Some("marie.durand@laposte.example"), Some("fr")),
    ("elefevre", "Éléonore", "Lefèvre-Çelik", "Nura-7305-Molo", Permanent, Provisional, None, Some("fr")),
    ("sobrien", "Siobhán", "O’Brien", "Rafi-1946-Zule", Permanent, Provisional, Some("siobhan@obrien.example"), Some("en")),
    ("jdelarue", "Jean-Baptiste", "de l'Arue", "Bemo-5580-Kita", Permanent, Provisional, None, None),
    ("pmoreau", "Paul", "Moreau", "Vasu-3092-Lemi", Vacataire, Provisional, Some("paul.moreau@courriel.example"), Some("fr")),
    ("ybenali", "ياسمين", "بن علي", "Tolu-8614-Dare", Vacataire, Provisional, None, Some("fr")),
    ("akovacs", "Ágnes", "Kovács", "Pima-2277-Sove", Vacataire, Provisional, None, Some("en;q=1.0, hu;q=0.5")),
    ("lnguyen", "Linh", "Nguyễn", "Hedu-6153-Warn", Student, Provisional, Some("linh.nguyen@etu.example"), Some("fr")),
    ("dcohen", "דוד", "כהן", "Gapi-9038-Fenu", Student, Provisional, Some("d.cohen@boite.example"), Some("en")),
    ("tpetit", "Théo", "Petit", "Jobu-1725-Rika", Student, Provisional, None, Some("fr")),
    ("cbernard", "Claire", "Bernard", "Deja-arrivee-2024", Permanent, Active, Some("claire@bernard.example"), Some("fr")),
    ("rlemoine", "Rémi", "Lemoine", "Suno-4460-Pavi", Permanent, Locked, Some("remi@lemoine.example"), Some("fr")),
];

/// The dozen people that the tests and the demo know by name.
pub fn small() -> Vec<Person> {
    PEOPLE.iter().map(named).collect()
}

/// The dozen, and as many more as it takes to be `count`: provisional all, one vacataire and two permanent in five.
pub fn campus(count: usize) -> Vec<Person> {
    let named = small();
    let more = count.saturating_sub(named.len());
    named.into_iter().take(count).chain((0..more).map(numbered)).collect()
}

fn named(row: &Row) -> Person {
    let &(login, given, surname, password, population, state, personal_mail, language) = row;
    Person {
        login: login.to_owned(),
        provisional_password: password.to_owned(),
        dn: dn(login),
        name: format!("{given} {surname}"),
        given: given.to_owned(),
        surname: surname.to_owned(),
        population,
        state,
        mailbox: (population != Vacataire).then(|| format!("{login}@univ.example")),
        personal_mail: personal_mail.map(str::to_owned),
        language: language.map(str::to_owned),
    }
}

fn numbered(index: usize) -> Person {
    const GIVEN: [&str; 8] = ["Amélie", "Bruno", "Chloé", "Driss", "Élise", "Farid", "Gaëlle", "Hugo"];
    const SURNAME: [&str; 7] = ["Martin", "Bérard", "Le Goff", "D'Angelo", "Núñez", "Schäfer", "Traoré"];
    let pick = |names: &[&'static str]| names.get(index % names.len()).copied().unwrap_or_default();
    let population = match index % 5 {
        0 => Vacataire,
        1 | 2 => Permanent,
        _ => Student,
    };
    let login = format!("p{index:06}");
    let (given, surname) = (pick(&GIVEN).to_owned(), format!("{} {index}", pick(&SURNAME)));
    Person {
        provisional_password: SHARED_PASSWORD.to_owned(),
        dn: dn(&login),
        name: format!("{given} {surname}"),
        given,
        surname,
        population,
        state: Provisional,
        mailbox: (population != Vacataire).then(|| format!("{login}@univ.example")),
        personal_mail: index.is_multiple_of(2).then(|| format!("{login}@perso.example")),
        language: Some(if index % 4 == 3 { "en" } else { "fr" }.to_owned()),
        login,
    }
}

/// Where OpenLDAP and 389 Directory Server have the person with this login.
pub(crate) fn dn(login: &str) -> String {
    format!("uid={login},ou=people,{SUFFIX}")
}

/// The person's entry, ready for `slapadd` or `ldapadd`; `password` is written as it is given (hashed or clear).
pub fn entry(person: &Person, password: &str) -> String {
    let mut ldif = String::new();
    let mut put = |name: &str, value: &str| push(&mut ldif, name, value);
    put("dn", &person.dn);
    for class in ["inetOrgPerson", "eduPerson", "supannPerson", "mailRecipient"] {
        put("objectClass", class);
    }
    put("uid", &person.login);
    put("supannAliasLogin", &person.login);
    put("cn", &format!("{} {}", person.surname, person.given));
    put("sn", &person.surname);
    put("givenName", &person.given);
    put("displayName", &person.name);
    put("eduPersonPrincipalName", &format!("{}@univ.example", person.login));
    put("supannEtablissement", "{UAI}0000000X");
    for (name, value) in role(person.population) {
        put(name, value);
    }
    for (name, value) in state(person.state, person.mailbox.is_some()) {
        put(name, value);
    }
    let optional = [
        ("mail", &person.mailbox),
        ("supannMailPerso", &person.personal_mail),
        ("preferredLanguage", &person.language),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            put(name, value);
        }
    }
    put("userPassword", password);
    ldif
}

fn role(population: Population) -> &'static [(&'static str, &'static str)] {
    match population {
        Permanent => &[
            ("eduPersonAffiliation", "member"),
            ("eduPersonAffiliation", "employee"),
            ("eduPersonAffiliation", "faculty"),
            ("eduPersonPrimaryAffiliation", "faculty"),
            ("supannEmpCorps", "{NCORPS}301"),
        ],
        Vacataire => &[
            ("eduPersonAffiliation", "affiliate"),
            ("eduPersonAffiliation", "teacher"),
            ("eduPersonPrimaryAffiliation", "teacher"),
            ("supannEmpCorps", "{NCORPS}758"),
        ],
        Student => &[
            ("eduPersonAffiliation", "member"),
            ("eduPersonAffiliation", "student"),
            ("eduPersonPrimaryAffiliation", "student"),
        ],
    }
}

fn state(state: State, mailbox: bool) -> &'static [(&'static str, &'static str)] {
    match (state, mailbox) {
        (Provisional, _) => &[
            ("supannRessourceEtat", "{COMPTE}I:SupannCree"),
            ("supannRessourceEtatDate", "{COMPTE}I:SupannCree:20260825:"),
        ],
        (Active, false) => &[
            ("supannRessourceEtat", "{COMPTE}A:SupannActif"),
            ("supannRessourceEtatDate", "{COMPTE}A:SupannActif:20240902:"),
        ],
        // An attribute's values stand together: slapadd keeps them as they come, and clients see the last group only.
        (Active, true) => &[
            ("supannRessourceEtat", "{COMPTE}A:SupannActif"),
            ("supannRessourceEtat", "{MAIL}A:SupannActif"),
            ("supannRessourceEtatDate", "{COMPTE}A:SupannActif:20240902:"),
            ("supannRessourceEtatDate", "{MAIL}A:SupannActif:20240902:"),
            ("supannListeRouge", "FALSE"),
        ],
        (Locked, _) => &[
            ("supannRessourceEtat", "{COMPTE}S:SupannVerrouAdministratif"),
            ("supannRessourceEtatDate", "{COMPTE}S:SupannVerrouAdministratif:20260110:"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ldif::parse;

    #[test]
    fn the_campus_is_as_large_as_asked_and_nobody_is_twice() {
        for count in [0, 5, 12, 400] {
            let logins: std::collections::BTreeSet<String> =
                campus(count).into_iter().map(|person| person.login).collect();
            assert_eq!(logins.len(), count);
        }
    }

    #[test]
    fn a_vacataire_has_no_mailbox_and_the_others_do() {
        for person in campus(60) {
            let entries = parse(&entry(&person, "x"));
            assert_eq!(entries.len(), 1, "one entry a person");
            assert_eq!(entries[0].get("mail").is_none(), person.population == Vacataire, "{}", person.login);
            assert_eq!(entries[0].has("supannEmpCorps", "{NCORPS}758"), person.population == Vacataire);
            assert_eq!(entries[0].get("displayName"), Some(person.name.as_str()));
        }
    }
}
