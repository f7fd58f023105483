//! The man pages and the shell completions, made of the command lines themselves.

use super::Verdict;
use super::arguments::Arguments;
use super::failure::Failure;
use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;
use std::io::Write;
use std::path::Path;

/// What `parvisctl`'s page says beyond its command line.
const CTL_MORE: &str = r#".SH "EXIT STATUS"
.TP
0
Done, and nothing is wrong.
.TP
1
Refused, or something is wrong: a part of the daemon is down, the audit does not hold, a check failed.
.TP
64
The command line is wrong.
.TP
69
The daemon cannot be reached.
.TP
77
This user may not.
.TP
78
The configuration is wrong.
.SH ENVIRONMENT
.TP
\fBCREDENTIALS_DIRECTORY\fR
Where \fBcheck\fR looks for the secrets; without it, the folder \fIcredentials\fR beside the configuration.
.TP
\fBPARVIS__SECTION__KEY\fR
Stands in for a key of the configuration, as it does for the daemon.
.TP
\fBSUDO_USER\fR, \fBUSER\fR
Who the audit says has asked.
.TP
\fBNO_COLOR\fR
Nothing is coloured where it is set.
.SH "SEE ALSO"
\fBparvisd\fR(8), \fBparvis\-hook\fR(1)
"#;

/// What the daemon's page says beyond its command line.
const DAEMON_MORE: &str = r#".SH SIGNALS
.TP
SIGHUP
Read the configuration again. It is taken whole or not at all; the log says which keys take a restart.
.TP
SIGTERM, SIGINT
Finish what was begun, and stop. A second one stops at once.
.SH "EXIT STATUS"
.TP
0
Stopped as asked.
.TP
75
Could not start now: the store is open in another process, or the disk is full.
.TP
78
The configuration, or a file that it names, is wrong: a restart does not help.
.SH FILES
.TP
\fI/etc/parvis/parvis.toml\fR, \fI/etc/parvis/conf.d/*.toml\fR
The configuration. Every key and its default are in the parvis.toml that is shipped.
.TP
\fI/etc/parvis/credentials/\fR
The secrets, one a file: \fIkey\fR, \fIdirectory\-password\fR, \fImail\-password\fR. Read where the service manager
sets no \fBCREDENTIALS_DIRECTORY\fR.
.TP
\fI/var/lib/parvis/store/\fR
The store.
.TP
\fI/run/parvis/hook.sock\fR, \fI/run/parvis/admin.sock\fR
The sockets of login pages and of \fBparvisctl\fR.
.SH ENVIRONMENT
.TP
\fBPARVIS__SECTION__KEY\fR
Stands in for a key of the configuration. Never for a secret.
.TP
\fBCREDENTIALS_DIRECTORY\fR, \fBLISTEN_FDS\fR, \fBLISTEN_FDNAMES\fR, \fBNOTIFY_SOCKET\fR, \fBWATCHDOG_USEC\fR
As the service manager sets them. The sockets that it hands over are named \fIhook\fR and \fIadmin\fR.
.SH "SEE ALSO"
\fBparvisctl\fR(8), \fBparvis\-hook\fR(1)
"#;

/// Writes the pages that are made of command lines.
pub fn pages(dir: &Path) -> Result<Verdict, Failure> {
    let daemon = crate::service::Arguments::command();
    for (name, command, more) in
        [("parvisd.8", daemon, DAEMON_MORE), ("parvisctl.8", Arguments::command(), CTL_MORE)]
    {
        let path = dir.join(name);
        let failed = |source| Failure::File { what: "write", path: path.clone(), source };
        let text = page(command, more).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
    }
    Ok(Verdict::Fine)
}

/// Prints a shell's completions.
pub fn completions(shell: clap_complete::Shell) -> Result<Verdict, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "parvisctl", &mut text);
    let mut out = std::io::stdout().lock();
    out.write_all(&text).and_then(|()| out.flush()).map_err(Failure::Output)?;
    Ok(Verdict::Fine)
}

fn page(command: Command, more: &str) -> std::io::Result<Vec<u8>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone()).section("8").manual("Parvis");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.has_subcommands() {
        writeln!(out, ".SH COMMANDS")?;
        commands(&mut out, &command, "")?;
    }
    out.extend_from_slice(more.as_bytes());
    Ok(out)
}

/// Each command that does something, with what it takes; in one page, because people search in one.
fn commands(out: &mut Vec<u8>, above: &Command, path: &str) -> std::io::Result<()> {
    for command in above.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("{path}{}", command.get_name());
        if command.has_subcommands() {
            commands(out, command, &format!("{name} "))?;
            continue;
        }
        let own = || {
            command
                .get_arguments()
                .filter(|argument| !argument.is_global_set() && argument.get_id() != "help")
        };
        let synopsis: Vec<String> = own().map(synopsis).collect();
        writeln!(out, ".SS \"{}\"", roff(format!("{name} {}", synopsis.join(" ")).trim_end()))?;
        writeln!(out, "{}", roff(&command.get_about().map(ToString::to_string).unwrap_or_default()))?;
        for argument in own() {
            writeln!(out, ".TP\n\\fB{}\\fR", roff(&shown(argument)))?;
            writeln!(out, "{}", roff(&argument.get_help().map(ToString::to_string).unwrap_or_default()))?;
            let values = argument.get_possible_values();
            let words: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
            if !words.is_empty() && argument.get_action().takes_values() {
                writeln!(out, ".br\nOne of {}.", roff(&words.join(", ")))?;
            }
        }
    }
    Ok(())
}

fn shown(argument: &Arg) -> String {
    let value = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let value = value.filter(|_| argument.get_action().takes_values());
    match (argument.get_long(), value) {
        (Some(long), Some(value)) => format!("--{long} {value}"),
        (Some(long), None) => format!("--{long}"),
        (None, value) => value.unwrap_or_default(),
    }
}

fn synopsis(argument: &Arg) -> String {
    let shown = shown(argument);
    if argument.is_required_set() { shown } else { format!("[{shown}]") }
}

/// Text as roff takes it: hyphens that can be copied, no line that begins as a request does.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
