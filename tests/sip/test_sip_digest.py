"""Digest: the vectors of the RFCs, which challenges are answered, and that no password is tried twice."""

from itertools import count

import pytest
from dialerd_sip.core.digest import Authenticator, Credentials, NonceCache
from dialerd_sip.core.digest_text import read_challenges, read_params
from hypothesis import given
from hypothesis import strategies as st

MINE = Credentials(username="alice", password="wonderland")


def asked(nonce="n1", realm="example.com", algorithm="", **more):
    """Return a challenge."""
    params = {"realm": f'"{realm}"', "nonce": f'"{nonce}"', "algorithm": algorithm, "qop": '"auth"'} | more
    return "Digest " + ", ".join(f"{name}={value}" for name, value in params.items() if value)


def alice(**more):
    """Return an authenticator with predictable nonces of ours."""
    numbers = count(1)
    return Authenticator(MINE, random=lambda: f"c{next(numbers)}", **more)


def sent(authenticator, method="INVITE", uri="sip:bob@example.com", body=b""):
    """Return the parameters of what is sent, by header."""
    return {
        name: read_params(value.removeprefix("Digest ")) for name, value in authenticator.headers(method, uri, body)
    }


VECTORS = [
    (
        "Mufasa",
        "Circle Of Life",
        'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"',
        "0a4f113b",
        "/dir/index.html",
        "6629fae49393a05397450978507c4ef1",
    ),  # RFC 2617, section 3.5
    *(
        (
            "Mufasa",
            "Circle of Life",
            f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
            'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
            'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            "/dir/index.html",
            response,
        )
        for algorithm, response in (
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        )
    ),  # RFC 7616, section 3.9.1
    (
        "Jäsøn Doe",
        "Secret, or not?",
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true',
        "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        "/doe.json",
        "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
    ),  # RFC 7616, section 3.9.2, as its erratum 4897 corrects it
]


@pytest.mark.parametrize("vector", VECTORS)
def test_vectors(vector):
    """What RFC 2617 and RFC 7616 have computed; RFC 8760 takes these algorithms as they are."""
    user, password, challenge, cnonce, uri, response = vector
    authenticator = Authenticator(Credentials(username=user, password=password), random=lambda: cnonce)
    assert authenticator.answer(401, [challenge])
    params = sent(authenticator, "GET", uri)["Authorization"]
    (offered,) = read_challenges(challenge)
    assert params["response"] == response
    assert (params["username"], params["realm"], params["nonce"]) == (user, offered.realm, offered.nonce)
    assert (params["opaque"], params["qop"], params["nc"], params["cnonce"]) == (
        offered.opaque,
        "auth",
        "00000001",
        cnonce,
    )
    assert params.get("algorithm") == offered.algorithm


def test_session_keys_integrity_and_the_oldest_way():
    """RFC 7616, section 3.4.2 (-sess), 3.4.3 (auth-int), and RFC 2069's way without qop, each by its own formula."""
    from hashlib import md5, sha256  # noqa: PLC0415  # the test's own arithmetic

    def hashed(text, kind=md5):
        return kind(text.encode()).hexdigest()

    plain = hashed("alice:example.com:wonderland")
    request = hashed("INVITE:sip:bob@example.com")
    session = alice()
    assert session.answer(401, [asked(algorithm="md5-sess")])
    for count_ in ("00000001", "00000002"):
        key = hashed(f"{plain}:n1:c1")
        params = sent(session)["Authorization"]
        assert params["response"] == hashed(f"{key}:n1:{count_}:c1:auth:{request}")
        assert params["algorithm"] == "md5-sess"
    whole = alice()
    assert whole.answer(407, [asked(algorithm="SHA-256-sess", qop='"auth-int"')])
    key = hashed(hashed("alice:example.com:wonderland", sha256) + ":n1:c1", sha256)
    body = hashed("INVITE:sip:bob@example.com:" + hashed("v=0", sha256), sha256)
    params = sent(whole, body=b"v=0")["Proxy-Authorization"]
    assert params["response"] == hashed(f"{key}:n1:00000001:c1:auth-int:{body}", sha256)
    assert params["qop"] == "auth-int"
    oldest = alice()
    assert oldest.answer(401, [asked(qop="")])
    params = sent(oldest)["Authorization"]
    assert params["response"] == hashed(f"{plain}:n1:{request}")
    assert not {"qop", "nc", "cnonce"} & set(params)


