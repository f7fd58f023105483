//! Every mail as a mail program draws it: in both languages, on a phone and on a desk, light and dark, and where the
//! program throws the style sheet away. Real Chromium, axe-core, no network but the campus's logo.
//!
//! `cargo verify --only mail_html --screenshots DIR` keeps the pictures.
#![cfg(test)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use parvis_stand::install::npm_package;
use parvis_stand::place::Place;
use parvis_stand::{Browser, BrowserOptions};
use parvisd::mail::{Locale, MailName, Templates, Values};
use serde_json::Value;

/// The axe-core that the rules below are of.
const AXE: &str = "4.14.1";
/// A campus's logo: wider than the phone at its own size.
const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="420" height="96" viewBox="0 0 210 48"><rect width="210" height="48" rx="6" fill="#17498f"/><path d="M12 38 48 10l36 28z" fill="#fff"/></svg>"##;
/// What a campus may be called, with a word that fits no phone.
const LONG: &str = "Université Polytechnique Interrégionale des Hauts-de-France-et-de-la-Côte-d’Opale-Méditerranée, sciences et lettres";
const ARABIC: &str = "ليلى بنت عبد الرحمن العامرية";

/// What stands beyond the edge of a window `w` wide, and whether there is something to scroll sideways. A phone's window
/// grows with what does not fit.
const BEYOND: &str = "const beyond = [...document.querySelectorAll('body *')].filter((e) => { \
     const r = e.getBoundingClientRect(); return r.width > 0 && (r.right > w + 1 || r.left < -1) }); \
     const seen = Math.max(document.documentElement.scrollWidth, innerWidth); \
     return beyond.map((e) => e.tagName + '.' + e.className).concat(seen > w ? ['scroll ' + seen] : []).join(' ')";

/// Somebody who reads mails in a browser, and notes what is wrong with them.
struct Reader {
    browser: Browser,
    axe: String,
    place: Place,
    logo: String,
    faults: Vec<String>,
}

impl Reader {
    fn new() -> Result<Self> {
        let package = npm_package("axe-core", AXE, &mut parvis_stand::install::say)?;
        let axe = std::fs::read_to_string(package.join("axe.min.js"))?;
        let browser = Browser::alone(&BrowserOptions { network: true, ..BrowserOptions::default() })?;
        Ok(Self { browser, axe, place: Place::new("mails")?, logo: logo()?, faults: Vec::new() })
    }

    /// The campus's own values with a logo that is there.
    fn values(&self, locale: Locale) -> Values {
        let mut values = Values::sample(locale, true);
        values.campus.logo_url = Some(self.logo.clone());
        values
    }

    /// Opens a mail's HTML from a file, as a mail program has it.
    fn open(&self, name: &str, html: &str) -> Result<()> {
        let path = self.place.join(&format!("{name}.html"));
        std::fs::write(&path, html)?;
        self.browser.goto(&format!("file://{}", path.display()))
    }

    fn fault(&mut self, name: &str, what: impl std::fmt::Display) {
        self.faults.push(format!("{name}: {what}"));
    }

    /// Looks at a mail in every way.
    fn read(&mut self, name: &str, html: &str) -> Result<()> {
        self.open(name, html)?;
        let mut grounds = Vec::new();
        for dark in [false, true] {
            self.browser.dark(dark)?;
            let scheme = if dark { "dark" } else { "light" };
            for (width, height) in [(1280, 900), (360, 740)] {
                self.browser.resize(width, height)?;
                let shape = if dark { format!("{width}.dark") } else { width.to_string() };
                self.fits(&format!("{name} {shape}"), width)?;
                self.picture(&format!("mail-{name}.{shape}"))?;
            }
            for fault in self.violations()? {
                self.fault(&format!("{name} {scheme}"), fault);
            }
            grounds.push(self.grounds()?);
        }
        let [light, dark] = grounds.as_slice() else { anyhow::bail!("two schemes") };
        for (at, (light, dark)) in light.iter().zip(dark).enumerate() {
            if *light < 0.8 || *dark > 0.2 {
                self.fault(
                    name,
                    format!("ground {at} is {light:.2} bright by day and {dark:.2} in the dark"),
                );
            }
        }
        self.browser.dark(false)?;
        self.pictures_have_words(name)?;
        self.nobody_else_is_asked(name)?;
        self.without_style(name)
    }

