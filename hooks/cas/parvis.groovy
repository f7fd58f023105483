/*
 * Parvis in Apereo CAS: may this person, whose password CAS has verified, pass?
 *
 * For `cas.interrupt.groovy.location`. CAS 6 and 7 call run(principal, attributes, service, registeredService,
 * requestContext, logger); CAS 5 calls it with (uid, attributes, service, logger). What each key of parvis.properties
 * means, and what to do when something is wrong: docs/cas.md of Parvis.
 *
 * Who is active by the directory's own attribute passes without a call. Everybody else passes only if Parvis says so.
 * CAS lets people through when an inquirer fails: so nothing leaves this script but an answer, and whatever goes wrong
 * is an answer that stops the person.
 */
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import groovy.transform.CompileStatic

import java.nio.ByteBuffer
import java.nio.channels.Channels
import java.nio.channels.SocketChannel
import java.nio.file.Files
import java.nio.file.Paths
import java.security.KeyFactory
import java.security.KeyStore
import java.security.PrivateKey
import java.security.cert.Certificate
import java.security.cert.CertificateFactory
import java.security.spec.PKCS8EncodedKeySpec
import java.util.concurrent.FutureTask
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException
import javax.net.ssl.HttpsURLConnection
import javax.net.ssl.KeyManagerFactory
import javax.net.ssl.SSLContext
import javax.net.ssl.TrustManagerFactory

import org.apereo.cas.interrupt.InterruptResponse

def run(final Object... args) {
    def logger = args[args.length - 1]
    def about = [login: '?', french: null]
    try {
        return decide(args, logger, about)
    } catch (Throwable fault) {
        // Above all: nothing but an answer leaves here.
        logger.error("parvis: {}: no answer: {}", plain(about.login), plain(fault))
        return stopped(words(about.french, null), null, about.french)
    }
}

/** What to answer, and the one line in the log. `about` keeps what is known of the person, should this fail. */
def decide(Object[] args, logger, Map about) {
    def older = args.length < 6
    def principal = args[0]
    about.login = older ? principal as String : principal.id as String
    def service = older ? args[2] : args[2]?.id
    def requestContext = older ? null : args[4]
    def locale = localeOf(requestContext)
    about.french = locale == null ? null : locale == 'fr'
    def settings = ParvisSettings.read()

    def attributes = new LinkedHashMap(args[1] ?: [:])
    if (settings.isActive(valuesOf(attributes, settings.stateAttribute))) {
        logger.info("parvis: {}: passed by the directory", plain(about.login))
        return new InterruptResponse(false)
    }
    def request = [login: about.login, authenticated: true, return_to: settings.returnTo(service as String),
                   locale: locale, client: clientOf(requestContext)]
    def answer = new JsonSlurper().parseText(new ParvisCall(settings).ask(JsonOutput.toJson(request)))
    if (!(answer instanceof Map)) {
        throw new IOException('the answer is no object')
    }
    if (answer.allow == true && answer.ok != false) {
        logger.info("parvis: {}: passed", plain(about.login))
        return new InterruptResponse(false)
    }
    def refusal = answer.refusal instanceof Map ? answer.refusal : null
    def url = answer.url instanceof String && answer.url ==~ '(?i)https?://.*' ? answer.url : null
    if (url != null) {
        logger.info("parvis: {}: sent to activation", plain(about.login))
    } else {
        logger.warn("parvis: {}: refused: {}", plain(about.login), plain(refusal?.code ?: answer.status))
    }
    def message = refusal != null ? refusal.message : answer.message
    return stopped(words(about.french, message), url, about.french)
}

/** Stops the person, with words, and sends the browser on where there is somewhere to go. */
def stopped(String message, String url, french) {
    // CAS puts the message into its page as HTML.
    def text = message.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')
    def link = french == null ? 'Activer mon compte / Activate my account'
            : french ? 'Activer mon compte' : 'Activate my account'
    def response = new InterruptResponse(text, url == null ? [:] : [(link): url], true, false)
    if (url != null) {
        response.autoRedirect = true
    }
    return response
}

/** The daemon's words, or ours where there are none. */
def words(french, message) {
    if (message instanceof String && !message.trim().isEmpty()) {
        return message
    }
    def fr = 'Le service d’activation des comptes ne répond pas, et nous ne pouvons pas vous laisser passer sans lui. ' +
            'Réessayez dans quelques minutes\u00a0; si cela persiste, contactez l’assistance informatique.'
    def en = 'The account activation service is not answering, and we cannot let you in without it. ' +
            'Please try again in a few minutes; if it goes on, contact the help desk.'
    return french == null ? fr + ' / ' + en : french ? fr : en
}

