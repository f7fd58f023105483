package net.shibboleth.idp.attribute;

/** A STAND-IN for the class of the Shibboleth identity provider. */
public class StringAttributeValue implements IdPAttributeValue {
    private final String value;

    public StringAttributeValue(String value) {
        this.value = value;
    }

    public String getValue() {
        return value;
    }
}
