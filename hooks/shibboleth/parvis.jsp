<%--
  Parvis at the Shibboleth identity provider, 4 and 5: the page that the `External` interceptor leads to.

  Who is active by the directory's own attribute passes without a call; for everybody else Parvis is asked, and only
  its clear yes lets through: there is one place below that finishes without an event, and a yes alone leads there.
  It names no class of javax.servlet or jakarta.servlet, so that one file does for both. Written for Java 11; the
  socket needs 16. docs/shibboleth.md says how to use it.
--%><%@ page pageEncoding="UTF-8" contentType="text/html; charset=UTF-8" session="true" %>
<%@ page trimDirectiveWhitespaces="true" %>
<%@ page import="java.io.*, java.net.*, java.nio.charset.StandardCharsets, java.nio.file.*, java.util.*" %>
<%@ page import="java.util.concurrent.*, java.util.regex.Pattern" %>
<%@ page import="net.shibboleth.idp.attribute.*, net.shibboleth.idp.attribute.context.AttributeContext" %>
<%@ page import="net.shibboleth.idp.authn.context.*, net.shibboleth.idp.profile.interceptor.ExternalInterceptor" %>
<%@ page import="org.opensaml.profile.context.ProfileRequestContext, org.slf4j.*" %>
<%@ include file="parvis-ask.jspf" %>
<%!
    private static final String DENIED = "ContextCheckDenied";

    /** What is known of the person and of the request. */
    private static final class Person {
        String login = "";
        String service;
        boolean passive;
        final List<String> states = new ArrayList<>();
    }

    /** What becomes of them. */
    private static final class Outcome {
        boolean pass;
        String url;
        String words;
        String decision = "no answer: a fault";
    }

    /** The contexts are found by their names: RelyingPartyContext moved to another package with 5. */
    private static Object child(Object of, String name) {
        for (Object one : (Iterable<?>) of) {
            if (one.getClass().getSimpleName().equals(name)) {
                return one;
            }
        }
        return null;
    }

    private static Person person(ProfileRequestContext context, String attribute) throws Exception {
        Person person = new Person();
        Object authentication = child(context, "AuthenticationContext");
        person.passive = authentication != null && ((AuthenticationContext) authentication).isPassive();
        Object subject = child(context, "SubjectContext");
        String login = subject == null ? null : ((SubjectContext) subject).getPrincipalName();
        if (login == null || login.isEmpty()) {
            throw new NoAnswer("nobody has signed in");
        }
        person.login = login;
        Object party = child(context, "RelyingPartyContext");
        if (party != null) {
            String profile = String.valueOf(context.getProfileId());
            if (profile.contains("/saml2/")) {
                person.service = (String) party.getClass().getMethod("getRelyingPartyId").invoke(party);
            }
            Object attributes = child(party, "AttributeContext");
            IdPAttribute state = attributes == null ? null
                : ((AttributeContext) attributes).getUnfilteredIdPAttributes().get(attribute);
            if (state != null) {
                for (Object value : state.getValues()) {
                    person.states.add(value instanceof StringAttributeValue
                        ? ((StringAttributeValue) value).getValue() : "?");
                }
            }
        }
        return person;
    }

    private static boolean saysActive(Settings settings, List<String> states) {
        boolean active = false;
        for (String state : states) {
            if (settings.notActive.matcher(state).find()) {
                return false;
            }
            active = active || settings.active.matcher(state).find();
        }
        return active;
    }

    private static Outcome judge(Settings settings, Person person, Map<String, Object> request) throws Exception {
        Outcome outcome = new Outcome();
        if (saysActive(settings, person.states)) {
            outcome.pass = true;
            outcome.decision = "passed by the directory";
            return outcome;
        }
        Map<?, ?> answer = Ask.check(settings, request);
        if (answer.get("refusal") instanceof Map) {
            Map<?, ?> refusal = (Map<?, ?>) answer.get("refusal");
            outcome.decision = "refused: " + word(refusal.get("code"));
            outcome.words = text(refusal.get("message"));
            return outcome;
        }
        if (!(answer.get("allow") instanceof Boolean)) {
            throw new NoAnswer("it says neither yes nor no");
        }
        if (Boolean.TRUE.equals(answer.get("allow"))) {
            outcome.pass = true;
            outcome.decision = "passed";
            return outcome;
        }
        String url = text(answer.get("url"));
        outcome.url = url != null && url.matches("https?://[!-~]{1,2000}") && !person.passive ? url : null;
        outcome.decision = outcome.url == null ? "refused: " + word(answer.get("status")) : "sent to activation";
        outcome.words = text(answer.get("message"));
        return outcome;
    }

    private static String word(Object value) {
        return value instanceof String && ((String) value).matches("[a-z-]{1,64}") ? (String) value : "refused";
    }

    private static String text(Object value) {
        String text = value instanceof String ? (String) value : "";
        return text.isEmpty() || text.length() > 2000 ? null : text;
    }

    /** French or English, whichever the browser would rather have. */
    private static boolean inFrench(Enumeration<Locale> wished) {
        while (wished.hasMoreElements()) {
            String language = wished.nextElement().getLanguage();
            if (language.equals("fr") || language.equals("en")) {
                return language.equals("fr");
            }
        }
        return false;
    }

    private static void log(String login, String decision, boolean loud) {
        // Neither line breaks nor whatever else could forge a line or move a terminal's cursor.
        String line = ("parvis: login=\"" + login + "\" " + decision).replaceAll("[^\\x20-\\x7e]", "?");
        Logger logger = LoggerFactory.getLogger("parvis");
        if (loud) {
            logger.warn("{}", line);
        } else {
            logger.info("{}", line);
        }
    }

    private static String html(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }

    private static String query(String text) throws UnsupportedEncodingException {
        return URLEncoder.encode(text, "UTF-8");
    }
