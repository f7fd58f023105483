//! The web server before the pages: our shipped sites for nginx and Apache, each as it is but for its place and ports,
//! run by Debian's own program. Nothing of the machine's own web server is read, enabled or touched.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::{Uid, User, chown};

use crate::binaries::workspace;
use crate::certs::{Authority, Certificate};
use crate::place::Place;
use crate::run::{self, Running};

/// Which one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Front {
    /// nginx, with `conf/pages/nginx.conf`.
    #[default]
    Nginx,
    /// Apache, with `conf/pages/apache.conf`.
    Apache,
}

/// The folder of a place that is the web server's own.
const FOLDER: &str = "front";

/// Starts one on this port of 127.0.0.1, before the pages on that.
pub fn start(front: Front, place: &Place, port: u16, tls: u16) -> Result<Running> {
    std::fs::create_dir(place.join(FOLDER))?;
    let issued = Authority::new(place.path())?.issue("activation", &["activation.univ.example"])?;
    match front {
        Front::Nginx => nginx(place, &issued, port, tls),
        Front::Apache => apache(place, &issued, port, tls),
    }
}

/// Everything that it logged.
pub fn logs(place: &Place) -> String {
    let folder = place.join(FOLDER);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    ["activation.log", "activation.error.log", "error.log", "said"].map(read).concat()
}

/// The shipped site with each of these replaced; all must be there.
fn site(name: &str, replaced: &[(&str, String)]) -> Result<String> {
    let mut site = std::fs::read_to_string(workspace().join("conf/pages").join(name))?;
    for (from, to) in replaced {
        if !site.contains(from) {
            bail!("conf/pages/{name} has no {from:?}");
        }
        site = site.replace(from, to);
    }
    Ok(site)
}

fn nginx(place: &Place, issued: &Certificate, port: u16, tls: u16) -> Result<Running> {
    let folder = place.join(FOLDER);
    let within = |name: &str| folder.join(name).display().to_string();
    let site = site(
        "nginx.conf",
        &[
            ("127.0.0.1:8470", format!("127.0.0.1:{port}")),
            ("listen 443 ssl;", format!("listen 127.0.0.1:{tls} ssl;")),
            ("listen [::]:443 ssl;", String::new()),
            ("/etc/ssl/certs/activation.pem", issued.certificate.display().to_string()),
            ("/etc/ssl/private/activation.key", issued.key.display().to_string()),
            ("/var/log/nginx/activation.log", within("activation.log")),
            ("/var/log/nginx/activation.error.log", within("activation.error.log")),
        ],
    )?;
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", within(kind)))
        .concat();
    // One process, which dies with its leash: a killed master would leave its workers behind.
    let user = if Uid::effective().is_root() { "user root;" } else { "" };
    let whole = format!(
        "{user} daemon off; master_process off; pid {}; error_log {} crit;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n{temp}{site}\n}}\n",
        within("nginx.pid"),
        within("error.log"),
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, whole)?;
    let mut command = run::leashed(&run::program("nginx")?);
    command.arg("-p").arg(place.path()).arg("-c").arg(&file);
    said(command, "nginx", &folder)
}

/// Where Debian keeps Apache's modules.
const MODULES: &str = "/usr/lib/apache2/modules";

fn apache(place: &Place, issued: &Certificate, port: u16, tls: u16) -> Result<Running> {
    let folder = place.join(FOLDER);
    let key = folder.join("activation.key");
    std::fs::copy(&issued.key, &key)?;
    let site = site(
        "apache.conf",
        &[
            ("127.0.0.1:8470", format!("127.0.0.1:{port}")),
            ("<VirtualHost *:443>", format!("Listen 127.0.0.1:{tls}\n<VirtualHost 127.0.0.1:{tls}>")),
            ("/etc/ssl/certs/activation.pem", issued.certificate.display().to_string()),
            ("/etc/ssl/private/activation.key", key.display().to_string()),
        ],
    )?;
    // The modules that the site asks for, and those without which there is no server.
    let asked = site.lines().find_map(|line| line.split_once("a2enmod ")).map_or("", |(_, rest)| rest);
    let asked = asked.split(',').next().unwrap_or_default().split_whitespace();
    let modules: String = ["mpm_event", "authz_core", "setenvif"]
        .into_iter()
        .chain(asked)
        .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
        .collect();
    let shown = folder.display();
    let whole = format!(
        "Define APACHE_LOG_DIR {shown}\nServerRoot {shown}\nDefaultRuntimeDir {shown}\nPidFile {shown}/apache.pid\n\
         Mutex file:{shown}\nErrorLog {shown}/error.log\nServerName localhost\n\
         LogFormat \"%h %l %u %t \\\"%r\\\" %>s %O \\\"%{{Referer}}i\\\" \\\"%{{User-Agent}}i\\\"\" combined\n\
         {modules}{site}\n"
    );
    let file = folder.join("apache.conf");
    std::fs::write(&file, whole)?;
    // In one process (-X), which dies with its leash. It will not serve as root, and if it changed its user by itself the
    // kernel would forget the leash: so it is started as Debian's user for it.
    let program = run::program("apache2")?;
    let mut command = match Uid::effective().is_root() {
        true => as_www_data(&program, &[folder.clone(), key])?,
        false => run::leashed(&program),
    };
    command.arg("-X").arg("-d").arg(&folder).arg("-f").arg(&file);
    said(command, "apache2", &folder)
}

fn as_www_data(program: &std::path::Path, owned: &[PathBuf]) -> Result<Command> {
    let user = User::from_name("www-data")?.context("Debian's user www-data is not there")?;
    for path in owned {
        chown(path, Some(user.uid), Some(user.gid))?;
        let mode = if path.is_dir() { 0o755 } else { 0o600 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
    command.args(["--clear-groups", "--pdeathsig", "KILL", "--"]).arg(program);
    Ok(command)
}

fn said(mut command: Command, name: &str, folder: &std::path::Path) -> Result<Running> {
    let said = std::fs::File::create(folder.join("said"))?;
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
    run::start(name, command)
}