def test_the_strongest_of_a_realm_is_answered():
    """Whatever the order; algorithms and qop in any case; what nobody knows is passed over."""
    for order in ((0, 1, 2, 3), (3, 2, 1, 0)):
        offers = [
            asked("m"),
            asked("s", algorithm="sha-256"),
            asked("t", algorithm="SHA-512-256"),
            asked("x", algorithm="MD6"),
        ]
        authenticator = alice()
        assert authenticator.answer(407, [offers[at] for at in order])
        assert sent(authenticator)["Proxy-Authorization"]["nonce"] == "t"


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest nonce="n"',
        'Digest realm="r"',
        'Digest realm="r", nonce=""',
        'Digest realm="r", nonce="n", algorithm=MD6',
        'Digest realm="r", nonce="n", qop="auth-conf"',
        'Digest realm="r\r\nX: y", nonce="n"',
        'Basic realm="r"',
        "Digest",
        "",
        'Digest realm="r", nonce="n' + "x" * 9_000 + '"',
    ],
)
def test_what_cannot_be_answered_is_hopeless(challenge):
    """Nothing is sent then."""
    authenticator = alice()
    assert not authenticator.answer(401, [challenge])
    assert authenticator.headers("INVITE", "sip:x@example.com", b"") == ()


def test_odd_challenges_are_read():
    """Commas and escapes within quotes, spacing, unknown parameters, several challenges in one value."""
    text = 'dIgEsT  realm = "Acme, \\"Inc\\"" ,nonce="n,1" , , foo=bar,QOP=auth, stale=TRUE,domain="a b"'
    (challenge,) = read_challenges(text)
    assert (challenge.realm, challenge.nonce, challenge.qop, challenge.stale) == (
        'Acme, \\"Inc\\"',
        "n,1",
        "auth",
        True,
    )
    assert 'realm="Acme, \\"Inc\\""' in _answered(text)
    both = f'Basic realm="b", {asked("one")}, {asked("two", "other.test")}'
    assert [challenge.nonce for challenge in read_challenges(both)] == ["one", "two"]


def _answered(text):
    authenticator = alice()
    assert authenticator.answer(401, [text])
    return authenticator.headers("INVITE", "sip:x@example.com", b"")[0][1]


def test_names_are_quoted():
    """A quote in a name does not end it."""
    authenticator = Authenticator(Credentials(username='a"b\\c', password="x"))
    assert authenticator.answer(401, [asked()])
    assert 'username="a\\"b\\\\c"' in authenticator.headers("INVITE", "sip:x@example.com", b"")[0][1]


def test_a_wrong_password_is_tried_once():
    """A new nonce without stale says that the password is wrong, and so does the same nonce again."""
    for again in (asked("n2"), asked("n1"), asked("n1", stale="true")):
        authenticator = alice()
        assert authenticator.answer(401, [asked()])
        assert sent(authenticator)
        assert not authenticator.answer(401, [again])
        assert sent(authenticator) == {}
        assert not authenticator.answer(401, [asked("n3", stale="true")])


def test_a_stale_nonce_is_replaced_once():
    """A peer that calls every nonce stale is not followed."""
    authenticator = alice()
    assert authenticator.answer(407, [asked("n1")])
    sent(authenticator)
    assert authenticator.answer(407, [asked("n2", stale="true")])
    assert sent(authenticator)["Proxy-Authorization"]["nonce"] == "n2"
    assert not authenticator.answer(407, [asked("n3", stale="true")])


def test_a_late_word_proves_nothing():
    """What is told of a request before the challenge was answered does not vouch for the answer."""
    authenticator = alice()
    assert authenticator.answer(407, [asked("n1")])
    sent(authenticator)
    assert authenticator.answer(407, [asked("n2", stale="true")])
    authenticator.accepted()
    sent(authenticator)
    assert not authenticator.answer(407, [asked("n3", stale="true")])


@pytest.mark.parametrize("told", [True, False], ids=["told", "by the next request"])
def test_a_password_that_was_taken_may_be_asked_for_again(told):
    """Later in the call the proxy may have a new nonce, as often as it likes; the next one is refused all the same."""
    authenticator = alice()
    for number in range(20):
        assert authenticator.answer(407, [asked(f"n{number}", stale="true" if number % 2 else "")])
        assert sent(authenticator)["Proxy-Authorization"]["nc"] == "00000001"
        if told:
            authenticator.accepted()
        assert sent(authenticator)["Proxy-Authorization"]["nc"] == "00000002"
    assert authenticator.answer(407, [asked("last")])
    sent(authenticator)
    assert not authenticator.answer(407, [asked("one more")])


