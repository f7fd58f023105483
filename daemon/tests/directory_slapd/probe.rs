//! What `parvisctl check` finds out about a server.

use parvisd::directory::{Asked, Bind, Level, Mapping, PasswordWrite, Report, Settings, probe};

use crate::support::{LETTER, Options, ROOT, ROOT_PASSWORD, Slapd, dn, outside, person};

async fn look(slapd: &Slapd, entry: Option<&str>, change: impl FnOnce(&mut Settings)) -> Report {
    let mut settings = Settings { password_write: None, ..slapd.settings() };
    change(&mut settings);
    let rules = Mapping::compile(&Mapping::supann()).unwrap();
    let writes: Vec<String> = rules.writes().map(str::to_owned).collect();
    let asked = Asked { writes: &writes, ..Asked::default() };
    probe(&settings.prepare().unwrap(), &asked, entry, &*outside().random).await
}

fn faults(report: &Report) -> Vec<&str> {
    report
        .findings
        .iter()
        .filter(|found| found.level == Level::Fail)
        .map(|found| found.what.as_str())
        .collect()
}

fn says(report: &Report, level: Level, words: &str) -> bool {
    report.findings.iter().any(|found| found.level == level && found.what.contains(words))
}

fn people() -> String {
    person("probe", "A:test", "") + &person("one", "I:x", "") + &person("two", "I:x", "")
}

#[tokio::test]
async fn a_good_server_has_no_faults_and_what_it_does_with_passwords_is_proven() {
    for (hashes, expected) in [(true, PasswordWrite::InModify), (false, PasswordWrite::Extended)] {
        let slapd = Slapd::start(Options { hashes, ..Options::default() }, &people());
        let report = look(&slapd, Some(&dn("probe")), |_| ()).await;
        assert_eq!(faults(&report), Vec::<&str>::new());
        assert_eq!(report.password_write, expected);
        assert_eq!(says(&report, Level::Warn, "it is not stated"), hashes, "{report:?}");
        assert!(says(&report, Level::Ok, "2 entries are provisional"), "{report:?}");
        assert!(says(&report, Level::Ok, "the password policy applies"), "{report:?}");
        assert!(slapd.show(&dn("probe")).contains("\nuserPassword:: e1NTSEF9"), "a hash is left behind");
        assert!(!slapd.binds(&dn("probe"), LETTER));

        let report = look(&slapd, None, |_| ()).await;
        assert_eq!(
            (faults(&report).len(), report.password_write),
            (0, PasswordWrite::Extended),
            "nothing is proven"
        );

        let report =
            look(&slapd, Some(&dn("probe")), |s| s.password_write = Some(PasswordWrite::InModify)).await;
        assert_eq!(report.password_write, expected);
        assert_eq!(says(&report, Level::Fail, "clear text"), !hashes, "{report:?}");
    }
}

#[tokio::test]
async fn where_the_configuration_can_be_read_it_is_believed() {
    for (hashes, expected) in [(true, PasswordWrite::InModify), (false, PasswordWrite::Extended)] {
        let slapd = Slapd::start(Options { hashes, open_config: true, ..Options::default() }, &people());
        let report = look(&slapd, None, |_| ()).await;
        assert_eq!((faults(&report).len(), report.password_write), (0, expected), "{report:?}");
        let directory =
            crate::support::connected(Settings { password_write: None, ..slapd.settings() }).await;
        assert_eq!(directory.password_write(), expected);
    }
}

#[tokio::test]
async fn the_root_of_the_database_is_no_identity_for_a_service() {
    let slapd = Slapd::start(Options::default(), &people());
    let root = Bind::Simple { dn: ROOT.to_owned(), password: ROOT_PASSWORD.into() };
    let report = look(&slapd, Some(&dn("probe")), |settings| settings.bind = root).await;
    assert!(says(&report, Level::Fail, "a password of one letter"), "{report:?}");
    drop(slapd);
    let slapd = Slapd::start(Options { manage: true, ..Options::default() }, &people());
    let report = look(&slapd, Some(&dn("probe")), |_| ()).await;
    assert!(says(&report, Level::Fail, "a password of one letter"), "{report:?}");
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let slapd = Slapd::start(Options::default(), &people());
    let elsewhere = "ldap://127.0.0.1:1".to_owned();
    let report = look(&slapd, None, |settings| {
        settings.uris.insert(0, elsewhere);
        settings.base = "ou=nowhere,dc=univ,dc=test".to_owned();
    })
    .await;
    assert!(says(&report, Level::Fail, "ldap://127.0.0.1:1 cannot be reached"), "{report:?}");
    assert!(says(&report, Level::Fail, "the base ou=nowhere"), "{report:?}");
    let report = look(&slapd, None, |s| s.provisional = "(noSuchAttribute=x)".to_owned()).await;
    assert!(says(&report, Level::Warn, "nosuchattribute"), "{report:?}");
    let bind = Bind::Simple { dn: crate::support::SERVICE.to_owned(), password: "wrong".into() };
    let report = look(&slapd, None, |settings| settings.bind = bind).await;
    assert!(says(&report, Level::Fail, "refuses the service"), "{report:?}");
}
