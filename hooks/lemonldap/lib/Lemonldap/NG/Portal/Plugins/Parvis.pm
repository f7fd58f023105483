# The glue between the portal of LemonLDAP::NG and Parvis: a person whose account waits for its activation gets no
# session, and is sent to activate it. docs/lemonldap.md says how to install it, and what each key does.
#
# Two gates: the state that the directory's entry shows, which the portal has read already, lets active people pass
# without a question; everybody else passes if Parvis says so, and only then. Whatever goes wrong, nobody passes.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
package Lemonldap::NG::Portal::Plugins::Parvis;

use strict;
use warnings;

use JSON ();
use Mouse;
use MIME::Base64 qw(encode_base64);
use URI::Escape qw(uri_escape);

use Lemonldap::NG::Portal::Main::Constants qw(
  PE_OK PE_REDIRECT PE_SENDRESPONSE PE_SESSIONNOTGRANTED PE_LDAPERROR PE_LDAPCONNECTFAILED
  PE_PP_CHANGE_AFTER_RESET PE_PP_PASSWORD_MOD_NOT_ALLOWED
);
use Lemonldap::NG::Portal::Plugins::Parvis::Ask;

our $VERSION = '0.1.0';

extends 'Lemonldap::NG::Portal::Main::Plugin';

# The password is verified, and there is no session yet.
use constant betweenAuthAndData => 'gate';

# The end of a login that began elsewhere, with a second factor above all.
use constant afterData => 'gateAgain';

# Somebody who has a session comes to the portal.
use constant forAuthUser => 'gateOpenSession';

# `pwdReset: TRUE` ends the login before any of these.
use constant aroundSub => { authenticate => 'aroundAuthenticate' };

# However a password is changed through the portal: its form, a link by mail, its REST server.
use constant hook => { passwordBeforeChange => 'gatePasswordChange' };

# The keys of customPluginsParams, and what is taken where one is not given.
my %KEYS = (
    parvisSocket         => undef,
    parvisHook           => undef,
    parvisUrl            => undef,
    parvisCa             => undef,
    parvisCertificate    => undef,
    parvisKey            => undef,
    parvisTokenFile      => undef,
    parvisTimeout        => 2,
    parvisStateAttribute => 'supannRessourceEtat',
    parvisActive         => '^\{COMPTE\}A',
    parvisNotActive      => '^\{COMPTE\}[^A]',
    parvisLoginAttribute => 'uid',
    parvisOpenSessions   => 'check',
);

# The daemon keeps no longer an address to come back to; a longer one is kept here, for a day.
use constant LONGEST_RETURN => 512;
use constant KEPT           => 86400;

my %WORDS = (
    unanswered => {
        fr => 'Nous ne pouvons pas vérifier l’état de votre compte en ce moment. Réessayez dans quelques minutes ; '
          . 'si cela persiste, adressez-vous à l’assistance informatique.',
        en => 'We cannot check the state of your account at the moment. Please try again in a few minutes; '
          . 'if it goes on, please contact the help desk.',
    },
    refused => {
        fr => 'Vous ne pouvez pas vous connecter avec ce compte. Adressez-vous à l’assistance informatique.',
        en => 'You cannot sign in with this account. Please contact the help desk.',
    },
    password => {
        fr => 'Le mot de passe de ce compte ne peut pas être changé ici. Si vous venez d’arriver, connectez-vous avec '
          . 'le mot de passe provisoire de votre courrier : vous choisirez le vôtre à la fin de l’activation.',
        en => 'The password of this account cannot be changed here. If you are new, please sign in with the '
          . 'temporary password of your letter: you will choose your own at the end of the activation.',
    },
);

has ask => ( is => 'rw' );
has is  => ( is => 'rw' );
has ott => ( is => 'rw' );

