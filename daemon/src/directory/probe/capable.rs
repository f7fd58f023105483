//! What the server lists, and whether its schema knows what is read and written.

use super::{Look, is_unknown};
use crate::directory::ber::PASSWORD_POLICY;
use crate::directory::facts;
use crate::directory::link::{self, Capabilities, Fault, Link};

impl Look<'_> {
    pub(super) fn capable(&mut self, capabilities: &Capabilities) {
        let controls = [
            (
                link::ASSERTION,
                "the assertion control (RFC 4528)",
                "without it, a change in the last instant may go unnoticed",
            ),
            (
                link::POST_READ,
                "the post-read control (RFC 4527)",
                "without it, each activation takes one more search",
            ),
            (
                PASSWORD_POLICY,
                "the password policy control",
                "without it, refusals of a password have no reason",
            ),
        ];
        for (number, name, otherwise) in controls {
            if capabilities.control(number) {
                self.ok(format!("the server has {name}"));
            } else {
                self.warn(format!("the server does not list {name}"), name, otherwise);
            }
        }
        if capabilities.extension(link::PASSWORD_MODIFY) {
            self.ok("the server has the password modify operation (RFC 3062)".to_owned());
        } else {
            let action = "state password-write = \"modify\" if the server hashes clear passwords itself";
            self.warn(
                "the server does not list RFC 3062".to_owned(),
                "the password modify operation",
                action,
            );
        }
    }

    /// Does the schema know everything that is read and written?
    pub(super) async fn known(
        &mut self,
        link: &Link,
        capabilities: &Capabilities,
        writes: &[String],
    ) -> Result<(), Fault> {
        let Some(schema) = facts::schema(link, capabilities, self.dialect, self.limit).await? else {
            let action = "let the service read cn=Subschema: matching rules are guessed without it";
            self.warn("the schema cannot be read".to_owned(), "cn=Subschema", action);
            return Ok(());
        };
        let unknown = |names: &mut dyn Iterator<Item = &String>| -> Vec<String> {
            let mut unknown: Vec<String> = names.filter(|name| is_unknown(&schema, name)).cloned().collect();
            unknown.dedup();
            unknown
        };
        let written = unknown(&mut writes.iter());
        if written.is_empty() {
            self.ok("the schema has every attribute that is written".to_owned());
        } else {
            let action = "load the schema that defines them, or change the write rules";
            self.fail(
                format!("the schema does not have {}", written.join(", ")),
                "every attribute that is written",
                action,
            );
        }
        let read = unknown(&mut self.prepared.attributes.iter());
        if !read.is_empty() {
            let action = "a filter that names an attribute which the schema does not have never matches";
            self.warn(
                format!("the schema does not have {}", read.join(", ")),
                "every attribute that is read",
                action,
            );
        }
        Ok(())
    }
}
