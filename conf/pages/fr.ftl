# Les mots des pages. Vouvoiement, typographie française. Ce qu’une étape dit d’elle-même vient du démon (conf/locales).

error-prefix = Erreur :
skip = Aller au contenu
language = Langue
other-language = English
person = Vous activez le compte de
leave = Quitter
progress = Étape { $current } sur { $total }
until = le lien expire { $until }
until-moment = jusqu’au { $day ->
    [1] 1er
   *[other] { $day }
 } { $month } { $year } à { $hour } h { $minute }
problem = À corriger
problem-else = Un problème est survenu
help = Besoin d’aide ?
help-page = Aide en ligne
closing = Vous êtes encore là ? Par sécurité, cette page va se fermer dans une minute et effacer ce qui n’est pas envoyé.
stay = Continuer
next = Suivant
try-again = Réessayer
change = Modifier
show = Afficher
hide = Masquer
show-password = Afficher le mot de passe
hide-password = Masquer le mot de passe
new-tab = nouvel onglet
version = version { $version }
begin = Activer un compte
sign-in-again = Reprendre à l’étape 1
leave-end = Quitter sans rien laisser ici
contact = Écrire à l’assistance
sign-in-normally = Se connecter
sign-in-back = Se reconnecter
go-on-activating = Continuer l’activation
lost-letter = Courrier perdu ?

month = { $number ->
    [1] janvier
    [2] février
    [3] mars
    [4] avril
    [5] mai
    [6] juin
    [7] juillet
    [8] août
    [9] septembre
    [10] octobre
    [11] novembre
   *[12] décembre
 }
moment = { $day ->
    [1] 1er
   *[other] { $day }
 } { $month } { $year } à { $hour } h { $minute }

sign-in-title = Activer votre compte informatique
sign-in-lead = Munissez-vous de votre { $letter } : il contient votre nom de connexion et votre mot de passe provisoire. L’activation prend environ cinq minutes.
login = Nom de connexion
login-hint = Il figure sur votre { $letter }.
provisional = Mot de passe provisoire
provisional-hint = Recopiez-le exactement, avec les majuscules et les tirets de votre { $letter }.
sign-in = Commencer

address = Adresse mail de secours
address-hint = Par exemple prenom.nom@exemple.org. Pas une adresse de l’établissement.
send-link = Envoyer le lien

sent-to = Envoyé à
sent-when = Envoyé le
sent-state = État
delivery-queued = envoi en cours…
delivery-sent = parti, en route vers votre messagerie
delivery-deferred = retardé pour l’instant ; nous réessayons
delivery-refused = refusé par le service de messagerie de votre adresse
moves-itself = Laissez cette page ouverte : elle avancera d’elle-même quand vous aurez confirmé le lien, ici ou sur un autre appareil.
i-clicked = J’ai cliqué sur le lien : continuer
not-yet = Le lien n’a pas encore été confirmé. Ouvrez le mail, suivez le lien, puis appuyez sur le bouton de la page qui s’ouvre.
not-come = Le mail n’arrive pas ?
not-come-wait = Il peut prendre quelques minutes.
not-come-spam = Regardez dans le dossier des indésirables (spam).
resend = Envoyer à nouveau le mail
resend-after = Possible dans { $wait }.
resend-after-count = Possible dans { $count ->
    [one] { $count } seconde
   *[other] { $count } secondes
 }.
resend-now = Le même lien sera envoyé une nouvelle fois.
# L’adresse ressemble à une faute de frappe fréquente ; jamais corrigée sans la personne.
meant = Vouliez-vous écrire « { $domain } » ? Si oui, corrigez l’adresse ci-dessous.
# Le domaine n’existe pas, ou annonce qu’il ne prend pas de mail ; un avertissement, rien n’est refusé pour cela.
unreachable = Cette adresse ne semble pas pouvoir recevoir de mails : ce qui suit le @ n’est pas un domaine de messagerie. S’il s’y trouve une faute de frappe, corrigez l’adresse ci-dessous.
correct-address = L’adresse n’est pas la bonne ? La corriger
forward-nothing = Ne pas rediriger mes mails
address-refused-title = Cette adresse n’accepte pas nos mails

accept = J’ai lu la « { $charter } » et je m’engage à la respecter.

listing-title = L’annuaire public de l’établissement
mail-title = Votre messagerie
change-lead = Modifiez votre réponse, puis continuez : vous reviendrez là où vous en étiez.
listed-question = Souhaitez-vous apparaître dans l’annuaire public ?
listed-yes = Oui, apparaître dans l’annuaire
listed-yes-hint = Votre nom et votre adresse mail professionnelle ou universitaire pourront y être trouvés.
listed-no = Non, ne pas apparaître
listed-no-hint = Personne ne vous trouvera dans l’annuaire public.

