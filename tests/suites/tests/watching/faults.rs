//! A server that stops, dies, freezes, or comes back from an old backup: said in words, and gone on with.

use parvisd::directory::Way;

use crate::ground::Ground;
use crate::seen::Seen;

async fn a_server_that_dies_is_gone_on_with(mut ground: Ground) {
    let mut seen = Seen::from(ground.settings(), None);
    seen.refreshed().await;
    let before = seen.names();

    ground.server.kill9();
    seen.until("said to be down", |seen| !seen.downs.is_empty()).await;
    ground.server.restart().unwrap();
    seen.refreshed().await;
    assert_eq!(seen.names(), before);
    let six = ground.add("six");
    seen.until("added", |seen| seen.knows(&six.dn)).await;

    seen.downs.clear();
    ground.server.pause().unwrap();
    seen.until("said to be frozen", |seen| !seen.downs.is_empty()).await;
    ground.server.resume().unwrap();
    seen.refreshed().await;
    let seven = ground.add("sept");
    seen.until("added", |seen| seen.knows(&seven.dn)).await;

    seen.downs.clear();
    ground.server.restart().unwrap();
    seen.until("said to be down", |seen| !seen.downs.is_empty()).await;
    seen.refreshed().await;
    assert!(seen.knows(&six.dn) && seen.knows(&seven.dn));
    seen.end().await;
}

/// Everything since the backup is undone, and the watch agrees in the end with what is there.
async fn a_restored_backup_is_agreed_with(mut ground: Ground) {
    let backup = ground.server.backup().unwrap();
    let mut seen = Seen::from(ground.settings(), None);
    seen.refreshed().await;
    let before = seen.names();
    let eight = ground.add("huit");
    seen.until("added", |seen| seen.knows(&eight.dn)).await;
    let first = seen.believed.values().next().unwrap().clone();
    ground.set_state(&first, "A");
    seen.until("activated", |seen| !seen.knows(&first)).await;

    ground.server.restore(&backup).unwrap();
    seen.until("as it was", |seen| seen.names() == before).await;
    let nine = ground.add("neuf");
    seen.until("added", |seen| seen.knows(&nine.dn)).await;
    seen.end().await;
}

on_each! {
    [a_server_that_dies_is_gone_on_with, a_restored_backup_is_agreed_with]
    openldap_by_synchronisation: Ground::slapd(Way::Sync);
    openldap_by_asking: Ground::slapd(Way::Poll);
    ds389_by_synchronisation: Ground::ds389(Way::Sync);
    ds389_by_persistent_search: Ground::ds389(Way::PersistentSearch);
    ds389_by_asking: Ground::ds389(Way::Poll);
    active_directory_by_dirsync: Ground::samba(Way::Dirsync);
    active_directory_by_asking: Ground::samba(Way::Poll);
}
