package @RELYING@;

import java.util.Iterator;
import java.util.List;

/** A STAND-IN for the class of the Shibboleth identity provider, which 5 moved to another package. */
public class RelyingPartyContext implements Iterable<Object> {
    private final List<Object> children;

    public RelyingPartyContext(List<Object> children) {
        this.children = children;
    }

    public String getRelyingPartyId() {
        return "https://sp.univ.example/shibboleth";
    }

    @Override
    public Iterator<Object> iterator() {
        return children.iterator();
    }
}
