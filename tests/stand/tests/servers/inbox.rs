//! The outside world's mail server: by a client of a dozen lines, so that nothing is hidden.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use parvis_stand::{Behaviour, Inbox, InboxOptions, Stage};

const SOON: Duration = Duration::from_secs(10);

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(inbox: &Inbox) -> Self {
        let stream = TcpStream::connect(inbox.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    fn greeted(inbox: &Inbox) -> Self {
        let mut client = Self::connect(inbox);
        assert!(client.answer().starts_with("220"));
        assert!(client.ask("EHLO test.example").starts_with("250"));
        client
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// The last line of an answer; empty at the connection's end.
    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return String::new();
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    fn ask(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n"));
        self.answer()
    }

    /// Sends one mail; the first answer that was not 2xx or 354, or the one to the dot.
    fn mail(&mut self, to: &str, text: &str) -> String {
        for line in ["MAIL FROM:<a@univ.example> BODY=8BITMIME", &format!("RCPT TO:<{to}>"), "DATA"] {
            let answer = self.ask(line);
            if !answer.starts_with('2') && !answer.starts_with("354") {
                return answer;
            }
        }
        self.send(text);
        self.ask("\r\n.")
    }
}

fn started() -> Inbox {
    Inbox::start(InboxOptions::default()).unwrap()
}

#[test]
fn a_mail_comes_in_is_decoded_and_lies_in_the_folder() {
    let inbox = started();
    let mut client = Client::greeted(&inbox);
    let text = "Subject: =?utf-8?Q?=C3=A9t=C3=A9?=\r\nTo: x\r\n\r\n..dots\r\n.. \r\nhttps://a.example/l";
    assert_eq!(client.mail("Marie@Perso.example", text), "250 2.0.0 taken");
    let mail = inbox.wait_for("marie@perso.example", |mail| mail.subject() == "été", SOON).unwrap();
    assert_eq!(mail.text().unwrap(), ".dots\n. \nhttps://a.example/l\n");
    assert_eq!(mail.links(), ["https://a.example/l"]);
    assert_eq!((mail.from.as_str(), mail.number), ("a@univ.example", 1));
    assert!(
        std::fs::read_to_string(inbox.folder().join("0001-Marie@Perso.example.txt")).unwrap().contains("été")
    );
    assert_eq!(std::fs::read(inbox.folder().join("0001-Marie@Perso.example.eml")).unwrap(), mail.raw);
    assert_eq!(client.ask("QUIT"), "221 2.0.0 goodbye");
    assert_eq!(client.answer(), "");
}

#[test]
fn waiting_ends_when_the_mail_comes_and_says_so_when_it_does_not() {
    let inbox = started();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| inbox.wait_for("late@x.example", |mail| mail.subject() == "two", SOON));
        let mut client = Client::greeted(&inbox);
        client.mail("late@x.example", "Subject: one\r\n\r\n");
        client.mail("other@x.example", "Subject: two\r\n\r\n");
        client.mail("late@x.example", "Subject: two\r\n\r\n");
        assert_eq!(waiting.join().unwrap().unwrap().number, 3);
    });
    inbox.wait_count(3, SOON).unwrap();
    let error =
        inbox.wait_for("late@x.example", |mail| mail.number > 3, Duration::from_millis(50)).unwrap_err();
    assert!(error.to_string().contains("late@x.example"), "{error}");
    assert_eq!(inbox.messages_to("LATE@x.example").len(), 2);
}

#[test]
fn pipelined_commands_and_bad_ones_get_an_answer_each() {
    let inbox = started();
    let mut client = Client::greeted(&inbox);
    client.send(
        "MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\nRCPT TO:<é@x.example>\r\nRCPT TO:<nobody>\r\nDATA\r\n",
    );
    let answers: Vec<String> = (0..5).map(|_| client.answer()[..3].to_owned()).collect();
    assert_eq!(answers, ["250", "250", "250", "501", "354"]);
    assert!(client.ask("Subject: x\r\n\r\n\r\n.").starts_with("250"));
    assert_eq!(inbox.messages()[0].to, ["a@x.example", "é@x.example"]);
    for (line, code) in [
        ("DATA", "503"),
        ("RCPT TO:<a@x.example>", "503"),
        ("MAIL TO:<a@x.example>", "501"),
        ("MAIL FROM:<a@x.example> SIZE=99999999", "552"),
        ("FROB", "500"),
        ("NOOP", "250"),
        ("RSET", "250"),
    ] {
        assert!(client.ask(line).starts_with(code), "{line}");
    }
    client.send(&"x".repeat(10_000));
    assert_eq!(client.answer(), "", "an endless line ends the connection");
    assert_eq!(inbox.counts().messages, 1);
}

