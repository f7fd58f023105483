//! Without SMTP: into a real Dovecot by LMTP, and by a real Postfix's sendmail.

use parvis_stand::daemon::code;
use parvis_stand::dovecot::OWNER;
use parvis_stand::{
    Behaviour, Dovecot, DovecotOptions, Inbox, InboxOptions, Port, Postfix, PostfixOptions, Scene,
    SceneOptions, Stage, run,
};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn start(config: String) -> Scene {
    Scene::start(SceneOptions { config, ..SceneOptions::default() }).unwrap()
}

/// A Dovecot that takes mail for one outside address, as a mailbox of its own.
fn dovecot(folder: &Path, port: u16) -> Dovecot {
    let config = format!(
        "mail_home = /var/vmail/%n\nmail_location = maildir:~/Maildir\nmail_uid = {OWNER}\nmail_gid = {OWNER}\n\
         passdb {{\n  driver = static\n  args = nopassword=y\n}}\n\
         service auth {{\n  user = root\n}}\nuserdb {{\n  driver = passwd-file\n  args = /etc/dovecot/users\n}}\n\
         service lmtp {{\n  unix_listener {socket} {{\n    mode = 0666\n  }}\n  \
         inet_listener lmtp {{\n    address = 127.0.0.1\n    port = {port}\n  }}\n}}\n\
         protocol lmtp {{\n  postmaster_address = postmaster@univ.example\n}}\n",
        socket = folder.join("lmtp").display()
    );
    let users = "marie@laposte.example::::::\npaul@laposte.example::::::\n".to_owned();
    Dovecot::start(&DovecotOptions { config, files: vec![("users".to_owned(), users)] }).unwrap()
}

fn wait_for_mailbox(dovecot: &Dovecot, name: &str, count: usize) -> Vec<parvis_stand::Message> {
    let found = run::until(SOON, || {
        let mails = dovecot.mailbox(name)?;
        Ok((mails.len() >= count).then_some(mails))
    });
    found.unwrap().unwrap_or_else(|| panic!("no mail for {name}; Dovecot said:\n{}", dovecot.log()))
}

#[test]
fn mails_go_into_a_real_dovecot_by_lmtp_over_tcp_and_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let port = Port::free().unwrap();
    let dovecot = dovecot(folder.path(), port.number());
    let socket = folder.path().join("lmtp");
    let ways = [
        ("marie", format!("[mail]\ntransport = \"lmtp\"\nsocket = {:?}\n", socket.display().to_string())),
        ("paul", format!("[mail]\ntransport = \"lmtp\"\nhost = \"127.0.0.1\"\nport = {}\n", port.number())),
    ];
    for (name, config) in ways {
        let scene = start(config);
        let mut walk = scene.open("mdurand").unwrap();
        let address = format!("{name}@laposte.example");
        walk.step("recovery-address", json!({ "address": address }), "recovery-link").unwrap();
        let mails = wait_for_mailbox(&dovecot, name, 1);
        let link = parvis_stand::scene::link(mails.first().unwrap()).unwrap();
        walk.step("redeem", json!({ "link": link }), "charter").unwrap();

        // Nobody there: the person is told, and gives another.
        let mut other = scene.open("lnguyen").unwrap();
        other
            .step("recovery-address", json!({ "address": "nobody@laposte.example" }), "recovery-link")
            .unwrap();
        scene.daemon.wait_log("a mail was refused for good", SOON).unwrap();
        let said = scene.daemon.ctl(&["check"]).unwrap();
        let report = String::from_utf8(said.stdout).unwrap();
        assert!(report.contains("(LMTP) is reached") && report.contains("mailboxes of its own"), "{report}");
        let said = scene.daemon.ctl(&["mail", "test", &address]).unwrap();
        assert_eq!(code(said.status), 0, "{}", String::from_utf8_lossy(&said.stdout));
        wait_for_mailbox(&dovecot, name, 2);
    }
}

#[test]
fn what_an_lmtp_server_says_after_the_dot_is_kept_and_tried_again() {
    let scene = start("[mail]\ntransport = \"lmtp\"\nretry-first = \"1s\"\n".to_owned());
    let dot = Behaviour::Answer(Stage::Dot, "451 4.3.0 not now".to_owned());
    scene.inbox.script("marie@laposte.example", dot);
    let mut walk = scene.open("mdurand").unwrap();
    walk.step("recovery-address", json!({ "address": "marie@laposte.example" }), "recovery-link").unwrap();
    scene.daemon.wait_log("a mail will be tried again", SOON).unwrap();
    scene.inbox.script("marie@laposte.example", Behaviour::Accept);
    scene.mail("marie@laposte.example", 0).unwrap();
}

