//! The mails' texts: shipped with the program, or the sysadmin's own under one folder.
//!
//! A broken file of the sysadmin's never stops a mail: the shipped text is used, and the fault is handed back with the
//! mail. Nothing here sends, or knows when a mail is due.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, merge_maps};
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use super::clean;
use super::overrides::{read_text, strays};
use super::values::{Locale, MailName, Person, Values};

/// All mails in all languages, ready to be rendered.
pub struct Templates {
    shipped: Environment<'static>,
    /// The shipped ones with the sysadmin's files in their place, where there are any.
    own: Option<Environment<'static>>,
    folder: PathBuf,
    /// What was wrong with the sysadmin's files when they were read: (the template's name, the fault).
    faults: Vec<(String, TemplateFault)>,
}

impl Templates {
    /// Reads the sysadmin's files, if a folder is given: `layout.html`, and `fr/NAME.txt`, `fr/NAME.html`, `en/…` with
    /// [`MailName::as_str`]'s names. A file that is missing is the shipped one; a file that is broken too, and
    /// [`Self::check`] says so.
    ///
    /// # Errors
    /// When the folder itself cannot be read.
    pub fn load(override_dir: Option<&Path>) -> Result<Self, TemplateFaults> {
        let mut templates =
            Self { shipped: shipped()?, own: None, folder: PathBuf::new(), faults: Vec::new() };
        if let Some(folder) = override_dir {
            std::fs::read_dir(folder).map_err(|e| {
                TemplateFaults(vec![TemplateFault::new(folder, None, format!("cannot be read: {e}"))])
            })?;
            folder.clone_into(&mut templates.folder);
            templates.read_own(folder)?;
        }
        Ok(templates)
    }

    /// The mail, in that language, with these values. The sysadmin's text if there is one and it works; else the
    /// shipped one, and [`Rendered::fault`] says why.
    ///
    /// # Errors
    /// When the values do not suffice for the shipped text, or the link is no web address.
    pub fn render(&self, name: MailName, locale: Locale, values: &Values) -> Result<Rendered, RenderError> {
        if let Some(link) = &values.link
            && !is_web_address(link)
        {
            return Err(RenderError::Link);
        }
        let values = for_mail(name, values);
        let mut fault = self.fault_at_load(name, locale);
        if let Some(own) = &self.own {
            match render_with(own, name, locale, &values) {
                Ok(rendered) => return Ok(Rendered { fault: fault.as_ref().map(in_use), ..rendered }),
                Err(e) => fault = Some(e.into_fault(&self.folder)),
            }
        }
        let rendered = render_with(&self.shipped, name, locale, &values)
            .map_err(|e| RenderError::Values(e.into_fault(Path::new(""))))?;
        Ok(Rendered { fault: fault.as_ref().map(in_use), ..rendered })
    }

    /// Everything that is wrong with the sysadmin's files: what could not be read or parsed, what names no mail, and
    /// what fails with believable values.
    ///
    /// # Errors
    /// All faults at once.
    pub fn check(&self) -> Result<(), TemplateFaults> {
        let mut faults: Vec<_> = self.faults.iter().map(|(_, fault)| fault.clone()).collect();
        if let Some(own) = &self.own {
            for (name, locale) in every_mail() {
                for values in samples(name, locale) {
                    if let Err(e) = render_with(own, name, locale, &for_mail(name, &values)) {
                        faults.push(e.into_fault(&self.folder));
                    }
                }
            }
        }
        faults.sort();
        faults.dedup();
        if faults.is_empty() { Ok(()) } else { Err(TemplateFaults(faults)) }
    }

    fn read_own(&mut self, folder: &Path) -> Result<(), TemplateFaults> {
        let mut own = shipped()?;
        let mut any = false;
        for (name, _) in SHIPPED {
            let path = folder.join(name);
            let read = read_text(&path, MAX_TEXT).and_then(|text| match text {
                Some(text) => own
                    .add_template_owned(*name, text)
                    .map(|()| any = true)
                    .map_err(|e| Fault::from(&e).into_fault(folder)),
                None => Ok(()),
            });
            if let Err(fault) = read {
                self.faults.push(((*name).to_owned(), fault));
            }
        }
        self.faults.extend(
            strays(folder, SHIPPED.iter().map(|(name, _)| *name))
                .into_iter()
                .map(|fault| (String::new(), fault)),
        );
        self.own = any.then_some(own);
        Ok(())
    }

    fn fault_at_load(&self, name: MailName, locale: Locale) -> Option<TemplateFault> {
        let [text, html] = files(name, locale);
        let used = |file: &str| file == text || file == html || file == LAYOUT;
        self.faults.iter().find(|(file, _)| used(file)).map(|(_, fault)| fault.clone())
    }
}

/// A mail, not yet addressed.
#[derive(Clone)]
pub struct Rendered {
    /// One line, without control characters.
    pub subject: String,
    /// The plain text, with the link alone on its line.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// Set when a file of the sysadmin's was broken and the shipped one stands in: words for the sysadmin.
    pub fault: Option<String>,
}

