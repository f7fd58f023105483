package net.shibboleth.idp.attribute;

import java.util.List;

/** A STAND-IN for the class of the Shibboleth identity provider. */
public class IdPAttribute {
    private final List<IdPAttributeValue> values;

    public IdPAttribute(List<IdPAttributeValue> values) {
        this.values = values;
    }

    public List<IdPAttributeValue> getValues() {
        return values;
    }
}
