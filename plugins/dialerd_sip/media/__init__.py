"""Media of calls: RTP out and in, in a process of its own, so that the dialer's event loop stays free.

    contract  what a call asks of its media, and what it is told
    shared    `media_at`: the media of a range of ports, shared by all trunks that use it
    client    the daemon's side of the media process; session, messages: what it says to it
    process   the child process: sockets, clock, one loop around the engine; ports, writing: what it needs of the system
    inline    the same leases with the engine in this event loop, for tests on a virtual clock

    engine    loop-free: all sessions on one timer wheel; packets and instants in, packets and events out
    stream    what one session sends              clips    what is played
    hearing   what becomes of what it receives    sources  whose packets are taken, and where ours go
    events    keys (RFC 4733)                     timeline, recording, detector: sound that was received
    rtp, rtcp, law: packets, reports, G.711

Knows nothing of SIP signalling, campaigns and the engine of calls. What is played are files of encoded frames, made by
`dialerd_sip.speech`.
"""
