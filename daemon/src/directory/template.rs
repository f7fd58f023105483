//! The small language of the mapping: minijinja over what the person chose and what the entry holds.
//!
//! It computes texts and truths; it reads nothing and writes nothing. Loops end (fuel), and an unknown name is a fault.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{Object, Value};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};

use super::Entry;
use super::mapping::Chosen;

/// Instructions that one template may take.
const FUEL: u64 = 20_000;
/// No attribute value needs more, in bytes.
const MAX_VALUE: usize = 4096;

/// What a template may name.
const NAMES: [&str; 14] = [
    "login",
    "uuid",
    "recovery_address",
    "listed",
    "mailbox",
    "forward",
    "keep_copy",
    "charter",
    "today",
    "now",
    "entry",
    "classes",
    "state_end",
    "dn",
];

/// Compiles and renders.
#[derive(Clone, Debug)]
pub(super) struct Engine(Environment<'static>);

impl Engine {
    pub(super) fn new() -> Engine {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment
            .add_function("state_end", |values: Value, resource: String| state_end(&values, &resource));
        Engine(environment)
    }

    /// Is this a template that names only what there is? It is kept, to be rendered; answers the entry's attributes that
    /// it reads.
    pub(super) fn take(&mut self, text: &str) -> Result<Vec<String>, String> {
        self.0.add_template_owned(text.to_owned(), text.to_owned()).map_err(|error| words(&error))?;
        let template = self.0.get_template(text).map_err(|error| words(&error))?;
        known(template.undeclared_variables(true))
    }

    /// The same for an expression.
    pub(super) fn check_expression(&self, text: &str) -> Result<Vec<String>, String> {
        let expression = self.0.compile_expression(text).map_err(|error| words(&error))?;
        known(expression.undeclared_variables(true))
    }

    /// Renders a template that was taken.
    pub(super) fn render(&self, text: &str, context: &Value) -> Result<String, String> {
        let rendered = self.0.get_template(text).and_then(|template| template.render(context));
        let rendered = rendered.map_err(|error| words(&error))?;
        if rendered.len() > MAX_VALUE {
            return Err(format!("the value is longer than {MAX_VALUE} bytes"));
        }
        if rendered.contains('\0') {
            return Err("the value contains a NUL".to_owned());
        }
        Ok(rendered)
    }

    pub(super) fn holds(&self, text: &str, context: &Value) -> Result<bool, String> {
        let expression = self.0.compile_expression(text).map_err(|error| words(&error))?;
        expression.eval(context.clone()).map(|value| value.is_true()).map_err(|error| words(&error))
    }
}

/// What went wrong, without the values that were being rendered.
fn words(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

fn known(names: impl IntoIterator<Item = String>) -> Result<Vec<String>, String> {
    let mut read = Vec::new();
    for name in names {
        let mut parts = name.split('.');
        let base = parts.next().unwrap_or_default();
        if !NAMES.contains(&base) {
            return Err(format!("{base} is not known here; there are {}", NAMES.join(", ")));
        }
        if base == "entry"
            && let Some(attribute) = parts.next()
        {
            read.push(attribute.to_owned());
        }
    }
    Ok(read)
}

/// Everything that a template may name, for one person.
pub(super) fn context(entry: &Entry, chosen: &Chosen) -> Value {
    let classes = entry.values("objectClass").map(|class| Value::from(class.to_ascii_lowercase()));
    minijinja::context! {
        login => chosen.login.clone(),
        uuid => entry.uuid.to_string(),
        dn => entry.dn.clone(),
        recovery_address => chosen.recovery_address.clone(),
        listed => chosen.listed,
        mailbox => chosen.mailbox,
        forward => chosen.forward.clone(),
        keep_copy => chosen.keep_copy,
        charter => minijinja::context! {
            version => chosen.charter.version.clone(),
            sha256 => chosen.charter.sha256.clone(),
            locale => chosen.charter.locale.clone(),
            at => chosen.charter.at.clone(),
        },
        today => chosen.today.clone(),
        now => chosen.now.clone(),
        classes => Value::from_iter(classes),
        entry => Value::from_object(View(entry.attributes.clone())),
    }
}

/// The entry's attributes, by name in any case; those that are not UTF-8 are not there.
#[derive(Debug)]
struct View(BTreeMap<String, Vec<Vec<u8>>>);

impl Object for View {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let values = self.0.get(&key.as_str()?.to_ascii_lowercase())?;
        let texts: Vec<Value> =
            values.iter().filter_map(|value| std::str::from_utf8(value).ok()).map(Value::from).collect();
        (!texts.is_empty()).then(|| Value::from(texts))
    }
}

/// The end date in the value `{RESOURCE}STATE:substate:start:end` of a resource (SUPANN, supannRessourceEtatDate).
fn state_end(values: &Value, resource: &str) -> String {
    let wanted = format!("{{{resource}}}").to_lowercase();
    let Ok(values) = values.try_iter() else { return String::new() };
    values
        .filter_map(|value| value.as_str().map(str::to_owned))
        .filter(|value| value.to_lowercase().starts_with(&wanted))
        .find_map(|value| value.split(':').nth(3).map(str::to_owned))
        .unwrap_or_default()
}
