# Varnish in front of one application, streams included. Varnish sends each event on at once.
#
# A stream holds two threads: set thread_pool_max to more than the streams of a pool (varnishd -p).
vcl 4.1;

backend default {
    .host = "127.0.0.1";
    .port = "8000";
}

sub vcl_recv {
    # Each client has a stream to itself: no client waits for the head of the stream of another.
    if (req.http.Accept ~ "text/event-stream") {
        return (pass);
    }
}

sub vcl_backend_response {
    # Varnish's compression holds a stream back to its end. What follows here does not see a stream.
    if (beresp.http.Content-Type ~ "^text/event-stream") {
        set beresp.uncacheable = true;
        return (deliver);
    }
}
