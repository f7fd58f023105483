//! Our evaluation of filters, held against slapd's own on the same entries.

use parvisd::directory::filter::Filter;
use parvisd::directory::{Entry, Found, Settings};

use crate::support::{BASE, Options, SERVICE, SERVICE_PASSWORD, Slapd, connected, dn, person};

/// Each is asked of the server and of ourselves; the answers must name the same people.
const FILTERS: &[&str] = &[
    "(uid=JDUPONT)", "(uid=*)", "(uid=*d*)", "(uid=j*p*t)", "(uid=j*p*x)", "(userid=jdupont)", "(0.9.2342.19200300.100.1.1=jdupont)",
    "(cn=jeanne  dupont)", "(cn= jeanne dupont )", "(cn=Zoé  Île)", "(cn=ZOÉ ÎLE)", "(cn=zoe*)", "(cn=zo\\c3\\a9*)",
    "(cn=*dupont)", "(cn=* dupont)", "(cn=jeanne *)", "(cn=jeanne * dupont)", "(cn=*  *)", "(commonName=*)",
    "(cn;lang-fr=jeanne)", "(cn;lang-fr=*)", "(cn;lang-de=*)", "(cn;lang-fr=jeanne dupont)", "(name=jeanne)", "(name=*)",
    "(mail=*)", "(mail=A@B.TEST)", "(mail=other@b.test)", "(supannAutreMail=*)", "(!(mail=*))", "(!(mail=a@b.test))",
    "(noSuchAttribute=*)", "(noSuchAttribute=x)", "(!(noSuchAttribute=x))", "(!(noSuchAttribute=*))",
    "(|(noSuchAttribute=x)(uid=jdupont))", "(&(!(noSuchAttribute=x))(uid=jdupont))", "(!(&(noSuchAttribute=x)(uid=nobody)))",
    "(!(|(noSuchAttribute=x)(uid=nobody)))", "(&(noSuchAttribute=x))", "(!(!(noSuchAttribute=x)))",
    "(uidNumber=1000)", "(uidNumber=01000)", "(uidNumber>=999)", "(uidNumber>=1001)", "(uidNumber<=1000)", "(uidNumber<=9)",
    "(uidNumber=abc)", "(!(uidNumber=abc))", "(!(uidNumber>=abc))", "(uidNumber=-1)", "(uidNumber=10*)",
    "(supannEmpDateFin>=20270101000000Z)", "(supannEmpDateFin<=20270101000000Z)", "(supannEmpDateFin=20270831235959Z)",
    "(supannEmpDateFin=20270901015959+0200)", "(supannEmpDateFin>=tomorrow)", "(!(supannEmpDateFin>=tomorrow))",
    "(supannEmpDateFin>=2027083123Z)", "(supannEmpDateFin=2027*)",
    "(supannListeRouge=TRUE)", "(supannListeRouge=true)", "(!(supannListeRouge=true))", "(!(supannListeRouge=TRUE))",
    "(supannRessourceEtat={COMPTE}I:*)", "(supannRessourceEtat={compte}i:supanncree)", "(supannRessourceEtat=*Cree)",
    "(!(supannRessourceEtat={COMPTE}A:*))", "(supannRessourceEtat>=a)", "(!(supannRessourceEtat>=a))",
    "(supannAliasLogin=jdupont)", "(supannAliasLogin=JDupont)", "(supannAliasLogin=JD*)", "(supannAliasLogin=jd*)",
    "(supannConsentement=*CGU*)", "(!(supannConsentement=*CGU*))",
    "(objectClass=person)", "(objectClass=inetOrgPerson)", "(objectClass=INETORGPERSON)", "(objectClass=top)",
    "(objectClass=2.5.6.6)", "(objectClass=noSuchClass)", "(!(objectClass=noSuchClass))", "(objectClass=posixAccount)",
    "(objectClass=*)", "(manager=uid=JDUPONT, ou=people, dc=univ, dc=test)", "(manager=uid=jdupont,ou=people,dc=univ,dc=test)",
    "(manager=*)", "(manager=not a dn)", "(!(manager=not a dn))", "(telephoneNumber=+33 1-23 45)", "(telephoneNumber=+3312345)",
    "(telephoneNumber=+331*)", "(telephoneNumber=*2 3*)", "(eduPersonEntitlement=urn:X)", "(eduPersonEntitlement=urn:x)",
    "(homeDirectory=/home/J)", "(homeDirectory=/home/j)", "(description=\\2a\\28\\29\\5c)", "(description=*\\2a*)", "(description=)",
    "(&)", "(|)", "(!(&))", "(&(uid=jdupont)(|(cn=*)(sn=x))(!(uid=zoe)))", "(entryUUID=*)", "(createTimestamp>=20000101000000Z)",
    "(pwdAccountLockedTime=*)", "(!(pwdAccountLockedTime=*))", "(givenName=a*b*c)", "(givenName=aXbYc)", "(givenName=*b*b*)",
    "(jpegPhoto=*)", "(postalAddress=1 rue$*)", "(employeeNumber=12)", "(employeeNumber=1*)",
];

#[tokio::test]
async fn we_say_what_the_server_says() {
    let first = "cn: Jeanne   DUPONT\ncn;lang-fr: Jeanne\nmail: a@b.test\nsupannEmpDateFin: 20270831235959Z\nsupannListeRouge: TRUE\nsupannAliasLogin: JDupont\nobjectClass: posixAccount\nuidNumber: 1000\ngidNumber: 1000\nhomeDirectory: /home/j\ntelephoneNumber: +33 1 23 45\ndescription: *()\\\ngivenName: aXbYc\nsupannRessourceEtat: {MAIL}A:SupannActif";
    let second = "cn: Zoé Île\nsupannAutreMail: other@b.test\nsupannListeRouge: FALSE\nmanager: uid=jdupont,ou=people,dc=univ,dc=test\neduPersonEntitlement: urn:x\ngivenName: Jeanne\nsupannConsentement: {CGU}1\nemployeeNumber: 12\npostalAddress: 1 rue$Ville";
    let people = person("jdupont", "I:SupannCree", first) + &person("zoe", "A:SupannActif", second) + &person("bare", "S:x", "");
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
        let ours: Vec<&str> = entries.iter().filter(|e| directory.matches(&filter, e)).map(|e| e.dn.as_str()).collect();
        let answer = slapd.tool(
            "ldapsearch",
            &["-LLL", "-o", "ldif-wrap=no", "-D", SERVICE, "-w", SERVICE_PASSWORD, "-s", "one", "-b", &format!("ou=people,{BASE}"), text, "1.1"],
            "",
        );
        let named = |uid: &&str| answer.contains(&format!("dn: {}\n", dn(uid)));
        let theirs: Vec<String> = ["jdupont", "zoe", "bare"].iter().filter(|uid| named(uid)).map(|uid| dn(uid)).collect();
        if ours != theirs {
            wrong.push(format!("{text}: we say {ours:?}, the server {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
