package net.shibboleth.idp.authn.context;

/** A STAND-IN for the class of the Shibboleth identity provider. */
public class SubjectContext {
    private final String name;

    public SubjectContext(String name) {
        this.name = name;
    }

    public String getPrincipalName() {
        return name;
    }
}
