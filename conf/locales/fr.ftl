# Les mots que voient les personnes. Vouvoiement, typographie française.

zone-day-today = aujourd’hui à { $time }, { $zone }
zone-day-tomorrow = demain { $day } { $month } à { $time }, { $zone }
zone-day-other = le { $day } { $month } { $year } à { $time }, { $zone }
day = { $number ->
    [1] 1er
   *[other] { $number }
 }
time = { $hour } h { $minute }
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

recovery-address-title = Votre adresse mail de secours
recovery-address-lead = Donnez une adresse mail personnelle, extérieure à l’établissement, que vous consultez. Nous y enverrons un lien d’activation, et vous en aurez besoin si vous perdez votre mot de passe.
recovery-link-title = Consultez votre messagerie
recovery-link-lead = Un lien d’activation vient d’être envoyé à { $address }. Il expire { $deadline }. Ouvrez-le sur l’appareil de votre choix : cette page avancera d’elle-même.
recovery-link-deferred-lead = Le mail qui porte le lien d’activation n’a pas encore pu être remis à { $address }. Le lien expire { $deadline }. Cette page avancera d’elle-même.
forward-link-deferred-lead = Le mail qui porte le lien n’a pas encore pu être remis à { $address }. Le lien expire { $deadline }. Rien ne sera redirigé avant que vous l’ayez confirmé.
# Pourquoi le mail n’est pas encore parti.
mail-later = Le service de messagerie de votre adresse nous demande de revenir plus tard. Vous n’avez rien à faire.
mail-full = La boîte est pleine. Faites-y de la place, ou donnez une autre adresse ci-dessous.
mail-ours = Notre propre service de messagerie est en difficulté pour le moment. Vous n’avez rien à faire.
mail-paused = Nos envois sont suspendus pour le moment. Votre mail partira ensuite tout seul.
mail-unconfirmed = Il est parti, mais personne n’a confirmé l’avoir reçu. S’il n’est pas arrivé dans quelques minutes, faites-le renvoyer.
charter-title = La charte informatique
charter-lead = Lisez la charte, puis cochez la case pour l’accepter.
listing-title = L’annuaire public de l’établissement
listing-lead = Choisissez d’apparaître ou de ne pas apparaître dans l’annuaire public. Vous pourrez changer d’avis plus tard.
mail-title = Votre messagerie
mail-mailbox-lead = Votre boîte mail universitaire sera créée à la fin de la procédure. Vous pouvez aussi rediriger vos mails vers une autre adresse ; il est fortement conseillé d’en conserver une copie.
mail-required-lead = Votre compte n’a pas de boîte mail universitaire : indiquez l’adresse vers laquelle rediriger vos mails.
forward-link-title = Confirmez votre adresse de redirection
forward-link-lead = Un lien vient d’être envoyé à { $address }. Il expire { $deadline }. Rien ne sera redirigé avant que vous l’ayez confirmé.
password-title = Votre nouveau mot de passe
password-lead = Choisissez un mot de passe qui remplace le mot de passe provisoire. Un gestionnaire de mots de passe convient très bien.
done-title = Votre compte informatique est activé
done-lead = Il donne accès à l’ENT, à la messagerie, à Moodle et aux autres services numériques.
sign-in-title = L’adresse est confirmée
sign-in-lead = Continuez sur l’appareil où vous avez commencé : la page avance d’elle-même. Ou connectez-vous ici avec votre { $letter }.

rule-length = { $minimum } caractères au moins
rule-classes = { $classes ->
    [one] au moins une lettre, un chiffre ou un autre signe
   *[other] au moins { $classes } sortes de caractères parmi : minuscules, majuscules, chiffres, autres signes
 }
rule-identity = ni votre nom ni votre nom de connexion
rule-strength = difficile à deviner : plusieurs mots sans lien valent mieux qu’un mot transformé
rule-breached = absent des listes de mots de passe divulgués
rule-history = différent de vos mots de passe précédents

check-active = Votre compte est actif.
check-activate = Votre compte doit être activé avant la première utilisation.
check-no-population = Votre compte ne peut pas être activé en ligne. Adressez-vous à l’assistance : { $help }.
check-locked = Ce compte est verrouillé. Adressez-vous à l’assistance : { $help }.
check-unknown = Ce nom de connexion n’est pas connu ici.
check-unproven = Connectez-vous d’abord.
check-several = Ce nom de connexion ne peut pas être utilisé. Adressez-vous à l’assistance : { $help }.
check-wait = Trop de tentatives. Réessayez dans { $wait }.

wait-seconds = { $count ->
    [one] { $count } seconde
   *[other] { $count } secondes
 }
wait-minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
 }
wait-hours = { $count ->
    [one] { $count } heure
   *[other] { $count } heures
 }

