//! What the people's entries say of mail: who cannot say "no copy", and which domains their mailboxes are in.

use std::collections::BTreeMap;

use ldap3::Scope;

use super::{Asked, Look};
use crate::directory::ber;
use crate::directory::link::{Fault, Link, refusal};

/// At most so many people are looked at for each question.
const SOME: i32 = 1000;
/// So many domains are named.
const NAMED: usize = 8;

impl Look<'_> {
    /// Can everybody's entry who may forward say that no copy is kept? Where its class is missing, one is kept.
    pub(super) async fn copies(&mut self, link: &Link, asked: &Asked<'_>) -> Result<(), Fault> {
        if asked.copy_classes.is_empty() {
            return Ok(());
        }
        let classes: String =
            asked.copy_classes.iter().map(|class| format!("(objectClass={class})")).collect();
        for name in asked.forwarding {
            let Some(population) = self.population(name) else { continue };
            let states =
                format!("(|{}{})", self.prepared.settings.provisional, self.prepared.settings.active);
            let filter = format!("(&{states}{population}(!(|{classes})))");
            let login = self.prepared.settings.login_attribute.clone();
            let answer = self.search(link, Scope::Subtree, &filter, &[&login], SOME).await?;
            let count = answer.entries.len();
            let more = if answer.result.rc == 4 { "more than " } else { "" };
            if count == 0 && answer.result.rc == 0 {
                self.ok(format!("everybody in {name} has a class that can say \"no copy\""));
            } else if count == 0 {
                let what =
                    format!("the classes of people in {name} cannot be counted: {}", refusal(&answer.result));
                self.warn(what, "a count", "check the population's filter");
            } else {
                let what = format!(
                    "{more}{count} people in {name} have no class in which \"no copy\" can be written: a copy of what is \
                     forwarded is kept, whatever they choose"
                );
                let expected = asked.copy_classes.join(" or ");
                let action = "give their entries the class, or let activation do it (docs/forwarding.md: how the copy is \
                              said)";
                self.warn(what, &expected, action);
            }
        }
        Ok(())
    }

    /// Are people's mailboxes in domains that the configuration does not call the campus's own?
    pub(super) async fn domains(&mut self, link: &Link, asked: &Asked<'_>) -> Result<(), Fault> {
        let populations: String = asked.mailboxes.iter().filter_map(|name| self.population(name)).collect();
        if populations.is_empty() {
            return Ok(());
        }
        let mail = asked.mail_attribute;
        let own: String =
            asked.domains.iter().map(|domain| format!("({mail}=*@{domain})({mail}=*.{domain})")).collect();
        let filter = format!("(&({mail}=*)(|{populations})(!(|{own})))");
        let answer = self.search(link, Scope::Subtree, &filter, &[mail], SOME).await?;
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for (_, read) in answer.entries.into_iter().filter_map(ber::attributes) {
            for value in read.get(&mail.to_ascii_lowercase()).into_iter().flatten() {
                let text = String::from_utf8_lossy(value).to_lowercase();
                if let Some((_, domain)) = text.rsplit_once('@') {
                    *found.entry(domain.to_owned()).or_default() += 1;
                }
            }
        }
        if found.is_empty() {
            if answer.result.rc == 0 {
                self.ok("every mailbox that the directory names is in one of campus.domains".to_owned());
            }
            return Ok(());
        }
        let mut found: Vec<(String, usize)> = found.into_iter().collect();
        found.sort_by(|(one, many), (other, few)| few.cmp(many).then_with(|| one.cmp(other)));
        let named: Vec<String> =
            found.iter().take(NAMED).map(|(domain, count)| format!("{domain} ({count})")).collect();
        let what =
            format!("people have mailboxes in domains that are not in campus.domains: {}", named.join(", "));
        let action = "add those that are the campus's own: until then, people may give each other's addresses there as \
                      outside addresses";
        self.warn(what, "campus.domains with every domain that is delivered here", action);
        Ok(())
    }

    /// The filter of one population: those before it come first.
    fn population(&self, name: &str) -> Option<String> {
        let mut before = String::new();
        for (own, filter) in &self.prepared.settings.populations {
            if own == name {
                return Some(if before.is_empty() {
                    filter.clone()
                } else {
                    format!("(&{filter}(!(|{before})))")
                });
            }
            before.push_str(filter);
        }
        None
    }
}