# Reads the configuration. What is wrong with it is in the log, and the portal answers nobody: an open door is worse.
sub init {
    my ($self) = @_;
    my $given  = $self->conf->{customPluginsParams} || {};
    my %is     = %KEYS;
    my $done   = eval {
        for my $key ( grep { /^parvis/i } sort keys %$given ) {
            exists $KEYS{$key} or die "there is no key $key\n";
            $is{$key} = $given->{$key} if length( $given->{$key} // '' );
        }
        for my $key (qw(parvisActive parvisNotActive)) {
            $is{$key} = eval { qr/$is{$key}/ } or die "$key is no regular expression\n";
        }
        for my $key (qw(parvisStateAttribute parvisLoginAttribute)) {
            $is{$key} =~ /^[A-Za-z][A-Za-z0-9.;-]*\z/ or die "$key is no attribute's name\n";
        }
        $is{parvisOpenSessions} =~ /^(?:check|trust)\z/ or die "parvisOpenSessions is check or trust\n";
        my @ways = grep { defined $is{"parvis$_"} } qw(Socket Hook Url Ca Certificate Key Timeout);
        my %ways = map { ( lc $_ => $is{"parvis$_"} ) } @ways;
        $ways{'token-file'} = $is{parvisTokenFile} if defined $is{parvisTokenFile};
        $self->ask( Lemonldap::NG::Portal::Plugins::Parvis::Ask->new(%ways) );
        1;
    };
    if ( !$done ) {
        chomp( my $why = $@ );
        $self->logger->error("Parvis: customPluginsParams: $why");
        return 0;
    }
    $self->is( \%is );
    $self->_export( @is{qw(parvisStateAttribute parvisLoginAttribute)} );
    my $ott = $self->p->loadModule('::Lib::OneTimeToken') or return 0;
    $ott->timeout(KEPT);
    $ott->cache(undef);
    $self->ott($ott);
    $self->addUnauthRoute( parvis => { ':kept' => 'back' }, ['GET'] );
    $self->addAuthRoute( parvis => { ':kept' => 'back' }, ['GET'] );
    return 1;
}

# The portal asks the directory for exported attributes only.
sub _export {
    my ( $self, @attributes ) = @_;
    my $all  = $self->conf->{ldapExportedVars} ||= {};
    my %have = map { ( lc $_ => 1 ) } values %$all, values %{ $self->conf->{exportedVars} || {} };
    for my $attribute ( grep { !$have{ lc $_ } } @attributes ) {
        $self->logger->warn("Parvis: $attribute is not among the exported attributes; it is read all the same");
        $all->{$attribute} = $attribute;
    }
    return;
}

# --- where it stands in the portal's way

sub gate {
    my ( $self, $req ) = @_;
    return $self->_act( $req, $self->_decide( $req, $req->user, $req->data->{ldapentry} ) );
}

sub gateAgain {
    my ( $self, $req ) = @_;
    # Seen in this request already, or a login that has failed: the portal comes here with that, too.
    return PE_OK if $req->data->{parvis} || ( $req->authResult // 0 ) > PE_OK;
    return $self->_reread($req);
}

sub gateOpenSession {
    my ( $self, $req ) = @_;
    return PE_OK if $self->is->{parvisOpenSessions} eq 'trust' || $req->data->{parvis};
    return $self->_reread( $req, 'open' );
}

# With a session, or most of one: what it knows of the entry may be old.
sub _reread {
    my ( $self, $req, $how ) = @_;
    my $known = %{ $req->sessionInfo || {} } ? $req->sessionInfo : $req->userData;
    my $login = $known->{_user} // $req->user;
    my ( $entry, $unread ) = $self->_read( $req, $login );
    if ( $unread && $how ) {
        # The session was given to somebody who might pass, and is good at every application.
        $self->_log( $login, 'not looked at: the directory does not answer' );
        return PE_OK;
    }
    return $self->_act( $req, $self->_decide( $req, $login, $entry ), $how );
}

# The password is right and has been reset: the portal would have it changed, by its own form and without the steps. A
# person who may pass goes on to that form; anybody else goes where the gate sends them.
sub aroundAuthenticate {
    my ( $self, $sub, $req, @rest ) = @_;
    my @steps  = @{ $req->steps || [] };
    my $result = $sub->( $req, @rest );
    return $result if $result != PE_PP_CHANGE_AFTER_RESET || !_browses(@steps);
    my $decision = $self->_decide( $req, $req->user, $req->data->{ldapentry} );
    return $result if $decision->{pass};
    delete $req->data->{oldpassword};
    return $self->_act( $req, $decision, 'browses' );
}

sub gatePasswordChange {
    my ( $self, $req, $login ) = @_;
    my $entry = $req->data->{ldapentry};
    ($entry) = $self->_read( $req, $login ) unless $entry;
    my $decision = $self->_decide( $req, $login, $entry, 'password: ' );
    return PE_OK if $decision->{pass};
    $self->_show( $req, 'password' );
    return PE_PP_PASSWORD_MOD_NOT_ALLOWED;
}

# --- what is decided

# { pass } or { url } or neither, with { status, message } for the person. It never dies.
sub _decide {
    my ( $self, $req, $login, $entry, $what ) = @_;
    $what //= '';
    my $decision = eval {
        my ( $canonical, @states ) = $self->_facts($entry);
        $login = $canonical if defined $canonical;
        my $is = $self->is;
        if ( ( grep { $_ =~ $is->{parvisActive} } @states ) && !grep { $_ =~ $is->{parvisNotActive} } @states ) {
            return { pass => 1, why => 'passed by the directory' };
        }
        my $answer = $self->ask->check( $self->_request( $req, $login ) );
        return { pass => 1, why => 'passed' } if $answer->{allow};
        return { %$answer, why => 'sent to activation' } if defined $answer->{url};
        return { %$answer, why => 'refused: ' . ( $answer->{code} // $answer->{status} ), words => 'refused' };
    };
    if ( !$decision ) {
        my $why = $@ || "a fault of this plugin\n";
        $why =~ s/\s+\z//;
        $decision = { why => "no answer: $why", words => 'unanswered' };
    }
    $self->_log( $login, $what . $decision->{why} );
    return $decision;
}

# The login as the directory writes it, and the values of the state.
sub _facts {
    my ( $self, $entry ) = @_;
    return unless $entry;
    my ( $name, $state ) = @{ $self->is }{qw(parvisLoginAttribute parvisStateAttribute)};
    my ($login) = $entry->get_value($name);
    # slapadd can make two attributes of one name, of which Net::LDAP shows the last: half a state is none.
    my $times = grep { lc $_ eq lc $state } $entry->attributes;
    return ( $login, $times == 1 ? $entry->get_value($state) : () );
}

# A person's entry, as it is now; and whether the directory did not answer.
sub _read {
    my ( $self, $req, $login ) = @_;
    local $req->{user} = $login;
    for my $mail ( 0, ( $login // '' ) =~ /\@/ ? 1 : () ) {
        delete $req->data->{ldapentry};
        my $result = eval { $self->p->_userDB->getUser( $req, $mail ? ( useMail => 1 ) : () ) } // PE_LDAPERROR;
        return ( $req->data->{ldapentry}, 0 ) if $result == PE_OK;
        return ( undef, 1 ) if $result == PE_LDAPERROR || $result == PE_LDAPCONNECTFAILED;
    }
    return ( undef, 0 );
}

sub _request {
    my ( $self, $req, $login ) = @_;
    my %client = ( ip => $req->address, user_agent => $req->env->{HTTP_USER_AGENT} );
    for my $text ( grep { defined } values %client ) {
        $text = substr _characters($text), 0, 256;
        $text =~ s/[\p{Cc}\p{Cf}]/?/g;
    }
    my $request = { login => _characters($login), authenticated => JSON::true, client => \%client };
    my $locale = $self->_language($req);
    $request->{locale} = $locale if defined $locale;
    # The way back is worth less than the way in.
    my $wanted = eval { $self->_wanted($req) };
    $request->{return_to} = $wanted if defined $wanted;
    return $request;
}

# French or English: the portal's own cookie, then what the browser asks for.
sub _language {
    my ( $self, $req ) = @_;
    return $1 if ( $req->cookies->{llnglanguage} // '' ) =~ /^(fr|en)\b/i;
    my ( $best, $most ) = ( undef, 0 );
    for my $part ( split /\s*,\s*/, $req->env->{HTTP_ACCEPT_LANGUAGE} // '' ) {
        my ( $tag, $q ) = $part =~ /^(fr|en)\b[\w-]*\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{1,3})?))?\z/i or next;
        ( $best, $most ) = ( lc $tag, $q // 1 ) if ( $q // 1 ) > $most;
    }
    return $best;
}

# --- the way back

# The address by which the person comes, by the normal way, to what they wanted.
sub _wanted {
    my ( $self, $req ) = @_;
    my $portal = $self->conf->{portal};
    $portal =~ s{/*\z}{/};
    my $uri = $self->_issued($req);
    my $address =
        defined $uri          ? $portal . ( $uri =~ s{^/+}{}r )
      : length( $req->{urldc} // '' ) ? $portal . '?url=' . uri_escape( encode_base64( $req->{urldc}, '' ) )
      :                         $portal;
    return $address if length $address <= LONGEST_RETURN;
    my $kept = $self->ott->createToken( { address => $address } ) or return $portal;
    return "${portal}parvis/$kept";
}

# What was asked of an issuer (CAS, SAML, OpenID Connect): path and query. The portal keeps it for two minutes only,
# which no activation takes. What was posted cannot be asked again by an address.
sub _issued {
    my ( $self, $req ) = @_;
    my $modules = $self->p->loadedModules;
    for my $name ( grep { /::Issuer::/ } sort keys %$modules ) {
        my $issuer = $modules->{$name};
        my $path   = $issuer->path // next;
        my $env    = $req->env;
        if ( my $token = $req->pdata->{ $issuer->ipath } ) {
            next unless ( $req->{urldc} // '' ) =~ m{/\Q$path\E/?\z};
            $env = $issuer->_ott->getToken( $token, 1 ) || $env;
        }
        my ( $method, $uri ) = @{$env}{qw(REQUEST_METHOD REQUEST_URI)};
        next unless ( $uri // '' ) =~ m{^/+\Q$path\E(?:[/?]|\z)};
        # A form that was sent has its question in its address, but for SAML's.
        return $uri if ( $method // '' ) eq 'GET' || $uri =~ /\?/;
    }
    return;
}

# An address that was too long for the daemon.
sub back {
    my ( $self, $req ) = @_;
    my $kept = $req->param('kept') // '';
    my $held = $kept =~ /^\w{1,128}\z/ ? $self->ott->getToken( $kept, 1 ) : undef;
    my $to   = $held && $held->{address} || $self->conf->{portal};
    return [ 302, [ Location => $to, 'Cache-Control' => 'no-store', 'Referrer-Policy' => 'no-referrer' ], [] ];
}

# --- what becomes of it

# Whether the steps left are those of a person at a browser. Elsewhere the portal takes a negative code for success
# (OpenID Connect's refreshed tokens), so there it is never given.
sub _browses { return scalar grep { !ref && $_ eq 'buildCookie' } @_ }

# How: with a session that is `open`, by somebody who `browses`, or as the steps left say.
sub _act {
    my ( $self, $req, $decision, $how ) = @_;
    if ( $decision->{pass} ) {
        $req->data->{parvis} = 1;
        return PE_OK;
    }
    my $open = ( $how // '' ) eq 'open';
    my $browses = $how || _browses( @{ $req->steps || [] } );
    # No answer says nothing of the person: a session that is open stays, and this visit ends.
    $self->_drop($req) unless $open && ( $decision->{words} // '' ) eq 'unanswered';
    # What was begun goes with the person, and is not left in the browser.
    $req->pdata( {} );
    $req->steps( [] );
    $req->userData( {} );
    return $self->_tell( $req, $decision ) if $browses && $req->wantJSON && !$self->conf->{noAjaxHook};
    if ( $browses && defined $decision->{url} ) {
        $req->urldc( $decision->{url} );
        $req->mustRedirect(1);
        return PE_REDIRECT;
    }
    $self->_show( $req, $decision->{words} // 'refused', $decision->{message} );
    $req->urldc( $self->conf->{portal} );
    return $req->authResult(PE_SESSIONNOTGRANTED);
}

# The session, where there is one already.
sub _drop {
    my ( $self, $req ) = @_;
    my $id = $req->id or return;
    my $session = $self->p->getApacheSession($id);
    $self->p->_deleteSession( $req, $session ) if $session;
    $req->id(undef);
    return;
}

# A program gets the portal's own refusal, and in it the address that a person has to be shown.
sub _tell {
    my ( $self, $req, $decision ) = @_;
    my %said = (
        decision => defined $decision->{url} ? 'activation' : ( $decision->{words} // 'refused' ),
        status   => $decision->{status},
        url      => $decision->{url},
        message  => $decision->{message} // $self->_words( $req, $decision->{words} // 'refused' ),
    );
    my $body = JSON->new->utf8->canonical->encode( { result => 0, error => PE_SESSIONNOTGRANTED, parvis => \%said } );
    my @headers = ( 'WWW-Authenticate' => 'SSO ' . $self->conf->{portal}, 'Cache-Control' => 'no-store' );
    push @headers, $req->spliceHdrs;
    $req->response( $self->p->sendJSONresponse( $req, $body, code => 401, headers => \@headers ) );
    return PE_SENDRESPONSE;
}

# Words on the portal's own page, which stays until the person has read it.
sub _show {
    my ( $self, $req, $words, $message ) = @_;
    $message //= $self->_words( $req, $words );
    my $language = $self->_language($req);
    $message =~ s/&/&amp;/g;
    $message =~ s/</&lt;/g;
    $message =~ s/>/&gt;/g;
    utf8::encode($message);
    my $lang = defined $language ? qq( lang="$language") : '';
    # In the place of what others meant for somebody who passes.
    $req->data->{_info} = qq(<div class="alert alert-warning" role="alert"$lang>$message</div>);
    $req->data->{activeTimer} = 0;
    return;
}

# In both languages where nobody says which.
sub _words {
    my ( $self, $req, $name ) = @_;
    my $language = $self->_language($req);
    my @both = map { _characters( $WORDS{$name}{$_} ) } defined $language ? $language : qw(fr en);
    return join ' — ', @both;
}

# One line a decision. No address: it may hold a ticket.
sub _log {
    my ( $self, $login, $decision ) = @_;
    my $line = substr( _characters( $login // '' ), 0, 256 ) . ": $decision";
    $line =~ s/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/?/g;
    utf8::encode($line);
    $self->userLogger->notice("Parvis: $line");
    return;
}

# The portal hands bytes around.
sub _characters {
    my ($text) = @_;
    my $copy = "$text";
    utf8::decode($copy);
    return $copy;
}

1;