/** `fr` or `en`, as CAS has settled it: the person's choice on its page, else the browser's. */
def localeOf(requestContext) {
    def tag = null
    try {
        tag = requestContext?.externalContext?.locale?.language
    } catch (Throwable ignored) {
        // Another version of CAS: the daemon knows the person's own language.
    }
    return tag == 'fr' || tag == 'en' ? tag : null
}

/** The person's address and browser, for limits and the audit. */
def clientOf(requestContext) {
    def ip = null
    def agent = null
    try {
        def request = requestContext?.externalContext?.nativeRequest
        ip = request?.remoteAddr
        agent = request?.getHeader('User-Agent')
        // Behind a proxy, CAS has settled which address is the person's (cas.audit.engine.*).
        def holder = getClass().classLoader.loadClass('org.apereo.inspektr.common.web.ClientInfoHolder')
        ip = holder.clientInfo?.clientIpAddress ?: ip
    } catch (Throwable ignored) {
        // Not there in every version: what was found counts.
    }
    // Whatever a browser says must not make the request one that is refused.
    return [ip: ip == null ? null : plain(ip).take(64), user_agent: agent == null ? null : plain(agent).take(512)]
}

/** All values of an attribute, whatever CAS wraps them in. */
def valuesOf(Map attributes, String name) {
    def key = attributes.containsKey(name) ? name : attributes.keySet().find { name.equalsIgnoreCase(it as String) }
    def found = key == null ? null : attributes[key]
    def list = found == null ? [] : found instanceof Object[] ? found.toList()
            : found instanceof Collection ? found.toList() : [found]
    return list.flatten().findAll { it != null }.collect { it.toString() }
}

/** Without what could turn one line of a log into two. */
def plain(text) {
    return String.valueOf(text).replaceAll('[\\p{Cc}\\u2028\\u2029]', '?').take(512)
}

/** parvis.properties, where it is. Whatever is wrong in it stops everybody who is not active. */
@CompileStatic
class ParvisSettings {
    static final Map<String, String> DEFAULTS = [
            'socket'         : '/run/parvis/hook.sock', 'hook': '', 'url': '', 'ca': '', 'certificate': '', 'key': '',
            'token-file'     : '', 'timeout': '2', 'state-attribute': 'supannRessourceEtat',
            'active'         : '^\\{COMPTE\\}A', 'not-active': '^\\{COMPTE\\}[^A]', 'login-url': '']

    final Map<String, String> values = new LinkedHashMap<String, String>(DEFAULTS)

    static ParvisSettings read() {
        ParvisSettings settings = new ParvisSettings()
        String named = System.getProperty('parvis.properties')
        File file = new File(named ?: '/etc/cas/config/parvis.properties')
        if (named != null || file.exists()) {
            Properties given = new Properties()
            file.withReader('UTF-8') { Reader reader -> given.load(reader) }
            for (String key : given.stringPropertyNames()) {
                if (!DEFAULTS.containsKey(key)) {
                    throw new IllegalArgumentException("${file}: there is no key ${key}")
                }
                settings.values.put(key, given.getProperty(key).trim())
            }
        }
        if (settings.of('hook') && settings.of('url')) {
            throw new IllegalArgumentException("${file}: hook and url: one of them")
        }
        long timeout = settings.milliseconds
        if (timeout < 100 || timeout > 30000) {
            throw new IllegalArgumentException("${file}: timeout: 0.1 to 30 seconds")
        }
        return settings
    }

    String of(String key) { return values.get(key) }

    long getMilliseconds() { return (long) (Double.parseDouble(of('timeout')) * 1000) }

    String getStateAttribute() { return of('state-attribute') }

    /** One value says active, and none says otherwise. */
    boolean isActive(List<String> states) {
        java.util.regex.Pattern active = java.util.regex.Pattern.compile(of('active'))
        java.util.regex.Pattern not = java.util.regex.Pattern.compile(of('not-active'))
        return states.any { String state -> active.matcher(state).find() } &&
                !states.any { String state -> not.matcher(state).find() }
    }

    /** CAS's own sign-in address for that service: who is done comes back through it. */
    String returnTo(String service) {
        if (!of('login-url')) {
            return null
        }
        String whole = service ? of('login-url') + '?service=' + URLEncoder.encode(service, 'UTF-8') : of('login-url')
        return whole.length() > 2048 ? null : whole
    }
}

