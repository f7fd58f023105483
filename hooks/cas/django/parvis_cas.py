"""Parvis in django-cas-server: may this person, whose password is right, pass?

Who is active by the directory's own attribute passes without a call. Everybody else passes only if Parvis says so;
whatever goes wrong is a no. docs/cas.md of Parvis says how to install it. In settings.py:

    CAS_AUTH_CLASS = "parvis_cas.ParvisAuth"
    MIDDLEWARE = [..., "parvis_cas.ParvisMiddleware"]      # the last one
    PARVIS = {"url": "http://127.0.0.1:8471", "token-file": "/etc/cas/parvis-token"}
"""

import contextvars
import http.client
import io
import json
import logging
import os
import re
import select
import socket
import ssl
import subprocess
import time
from urllib.parse import quote, urlsplit

from django import forms
from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.module_loading import import_string
from django.utils.translation import get_language

DEFAULTS = {
    "auth-class": "cas_server.auth.LdapAuthUser",
    "socket": "/run/parvis/hook.sock",
    "hook": "",
    "url": "",
    "ca": "",
    "certificate": "",
    "key": "",
    "token-file": "",
    "timeout": 2,
    "state-attribute": "supannRessourceEtat",
    "active": r"^\{COMPTE\}A",
    "not-active": r"^\{COMPTE\}[^A]",
    "login-url": "",
}
#: The longest answer.
MOST = 64 * 1024

logger = logging.getLogger("parvis")
_request = contextvars.ContextVar("parvis_request", default=None)


class SentOn(Exception):
    """The person goes to activation, and is not signed in."""

    def __init__(self, url):
        super().__init__("sent to activation")
        self.url = url


def parvis_settings():
    """The settings over the defaults; a mistake in them is a fault, and stops people."""
    given = getattr(settings, "PARVIS", {})
    unknown = set(given) - set(DEFAULTS)
    if unknown:
        raise ValueError("PARVIS: there is no key %s" % ", ".join(sorted(unknown)))
    merged = {**DEFAULTS, **given}
    if merged["hook"] and merged["url"]:
        raise ValueError("PARVIS: hook and url: one of them")
    return merged


class ParvisAuth:
    """The authentication class of `auth-class`, and then Parvis."""

    def __init__(self, username):
        self._inner = import_string(getattr(settings, "PARVIS", {}).get("auth-class", DEFAULTS["auth-class"]))(username)

    @property
    def username(self):
        """The canonical login, as the directory has it."""
        return self._inner.username

    def attributs(self):
        """The person's attributes."""
        return self._inner.attributs()

    def test_password(self, password):
        """Whether the password is right and the person may pass. Who may not gets words, or is sent on."""
        if not self._inner.test_password(password):
            return False
        french = _french()
        try:
            conf = parvis_settings()
            if _is_active(conf, self.attributs()):
                logger.info("parvis: %s: passed by the directory", _plain(self.username))
                return True
            answer = ask(conf, self._question(conf))
        except Exception as fault:  # whatever it is, it is no yes
            logger.error("parvis: %s: no answer: %s", _plain(self.username), _plain(fault))
            raise forms.ValidationError(_words(french, None)) from None
        if answer.get("allow") is True and answer.get("ok") is not False:
            logger.info("parvis: %s: passed", _plain(self.username))
            return True
        url = answer.get("url")
        if isinstance(url, str) and re.match(r"https?://", url):
            logger.info("parvis: %s: sent to activation", _plain(self.username))
            raise SentOn(url)
        refusal = answer.get("refusal") or {}
        logger.warning("parvis: %s: refused: %s", _plain(self.username), _plain(refusal.get("code") or answer.get("status")))
        raise forms.ValidationError(_words(french, refusal.get("message") or answer.get("message")))

    def _question(self, conf):
        request = _request.get()
        language = (get_language() or "").split("-")[0]
        question = {
            "login": self.username,
            "authenticated": True,
            "locale": language if language in ("fr", "en") else None,
        }
        if request is not None:
            question["return_to"] = _return_to(conf, request)
            agent = re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", request.META.get("HTTP_USER_AGENT", ""))[:512]
            question["client"] = {"ip": request.META.get("REMOTE_ADDR"), "user_agent": agent or None}
        return question


class ParvisMiddleware:
    """Knows the request that is under way, and answers for who is sent on."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)

    def process_exception(self, request, exception):
        """No session stays, whoever asked; only a browser is sent anywhere."""
        if not isinstance(exception, SentOn):
            return None
        request.session.flush()
        match = request.resolver_match
        if match is not None and match.url_name == "auth":
            return HttpResponse("no\n", content_type="text/plain; charset=utf-8")
        if "HTTP_X_AJAX" in request.META:
            return JsonResponse({"status": "error", "detail": "activation needed", "url": exception.url})
        response = HttpResponseRedirect(exception.url)
        response["Cache-Control"] = "no-store"
        return response


def _return_to(conf, request):
    """The sign-in page for the application that they wanted."""
    login = conf["login-url"] or request.build_absolute_uri(reverse("cas_server:login"))
    service = request.POST.get("service") or request.GET.get("service")
    whole = login + "?service=" + quote(service, safe="") if service else login
    return whole if len(whole) <= 2048 else None


def _is_active(conf, attributes):
    """One value says active, and none says otherwise."""
    name = conf["state-attribute"].lower()
    found = next((value for key, value in attributes.items() if key.lower() == name), None) or []
    found = found if isinstance(found, (list, tuple, set)) else [found]
    states = [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in found]
    active, other = re.compile(conf["active"]), re.compile(conf["not-active"])
    return any(active.search(state) for state in states) and not any(other.search(state) for state in states)


def _french():
    language = get_language()
    return None if language is None else language.startswith("fr")


def _words(french, message):
    """The daemon's words, or ours where there are none."""
    if isinstance(message, str) and message.strip():
        return message
    fr = (
        "Le service d’activation des comptes ne répond pas, et nous ne pouvons pas vous laisser passer sans lui. "
        "Réessayez dans quelques minutes\u00a0; si cela persiste, contactez l’assistance informatique."
    )
    en = (
        "The account activation service is not answering, and we cannot let you in without it. "
        "Please try again in a few minutes; if it goes on, contact the help desk."
    )
    return fr + " / " + en if french is None else fr if french else en