#[test]
fn a_recipient_is_refused_or_deferred_as_the_script_says() {
    let inbox = started();
    inbox.script("gone@x.example", Behaviour::Reject);
    inbox.script("later@x.example", Behaviour::Defer(2));
    inbox.script("spam@x.example", Behaviour::Answer(Stage::Dot, "554 5.7.1 no".into()));
    let mut client = Client::greeted(&inbox);
    let mut mail = |to: &str| {
        let answer = client.mail(to, "\r\nx");
        client.ask("RSET");
        answer
    };
    assert_eq!(mail("Gone@x.example"), "550 5.1.1 no such mailbox");
    assert!(mail("later@x.example").starts_with("451"));
    assert!(mail("later@x.example").starts_with("451"));
    assert!(mail("later@x.example").starts_with("250"));
    assert_eq!(mail("spam@x.example"), "554 5.7.1 no");
    inbox.behave();
    assert!(mail("gone@x.example").starts_with("250"));
    let to: Vec<String> = inbox.messages().iter().map(|mail| mail.to[0].clone()).collect();
    assert_eq!(to, ["later@x.example", "gone@x.example"]);
}

#[test]
fn silence_and_cuts_happen_where_the_script_says() {
    let inbox = started();
    let patience = Some(Duration::from_millis(200));
    inbox.script("mute@x.example", Behaviour::Silence(Stage::Dot));
    let mut client = Client::greeted(&inbox);
    client.0.get_ref().set_read_timeout(patience).unwrap();
    assert_eq!(client.mail("mute@x.example", "\r\nx"), "", "no answer");
    inbox.hang_up();
    assert_eq!(client.0.read(&mut [0; 1]).unwrap(), 0, "and now the end");
    assert!(inbox.messages().is_empty());

    inbox.script("unsure@x.example", Behaviour::CutAfterDot);
    assert_eq!(Client::greeted(&inbox).mail("unsure@x.example", "\r\nx"), "");
    assert_eq!(inbox.messages_to("unsure@x.example").len(), 1, "taken, but never said");
    inbox.script("cut@x.example", Behaviour::Cut(Stage::Dot));
    assert_eq!(Client::greeted(&inbox).mail("cut@x.example", "\r\nx"), "");
    assert_eq!(inbox.messages_to("cut@x.example").len(), 0);

    inbox.script_connections(Some(2), Behaviour::Answer(Stage::Connect, "421 4.3.2 not now".into()));
    assert_eq!(Client::connect(&inbox).answer(), "421 4.3.2 not now");
    inbox.script_connections(Some(1), Behaviour::Cut(Stage::Connect));
    assert_eq!(Client::connect(&inbox).answer(), "");
    assert_eq!(Client::connect(&inbox).answer(), "220 inbox.example ESMTP");
}

#[test]
fn a_slow_server_is_slow() {
    let inbox = started();
    inbox.script("slow@x.example", Behaviour::Slow(Duration::from_millis(60)));
    let begun = Instant::now();
    assert!(Client::greeted(&inbox).mail("slow@x.example", "\r\nx").starts_with("250"));
    assert!(begun.elapsed() >= Duration::from_millis(120), "{:?}", begun.elapsed());
}

#[test]
fn closed_it_refuses_and_opened_again_it_takes() {
    let mut inbox = started();
    let mut client = Client::greeted(&inbox);
    inbox.close();
    assert_eq!(client.answer(), "", "open connections are cut");
    assert!(TcpStream::connect(inbox.address()).is_err());
    inbox.open().unwrap();
    assert!(Client::greeted(&inbox).mail("a@x.example", "\r\nx").starts_with("250"));
}

#[test]
fn the_quick_inbox_takes_thousands_and_writes_nothing() {
    let inbox = Inbox::start(InboxOptions { quick: true, folder: None }).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let inbox = &inbox;
            scope.spawn(move || {
                let mut client = Client::greeted(inbox);
                for _ in 0..500 {
                    let one = format!("MAIL FROM:<>\r\nRCPT TO:<t{thread}@x.example>\r\nDATA\r\n");
                    client.send(&one);
                    for _ in 0..3 {
                        client.answer();
                    }
                    client.send("Subject: x\r\n\r\nx\r\n.\r\n");
                    assert!(client.answer().starts_with("250"));
                }
            });
        }
    });
    assert_eq!(inbox.counts().messages, 2000);
    assert_eq!(inbox.messages_to("t3@x.example").len(), 500);
    let files = std::fs::read_dir(inbox.folder()).unwrap().flatten();
    assert_eq!(files.filter(|file| file.path().extension().is_some()).count(), 0);
    inbox.forget();
    assert!(inbox.messages().is_empty());
}
