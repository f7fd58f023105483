//! From what a person chose to what is written: a declarative mapping, checked when it is read, planned without I/O.
//!
//! It never touches the password, and never deletes a value that was not read: another's change in between is noticed.

use serde::{Deserialize, Serialize};

use super::Entry;
use super::habits::Habits;
use super::matching::{Kind, Pattern};
use super::plan::{Act, Change, Plan};
use super::template::{Engine, context};

/// What happens to one attribute, as the configuration writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WriteRule {
    /// The attribute.
    pub attribute: String,
    /// Only where this expression is true.
    #[serde(default)]
    pub when: Option<String>,
    /// These are the only values afterwards; those that render empty are left out, and none at all removes the attribute.
    #[serde(default)]
    pub replace: Option<Vec<String>>,
    /// Values to add; those that render empty are left out.
    #[serde(default)]
    pub add: Vec<String>,
    /// Patterns, `*` for anything, in any case, of the values to remove; `{…}` stands for itself.
    #[serde(default)]
    pub delete: Vec<String>,
}

/// What a person chose, and what the mapping may know besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The login, as the directory writes it.
    pub login: String,
    /// The confirmed recovery address.
    pub recovery_address: String,
    /// Appear in the public directory?
    pub listed: bool,
    /// Has the population a mailbox?
    pub mailbox: bool,
    /// Where mail is forwarded to.
    pub forward: Option<String>,
    /// Keep a copy of what is forwarded?
    pub keep_copy: bool,
    /// The charter that was accepted.
    pub charter: Charter,
    /// `YYYYMMDD`, in the campus's zone.
    pub today: String,
    /// GeneralizedTime in UTC.
    pub now: String,
}

/// The charter that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charter {
    /// Its version.
    pub version: String,
    /// The hash of the text that was shown, in hexadecimal.
    pub sha256: String,
    /// The language that it was shown in.
    pub locale: String,
    /// When it was accepted, as GeneralizedTime in UTC.
    pub at: String,
}

/// What is wrong with one rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write rule {rule} ({attribute}): {fault}")]
pub struct MappingFault {
    /// Its place, from 1.
    pub rule: usize,
    /// Its attribute.
    pub attribute: String,
    /// What is wrong, and what would be right.
    pub fault: String,
}

/// Why a rule could not be applied to an entry: the configuration, or the entry, is not as the rule expects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write rule {rule} ({attribute}): {fault}")]
pub struct PlanError {
    /// Its place, from 1.
    pub rule: usize,
    /// Its attribute.
    pub attribute: String,
    /// What could not be computed.
    pub fault: String,
}

/// Rules that have been checked.
#[derive(Clone, Debug)]
pub struct Mapping {
    rules: Vec<WriteRule>,
    engine: Engine,
    reads: Vec<String>,
}

/// The shipped configuration: its rules are the default, SUPANN with the usual forwarding attributes.
const SHIPPED: &str = include_str!("../../../conf/parvis.toml");

/// As much of it as is read here.
#[derive(Deserialize)]
struct Shipped {
    directory: ShippedDirectory,
}

#[derive(Deserialize)]
struct ShippedDirectory {
    writes: Vec<WriteRule>,
}

impl Mapping {
    /// The default rules.
    pub fn supann() -> Vec<WriteRule> {
        let file: Shipped = toml::from_str(SHIPPED).expect("a test reads the shipped configuration");
        file.directory.writes
    }

    /// Check the rules, and say all that is wrong with them.
    pub fn compile(rules: &[WriteRule]) -> Result<Mapping, Vec<MappingFault>> {
        let mut engine = Engine::new();
        let mut faults = Vec::new();
        let mut reads = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            reads.push(rule.attribute.clone());
            let mut fault = |fault: String| {
                faults.push(MappingFault { rule: at + 1, attribute: rule.attribute.clone(), fault });
            };
            shape(rule, &mut fault);
            for template in rule.replace.iter().flatten().chain(&rule.add) {
                match engine.take(template) {
                    Ok(names) => reads.extend(names),
                    Err(words) => fault(format!("{template:?}: {words}")),
                }
            }
            match rule.when.as_ref().map(|when| engine.check_expression(when)) {
                Some(Ok(names)) => reads.extend(names),
                Some(Err(words)) => fault(format!("when: {words}")),
                None => {}
            }
        }
        if faults.is_empty() { Ok(Mapping { rules: rules.to_vec(), engine, reads }) } else { Err(faults) }
    }

    /// Every attribute that must be read for a plan.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        self.reads.iter().map(String::as_str)
    }

    /// Every attribute that a plan may write.
    pub fn writes(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.attribute.as_str())
    }

    /// The object classes, in lower case, of which an entry needs one for any of these attributes to be written: those that
    /// their rules name in `when`. None where a rule asks for no class, or where activation gives classes.
    pub fn classes_for(&self, attributes: &[&str]) -> Vec<String> {
        let is = |rule: &WriteRule, name: &str| rule.attribute.eq_ignore_ascii_case(name);
        let of_these = |rule: &&WriteRule| attributes.iter().any(|name| is(rule, name));
        let mut classes = Vec::new();
        for rule in self.rules.iter().filter(of_these) {
            let asked = rule.when.as_deref().unwrap_or_default();
            let named =
                asked.split("' in classes").filter_map(|before| before.rsplit_once('\'')).map(|(_, c)| c);
            let count = asked.matches("' in classes").count();
            if count == 0 {
                return Vec::new();
            }
            classes.extend(named.take(count).map(str::to_ascii_lowercase));
        }
        if self.rules.iter().any(|rule| is(rule, "objectClass")) { Vec::new() } else { classes }
    }

    /// What to write to this entry, for what this person chose.
    pub fn plan(&self, entry: &Entry, chosen: &Chosen) -> Result<Plan, PlanError> {
        let context = context(entry, chosen);
        let mut drafts: Vec<Draft> = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let failed = |fault: String| PlanError { rule: at + 1, attribute: rule.attribute.clone(), fault };
            if let Some(when) = &rule.when
                && !self.engine.holds(when, &context).map_err(failed)?
            {
                continue;
            }
            let render = |templates: &[String]| -> Result<Vec<Vec<u8>>, PlanError> {
                let texts = templates.iter().map(|text| self.engine.render(text, &context).map_err(failed));
                let texts = texts.collect::<Result<Vec<_>, _>>()?;
                Ok(texts.into_iter().filter(|text| !text.trim().is_empty()).map(String::into_bytes).collect())
            };
            let draft = draft(&mut drafts, entry, &rule.attribute);
            if let Some(templates) = &rule.replace {
                draft.replace(render(templates)?);
            }
            rule.delete.iter().for_each(|pattern| draft.delete(&Pattern::written(pattern)));
            render(&rule.add)?.into_iter().for_each(|value| draft.add(value));
        }
        let changes = drafts.into_iter().flat_map(Draft::changes).collect();
        Ok(Plan { uuid: entry.uuid, dn: entry.dn.clone(), stamp: entry.stamp.clone(), changes })
    }
}

