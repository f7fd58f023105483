package net.shibboleth.idp.attribute;

/** A STAND-IN for the interface of the Shibboleth identity provider. */
public interface IdPAttributeValue {
}
