//! A real systemd as the first process of a private container: where what is shipped is installed as on a machine of
//! its own. Its root is this machine's, under a layer in memory that takes every write; its network is a loopback.
//!
//! This machine need not run systemd, and nothing is left on it: the container, with every process, mount and socket in
//! it, dies with the value, and with the process that made it. It must not know what is installed in it.

mod group;

use std::fs::File;
use std::io::{PipeWriter, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::daemon::code;
use crate::daemon::watch::Notifications;
use crate::place::Place;
use crate::proxy::Proxy;
use crate::run::{self, Running, program};

use group::Group;

/// How the container is to be.
#[derive(Clone, Debug, Default)]
pub struct ContainerOptions {
    /// Folders of this machine, and where they are in the container; nobody writes to them.
    pub folders: Vec<(PathBuf, PathBuf)>,
    /// What is not there although this machine may have it: paths below its root, without the first slash.
    pub without: Vec<String>,
}

/// A container, booted as a rule.
#[derive(Debug)]
pub struct Container {
    // Dropped in this order, once every process is dead: the groups that they were in come before the folder.
    holder: Running,
    hold: PipeWriter,
    _group: Group,
    forwards: Vec<Proxy>,
    notifications: Notifications,
    place: Place,
    /// The container's first process, by this machine's number; none while it is halted.
    leader: Option<u32>,
}

/// What a command in the container printed, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// The standard output.
    pub out: String,
    /// The standard error.
    pub err: String,
}

/// How long it may take to boot, or to halt: a service may take the better part of a minute to stop.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a command may take, in seconds.
const LONGEST: &str = "120";

impl Container {
    /// Makes its root, boots it, and returns once systemd says that it has started everything.
    pub fn start(options: &ContainerOptions) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("a container needs root");
        }
        let place = Place::new("container")?;
        std::fs::create_dir(place.join("disk"))?;
        let group = Group::new(place.path())?;
        let notifications = Notifications::listen(&place.join("notify"))?;
        let (read, hold) = std::io::pipe()?;
        let log = File::create(place.join("log"))?;
        // The inner process is the first of a namespace of processes: with it, all of them die.
        let mut command = run::leashed(&program("unshare")?);
        command.args(["--mount", "--propagation", "private", "--net"]);
        command.args(["--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"]);
        command.args(["sh", "-c", HOLDER, "holder"]).arg(place.join("disk"));
        command.arg(group.members().join(" ")).arg(options.without.join(" "));
        command.arg(program("systemd-nspawn")?).args(NSPAWN);
        for (from, to) in &options.folders {
            command.arg(format!("--bind-ro={}:{}", from.display(), to.display()));
        }
        command.arg("systemd.log_target=journal");
        command.env("NOTIFY_SOCKET", place.join("notify"));
        command.stdin(read).stdout(log.try_clone()?).stderr(log);
        let mut container = Self {
            holder: run::start("container", command)?,
            hold,
            _group: group,
            forwards: vec![],
            notifications,
            place,
            leader: None,
        };
        container.boot()?;
        Ok(container)
    }

    /// Boots it, after [`Container::halt`].
    pub fn boot(&mut self) -> Result<()> {
        self.notifications.forget();
        let _ = std::fs::remove_file(self.ended());
        let asked = self.hold.write_all(b"boot\n");
        let ready = self.notifications.wait(PATIENCE, |seen| {
            let over = self.holder.status().is_some() || self.ended().exists();
            (over || seen.ready.is_some()).then_some(seen.ready)
        });
        let said = || run::tail(&self.place.join("log"), 20);
        asked.with_context(|| format!("the container could not be made; it said:\n{}", said()))?;
        ready.flatten().with_context(|| format!("the container did not boot; it said:\n{}", said()))?;
        let nspawn = children(self.inner()?).first().copied();
        let nspawn = nspawn.context("the container's supervisor is gone")?;
        self.leader = Some(children(nspawn).first().copied().context("the container has no process")?);
        Ok(())
    }

    /// Shuts it down in order, as an administrator does.
    pub fn halt(&mut self) -> Result<()> {
        // The command is killed with everything else.
        let _ = self.run(&["systemctl", "poweroff"], b"")?;
        self.gone()
    }

    /// Everything in it is killed at once, the first process too: what a power cut leaves of the processes.
    pub fn kill9(&mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.leader()?)?), Signal::SIGKILL)?;
        self.gone()
    }

    fn gone(&mut self) -> Result<()> {
        let gone = run::until(PATIENCE, || Ok(self.ended().exists().then_some(())))?;
        self.leader = None;
        gone.with_context(|| format!("the container still runs after {PATIENCE:?}"))
    }

    /// A file that is there once it has run.
    fn ended(&self) -> PathBuf {
        self.place.join("ended")
    }

    /// Whoever connects to this port of the container's loopback reaches another one of this machine's.
    pub fn forward(&mut self, port: u16, to: u16) -> Result<()> {
        let net = format!("/proc/{}/ns/net", self.inner()?);
        // A thread of its own: where it has gone, it stays.
        let listening = std::thread::spawn(move || -> Result<TcpListener> {
            setns(File::open(net)?, CloneFlags::CLONE_NEWNET)?;
            Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?)
        });
        let listener = listening.join().map_err(|_| anyhow!("a thread has panicked"))?;
        let listener = listener.with_context(|| format!("failed to listen on {port} in the container"))?;
        self.forwards.push(Proxy::on(listener, SocketAddr::from((Ipv4Addr::LOCALHOST, to)))?);
        Ok(())
    }

    /// Its folder on this machine; its control groups have that name.
    pub fn folder(&self) -> &Path {
        self.place.path()
    }

    /// Its first process, by this machine's number.
    pub fn pid(&self) -> Result<u32> {
        self.leader()
    }

    fn leader(&self) -> Result<u32> {
        self.leader.context("the container is halted")
    }

    /// The first process of the namespaces that last as long as the container.
    fn inner(&self) -> Result<u32> {
        let found = run::until(PATIENCE, || Ok(children(self.holder.pid()).first().copied()))?;
        found.context("the container's namespaces are gone")
    }
}