/** One exchange with Parvis: bounded in time, from the connection to the last byte, and in size. */
@CompileStatic
class ParvisCall {
    static final int MOST = 64 * 1024

    final ParvisSettings settings
    /** What to close when time is up, which ends whatever waits for it. */
    private volatile Closeable open
    private volatile boolean late

    ParvisCall(ParvisSettings settings) { this.settings = settings }

    /** The answer's JSON. */
    String ask(String request) {
        FutureTask<String> exchange = new FutureTask<String>({ exchange(request) } as java.util.concurrent.Callable<String>)
        Thread thread = new Thread(exchange, 'parvis')
        thread.daemon = true
        thread.start()
        try {
            return exchange.get(settings.milliseconds, TimeUnit.MILLISECONDS)
        } catch (TimeoutException ignored) {
            throw new IOException("nothing within ${settings.milliseconds} ms")
        } catch (java.util.concurrent.ExecutionException failed) {
            throw failed.cause
        } finally {
            late = true
            // Beside us: a closing that waits for something must not make the person wait.
            Thread closing = new Thread({ shut() } as Runnable, 'parvis-closing')
            closing.daemon = true
            closing.start()
        }
    }

    private void shut() {
        try {
            open?.close()
        } catch (Throwable ignored) {
            // It is over either way.
        }
    }

    private <T extends Closeable> T held(T what) {
        open = what
        if (late) {
            shut()
        }
        return what
    }

    private String exchange(String request) {
        if (settings.of('url')) {
            return overHttp(request)
        }
        return settings.of('hook') ? byHook(request) : bySocket(request)
    }

    /** Varlink: a JSON object and a NUL, both ways. */
    private String bySocket(String request) {
        SocketAddress address
        try {
            Class<?> kind = Class.forName('java.net.UnixDomainSocketAddress')
            address = (SocketAddress) kind.getMethod('of', String).invoke(null, settings.of('socket'))
        } catch (ClassNotFoundException ignored) {
            throw new IOException('this Java knows no Unix sockets (16 and later do): configure hook or url')
        }
        java.net.ProtocolFamily unix = StandardProtocolFamily.valueOf('UNIX')
        SocketChannel channel = held((SocketChannel) SocketChannel.getMethod('open', ProtocolFamily).invoke(null, unix))
        channel.connect(address)
        byte[] message = ('{"method":"org.parvis.Hook.Check","parameters":' + request + '}\u0000').getBytes('UTF-8')
        ByteBuffer out = ByteBuffer.wrap(message)
        while (out.hasRemaining()) {
            channel.write(out)
        }
        Map reply = (Map) new JsonSlurper().parseText(read(Channels.newInputStream(channel), true))
        Map parameters = reply.get('parameters') instanceof Map ? (Map) reply.get('parameters') : [:]
        if (reply.get('error') == null) {
            return JsonOutput.toJson(parameters)
        }
        if (reply.get('error') == 'org.parvis.Hook.Refused') {
            return JsonOutput.toJson([ok: false, refusal: parameters])
        }
        throw new IOException('the daemon answers ' + reply.get('error'))
    }

    /** parvis-hook: the request on its standard input, nothing of it an argument. */
    private String byHook(String request) {
        ProcessBuilder builder = new ProcessBuilder(settings.of('hook'), 'check', '--socket', settings.of('socket'),
                '--timeout', settings.milliseconds + 'ms')
        builder.environment().clear()
        builder.redirectError(ProcessBuilder.Redirect.to(new File('/dev/null')))
        Process process = builder.start()
        held({ end(process) } as Closeable)
        process.outputStream.withStream { OutputStream to -> to.write(request.getBytes('UTF-8')) }
        String answer = read(process.inputStream, false)
        int exit = process.waitFor()
        // 0 lets through and 1 does not; both have an answer, and a fault has words.
        boolean allows = ((Map) new JsonSlurper().parseText(answer)).get('allow') == true
        if (allows != (exit == 0)) {
            throw new IOException("parvis-hook ended with ${exit} and said otherwise")
        }
        return answer
    }

    /** A child, and first what it started: that would hold the pipe open, and we would go on reading. */
    private static void end(Process process) {
        try {
            Object all = Process.getMethod('descendants').invoke(process)
            ((java.util.stream.Stream) all).forEach { Object each ->
                Class.forName('java.lang.ProcessHandle').getMethod('destroyForcibly').invoke(each)
            }
        } catch (NoSuchMethodException ignored) {
            // Java 8 cannot say.
        }
        process.destroyForcibly()
    }