%>
<%
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    boolean french = inFrench(request.getLocales());
    Outcome outcome = new Outcome();
    Person person = new Person();
    String key = null;
    String expired = null;
    try {
        key = ExternalInterceptor.startExternalInterceptor(request);
        // Whatever is thrown before the person is known counts as passive: no page, but the event.
        person.passive = true;
        Settings settings = Settings.read();
        person = person(ExternalInterceptor.getProfileRequestContext(key, request), settings.stateAttribute);
        if (settings.fault != null) {
            throw new NoAnswer("configuration: " + settings.fault);
        }
        Map<String, Object> client = new LinkedHashMap<>();
        client.put("ip", request.getRemoteAddr());
        client.put("user_agent", Ask.clipped(request.getHeader("User-Agent")));
        Map<String, Object> asked = new LinkedHashMap<>();
        asked.put("login", person.login);
        asked.put("authenticated", Boolean.TRUE);
        String here = request.getRequestURL().toString();
        String back = person.service == null || person.passive ? null
            : here.substring(0, here.length() - request.getRequestURI().length()) + request.getContextPath()
                + "/profile/SAML2/Unsolicited/SSO?providerId=" + query(person.service);
        asked.put("return_to", back != null && back.length() <= 512 ? back : null);
        asked.put("locale", french ? "fr" : "en");
        asked.put("client", client);
        outcome = judge(settings, person, asked);
        log(person.login, outcome.decision, false);
    } catch (Throwable fault) {
        outcome = new Outcome();
        String why = fault instanceof NoAnswer ? fault.getMessage() : "a fault: " + fault;
        expired = key == null ? why : null;
        log(person.login, (key == null ? "no request: " : "no answer: ") + why, true);
    }
    boolean end = outcome.pass || person.passive || "1".equals(request.getParameter("end"));
    if (key != null && outcome.url == null && end) {
        // The one way out without an event is a pass. Anything thrown leaves the request where it is: no assertion.
        if (!outcome.pass) {
            request.setAttribute(ExternalInterceptor.EVENT_KEY, DENIED);
        }
        try {
            ExternalInterceptor.finishExternalInterceptor(key, request, response);
            return;
        } catch (Exception fault) {
            log(person.login, "the identity provider did not take it back: " + fault, true);
            expired = "finish";
        }
    }
    if (key != null && outcome.url != null) {
        response.sendRedirect(outcome.url);
        return;
    }
    response.setStatus(403);
    String title = french ? "Vous ne pouvez pas vous connecter pour le moment" : "You cannot sign in at the moment";
    String words = outcome.words;
    if (expired != null) {
        words = french
            ? "Votre demande de connexion a expiré. Ouvrez de nouveau l’application que vous souhaitez utiliser "
                + "et connectez-vous."
            : "Your sign-in request has expired. Please open the application that you want to use again, and sign in.";
    } else if (words == null) {
        words = french
            ? "Le service d’activation des comptes ne répond pas. Réessayez dans quelques minutes. Si cela dure, "
                + "contactez l’assistance informatique."
            : "The account activation service is not answering. Please try again in a few minutes. If it goes on, "
                + "please contact the help desk.";
    }
%>
<!DOCTYPE html>
<html lang="<%= french ? "fr" : "en" %>">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><%= html(title) %></title>
<style>
  :root { color-scheme: light dark; }
  body { font: 1.05rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem; }
</style>
</head>
<body>
<main>
<h1><%= html(title) %></h1>
<p><%= html(words) %></p>
<% if (key != null && expired == null) { %>
<p><a id="parvis-end" href="?conversation=<%= html(query(key)) %>&amp;end=1"><%=
    french ? "Terminer" : "Finish" %></a></p>
<% } %>
</main>
</body>
</html>
