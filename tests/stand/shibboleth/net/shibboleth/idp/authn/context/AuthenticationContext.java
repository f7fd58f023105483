package net.shibboleth.idp.authn.context;

/** A STAND-IN for the class of the Shibboleth identity provider. */
public class AuthenticationContext {
    private final boolean passive;

    public AuthenticationContext(boolean passive) {
        this.passive = passive;
    }

    public boolean isPassive() {
        return passive;
    }
}
