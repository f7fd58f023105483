//! `directory doctor`: what a server is, whether Parvis can work there, and what to add to it. Nothing is changed.
//!
//! It looks as `parvisctl check` does, and works before there is any configuration.

use super::arguments::Doctor;
use crate::config::{Sources, Stated, secret};
use crate::ctl::Verdict;
use crate::ctl::check::surroundings::{DIRECTORY_TIME, found};
use crate::ctl::check::{Notes, Report, print};
use crate::ctl::failure::{EXIT_WRONG, Failure};
use crate::ctl::screen::Screen;
use crate::directory::{self, Bind, Dialect, Mapping, Settings};
use crate::service::outside;

/// Looks at a server.
pub fn doctor(sources: &Sources, screen: &Screen, options: &Doctor) -> Result<Verdict, Failure> {
    let usage = |why: String| Failure::Usage(why);
    if options.uri.is_none() && !sources.exist() {
        return Err(usage(format!("name the server with --uri: there is no {}", sources.file.display())));
    }
    let bind = bind(sources, options)?;
    let stated = Stated {
        uri: options.uri.clone(),
        starttls: options.starttls,
        ca_file: options.ca_file.clone(),
        allow_clear_text: options.allow_clear_text,
        bind,
        base: options.base.clone(),
        active_directory: false,
    };
    let settings = sources.directory(stated.clone());
    let (settings, mapping) = settings.map_err(|faults| match options.uri {
        None => Failure::Configuration(faults),
        Some(_) => {
            let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
            usage(format!("{} (--allow-clear-text permits clear text)", texts.join("; ")))
        }
    })?;
    let mut notes = Notes::default();
    notes.about("directory").ok(match sources.exist() {
        true => format!("looked at with the filters and rules of {}", sources.file.display()),
        false => "looked at with the shipped filters and rules: there is no configuration yet".to_owned(),
    });
    // A second installation in one process is refused, and changes nothing.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| usage(error.to_string()))?;
    let visit = Visit { sources, stated, settings, mapping };
    runtime.block_on(visit.look(&mut notes));
    let report = Report::of(notes);
    screen.answer(&report, || {
        print(&report, screen, true)?;
        screen.line(match report.ok {
            true => "the watch and the writes can work",
            false => "the watch or the writes cannot work yet",
        })
    })?;
    Ok(if report.ok { Verdict::Fine } else { Verdict::Wrong(EXIT_WRONG) })
}

/// Who to be: as stated; as configured, to the configured servers only; else nobody, or who we are to the kernel.
fn bind(sources: &Sources, options: &Doctor) -> Result<Option<Bind>, Failure> {
    if let (Some(dn), Some(file)) = (&options.bind_dn, &options.password_file) {
        let password = secret(file).map_err(Failure::Usage)?;
        return Ok(Some(Bind::Simple { dn: dn.clone(), password }));
    }
    let Some(uri) = &options.uri else { return Ok(None) };
    let configured = sources.uris().map_err(Failure::Configuration)?;
    Ok(match uri {
        uri if configured.contains(uri) => None,
        uri if uri.to_lowercase().starts_with("ldapi://") => Some(Bind::External),
        _ => Some(Bind::Anonymous),
    })
}

/// One server, and how it is looked at.
struct Visit<'s> {
    sources: &'s Sources,
    stated: Stated,
    settings: Settings,
    mapping: Mapping,
}

impl Visit<'_> {
    async fn look(mut self, notes: &mut Notes) {
        let talk = async {
            if !self.sources.exist() {
                self.guess(notes).await;
            }
            let writes: Vec<String> = self.mapping.writes().map(str::to_owned).collect();
            match self.settings.prepare() {
                Ok(prepared) => {
                    let asked = directory::Asked { writes: &writes, ..directory::Asked::default() };
                    let random = outside().random;
                    found(directory::probe(&prepared, &asked, None, random.as_ref()).await, notes);
                }
                Err(faults) => faults
                    .iter()
                    .for_each(|fault| notes.failure(fault.to_string(), "settings that can be used", "")),
            }
        };
        if tokio::time::timeout(DIRECTORY_TIME, talk).await.is_err() {
            let what =
                format!("the directory did not answer everything within {} s", DIRECTORY_TIME.as_secs());
            notes.failure(what, "answers", "look at the server's load and log, then look again");
        }
    }

    /// What nobody has said yet: which product it is, and where the people probably are.
    async fn guess(&mut self, notes: &mut Notes) {
        let Ok(prepared) = self.settings.clone().prepare() else { return };
        // Why it cannot be asked is found again, and said, by everything that follows.
        let Ok((dialect, base)) = directory::first_look(&prepared).await else { return };
        if dialect == Dialect::ActiveDirectory {
            self.stated.active_directory = true;
            if let Ok((settings, mapping)) = self.sources.directory(self.stated.clone()) {
                notes.ok("the filters and rules are those of conf/directory/active-directory.toml");
                (self.settings, self.mapping) = (settings, mapping);
            }
        }
        match (&self.stated.base, base) {
            (Some(_), _) => {}
            (None, Some(base)) => {
                notes.ok(format!("the base is taken to be {base}; --base says otherwise"));
                self.settings.base = base;
            }
            (None, None) => {
                let action = "name the base with --base";
                notes.warning("the server names no place for people", "a naming context", action);
            }
        }
    }
}
