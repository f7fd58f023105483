package net.shibboleth.idp.profile.interceptor;

import @SERVLET@.servlet.http.HttpServletRequest;
import @SERVLET@.servlet.http.HttpServletResponse;
import org.opensaml.profile.context.ProfileRequestContext;

/**
 * A STAND-IN for the class of the Shibboleth identity provider: the same names and signatures, and of its behaviour only
 * that a conversation lives in the session, is asked for by its key, and is over once it is finished.
 */
public class ExternalInterceptor {
    public static final String CONVERSATION_KEY = "conversation";
    public static final String EVENT_KEY = "event";

    private final ProfileRequestContext context;

    public ExternalInterceptor(ProfileRequestContext context) {
        this.context = context;
    }

    public static String startExternalInterceptor(HttpServletRequest request) throws ExternalInterceptorException {
        String key = request.getParameter(CONVERSATION_KEY);
        find(key, request);
        return key;
    }

    public static ProfileRequestContext getProfileRequestContext(String key, HttpServletRequest request)
            throws ExternalInterceptorException {
        return find(key, request).context;
    }

    public static void finishExternalInterceptor(String key, HttpServletRequest request, HttpServletResponse response)
            throws ExternalInterceptorException, java.io.IOException {
        find(key, request);
        request.getSession().removeAttribute(CONVERSATION_KEY + key);
        Object event = request.getAttribute(EVENT_KEY);
        response.sendRedirect(request.getContextPath() + "/stand/end?event=" + (event == null ? "proceed" : event));
    }

    private static ExternalInterceptor find(String key, HttpServletRequest request) throws ExternalInterceptorException {
        Object found = key == null ? null : request.getSession().getAttribute(CONVERSATION_KEY + key);
        if (!(found instanceof ExternalInterceptor)) {
            throw new ExternalInterceptorException("No conversation state found in session");
        }
        return (ExternalInterceptor) found;
    }
}
