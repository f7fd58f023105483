//! Reading: the shipped defaults, the file, `conf.d/`, the environment; unknown keys and wrong types, all at once.
//!
//! Each file is looked at by itself first, so that a fault names its file, line and key; the layers are then put
//! together by the `config` crate.

use super::raw::Raw;
use super::{Fault, Faults};
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The shipped defaults, which is also the documentation of every key.
pub const DEFAULTS: &str = include_str!("../../../conf/parvis.toml");
/// What is shipped to go over them, for one product.
const ACTIVE_DIRECTORY: &str = include_str!("../../../conf/directory/active-directory.toml");
/// What the environment's variables begin with.
const PREFIX: &str = "PARVIS__";
/// Keys that have no default and so do not stand in the defaults as keys.
const WITHOUT_DEFAULT: &[&str] = &[
    "campus.help-url",
    "campus.logo-url",
    "pages.sign-in-url",
    "directory.ca-file",
    "directory.marker-attribute",
    "directory.probe-entry",
    "mail.ca-file",
    "mail.helo",
    "mail.username",
    "mail.bounces",
    "mail.dkim.domain",
    "mail.dkim.selector",
    "mail.intercept",
    "mail.overrides",
    "mail.socket",
    "password.breached",
];
/// Tables whose keys are the campus's own (languages).
const OPEN_TABLES: &[&str] = &[
    "campus.name",
    "campus.zone-name",
    "campus.letter-name",
    "campus.lost-letter",
    "directory.mailbox-usable",
    "charter.title",
    "charter.url",
    "charter.file",
];
/// Lists of tables; their keys are checked when they are read.
const LISTS: &[&str] = &["populations", "directory.writes"];

/// All layers put together. What is wrong with any of them goes to `faults`, and is left out, so that what the rest means
/// can be judged as well; nothing comes back where a whole file cannot be read.
pub fn load(file: &Path, environment: &[(String, String)], faults: &mut Faults) -> Option<Raw> {
    let looked: Vec<Option<toml::Table>> = layers(file, faults)
        .iter()
        .map(|path| look(&path.display().to_string(), &read(path, faults)?, faults))
        .collect();
    let (mut overrides, unknown) = from_environment(environment);
    faults.extend(unknown);
    let mut tables: Vec<toml::Table> = looked.into_iter().collect::<Option<_>>()?;
    loop {
        let raw = serde_path_to_error::deserialize::<_, Raw>(built(file, &tables, &overrides, faults)?);
        let error = match raw {
            Ok(raw) => return Some(raw),
            Err(error) => error,
        };
        let path = error.path().to_string();
        faults.push(Fault::new(file.display(), &path, error.into_inner().to_string()));
        // Of a list the whole: the others of its items say nothing without it.
        let key = path.split('[').next().unwrap_or_default();
        let mut left_out = false;
        for table in &mut tables {
            left_out |= leave_out(table, key);
        }
        overrides.retain(|(name, _)| {
            left_out |= name == key;
            name != key
        });
        if !left_out {
            return None;
        }
    }
}

/// The defaults, these layers over them, and the environment over all.
fn built(
    file: &Path,
    tables: &[toml::Table],
    overrides: &[(String, config::Value)],
    faults: &mut Faults,
) -> Option<config::Config> {
    let layer = |text: &str| config::File::from_str(text, config::FileFormat::Toml);
    let mut builder = config::Config::builder().add_source(layer(DEFAULTS));
    for table in tables {
        builder = builder.add_source(layer(&table.to_string()));
    }
    for (key, value) in overrides {
        builder = match builder.set_override(key, value.clone()) {
            Ok(builder) => builder,
            Err(error) => {
                faults.push(Fault::new("the environment", key, error.to_string()));
                return None;
            }
        };
    }
    builder.build().map_err(|error| faults.push(Fault::new(file.display(), "", error.to_string()))).ok()
}

/// Takes a key out of a layer; whether it was there.
fn leave_out(table: &mut toml::Table, key: &str) -> bool {
    match key.split_once('.') {
        None => table.remove(key).is_some(),
        Some((above, below)) => match table.get_mut(above) {
            Some(toml::Value::Table(table)) => leave_out(table, below),
            // What stands where a table should is no table with that key.
            _ => false,
        },
    }
}

/// The shipped defaults alone, for where there is no configuration yet; with those for Active Directory over them.
pub fn shipped(active_directory: bool, faults: &mut Faults) -> Option<Raw> {
    let layer = |text| config::File::from_str(text, config::FileFormat::Toml);
    let mut builder = config::Config::builder().add_source(layer(DEFAULTS));
    if active_directory {
        builder = builder.add_source(layer(ACTIVE_DIRECTORY));
    }
    let raw = builder.build().and_then(config::Config::try_deserialize::<Raw>);
    raw.map_err(|error| faults.push(Fault::new("the shipped defaults", "", error.to_string()))).ok()
}