    private String overHttp(String request) {
        URL url = new URL(settings.of('url').replaceAll('/+$', '') + '/v1/check')
        HttpURLConnection http = (HttpURLConnection) url.openConnection(Proxy.NO_PROXY)
        held({ http.disconnect() } as Closeable)
        http.connectTimeout = (int) settings.milliseconds
        http.readTimeout = (int) settings.milliseconds
        http.instanceFollowRedirects = false
        http.useCaches = false
        http.requestMethod = 'POST'
        http.doOutput = true
        http.setRequestProperty('Content-Type', 'application/json')
        http.setRequestProperty('Connection', 'close')
        if (settings.of('token-file')) {
            String token = new File(settings.of('token-file')).getText('UTF-8').trim()
            http.setRequestProperty('Authorization', 'Bearer ' + token)
        }
        if (http instanceof HttpsURLConnection) {
            ((HttpsURLConnection) http).SSLSocketFactory = tls().socketFactory
        }
        http.outputStream.withStream { OutputStream to -> to.write(request.getBytes('UTF-8')) }
        int status = http.responseCode
        InputStream from = status < 400 ? http.inputStream : http.errorStream
        String answer = from == null ? '' : read(from, false)
        // Only 200 can be a yes; whatever else may bring a refusal, with words.
        if (status == 200) {
            return answer
        }
        Object refused
        try {
            refused = new JsonSlurper().parseText(answer)
        } catch (Throwable ignored) {
            refused = null
        }
        if (refused instanceof Map && ((Map) refused).get('refusal') instanceof Map) {
            return JsonOutput.toJson([ok: false, refusal: ((Map) refused).get('refusal')])
        }
        throw new IOException("parvis-sso answers ${status}")
    }

    /** Our certificate, and whom we trust: the files of the configuration, or Java's own where they name none. */
    private SSLContext tls() {
        KeyManagerFactory mine = null
        if (settings.of('certificate')) {
            KeyStore store = KeyStore.getInstance('PKCS12')
            store.load(null, null)
            store.setKeyEntry('parvis', key(settings.of('key')), new char[0], certificates(settings.of('certificate')))
            mine = KeyManagerFactory.getInstance(KeyManagerFactory.defaultAlgorithm)
            mine.init(store, new char[0])
        }
        TrustManagerFactory theirs = null
        if (settings.of('ca')) {
            KeyStore store = KeyStore.getInstance('PKCS12')
            store.load(null, null)
            certificates(settings.of('ca')).eachWithIndex { Certificate each, int number ->
                store.setCertificateEntry('ca' + number, each)
            }
            theirs = TrustManagerFactory.getInstance(TrustManagerFactory.defaultAlgorithm)
            theirs.init(store)
        }
        SSLContext context = SSLContext.getInstance('TLS')
        context.init(mine?.keyManagers, theirs?.trustManagers, null)
        return context
    }

    private static Certificate[] certificates(String path) {
        CertificateFactory factory = CertificateFactory.getInstance('X.509')
        Collection<? extends Certificate> found = null
        new File(path).withInputStream { InputStream from -> found = factory.generateCertificates(from) }
        return found.toArray(new Certificate[0])
    }

    /** PKCS 8 (`BEGIN PRIVATE KEY`), of whichever kind. */
    private static PrivateKey key(String path) {
        String text = new String(Files.readAllBytes(Paths.get(path)), 'US-ASCII')
        String body = text.replaceAll('(?s).*-----BEGIN PRIVATE KEY-----|-----END PRIVATE KEY-----.*|\\s', '')
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(Base64.decoder.decode(body))
        for (String algorithm : ['EC', 'RSA', 'Ed25519']) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(spec)
            } catch (Exception ignored) {
                // Another kind, then.
            }
        }
        throw new IOException("${path} holds no private key (PKCS 8)")
    }

    /** To the end, or to the NUL. What goes on beyond the most that an answer may be is none. */
    private static String read(InputStream from, boolean toNul) {
        ByteArrayOutputStream whole = new ByteArrayOutputStream()
        byte[] part = new byte[8192]
        int count
        while ((count = from.read(part)) >= 0) {
            for (int at = 0; at < count; at++) {
                if (toNul && part[at] == (byte) 0) {
                    whole.write(part, 0, at)
                    return new String(whole.toByteArray(), 'UTF-8')
                }
            }
            whole.write(part, 0, count)
            if (whole.size() > MOST) {
                throw new IOException('an answer that does not end')
            }
        }
        if (toNul) {
            throw new IOException('the connection ended before an answer')
        }
        return new String(whole.toByteArray(), 'UTF-8')
    }
}