/// One fault of one file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{}{}: {words}", file.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct TemplateFault {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub words: String,
}

/// All faults, one a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct TemplateFaults(pub Vec<TemplateFault>);

/// Why even the shipped text could not be rendered: the caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The link is not an http or https address in plain ASCII.
    #[error("the link is not a web address")]
    Link,
    /// A value that this mail needs is missing.
    #[error("the values do not suffice: {0}")]
    Values(TemplateFault),
}

impl TemplateFault {
    pub(crate) fn new(file: &Path, line: Option<usize>, words: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, words: words.into() }
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("subject", &self.subject)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

const LAYOUT: &str = "layout.html";

macro_rules! shipped_files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../conf/mail/", $name)))),+]
    };
}

/// The shipped files, embedded: the daemon sends its mails on a machine that has lost `/usr/share`.
const SHIPPED: &[(&str, &str)] = shipped_files![
    "layout.html",
    "fr/link.txt",
    "fr/link.html",
    "fr/forward.txt",
    "fr/forward.html",
    "fr/invitation.txt",
    "fr/invitation.html",
    "fr/reminder.txt",
    "fr/reminder.html",
    "fr/activated.txt",
    "fr/activated.html",
    "fr/password-changed.txt",
    "fr/password-changed.html",
    "fr/report.txt",
    "fr/report.html",
    "en/link.txt",
    "en/link.html",
    "en/forward.txt",
    "en/forward.html",
    "en/invitation.txt",
    "en/invitation.html",
    "en/reminder.txt",
    "en/reminder.html",
    "en/activated.txt",
    "en/activated.html",
    "en/password-changed.txt",
    "en/password-changed.html",
    "en/report.txt",
    "en/report.html",
];

/// The largest file that is read, and the largest part that is rendered, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// Instructions of the template engine that one part may take; the shipped ones take some hundreds.
const FUEL: u64 = 50_000;
/// The longest subject, in characters.
const MAX_SUBJECT: usize = 200;

fn files(name: MailName, locale: Locale) -> [String; 2] {
    let stem = format!("{}/{}", locale.as_str(), name.as_str());
    [format!("{stem}.txt"), format!("{stem}.html")]
}

fn every_mail() -> impl Iterator<Item = (MailName, Locale)> {
    MailName::ALL.into_iter().flat_map(|name| Locale::ALL.into_iter().map(move |locale| (name, locale)))
}

fn shipped() -> Result<Environment<'static>, TemplateFaults> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_syntax(syntax()?);
    env.add_filter("isolate", |words: String| clean::isolate(&words));
    for (name, text) in SHIPPED {
        env.add_template(name, text)
            .map_err(|e| TemplateFaults(vec![Fault::from(&e).into_fault(Path::new(""))]))?;
    }
    Ok(env)
}

/// A line that holds only a `{% … %}` or a comment prints nothing.
fn syntax() -> Result<SyntaxConfig, TemplateFaults> {
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    syntax.map_err(|e| TemplateFaults(vec![Fault::from(&e).into_fault(Path::new(""))]))
}

/// A fault inside the templates, named as the engine names them.
struct Fault {
    name: String,
    line: Option<usize>,
    words: String,
}

impl Fault {
    fn new(name: &str, words: &str) -> Self {
        Self { name: name.to_owned(), line: None, words: words.to_owned() }
    }

    fn into_fault(self, folder: &Path) -> TemplateFault {
        TemplateFault { file: folder.join(self.name), line: self.line, words: self.words }
    }
}

impl From<&minijinja::Error> for Fault {
    fn from(error: &minijinja::Error) -> Self {
        // The innermost error of the engine's is the one that stands where the fault is.
        let mut at = error;
        while let Some(inner) = std::error::Error::source(at).and_then(|e| e.downcast_ref()) {
            at = inner;
        }
        let cause = std::error::Error::source(at).map(ToString::to_string);
        let words = match cause.as_deref().or(at.detail()) {
            Some(detail) => format!("{}: {detail}", at.kind()),
            None => at.kind().to_string(),
        };
        Self {
            name: at.name().unwrap_or_default().to_owned(),
            line: at.line(),
            words: clean::plain(&words, 300),
        }
    }
}

fn in_use(fault: &TemplateFault) -> String {
    format!("{fault} (the shipped text was sent)")
}

/// Believable values of every kind that this mail may get.
fn samples(name: MailName, locale: Locale) -> Vec<Values> {
    let mut samples = vec![Values::sample(locale, true), Values::sample(locale, false)];
    if name.may_link() && !name.has_link() {
        samples.extend(samples.clone().into_iter().map(|values| Values { link: None, ..values }));
    }
    samples
}

