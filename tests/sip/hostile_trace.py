"""Traces: what far ends sent in whole ladders, as bytes, to be mutated."""

from functools import cache

from callstage import SDP, sdp, stage
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.health import Health
from dialerd_sip.core.plan import Target
from dialerd_sip.core.registration import Registration, RegistrationPlan
from ladder import request
from link import THEM, US, Link

CHALLENGE = 'Digest realm="trunk.test", nonce="n1", qop="auth", algorithm=SHA-256'
PASSWORD = Credentials(username="dialer", password="made up")  # of nobody
TRUNK = Target(
    flow=Flow(Transport.UDP, THEM.host, THEM.port),
    uri=f"sip:{THEM.host}",
    contact=f"<sip:dialer@{US.host}:5060>",
    sent_by=f"{US.host}:5060",
)


def target_at(flow: Flow) -> Target:
    """Return a place for INVITEs."""
    return Target(
        flow=flow,
        uri=f"sip:+447111000001@{flow.host}:{flow.port}",
        contact=f"<sip:dialer@{US.host}:5060>",
        sent_by=f"{US.host}:5060",
    )


@cache
def traces() -> tuple[bytes, ...]:
    """Return all that far ends say in some ladders: calls of every kind, a registration, OPTIONS, strays."""
    links = [_talked(), _forked(), _challenged(), _taken_back(), _refused(), _registered()]
    heard = [one.message.to_bytes() for link in links for one in link.carried if one.target == US]
    strays = [request(method, cseq=7).to_bytes() for method in ("INVITE", "OPTIONS", "REGISTER", "NOTIFY", "X", "ACK")]
    return tuple(dict.fromkeys(heard + strays))


def _talked() -> Link:
    play = stage()
    play.routes.append(("Record-Route", "<sip:192.0.2.2;lr>"))
    play.answered(Session_Expires="1800;refresher=uac", Supported="timer", Allow="INVITE, ACK, BYE, UPDATE")
    play.ask("INVITE", 1, body=sdp(7100), Supported="timer")
    play.acknowledge(1)
    play.ask("INVITE", 2)
    play.acknowledge(2, sdp(7200))
    play.ask("UPDATE", 3, body=sdp(held=True, version=3))
    play.ask("INFO", 4, body=b"Signal=5\r\nDuration=160", kind="application/dtmf-relay")
    play.ask("NOTIFY", 5, Event="refer")
    play.ask("OPTIONS", 6)
    play.link.run(1_000)
    refresh = play.far.take("UPDATE")
    play.far.answer(refresh, 200, tag=None, headers=[("Session-Expires", "1800;refresher=uac")])
    play.ask("BYE", 7, Reason="Q.850;cause=16")
    return play.link


def _forked() -> Link:
    play = stage()
    play.hear()
    play.say(100, tag=None)
    play.say(180, tag="one", Require="100rel", RSeq="1")
    play.say(183, tag="two", body=SDP, Require="100rel", RSeq="7")
    play.say(199, tag="one")
    play.say(200, tag="two", body=SDP)
    play.say(200, tag="one", body=SDP)
    for _ in range(2):
        play.far.answer(play.far.take("PRACK"), 200, tag=None)
    play.far.answer(play.far.take("BYE"), 200, tag=None)
    play.link.settle()
    return play.link


def _challenged() -> Link:
    play = stage(credentials=PASSWORD, redirects=True)
    play.hear()
    play.say(407, tag="x", Proxy_Authenticate=CHALLENGE)
    play.hear()
    play.say(401, tag="y", WWW_Authenticate=CHALLENGE.replace("SHA-256", "MD5-sess"))
    play.hear()
    play.say(422, tag="z", Min_SE="3600")
    play.hear()
    play.say(302, tag="z", Contact="<sip:other@192.0.2.2>;q=0.5")
    return play.link


def _taken_back() -> Link:
    play = stage()
    play.hear()
    play.say(180)
    play.call.hang_up("hangup", play.link.now)
    play.link.settle()
    play.far.answer(play.far.take("CANCEL"), 200)
    play.say(487, Reason="SIP;cause=487")
    return play.link


def _refused() -> Link:
    play = stage()
    play.hear()
    play.say(503, Retry_After="30", Warning='399 x "full"', Reason='Q.850;cause=34;text="no circuit"')
    return play.link


def _registered() -> Link:
    link = Link()
    far = link.far()
    Registration(
        link.ua,
        RegistrationPlan(name="main", aor="sip:dialer@example.com", targets=(TRUNK,), credentials=PASSWORD),
    ).start(link.now)
    Health(link.ua, 30.0).watch({TRUNK.flow: TRUNK}, link.now)
    link.settle()
    far.answer(far.take("OPTIONS"), 200, headers=[("Allow", "INVITE, ACK")])
    far.answer(far.take("REGISTER"), 401, headers=[("WWW-Authenticate", CHALLENGE)])
    link.settle()
    far.answer(far.take("REGISTER"), 423, headers=[("Min-Expires", "900")])
    link.settle()
    far.answer(far.take("REGISTER"), 200, headers=[("Contact", f"{TRUNK.contact};expires=900"), ("Expires", "900")])
    link.settle()
    return link
