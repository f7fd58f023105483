package net.shibboleth.idp.profile.interceptor;

/** A STAND-IN for the class of the Shibboleth identity provider. */
public class ExternalInterceptorException extends Exception {
    public ExternalInterceptorException(String message) {
        super(message);
    }
}