/// A program that calls the private Postfix's sendmail, as `/usr/sbin/sendmail` calls the system's.
fn sendmail(folder: &Path, script: &str) -> String {
    let path = folder.join("sendmail");
    run::script(&path, &format!("#!/bin/sh\n{script}\n")).unwrap();
    format!(
        "[mail]\ntransport = \"sendmail\"\nsendmail = {:?}\nretry-first = \"1s\"\n",
        path.display().to_string()
    )
}

#[test]
fn mails_leave_by_a_real_postfix_s_sendmail() {
    let outside = Inbox::start(InboxOptions::default()).unwrap();
    let postfix =
        Postfix::start(&PostfixOptions { relay_to: outside.port(), ..PostfixOptions::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let conf = postfix.queue().parent().unwrap().join("conf");
    let config = sendmail(folder.path(), &format!("exec /usr/sbin/sendmail -C {} \"$@\"", conf.display()));
    let scene = start(config + "bounces = \"parvis@univ.example\"\n");
    let mut walk = scene.open("mdurand").unwrap();
    walk.step("recovery-address", json!({ "address": "marie@laposte.example" }), "recovery-link").unwrap();
    let mail = outside.wait_for("marie@laposte.example", |_| true, SOON).unwrap();
    assert!(mail.from.starts_with("parvis+") && mail.from.ends_with("@univ.example"), "{}", mail.from);
    assert_eq!(mail.to, ["marie@laposte.example"]);
    let link = parvis_stand::scene::link(&mail).unwrap();
    walk.step("redeem", json!({ "link": link }), "charter").unwrap();
}

#[test]
fn mails_leave_by_msmtp_which_needs_no_rights_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let outside = Inbox::start(InboxOptions::default()).unwrap();
    let program = folder.path().join("sendmail");
    let script = format!(
        "#!/bin/sh\nexec setpriv --no-new-privs msmtp --host=127.0.0.1 --port={} --auto-from=off \"$@\"\n",
        outside.port()
    );
    run::script(&program, &script).unwrap();
    let key = parvis_stand::dkim::key("RSA", Some(2048)).unwrap();
    let config = format!(
        "[mail]\ntransport = \"sendmail\"\nsendmail = {:?}\nretry-first = \"1s\"\n[mail.dkim]\nselector = \"a\"\n",
        program.display().to_string()
    );
    let options =
        SceneOptions { config, credentials: vec![("dkim-key".to_owned(), key)], ..SceneOptions::default() };
    let scene = Scene::start(options).unwrap();
    let mut walk = scene.open("mdurand").unwrap();
    walk.step("recovery-address", json!({ "address": "marie@laposte.example" }), "recovery-link").unwrap();
    let mail = outside.wait_for("marie@laposte.example", |_| true, SOON).unwrap();
    let report = scene.daemon.ctl(&["--json", "check"]).unwrap().stdout;
    let (name, record) = parvis_stand::dkim::published(&serde_json::from_slice(&report).unwrap()).unwrap();
    parvis_stand::dkim::verify(&mail, &name, &record)
        .expect("the signature outlives the change of line ends");
    // One recipient's "later" (msmtp says 69) holds nobody else's mail, and is asked again.
    outside.script("late@laposte.example", Behaviour::Defer(2));
    outside.script(
        "queue@laposte.example",
        Behaviour::Answer(Stage::Dot, "451 4.3.0 queue file write error".to_owned()),
    );
    for (login, address) in [("elefevre", "queue"), ("lnguyen", "late"), ("tpetit", "prompt")] {
        let address = format!("{address}@laposte.example");
        let mut other = scene.open(login).unwrap();
        other.step("recovery-address", json!({ "address": address }), "recovery-link").unwrap();
    }
    for address in ["prompt@laposte.example", "late@laposte.example"] {
        outside.wait_for(address, |_| true, Duration::from_secs(20)).unwrap();
    }
    // A name that nobody has: msmtp says 67 or 68, or its server's code in words; the person is asked for another.
    outside.script("refused@laposte.example", Behaviour::Reject);
    walk.step("recovery-address", json!({ "address": "refused@laposte.example" }), "recovery-link").unwrap();
    scene.daemon.wait_log("a mail was refused for good", SOON).unwrap();
}

#[test]
fn what_was_begun_before_a_reload_holds_up_nothing_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (begun, taken) = (folder.path().join("begun"), folder.path().join("taken"));
    let script = format!("cat > /dev/null; touch {}; sleep 3; exit 78", begun.display());
    let scene = start(sendmail(folder.path(), &script));
    let mut walk = scene.open("mdurand").unwrap();
    walk.step("recovery-address", json!({ "address": "marie@laposte.example" }), "recovery-link").unwrap();
    assert!(run::until(SOON, || Ok(begun.exists().then_some(()))).unwrap().is_some());
    sendmail(folder.path(), &format!("cat > {}", taken.display()));
    scene.daemon.hangup().unwrap();
    // By itself, a hold ends after thirty seconds.
    let sent = run::until(Duration::from_secs(20), || Ok(taken.exists().then_some(())));
    assert!(sent.unwrap().is_some(), "{}", scene.daemon.log());
}

