//! Asking at intervals for what changed since, and comparing with everything now and then: what is not told is looked for.

use std::convert::Infallible;

use tokio::time::{Instant, sleep_until};

use super::mark::Mark;
use super::{End, Session};
use crate::directory::link::Link;
use crate::directory::settings::Way;

/// Where changes are asked for.
pub(super) trait Source {
    /// Which way this is.
    const WAY: Way;

    /// Where a place of this source means something.
    fn of(&self, session: &Session<'_>, link: &Link) -> String;

    /// The present place, before everybody is read. `held` is the last one.
    async fn begin(
        &mut self,
        session: &Session<'_>,
        link: &Link,
        held: Option<String>,
    ) -> Result<String, End>;

    /// Tell what changed since that place, and give the next.
    async fn changes(&mut self, session: &Session<'_>, link: &Link, since: String) -> Result<String, End>;
}

/// Ask for ever.
pub(super) async fn session<S: Source>(
    mut session: Session<'_>,
    link: Link,
    mut source: S,
) -> Result<Infallible, End> {
    let watch = session.prepared.settings.watch;
    let of = source.of(&session, &link);
    let mut held = Mark::read(session.place.cookie.as_deref(), &of);
    let mut first = true;
    loop {
        let began = Instant::now();
        let now = (session.outside.now)().as_second();
        let since = |mark: &Mark| u64::try_from(now - mark.compared).ok();
        let mark = match held.take() {
            Some(mark) if since(&mark).is_some_and(|age| age < watch.compare.as_secs()) => {
                let place = source.changes(&session, &link, mark.place.clone()).await?;
                let next = Mark { place, ..mark.clone() };
                if first {
                    session.refreshed(None, Some(next.write()), S::WAY).await?;
                } else if next != mark {
                    let cookie = next.write();
                    session.place.cookie = Some(cookie.clone());
                    session.tell(super::Sighting::Cookie(cookie)).await?;
                }
                next
            }
            mark => {
                let place = source.begin(&session, &link, mark.map(|mark| mark.place)).await?;
                let named = session.census(&link).await?;
                // What was written meanwhile is after the place, and comes with the next question.
                let mark = Mark { of: of.clone(), place, compared: now };
                session.refreshed(Some(named), Some(mark.write()), S::WAY).await?;
                mark
            }
        };
        held = Some(mark);
        first = false;
        tokio::select! {
            () = sleep_until(began + watch.poll) => {}
            () = session.sink.closed() => return Err(End::Unheard),
            () = link.end() => return Err(End::Again(format!("{}: the connection was closed", link.place))),
        }
    }
}
