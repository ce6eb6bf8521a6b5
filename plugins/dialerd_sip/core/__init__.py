"""SIP without a loop: bytes and instants in, bytes and events out. Knows nothing of trio, sockets, DNS and the clock.

A user agent is driven by five verbs, each told the instant `now` (seconds on any monotonic clock):

    receive_datagram(data, flow, now)   one whole message has come in over a flow
    datagrams_to_send(now)              what is to go out, in order, and over which flow
    next_deadline()                     when `handle_timer` is to be called, or None
    handle_timer(now)                   time has passed
    next_event()                        what happened, or None

and told of two more things that only the shell knows: `flow_failed(flow, now)` when an ICMP error or a lost
connection says that a flow leads nowhere. Whoever drives it takes all events before it sends: what an INVITE is must be
handed over before the INVITE leaves.

Layers, each a file or two, imports downwards:

    ua             the five verbs; which message is whose; strangers are dropped and counted
    call           an outbound call, from the first INVITE to the last BYE; forks, races, refreshes
    registration   REGISTER with refresh          health   OPTIONS to each target
    dialog         route sets, remote target, CSeq (RFC 3261 section 12)
    transactions   client and server, INVITE and not (RFC 3261 section 17, RFC 6026)
    timing         RFC 3261's timers as one value; one heap for all
    digest, sdp    credentials; offers and answers
    message        parser and writer; uri, headers, framing
"""
