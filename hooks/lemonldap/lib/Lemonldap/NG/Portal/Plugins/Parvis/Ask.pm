# Asks Parvis whether a login may pass: on its socket, by running parvis-hook, or at a parvis-sso. Whichever it is, the
# whole exchange ends within its timeout, at most 64 KiB are read, and whatever is not an answer is a death with words.
#
# It knows nothing of LemonLDAP::NG and decides nothing. SPDX-License-Identifier: MIT OR Apache-2.0
package Lemonldap::NG::Portal::Plugins::Parvis::Ask;

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EPIPE EWOULDBLOCK);
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use JSON ();
use POSIX qw(WNOHANG);
use Socket qw(AF_UNIX SOCK_STREAM SOCK_NONBLOCK SOCK_CLOEXEC pack_sockaddr_un);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

# What a message may have, on the wire and from a program.
use constant MOST => 65536;

# No portal's worker is worth more of a wait than this.
use constant LONGEST => 30;

use constant CURL => '/usr/bin/curl';

my $json = JSON->new->utf8;

# Made of the ways to ask (socket, hook, url with ca, certificate, key, token-file) and a timeout in seconds; dies with
# what is wrong.
sub new {
    my ( $class, %is ) = @_;
    my @ways = grep { defined $is{$_} } qw(socket hook url);
    @ways <= 1 or die "only one of socket, hook and url may be given, not @ways\n";
    $is{way} = $ways[0] || 'socket';
    $is{socket} = '/run/parvis/hook.sock' unless @ways;
    my $timeout = $is{timeout} = $is{timeout} // 2;
    die "timeout is a number of seconds, more than 0 and at most @{[LONGEST]}\n"
      unless $timeout =~ /^[0-9]+(?:\.[0-9]+)?\z/ && $timeout > 0 && $timeout <= LONGEST;
    for my $file ( grep { defined $is{$_} } qw(socket hook ca certificate key token-file) ) {
        $is{$file} =~ m{^/} or die "$file is a path that begins with /\n";
    }
    if ( $is{way} eq 'socket' ) {
        # A longer one would be cut in silence.
        length $is{socket} < 108 or die "socket is too long a path: 107 bytes at most\n";
    }
    elsif ( $is{way} eq 'hook' ) {
        -x $is{hook} && -f _ or die "hook is not a program that this user can run\n";
    }
    else {
        _url( \%is );
    }
    for my $only ( grep { defined $is{$_} } qw(ca certificate key token-file) ) {
        $is{way} eq 'url' or die "$only is for url only\n";
    }
    return bless \%is, $class;
}