impl Drop for Container {
    /// The inner process first: whoever waits for its end then knows that the kernel has buried all of them.
    fn drop(&mut self) {
        self.holder.told();
        let inner = children(self.holder.pid());
        for pid in inner.into_iter().filter_map(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        self.holder.wait(PATIENCE);
    }
}

/// Working in it.
impl Container {
    /// Runs a command as root, with `input` on its standard input. Any exit code is fine.
    pub fn run(&self, command: &[&str], input: &[u8]) -> Result<Said> {
        let leader = self.leader()?.to_string();
        let mut entering = Command::new(program("nsenter")?);
        entering.args(["-t", &leader, "-m", "-u", "-i", "-p", "-n", "-C", "-r", "-w", "--"]);
        entering.args(["env", "-i"]).args(ENVIRONMENT).args(["timeout", "--kill-after=5", LONGEST]);
        entering.args(command);
        let out = run::feed(entering, input).context("failed to enter the container")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said { code: code(out.status), out: text(&out.stdout), err: text(&out.stderr) })
    }

    /// Runs lines of a shell as root, in a folder; the first that fails ends it.
    pub fn shell(&self, folder: &str, script: &str, input: &[u8]) -> Result<Said> {
        let script = format!("cd '{folder}'\n{script}");
        self.run(&["bash", "-e", "-o", "pipefail", "-c", &script], input)
    }

    /// Runs a command as one of the container's users.
    pub fn run_as(&self, user: &str, command: &[&str], input: &[u8]) -> Result<Said> {
        self.run(&[&["runuser", "-u", user, "--"], command].concat(), input)
    }

    /// Writes a file as root, readable by everybody.
    pub fn write(&self, path: &str, content: &str) -> Result<()> {
        let script = "umask 022; mkdir -p \"$(dirname \"$1\")\"; cat >\"$1\"";
        self.run(&["sh", "-ec", script, "write", path], content.as_bytes())?.fine().map(drop)
    }

    /// Reads a file as root.
    pub fn read(&self, path: &str) -> Result<String> {
        self.run(&["cat", path], b"")?.fine()
    }
}

impl Said {
    /// What it printed; an error with everything that it said unless it exited with 0.
    pub fn fine(self) -> Result<String> {
        if self.code != 0 {
            bail!("exit {}: {}\n{}", self.code, self.err.trim(), self.out.trim());
        }
        Ok(self.out)
    }
}

/// The children of a process that have not ended, by number.
fn children(parent: u32) -> Vec<u32> {
    let alive = run::processes().filter(|process| process.parent == parent && !process.ended);
    alive.map(|process| process.pid).collect()
}

/// All capabilities and bpf: without them systemd could not narrow a unit's network by address. `--keep-unit` and no
/// register: no systemd of this machine is asked.
const NSPAWN: [&str; 14] = [
    "--quiet",
    "--boot",
    "--notify-ready=yes",
    "--register=no",
    "--keep-unit",
    "--machine=campus",
    "--console=pipe",
    "--resolv-conf=off",
    "--timezone=off",
    "--link-journal=no",
    "--kill-signal=SIGRTMIN+3",
    "--capability=all",
    "--system-call-filter=bpf",
    "--directory=root",
];

const ENVIRONMENT: [&str; 6] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "TERM=dumb",
    "SYSTEMD_PAGER=cat",
    "SYSTEMD_COLORS=0",
];

/// Makes the root, and boots at each line that it reads; with its standard input it ends. 133 is a reboot from within.
/// The root's own services stay out, whether systemd or init.d would start them, and so does what only a real machine
/// has; its journal begins empty, and is kept over a boot as on any Debian.
const HOLDER: &str = r#"set -e
disk=$1; groups=$2; without=$3; shift 3
for group in $groups; do echo $$ >"$group/cgroup.procs"; done
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755,size=4g tmpfs "$disk"
cd "$disk"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=upper,workdir=work" root
(
  cd root
  rm -rf etc/systemd/system var/log/journal etc/machine-id $without
  rm -f etc/rc?.d/* usr/sbin/policy-rc.d
  mkdir -p etc/systemd/system var/log/journal
  tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
  : >etc/fstab
  for unit in systemd-resolved systemd-networkd systemd-timesyncd getty@tty1 console-getty udisks2 packagekit polkit; do
    ln -s /dev/null "etc/systemd/system/$unit.service"
  done
)
set +e
while read -r _; do
  code=133
  while [ $code = 133 ]; do
    "$@" </dev/null
    code=$?
  done
  echo $code >../ended
done
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_children_are_found() {
        let mut command = run::leashed(&program("sleep").unwrap());
        command.arg("600");
        let running = run::start("sleep", command).unwrap();
        assert!(children(std::process::id()).contains(&running.pid()));
        assert!(children(running.pid()).is_empty());
    }
}
