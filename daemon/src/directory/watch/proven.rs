//! Whether a way works, before it is relied upon: asked once, in earnest, and left.

use std::sync::Arc;

use jiff::Timestamp;
use ldap3::Scope;
use ldap3::controls::{MakeCritical, RefreshMode, SyncRequest};
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};

use super::asking::Source;
use super::census::Pages;
use super::{End, Place, Session, dirsync, persistent, poll};
use crate::directory::Outside;
use crate::directory::facts::Learnt;
use crate::directory::link::{Link, refusal, within};
use crate::directory::settings::{Prepared, Way};

/// What ends a refresh that was carried out (RFC 4533, section 2.4).
const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";

/// Does the server answer to this way of asking? The error is words for the sysadmin.
pub(in crate::directory) async fn proven(
    prepared: &Prepared,
    link: &Link,
    learnt: &Learnt,
    way: Way,
) -> Result<(), String> {
    match way {
        Way::Sync => synchronised(prepared, link).await,
        Way::PersistentSearch => told(prepared, link).await,
        Way::Dirsync | Way::Poll => asked(prepared, link, learnt, way).await,
    }
}

/// Listing the control is not enough: in OpenLDAP the overlay is per database.
async fn synchronised(prepared: &Prepared, link: &Link) -> Result<(), String> {
    let settings = &prepared.settings;
    let mut ldap = link.ldap();
    let request = SyncRequest { mode: RefreshMode::RefreshOnly, cookie: None, reload_hint: false };
    ldap.with_controls(request.critical());
    let attributes: Arc<[String]> = ["1.1".to_owned()].into();
    let result = within(settings.timeouts.operation * 2, async {
        let filter = &settings.provisional;
        let mut stream = ldap.streaming_search(&settings.base, Scope::Subtree, filter, attributes).await?;
        while stream.next().await?.is_some() {}
        Ok(stream.finish().await)
    });
    let result = result.await.map_err(|fault| fault.words())?;
    let done = result.ctrls.iter().any(|control| control.1.ctype == SYNC_DONE);
    if result.rc == 0 && done {
        Ok(())
    } else if result.rc == 0 {
        Err("the server takes the request for a plain search: this base has no synchronisation".to_owned())
    } else {
        Err(refusal(&result))
    }
}

/// A persistent search that is refused is answered before whatever is asked next on the same connection.
async fn told(prepared: &Prepared, link: &Link) -> Result<(), String> {
    let settings = &prepared.settings;
    let mut ldap = link.ldap();
    ldap.with_controls(vec![persistent::request()]);
    let attributes: Arc<[String]> = ["1.1".to_owned()].into();
    let filter = &settings.provisional;
    let search = ldap.streaming_search(&settings.base, Scope::Subtree, filter, attributes);
    let mut stream = within(settings.timeouts.operation, search).await.map_err(|fault| fault.words())?;
    link.who_am_i(settings.timeouts.operation).await.map_err(|fault| fault.words())?;
    // What came before that answer is here already; a change that is told meanwhile is as good an answer.
    let refused = timeout(Duration::from_millis(50), stream.next()).await;
    let refused = match refused {
        Ok(Ok(None)) => Some(refusal(&stream.finish().await)),
        Ok(Err(error)) => {
            let fault = within(settings.timeouts.operation, async { Err::<(), _>(error) }).await;
            fault.err().map(|fault| fault.words())
        }
        Ok(Ok(Some(_))) | Err(_) => None,
    };
    // Whatever is left of it ends with the operation that is abandoned.
    let id = stream.ldap_handle().last_id();
    let mut ldap = link.ldap();
    let _ = timeout(settings.timeouts.operation, ldap.abandon(id)).await;
    refused.map_or(Ok(()), Err)
}

/// The place from which changes would be asked for, and whoever is provisional, in pages.
async fn asked(prepared: &Prepared, link: &Link, learnt: &Learnt, way: Way) -> Result<(), String> {
    let outside = Outside { now: Arc::new(|| Timestamp::UNIX_EPOCH), random: Arc::new(|| 0) };
    let mut place = Place { cookie: None, fresh: false, barred: Vec::new() };
    // Nobody is told of anything: what is read here is read again by the watch.
    let (sink, _unheard) = mpsc::channel(1);
    let session = Session {
        prepared,
        outside: &outside,
        server: link.index,
        dialect: learnt.dialect,
        capabilities: learnt.capabilities.clone(),
        schema: learnt.schema.clone(),
        place: &mut place,
        sink: &sink,
    };
    let words = |end: End| match end {
        End::Anew(why) | End::Again(why) | End::Barred(_, why) => why,
        End::Unheard | End::Renew => String::new(),
    };
    match way {
        Way::Dirsync => dirsync::Dirsync.begin(&session, link, None).await.map_err(words)?,
        _ => poll::Poll::default().begin(&session, link, None).await.map_err(words)?,
    };
    let mut pages = Pages::new(session.dialect.people(&prepared.settings.provisional));
    while pages.next(&session, link).await.map_err(words)?.is_some() {}
    Ok(())
}
