"""A small application behind CAS: who has no session is sent to CAS, and a ticket is validated (CAS protocol 3).

app.py PORT CAS_URL. It listens on 127.0.0.1, and is known as http://localhost:PORT.
"""

import http.cookies
import http.server
import secrets
import sys
import urllib.parse
import urllib.request
import xml.etree.ElementTree

PORT, CAS = int(sys.argv[1]), sys.argv[2]
SERVICE = "http://localhost:%d/" % PORT
CAS_XML = "{http://www.yale.edu/tp/cas}"
sessions = {}


class App(http.server.BaseHTTPRequestHandler):
    """One page."""

    def do_GET(self):
        cookies = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        user = sessions.get(cookies["app"].value) if "app" in cookies else None
        ticket = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("ticket", [None])[0]
        if user is None and ticket:
            user = self.validate(ticket)
            if user is None:
                return self.answer(403, "no", {})
            key = secrets.token_hex(16)
            sessions[key] = user
            return self.answer(302, "", {"Location": SERVICE, "Set-Cookie": "app=%s; HttpOnly" % key})
        if user is None:
            where = CAS + "login?service=" + urllib.parse.quote(SERVICE, safe="")
            return self.answer(302, "", {"Location": where})
        return self.answer(200, "<!doctype html><title>app</title><main>signed in as %s</main>" % user, {})

    def validate(self, ticket):
        query = urllib.parse.urlencode({"service": SERVICE, "ticket": ticket})
        with urllib.request.urlopen(CAS + "p3/serviceValidate?" + query, timeout=10) as response:
            tree = xml.etree.ElementTree.fromstring(response.read())
        user = tree.find("%sauthenticationSuccess/%suser" % (CAS_XML, CAS_XML))
        return None if user is None else user.text

    def answer(self, status, body, headers):
        data = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), App).serve_forever()