/// What is wrong with a rule before any template is looked at.
fn shape(rule: &WriteRule, fault: &mut impl FnMut(String)) {
    let name = &rule.attribute;
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == ';');
    if !good {
        fault("this is not an attribute's name".to_owned());
    }
    if name.split(';').next().unwrap_or_default().eq_ignore_ascii_case("userPassword") {
        fault("the password is written by Parvis itself, never by a rule".to_owned());
    }
    match (&rule.replace, rule.add.is_empty() && rule.delete.is_empty()) {
        (None, true) => fault("the rule does nothing: give replace, or add and delete".to_owned()),
        (Some(_), false) => fault("give replace, or add and delete, not both".to_owned()),
        _ => {}
    }
    if rule.delete.iter().any(|pattern| pattern.is_empty() || pattern.contains("**")) {
        fault("a delete pattern is empty, or has ** in it".to_owned());
    }
}

/// The change of one attribute while the rules are gone through.
struct Draft {
    attribute: String,
    held: Vec<Vec<u8>>,
    only: Option<Vec<Vec<u8>>>,
    gone: Vec<Vec<u8>>,
    new: Vec<Vec<u8>>,
}

fn draft<'a>(drafts: &'a mut Vec<Draft>, entry: &Entry, attribute: &str) -> &'a mut Draft {
    let at = drafts.iter().position(|draft| draft.attribute.eq_ignore_ascii_case(attribute)).unwrap_or_else(
        || {
            let held = entry.attributes.get(&attribute.to_ascii_lowercase()).cloned().unwrap_or_default();
            let attribute = attribute.to_owned();
            drafts.push(Draft { attribute, held, only: None, gone: Vec::new(), new: Vec::new() });
            drafts.len() - 1
        },
    );
    drafts.get_mut(at).expect("the position was just found or pushed")
}

impl Draft {
    fn replace(&mut self, values: Vec<Vec<u8>>) {
        self.gone.clear();
        self.new.clear();
        let mut only = Vec::new();
        values.into_iter().for_each(|value| push_once(&mut only, value));
        self.only = Some(only);
    }

    fn delete(&mut self, pattern: &Pattern) {
        let hit = |value: &Vec<u8>| pattern.matches(Kind::IgnoreCase, value, Habits::Standard) == Some(true);
        if let Some(only) = &mut self.only {
            only.retain(|value| !hit(value));
            return;
        }
        self.new.retain(|value| !hit(value));
        let gone: Vec<_> = self.held.iter().filter(|value| hit(value)).cloned().collect();
        for value in gone {
            if !self.gone.contains(&value) {
                self.gone.push(value);
            }
        }
    }

    fn add(&mut self, value: Vec<u8>) {
        push_once(self.only.as_mut().unwrap_or(&mut self.new), value);
    }

    /// In their order: deletions by exact value, additions. What would change nothing is left out.
    fn changes(mut self) -> Vec<Change> {
        if let Some(only) = self.only {
            return vec![Change { attribute: self.attribute, act: Act::Replace { held: self.held, only } }];
        }
        for value in &self.new {
            // Held in another case: the new spelling takes its place, as the server would refuse both.
            let twin = self.held.iter().find(|held| *held != value && same(held, value));
            if let Some(twin) = twin.filter(|twin| !self.gone.contains(twin)) {
                self.gone.push(twin.clone());
            }
        }
        let staying: Vec<_> = self.new.iter().filter(|value| self.held.contains(value)).cloned().collect();
        self.gone.retain(|value| !staying.contains(value));
        self.new.retain(|value| !staying.contains(value));
        let acts = [Act::Delete(self.gone), Act::Add(self.new)];
        acts.into_iter()
            .filter(|act| !matches!(act, Act::Delete(values) | Act::Add(values) if values.is_empty()))
            .map(|act| Change { attribute: self.attribute.clone(), act })
            .collect()
    }
}

fn push_once(values: &mut Vec<Vec<u8>>, value: Vec<u8>) {
    if !values.iter().any(|held| same(held, &value)) {
        values.push(value);
    }
}

/// The same value to a case-insensitive rule.
fn same(one: &[u8], other: &[u8]) -> bool {
    match (std::str::from_utf8(one), std::str::from_utf8(other)) {
        (Ok(one), Ok(other)) => one.to_lowercase() == other.to_lowercase(),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests;