def _plain(text):
    """Without what could turn one line of a log into two."""
    return re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", "?", str(text))[:512]


def ask(conf, question):
    """One exchange with Parvis, bounded in time from the connection to the last byte, and in size."""
    end = time.monotonic() + float(conf["timeout"])
    request = json.dumps(question).encode()
    if conf["url"]:
        answer = _over_http(conf, request, end)
    elif conf["hook"]:
        answer = _by_hook(conf, request, end)
    else:
        answer = _by_socket(conf, request, end)
    if not isinstance(answer, dict):
        raise OSError("the answer is no object")
    return answer


def _left(end):
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("nothing in time")
    return left


class _Until(io.RawIOBase):
    """A connection that is read until an instant, however slowly it drips."""

    def __init__(self, sock, end):
        super().__init__()
        self._sock, self._end, self._room = sock, end, MOST + 16 * 1024

    def readable(self):
        return True

    def readinto(self, into):
        self._sock.settimeout(_left(self._end))
        count = self._sock.recv_into(into)
        self._room -= count
        if self._room < 0:
            raise OSError("an answer that does not end")
        return count


def _by_socket(conf, request, end):
    """Varlink: a JSON object and a NUL, both ways."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(_left(end))
        sock.connect(conf["socket"])
        sock.sendall(b'{"method":"org.parvis.Hook.Check","parameters":' + request + b"}\0")
        reader, whole = _Until(sock, end), b""
        while b"\0" not in whole:
            part = reader.read(8192)
            if not part:
                raise OSError("the connection ended before an answer")
            whole += part
    reply = json.loads(whole.split(b"\0")[0])
    if reply.get("error") is None:
        return reply.get("parameters")
    if reply["error"] == "org.parvis.Hook.Refused":
        return {"ok": False, "refusal": reply.get("parameters")}
    raise OSError("the daemon answers %s" % reply["error"])


def _by_hook(conf, request, end):
    """parvis-hook: the request on its standard input, nothing of it an argument."""
    command = [conf["hook"], "check", "--socket", conf["socket"], "--timeout", "%dms" % (_left(end) * 1000)]
    # A child that reads nothing must not stop us: what is sent fits into a pipe.
    if len(request) > 32 * 1024:
        raise ValueError("a request that is too long")
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={})
    try:
        child.stdin.write(request)
        child.stdin.close()
        whole = b""
        while True:
            if not select.select([child.stdout], [], [], _left(end))[0]:
                raise TimeoutError("nothing in time")
            part = os.read(child.stdout.fileno(), 8192)
            if not part:
                break
            whole += part
            if len(whole) > MOST:
                raise OSError("an answer that does not end")
        code = child.wait(_left(end))
    finally:
        child.kill()
        child.stdout.close()
        child.wait()
    answer = json.loads(whole)
    if (answer.get("allow") is True) != (code == 0):
        raise OSError("parvis-hook ended with %d and said otherwise" % code)
    return answer


def _over_http(conf, request, end):
    """parvis-sso: only 200 can be a yes; whatever else may bring a refusal, with words."""
    url = urlsplit(conf["url"].rstrip("/") + "/v1/check")
    port = url.port or (443 if url.scheme == "https" else 80)
    head = ["POST %s HTTP/1.1" % url.path, "Host: %s" % url.netloc, "Connection: close"]
    head += ["Content-Type: application/json", "Content-Length: %d" % len(request)]
    if conf["token-file"]:
        with open(conf["token-file"], encoding="ascii") as file:
            head.append("Authorization: Bearer " + file.read().strip())
    sock = socket.create_connection((url.hostname, port), _left(end))
    try:
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=conf["ca"] or None)
            if conf["certificate"]:
                context.load_cert_chain(conf["certificate"], conf["key"] or None)
            sock.settimeout(_left(end))
            sock = context.wrap_socket(sock, server_hostname=url.hostname)
        sock.settimeout(_left(end))
        sock.sendall("\r\n".join(head + ["", ""]).encode("ascii") + request)
        response = http.client.HTTPResponse(_Reading(sock, end))
        response.begin()
        body = response.read()
    finally:
        sock.close()
    answer = json.loads(body)
    if response.status != 200 and not isinstance(answer.get("refusal"), dict):
        raise OSError("parvis-sso answers %d" % response.status)
    return answer if response.status == 200 else {"ok": False, "refusal": answer["refusal"]}


class _Reading:
    """What http.client wants of a socket."""

    def __init__(self, sock, end):
        self._sock, self._end = sock, end

    def makefile(self, *_):
        return io.BufferedReader(_Until(self._sock, self._end))
