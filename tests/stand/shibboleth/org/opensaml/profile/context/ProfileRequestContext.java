package org.opensaml.profile.context;

import java.util.Iterator;
import java.util.List;

/** A STAND-IN for OpenSAML's class: the contexts under it, and the profile. */
public class ProfileRequestContext implements Iterable<Object> {
    private final List<Object> children;

    public ProfileRequestContext(List<Object> children) {
        this.children = children;
    }

    public String getProfileId() {
        return "http://shibboleth.net/ns/profiles/saml2/sso/browser";
    }

    @Override
    public Iterator<Object> iterator() {
        return children.iterator();
    }
}