    /// Nothing to scroll sideways, and nothing beyond the edge.
    fn fits(&mut self, name: &str, width: u32) -> Result<()> {
        let over = self.browser.run(&format!("const w = {width}; {BEYOND}"))?;
        if over != "" {
            self.fault(name, format!("wider than {width} px: {over}"));
        }
        Ok(())
    }

    /// What axe-core finds wrong, and every text whose contrast it could not tell.
    fn violations(&self) -> Result<Vec<String>> {
        if self.browser.run("return typeof window.axe")? == "undefined" {
            self.browser.run(&self.axe)?;
        }
        let found = self.browser.run_async(
            "const done = arguments[arguments.length - 1]; \
             axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then((r) => { \
             const told = (list) => list.map((v) => v.id + ': ' + v.nodes.map((n) => n.html).join(' | ')); \
             const contrast = r.passes.filter((v) => v.id === 'color-contrast').map((v) => v.nodes.length)[0] || 0; \
             done({ contrast, violations: told(r.violations).concat(told(r.incomplete.filter((v) => v.id === 'color-contrast'))) }) }, \
             (e) => done({ contrast: 0, violations: [String(e)] }))",
        )?;
        let contrast = found.get("contrast").and_then(Value::as_u64).unwrap_or_default();
        ensure!(contrast > 5, "axe-core measured the contrast of {contrast} texts only: {found}");
        let all = found.get("violations").and_then(Value::as_array).context("axe-core said nothing")?;
        Ok(all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// How bright the page, the frame and the card are, from 0 to 1.
    fn grounds(&self) -> Result<Vec<f64>> {
        let found = self.browser.run(
            "return ['body', '.page', '.card'].map((s) => { const c = getComputedStyle(document.querySelector(s)) \
             .backgroundColor.match(/[0-9.]+/g).map(Number); return (0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]) / 255 })",
        )?;
        let all = found.as_array().context("no grounds")?;
        ensure!(all.len() == 3, "{found}");
        Ok(all.iter().filter_map(Value::as_f64).collect())
    }

    fn pictures_have_words(&mut self, name: &str) -> Result<()> {
        let mute = self.browser.run(
            "return [...document.images].filter((i) => !i.alt.trim() || !(i.complete && i.naturalWidth > 0)) \
             .map((i) => i.src + ' ' + i.alt).join()",
        )?;
        if mute != "" {
            self.fault(name, format!("a picture without words, or that is not there: {mute}"));
        }
        Ok(())
    }

    fn nobody_else_is_asked(&mut self, name: &str) -> Result<()> {
        let loaded = self.browser.network()?;
        let others = loaded.iter().map(|one| one.url.as_str());
        let others: Vec<&str> = others
            .filter(|url| {
                !["file:", "data:", "chrome:"].iter().any(|own| url.starts_with(own)) && *url != self.logo
            })
            .collect();
        if !others.is_empty() {
            self.fault(name, format!("loads from elsewhere: {others:?}"));
        }
        Ok(())
    }

    /// Some programs know no style sheet: what is left must still fit and be read.
    fn without_style(&mut self, name: &str) -> Result<()> {
        self.browser.run("document.querySelectorAll('style').forEach((style) => style.remove())")?;
        let name = format!("{name} without its style sheet");
        self.fits(&name, 360)?;
        for fault in self.violations()? {
            self.fault(&name, fault);
        }
        Ok(())
    }

    fn picture(&self, name: &str) -> Result<()> {
        let Some(folder) = std::env::var_os("PARVIS_PICTURES").map(PathBuf::from) else { return Ok(()) };
        std::fs::create_dir_all(&folder)?;
        self.browser.picture(&folder.join(format!("{name}.png")))
    }

    fn end(self) {
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
    }
}

/// Serves the logo for as long as the test runs; where it is.
fn logo() -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever asks and goes away misses a logo, and nothing else.
            let _ = answer(stream);
        }
    });
    Ok(format!("http://{address}/logo.svg"))
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let length = LOGO.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: image/svg+xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{LOGO}"
    )
}

fn html(name: MailName, locale: Locale, values: &Values) -> Result<String> {
    let rendered = Templates::load(None)?.render(name, locale, values)?;
    ensure!(rendered.fault.is_none(), "{rendered:?}");
    Ok(rendered.html)
}

