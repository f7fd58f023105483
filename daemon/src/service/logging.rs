//! Where the log goes: the journal where systemd started us, else the terminal.

use crate::config::LogTarget;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// Libraries that would log whole messages or answers, passwords among them, and the most that each may say.
const GUARDED: [(&str, LevelFilter); 6] = [
    ("ldap3", LevelFilter::ERROR),
    ("lettre", LevelFilter::WARN),
    ("sled", LevelFilter::WARN),
    // What it looks up are the domains of people's own addresses.
    ("hickory", LevelFilter::OFF),
    ("hyper", LevelFilter::WARN),
    ("rustls", LevelFilter::WARN),
];

/// What is wrong with a filter: it must be levels and `target=level`, and leave the guarded libraries guarded.
pub fn fault(filter: &str) -> Option<String> {
    filter.split(',').map(str::trim).find_map(|directive| {
        let (target, level) = directive.split_once('=').unwrap_or(("", directive));
        let plain = target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte));
        let (true, false, Ok(level)) = (plain, level.is_empty(), level.parse::<LevelFilter>()) else {
            return Some(format!("{directive:?} is neither a level (info, debug, …) nor target=level"));
        };
        let guard = GUARDED.iter().find(|(name, most)| target.starts_with(name) && level > *most);
        guard.map(|(name, most)| format!("{directive:?} could log passwords: at most {name}={most}"))
    })
}

/// The filter with the guard, which comes last: of two directives for one target, the last one holds.
fn guarded(filter: &str) -> EnvFilter {
    let guard = GUARDED.map(|(name, most)| format!("{name}={most}")).join(",");
    EnvFilter::try_new(format!("{filter},{guard}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("info,{guard}")))
}

/// Begins to log.
pub fn start(filter: &str, target: LogTarget) {
    let filter = guarded(filter);
    let journal = match target {
        LogTarget::Terminal => None,
        LogTarget::Journal => tracing_journald::layer().ok(),
        // systemd says so where our output is the journal anyway.
        LogTarget::Auto if std::env::var_os("JOURNAL_STREAM").is_some() => tracing_journald::layer().ok(),
        LogTarget::Auto => None,
    };
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match journal {
        Some(journal) => {
            Box::new(journal.with_syslog_identifier("parvisd".to_owned()).with_field_prefix(None))
        }
        None => Box::new(
            tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(false),
        ),
    };
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    if started.is_err() {
        tracing::debug!("the log was started already");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<u8>>>);

    impl Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_guard_holds_under_any_filter() {
        for filter in ["trace", "ldap3=trace", "trace,ldap3=trace,lettre=debug,rustls=info", "nonsense==="] {
            let heard = Heard::default();
            let writer = heard.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_env_filter(guarded(filter))
                .with_writer(move || writer.clone())
                .finish();
            tracing::subscriber::with_default(subscriber, || {
                tracing::trace!(target: "ldap3::conn", "secret");
                tracing::debug!(target: "ldap3", "secret");
                tracing::debug!(target: "lettre", "secret");
                tracing::info!(target: "rustls::client", "secret");
                tracing::error!(target: "ldap3", "what must be heard");
            });
            let heard = String::from_utf8(heard.0.lock().unwrap().clone()).unwrap();
            assert!(!heard.contains("secret") && heard.contains("what must be heard"), "{filter}: {heard}");
        }
    }

    #[test]
    fn a_filter_that_would_lift_the_guard_or_says_nothing_is_a_fault() {
        for good in
            ["info", "warn,parvisd=debug", "info, parvisd::engine=trace", "trace", "ldap3=off", "lettre=warn"]
        {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            "",
            "inof",
            "info,",
            "parvisd",
            "parvisd=",
            "parvisd=loud",
            "ldap3=trace",
            "ldap3::conn=debug",
            "ldap3",
            "info,lettre=info",
            "rustls_platform_verifier=debug",
            "[span]=trace",
            "ldap3[{password}]=error",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