#[test]
fn a_sendmail_that_fails_is_judged_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let later = "cat > /dev/null; echo 'queue full' >&2; exit 75";
    let mut scene = start(sendmail(folder.path(), later));
    let mut walk = scene.open("mdurand").unwrap();
    walk.step("recovery-address", json!({ "address": "marie@laposte.example" }), "recovery-link").unwrap();
    let line = scene.daemon.wait_log("a mail will be tried again", SOON).unwrap();
    assert!(line.contains("exit 75: queue full"), "{line}");
    let deferred = run::until(SOON, || {
        let state = walk.step("state", json!({}), "recovery-link")?;
        Ok((state["view"]["sent"]["delivery"] == "deferred").then_some(()))
    });
    assert!(deferred.unwrap().is_some(), "the page says that it is delayed");
    // 67: another address, please.
    sendmail(folder.path(), "cat > /dev/null; exit 67");
    scene.daemon.wait_log("a mail was refused for good", SOON).unwrap();
    let refused = run::until(SOON, || {
        let (_, state) = walk.call("state", json!({}))?;
        Ok((state["refusal"]["code"] == "address-refused").then_some(()))
    });
    assert!(refused.unwrap().is_some(), "the page asks for another address");
    // 78: nothing is wrong with the address, and nothing is sent to anybody.
    let config = sendmail(folder.path(), "echo 'no configuration file' >&2; exit 78");
    walk.step("recovery-address", json!({ "address": "marie@autre.example" }), "recovery-link").unwrap();
    let held = run::until(SOON, || {
        let said = scene.daemon.ctl(&["status"])?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        Ok(text.contains("exit 78: no configuration file").then_some(text))
    });
    assert!(held.unwrap().is_some_and(|text| text.contains("down")), "the part mail is down");
    // Mended, and told so: the mail goes at once.
    let taken = folder.path().join("taken");
    sendmail(folder.path(), &format!("cat > {}", taken.display()));
    let config = parvis_stand::scene::config(
        &SceneOptions::default(),
        scene.daemon.layout(),
        &scene.slapd,
        &scene.inbox,
    )
    .replace("[mail]\n", &config);
    scene.daemon.configure(config).unwrap();
    scene.daemon.hangup().unwrap();
    let sent = run::until(SOON, || Ok(taken.exists().then_some(())));
    assert!(sent.unwrap().is_some(), "{}", scene.daemon.log());
}

#[test]
fn a_way_with_what_does_not_go_with_it_is_refused_at_start() {
    for (config, key) in [
        ("transport = \"lmtp\"\nport = 25\n", "mail.port"),
        ("transport = \"smtp\"\nsocket = \"/run/lmtp\"\n", "mail.socket"),
        ("transport = \"lmtp\"\nsocket = \"lmtp\"\n", "mail.socket"),
        ("transport = \"lmtp\"\nsocket = \"/run/lmtp\"\nsecurity = \"starttls\"\n", "mail.security"),
        ("transport = \"sendmail\"\nsendmail = \"sendmail\"\n", "mail.sendmail"),
        ("transport = \"pigeon\"\n", "mail.transport"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("parvis.toml");
        std::fs::write(&file, format!("[mail]\n{config}")).unwrap();
        let program =
            parvis_stand::binaries::binaries(parvis_stand::binaries::Profile::Dev).unwrap().parvisctl;
        let mut command = std::process::Command::new(program);
        command.env_remove("CREDENTIALS_DIRECTORY").arg("--config").arg(&file).arg("check");
        let said = parvis_stand::run::feed(command, b"").unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(code(said.status), 78, "{config}: {text}");
        assert!(text.contains(&format!("{key}: ")), "{config}: {text}");
    }
}
