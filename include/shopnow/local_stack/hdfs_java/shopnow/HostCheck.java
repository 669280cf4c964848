package shopnow;

import java.io.IOException;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.http.FilterContainer;
import org.apache.hadoop.http.FilterInitializer;
import org.apache.hadoop.shaded.io.netty.channel.ChannelFutureListener;
import org.apache.hadoop.shaded.io.netty.channel.ChannelHandler.Sharable;
import org.apache.hadoop.shaded.io.netty.channel.ChannelHandlerContext;
import org.apache.hadoop.shaded.io.netty.channel.ChannelInboundHandlerAdapter;
import org.apache.hadoop.shaded.io.netty.handler.codec.http.DefaultFullHttpResponse;
import org.apache.hadoop.shaded.io.netty.handler.codec.http.FullHttpResponse;
import org.apache.hadoop.shaded.io.netty.handler.codec.http.HttpRequest;
import org.apache.hadoop.shaded.io.netty.handler.codec.http.HttpResponseStatus;
import org.apache.hadoop.shaded.io.netty.handler.codec.http.HttpVersion;
import org.apache.hadoop.shaded.io.netty.util.ReferenceCountUtil;
import org.apache.hadoop.shaded.javax.servlet.Filter;
import org.apache.hadoop.shaded.javax.servlet.FilterChain;
import org.apache.hadoop.shaded.javax.servlet.FilterConfig;
import org.apache.hadoop.shaded.javax.servlet.ServletException;
import org.apache.hadoop.shaded.javax.servlet.ServletRequest;
import org.apache.hadoop.shaded.javax.servlet.ServletResponse;
import org.apache.hadoop.shaded.javax.servlet.http.HttpServletRequest;
import org.apache.hadoop.shaded.javax.servlet.http.HttpServletResponse;

/**
 * Refuses requests that web pages of other sites make to HDFS' HTTP servers through a visitor's browser.
 *
 * <p>By DNS rebinding a page reaches a server on this machine as its own site. The browser still sends the
 * page's name as Host, so only known names and IP addresses are accepted there. An Origin, which browsers
 * add to cross-site requests, must have the same host, or one of the known names.
 */
public final class HostCheck {

  /** Property with the known host names, separated by commas. */
  static final String HOSTS = "shopnow.http.hosts";

  private static final Pattern IP_ADDRESS = Pattern.compile("\\d+(\\.\\d+){3}|\\[[0-9a-f:.]+\\]");

  private final Set<String> hosts = new HashSet<>();

  HostCheck(String hosts) {
    for (String host : hosts.split(",")) {
      this.hosts.add(host.trim().toLowerCase(Locale.ROOT));
    }
  }

  boolean allows(String hostHeader, String origin) {
    if (hostHeader == null) {
      return false;
    }
    String host = withoutPort(hostHeader);
    if (!hosts.contains(host) && !IP_ADDRESS.matcher(host).matches()) {
      return false;
    }
    if (origin == null) {
      return true;
    }
    int scheme = origin.indexOf("://");
    if (scheme < 0) {
      return false;
    }
    String originHost = withoutPort(origin.substring(scheme + 3));
    return originHost.equals(host) || hosts.contains(originHost);
  }

  private static String withoutPort(String authority) {
    int colon = authority.indexOf(':', authority.indexOf(']') + 1);
    return (colon < 0 ? authority : authority.substring(0, colon)).toLowerCase(Locale.ROOT);
  }

  /** Adds the filter to every page of the servers with servlets. */
  public static final class Initializer extends FilterInitializer {
    @Override
    public void initFilter(FilterContainer container, Configuration conf) {
      Map<String, String> parameters = Map.of(HOSTS, conf.get(HOSTS, ""));
      container.addGlobalFilter("host check", ServletFilter.class.getName(), parameters);
    }
  }

  /** The check in Jetty: the NameNode, and the DataNode's pages. */
  public static final class ServletFilter implements Filter {
    private HostCheck check;

    @Override
    public void init(FilterConfig config) {
      check = new HostCheck(config.getInitParameter(HOSTS));
    }

    @Override
    public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
        throws IOException, ServletException {
      HttpServletRequest httpRequest = (HttpServletRequest) request;
      if (check.allows(httpRequest.getHeader("Host"), httpRequest.getHeader("Origin"))) {
        chain.doFilter(request, response);
      } else {
        ((HttpServletResponse) response).sendError(HttpServletResponse.SC_FORBIDDEN);
      }
    }

    @Override
    public void destroy() {}
  }

  /** The check in Netty: the DataNode's WebHDFS. */
  @Sharable
  public static final class Handler extends ChannelInboundHandlerAdapter {
    private final HostCheck check;

    public Handler(HostCheck check) {
      this.check = check;
    }

    /** Called by the DataNode, which passes the result to the constructor. */
    public static HostCheck initializeState(Configuration conf) {
      return new HostCheck(conf.get(HOSTS, ""));
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
      if (message instanceof HttpRequest) {
        HttpRequest request = (HttpRequest) message;
        if (!check.allows(request.headers().get("Host"), request.headers().get("Origin"))) {
          ReferenceCountUtil.release(message);
          FullHttpResponse refusal =
              new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.FORBIDDEN);
          refusal.headers().set("Content-Length", 0).set("Connection", "close");
          context.writeAndFlush(refusal).addListener(ChannelFutureListener.CLOSE);
          return;
        }
      }
      context.fireChannelRead(message);
    }
  }
}
