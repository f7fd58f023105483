//! What a page must show for a step: the rules' state, in the contract's words and the person's language.

use super::hook::{Desk, Trouble};
use crate::config::Settings;
use crate::engine::keys::{Kind, Token};
use crate::mail::{Held, held};
use crate::service::clock;
use crate::words::{Value, civil, deadline, meant};
use jiff::{SignedDuration, Timestamp};
use parvis_enrolment::address::masked;
use parvis_enrolment::policy::Forwarding as Rule;
use parvis_enrolment::{
    Answer, Answers, Enrolment, Id, Link, Purpose as LinkPurpose, Refusal, Step as Stage,
};
use parvis_protocol::Secret;
use parvis_protocol::hook::{
    CharterView, Deadline, Delivery, DoneView, Forwarding, ListingView, MailView, PasswordRule, PasswordView,
    Progress, Purpose, RecoveryView, RuleId, Sent, Step, StepAnswer, View,
};

/// The answer to a call that went well. `held`: the session in which it was made; the answer names the session that
/// the caller holds from now on, which may be a new one.
pub fn step_answer(
    desk: &Desk,
    enrolment: &Enrolment,
    answer: Answer,
    held: Option<Id>,
) -> Result<StepAnswer, Trouble> {
    if answer == Answer::SignIn {
        return Ok(sign_in(desk));
    }
    let stage = enrolment.step(&desk.settings.policy);
    let person = enrolment.profile.locale.clone();
    let stage = stage.ok_or(Trouble::Refused(Refusal::NoPopulation, person))?;
    let handed = match answer {
        Answer::Session(id) => Some(id),
        Answer::State | Answer::Ticket(_) | Answer::SignIn | Answer::Write => held,
    };
    let session = handed.and_then(|id| enrolment.session(id));
    Ok(StepAnswer {
        step: step(stage),
        session: handed.map(|id| token(desk, enrolment, id)),
        expires: session.map(|session| civil(&desk.settings, session.until)),
        sign_in_url: None,
        view: Some(Viewer::new(desk, enrolment).view(stage, handed)),
    })
}

/// The address is confirmed; this browser goes on by signing in.
fn sign_in(desk: &Desk) -> StepAnswer {
    StepAnswer {
        step: Step::SignIn,
        session: None,
        expires: None,
        sign_in_url: Some(desk.settings.sign_in_url().to_owned()),
        view: None,
    }
}

fn token(desk: &Desk, enrolment: &Enrolment, id: Id) -> Secret {
    let token = desk.gate.engine.keys.token(Kind::Session, Token { person: enrolment.person, id });
    Secret::new(token.as_str())
}

struct Viewer<'a> {
    desk: &'a Desk,
    settings: &'a Settings,
    enrolment: &'a Enrolment,
    locale: String,
    now: Timestamp,
}

impl<'a> Viewer<'a> {
    fn new(desk: &'a Desk, enrolment: &'a Enrolment) -> Self {
        let locale = desk.tongue(enrolment.profile.locale.as_deref());
        Self { desk, settings: &desk.settings, enrolment, locale, now: clock::now() }
    }

    fn view(&self, stage: Stage, session: Option<Id>) -> View {
        let path = self.enrolment.path(&self.settings.policy);
        let current = path.iter().position(|step| *step == stage).unwrap_or(0) + 1;
        let sent = self.sent(stage);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        View {
            login: self.enrolment.profile.login.clone(),
            name: self.enrolment.profile.name.clone(),
            locale: self.locale.clone(),
            title: self.say(&format!("{}-title", step(stage).as_str()), &[]),
            lead: self.lead(stage, sent.as_ref()),
            progress: Progress { current: count(current), total: count(path.len()) },
            deadline: sent.as_ref().map(|sent| sent.deadline.clone()),
            recovery: (stage == Stage::RecoveryAddress).then(|| self.recovery()),
            sent,
            charter: (stage == Stage::Charter).then(|| self.charter()),
            listing: open(stage, Stage::Listing)
                .then(|| ListingView { listed: self.answers().and_then(|a| a.listed) }),
            mail: open(stage, Stage::Mail).then(|| self.mail(stage)),
            password: (stage == Stage::Password).then(|| self.password()),
            done: (stage == Stage::Done).then(|| self.done(session)),
        }
    }

    fn say(&self, name: &str, values: &[(&str, Value)]) -> String {
        self.desk.gate.words.say(&self.locale, name, values)
    }