def test_a_proxy_and_the_server_behind_it():
    """Both are answered in one chain, each by its header, and nc counts each nonce."""
    authenticator = alice()
    assert authenticator.answer(407, [asked("p", "proxy.test")])
    sent(authenticator)
    assert authenticator.answer(401, [asked("s", "server.test")])
    params = sent(authenticator)
    assert params["Proxy-Authorization"]["nonce"] == "p"
    assert params["Proxy-Authorization"]["nc"] == "00000002"
    assert params["Authorization"]["nonce"] == "s"
    assert params["Authorization"]["nc"] == "00000001"
    assert not authenticator.answer(407, [asked("p2", "proxy.test")])


def test_peers_that_think_of_new_realms_are_left():
    """A chain of proxies is short; every answer is a request that somebody pays for."""
    authenticator = alice()
    tries = 0
    while authenticator.answer(407, [asked(f"n{tries}", f"realm{tries}")]):
        sent(authenticator)
        tries += 1
        assert tries < 10
    assert tries == 6


def test_credentials_for_one_realm():
    """Another realm gets nothing; of two the right one is answered. Without credentials all is hopeless."""
    authenticator = Authenticator(Credentials(username="a", password="b", realm="example.com"))
    assert not authenticator.answer(401, [asked(realm="evil.test")])
    assert authenticator.answer(401, [asked(realm="evil.test"), asked()])
    assert [params["realm"] for params in sent(authenticator).values()] == ["example.com"]
    nobody = Authenticator(None)
    assert not nobody.answer(401, [asked()])
    assert nobody.headers("INVITE", "sip:x@example.com", b"") == ()


def test_nothing_shows_the_password():
    """Neither the credentials nor what holds them."""
    authenticator = alice()
    authenticator.answer(401, [asked()])
    assert "wonderland" not in repr(MINE) + repr(authenticator) + str(authenticator.headers("INVITE", "sip:x", b""))


def test_the_next_nonce_is_used():
    """RFC 7616, section 3.5: the server names it itself; the count begins anew."""
    authenticator = alice()
    assert authenticator.answer(401, [asked()])
    sent(authenticator)
    authenticator.accepted(['nextnonce="n9", qop=auth, rspauth="x"'])
    params = sent(authenticator)["Authorization"]
    assert (params["nonce"], params["nc"]) == ("n9", "00000001")


def through(cache, challenge=None):
    """Place a call through a proxy that takes it; return whether it was asked, and the last nonce and count sent."""
    authenticator = alice(cache=cache)
    params = sent(authenticator)
    if challenge is not None:
        assert authenticator.answer(407, [challenge])
        params = sent(authenticator)
    authenticator.accepted()
    proxy = params.get("Proxy-Authorization", {})
    return proxy.get("nonce"), proxy.get("nc")


def test_calls_share_a_nonce_that_is_taken():
    """After one call was challenged the next ones carry credentials at once, and count on."""
    cache = NonceCache()
    assert through(cache, asked()) == ("n1", "00000001")
    assert through(cache) == ("n1", "00000002")
    assert through(cache) == ("n1", "00000003")
    assert through(cache, asked("n2", stale="true")) == ("n2", "00000001")
    assert through(cache) == ("n2", "00000002")


def test_a_proxy_that_refuses_a_shared_nonce_is_asked_first():
    """Without stale at once, with it after some times in a row; the call goes through all the same."""
    cache = NonceCache()
    through(cache, asked())
    assert through(cache, asked("n2")) == ("n2", "00000001")
    assert through(cache) == (None, None)
    once = NonceCache()
    through(once, asked())
    for number in range(2, 5):
        assert through(once, asked(f"n{number}", stale="true")) == (f"n{number}", "00000001")
    assert through(once) == (None, None)


def test_nothing_is_shared_before_it_was_taken():
    """A password that is refused is not sent by the next call without being asked."""
    cache = NonceCache()
    authenticator = alice(cache=cache)
    assert authenticator.answer(407, [asked()])
    sent(authenticator)
    assert not authenticator.answer(407, [asked("n2")])
    authenticator.accepted()
    assert through(cache) == (None, None)


@given(st.lists(st.text(max_size=60) | st.sampled_from([asked(), asked("n2"), asked("n3", stale="true")]), max_size=4))
def test_challenges_never_break_it(challenges):
    """Whatever comes, what is sent has no line break."""
    authenticator = alice()
    for status in (401, 407):
        authenticator.answer(status, challenges)
        for _, value in authenticator.headers("INVITE", "sip:x@example.com", b""):
            assert "\r" not in value
            assert "\n" not in value
