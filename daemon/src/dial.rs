//! A TCP connection to a name that has several addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// An address that does not answer is given up after this where there is another: it may be dropped by a firewall, or
/// its host be off, and the kernel would try for two minutes. Long enough for two lost packets.
const EACH: Duration = Duration::from_secs(5);

/// A connection to the first of these that answers. Before the last, none takes more than its share of `limit`, which
/// the caller keeps for all of them.
pub async fn first(addresses: impl Iterator<Item = SocketAddr>, limit: Duration) -> io::Result<TcpStream> {
    let addresses = addresses.collect::<Vec<_>>();
    let nowhere = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let (last, others) = addresses.split_last().ok_or_else(nowhere)?;
    let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for other in others {
        if let Ok(Ok(stream)) = timeout(share.min(EACH), TcpStream::connect(other)).await {
            return Ok(stream);
        }
    }
    TcpStream::connect(last).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::net::{Ipv4Addr, TcpListener};

    /// A listener that takes nobody any more: the kernel drops what asks for it, as a firewall would.
    fn silent() -> (Socket, SocketAddr, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let fill = || {
            let one = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            one.connect_timeout(&address, Duration::from_millis(300)).is_ok().then_some(one)
        };
        let full = std::iter::from_fn(fill).take(64).collect::<Vec<_>>();
        assert!(full.len() < 64, "it takes everybody");
        (listener, address.as_socket().unwrap(), full)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_keeps_no_other_from_being_tried() {
        let (_listener, silent, _full) = silent();
        let good = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let good = good.local_addr().unwrap();
        let limit = Duration::from_secs(2);
        let connected = timeout(limit, first([silent, silent, good].into_iter(), limit)).await;
        assert_eq!(connected.unwrap().unwrap().peer_addr().unwrap(), good);
        let connected = timeout(limit, first([good, silent].into_iter(), limit)).await;
        assert_eq!(connected.unwrap().unwrap().peer_addr().unwrap(), good);
        assert!(timeout(Duration::from_millis(50), first([silent].into_iter(), limit)).await.is_err());
    }

    #[tokio::test]
    async fn the_last_fault_is_told_and_no_address_is_one() {
        let refused = parked();
        let error = first([refused, refused].into_iter(), EACH).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(first(std::iter::empty(), EACH).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    /// An address at which nobody listens.
    fn parked() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 1))
    }
}
