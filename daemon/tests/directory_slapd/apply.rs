//! Activation: one act, or nothing.

use nix::sys::signal::Signal;
use parvisd::directory::plan::{Act, Change};
use parvisd::directory::{
    ApplyError, Chosen, Directory, Entry, Found, Mapping, PasswordFault, PasswordWrite, Plan, Settings,
    Standing,
};

use crate::support::{LETTER, Options, Slapd, connected, dn, person};

const NEW: &str = "Nouveau-Mot-2026";

fn chosen() -> Chosen {
    Chosen {
        login: "jdupont".into(),
        recovery_address: "jeanne@example.net".into(),
        listed: true,
        mailbox: true,
        forward: Some("jeanne@example.net".into()),
        keep_copy: false,
        charter: parvisd::directory::Charter { version: "2026-1".into(), ..Default::default() },
        today: "20260901".into(),
        now: "20260901120000Z".into(),
    }
}

fn newcomer() -> String {
    let date = "supannRessourceEtatDate: {COMPTE}I:SupannCree:20260825:20270831";
    person("jdupont", "I:SupannCree", &format!("supannRessourceEtat: {{MAIL}}I:SupannCree\n{date}"))
}

async fn read(directory: &Directory) -> Entry {
    match directory.find("jdupont").await {
        Ok(Found::One(entry)) => *entry,
        other => panic!("{other:?}"),
    }
}

fn plan(entry: &Entry) -> Plan {
    Mapping::compile(&Mapping::supann()).unwrap().plan(entry, &chosen()).unwrap()
}

/// Is the password that the administrator sees a hash? (`{SSHA}`, as LDIF encodes it.)
fn hashed(shown: &str) -> bool {
    shown.contains("\nuserPassword:: e1NTSEF9")
}

/// Slapd, the settings for it, and a connected directory.
async fn stand(options: Options, write: Option<PasswordWrite>) -> (Slapd, Directory) {
    let slapd = Slapd::start(options, &newcomer());
    let mapping = Mapping::compile(&Mapping::supann()).unwrap();
    let attributes = mapping.reads().map(str::to_owned).collect();
    let directory = connected(Settings { password_write: write, attributes, ..slapd.settings() }).await;
    (slapd, directory)
}