/// The file and what stands in the folder `conf.d` beside it, in the order of the names.
pub fn layers(file: &Path, faults: &mut Faults) -> Vec<PathBuf> {
    let mut layers = vec![file.to_owned()];
    let folder = file.with_file_name("conf.d");
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            let mut more: Vec<PathBuf> = entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
                .collect();
            more.sort();
            layers.extend(more);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => faults.push(Fault::new(folder.display(), "", error.to_string())),
    }
    layers
}

/// A file's text, which must be UTF-8 (the `config` crate would replace what is not, and say nothing).
fn read(path: &Path, faults: &mut Faults) -> Option<String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
    let text = bytes.and_then(|bytes| {
        String::from_utf8(bytes)
            .map_err(|error| format!("is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
    });
    text.map_err(|what| faults.push(Fault::new(path.display(), "", what))).ok()
}

/// One file by itself: its syntax and its keys. What is left of it without those at fault; nothing where its syntax is.
fn look(name: &str, text: &str, faults: &mut Faults) -> Option<toml::Table> {
    let table = DeTable::parse(text);
    let table =
        table.map_err(|error| faults.push(Fault::new(name, "", error.to_string().trim_end().to_owned())));
    let known = DeTable::parse(DEFAULTS);
    let known = known.map_err(|error| faults.push(Fault::new("the shipped defaults", "", error.to_string())));
    let before = faults.len();
    keys(name, text, "", table.ok()?.get_ref(), known.ok()?.get_ref(), faults);
    let left = toml::from_str::<toml::Table>(text);
    let mut left = left.map_err(|error| faults.push(Fault::new(name, "", error.to_string()))).ok()?;
    for fault in faults.iter().skip(before) {
        leave_out(&mut left, &fault.key);
    }
    Some(left)
}

fn keys(name: &str, text: &str, above: &str, table: &DeTable<'_>, known: &DeTable<'_>, faults: &mut Faults) {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let path =
            if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
        if OPEN_TABLES.contains(&path.as_str())
            || WITHOUT_DEFAULT.contains(&path.as_str())
            || LISTS.contains(&path.as_str())
        {
            continue;
        }
        let place = format!("{name}:{}", line(text, key.span().start));
        let default =
            known.iter().find(|(name, _)| name.get_ref() == key.get_ref()).map(|(_, default)| default);
        match (default, value.get_ref()) {
            (None, _) => faults.push(Fault::new(place, &path, unknown(&path))),
            (Some(default), given) => match (default.get_ref(), given) {
                (DeValue::Table(default), DeValue::Table(given)) => {
                    keys(name, text, &path, given, default, faults)
                }
                (default, given) if kind(default) != kind(given) => faults.push(Fault::new(
                    place,
                    &path,
                    format!("should be {}, and is {}", kind(default), kind(given)),
                )),
                _ => {}
            },
        }
    }
}

/// Every key there is, for "did you mean".
fn all_keys() -> Vec<String> {
    fn collect(above: &str, table: &DeTable<'_>, into: &mut Vec<String>) {
        for (key, value) in table {
            let path = if above.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{above}.{}", key.get_ref())
            };
            if let DeValue::Table(below) = value.get_ref() {
                collect(&path, below, into);
            }
            into.push(path);
        }
    }
    let mut all: Vec<String> = WITHOUT_DEFAULT.iter().map(|key| (*key).to_owned()).collect();
    if let Ok(table) = DeTable::parse(DEFAULTS) {
        collect("", table.get_ref(), &mut all);
    }
    all
}

