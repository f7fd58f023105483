package net.shibboleth.idp.attribute.context;

import java.util.Map;
import net.shibboleth.idp.attribute.IdPAttribute;

/** A STAND-IN for the class of the Shibboleth identity provider. */
public class AttributeContext {
    private final Map<String, IdPAttribute> attributes;

    public AttributeContext(Map<String, IdPAttribute> attributes) {
        this.attributes = attributes;
    }

    public Map<String, IdPAttribute> getUnfilteredIdPAttributes() {
        return attributes;
    }
}
