//! Our evaluation of filters, held against slapd's own on the same entries.

use parvisd::directory::filter::Filter;
use parvisd::directory::{Entry, Found, Settings};

use crate::support::{BASE, Options, Slapd, connected, dn, person};

/// Each is asked of the server and of ourselves; the answers must name the same people.
const FILTERS: &[&str] = &[
    "(uid=JDUPONT)",
    "(uid=*)",
    "(uid=*d*)",
    "(uid=j*p*t)",
    "(uid=j*p*x)",
    "(userid=jdupont)",
    "(0.9.2342.19200300.100.1.1=jdupont)",
    "(cn=jeanne  dupont)",
    "(cn= jeanne dupont )",
    "(cn=Zoé  Île)",
    "(cn=ZOÉ ÎLE)",
    "(cn=zoe*)",
    "(cn=zo\\c3\\a9*)",
    "(cn=*dupont)",
    "(cn=* dupont)",
    "(cn=jeanne *)",
    "(cn=jeanne * dupont)",
    "(cn=*  *)",
    "(commonName=*)",
    "(cn;lang-fr=jeanne)",
    "(cn;lang-fr=*)",
    "(cn;lang-de=*)",
    "(cn;lang-fr=jeanne dupont)",
    "(name=jeanne)",
    "(name=*)",
    "(mail=*)",
    "(mail=A@B.TEST)",
    "(mail=other@b.test)",
    "(supannAutreMail=*)",
    "(!(mail=*))",
    "(!(mail=a@b.test))",
    "(noSuchAttribute=*)",
    "(noSuchAttribute=x)",
    "(!(noSuchAttribute=x))",
    "(!(noSuchAttribute=*))",
    "(|(noSuchAttribute=x)(uid=jdupont))",
    "(&(!(noSuchAttribute=x))(uid=jdupont))",
    "(!(&(noSuchAttribute=x)(uid=nobody)))",
    "(!(|(noSuchAttribute=x)(uid=nobody)))",
    "(&(noSuchAttribute=x))",
    "(!(!(noSuchAttribute=x)))",
    "(uidNumber=1000)",
    "(uidNumber=01000)",
    "(uidNumber>=999)",
    "(uidNumber>=1001)",
    "(uidNumber<=1000)",
    "(uidNumber<=9)",
    "(uidNumber=abc)",
    "(!(uidNumber=abc))",
    "(!(uidNumber>=abc))",
    "(uidNumber=-1)",
    "(uidNumber=10*)",
    "(supannEmpDateFin>=20270101000000Z)",
    "(supannEmpDateFin<=20270101000000Z)",
    "(supannEmpDateFin=20270831235959Z)",
    "(supannEmpDateFin=20270901015959+0200)",
    "(supannEmpDateFin>=tomorrow)",
    "(!(supannEmpDateFin>=tomorrow))",
    "(supannEmpDateFin>=2027083123Z)",
    "(supannEmpDateFin=2027*)",
    "(supannListeRouge=TRUE)",
    "(supannListeRouge=true)",
    "(!(supannListeRouge=true))",
    "(!(supannListeRouge=TRUE))",
    "(supannRessourceEtat={COMPTE}I:*)",
    "(supannRessourceEtat={compte}i:supanncree)",
    "(supannRessourceEtat=*Cree)",
    "(!(supannRessourceEtat={COMPTE}A:*))",
    "(supannRessourceEtat>=a)",
    "(!(supannRessourceEtat>=a))",
    "(supannAliasLogin=jdupont)",
    "(supannAliasLogin=JDupont)",
    "(supannAliasLogin=JD*)",
    "(supannAliasLogin=jd*)",
    "(supannConsentement=*CGU*)",
    "(!(supannConsentement=*CGU*))",
    "(objectClass=person)",
    "(objectClass=inetOrgPerson)",
    "(objectClass=INETORGPERSON)",
    "(objectClass=top)",
    "(objectClass=2.5.6.6)",
    "(objectClass=noSuchClass)",
    "(!(objectClass=noSuchClass))",
    "(objectClass=posixAccount)",
    "(objectClass=*)",
    "(manager=uid=JDUPONT, ou=people, dc=univ, dc=test)",
    "(manager=uid=jdupont,ou=people,dc=univ,dc=test)",
    "(manager=*)",
    "(manager=not a dn)",
    "(!(manager=not a dn))",
    "(telephoneNumber=+33 1-23 45)",
    "(telephoneNumber=+3312345)",
    "(telephoneNumber=+331*)",
    "(telephoneNumber=*2 3*)",
    "(eduPersonEntitlement=urn:X)",
    "(eduPersonEntitlement=urn:x)",
    "(homeDirectory=/home/J)",
    "(homeDirectory=/home/j)",
    "(description=\\2a\\28\\29\\5c)",
    "(description=*\\2a*)",
    "(description=)",
    "(&)",
    "(|)",
    "(!(&))",
    "(&(uid=jdupont)(|(cn=*)(sn=x))(!(uid=zoe)))",
    "(entryUUID=*)",
    "(createTimestamp>=20000101000000Z)",
    "(pwdAccountLockedTime=*)",
    "(!(pwdAccountLockedTime=*))",
    "(givenName=a*b*c)",
    "(givenName=aXbYc)",
    "(givenName=*b*b*)",
    "(jpegPhoto=*)",
    "(postalAddress=1 rue$*)",
    "(employeeNumber=12)",
    "(employeeNumber=1*)",
];

