"""The local API: HTTP/1.1 on Unix sockets, in front of `dialerd.operations`. Knows nothing of providers."""
