//! The fixed lists of words of `org.parvis.Hook`, in the order of the interface file's comments.
//!
//! Only names: which of them follows from what is the daemon's affair.

use crate::words::words;

words! {
    /// A call, by the name that `parvis-hook` takes.
    Method {
        /// Whether this login may pass.
        Check = "check",
        /// The steps, for a login page that has proven the person.
        Open = "open",
        /// A ticket for a session.
        Enter = "enter",
        /// A login and its provisional password, for a session.
        Authenticate = "authenticate",
        /// Step 3.
        RecoveryAddress = "recovery-address",
        /// What a link is for.
        Look = "look",
        /// A link is used.
        Redeem = "redeem",
        /// Step 5.
        Charter = "charter",
        /// Step 6.
        Listing = "listing",
        /// Steps 7 and 7 bis.
        Mail = "mail",
        /// Step 9.
        Password = "password",
        /// The step again.
        State = "state",
        /// The mail again.
        Resend = "resend",
        /// Back to step 3.
        Restart = "restart",
        /// A mail that came back.
        Bounce = "bounce",
    }
}

impl Method {
    /// The name in the interface file: `RecoveryAddress`.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Check => "Check",
            Self::Open => "Open",
            Self::Enter => "Enter",
            Self::Authenticate => "Authenticate",
            Self::RecoveryAddress => "RecoveryAddress",
            Self::Look => "Look",
            Self::Redeem => "Redeem",
            Self::Charter => "Charter",
            Self::Listing => "Listing",
            Self::Mail => "Mail",
            Self::Password => "Password",
            Self::State => "State",
            Self::Resend => "Resend",
            Self::Restart => "Restart",
            Self::Bounce => "Bounce",
        }
    }

    /// The name on the wire: `org.parvis.Hook.RecoveryAddress`.
    pub fn full_name(self) -> String {
        format!("{}.{}", super::NAME, self.member())
    }

    /// The call that a full name names.
    pub fn from_full_name(name: &str) -> Option<Self> {
        let member = name.strip_prefix(super::NAME)?.strip_prefix('.')?;
        Self::ALL.iter().copied().find(|method| method.member() == member)
    }
}

words! {
    /// Where a person is.
    Step {
        /// Step 3: the recovery address is asked for.
        RecoveryAddress = "recovery-address",
        /// Step 4: its link was mailed.
        RecoveryLink = "recovery-link",
        /// Step 5: the charter.
        Charter = "charter",
        /// Step 6: in the public directory, or not.
        Listing = "listing",
        /// Steps 7 and 7 bis: mailbox and forwarding.
        Mail = "mail",
        /// Step 8: the forwarding address's link was mailed.
        ForwardLink = "forward-link",
        /// Step 9: the new password.
        Password = "password",
        /// Step 10: the account is active.
        Done = "done",
        /// This device has no session: it goes on by signing in with the letter.
        SignIn = "sign-in",
    }
}

words! {
    /// What `check` found.
    Status {
        /// The account is active.
        Active = "active",
        /// The account is provisional.
        NeedsActivation = "needs-activation",
        /// The account is active, and a newer charter waits.
        NeedsCharter = "needs-charter",
        /// The account is locked.
        Locked = "locked",
        /// No such account; or the caller has not proven the person, and is told nothing.
        Unknown = "unknown",
    }
}

words! {
    /// What a link proves the address of.
    Purpose {
        /// The recovery address.
        Recovery = "recovery",
        /// The forwarding address.
        Forward = "forward",
        /// The address that the directory had.
        Invitation = "invitation",
    }
}

words! {
    /// Whether a link can be used.
    Usable {
        /// It can.
        Yes = "yes",
        /// Its deadline has passed.
        Expired = "expired",
        /// A newer one was sent.
        Superseded = "superseded",
        /// It was used.
        Used = "used",
        /// There is no such link.
        Unknown = "unknown",
    }
}

words! {
    /// What the page should offer after a refusal.
    Then {
        /// The field again.
        Correct = "correct",
        /// The same, later.
        Wait = "wait",
        /// From step 3.
        Restart = "restart",
        /// From the sign-in, with the letter.
        SignIn = "sign-in",
        /// The help desk.
        Contact = "contact",
    }
}

words! {
    /// What became of a mail.
    Delivery {
        /// It waits to be sent.
        Queued = "queued",
        /// The mail system took it.
        Sent = "sent",
        /// The mail system will be asked again.
        Deferred = "deferred",
        /// The mail system refused it for good.
        Refused = "refused",
    }
}

words! {
    /// Whether a person forwards their mail.
    Forwarding {
        /// They may not.
        Off = "off",
        /// They may.
        Optional = "optional",
        /// They must: they have no mailbox.
        Required = "required",
    }
}

words! {
    /// A rule for passwords.
    RuleId {
        /// How long it is.
        Length = "length",
        /// How many kinds of characters it has.
        Classes = "classes",
        /// It does not hold the person's name or login.
        Identity = "identity",
        /// How hard it is to guess.
        Strength = "strength",
        /// It is not in a list of stolen ones.
        Breached = "breached",
        /// It was not used before.
        History = "history",
    }
}

words! {
    /// Why the answer is no.
    RefusalCode {
        /// Unknown, active, locked or a wrong password: nobody is told which.
        SignInRefused = "sign-in-refused",
        /// Not a mail address.
        AddressInvalid = "address-invalid",
        /// An address of the campus's own.
        AddressOwnDomain = "address-own-domain",
        /// The mail system refused it for good.
        AddressRefused = "address-refused",
        /// No such link.
        LinkUnknown = "link-unknown",
        /// The link's deadline has passed.
        LinkExpired = "link-expired",
        /// A newer link was sent.
        LinkSuperseded = "link-superseded",
        /// The link was used.
        LinkUsed = "link-used",
        /// The ticket was used, has expired, or never was.
        TicketUnusable = "ticket-unusable",
        /// No such session.
        SessionUnknown = "session-unknown",
        /// The session has ended.
        SessionExpired = "session-expired",
        /// The session is at another step.
        OutOfOrder = "out-of-order",
        /// The charter was not accepted.
        CharterRequired = "charter-required",
        /// A newer charter is in force.
        CharterVersionStale = "charter-version-stale",
        /// No choice was made about the public directory.
        ListingRequired = "listing-required",
        /// A forwarding address is needed.
        ForwardRequired = "forward-required",
        /// The forwarding address is the mailbox itself.
        ForwardLoop = "forward-loop",
        /// The forwarding address was not confirmed.
        ForwardUnconfirmed = "forward-unconfirmed",
        /// The password is too short.
        PasswordTooShort = "password-too-short",
        /// The password is too easy to guess.
        PasswordTooSimple = "password-too-simple",
        /// The password holds the person's name or login.
        PasswordContainsIdentity = "password-contains-identity",
        /// The password is in a list of stolen ones.
        PasswordBreached = "password-breached",
        /// The directory says that the password was used before.
        PasswordReused = "password-reused",
        /// The directory refuses the password.
        PasswordRefused = "password-refused",
        /// The account is not provisional (any more).
        NotProvisional = "not-provisional",
        /// The account is locked.
        AccountLocked = "account-locked",
        /// The account is no longer there.
        AccountGone = "account-gone",
        /// Too often: see `retry_after`.
        TooManyAttempts = "too-many-attempts",
        /// The directory or the store does not answer.
        Unavailable = "unavailable",
    }
}
