//! The network between: stalls, cuts, delays, a door that stays shut; and a first server of several that is not there.

use std::time::Duration;

use parvis_stand::{Fault, Proxy};
use parvisd::directory::{Settings, Way};

use crate::ground::Ground;
use crate::seen::Seen;

/// Each packet later by as much: a slow line, and no fault.
const SLOW: Duration = Duration::from_millis(40);

async fn a_bad_network_is_said_and_gone_on_with(ground: Ground) {
    let mut proxy = Proxy::before(ground.server.ldaps_address()).unwrap();
    let through = format!("ldaps://localhost:{}", proxy.port());
    let settings = Settings { uris: vec![through], ..ground.settings() };
    let mut seen = Seen::from(settings, None);
    seen.refreshed().await;
    assert_eq!(seen.downs, Vec::<String>::new());

    proxy.fault(Fault::Delay(SLOW));
    let slowly = ground.add("lentement");
    seen.until("added, slowly", |seen| seen.knows(&slowly.dn)).await;
    assert_eq!(seen.downs, Vec::<String>::new(), "slow is not down");

    proxy.fault(Fault::Stall);
    seen.until("said to hang", |seen| !seen.downs.is_empty()).await;
    let meanwhile = ground.add("entretemps");
    proxy.fault(Fault::None);
    seen.until("added meanwhile", |seen| seen.knows(&meanwhile.dn)).await;

    seen.downs.clear();
    proxy.cut();
    seen.until("said to be cut", |seen| !seen.downs.is_empty()).await;
    let cut = ground.add("coupe");
    seen.until("added after the cut", |seen| seen.knows(&cut.dn)).await;

    seen.downs.clear();
    proxy.refuse();
    seen.until("said to be refused", |seen| seen.downs.iter().any(|why| why.contains("refused"))).await;
    let shut = ground.add("ferme");
    proxy.accept().unwrap();
    seen.until("added while it was shut", |seen| seen.knows(&shut.dn)).await;
    seen.end().await;
}

/// Two addresses of one directory, and the first leads nowhere.
async fn the_next_server_is_asked(ground: Ground) {
    let uris = vec!["ldaps://localhost:9".to_owned(), ground.server.ldaps_url()];
    let mut seen = Seen::from(Settings { uris, ..ground.settings() }, None);
    seen.refreshed().await;
    assert!(seen.downs.iter().any(|why| why.starts_with("ldaps://localhost:9")), "{:?}", seen.downs);
    let there = ground.add("ailleurs");
    seen.until("added", |seen| seen.knows(&there.dn)).await;
    seen.end().await;
}

on_each! {
    [a_bad_network_is_said_and_gone_on_with, the_next_server_is_asked]
    openldap_by_synchronisation: Ground::slapd(Way::Sync);
    openldap_by_asking: Ground::slapd(Way::Poll);
    ds389_by_synchronisation: Ground::ds389(Way::Sync);
    ds389_by_persistent_search: Ground::ds389(Way::PersistentSearch);
    active_directory_by_dirsync: Ground::samba(Way::Dirsync);
}
