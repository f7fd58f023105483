//! A relay between a server and ldap3, which reads as fast as it can into queues without a limit.
//!
//! The relay hands on so many messages and waits until they were taken, so a slow consumer slows the server down, through
//! TCP, instead of filling our memory. It also bounds the size of a message. It understands nothing but their lengths.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

/// Messages handed on and not yet taken.
const AHEAD: usize = 128;
/// Bytes read from the server at once.
const READ: usize = 64 << 10;
/// The largest message, in bytes: an entry is a few kilobytes, or a photograph.
const MAX_MESSAGE: usize = 8 << 20;

/// What the consumer gives back, one for each message that it took.
#[derive(Clone, Debug)]
pub(super) struct Credits(Arc<Semaphore>);

impl Credits {
    /// A message was taken, or will be by somebody who does not count.
    pub(super) fn give_back(&self) {
        self.0.add_permits(1);
    }
}

/// Begin to relay; the stream that is returned is ldap3's. It all ends when either side closes.
pub(super) fn relay<S>(server: S) -> io::Result<(StdUnixStream, Credits)>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (ours, theirs) = UnixStream::pair()?;
    let credits = Credits(Arc::new(Semaphore::new(AHEAD)));
    let room = credits.0.clone();
    tokio::spawn(async move {
        let (from_server, mut to_server) = tokio::io::split(server);
        let mut from_server = BufReader::with_capacity(READ, from_server);
        let (mut from_client, mut to_client) = ours.into_split();
        let down = async {
            while let Some(mut messages) = message(&mut from_server).await? {
                if let Ok(permit) = room.acquire().await {
                    permit.forget();
                }
                // What has come as well goes along: each write wakes the reader, and costs more than the message.
                while let Some(length) = whole(from_server.buffer())
                    && let Ok(permit) = room.try_acquire()
                {
                    permit.forget();
                    messages.extend(from_server.buffer().iter().take(length));
                    from_server.consume(length);
                }
                to_client.write_all(&messages).await?;
            }
            Ok::<(), io::Error>(())
        };
        let up = async { copy(&mut from_client, &mut to_server).await.map(|_| ()) };
        let ended = tokio::select! {
            ended = down => ended,
            ended = up => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "the relay of an LDAP connection ended");
        }
        let _ = to_server.shutdown().await;
    });
    Ok((theirs.into_std()?, credits))
}

/// One whole message, exactly; `None`: the stream ended between two.
pub(super) async fn message(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let broken = |words: &'static str| io::Error::new(io::ErrorKind::InvalidData, words);
    let mut head = [0; 2];
    if stream.read(head.get_mut(..1).unwrap_or_default()).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(head.get_mut(1..).unwrap_or_default()).await?;
    let mut whole = head.to_vec();
    let [tag, first] = head;
    if tag != 0x30 {
        return Err(broken("this is not LDAP"));
    }
    let mut length = usize::from(first);
    if first >= 0x80 {
        let mut octets = vec![0; usize::from(first & 0x7f)];
        if octets.is_empty() || octets.len() > 4 {
            return Err(broken("the length of a message is malformed"));
        }
        stream.read_exact(&mut octets).await?;
        length = number(&octets);
        whole.extend(octets);
    }
    if length > MAX_MESSAGE {
        return Err(broken("a message is too large"));
    }
    let start = whole.len();
    whole.resize(start + length, 0);
    stream.read_exact(whole.get_mut(start..).unwrap_or_default()).await?;
    Ok(Some(whole))
}

/// The length of the first message, if all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let (head, rest) = bytes.split_first_chunk()?;
    let &[tag, first] = head;
    let octets = usize::from(first).checked_sub(0x80);
    let length = match octets {
        None => usize::from(first),
        Some(octets @ 1..=4) => number(rest.get(..octets)?),
        Some(_) => return None,
    };
    let whole = head.len() + octets.unwrap_or(0) + length;
    (tag == 0x30 && length <= MAX_MESSAGE && whole <= bytes.len()).then_some(whole)
}

fn number(octets: &[u8]) -> usize {
    octets.iter().fold(0, |sum, octet| (sum << 8) | usize::from(*octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_cut_where_they_end_and_not_beyond() {
        let long = [vec![0x30, 0x82, 0x01, 0x00], vec![7; 256]].concat();
        let bytes = [vec![0x30, 2, 1, 2], long.clone(), vec![0x30, 0]].concat();
        let mut stream = bytes.as_slice();
        assert_eq!(message(&mut stream).await.unwrap(), Some(vec![0x30, 2, 1, 2]));
        assert_eq!(message(&mut stream).await.unwrap(), Some(long));
        assert_eq!(message(&mut stream).await.unwrap(), Some(vec![0x30, 0]));
        assert_eq!(message(&mut stream).await.unwrap(), None);
        for wrong in
            [&b"HTTP/1.1"[..], &[0x30, 0x80], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 5, 1], &[0x30]]
        {
            assert!(message(&mut &wrong[..]).await.is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_a_whole_message_goes_along() {
        let long = [vec![0x30, 0x82, 0x01, 0x00], vec![7; 256]].concat();
        for (bytes, expected) in [
            (&[0x30, 2, 1, 2, 0x30][..], Some(4)),
            (&[0x30, 0], Some(2)),
            (&long, Some(260)),
            (&long[..259], None),
            (&long[..3], None),
            (&[0x30], None),
            (&[], None),
            (&[0x30, 0x80], None),
            (&[0x30, 0x85, 0, 0, 0, 0, 0], None),
            (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], None),
            (b"HTTP/1.1", None),
        ] {
            assert_eq!(whole(bytes), expected, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn only_so_much_is_handed_on_before_it_is_taken() {
        let (server, mut far) = tokio::io::duplex(1 << 20);
        let (near, credits) = relay(server).unwrap();
        let mut near = UnixStream::from_std(near).unwrap();
        let count = AHEAD + 10;
        far.write_all(&[0x30, 1, 0].repeat(count)).await.unwrap();
        let mut first = vec![0; 3 * AHEAD];
        near.read_exact(&mut first).await.unwrap();
        let more = tokio::time::timeout(std::time::Duration::from_millis(50), near.read_u8());
        assert!(more.await.is_err(), "nothing beyond what may be ahead");
        (0..10).for_each(|_| credits.give_back());
        let mut rest = vec![0; 30];
        near.read_exact(&mut rest).await.unwrap();
        drop(near);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0, "the server's side closes with ours");
    }
}