    fn lead(&self, stage: Stage, sent: Option<&Sent>) -> String {
        let values = sent.map_or_else(Vec::new, |sent| {
            vec![
                ("address", Value::from(sent.address.clone())),
                ("deadline", sent.deadline.words.clone().into()),
            ]
        });
        match stage {
            Stage::Mail if self.mailbox().is_some() => self.say("mail-mailbox-lead", &values),
            Stage::Mail => self.say("mail-required-lead", &values),
            Stage::RecoveryLink | Stage::ForwardLink
                if sent.is_some_and(|sent| sent.delivery == Delivery::Deferred) =>
            {
                self.say(&format!("{}-deferred-lead", step(stage).as_str()), &values)
            }
            Stage::RecoveryAddress
            | Stage::RecoveryLink
            | Stage::Charter
            | Stage::Listing
            | Stage::ForwardLink
            | Stage::Password
            | Stage::Done => self.say(&format!("{}-lead", step(stage).as_str()), &values),
        }
    }

    fn sent(&self, stage: Stage) -> Option<Sent> {
        self.enrolment.newest(waits_for(stage)?).map(|link| self.sent_by(link))
    }

    fn sent_by(&self, link: &Link) -> Sent {
        use parvis_enrolment::Delivery as Kept;
        let paused = self.desk.gate.board.is_down("mail").then_some("mail-paused");
        let (delivery, at, detail) = match &link.delivery {
            Kept::Queued => (Delivery::Queued, None, paused),
            Kept::Sent(at) => (Delivery::Sent, Some(at), None),
            Kept::Unconfirmed(at, _) => (Delivery::Sent, Some(at), Some("mail-unconfirmed")),
            Kept::Deferred(_, why) => {
                let why = match held(why) {
                    Held::Later => "mail-later",
                    Held::Full => "mail-full",
                    Held::Ours => "mail-ours",
                };
                (Delivery::Deferred, None, paused.or(Some(why)))
            }
            // Its link has ended, too, and that is what the page is about.
            Kept::GivenUp(..) => (Delivery::Deferred, None, None),
            Kept::Refused(..) => (Delivery::Refused, None, None),
        };
        let detail = detail.map(|why| self.say(why, &[]));
        let ready =
            link.mailed.checked_add(self.settings.policy.limits.resend_cooldown).unwrap_or(link.mailed);
        // Up to the next whole second: 0 is when it may be asked for.
        let wait = ready.duration_since(self.now).max(SignedDuration::ZERO).as_millis().unsigned_abs();
        Sent {
            address: masked(&link.address),
            meant: link.address.rsplit('@').next().and_then(meant).map(str::to_owned),
            unreachable: self.unreachable(&link.address).then_some(true),
            at: at.map(|at| civil(self.settings, *at)),
            delivery,
            detail,
            deadline: self.deadline(link.deadline),
            resend_after: u32::try_from(wait.div_ceil(1000)).unwrap_or(u32::MAX),
        }
    }

    /// Whether the DNS has said, a while ago at most, that the address's domain takes no mail.
    fn unreachable(&self, address: &str) -> bool {
        let domain = address.rsplit('@').next().unwrap_or_default();
        self.settings.mail.mx.is_some() && self.desk.gate.domains.closed(domain)
    }

    fn deadline(&self, at: Timestamp) -> Deadline {
        let words = deadline(&self.desk.gate.words, self.settings, &self.locale, at, self.now);
        Deadline { at: civil(self.settings, at), words }
    }

    fn recovery(&self) -> RecoveryView {
        let typed = self.enrolment.newest(LinkPurpose::Recovery).map(|link| link.address.clone());
        RecoveryView { offered: typed.or_else(|| self.enrolment.profile.offered.clone()) }
    }

    fn charter(&self) -> CharterView {
        let (charter, shown) = (&self.settings.policy.charter, &self.settings.charter);
        let text = |texts: &crate::config::Texts| texts.get(&self.locale).cloned().unwrap_or_default();
        let accepted = self.answers().and_then(|answers| answers.charter.as_ref());
        CharterView {
            version: charter.version.clone(),
            title: text(&shown.title),
            url: text(&shown.url),
            sha256: charter.digest(&self.locale).unwrap_or_default().to_owned(),
            accepted: accepted.is_some_and(|accepted| accepted.version == charter.version),
        }
    }

    fn mail(&self, stage: Stage) -> MailView {
        let answers = self.answers();
        let people = self.enrolment.population(&self.settings.policy);
        let answer = answers.and_then(|answers| answers.mail.as_ref());
        // A later step shows an address only where it was proven.
        let forward = match stage {
            Stage::Mail => {
                answer.and_then(|mail| mail.forward.as_ref()).map(|forward| forward.address.clone())
            }
            _ => answers.and_then(|answers| answers.confirmed_forward()).map(str::to_owned),
        };
        MailView {
            mailbox: self.mailbox(),
            mailbox_usable: self.mailbox_usable(),
            forwarding: people.map_or(Forwarding::Off, |people| forwarding(people.forwarding)),
            offered: answers.map(|answers| answers.recovery.clone()),
            forward,
            keep_copy: answer.map_or(people.is_some_and(|people| people.mailbox), |mail| mail.keep_copy),
        }
    }

