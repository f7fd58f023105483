//! What happens in a directory is seen, by whatever way; and a watch that goes on where it was reads nothing twice.

use parvis_stand::{State, small};
use parvisd::directory::{Settings, Way};

use crate::ground::{COMPARE, Ground, POLL};
use crate::seen::Seen;

async fn what_happens_is_seen(ground: Ground) {
    let mut seen = Seen::from(ground.settings(), None);
    seen.refreshed().await;
    let mut expected: Vec<String> = small()
        .iter()
        .filter(|person| person.state == State::Provisional)
        .map(|person| ground.server.here(person).dn.to_lowercase())
        .collect();
    expected.sort();
    assert_eq!(seen.names(), expected);
    assert_eq!((seen.way, seen.complete), (Some(ground.way), 1));

    let two = ground.add("deux");
    seen.until("added", |seen| seen.knows(&two.dn)).await;
    let who = seen.who(&two.dn);
    let told = seen.told;
    ground.server.admin().replace(&two.dn, "mail", &["a@b.example"]).unwrap();
    seen.until("changed", |seen| seen.told > told).await;
    assert_eq!(seen.who(&two.dn), who);

    let three = ground.rename(&two.dn, "trois");
    seen.until("renamed", |seen| seen.knows(&three)).await;
    assert_eq!(seen.who(&three), who, "a name is not an identity");

    ground.set_state(&three, "A");
    seen.until("activated", |seen| !seen.believed.contains_key(&who)).await;
    ground.set_state(&three, "I");
    seen.until("provisional again", |seen| seen.believed.contains_key(&who)).await;
    let compared = seen.complete;
    ground.server.admin().delete(&three).unwrap();
    seen.until("deleted", |seen| !seen.believed.contains_key(&who)).await;
    if ground.way == Way::Sync && ground.server.name() == "OpenLDAP" {
        assert_eq!(seen.complete, compared, "it was told, not found");
    }
    assert_eq!(seen.downs, Vec::<String>::new());
    seen.end().await;
}

/// After a restart with a cookie and nothing changed, nothing is read; what changed meanwhile is told.
async fn a_cookie_goes_on(ground: Ground) {
    // It keeps no history.
    if ground.way == Way::PersistentSearch {
        return;
    }
    // Long, so that nothing is told because of a comparison.
    let settings = || {
        let mut settings: Settings = ground.settings();
        settings.watch.compare = COMPARE * 1000;
        settings
    };
    let mut seen = Seen::from(settings(), None);
    seen.refreshed().await;
    let people = seen.believed.len();
    // The first question after a reading of everybody may reach back.
    seen.listen(POLL * 4).await;
    let cookie = seen.end().await.expect("a cookie");

    let mut seen = Seen::from(settings(), Some(cookie));
    seen.refreshed().await;
    // Times have whole seconds, and a question by time reaches back: those of the last minute are named again.
    let named_again = if ground.way == Way::Poll { people } else { 0 };
    assert!(seen.told <= named_again && seen.complete == 0, "{} were told", seen.told);
    let four = ground.add("quatre");
    seen.until("added", |seen| seen.knows(&four.dn)).await;
    seen.listen(POLL * 4).await;
    let cookie = seen.end().await.expect("a cookie");

    let five = ground.add("cinq");
    ground.set_state(&four.dn, "A");
    let mut seen = Seen::from(settings(), Some(cookie));
    seen.refreshed().await;
    assert!(seen.knows(&five.dn) && !seen.knows(&four.dn), "{:?}", seen.names());
    seen.end().await;
}

async fn the_best_way_is_chosen(ground: Ground) {
    let mut seen = Seen::from(ground.automatic(), None);
    seen.refreshed().await;
    assert_eq!(seen.way, Some(ground.way));
    seen.end().await;
}

/// A cookie of another way, of another product, or of nothing.
async fn a_foreign_cookie_means_everybody(ground: Ground) {
    let cookies: [&[u8]; 5] = [
        b"garbage",
        b"rid=000,csn=20991231235959.000000Z#000000#000#000000",
        b"localhost:389#cn=parvis#dc=univ:(x=y)#99999",
        b"parvis:{\"of\":\"poll time\",\"place\":\"20991231235959\",\"compared\":0}",
        b"parvis:{\"of\":\"dirsync x\",\"place\":\"!\",\"compared\":9999999999}",
    ];
    let mut all = None;
    for cookie in cookies {
        let mut seen = Seen::from(ground.settings(), Some(cookie.to_vec()));
        seen.until("everybody", |seen| seen.complete > 0).await;
        let everybody = seen.everybody();
        assert!(!everybody.is_empty(), "{}", String::from_utf8_lossy(cookie));
        assert_eq!(all.get_or_insert_with(|| everybody.clone()), &everybody);
        seen.end().await;
    }
}

on_each! {
    [what_happens_is_seen, a_cookie_goes_on, a_foreign_cookie_means_everybody]
    openldap_by_synchronisation: Ground::slapd(Way::Sync);
    openldap_by_asking: Ground::slapd(Way::Poll);
    ds389_by_synchronisation: Ground::ds389(Way::Sync);
    ds389_by_persistent_search: Ground::ds389(Way::PersistentSearch);
    ds389_by_asking: Ground::ds389(Way::Poll);
    active_directory_by_dirsync: Ground::samba(Way::Dirsync);
    active_directory_by_asking: Ground::samba(Way::Poll);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_s_best_way_is_chosen() {
    the_best_way_is_chosen(Ground::slapd(Way::Sync)).await;
    the_best_way_is_chosen(Ground::ds389(Way::Sync)).await;
    the_best_way_is_chosen(Ground::ds389(Way::PersistentSearch)).await;
    the_best_way_is_chosen(Ground::samba(Way::Dirsync)).await;
}
