import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import @SERVLET@.servlet.http.HttpServlet;
import @SERVLET@.servlet.http.HttpServletRequest;
import @SERVLET@.servlet.http.HttpServletResponse;
import net.shibboleth.idp.attribute.IdPAttribute;
import net.shibboleth.idp.attribute.IdPAttributeValue;
import net.shibboleth.idp.attribute.StringAttributeValue;
import net.shibboleth.idp.attribute.context.AttributeContext;
import net.shibboleth.idp.authn.context.AuthenticationContext;
import net.shibboleth.idp.authn.context.SubjectContext;
import net.shibboleth.idp.profile.interceptor.ExternalInterceptor;
import @RELYING@.RelyingPartyContext;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;
import org.opensaml.profile.context.ProfileRequestContext;

/**
 * A real Tomcat with the page in it, and a STAND-IN for the identity provider around it: /stand/begin puts a person into
 * a conversation and leads to the page, /stand/end says with which event it was finished.
 */
public class Stand {
    public static void main(String[] arguments) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(arguments[1] + "/tomcat");
        tomcat.setPort(Integer.parseInt(arguments[0]));
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        Context context = tomcat.addWebapp("/idp", arguments[1] + "/webapp");
        Tomcat.addServlet(context, "begin", new Begin());
        Tomcat.addServlet(context, "end", new End());
        context.addServletMappingDecoded("/stand/begin", "begin");
        context.addServletMappingDecoded("/stand/end", "end");
        tomcat.start();
        System.out.println("listening");
        tomcat.getServer().await();
    }

    public static class Begin extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            Map<String, IdPAttribute> attributes = new HashMap<>();
            List<IdPAttributeValue> values = new ArrayList<>();
            String[] states = request.getParameterValues("state");
            for (String state : states == null ? new String[0] : states) {
                values.add(new StringAttributeValue(state));
            }
            attributes.put("supannRessourceEtat", new IdPAttribute(values));
            Object party = new RelyingPartyContext(Collections.singletonList(new AttributeContext(attributes)));
            Object passive = new AuthenticationContext("1".equals(request.getParameter("passive")));
            Object subject = new SubjectContext(request.getParameter("login"));
            ProfileRequestContext context = new ProfileRequestContext(Arrays.asList(passive, subject, party));
            request.getSession().setAttribute("conversatione1s1", new ExternalInterceptor(context));
            response.sendRedirect(request.getContextPath() + "/parvis/parvis.jsp?conversation=e1s1");
        }
    }

    public static class End extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            response.getWriter().print("event: " + request.getParameter("event"));
        }
    }
}
