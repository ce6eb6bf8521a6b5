"""Media of calls: RTP out and in, in a process of its own, so that the dialer's event loop stays free.

    engine    loop-free: sessions on a timer wheel; packets and instants in, packets and events out
    process   the child process: sockets, clock, one loop around the engine
    client    the daemon's side of it: `MediaProcess`, leases of ports, events
    inline    the same leases with the engine in this event loop, for tests on a virtual clock

Knows nothing of SIP signalling, campaigns and the engine of calls. What is played are files of encoded frames, made by
`dialerd_sip.speech`.
"""
