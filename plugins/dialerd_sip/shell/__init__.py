"""What carries SIP messages: sockets, connections, DNS and the clock, on trio, around a loop-free user agent.

    endpoint      one bind address: a user agent, its UDP socket, its connections; shared by the trunks that use it
    sharing       first to come opens, last to leave closes
    datagrams     the UDP socket, with its ICMP errors
    connections   TCP and TLS: opened when wanted, opened again; dialling, listening, streams (one connection), tls
    resolving     from a server's name to targets (RFC 3263); records (the DNS, remembered)
    addresses     what a bind says; which address of ours a peer sees
    errors        what goes wrong; waiting: for sockets that somebody else may close

Knows nothing of campaigns and agents.
"""
