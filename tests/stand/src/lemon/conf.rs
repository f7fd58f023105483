//! The portal's configuration: what a campus's would be, in a private place. It must not start anything.

use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::slapd::{PEOPLE, SERVICE_PASSWORD, SUFFIX, Slapd};

use super::{LemonOptions, Ports};

/// The directories that the portal's storages need.
pub(super) const STORES: &[&str] = &["sessions", "psessions", "cas", "conf", "cache"];

fn store(dir: &Path, name: &str) -> Value {
    json!({
        "Directory": dir.join(name),
        "LockDirectory": dir.join(name).join("lock"),
        "generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256",
    })
}

fn cache(dir: &Path, namespace: &str) -> Value {
    json!({
        "namespace": namespace, "default_expires_in": 600, "cache_root": dir.join("cache"), "cache_depth": 3,
        "directory_umask": "007",
    })
}

/// `lmConf-1.json`.
pub(super) fn json(slapd: &Slapd, dir: &Path, ports: &Ports, options: &LemonOptions) -> String {
    let filter = "(&(uid=$user)(objectClass=inetOrgPerson))";
    let mut conf = json!({
        "cfgNum": 1, "cfgDate": 1_756_713_600, "cfgVersion": "2.16.1", "cfgAuthor": "the stand",
        "portal": ports.portal_url(), "domain": "univ.example", "cookieName": "lemonldap", "securedCookie": 0,
        "httpOnly": 1, "https": 0, "key": "a-key-of-the-stand-2741", "trustedDomains": "*", "requireToken": 0,
    });
    let directory = json!({
        "authentication": "LDAP", "userDB": "Same", "passwordDB": "LDAP", "registerDB": "Null",
        "ldapServer": slapd.url(), "ldapBase": PEOPLE, "ldapVersion": 3, "ldapPpolicyControl": 1, "ldapTimeout": 20,
        "managerDn": format!("cn=portal,ou=services,{SUFFIX}"), "managerPassword": SERVICE_PASSWORD,
        "AuthLDAPFilter": filter, "LDAPFilter": filter,
        "exportedVars": {},
        "ldapExportedVars": {
            "uid": "uid", "cn": "cn", "mail": "mail", "supannRessourceEtat": "supannRessourceEtat",
        },
        "macros": { "_whatToTrace": "lc($_user)" },
    });
    let storage = json!({
        "issuerDBCASActivation": 1, "issuerDBCASPath": "^/cas/", "issuerDBCASRule": 1,
        "casAccessControlPolicy": "none", "casAttr": "uid", "casAttributes": { "mail": "mail" },
        "casStorage": "Apache::Session::File", "casStorageOptions": store(dir, "cas"),
        "globalStorage": "Apache::Session::File", "globalStorageOptions": store(dir, "sessions"),
        "persistentStorage": "Apache::Session::File", "persistentStorageOptions": store(dir, "psessions"),
        "localSessionStorage": "Cache::FileCache", "localSessionStorageOptions": cache(dir, "sessions"),
    });
    let rest = json!({
        "notification": 0, "portalCheckLogins": 0, "portalDisplayRegister": 0, "portalDisplayResetPassword": 0,
        "captcha_mail_enabled": 0, "bruteForceProtection": 0, "loginHistoryEnabled": 1,
        "locationRules": {
            "auth.univ.example": { "default": "accept" }, "app.univ.example": { "default": "accept" },
        },
        "vhostOptions": { "app.univ.example": { "vhostPort": ports.app.number(), "vhostHttps": 0 } },
        "exportedHeaders": { "app.univ.example": { "Auth-User": "$uid" } },
        "applicationList": {}, "reloadUrls": {},
    });
    if options.plugin {
        merge(&mut conf, "customPlugins", json!("::Plugins::Parvis"));
        let params: Map<String, Value> =
            options.params.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        merge(&mut conf, "customPluginsParams", Value::Object(params));
    }
    for more in [&directory, &storage, &rest, &options.conf] {
        for (key, value) in more.as_object().into_iter().flatten() {
            merge(&mut conf, key, value.clone());
        }
    }
    conf.to_string()
}

fn merge(conf: &mut Value, key: &str, value: Value) {
    if let Value::Object(fields) = conf {
        fields.insert(key.to_owned(), value);
    }
}

/// `lemonldap-ng.ini`.
pub(super) fn ini(dir: &Path) -> Result<String> {
    let cache = |name: &str| {
        format!(
            "{{ 'namespace' => '{name}', 'default_expires_in' => 600, 'cache_root' => '{}', 'cache_depth' => 3, \
             'directory_umask' => '007' }}",
            dir.join("cache").display()
        )
    };
    Ok(format!(
        "[all]\nlogLevel = notice\nlogger = Lemonldap::NG::Common::Logger::Std\n\
         userLogger = Lemonldap::NG::Common::Logger::Std\ncheckTime = 1\n\
         [configuration]\ntype = File\ndirName = {}\nlocalStorage = Cache::FileCache\nlocalStorageOptions = {}\n\
         [portal]\nstaticPrefix = /static\ntemplateDir = /usr/share/lemonldap-ng/portal/templates\n\
         languages = en, fr\n[handler]\nstatus = 0\n",
        dir.join("conf").display(),
        cache("conf"),
    ))
}
