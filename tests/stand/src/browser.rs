//! A real Chromium, driven through chromedriver (WebDriver, W3C): what a person sees and does.
//!
//! It blocks, because tests do. It must not know the pages' words.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::pages::Pages;
use crate::place::{Place, Port};
use crate::run::{self, Running};

/// How long a thing on a page is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What kind of browser.
#[derive(Clone, Debug)]
pub struct BrowserOptions {
    /// Whether pages may run scripts.
    pub script: bool,
    /// What it asks for: `fr` or `en`.
    pub language: String,
    /// Width and height of what is seen.
    pub size: (u32, u32),
    /// Whether the person likes it dark.
    pub dark: bool,
    /// Names beside the pages' own that are this machine.
    pub hosts: Vec<String>,
    /// Whether what goes over the network is written down, for [`Browser::network`].
    pub network: bool,
}

impl Default for BrowserOptions {
    fn default() -> Self {
        Self {
            script: true,
            language: "fr".to_owned(),
            size: (1100, 900),
            dark: false,
            hosts: vec![],
            network: false,
        }
    }
}

/// A running browser with one window and nothing of anybody.
#[derive(Debug)]
pub struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    _driver: Running,
    _place: Place,
    _port: Port,
}

/// A command that is chromedriver's own: its path, and what it is given.
#[derive(Debug)]
struct Own(&'static str, Value);

/// The Chrome DevTools Protocol.
const DEVTOOLS: &str = "goog/cdp/execute";
/// What was written down.
const LOG: &str = "se/log";

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

/// A file that the browser asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Where from.
    pub url: String,
    /// Head and body as they came over the network, in bytes.
    pub bytes: u64,
}

impl Browser {
    /// Starts one that finds the pages under the campus's name.
    pub fn start(pages: &Pages, options: &BrowserOptions) -> Result<Self> {
        Self::finding(&format!("MAP activation.univ.example:443 127.0.0.1:{}", pages.tls_port()), options)
    }

    /// Starts one that finds no other machine by its name: for files, and for what is served here by number.
    pub fn alone(options: &BrowserOptions) -> Result<Self> {
        Self::finding("MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", options)
    }