mailbox = Votre boîte mail
mailbox-usable = Utilisable
usable = utilisable { $when }
forward-question = Où voulez-vous lire vos mails ?
forward-no = Dans ma boîte mail universitaire
forward-yes = Les rediriger vers une autre adresse
forward-address = Adresse de redirection
forward-hint = Si elle est différente de votre adresse de secours, un lien y sera envoyé pour la confirmer.
keep-copy = Conserver une copie des mails dans ma boîte mail universitaire
keep-copy-hint = Fortement conseillé : rien n’est perdu si la redirection échoue.

new-password = Nouveau mot de passe
strength = Solidité :
strength-0 = très faible
strength-1 = faible
strength-2 = moyenne
strength-3 = bonne
strength-4 = excellente
rules = Votre mot de passe doit respecter ces règles :
rule-met = respecté
rule-unmet = à respecter
rules-all-met = Toutes les règles vérifiées ici sont respectées.
rules-some-unmet = À respecter encore :
activate = Activer mon compte
answers = Vos réponses
other-recovery = Changer d’adresse de secours
other-recovery-more = Elle est actuellement { $address }. Pour en donner une autre, il faut revenir au début : un nouveau lien y sera envoyé.
other-recovery-go = Revenir au début
directory = Annuaire public
directory-listed = Vous y apparaissez
directory-hidden = Vous n’y apparaissez pas
forwarded-to = Mails redirigés vers
forwarded-nowhere = nulle part : ils restent dans votre boîte

your-password = Mot de passe
your-password-new = celui que vous venez de choisir
go-on = Continuer vers mes services
important = À retenir
important-letter = Le mot de passe provisoire de votre { $letter } ne fonctionne plus : vous pouvez détruire ce courrier.
important-secret = Ne donnez votre mot de passe à personne : l’assistance informatique ne vous le demandera jamais.
important-notice = Un mail de confirmation part à votre adresse de secours. Si vous n’avez pas fait cette activation, prévenez l’assistance.
leave-done = Terminer et fermer ma session

link-recovery-title = Confirmez votre adresse de secours
link-forward-title = Confirmez votre adresse de redirection
link-invitation-title = Confirmez votre adresse
confirm-address = Confirmer cette adresse
not-you = Vous n’attendiez pas ce mail ? Fermez cette page : rien ne se passera.
link-expired-title = Ce lien a expiré
link-superseded-title = Ce lien a été remplacé par un plus récent
link-used-title = Ce lien a déjà servi
link-unknown-title = Ce lien n’est pas valable
confirmed-title = L’adresse est confirmée
confirmed-lead = Merci. Continuez sur l’appareil où vous avez commencé : la page y avance d’elle-même.
confirmed-more = Un lien confirme une adresse, pas une personne : pour continuer sur cet appareil, connectez-vous avec votre { $letter }. Vous reprendrez là où vous en étiez.
confirmed-sign-in = Continuer sur cet appareil

ticket-title = Ce passage n’est plus valable
session-title = Votre session est terminée
session-kept = Ce que vous aviez saisi est conservé pendant dix minutes : reconnectez-vous avec votre { $letter } pour le retrouver.
restored = Voici ce que vous aviez saisi avant la fin de votre session : vérifiez, puis continuez.
not-provisional-title = Ce compte n’est pas à activer
locked-title = Ce compte est verrouillé
gone-title = Ce compte n’existe plus
wait-title = Trop de tentatives
trouble-title = Le service est momentanément indisponible
refused-title = Cette demande n’a pas pu être acceptée
foreign-title = Ce formulaire n’a pas été accepté
foreign-form = Il n’a pas été envoyé depuis cette page, ou votre navigateur refuse les cookies de ce site. Autorisez-les, puis recommencez.
no-form = La demande n’est pas lisible ou est trop longue. Recommencez depuis la page.
trouble-invalid = Cette saisie ne peut pas être utilisée. Vérifiez-la et recommencez.
trouble-unreachable = Le service d’activation ne répond pas. Ce que vous avez déjà confirmé est conservé. Réessayez dans quelques minutes.
trouble-not-permitted = Cette page n’est pas autorisée à faire cette demande. Contactez l’assistance.
trouble-fault = Une erreur est survenue de notre côté. Réessayez ; si elle persiste, contactez l’assistance (référence { $reference }).
elsewhere-title = Activer votre compte informatique
elsewhere-lead = Connectez-vous avec le nom de connexion et le mot de passe provisoire de votre { $letter } : vous serez ensuite amené ici pour l’activation.
nowhere-title = Cette page n’existe pas
nowhere-lead = L’adresse est peut-être incomplète, ou la page a changé de place.
left-title = Vous avez quitté l’activation
left-lead = Rien de vous ne reste dans ce navigateur. Ce que vous avez déjà confirmé est conservé : vous reprendrez où vous en étiez.
timed-out-title = La page s’est fermée
timed-out-lead = Par sécurité, la page s’est fermée parce qu’elle est restée inutilisée. Ce que vous avez déjà confirmé est conservé.