const FIRST: &str = "dn: uid=jdupont,ou=people,dc=univ,dc=test
objectClass: inetOrgPerson
objectClass: eduPerson
objectClass: supannPerson
objectClass: posixAccount
uid: jdupont
cn: Jeanne   DUPONT
cn: Jeanne of Test
cn;lang-fr: Jeanne
sn: Test
mail: a@b.test
supannEmpDateFin: 20270831235959Z
supannListeRouge: TRUE
supannAliasLogin: JDupont
supannRessourceEtat: {COMPTE}I:SupannCree
supannRessourceEtat: {MAIL}A:SupannActif
uidNumber: 1000
gidNumber: 1000
homeDirectory: /home/j
telephoneNumber: +33 1 23 45
description: *()\\
givenName: aXbYc
";

const SECOND: &str = "dn: uid=zoe,ou=people,dc=univ,dc=test
objectClass: inetOrgPerson
objectClass: eduPerson
objectClass: supannPerson
uid: zoe
cn: Zoé Île
sn: Test
supannAutreMail: other@b.test
supannListeRouge: FALSE
supannRessourceEtat: {COMPTE}A:SupannActif
manager: uid=jdupont,ou=people,dc=univ,dc=test
eduPersonEntitlement: urn:x
givenName: Jeanne
supannConsentement: {CGU}1
employeeNumber: 12
postalAddress: 1 rue$Ville
";

#[tokio::test]
async fn we_say_what_the_server_says() {
    let people = format!("{FIRST}\n{SECOND}\n{}", person("bare", "S:x", ""));
    let slapd = Slapd::start(Options::default(), &people);
    let everything = Settings { attributes: vec!["*".to_owned(), "+".to_owned()], ..slapd.settings() };
    let directory = connected(everything).await;
    let mut entries: Vec<Entry> = Vec::new();
    for login in ["jdupont", "zoe", "bare"] {
        match directory.find(login).await {
            Ok(Found::One(entry)) => entries.push(*entry),
            other => panic!("{other:?}"),
        }
    }
    let mut wrong = Vec::new();
    for text in FILTERS {
        let filter = Filter::parse(text).unwrap();
        let ours: Vec<&str> =
            entries.iter().filter(|e| directory.matches(&filter, e)).map(|e| e.dn.as_str()).collect();
        let answer = slapd.tool(
            "ldapsearch",
            &["-LLL", "-o", "ldif-wrap=no", "-s", "one", "-b", &format!("ou=people,{BASE}"), text, "1.1"],
            "",
        );
        let named = |uid: &&str| answer.contains(&format!("dn: {}\n", dn(uid)));
        let theirs: Vec<String> =
            ["jdupont", "zoe", "bare"].iter().filter(|uid| named(uid)).map(|uid| dn(uid)).collect();
        if ours != theirs {
            wrong.push(format!("{text}: we say {ours:?}, the server {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
