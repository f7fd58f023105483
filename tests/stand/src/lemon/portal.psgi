# The portal as the stand runs it: real, private, one private ini in LLNG_DEFAULTCONFFILE.
use strict;
use warnings;
use Plack::Builder;
use POSIX ();

# A worker dies with its master, however that one dies: prctl(PR_SET_PDEATHSIG, SIGKILL).
my %prctl = ( x86_64 => 157, aarch64 => 167 );
my $call = $prctl{ ( POSIX::uname() )[4] };
syscall $call, 1, 9 if $call;

require Lemonldap::NG::Portal::Main;
my $portal = Lemonldap::NG::Portal::Main->run( {} );
builder {
    # The stand is its own reverse proxy: what X-Forwarded-For says is the person's address.
    enable sub {
        my ($app) = @_;
        return sub {
            my ($env) = @_;
            $env->{REMOTE_ADDR} = $env->{HTTP_X_FORWARDED_FOR} if $env->{HTTP_X_FORWARDED_FOR};
            return $app->($env);
        };
    };
    enable 'Static', path => sub { s{^/static/}{} },     root => '/usr/share/lemonldap-ng/portal/htdocs/static';
    enable 'Static', path => sub { s{^/javascript/}{} }, root => '/usr/share/javascript';
    $portal;
};
