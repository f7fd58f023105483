//! `directory who` and `directory plan`: what matches and why, what would be written, and that it is what is written.

use parvis_stand::ldif::Entry;
use parvis_stand::scene::{Scene, SceneOptions};
use parvis_stand::slapd::{PEOPLE, SERVICE_DN, SlapdOptions};
use serde_json::json;

use crate::support::{Said, ctl};

fn scene(more: &str, config: &str) -> Scene {
    let slapd = SlapdOptions { more: more.to_owned(), ..SlapdOptions::default() };
    Scene::start(SceneOptions { slapd, config: config.to_owned(), ..SceneOptions::default() }).unwrap()
}

fn has(said: &Said, parts: &[&str]) {
    for part in parts {
        assert!(said.out.contains(part) || said.err.contains(part), "{part:?}: {said:#?}");
    }
    assert!(!said.out.to_lowercase().contains("userpassword:"), "no password is shown: {}", said.out);
}

#[test]
fn who_says_which_filter_matches_on_which_values_and_what_follows() {
    let twin = format!(
        "dn: ou=other,{PEOPLE}\nobjectClass: organizationalUnit\nou: other\n\n\
         dn: uid=tpetit,ou=other,{PEOPLE}\nobjectClass: inetOrgPerson\nuid: tpetit\ncn: x\nsn: x\n"
    );
    let scene = scene(&twin, "");
    let marie = ctl(&scene.daemon, &["directory", "who", "MDurand"]).code(0);
    has(
        &marie,
        &[
            "uid=mdurand,ou=people,dc=univ,dc=example",
            "state: provisional",
            "no   locked: (|(supannRessourceEtat={COMPTE}S*)",
            "no   (supannressourceetat={COMPTE}S*)  on {COMPTE}I:SupannCree",
            "(pwdaccountlockedtime=000001010000Z)  no value",
            "yes  provisional: ",
            "on {COMPTE}I:SupannCree",
            "no   vacataires: ",
            "(supannempcorps={NCORPS}758)  on {NCORPS}301",
            "To be activated: signing in",
        ],
    );
    let paul = ctl(&scene.daemon, &["directory", "who", "pmoreau", "--json"]).code(0).json();
    assert_eq!((&paul["standing"], &paul["population"]), (&json!("provisional"), &json!("vacataires")));
    assert_eq!(paul["populations"][0]["why"]["parts"][0]["values"], json!(["{NCORPS}758"]));
    assert!(paul["follows"][1].as_str().unwrap().contains("an outside address"), "{paul}");
    for (login, words) in
        [("cbernard", "Active: Parvis lets"), ("rlemoine", "Locked: the login page refuses")]
    {
        has(&ctl(&scene.daemon, &["directory", "who", login]).code(0), &[words]);
    }
    has(&ctl(&scene.daemon, &["directory", "who", "nobody*"]).code(1), &["nobody under ou=people"]);
    has(
        &ctl(&scene.daemon, &["directory", "who", "tpetit"]).code(1),
        &["several entries have the login", "uid=tpetit,ou=other,", "uid=tpetit,ou=people,"],
    );
    has(&ctl(&scene.daemon, &["directory", "plan", "tpetit"]).code(1), &["several entries"]);
}

#[test]
fn a_server_that_says_otherwise_is_reported_loudly() {
    let scene = scene("", "");
    has(&ctl(&scene.daemon, &["directory", "who", "pmoreau"]).code(0), &["yes  vacataires"]);
    // It may be read, and not searched by.
    let rule = format!("{{0}}to attrs=supannEmpCorps by dn.exact=\"{SERVICE_DN}\" =r by * break");
    scene
        .slapd
        .configure(&format!(
            "dn: olcDatabase={{1}}mdb,cn=config\nchangetype: modify\nadd: olcAccess\nolcAccess: {rule}\n"
        ))
        .unwrap();
    let paul = ctl(&scene.daemon, &["directory", "who", "pmoreau"]).code(1);
    has(&paul, &["yes  vacataires", "THE SERVER SAYS NO", "THE SERVER DOES NOT AGREE"]);
    let paul = ctl(&scene.daemon, &["directory", "who", "pmoreau", "--json"]).code(1).json();
    assert_eq!((&paul["ok"], &paul["disputed"]), (&json!(false), &json!(["vacataires"])));
}

#[test]
fn who_is_in_no_population_is_said_for_the_help_desk() {
    let populations = "[[populations]]\nname = \"hourly\"\nfilter = \"(supannEmpCorps={NCORPS}758)\"\n\
        mailbox = false\nforwarding = \"required\"\ninvite = false\n";
    let scene = scene("", populations);
    let marie = ctl(&scene.daemon, &["directory", "who", "mdurand"]).code(0);
    has(&marie, &["population: none", "no   hourly", "on {NCORPS}301", "help desk", "add a population"]);
    let plan = ctl(&scene.daemon, &["directory", "plan", "mdurand"]).code(1);
    has(&plan, &["the person is in no population"]);
}

