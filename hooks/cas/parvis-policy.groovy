/*
 * Parvis in Apereo CAS, the second gate for the whole of a CAS: nobody whom the directory does not call active.
 *
 * For `cas.authn.policy.groovy[0].script`, where a CAS cannot give each service its `requiredAttributes`. It asks
 * nobody. It stands before the interrupt: a provisional person is told no here, and is not sent to activation by CAS:
 * they need another way there (docs/cas.md).
 *
 * CAS 7 calls run(authentication, context, applicationContext, logger); CAS 6 calls run(principal, logger). It takes
 * only an Optional with an exception for a no, and a script that fails for a yes: so nothing leaves this one.
 */
import javax.security.auth.login.AccountLockedException

def run(final Object... args) {
    def logger = args[args.length - 1]
    def login = '?'
    try {
        def principal = args.length > 2 ? args[0].principal : args[0]
        login = String.valueOf(principal.id).replaceAll('[\\p{Cc}\\u2028\\u2029]', '?').take(256)
        def settings = new Properties()
        def file = new File(System.getProperty('parvis.properties') ?: '/etc/cas/config/parvis.properties')
        if (file.exists()) {
            file.withReader('UTF-8') { settings.load(it) }
        }
        def name = settings.getProperty('state-attribute', 'supannRessourceEtat').trim()
        def active = settings.getProperty('active', '^\\{COMPTE\\}A').trim()
        def not = settings.getProperty('not-active', '^\\{COMPTE\\}[^A]').trim()
        def found = principal.attributes?.find { name.equalsIgnoreCase(it.key as String) }?.value
        def states = (found == null ? [] : found instanceof Object[] ? found.toList()
                : found instanceof Collection ? found.toList() : [found]).flatten().collect { it.toString() }
        if (states.any { it =~ active } && !states.any { it =~ not }) {
            logger.info("parvis: {}: passed by the directory", login)
            return Optional.empty()
        }
        logger.warn("parvis: {}: refused: the directory does not call the account active", login)
    } catch (Throwable fault) {
        logger.error("parvis: {}: refused: {}", login, String.valueOf(fault).replaceAll('\\p{Cc}', '?'))
    }
    return Optional.of(new AccountLockedException('this account is not active yet'))
}

/** Another attempt changes nothing. */
def shouldResumeOnFailure(final Object... args) {
    return false
}