    fn finding(hosts: &str, options: &BrowserOptions) -> Result<Self> {
        let (place, port) = (Place::new("browser")?, Port::free()?);
        let mut command = run::leashed(&run::program("chromedriver")?);
        let log = std::fs::File::create(place.join("chromedriver.log"))?;
        command.arg(format!("--port={}", port.number())).stdin(Stdio::null());
        command.env("HOME", place.path()).stdout(log.try_clone()?).stderr(log);
        let driver = run::start("chromedriver", command)?;
        let listens =
            run::until(PATIENCE, || Ok(std::net::TcpStream::connect(("127.0.0.1", port.number())).ok()))?;
        listens.context("chromedriver does not listen")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let url = format!("http://127.0.0.1:{}", port.number());
        let capabilities = capabilities(hosts, options, place.path());
        let client = runtime.block_on(async {
            ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&url).await
        });
        let client = client.context("failed to start Chromium")?;
        let browser = Self { runtime, client: Some(client), _driver: driver, _place: place, _port: port };
        browser.resize(options.size.0, options.size.1)?;
        browser.dark(options.dark)?;
        Ok(browser)
    }

    fn client(&self) -> Result<&Client> {
        self.client.as_ref().context("the browser is closed")
    }

    /// A command of the DevTools protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        let command = Own(DEVTOOLS, json!({ "cmd": command, "params": parameters }));
        Ok(self.runtime.block_on(self.client()?.issue_cmd(command))?)
    }

    /// Everything that the browser has asked the network for since this was last called; what is not http among it.
    /// Needs [`BrowserOptions::network`].
    pub fn network(&self) -> Result<Vec<Loaded>> {
        let command = Own(LOG, json!({ "type": "performance" }));
        let entries = self.runtime.block_on(self.client()?.issue_cmd(command))?;
        let mut loaded: Vec<(String, Loaded)> = Vec::new();
        for entry in entries.as_array().context("no log")? {
            let text = entry.get("message").and_then(Value::as_str).unwrap_or_default();
            let event: Value = serde_json::from_str(text)?;
            let at = |pointer: &str| crate::scene::at(&event, pointer);
            let id = at("/message/params/requestId").as_str().unwrap_or_default();
            match at("/message/method").as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let url = at("/message/params/request/url").as_str().unwrap_or_default().to_owned();
                    loaded.push((id.to_owned(), Loaded { url, bytes: 0 }));
                }
                "Network.loadingFinished" => {
                    let bytes = at("/message/params/encodedDataLength").as_f64().unwrap_or_default();
                    if let Some((_, file)) = loaded.iter_mut().rev().find(|(own, _)| own == id) {
                        file.bytes = bytes as u64;
                    }
                }
                _ => {}
            }
        }
        Ok(loaded.into_iter().map(|(_, file)| file).collect())
    }

    /// Makes what is seen this large; a phone below 500.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        let shape =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", &shape).map(|_| ())
    }

    /// Whether the person likes it dark.
    pub fn dark(&self, dark: bool) -> Result<()> {
        let scheme = if dark { "dark" } else { "light" };
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &feature).map(|_| ())
    }

    /// Goes to an address, as one typed or followed from a mail.
    pub fn goto(&self, url: &str) -> Result<()> {
        Ok(self.runtime.block_on(self.client()?.goto(url))?)
    }

    /// The back button.
    pub fn back(&self) -> Result<()> {
        Ok(self.runtime.block_on(self.client()?.back())?)
    }

    /// The reload button.
    pub fn reload(&self) -> Result<()> {
        Ok(self.runtime.block_on(self.client()?.refresh())?)
    }

    /// Opens another tab of the same browser and goes on there; what [`Browser::turn`] takes to come back.
    pub fn tab(&self) -> Result<WindowHandle> {
        let client = self.client()?;
        Ok(self.runtime.block_on(async {
            let here = client.window().await?;
            let new = client.new_window(true).await?;
            client.switch_to_window(new.handle).await?;
            Ok::<_, fantoccini::error::CmdError>(here)
        })?)
    }

    /// Goes on in another tab; the one that was left.
    pub fn turn(&self, tab: WindowHandle) -> Result<WindowHandle> {
        let client = self.client()?;
        Ok(self.runtime.block_on(async {
            let here = client.window().await?;
            client.switch_to_window(tab).await?;
            Ok::<_, fantoccini::error::CmdError>(here)
        })?)
    }

    /// The address.
    pub fn url(&self) -> Result<String> {
        Ok(self.runtime.block_on(self.client()?.current_url())?.to_string())
    }

    /// The path of the address, with its query.
    pub fn path(&self) -> Result<String> {
        let url = self.runtime.block_on(self.client()?.current_url())?;
        Ok(url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path())))
    }

    /// The page's HTML as it is now.
    pub fn source(&self) -> Result<String> {
        Ok(self.runtime.block_on(self.client()?.source())?)
    }

    /// The window's title.
    pub fn title(&self) -> Result<String> {
        Ok(self.runtime.block_on(self.client()?.title())?)
    }

    /// Runs a script as the driver, whatever the page's policy.
    pub fn run(&self, script: &str) -> Result<Value> {
        Ok(self.runtime.block_on(self.client()?.execute(script, vec![]))?)
    }

    /// Runs a script that calls its last argument when it is done.
    pub fn run_async(&self, script: &str) -> Result<Value> {
        Ok(self.runtime.block_on(self.client()?.execute_async(script, vec![]))?)
    }

    /// Every cookie that the browser holds for the page, as WebDriver says them.
    pub fn cookies(&self) -> Result<Vec<(String, String)>> {
        let cookies = self.runtime.block_on(self.client()?.get_all_cookies())?;
        Ok(cookies.iter().map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned())).collect())
    }

    fn find(&self, css: &str) -> Result<Element> {
        let found =
            self.runtime.block_on(self.client()?.wait().at_most(PATIENCE).for_element(Locator::Css(css)));
        found.with_context(|| {
            let url = self.url().unwrap_or_default();
            format!("nothing is {css} at {url}: {}", self.text("body").unwrap_or_default())
        })
    }

    /// Whether something is there now.
    pub fn has(&self, css: &str) -> Result<bool> {
        Ok(!self.runtime.block_on(self.client()?.find_all(Locator::Css(css)))?.is_empty())
    }

    /// The visible text of the first that is so.
    pub fn text(&self, css: &str) -> Result<String> {
        let client = self.client()?;
        let text = self.runtime.block_on(async { client.find(Locator::Css(css)).await?.text().await });
        text.with_context(|| format!("nothing is {css}"))
    }

    /// What a control holds.
    pub fn value(&self, css: &str) -> Result<String> {
        let element = self.find(css)?;
        Ok(self.runtime.block_on(element.prop("value"))?.unwrap_or_default())
    }

    /// An attribute of the first that is so.
    pub fn attribute(&self, css: &str, name: &str) -> Result<Option<String>> {
        let element = self.find(css)?;
        Ok(self.runtime.block_on(element.attr(name))?)
    }

    /// Types into a control, over what is there.
    pub fn fill(&self, css: &str, text: &str) -> Result<()> {
        let element = self.find(css)?;
        self.runtime.block_on(element.clear())?;
        self.runtime.block_on(element.send_keys(text))?;
        Ok(())
    }

    /// Presses keys where the focus is.
    pub fn keys(&self, text: &str) -> Result<()> {
        let client = self.client()?;
        let element = self.runtime.block_on(client.active_element())?;
        Ok(self.runtime.block_on(element.send_keys(text))?)
    }

    /// Clicks.
    pub fn click(&self, css: &str) -> Result<()> {
        let element = self.find(css)?;
        self.runtime.block_on(element.click()).with_context(|| format!("{css} cannot be clicked"))
    }

    /// Clicks what leads to another page, and waits until it is there.
    pub fn press(&self, css: &str) -> Result<()> {
        let element = self.find(css)?;
        let old = self.find("html")?;
        self.runtime.block_on(element.click()).with_context(|| format!("{css} cannot be clicked"))?;
        // The old page is gone once its root is stale.
        let gone = run::until(PATIENCE, || Ok(self.runtime.block_on(old.tag_name()).is_err().then_some(())))?;
        gone.with_context(|| format!("{css} led nowhere"))?;
        self.find("main").map(|_| ())
    }

    /// Waits until the first that is so has this text.
    pub fn wait_text(&self, css: &str, wanted: &str) -> Result<()> {
        let found = run::until(PATIENCE, || {
            Ok(self.text(css).ok().filter(|text| text.contains(wanted)).map(|_| ()))
        })?;
        match found {
            Some(()) => Ok(()),
            None => bail!(
                "{css} never had {wanted:?} at {}: {}",
                self.url().unwrap_or_default(),
                self.text("body").unwrap_or_default()
            ),
        }
    }

    /// A picture of the whole page.
    pub fn picture(&self, file: &Path) -> Result<()> {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.devtools("Page.captureScreenshot", &whole)?;
        let data = answer.get("data").and_then(Value::as_str).context("no picture")?;
        std::fs::write(file, base64::engine::general_purpose::STANDARD.decode(data)?)?;
        Ok(())
    }
}

/// Closes the browser before its driver.
impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let _ = self.runtime.block_on(client.close());
        }
    }
}

fn capabilities(hosts: &str, options: &BrowserOptions, home: &Path) -> Capabilities {
    let mut rules = hosts.to_owned();
    for host in &options.hosts {
        rules.push_str(&format!(", MAP {host} 127.0.0.1"));
    }
    let mut arguments = vec![
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        // It ends when its driver does, however that one ends.
        "--remote-debugging-pipe".to_owned(),
    ];
    arguments.push(format!("--host-resolver-rules={rules}"));
    arguments.push(format!("--user-data-dir={}", home.join("profile").display()));
    arguments.push(format!("--lang={}", options.language));
    let scripts = if options.script { 1 } else { 2 };
    let chrome = json!({
        "args": arguments,
        "prefs": {
            "intl.accept_languages": options.language,
            "profile.managed_default_content_settings.javascript": scripts,
            "credentials_enable_service": false,
        },
    });
    let mut capabilities = Capabilities::new();
    capabilities.insert("acceptInsecureCerts".to_owned(), json!(true));
    capabilities.insert("goog:chromeOptions".to_owned(), chrome);
    if options.network {
        capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "performance": "ALL" }));
    }
    capabilities
}