/// The values as this mail may print them: what is not its affair is not there.
fn for_mail(name: MailName, values: &Values) -> Values {
    let values = values.cleaned();
    let (link, reminds) = (values.link.filter(|_| name.may_link()), name == MailName::Reminder);
    // Whoever reads the address of a former round now need not learn what its person is called, nor where their mail goes.
    let ours = name != MailName::PasswordChanged;
    let known = |person: Person| Person { name: person.name.filter(|_| ours), ..person };
    Values {
        person: values.person.filter(|_| name != MailName::Report).map(known),
        mailbox: values.mailbox.filter(|_| ours),
        forward: values.forward.filter(|_| ours),
        keep_copy: values.keep_copy.filter(|_| ours),
        deadline: values.deadline.filter(|_| link.is_some()),
        left: values.left.filter(|_| reminds),
        start_url: values.start_url.filter(|_| reminds),
        report: values.report.filter(|_| name == MailName::Report),
        link,
        ..values
    }
}

fn render_with(
    env: &Environment<'_>,
    name: MailName,
    locale: Locale,
    values: &Values,
) -> Result<Rendered, Fault> {
    let [text_file, html_file] = files(name, locale);
    let language = context! { locale => locale.as_str(), dir => "ltr" };
    let text = run(env, &text_file, merge_maps([of(values), language.clone()]))?;
    let (subject, text) = split_subject(&text)
        .ok_or_else(|| Fault::new(&text_file, "does not begin with a line \"Subject: …\""))?;
    let html = run(env, &html_file, for_html(values, &subject, &language))?;
    // Without its link, a mail about one says nothing; nor does a reminder that does not say where to go on.
    let target = values.link.as_ref().map(|link| (link, "link"));
    match target.or(values.start_url.as_ref().map(|start| (start, "start_url"))) {
        Some((target, what)) => {
            if !text.lines().any(|line| line == target) {
                return Err(Fault::new(
                    &text_file,
                    &format!("{{{{ {what} }}}} does not stand alone on a line"),
                ));
            }
            if !html.contains(&format!("href=\"{}\"", escaped(target))) {
                return Err(Fault::new(&html_file, &format!("has no href=\"{{{{ {what} }}}}\"")));
            }
        }
        None if name.has_link() => return Err(Fault::new(&text_file, "there is no link to print")),
        None => {}
    }
    Ok(Rendered { subject, text, html, fault: None })
}

fn run(env: &Environment<'_>, file: &str, values: Value) -> Result<String, Fault> {
    let mut out = Bounded(Vec::new());
    env.get_template(file)
        .and_then(|template| template.render_captured_to(values, &mut out).map(drop))
        .map_err(|e| {
            let fault = Fault::from(&e);
            if fault.name.is_empty() { Fault { name: file.to_owned(), ..fault } } else { fault }
        })?;
    String::from_utf8(out.0).map_err(|_| Fault::new(file, "did not render to text"))
}

/// Addresses of the web keep their slashes in HTML (the engine would write `&#x2f;`, which some scanners cannot read).
fn for_html(values: &Values, subject: &str, language: &Value) -> Value {
    let safe = |url: &Option<String>| match url {
        Some(url) if is_web_address(url) => Value::from_safe_string(escaped(url)),
        other => of(other),
    };
    let mut urls = Vec::new();
    for (key, url) in [("help_url", &values.campus.help_url), ("logo_url", &values.campus.logo_url)] {
        if url.is_some() {
            urls.push((key, safe(url)));
        }
    }
    let campus = merge_maps([of(&values.campus), Value::from_pairs(urls)]);
    let links = [("link", &values.link), ("start_url", &values.start_url)];
    let links = links.into_iter().filter(|(_, url)| url.is_some()).map(|(key, url)| (key, safe(url)));
    let own = context! { campus => campus, subject => subject };
    merge_maps([of(values), language.clone(), own, Value::from_pairs(links)])
}

fn of(values: &impl Serialize) -> Value {
    Value::from(Serde(values))
}

fn escaped(url: &str) -> String {
    url.replace('&', "&amp;").replace('\'', "&#39;")
}

/// http or https, printable ASCII, and nothing that could end an attribute or a line.
fn is_web_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && url.len() <= 2_000
        && url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'`' | b'\\'))
}

/// The first line that is not empty must be the subject; lines that begin with a space continue it.
fn split_subject(rendered: &str) -> Option<(String, String)> {
    let rendered = rendered.replace("\r\n", "\n");
    let (first, mut rest) = rendered.trim_start().split_once('\n')?;
    let mut subject = first.strip_prefix("Subject:")?.to_owned();
    while rest.starts_with([' ', '\t']) {
        let (more, left) = rest.split_once('\n')?;
        subject.push_str(more);
        rest = left;
    }
    let subject = clean::plain(&subject, MAX_SUBJECT);
    let body = rest.trim();
    (!subject.is_empty() && !body.is_empty()).then(|| (subject, format!("{body}\n")))
}

/// Ends a template that prints without end.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT {
            return Err(io::Error::other(format!("the mail is larger than {MAX_TEXT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