# curl, because it is kept well and all that it is told comes by its standard input; and because a process of its own
# bounds the resolution of names as well.
sub _url {
    my ($is) = @_;
    $is->{url} =~ s{/+\z}{};
    my $loopback = qr/localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]/;
    die "url begins with https://, or with http:// and this machine itself\n"
      unless $is->{url} =~ m{^(?:https://[\w.:\[\]-]+|http://$loopback(?::[0-9]+)?)(?:/[\w./-]*)?\z}a;
    !defined $is->{certificate} == !defined $is->{key} or die "certificate and key go together\n";
    -x CURL or die 'url needs ' . CURL . ", of the package curl\n";
    return;
}

# Asks; the answer of `check`: { allow, status, url, message }, or { code, message } where Parvis refused to say. Dies
# where there was no answer.
sub check {
    my ( $self, $request ) = @_;
    my $end = clock_gettime(CLOCK_MONOTONIC) + $self->{timeout};
    # A write to somebody who has gone is an error here, and no reason to end.
    local $SIG{PIPE} = 'IGNORE';
    return $self->{way} eq 'socket' ? $self->_socket( $request, $end )
      : $self->{way} eq 'hook'      ? $self->_hook( $request, $end )
      :                               $self->_http( $request, $end );
}

sub _left {
    my ($end) = @_;
    my $left = $end - clock_gettime(CLOCK_MONOTONIC);
    return $left > 0 ? $left : die "nothing came in time\n";
}

# Varlink: one JSON object and a NUL each way.
sub _socket {
    my ( $self, $request, $end ) = @_;
    socket( my $socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0 ) or die "no socket: $!\n";
    until ( connect $socket, pack_sockaddr_un( $self->{socket} ) ) {
        next if $! == EINTR;
        # The queue of connections is full, as before a daemon that is stopped; there is nothing to select on.
        $! == EAGAIN or die "nobody listens on the socket: $!\n";
        select undef, undef, undef, ( sort { $a <=> $b } 0.01, _left($end) )[0];
    }
    my $call = $json->encode( { method => 'org.parvis.Hook.Check', parameters => $request } );
    my $came = _talk( $socket, $socket, "$call\0", $end, sub { index( $_[0], "\0" ) >= 0 } );
    my ($message) = $came =~ /^([^\0]*)\0/ or die "the answer has no end\n";
    my $reply = _object($message);
    my $error = $reply->{error};
    return _answer( $reply->{parameters} ) unless defined $error;
    return _refusal( $reply->{parameters} ) if $error eq 'org.parvis.Hook.Refused';
    die 'the daemon says ' . _plain($error) . "\n";
}

# Writes all of it and reads until it is whole, or to the end.
sub _talk {
    my ( $from, $to, $out, $end, $whole ) = @_;
    my $came = '';
    while (1) {
        my ( $read, $write ) = ( '', '' );
        vec( $read,  fileno $from, 1 ) = 1;
        vec( $write, fileno $to,   1 ) = 1 if length $out;
        my $ready = select $read, length $out ? $write : undef, undef, _left($end);
        next if $ready <= 0;
        if ( length $out && vec $write, fileno $to, 1 ) {
            my $sent = syswrite $to, $out;
            if ( defined $sent ) { substr( $out, 0, $sent ) = '' }
            # Who does not want to hear all of it may have answered all the same.
            elsif ( $! == EPIPE ) { $out = '' }
            elsif ( !_again() )   { die "the question could not be put: $!\n" }
            close $to if !length $out && $to != $from;
        }
        next unless vec $read, fileno $from, 1;
        my $got = sysread $from, $came, 8192, length $came;
        if ( !defined $got ) { _again() or die "the answer could not be read: $!\n" }
        elsif ( length $came > MOST )          { die "the answer is longer than 64 KiB\n" }
        elsif ( $got == 0 || $whole->($came) ) { return $came }
    }
}

sub _again { return $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR }

sub _hook {
    my ( $self, $request, $end ) = @_;
    my $limit = int( $self->{timeout} * 900 + 1 ) . 'ms';
    my ( $exit, $came ) = _run( $end, $json->encode($request), $self->{hook}, 'check', '--timeout', $limit );
    my $answer = eval { _printed( _object($came) ) } or die "the hook ended with $exit and no answer: $@";
    $answer->{allow} && $exit and die "the hook ended with $exit although it says yes\n";
    return $answer;
}

sub _http {
    my ( $self, $request, $end ) = @_;
    my @headers = ( 'Content-Type: application/json', 'Accept: application/json', 'Expect:' );
    push @headers, 'Authorization: Bearer ' . _token( $self->{'token-file'} ) if $self->{'token-file'};
    my %files = ( ca => 'cacert', certificate => 'cert', key => 'key' );
    my @told  = (
        [ url        => "$self->{url}/v1/check" ],
        [ 'data-raw' => $json->encode($request) ],
        [ 'max-time' => _left($end) ],
        [ noproxy    => '*' ],
        [ proto      => '=https,http' ],
        [ 'write-out' => '\n%{http_code}' ],
        ( map { [ header => $_ ] } @headers ),
        ( map { [ $files{$_} => $self->{$_} ] } grep { defined $self->{$_} } sort keys %files ),
    );
    my $config = "silent\ngloboff\ntlsv1.2\n";
    for my $line (@told) {
        my ( $name, $value ) = @$line;
        $value =~ s/(["\\])/\\$1/g if $name ne 'write-out';
        $config .= qq($name = "$value"\n);
    }
    my ( $exit, $came ) = _run( $end, $config, CURL, '-q', '--config', '-' );
    $exit and die "parvis-sso does not answer: curl ended with $exit\n";
    my ($code) = $came =~ s/\n([0-9]{3})\z// ? $1 : 'nothing';
    my $answer = eval { _printed( _object($came) ) } or die "parvis-sso answered $code and no answer: $@";
    $answer->{allow} && $code ne '200' and die "parvis-sso answered $code although it says yes\n";
    return $answer;
}

# Runs a program to its end or to the end of its time, in a process group of its own, so that nothing of it is left: how
# it ended, and what it wrote.
sub _run {
    my ( $end, $input, @command ) = @_;
    pipe my $child_in, my $to    or die "no pipe: $!\n";
    pipe my $from, my $child_out or die "no pipe: $!\n";
    # A portal may leave its children to the system, and then nobody could say how this one ended.
    local $SIG{CHLD} = 'DEFAULT';
    my $child = fork // die "no process: $!\n";
    _become( $child_in, $child_out, @command ) unless $child;
    POSIX::setpgid( $child, $child );
    close $_ for $child_in, $child_out;
    for my $end_of_pipe ( $to, $from ) {
        fcntl $end_of_pipe, F_SETFL, fcntl( $end_of_pipe, F_GETFL, 0 ) | O_NONBLOCK;
    }
    my ( $came, $status );
    my $done = eval {
        $came   = _talk( $from, $to, $input, $end, sub { 0 } );
        $status = _ended( $child, $end );
        1;
    };
    my $why = $@;
    kill 'KILL', -$child, $child unless defined $status;
    # The rest of a group whose first has ended: only as long as its number cannot be another's.
    kill 'KILL', -$child if defined $status && kill 0, -$child;
    defined $status or eval { _ended( $child, clock_gettime(CLOCK_MONOTONIC) + 1 ) };
    die $why unless $done;
    return ( $status & 127 ? 128 + ( $status & 127 ) : $status >> 8, $came );
}

# The child's side. Without a word of Perl's own: until it runs the program, it is a copy of a worker of the portal.
sub _become {
    my ( $in, $out, @command ) = @_;
    eval {
        POSIX::setpgid( 0, 0 );
        open my $null, '>', '/dev/null' or POSIX::_exit(127);
        POSIX::dup2( fileno $in,   0 );
        POSIX::dup2( fileno $out,  1 );
        POSIX::dup2( fileno $null, 2 );
        $SIG{$_} = 'DEFAULT' for qw(PIPE CHLD TERM INT HUP ALRM);
        no warnings 'exec';
        exec { $command[0] } @command;
    };
    POSIX::_exit(127);
}

# How a child ended, waited for without a signal.
sub _ended {
    my ( $child, $end ) = @_;
    while (1) {
        my $gone = waitpid $child, WNOHANG;
        return $? if $gone == $child;
        $gone == 0 || $! == EINTR or die "the hook is gone, and nobody knows how\n";
        select undef, undef, undef, ( sort { $a <=> $b } 0.002, _left($end) )[0];
    }
}

sub _token {
    my ($file) = @_;
    open my $in, '<', $file or die "the token-file cannot be read: $!\n";
    my $token = <$in> // '';
    $token =~ s/\s+\z//;
    $token =~ /^[\x21-\x7e]{1,4096}\z/ or die "the token-file has no token in its first line\n";
    return $token;
}

sub _object {
    my ($text) = @_;
    my $object = eval { $json->decode($text) };
    return ref $object eq 'HASH' ? $object : die "what came is no JSON object\n";
}

# The printed form: the answer, or a refusal.
sub _printed {
    my ($object) = @_;
    my $ok = $object->{ok};
    JSON::is_bool($ok) or die "what came does not say whether it is well\n";
    return $ok ? _answer($object) : _refusal( $object->{refusal} );
}

sub _answer {
    my ($said) = @_;
    ref $said eq 'HASH' && JSON::is_bool( $said->{allow} ) or die "the answer says neither yes nor no\n";
    my %answer = ( allow => $said->{allow} ? 1 : 0, status => _word( $said->{status} ) );
    $answer{message} = _text( $said->{message} );
    if ( !$answer{allow} && defined $said->{url} ) {
        !ref $said->{url} && $said->{url} =~ m{^https?://[\x21-\x7e]{1,4096}\z} or die "the answer's url is none\n";
        $answer{url} = $said->{url};
    }
    return \%answer;
}

sub _refusal {
    my ($said) = @_;
    ref $said eq 'HASH' or die "a refusal without a reason\n";
    return { allow => 0, code => _word( $said->{code} ), message => _text( $said->{message} ) };
}

sub _word {
    my ($word) = @_;
    return defined $word && !ref $word && $word =~ /^[a-z-]{1,64}\z/ ? $word : 'unnamed';
}

sub _text {
    my ($text) = @_;
    return defined $text && !ref $text && length $text ? $text : undef;
}

# Another's words, fit for a line of a log.
sub _plain {
    my ($text) = @_;
    $text = substr "$text", 0, 200;
    $text =~ s/[^\x20-\x7e]/?/g;
    return $text;
}

1;
