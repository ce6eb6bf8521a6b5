"""SIP without a loop: bytes and instants in, bytes and events out. Knows nothing of trio, sockets, DNS and the clock.

A user agent is driven by five verbs, each told the instant `now` (seconds on any monotonic clock):

    receive_datagram(data, flow, now)   one whole message has come in over a flow
    datagrams_to_send(now)              what is to go out, in order, and over which flow
    next_deadline()                     when `handle_timer` is to be called, or None
    handle_timer(now)                   time has passed
    next_event()                        what happened, or None

and told of one more thing that only the shell knows: `flow_failed(flow, why, now)`, when an ICMP error or a lost
connection says that a flow leads nowhere. Whoever drives it takes all events before it sends: what an INVITE is must be
handed over before the INVITE leaves.

Layers, imports downwards:

    ua             the five verbs, and which message is whose; strays and late are answered by reflex, recent remembers
    call           an outbound call; plan says what it is to be, events what became of it
                   call_inviting: until it is answered, with call_invite, call_forks
                   call_answered: until it is over, with call_requests, call_refresh, farewell, and
                   call_keys, call_keys_sent: keys by INFO, heard and pressed
                   call_leg, call_media: what both have
    former         a call of a former life, taken back; former_call: what is known of it,
                   former_proof: what is proven, former_partings: its BYEs
    registration   REGISTER with refresh; registrar reads its answers
    health         OPTIONS to each target; presence asks once; out_of_dialog writes the requests of both
    dialog         route sets, remote target, CSeq (RFC 3261 section 12); next_hop, identifiers, request_headers
    transactions   all of them; client_transactions, server_transactions, machines, invite_siblings
                   (RFC 3261 section 17, RFC 6026)
    refusing       what is refused unread; source, answer_flow: where a request came from, and where answers go; phrases
    timing         RFC 3261's timers as one value; one heap for all
    digest         credentials; digest_text
    sdp            offers and answers; sdp_text
    message        parser and writer; parsing, framing, fields, names
    headers        readers of single headers; reasons, via, uri, grammar
    flow, bad      the ways of messages; what is no message
"""