fn every_mail(locale: Locale) -> Result<()> {
    let mut reader = Reader::new()?;
    let values = reader.values(locale);
    for name in MailName::ALL {
        let html = html(name, locale, &values)?;
        reader.read(&format!("{}.{}", name.as_str(), locale.as_str()), &html)?;
    }
    // The reminder of who has begun, and a quiet night.
    let begun = Values { link: None, ..values.clone() };
    reader
        .read(&format!("reminder-begun.{}", locale.as_str()), &html(MailName::Reminder, locale, &begun)?)?;
    let quiet = Values::sample(locale, false);
    reader.read(&format!("report-quiet.{}", locale.as_str()), &html(MailName::Report, locale, &quiet)?)?;
    reader.end();
    Ok(())
}

#[test]
fn every_mail_in_french() -> Result<()> {
    every_mail(Locale::Fr)
}

#[test]
fn every_mail_in_english() -> Result<()> {
    every_mail(Locale::En)
}

#[test]
fn a_long_campus_and_a_name_from_right_to_left_break_nothing() -> Result<()> {
    let mut reader = Reader::new()?;
    for name in MailName::ALL {
        for (which, campus) in [("long", LONG), ("arabic", "جامعة المثال للعلوم والآداب")]
        {
            // Without a logo the name itself stands at the top; with one, it is the picture's words.
            let mut values = Values::sample(Locale::Fr, true);
            values.campus.logo_url = None;
            values.campus.name = campus.to_owned();
            if let Some(person) = &mut values.person {
                person.name = Some(ARABIC.to_owned());
            }
            values.address = Some(format!("{}@{}.example", "a".repeat(60), "b".repeat(60)));
            values.report.iter_mut().for_each(|report| report.nobody.first = names_from_right_to_left());
            values.mailbox.clone_from(&values.address);
            values.forward.clone_from(&values.address);
            let html = html(name, Locale::Fr, &values)?;
            reader.read(&format!("{}-{which}.fr", name.as_str()), &html)?;
            if name == MailName::Report {
                reader.reads_in_order()?;
            }
        }
    }
    reader.end();
    Ok(())
}

impl Reader {
    /// Names from right to left in a list stand in the list's order, and not in theirs.
    fn reads_in_order(&mut self) -> Result<()> {
        let order = self.browser.run(
            "const [one, two] = ['أمل', 'بدر'].map((name) => [...document.querySelectorAll('li bdi, li span')] \
             .find((b) => b.textContent === name).getBoundingClientRect()); return one.top < two.top || one.right <= two.left",
        )?;
        if order != true {
            self.fault("report", "names in a list change their places");
        }
        Ok(())
    }
}

#[test]
fn what_a_mail_must_not_do_is_found() -> Result<()> {
    let mut reader = Reader::new()?;
    let values = reader.values(Locale::Fr);
    let good = html(MailName::Link, Locale::Fr, &values)?;
    for (what, from, to) in [
        ("wider than 360", "<h1 ", "<p style=\"width:700px\">x</p><h1 "),
        (
            "color-contrast",
            "font-weight:bold;color:#1b1f24\">Votre",
            "font-weight:bold;color:#e0e0e0\">Votre",
        ),
        ("in the dark", "prefers-color-scheme: dark", "prefers-color-scheme: none"),
        ("without words", " alt=\"Université de Parvis\"", ""),
        ("elsewhere", "<h1 ", "<img alt=\"x\" src=\"http://127.0.0.1:9/spy.png\"><h1 "),
        ("without its style sheet", "max-width:600px", "width:600px"),
    ] {
        let bad = good.replacen(from, to, 1);
        ensure!(bad != good, "{from:?} is not in the mail");
        reader.faults.clear();
        reader.read("broken", &bad)?;
        let told = std::mem::take(&mut reader.faults).join("\n");
        assert!(told.contains(what), "{what:?} is not found: {told}");
    }
    let mut values = values;
    values.report.iter_mut().for_each(|report| report.nobody.first = names_from_right_to_left());
    let good = html(MailName::Report, Locale::Fr, &values)?;
    reader.open("broken", &good.replace("<bdi>", "<span>").replace("</bdi>", "</span>"))?;
    reader.reads_in_order()?;
    assert!(!reader.faults.is_empty(), "names that change their places are not found");
    Ok(())
}

fn names_from_right_to_left() -> Vec<String> {
    ["أمل", "بدر"].map(str::to_owned).to_vec()
}