    fn password(&self) -> PasswordView {
        let rules = &self.settings.password;
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let mut sentences = vec![PasswordRule {
            id: RuleId::Length,
            sentence: self.say("rule-length", &[("minimum", number(rules.minimum).into())]),
            value: u32::try_from(rules.minimum).ok(),
        }];
        let mut rule = |wanted: bool, id: RuleId, sentence: String| {
            let value = match id {
                RuleId::Classes => Some(u32::from(rules.classes)),
                RuleId::Strength => Some(u32::from(rules.strength)),
                RuleId::Length | RuleId::Identity | RuleId::Breached | RuleId::History => None,
            };
            if wanted {
                sentences.push(PasswordRule { id, sentence, value });
            }
        };
        let classes = self.say("rule-classes", &[("classes", i64::from(rules.classes).into())]);
        rule(rules.classes > 0, RuleId::Classes, classes);
        rule(true, RuleId::Identity, self.say("rule-identity", &[]));
        rule(rules.strength > 0, RuleId::Strength, self.say("rule-strength", &[]));
        rule(rules.breached.is_some(), RuleId::Breached, self.say("rule-breached", &[]));
        rule(rules.history_sentence, RuleId::History, self.say("rule-history", &[]));
        PasswordView {
            minimum: u32::try_from(rules.minimum).unwrap_or(u32::MAX),
            maximum: u32::try_from(rules.maximum).unwrap_or(u32::MAX),
            rules: sentences,
            identity: super::password::identity(self.enrolment),
        }
    }

    fn done(&self, session: Option<Id>) -> DoneView {
        let return_to = session.and_then(|id| self.enrolment.session(id)).and_then(|s| s.return_to.clone());
        DoneView {
            login: self.enrolment.profile.login.clone(),
            mailbox: self.mailbox(),
            mailbox_usable: self.mailbox_usable(),
            forward: self.answers().and_then(|answers| answers.confirmed_forward()).map(str::to_owned),
            listed: self.answers().and_then(|answers| answers.listed).unwrap_or(false),
            return_to,
        }
    }

    fn answers(&self) -> Option<&Answers> {
        self.enrolment.answers()
    }

    /// The mailbox's address, for people who get one.
    fn mailbox(&self) -> Option<String> {
        let people = self.enrolment.population(&self.settings.policy)?;
        self.enrolment.profile.mail.clone().filter(|_| people.mailbox)
    }

    fn mailbox_usable(&self) -> Option<String> {
        self.mailbox().and_then(|_| self.settings.mailbox_usable.get(&self.locale).cloned())
    }
}

/// Whether a step's answer can be given at this one: then, and until the password is set.
fn open(stage: Stage, own: Stage) -> bool {
    match stage {
        Stage::RecoveryAddress | Stage::RecoveryLink | Stage::Charter | Stage::Done => false,
        Stage::Listing => own == Stage::Listing,
        Stage::Mail | Stage::ForwardLink | Stage::Password => true,
    }
}

/// Which link a step waits for.
pub fn waits_for(stage: Stage) -> Option<LinkPurpose> {
    match stage {
        Stage::RecoveryLink => Some(LinkPurpose::Recovery),
        Stage::ForwardLink => Some(LinkPurpose::Forward),
        Stage::RecoveryAddress
        | Stage::Charter
        | Stage::Listing
        | Stage::Mail
        | Stage::Password
        | Stage::Done => None,
    }
}

/// The step's name in the contract.
pub fn step(step: Stage) -> Step {
    match step {
        Stage::RecoveryAddress => Step::RecoveryAddress,
        Stage::RecoveryLink => Step::RecoveryLink,
        Stage::Charter => Step::Charter,
        Stage::Listing => Step::Listing,
        Stage::Mail => Step::Mail,
        Stage::ForwardLink => Step::ForwardLink,
        Stage::Password => Step::Password,
        Stage::Done => Step::Done,
    }
}

/// The purpose's name in the contract.
pub fn purpose(purpose: LinkPurpose) -> Purpose {
    match purpose {
        LinkPurpose::Recovery => Purpose::Recovery,
        LinkPurpose::Forward => Purpose::Forward,
        LinkPurpose::Invitation => Purpose::Invitation,
    }
}

fn forwarding(rule: Rule) -> Forwarding {
    match rule {
        Rule::Off => Forwarding::Off,
        Rule::Optional => Forwarding::Optional,
        Rule::Required => Forwarding::Required,
    }
}
