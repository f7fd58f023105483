//! A Varlink client that is not ours: the package `varlink` of PyPI, on both sockets.

use anyhow::{Context, Result};
use parvis_stand::{Scene, Walk, install, run};
use serde_json::{Value, json};

/// What it asks, and prints as JSON.
const SCRIPT: &str = r#"
import json, sys, varlink
hook, admin, session = sys.argv[1], sys.argv[2], sys.stdin.read().strip()
said = {}
for name, socket, interface in [("hook", hook, "org.parvis.Hook"), ("admin", admin, "org.parvis.Admin")]:
    client = varlink.Client.new_with_address("unix:" + socket)
    with client.open("org.varlink.service") as service:
        said[name] = {"info": service.GetInfo(), "description": service.GetInterfaceDescription(interface)["description"]}
        try:
            service.GetInterfaceDescription("org.example.nothing")
        except varlink.VarlinkError as error:
            said[name]["unknown"] = error.error()
    with client.open(interface) as calls:
        if name == "hook":
            said["check"] = calls.Check(login="cbernard", authenticated=True)
            said["state"] = calls.State(session=session)
            more = calls.State(session=session, _more=True)
            said["more"] = next(iter(more))
    if name == "hook":
        with client.open(interface) as calls:
            try:
                calls.Redeem(link="x")
            except varlink.VarlinkError as error:
                said["refused"] = [error.error(), error.parameters()]
            try:
                calls.Check(login="a\u0007", authenticated=True)
            except varlink.VarlinkError as error:
                said["invalid"] = [error.error(), error.parameters()]
    else:
        with client.open(interface) as calls:
            said["status"] = calls.Status()
            said["list"] = calls.List(limit=10)
print(json.dumps(said, default=lambda value: value.__dict__))
"#;

#[test]
fn a_varlink_client_that_is_not_ours_finds_its_way_on_both_sockets() -> Result<()> {
    let python = install::python_tool("varlink", "31.0.0", &mut |line| install::say(line))?;
    let scene = Scene::new()?;
    let session = Walk::open(&scene, "mdurand")?.session;
    let layout = scene.daemon.layout();
    let sockets = [layout.hook_socket(), layout.admin_socket()].map(|path| path.display().to_string());
    let [hook, admin] = &sockets;
    let printed = run::expect(&python, &["-c", SCRIPT, hook, admin], session.as_bytes())?;
    let said: Value = serde_json::from_str(&printed).context("JSON")?;
    for (name, own) in [("hook", "org.parvis.Hook"), ("admin", "org.parvis.Admin")] {
        let info = &said[name]["info"];
        assert_eq!(
            (info["vendor"].as_str(), info["product"].as_str()),
            (Some("Parvis"), Some("parvisd")),
            "{info}"
        );
        assert_eq!(info["interfaces"], json!(["org.varlink.service", own]));
        let file = parvis_stand::binaries::workspace().join(format!("hooks/protocol/{own}.varlink"));
        assert_eq!(said[name]["description"].as_str(), Some(std::fs::read_to_string(file)?.as_str()));
        assert_eq!(said[name]["unknown"], "org.varlink.service.InterfaceNotFound");
    }
    assert_eq!((&said["check"]["allow"], &said["check"]["status"]), (&json!(true), &json!("active")));
    assert_eq!(
        (&said["state"]["step"], &said["more"]["step"]),
        (&json!("recovery-address"), &json!("recovery-address"))
    );
    assert_eq!(
        (&said["refused"][0], &said["refused"][1]["code"]),
        (&json!("org.parvis.Hook.Refused"), &json!("link-unknown"))
    );
    assert_eq!(said["invalid"][0], "org.varlink.service.InvalidParameter");
    assert_eq!(said["invalid"][1]["parameter"], "login");
    assert_eq!(said["status"]["ok"], true, "{}", said["status"]);
    assert!(said["list"]["people"].as_array().is_some_and(|people| !people.is_empty()), "{}", said["list"]);
    Ok(())
}
