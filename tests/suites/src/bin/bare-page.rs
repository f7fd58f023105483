//! The least that axum can do for a page: a constant of so many bytes, with as many headers as ours has.
//!
//! What a page is measured against. `bare-page ADDRESS:PORT BYTES HEADERS`; prints a line when it listens. The server below
//! is the pages' own: hyper's HTTP/1 with axum's router, one task a connection.

use std::io::Write;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, bytes, headers] = arguments.as_slice() else { bail!("ADDRESS:PORT BYTES HEADERS") };
    let (bytes, headers) = (bytes.parse().context("BYTES")?, headers.parse().context("HEADERS")?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(address, bytes, headers))
}

async fn serve(address: &str, bytes: usize, headers: usize) -> Result<()> {
    let body: &'static str = "x".repeat(bytes).leak();
    let mut more = HeaderMap::new();
    for number in 0..headers {
        let name = HeaderName::try_from(format!("x-constant-{number}"))?;
        more.insert(name, HeaderValue::from_static("a value about as long as ours are"));
    }
    let router = Router::new().route("/", get(move || async move { (more.clone(), body) }));
    let listener = TcpListener::bind(address).await?;
    writeln!(std::io::stdout(), "listening")?;
    loop {
        let (stream, _) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).half_close(false);
            // A client that breaks off is its own affair.
            let _ended = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
        });
    }
}
