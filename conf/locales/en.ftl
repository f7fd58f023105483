# The words people see.

zone-day-today = today at { $time }, { $zone }
zone-day-tomorrow = tomorrow, { $day } { $month }, at { $time }, { $zone }
zone-day-other = on { $day } { $month } { $year } at { $time }, { $zone }
day = { $number }
time = { $hour12 }:{ $minute } { $half ->
    [am] am
   *[pm] pm
 }
month = { $number ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
 }

recovery-address-title = Your recovery address
recovery-address-lead = Give a personal e-mail address outside the university that you read. We will send an activation link to it, and you will need it if you ever lose your password.
recovery-link-title = Check your e-mail
recovery-link-lead = An activation link was sent to { $address }. It expires { $deadline }. Open it on any device: this page moves on by itself.
recovery-link-deferred-lead = The mail with the activation link could not be delivered to { $address } yet. The link expires { $deadline }. This page moves on by itself.
forward-link-deferred-lead = The mail with the link could not be delivered to { $address } yet. The link expires { $deadline }. Nothing is forwarded before you confirm it.
# Why the mail has not been taken yet.
mail-later = The mail service of your address asks us to come back later. You have nothing to do.
mail-full = The mailbox is full. Make room in it, or give another address below.
mail-ours = Our own mail service is in trouble for the moment. You have nothing to do.
mail-paused = Our sending is paused for the moment. Your mail leaves by itself afterwards.
mail-unconfirmed = It left, but nobody confirmed that it was taken. If it has not come in a few minutes, have it sent again.
charter-title = The IT charter
charter-lead = Read the charter, then tick the box to accept it.
listing-title = The public directory
listing-lead = Choose whether or not to be listed in the public directory. You can change your mind later.
mail-title = Your e-mail
mail-mailbox-lead = Your university mailbox will be created at the end. You may also forward your e-mail to another address; we strongly advise keeping a copy.
mail-required-lead = Your account has no university mailbox: give the address to forward your e-mail to.
forward-link-title = Confirm your forwarding address
forward-link-lead = A link was sent to { $address }. It expires { $deadline }. Nothing is forwarded before you confirm it.
password-title = Your new password
password-lead = Choose a password that replaces the temporary one. A password manager works very well here.
done-title = Your account is active
done-lead = It opens the portal, your e-mail, Moodle and the other services.
sign-in-title = The address is confirmed
sign-in-lead = Go on with the device on which you began: its page moves on by itself. Or sign in here with your { $letter }.

rule-length = at least { $minimum } characters
rule-classes = { $classes ->
    [one] at least a letter, a digit or another sign
   *[other] at least { $classes } kinds of characters out of: lower case, upper case, digits, other signs
 }
rule-identity = neither your name nor your login name
rule-strength = hard to guess: several unrelated words are better than one word in disguise
rule-breached = not in the lists of leaked passwords
rule-history = different from your earlier passwords

check-active = Your account is active.
check-activate = Your account must be activated before its first use.
check-no-population = Your account cannot be activated online. Please contact the help desk: { $help }.
check-locked = This account is locked. Please contact the help desk: { $help }.
check-unknown = This login name is not known here.
check-unproven = Please sign in first.
check-several = This login name cannot be used. Please contact the help desk: { $help }.
check-wait = Too many attempts. Try again in { $wait }.

wait-seconds = { $count ->
    [one] { $count } second
   *[other] { $count } seconds
 }
wait-minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
 }
wait-hours = { $count ->
    [one] { $count } hour
   *[other] { $count } hours
 }

look-yes-recovery = This link confirms your recovery address { $address }. It expires { $deadline }.
look-yes-forward = This link confirms that your e-mail may be forwarded to { $address }. It expires { $deadline }.
look-yes-invitation = This link confirms your address { $address } and begins the activation of your account. It expires { $deadline }.
look-unknown = This link does not work. Make sure that it is complete, or start again from step 1 with your { $letter }.
look-expired = This link no longer works: it expired { $at }. Start again from step 1 with your { $letter }.
look-superseded = This link was replaced { $at }: use the link in the latest e-mail, or start again from step 1.
look-used = Already done: this link was used { $at }. Go on with the device on which you began, or sign in.

refusal-sign-in-refused = The login name or the password is not right, or the account is not waiting for activation. Check what you typed; if your account is active already, sign in the usual way.
refusal-address-empty = Please give an e-mail address.
refusal-address-too-long = This address is too long.
refusal-address-invisible = This address contains invisible characters. Please type it by hand.
refusal-address-malformed = This address is not complete, or not of a form that we can use. Correct it (example: first.last@example.org) or give another one.
refusal-address-own-domain = This address belongs to the university. Give an address outside it, which you can read without your account.
refusal-address-refused = This address does not accept our e-mail. Correct it or give another one.
refusal-link-unknown = This link does not work. Make sure that it is complete, or start again from step 1 with your { $letter }.
refusal-link-expired = This link no longer works: it expired { $at }. Start again from step 1 with your { $letter }.
refusal-link-superseded = This link was replaced { $at }: use the link in the latest e-mail.
refusal-link-used = Already done: this link was used { $at }.
refusal-ticket-unusable = This hand-over was used already or waited too long. Please sign in again.
refusal-session-unknown = Your session is no longer open. Sign in again with your { $letter }: you will go on where you were.
refusal-session-expired = Your session has expired. Sign in again with your { $letter }: you will go on where you were.
refusal-out-of-order = You are at another step. Go back to it to continue.
refusal-charter-required = To activate your account, tick the box that accepts the charter.
refusal-charter-version-stale = The charter has just changed. Please read it again before you accept it.
refusal-listing-required = Choose whether or not to be listed in the public directory.
refusal-forward-required = Give the address to forward your e-mail to: your account has no mailbox.
refusal-forward-loop = Your e-mail would come back to your own mailbox. Give an address outside the university.
refusal-forward-unconfirmed = First confirm your forwarding address, with the link that was sent to it.
refusal-password-too-short = This password is too short: at least { $minimum } characters.
refusal-password-too-long = This password is too long: at most { $maximum } characters.
refusal-password-too-simple = This password is too easy to guess. Make it longer, or mix several words and kinds of characters.
refusal-password-contains-identity = This password contains your name or your login name.
refusal-password-breached = This password is in lists of leaked passwords. Choose another one.
refusal-password-reused = You have used this password before. Choose a new one.
refusal-password-refused = The directory refuses this password. Choose another one.
refusal-not-provisional = Your account is active already: sign in the usual way.
refusal-no-population = Your account cannot be activated online. Please contact the help desk: { $help }.
refusal-account-locked = Your account is locked. Please contact the help desk: { $help }.
refusal-account-gone = This account no longer exists. Please contact the help desk: { $help }.
refusal-too-many-attempts = Too many attempts. Try again in { $wait }.
refusal-busy = Your password is being set. Wait a few seconds.
refusal-misconfigured = Your account cannot be activated, because of a fault on our side. Your answers are kept. Please contact the help desk: { $help }.
refusal-unavailable = The service does not answer at the moment. Nothing is lost: try again in a few minutes.