async fn activates(options: Options, write: Option<PasswordWrite>, expected: PasswordWrite) {
    let (slapd, directory) = stand(options, write).await;
    assert_eq!(directory.password_write(), expected);
    let before = read(&directory).await;
    let applied = directory.apply(&plan(&before), &NEW.into()).await.unwrap();
    let after = read(&directory).await;
    assert_eq!(applied.stamp.as_deref(), Some(after.stamp.as_str()));
    assert!(after.stamp > before.stamp);
    assert_eq!(directory.standing(&after), Standing::Active);
    let shown = slapd.show(&dn("jdupont"));
    for line in [
        "supannRessourceEtatDate: {COMPTE}A:SupannActif:20260901:20270831\n",
        "supannRessourceEtat: {COMPTE}A:SupannActif\n",
        "supannRessourceEtat: {MAIL}A:SupannActif\n",
        "supannListeRouge: FALSE\n",
        "supannMailPerso: jeanne@example.net\n",
        "mailForwardingAddress: jeanne@example.net\n",
        "deliveryMode: nolocal\n",
        "supannConsentement: {CGU}2026-1:20260901\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert!(!shown.contains("I:SupannCree") && !shown.contains("pwdReset: TRUE"), "{shown}");
    assert!(slapd.binds(&dn("jdupont"), NEW) && !slapd.binds(&dn("jdupont"), LETTER));
    assert!(hashed(&shown), "{shown}");
}

#[tokio::test]
async fn one_modify_activates_where_the_server_hashes() {
    activates(Options::default(), Some(PasswordWrite::InModify), PasswordWrite::InModify).await;
}

#[tokio::test]
async fn two_operations_activate_where_it_does_not() {
    activates(Options { hashes: false, ..Options::default() }, None, PasswordWrite::Extended).await;
}

/// This must not happen, and the entry must be as it was.
async fn refused(slapd: &Slapd, directory: &Directory, plan: &Plan, password: &str) -> ApplyError {
    let before = slapd.show(&dn("jdupont"));
    let error = directory.apply(plan, &password.into()).await.unwrap_err();
    assert_eq!(slapd.show(&dn("jdupont")), before, "{error}");
    error
}

#[tokio::test]
async fn a_refused_password_changes_nothing_and_says_why() {
    for write in [PasswordWrite::InModify, PasswordWrite::Extended] {
        let (slapd, directory) = stand(Options::default(), Some(write)).await;
        let plan = plan(&read(&directory).await);
        for (password, fault) in [("short", PasswordFault::TooShort), (LETTER, PasswordFault::Reused)] {
            assert_eq!(
                refused(&slapd, &directory, &plan, password).await,
                ApplyError::Password(fault),
                "{write:?}"
            );
        }
        assert!(slapd.binds(&dn("jdupont"), LETTER));
        directory.apply(&plan, &NEW.into()).await.unwrap();
    }
}

#[tokio::test]
async fn another_attribute_that_is_wrong_stops_everything() {
    let (slapd, directory) = stand(Options::default(), Some(PasswordWrite::InModify)).await;
    let good = plan(&read(&directory).await);
    for (attribute, code) in [("supannListeRouge", 21), ("noSuchThing", 17), ("employeeType", 50)] {
        let mut bad = good.clone();
        let act = Act::Replace { held: vec![], only: vec![b"perhaps".to_vec()] };
        bad.changes.push(Change { attribute: attribute.to_owned(), act });
        let error = refused(&slapd, &directory, &bad, NEW).await;
        assert!(
            matches!(error, ApplyError::Refused { code: said, .. } if said == code),
            "{attribute}: {error:?}"
        );
        assert!(slapd.binds(&dn("jdupont"), LETTER));
    }
}

#[tokio::test]
async fn a_change_between_reading_and_writing_is_noticed() {
    let changes = [
        "delete: supannRessourceEtat\nsupannRessourceEtat: {COMPTE}I:SupannCree\n-\nadd: supannRessourceEtat\nsupannRessourceEtat: {COMPTE}S:SupannVerrouille",
        "delete: supannRessourceEtat\nsupannRessourceEtat: {COMPTE}I:SupannCree\n-\nadd: supannRessourceEtat\nsupannRessourceEtat: {COMPTE}I:SupannPrecree",
        "replace: pwdAccountLockedTime\npwdAccountLockedTime: 20260101000000Z",
        "replace: supannRessourceEtatDate\nsupannRessourceEtatDate: {COMPTE}I:SupannCree:20260825:20280831",
    ];
    for write in [PasswordWrite::InModify, PasswordWrite::Extended] {
        for change in changes {
            let (slapd, directory) = stand(Options::default(), Some(write)).await;
            let plan = plan(&read(&directory).await);
            slapd.modify(&format!("dn: {}\nchangetype: modify\n{change}\n", dn("jdupont")));
            let before = slapd.show(&dn("jdupont"));
            match directory.apply(&plan, &NEW.into()).await.unwrap_err() {
                ApplyError::Moved => assert_eq!(slapd.show(&dn("jdupont")), before, "{change}"),
                // RFC 3062 cannot be made to depend on attributes that the states do not look at.
                ApplyError::PasswordOnly(cause) if write == PasswordWrite::Extended => {
                    assert_eq!(*cause, ApplyError::Moved, "{change}");
                    assert!(change.contains("I:SupannPrecree") || change.contains("EtatDate"), "{change}");
                }
                other => panic!("{change}: {other:?}"),
            }
            let standing = directory.standing(&read(&directory).await);
            assert_ne!(standing, Standing::Active, "{change}");
        }
    }
}

#[tokio::test]
async fn an_entry_that_was_renamed_or_deleted_is_told_apart() {
    for write in [PasswordWrite::InModify, PasswordWrite::Extended] {
        let (slapd, directory) = stand(Options::default(), Some(write)).await;
        let stale = plan(&read(&directory).await);
        slapd.modify(&format!(
            "dn: {}\nchangetype: modrdn\nnewrdn: uid=jdupont\ndeleteoldrdn: 1\nnewsuperior: ou=gone,ou=people,dc=univ,dc=test\n",
            dn("jdupont")
        ));
        assert_eq!(directory.apply(&stale, &NEW.into()).await, Err(ApplyError::Moved));
        let moved = plan(&read(&directory).await);
        slapd.tool("ldapdelete", &["uid=jdupont,ou=gone,ou=people,dc=univ,dc=test"], "");
        assert_eq!(directory.apply(&moved, &NEW.into()).await, Err(ApplyError::Gone));
    }
}

#[tokio::test]
async fn a_reset_mark_of_the_policy_is_cleared() {
    for write in [PasswordWrite::InModify, PasswordWrite::Extended] {
        let (slapd, directory) = stand(Options::default(), Some(write)).await;
        slapd.modify(&format!(
            "dn: {}\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n",
            dn("jdupont")
        ));
        let plan = plan(&read(&directory).await);
        directory.apply(&plan, &NEW.into()).await.unwrap();
        assert!(!slapd.show(&dn("jdupont")).contains("pwdReset"));
    }
}

#[tokio::test]
async fn a_service_that_counts_as_an_administrator_leaves_no_reset_mark() {
    for write in [PasswordWrite::InModify, PasswordWrite::Extended] {
        let (slapd, directory) = stand(Options { manage: true, ..Options::default() }, Some(write)).await;
        let plan = plan(&read(&directory).await);
        let applied = directory.apply(&plan, &NEW.into()).await.unwrap();
        let after = read(&directory).await;
        assert_eq!((applied.stamp.as_deref(), applied.must_change), (Some(after.stamp.as_str()), false));
        assert!(!slapd.show(&dn("jdupont")).contains("pwdReset"), "{write:?}");
    }
}

#[tokio::test]
async fn a_state_filter_may_name_what_the_server_does_not_know() {
    let slapd = Slapd::start(Options { policy: false, ..Options::default() }, &newcomer());
    let locked = "(|(supannRessourceEtat={COMPTE}S:*)(nsAccountLock=TRUE))".to_owned();
    let attributes = vec!["supannRessourceEtatDate".to_owned()];
    let settings = Settings { locked, attributes, password_write: None, ..slapd.settings() };
    let directory = connected(settings).await;
    directory.apply(&plan(&read(&directory).await), &NEW.into()).await.unwrap();
    assert_eq!(directory.standing(&read(&directory).await), Standing::Active);
    assert!(hashed(&slapd.show(&dn("jdupont"))), "RFC 3062 hashes without a policy, too");
}

#[tokio::test]
async fn what_was_interrupted_after_the_password_is_finished_without_it() {
    let (slapd, directory) = stand(Options::default(), Some(PasswordWrite::Extended)).await;
    let before = read(&directory).await;
    slapd.tool("ldappasswd", &["-s", NEW, &dn("jdupont")], "");
    let now = read(&directory).await;
    assert!(now.first("pwdChangedTime").is_some() && now.stamp > before.stamp);
    let again = directory.apply(&plan(&now), &NEW.into()).await;
    assert_eq!(again, Err(ApplyError::Password(PasswordFault::Reused)));
    directory.finish(&plan(&now)).await.unwrap();
    assert_eq!(directory.standing(&read(&directory).await), Standing::Active);
    assert!(slapd.binds(&dn("jdupont"), NEW));
    assert_eq!(directory.finish(&plan(&now)).await, Err(ApplyError::Moved), "never twice");
}

#[tokio::test]
async fn nothing_stated_makes_us_store_a_clear_password_where_the_server_says_so() {
    let options = Options { hashes: false, open_config: true, ..Options::default() };
    activates(options, Some(PasswordWrite::InModify), PasswordWrite::Extended).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_an_answer_is_not_called_undone() {
    let (mut slapd, directory) = stand(Options::default(), Some(PasswordWrite::InModify)).await;
    let plan = plan(&read(&directory).await);
    let shown = slapd.show(&dn("jdupont"));
    let password_before = shown.lines().find(|line| line.starts_with("userPassword")).unwrap().to_owned();
    slapd.signal(Signal::SIGSTOP);
    let cut = directory.apply(&plan, &NEW.into()).await;
    assert!(matches!(cut, Err(ApplyError::Unknown(_))), "{cut:?}");
    slapd.signal(Signal::SIGCONT);
    crate::support::until_up(&directory).await;
    let shown = slapd.show(&dn("jdupont"));
    assert_eq!(
        shown.contains(&password_before),
        shown.contains("{COMPTE}I:SupannCree"),
        "all of it or nothing"
    );

    slapd.end(Signal::SIGKILL);
    let mut health = directory.health();
    health
        .wait_for(|health| matches!(health, parvisd::directory::DirectoryHealth::Down { .. }))
        .await
        .unwrap();
    let down = directory.apply(&plan, &NEW.into()).await;
    assert!(matches!(down, Err(ApplyError::Unavailable(_))), "{down:?}");
}
