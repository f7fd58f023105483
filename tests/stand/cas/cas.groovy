/*
 * A stand-in for the part of Apereo CAS that runs scripts: it loads Parvis's as CAS does (a GroovyClassLoader, one
 * instance for all, `run` with an array), with arguments of the shapes that CAS 5, 6 and 7 pass, and says what came
 * back. Each line of standard input is a JSON object that describes one sign-in; each gets a line of JSON.
 *
 * The classes of org.apereo.* below are stand-ins with the members that CAS's own have. They are no part of CAS.
 */
import groovy.json.JsonOutput
import groovy.json.JsonSlurper

def standIns = '''
package org.apereo.cas.interrupt

class InterruptResponse implements Serializable {
    String message
    Map<String, String> links = new LinkedHashMap<>()
    boolean block, ssoEnabled, interrupt, autoRedirect
    long autoRedirectAfterSeconds = -1
    Map<String, List<String>> data = new LinkedHashMap<>()

    InterruptResponse(final boolean interrupt) { this.interrupt = interrupt }

    InterruptResponse(final String message, final boolean block, final boolean ssoEnabled) {
        this(true)
        this.message = message
        this.block = block
        this.ssoEnabled = ssoEnabled
    }

    InterruptResponse(final String message, final Map<String, String> links, final boolean block,
                      final boolean ssoEnabled) {
        this(message, block, ssoEnabled)
        this.links = links
    }
}
'''
def clientInfo = '''
package org.apereo.inspektr.common.web

class ClientInfoHolder {
    static final ThreadLocal<Object> HELD = new ThreadLocal<>()
    static Object getClientInfo() { return HELD.get() }
}
'''

class StandInLogger {
    final List<String> lines = []

    void info(String format, Object... values) { note('INFO', format, values) }

    void warn(String format, Object... values) { note('WARN', format, values) }

    void error(String format, Object... values) { note('ERROR', format, values) }

    // As slf4j does.
    private void note(String level, String format, Object[] values) {
        def line = format
        values.each { line = line.replaceFirst(/\{\}/, java.util.regex.Matcher.quoteReplacement(String.valueOf(it))) }
        lines << "${level} ${line}".toString()
    }
}

class StandInPrincipal {
    String id
    Map<String, List<Object>> attributes = [:]
}

class StandInAuthentication {
    StandInPrincipal principal
    Map<String, List<Object>> attributes = [:]
}

class StandInService {
    String id
}

class StandInRequest {
    String remoteAddr
    Map<String, String> headers

    String getHeader(String name) { return headers[name] }
}

class StandInExternalContext {
    Locale locale
    StandInRequest nativeRequest
}

class StandInRequestContext {
    StandInExternalContext externalContext
}

def loaders = [:]
def scripts = [:]
def loaderOf = { boolean withClientInfo ->
    if (!loaders[withClientInfo]) {
        def loader = new GroovyClassLoader(this.class.classLoader)
        loader.parseClass(standIns)
        if (withClientInfo) {
            loader.parseClass(clientInfo)
        }
        loaders[withClientInfo] = loader
    }
    return loaders[withClientInfo]
}

System.in.eachLine('UTF-8') { line ->
    def sign = new JsonSlurper().parseText(line)
    def shape = sign.cas as int
    def logger = new StandInLogger()
    def result = [:]
    def begun = System.nanoTime()
    try {
        System.setProperty('parvis.properties', sign.properties)
        def loader = loaderOf(shape >= 7)
        def key = [sign.script, shape >= 7]
        if (!scripts[key]) {
            scripts[key] = loader.parseClass(new File(sign.script)).newInstance()
        }
        def states = sign.states ?: []
        def principal = new StandInPrincipal(id: sign.login,
                attributes: [uid: [sign.login], supannRessourceEtat: states, mail: []])
        // Authentication attributes come beside the principal's, as CAS merges them.
        def attributes = new HashMap(principal.attributes)
        attributes.putAll([credentialType: ['UsernamePasswordCredential'], successfulAuthenticationHandlers: ['LDAP'],
                           authenticationDate: [java.time.ZonedDateTime.now()]])
        def request = new StandInRequest(remoteAddr: '10.9.8.7', headers: ['User-Agent': sign.agent])
        def context = new StandInRequestContext(externalContext: new StandInExternalContext(
                locale: sign.locale == null ? null : Locale.forLanguageTag(sign.locale), nativeRequest: request))
        if (shape >= 7) {
            def info = sign.ip == null ? null : [clientIpAddress: sign.ip]
            loader.loadClass('org.apereo.inspektr.common.web.ClientInfoHolder').HELD.set(info)
        }
        def service = sign.service == null ? null : new StandInService(id: sign.service)
        def policy = sign.script.endsWith('parvis-policy.groovy')
        def args
        if (policy) {
            args = shape >= 7 ? [new StandInAuthentication(principal: principal), [:], null, logger]
                    : [principal, logger]
        } else if (shape >= 6) {
            args = [principal, attributes, service, null, context, logger]
        } else {
            // CAS 5: scalars where there is one value.
            def scalar = new LinkedHashMap(attributes)
            scalar.supannRessourceEtat = states.size() == 1 ? states[0] : states
            args = [sign.login, scalar, sign.service, logger]
        }
        if (sign.broken) {
            args[0] = null
        }
        begun = System.nanoTime()
        def answer = scripts[key].invokeMethod('run', args as Object[])
        result.took = (System.nanoTime() - begun).intdiv(1000000)
        if (policy) {
            // CAS takes an Optional and nothing else for a no.
            result.refused = answer instanceof Optional && answer.isPresent() && answer.get() instanceof Exception
            result.passed = answer instanceof Optional && !answer.isPresent()
        } else {
            result.putAll([interrupt: answer.interrupt, block: answer.block, ssoEnabled: answer.ssoEnabled,
                           links: answer.links, autoRedirect: answer.autoRedirect, message: answer.message])
        }
    } catch (Throwable thrown) {
        result.thrown = thrown.toString()
    }
    result.log = logger.lines
    result.threads = Thread.allStackTraces.keySet().count { it.name == 'parvis' && it.alive }
    println JsonOutput.toJson(result)
    System.out.flush()
}