look-yes-recovery = Ce lien confirme votre adresse de secours { $address }. Il expire { $deadline }.
look-yes-forward = Ce lien confirme que vos mails peuvent être redirigés vers { $address }. Il expire { $deadline }.
look-yes-invitation = Ce lien confirme votre adresse { $address } et commence l’activation de votre compte. Il expire { $deadline }.
look-unknown = Ce lien n’est pas valable. Vérifiez qu’il est complet, ou reprenez la procédure à l’étape 1 avec votre { $letter }.
look-expired = Ce lien n’est plus valable : il a expiré { $at }. Reprenez la procédure à l’étape 1 avec votre { $letter }.
look-superseded = Ce lien a été remplacé { $at } : utilisez le lien du mail le plus récent, ou reprenez la procédure à l’étape 1.
look-used = C’est déjà fait : ce lien a été utilisé { $at }. Continuez sur l’appareil où vous avez commencé, ou connectez-vous.

refusal-sign-in-refused = Le nom de connexion ou le mot de passe ne convient pas, ou le compte n’est pas à activer. Vérifiez la saisie ; si votre compte est déjà actif, connectez-vous normalement.
refusal-address-empty = Indiquez une adresse mail.
refusal-address-too-long = Cette adresse est trop longue.
refusal-address-invisible = Cette adresse contient des caractères invisibles. Saisissez-la à la main.
refusal-address-malformed = Cette adresse n’est pas complète, ou n’a pas une forme que nous pouvons utiliser. Corrigez-la (exemple : prenom.nom@exemple.org) ou donnez-en une autre.
refusal-address-own-domain = Cette adresse appartient à l’établissement. Donnez une adresse extérieure, que vous pouvez consulter sans votre compte.
refusal-address-refused = Cette adresse n’accepte pas nos mails. Corrigez-la ou donnez-en une autre.
refusal-link-unknown = Ce lien n’est pas valable. Vérifiez qu’il est complet, ou reprenez la procédure à l’étape 1 avec votre { $letter }.
refusal-link-expired = Ce lien n’est plus valable : il a expiré { $at }. Reprenez la procédure à l’étape 1 avec votre { $letter }.
refusal-link-superseded = Ce lien a été remplacé { $at } : utilisez le lien du mail le plus récent.
refusal-link-used = C’est déjà fait : ce lien a été utilisé { $at }.
refusal-ticket-unusable = Ce passage a déjà servi ou a trop attendu. Connectez-vous à nouveau.
refusal-session-unknown = Votre session n’est plus ouverte. Connectez-vous à nouveau avec votre { $letter } : vous reprendrez où vous en étiez.
refusal-session-expired = Votre session a expiré. Connectez-vous à nouveau avec votre { $letter } : vous reprendrez où vous en étiez.
refusal-out-of-order = Vous en êtes à une autre étape. Revenez-y pour continuer.
refusal-charter-required = Pour activer votre compte, cochez la case qui accepte la charte.
refusal-charter-version-stale = La charte vient de changer. Relisez-la avant de l’accepter.
refusal-listing-required = Choisissez d’apparaître ou de ne pas apparaître dans l’annuaire public.
refusal-forward-required = Indiquez l’adresse vers laquelle rediriger vos mails : votre compte n’a pas de boîte mail.
refusal-forward-loop = Vos mails reviendraient à votre propre boîte. Donnez une adresse extérieure.
refusal-forward-unconfirmed = Confirmez d’abord votre adresse de redirection, par le lien qui y a été envoyé.
refusal-password-too-short = Ce mot de passe est trop court : { $minimum } caractères au moins.
refusal-password-too-long = Ce mot de passe est trop long : { $maximum } caractères au plus.
refusal-password-too-simple = Ce mot de passe est trop facile à deviner. Allongez-le, ou mêlez plusieurs mots et plusieurs sortes de caractères.
refusal-password-contains-identity = Ce mot de passe contient votre nom ou votre nom de connexion.
refusal-password-breached = Ce mot de passe figure dans des listes divulguées. Choisissez-en un autre.
refusal-password-reused = Vous avez déjà utilisé ce mot de passe. Choisissez-en un nouveau.
refusal-password-refused = L’annuaire refuse ce mot de passe. Choisissez-en un autre.
refusal-not-provisional = Votre compte est déjà actif : connectez-vous normalement.
refusal-no-population = Votre compte ne peut pas être activé en ligne. Adressez-vous à l’assistance : { $help }.
refusal-account-locked = Votre compte est verrouillé. Adressez-vous à l’assistance : { $help }.
refusal-account-gone = Ce compte n’existe plus. Adressez-vous à l’assistance : { $help }.
refusal-too-many-attempts = Trop de tentatives. Réessayez dans { $wait }.
refusal-busy = Votre mot de passe est en cours d’enregistrement. Patientez quelques secondes.
refusal-misconfigured = Votre compte ne peut pas être activé, à cause d’un défaut de notre côté. Vos réponses sont conservées. Adressez-vous à l’assistance : { $help }.
refusal-unavailable = Le service ne répond pas pour l’instant. Rien n’est perdu : réessayez dans quelques minutes.
