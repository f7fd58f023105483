//! The private directory: what is in it, who may do what, and how it dies and comes back.

use std::time::Duration;

use parvis_stand::run::{expect, output, program};
use parvis_stand::slapd::{PEOPLE, SERVICE_DN, SERVICE_PASSWORD};
use parvis_stand::{Entry, Population, SUFFIX, Slapd, SlapdOptions, State, campus, small};

fn started() -> Slapd {
    Slapd::start(SlapdOptions::default()).unwrap()
}

/// ldap-utils as anybody would call them, on any URL.
fn call(tool: &str, url: &str, dn: &str, password: &str, args: &[&str], input: &str) -> (i32, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, password.as_bytes()).unwrap();
    let fixed = ["-x", "-H", url, "-D", dn, "-y", file.path().to_str().unwrap()];
    let out = output(&program(tool).unwrap(), &[&fixed[..], args].concat(), input.as_bytes()).unwrap();
    (out.status.code().unwrap(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
}

fn as_service(slapd: &Slapd, tool: &str, args: &[&str], input: &str) -> (i32, String) {
    call(tool, &slapd.url(), SERVICE_DN, SERVICE_PASSWORD, args, input)
}

#[test]
fn everybody_of_the_campus_is_there_and_binds_with_the_password_of_their_letter() {
    let slapd = started();
    let entries = slapd.search(PEOPLE, "(objectClass=supannPerson)", &["uid"]).unwrap();
    assert_eq!(entries.len(), small().len());
    for person in small() {
        let entry = slapd.entry(&person.dn).unwrap().unwrap();
        assert_eq!(entry.get("displayName"), Some(person.name.as_str()));
        assert_eq!(
            entry.has("supannRessourceEtat", "{COMPTE}I:SupannCree"),
            person.state == State::Provisional
        );
        assert_eq!(entry.get("mail").is_none(), person.population == Population::Vacataire);
        assert!(entry.get("userPassword").unwrap().starts_with("{SSHA}"));
        assert!(slapd.bind_works(&person.dn, &person.provisional_password).unwrap(), "{}", person.login);
    }
    assert!(!slapd.bind_works(&small()[0].dn, "wrong").unwrap());
    assert_eq!(slapd.entry("uid=nobody,ou=people,dc=univ,dc=example").unwrap(), None);
}

#[test]
fn the_stand_adds_changes_and_removes() {
    let slapd = started();
    let mut person = small().remove(0);
    person.login = "new".into();
    person.dn = format!("uid=new,{PEOPLE}");
    slapd.add_person(&person).unwrap();
    slapd.replace(&person.dn, "displayName", &["Ève «x»"]).unwrap();
    slapd.modify(&format!("dn: {}\nchangetype: modify\nadd: title\ntitle: Dr\n", person.dn)).unwrap();
    let entry = slapd.entry(&person.dn).unwrap().unwrap();
    assert_eq!((entry.get("displayName"), entry.get("title")), (Some("Ève «x»"), Some("Dr")));
    assert!(entry.get("entryUUID").is_some(), "operational attributes are read too");
    slapd.delete(&person.dn).unwrap();
    assert_eq!(slapd.entry(&person.dn).unwrap(), None);
    assert!(slapd.delete(&person.dn).unwrap_err().to_string().contains("No such object"));
}

#[test]
fn the_service_account_has_the_rights_that_an_activation_needs_and_no_more() {
    let slapd = started();
    let person = small().remove(0);
    let dn = &person.dn;
    let activation = format!(
        "dn: {dn}\nchangetype: modify\nreplace: userPassword\nuserPassword: Un-Nouveau-2026\n-\n\
         delete: supannRessourceEtat\nsupannRessourceEtat: {{COMPTE}}I:SupannCree\n-\n\
         add: supannRessourceEtat\nsupannRessourceEtat: {{COMPTE}}A:SupannActif\n-\n\
         replace: supannListeRouge\nsupannListeRouge: TRUE\n-\n\
         replace: mailForwardingAddress\nmailForwardingAddress: a@b.example\n-\n\
         replace: mailDeliveryOption\nmailDeliveryOption: mailbox\nmailDeliveryOption: forward\n"
    );
    assert_eq!(as_service(&slapd, "ldapmodify", &[], &activation).0, 0);
    assert!(slapd.bind_works(dn, "Un-Nouveau-2026").unwrap());
    assert!(!slapd.bind_works(dn, &person.provisional_password).unwrap());
    assert!(slapd.entry(dn).unwrap().unwrap().get("userPassword").unwrap().starts_with("{SSHA}"));

    let (code, text) = as_service(&slapd, "ldapsearch", &["-LLL", "-b", dn, "-s", "base", "*", "+"], "");
    assert_eq!(code, 0);
    assert!(text.contains("sn: Durand") && text.contains("entryCSN:"), "{text}");
    assert!(!text.contains("userPassword"), "it may set a password, and never read one");
    for (target, change) in [
        (dn.as_str(), "replace: sn\nsn: x"),
        (dn.as_str(), "replace: eduPersonAffiliation\neduPersonAffiliation: staff"),
        ("cn=default,ou=policies,dc=univ,dc=example", "replace: pwdMinLength\npwdMinLength: 1"),
        (SERVICE_DN, "replace: userPassword\nuserPassword: Assez-Long-2026"),
    ] {
        let ldif = format!("dn: {target}\nchangetype: modify\n{change}\n");
        assert_eq!(as_service(&slapd, "ldapmodify", &[], &ldif).0, 50, "{change}");
    }
    assert_eq!(as_service(&slapd, "ldapdelete", &[dn], "").0, 50);
}

#[test]
fn the_policy_judges_the_service_account_and_a_person_sees_only_themselves() {
    let slapd = started();
    let people = small();
    let short =
        format!("dn: {}\nchangetype: modify\nreplace: userPassword\nuserPassword: short\n", people[0].dn);
    assert_eq!(as_service(&slapd, "ldapmodify", &[], &short).0, 19);
    let search = |args: &[&str]| {
        call("ldapsearch", &slapd.url(), &people[0].dn, &people[0].provisional_password, args, "")
    };
    assert!(search(&["-LLL", "-b", &people[0].dn, "-s", "base"]).1.contains("sn: Durand"));
    assert_eq!(search(&["-LLL", "-b", &people[1].dn, "-s", "base"]).0, 32);
}

#[test]
fn ldaps_and_starttls_are_trusted_through_the_stands_own_authority_only() {
    let slapd = started();
    let whoami = |url: &str, ca: Option<&str>, starttls: bool| {
        let mut args = vec!["LDAPCONF=/dev/null".to_owned(), "LDAPTLS_REQCERT=demand".to_owned()];
        args.extend(ca.map(|ca| format!("LDAPTLS_CACERT={ca}")));
        args.extend(["ldapwhoami", "-x", "-H", url].map(str::to_owned));
        args.extend(starttls.then(|| "-ZZ".to_owned()));
        std::process::Command::new("env").args(&args).output().unwrap().status.success()
    };
    let ca = slapd.ca_file();
    let ca = ca.to_str().unwrap();
    let by_name = slapd.url().replace("127.0.0.1", "localhost");
    assert!(whoami(&slapd.ldaps_url(), Some(ca), false));
    assert!(whoami(&by_name, Some(ca), true));
    assert!(!whoami(&slapd.ldaps_url(), None, false));
}

#[test]
fn it_keeps_what_it_acknowledged_through_a_kill_and_answers_again_on_the_same_port() {
    let mut slapd = started();
    let dn = small().remove(0).dn;
    let url = slapd.url();
    slapd.replace(&dn, "title", &["before"]).unwrap();
    slapd.kill9();
    assert!(slapd.search(PEOPLE, "(uid=*)", &[]).is_err(), "nothing answers while it is down");
    slapd.restart().unwrap();
    assert_eq!(slapd.url(), url);
    assert_eq!(slapd.entry(&dn).unwrap().unwrap().get("title"), Some("before"));
    slapd.restart().unwrap();
    assert_eq!(slapd.entry(&dn).unwrap().unwrap().get("title"), Some("before"));
}

#[test]
fn a_paused_directory_says_nothing_and_then_goes_on() {
    let slapd = started();
    slapd.pause().unwrap();
    let slow = ["2", "ldapwhoami", "-x", "-H", &slapd.url()];
    let out = output(&program("timeout").unwrap(), &slow, b"").unwrap();
    assert_eq!(out.status.code(), Some(124), "it has to hang, not to fail");
    slapd.resume().unwrap();
    assert_eq!(slapd.search(PEOPLE, "(uid=mdurand)", &["uid"]).unwrap().len(), 1);
}

#[test]
fn dropping_it_leaves_no_process_and_no_file() {
    let slapd = started();
    let files = slapd.database().parent().unwrap().to_owned();
    let pid = std::fs::read_to_string(files.join("slapd.pid")).unwrap().trim().to_owned();
    drop(slapd);
    assert!(!files.exists());
    assert!(!std::path::Path::new("/proc").join(pid).exists());
}

#[test]
fn each_option_is_what_slapd_itself_says() {
    let all = SlapdOptions {
        accesslog: true,
        memberof: true,
        unique: true,
        durable: true,
        require_tls: true,
        external_is_service: true,
        ..SlapdOptions::default()
    };
    let slapd = Slapd::start(all).unwrap();
    let seen = config(&slapd).unwrap();
    let overlays = seen.iter().filter_map(|entry| entry.get("olcOverlay")).collect::<Vec<_>>().join(" ");
    for overlay in ["ppolicy", "syncprov", "accesslog", "memberof", "unique"] {
        assert!(overlays.contains(overlay), "{overlay} in {overlays}");
    }
    assert!(seen.iter().any(|entry| entry.has("olcPPolicyHashCleartext", "TRUE")));
    let (code, text) = call("ldapwhoami", &slapd.url(), SERVICE_DN, SERVICE_PASSWORD, &[], "");
    assert_eq!(code, 13, "a simple bind in clear is refused: {text}");
    let whoami = program("ldapwhoami").unwrap();
    let external = expect(&whoami, &["-Q", "-Y", "EXTERNAL", "-H", &slapd.ldapi_url()], b"").unwrap();
    assert_eq!(external.trim(), format!("dn:{SERVICE_DN}"));
    slapd.replace(&small()[0].dn, "title", &["logged"]).unwrap();
    assert_eq!(slapd.search("cn=accesslog", "(reqType=modify)", &["reqDN"]).unwrap().len(), 1);

    let bare = SlapdOptions {
        ppolicy: true,
        hash_cleartext: false,
        config_readable: false,
        ..SlapdOptions::default()
    };
    let slapd = Slapd::start(bare).unwrap();
    assert_eq!(config(&slapd), None, "the service account may not read cn=config here");
    slapd.replace(&small()[0].dn, "userPassword", &["In-Clear-2026"]).unwrap();
    let stored = slapd.entry(&small()[0].dn).unwrap().unwrap();
    assert_eq!(stored.get("userPassword"), Some("In-Clear-2026"), "such a server stores what it is given");
}

/// `cn=config` as the service account sees it over ldapi; `None` if it may not.
fn config(slapd: &Slapd) -> Option<Vec<Entry>> {
    let args = ["-LLL", "-o", "ldif-wrap=no", "-b", "cn=config"];
    let (code, text) = call("ldapsearch", &slapd.ldapi_url(), SERVICE_DN, SERVICE_PASSWORD, &args, "");
    (code == 0).then(|| parvis_stand::ldif::parse(&text))
}

#[test]
fn a_listener_hears_of_a_change_as_it_happens() {
    let slapd = started();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, SERVICE_PASSWORD.as_bytes()).unwrap();
    let mut command = parvis_stand::run::leashed(&program("ldapsearch").unwrap());
    command.args(["-x", "-LLL", "-H", &slapd.url(), "-D", SERVICE_DN, "-y", file.path().to_str().unwrap()]);
    command.args(["-b", SUFFIX, "-E", "!sync=rp", "(uid=mdurand)", "title"]);
    let (read, write) = std::io::pipe().unwrap();
    command.stdin(std::process::Stdio::null()).stdout(write);
    let listener = parvis_stand::run::start("ldapsearch", command).unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(read)).map_while(Result::ok);
    assert!(lines.any(|line| line.contains("mdurand")), "the refresh");
    slapd.replace(&small()[0].dn, "title", &["heard"]).unwrap();
    assert!(lines.any(|line| line == "title: heard"), "the change");
    listener.terminate(Duration::from_secs(5)).unwrap();
}

#[test]
fn a_large_campus_loads_in_seconds() {
    let begun = std::time::Instant::now();
    let slapd = Slapd::start(SlapdOptions { people: campus(3000), ..SlapdOptions::default() }).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let found = slapd.search(PEOPLE, "(supannRessourceEtat={COMPTE}I:SupannCree)", &["uid"]).unwrap();
    assert_eq!(found.len(), 2998);
    let last = format!("uid=p002987,{PEOPLE}");
    assert!(slapd.bind_works(&last, parvis_stand::campus::SHARED_PASSWORD).unwrap());
}
