# The words of the pages. What a step says of itself comes from the daemon (conf/locales).

error-prefix = Error:
skip = Skip to the content
language = Language
other-language = Français
person = You are activating the account of
leave = Leave
progress = Step { $current } of { $total }
until = the link expires { $until }
until-moment = until { $day } { $month } { $year } at { $hour12 }:{ $minute } { $half }
problem = Please correct this
problem-else = There is a problem
help = Need help?
help-page = Online help
closing = Are you still there? For your safety this page will close in a minute, and what was not sent will be gone.
stay = Stay
next = Next
try-again = Try again
change = Change
show = Show
hide = Hide
show-password = Show the password
hide-password = Hide the password
new-tab = new tab
version = version { $version }
begin = Activate an account
sign-in-again = Start again from step 1
leave-end = Leave, and keep nothing here
contact = Write to the help desk
sign-in-normally = Sign in
sign-in-back = Sign in again
go-on-activating = Go on with the activation
lost-letter = Lost your letter?

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
moment = { $day } { $month } { $year } at { $hour12 }:{ $minute } { $half }

sign-in-title = Activate your account
sign-in-lead = Have your { $letter } at hand: it holds your login name and your temporary password. It takes about five minutes.
login = Login name
login-hint = It is in your { $letter }.
provisional = Temporary password
provisional-hint = Copy it exactly, with the capitals and hyphens of your { $letter }.
sign-in = Begin

address = Recovery e-mail address
address-hint = For example name@example.org. Not an address of the university.
send-link = Send the link

sent-to = Sent to
sent-when = Sent on
sent-state = State
delivery-queued = being sent…
delivery-sent = on its way to your mailbox
delivery-deferred = held back for the moment; we are trying again
delivery-refused = refused by the mail service of your address
moves-itself = Keep this page open: it moves on by itself once you have confirmed the link, here or on another device.
i-clicked = I clicked the link: continue
not-yet = The link has not been confirmed yet. Open the mail, follow the link, then press the button on the page that opens.
not-come = Has the mail not come?
not-come-wait = It may take a few minutes.
not-come-spam = Look into your spam folder.
resend = Send the mail again
resend-after = Possible in { $wait }.
resend-after-count = Possible in { $count ->
    [one] { $count } second
   *[other] { $count } seconds
 }.
resend-now = The same link is sent once more.
# The address looks like a frequent slip; never corrected without the person.
meant = Did you mean { $domain }? If so, correct the address below.
# The domain does not exist, or says that it takes no mail; a warning, nothing is refused for it.
unreachable = It seems that this address cannot receive mail: what stands after the @ is no mail domain. If there is a slip in it, correct the address below.
correct-address = Is the address wrong? Correct it
forward-nothing = Do not forward my mail
address-refused-title = This address does not take our mail

accept = I have read the “{ $charter }” and agree to abide by it.

listing-title = The public directory
mail-title = Your e-mail
change-lead = Change your answer, then go on: you will be back where you were.
listed-question = Would you like to be listed in the public directory?
listed-yes = Yes, list me
listed-yes-hint = Your name and your university e-mail address can be found there.
listed-no = No, do not list me
listed-no-hint = Nobody will find you in the public directory.

mailbox = Your mailbox
mailbox-usable = Ready
usable = ready { $when }
forward-question = Where would you like to read your mail?
forward-no = In my university mailbox
forward-yes = Forward it to another address
forward-address = Forwarding address
forward-hint = If it is not your recovery address, we send a link there to confirm it.
keep-copy = Keep a copy in my university mailbox
keep-copy-hint = Strongly advised: nothing is lost if forwarding fails.

new-password = New password
strength = Strength:
strength-0 = very weak
strength-1 = weak
strength-2 = fair
strength-3 = good
strength-4 = excellent
rules = Your password must follow these rules:
rule-met = met
rule-unmet = not met yet
rules-all-met = All the rules that can be checked here are met.
rules-some-unmet = Not met yet:
activate = Activate my account
answers = Your answers
other-recovery = Change the recovery address
other-recovery-more = It is { $address } at the moment. To give another one, go back to the beginning: a new link is sent there.
other-recovery-go = Back to the beginning
directory = Public directory
directory-listed = You are listed
directory-hidden = You are not listed
forwarded-to = Mail forwarded to
forwarded-nowhere = nowhere: it stays in your mailbox

your-password = Password
your-password-new = the one that you have just chosen
go-on = Go on to my services
important = Please note
important-letter = The temporary password in your { $letter } no longer works: you can destroy the letter.
important-secret = Tell nobody your password: the help desk will never ask for it.
important-notice = A mail of confirmation goes to your recovery address. If this activation was not yours, tell the help desk.
leave-done = Finish and end my session

link-recovery-title = Confirm your recovery address
link-forward-title = Confirm your forwarding address
link-invitation-title = Confirm your address
confirm-address = Confirm this address
not-you = Did you not expect this mail? Close this page: nothing will happen.
link-expired-title = This link has expired
link-superseded-title = This link was replaced by a newer one
link-used-title = This link was already used
link-unknown-title = This link is not valid
confirmed-title = The address is confirmed
confirmed-lead = Thank you. Go on with the device on which you began: its page moves on by itself.
confirmed-more = A link confirms an address, not a person: to go on with this device, sign in with your { $letter }. You will be where you were.
confirmed-sign-in = Go on with this device

ticket-title = This passage is no longer valid
session-title = Your session has ended
session-kept = What you had typed is kept for ten minutes: sign in again with your { $letter }, and you will find it.
restored = This is what you had typed before your session ended: check it, then go on.
not-provisional-title = This account does not wait for activation
locked-title = This account is locked
gone-title = This account no longer exists
wait-title = Too many attempts
trouble-title = The service is not available at the moment
refused-title = This request could not be accepted
foreign-title = This form was not accepted
foreign-form = It was not sent from this page, or your browser refuses this site’s cookies. Allow them, then try again.
no-form = The request cannot be read or is too long. Start again from the page.
trouble-invalid = What you typed cannot be used. Check it and try again.
trouble-unreachable = The activation service does not answer. What you have confirmed is kept. Try again in a few minutes.
trouble-not-permitted = This page may not make this request. Please contact the help desk.
trouble-fault = Something went wrong on our side. Try again; if it goes on, contact the help desk (reference { $reference }).
elsewhere-title = Activate your account
elsewhere-lead = Sign in with the login name and the temporary password in your { $letter }: you will then be brought here for the activation.
nowhere-title = This page does not exist
nowhere-lead = The address may be incomplete, or the page has moved.
left-title = You have left the activation
left-lead = Nothing of you stays in this browser. What you have confirmed is kept: you will be where you were.
timed-out-title = The page has closed
timed-out-lead = For your safety the page has closed, because it was not used for a while. What you have confirmed is kept.