/// The values that an LDIF of modifications adds.
fn added(ldif: &str) -> Vec<(String, String)> {
    let mut adding = false;
    let mut added = Vec::new();
    for (name, value) in ldif.lines().filter(|line| !line.starts_with('#')).filter_map(|l| l.split_once(": "))
    {
        match name {
            "add" | "replace" => adding = true,
            "delete" | "dn" | "changetype" => adding = false,
            _ if adding => added.push((name.to_owned(), value.to_owned())),
            _ => {}
        }
    }
    added
}

fn holds(entry: &Entry, wanted: &[(String, String)]) {
    for (name, value) in wanted {
        assert!(entry.has(name, value), "{name}: {value} is not in\n{entry}");
    }
}

#[test]
fn the_plan_of_whoever_has_answered_is_what_activation_then_writes() {
    let scene = scene("", "");
    let mut linh = scene.open("lnguyen").unwrap();
    linh.prove("linh@ailleurs.example").unwrap();
    linh.charter().unwrap();
    linh.listing(true).unwrap();
    linh.forward("linh@encore.example", false).unwrap();
    let plan = ctl(&scene.daemon, &["directory", "plan", "lnguyen"]).code(0);
    has(
        &plan,
        &[
            "# recovery address: linh@ailleurs.example (as the person answered)",
            "# public directory: listed (as the person answered)",
            "# mail is forwarded to: linh@encore.example (as the person answered)",
            "# the new password is in the same modify, before the rest: replace: userPassword (not shown)",
            "delete: supannRessourceEtat\nsupannRessourceEtat: {COMPTE}I:SupannCree\n-",
            "supannListeRouge: FALSE",
        ],
    );
    let wanted = added(&plan.out);
    assert!(wanted.len() > 6, "{wanted:?}");
    let before = scene.slapd.entry(&format!("uid=lnguyen,{PEOPLE}")).unwrap().unwrap();
    assert!(!before.has("supannRessourceEtat", "{COMPTE}A:SupannActif"), "nothing is written by a plan");
    linh.password("Quatre-vingts-chevaux-gris").unwrap();
    holds(&scene.slapd.entry(&format!("uid=lnguyen,{PEOPLE}")).unwrap().unwrap(), &wanted);
    has(&ctl(&scene.daemon, &["directory", "plan", "lnguyen"]).code(1), &["the entry is active"]);
}

#[test]
fn a_plan_without_answers_says_what_it_takes_instead_and_can_be_applied_as_it_is_printed() {
    let mut scene = scene("", "");
    scene.daemon.terminate().unwrap();
    let paul = ctl(&scene.daemon, &["directory", "plan", "pmoreau"]).code(0);
    has(
        &paul,
        &[
            "# the daemon's answers are not known: ",
            "# recovery address: paul.moreau@courriel.example (not answered yet: as the directory has it)",
            "# public directory: hidden (not answered yet: undecided is hidden)",
            "# mail is forwarded to: paul.moreau@courriel.example (not answered yet: required",
        ],
    );
    let options = ["--listed", "--forward", "p@dehors.example", "--recovery", "autre@dehors.example"];
    let asked = ctl(&scene.daemon, &[&["directory", "plan", "pmoreau"], &options[..]].concat()).code(0);
    has(
        &asked,
        &["supannListeRouge: FALSE", "mailForwardingAddress: p@dehors.example", "(as the option says)"],
    );
    assert_ne!(paul.out, asked.out);
    for (option, keeps) in [(&[][..], true), (&["--no-copy"][..], false)] {
        let arguments = ["directory", "plan", "mdurand", "--forward", "m@dehors.example"];
        let marie = ctl(&scene.daemon, &[&arguments[..], option].concat()).code(0);
        assert_eq!(marie.out.contains("mailDeliveryOption: mailbox"), keeps, "{}", marie.out);
    }
    let wrong = ["directory", "plan", "pmoreau", "--forward", "not an address"];
    has(&ctl(&scene.daemon, &wrong).code(64), &["--forward"]);
    has(
        &ctl(&scene.daemon, &["directory", "plan", "pmoreau", "--listed", "--hidden"]).code(64),
        &["--hidden"],
    );

    scene.slapd.modify(&paul.out).unwrap();
    holds(&scene.slapd.entry(&format!("uid=pmoreau,{PEOPLE}")).unwrap().unwrap(), &added(&paul.out));
    has(&ctl(&scene.daemon, &["directory", "who", "pmoreau"]).code(0), &["state: active"]);
}

#[test]
fn a_plan_that_changes_nothing_says_so() {
    let rules = "[[directory.writes]]\nattribute = \"preferredLanguage\"\nreplace = [\"fr\"]\n";
    let scene = scene("", &format!("[directory]\npassword-write = \"extended\"\n{rules}"));
    let marie = ctl(&scene.daemon, &["directory", "plan", "mdurand"]).code(0);
    has(&marie, &["# beside the password there is nothing to write", "first, by RFC 3062 (not shown)"]);
    assert!(marie.out.lines().all(|line| line.starts_with('#')), "{}", marie.out);
    let siobhan = ctl(&scene.daemon, &["directory", "plan", "sobrien", "--json"]).code(0).json();
    assert_eq!((&siobhan["nothing"], &siobhan["password"]), (&json!(false), &json!("extended")));
    assert!(siobhan["ldif"].as_str().unwrap().contains("preferredLanguage: fr"), "{siobhan}");
}
