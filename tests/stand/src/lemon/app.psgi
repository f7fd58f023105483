# Two small applications behind the portal: one that LemonLDAP::NG's own handler guards, and a client of its CAS server.
use strict;
use warnings;
use Plack::Builder;
use Plack::Request;
use Plack::Util;
use LWP::UserAgent;
use POSIX ();
use URI::Escape qw(uri_escape);

# A worker dies with its master, however that one dies: prctl(PR_SET_PDEATHSIG, SIGKILL).
my %prctl = ( x86_64 => 157, aarch64 => 167 );
my $call = $prctl{ ( POSIX::uname() )[4] };
syscall $call, 1, 9 if $call;

my ( $app, $portal, $direct ) = @ENV{qw(STAND_APP STAND_PORTAL STAND_PORTAL_DIRECT)};

my $page = sub {
    my ( $title, $who, $where ) = @_;
    $_ = Plack::Util::encode_html( $_ // '' ) for $who, $where;
    my $html = qq(<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">)
      . qq(<title>$title</title><main><h1>$title</h1><p id="who">$who</p><p id="where">$where</p></main></html>);
    return [ 200, [ 'Content-Type' => 'text/html; charset=utf-8', 'Cache-Control' => 'no-store' ], [$html] ];
};

package Guarded {
    use Mouse;
    extends 'Lemonldap::NG::Handler::PSGI';

    sub handler {
        my ( $self, $req ) = @_;
        return $page->( 'Application', $req->userData->{uid}, $req->env->{REQUEST_URI} );
    }
}

# Sessions of this one process.
my %sessions;

my $cas = sub {
    my $req     = Plack::Request->new(shift);
    my $service = "$app/cas-app/course?id=7";
    if ( my $who = $sessions{ $req->cookies->{casapp} // '' } ) {
        return $page->( 'CAS application', $who, $req->env->{REQUEST_URI} );
    }
    if ( my $ticket = $req->param('ticket') ) {
        my $url = "${direct}cas/p3/serviceValidate?service=" . uri_escape($service) . '&ticket=' . uri_escape($ticket);
        my ($host) = $portal =~ m{^http://([^/]+)};
        my $answer = LWP::UserAgent->new( timeout => 20 )->get( $url, Host => $host )->decoded_content;
        my ($who) = $answer =~ m{<cas:user>([^<]+)</cas:user>} or return $page->( 'Ticket refused', '', $answer );
        my $id = join '', map { sprintf '%04x', rand 65536 } 1 .. 8;
        $sessions{$id} = $who;
        return [ 302, [ Location => $service, 'Set-Cookie' => "casapp=$id; path=/cas-app; HttpOnly" ], [] ];
    }
    return [ 302, [ Location => "${portal}cas/login?service=" . uri_escape($service) ], [] ];
};

my $guarded = Guarded->run( {} );
builder {
    mount '/cas-app' => $cas;
    mount '/'        => $guarded;
};
