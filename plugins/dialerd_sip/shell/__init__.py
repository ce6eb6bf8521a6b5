"""What carries SIP messages: sockets, connections, DNS and the clock, on trio, around a loop-free user agent.

    endpoint    one bind address: a user agent, its UDP socket, its connections; shared by the trunks that use it
    streams     TCP and TLS connections
    resolving   from a server's name to targets (RFC 3263)

Knows nothing of campaigns and agents.
"""