fn unknown(path: &str) -> String {
    let near = all_keys().into_iter().map(|key| (strsim::damerau_levenshtein(path, &key), key)).min();
    match near {
        Some((distance, key)) if distance <= 3 => format!("there is no such key; did you mean {key}?"),
        _ => "there is no such key; conf/parvis.toml has them all".to_owned(),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text in quotes",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// `PARVIS__MAIL__HOST=…` sets `mail.host`; underscores inside a name stand for its hyphens. Lists are split at
/// commas here, because the `config` crate can split them only by guessing at every other value's type as well.
fn from_environment(environment: &[(String, String)]) -> (Vec<(String, config::Value)>, Vec<Fault>) {
    let known = all_keys();
    let (mut overrides, mut faults) = (Vec::new(), Vec::new());
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let key = rest.to_ascii_lowercase().replace("__", ".").replace('_', "-");
        let open =
            OPEN_TABLES.iter().any(|table| key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.')));
        if LISTS.contains(&key.as_str()) || !(open || known.contains(&key)) {
            faults.push(Fault::new("the environment", name, unknown(&key)));
        } else if is_list(&key) {
            let items: Vec<String> =
                value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect();
            overrides.push((key, config::Value::from(items)));
        } else {
            overrides.push((key, config::Value::from(value.clone())));
        }
    }
    (overrides, faults)
}

fn is_list(key: &str) -> bool {
    let mut table = toml::from_str::<toml::Value>(DEFAULTS).ok();
    for part in key.split('.') {
        table = table.and_then(|value| value.get(part).cloned());
    }
    table.is_some_and(|value| value.is_array())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with this file and environment, line by line.
    fn check(text: &str, environment: &[(&str, &str)], expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("parvis.toml");
        std::fs::write(&file, text).unwrap();
        let environment: Vec<(String, String)> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut faults = Vec::new();
        let raw = load(&file, &environment, &mut faults);
        let shown = format!("{}/", folder.path().display());
        let found: Vec<String> = faults.iter().map(|fault| fault.to_string().replace(&shown, "")).collect();
        assert_eq!(found, expected);
        assert!(raw.is_some(), "what is right is judged too");
    }

    #[test]
    fn the_shipped_defaults_are_a_configuration() {
        check("", &[], &[]);
    }

    #[test]
    fn all_faults_at_once_with_file_line_and_key() {
        check(
            "[campus]\nzon = \"Europe/Paris\"\n\n[mail]\nport = \"25\"\nhots = 'x'\n[nonsense]\na = 1\n",
            &[("PARVIS__MAIL__HOTS", "x"), ("HOME", "/root")],
            &[
                "parvis.toml:2: campus.zon: there is no such key; did you mean campus.zone?",
                "parvis.toml:5: mail.port: should be a number, and is a text in quotes",
                "parvis.toml:6: mail.hots: there is no such key; did you mean mail.host?",
                "parvis.toml:7: nonsense: there is no such key; conf/parvis.toml has them all",
                "the environment: PARVIS__MAIL__HOTS: there is no such key; did you mean mail.host?",
            ],
        );
    }

    #[test]
    fn a_broken_file_says_where() {
        let mut faults = Vec::new();
        assert_eq!(look("parvis.toml", "[campus]\nname = \n", &mut faults), None);
        assert!(faults[0].to_string().contains("line 2"), "{}", faults[0]);
    }

    /// A file with its `conf.d/`; the folder goes when it is dropped.
    fn layered(file: &str, layers: &[(&str, &[u8])]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parvis.toml");
        std::fs::write(&path, file).unwrap();
        std::fs::create_dir(folder.path().join("conf.d")).unwrap();
        for (name, bytes) in layers {
            std::fs::write(folder.path().join("conf.d").join(name), bytes).unwrap();
        }
        (folder, path)
    }

    #[test]
    fn a_broken_file_does_not_hide_what_is_wrong_with_the_others() {
        let layers: [(&str, &[u8]); 2] = [("10-a.toml", b"\xff"), ("20-b.toml", b"[mail]\nhots = 'x'\n")];
        let (_folder, file) = layered("[campus\n", &layers);
        let mut faults = Vec::new();
        let environment = [("PARVIS__MAIL__HOTS".to_owned(), "x".to_owned())];
        assert!(load(&file, &environment, &mut faults).is_none());
        let found: Vec<String> = faults.iter().map(ToString::to_string).collect();
        for (fault, words) in
            found.iter().zip(["parvis.toml", "10-a.toml", "20-b.toml:2", "PARVIS__MAIL__HOTS"])
        {
            assert!(fault.contains(words), "{words}: {found:?}");
        }
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("parvis.toml");
        std::fs::write(&file, b"[campus]\nhelp-address = \"\xff\"\n").unwrap();
        let mut faults = Vec::new();
        assert!(load(&file, &[], &mut faults).is_none());
        assert!(faults[0].what.contains("not UTF-8 at byte"), "{}", faults[0]);
    }

    #[test]
    fn the_layers_lie_over_each_other() {
        let (_folder, file) = layered(
            "[mail]\nhost = \"one\"\nfrom = \"a@univ.example\"\nport = 26\n",
            &[
                ("10-a.toml", b"[mail]\nhost = \"two\"\nport = 27\n"),
                ("20-b.toml", b"[mail]\nhost = \"three\"\n"),
                ("30-c.toml.bak", b"nonsense"),
            ],
        );
        let environment = [
            ("PARVIS__MAIL__PORT".to_owned(), "28".to_owned()),
            ("PARVIS__CAMPUS__DOMAINS".to_owned(), "a.example, b.example".to_owned()),
            ("PARVIS__DIRECTORY__BIND_DN".to_owned(), "cn=0123".to_owned()),
        ];
        let mut faults = Vec::new();
        let raw = load(&file, &environment, &mut faults).unwrap();
        assert_eq!(
            (raw.mail.host.as_str(), raw.mail.from.as_str(), raw.mail.port),
            ("three", "a@univ.example", 28)
        );
        assert_eq!(raw.campus.domains, ["a.example", "b.example"]);
        assert_eq!(raw.directory.bind_dn.as_deref(), Some("cn=0123"));
    }
}
