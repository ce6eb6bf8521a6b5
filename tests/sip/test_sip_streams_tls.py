"""Connections over TLS: certificate and name checked, opened and accepted."""

import ssl

import pytest
import trio
from dialerd_sip.core.flow import Transport
from dialerd_sip.shell.endpoint import endpoint_at
from dialerd_sip.shell.errors import FlowError
from dialerd_sip.shell.tls import Security
from sip_peers import accept, certificate, dial, message, tcp_peer, tidy

BIND = "127.0.0.1:0"

__all__ = ["tidy"]


@pytest.fixture(scope="session")
def sip_certificate(tmp_path_factory):
    """Return the files of a certificate for sip.example.com, and its key's."""
    return certificate(tmp_path_factory.mktemp("certificates"), "sip.example.com")


async def serve(listener, files) -> trio.SSLStream:
    """Return a far end's side of a TLS connection; its handshake is done with its first byte."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return trio.SSLStream(await accept(listener), context, server_side=True)


async def test_messages_are_sealed_both_ways(clock, sip_certificate):
    """With the right name and authority messages go both ways, and keep-alives too."""
    listener, flow = await tcp_peer(Transport.TLS, "sip.example.com")
    async with endpoint_at(BIND) as endpoint, trio.open_nursery() as nursery:
        endpoint.ua.trust("main", frozenset({"127.0.0.1"}))
        nursery.start_soon(endpoint.open, flow, Security(ca=sip_certificate[0]))
        peer = await serve(listener, sip_certificate)
        await peer.do_handshake()
        assert peer.version() >= "TLSv1.2"
        await peer.send_all(message())
        assert (await peer.receive_some()).startswith(b"SIP/2.0 200")
        assert await peer.receive_some() == b"\r\n\r\n"


@pytest.mark.parametrize(
    ("name", "known"), [("other.example.com", True), ("127.0.0.1", True), ("sip.example.com", False)]
)
async def test_certificates_that_are_not_to_be_trusted(clock, sip_certificate, name, known):
    """A certificate for another name, or of an unknown authority, is refused with words."""
    listener, flow = await tcp_peer(Transport.TLS, name)

    async def shake():
        peer = await serve(listener, sip_certificate)
        with pytest.raises(trio.BrokenResourceError):
            await peer.receive_some()

    async with endpoint_at(BIND) as endpoint, trio.open_nursery() as nursery:
        nursery.start_soon(shake)
        with pytest.raises(FlowError, match="not to be trusted"):
            await endpoint.open(flow, Security(ca=sip_certificate[0] if known else None))
        assert endpoint.counts["tcp_opened"] == 0


async def test_a_handshake_that_hangs_is_given_up(clock, sip_certificate):
    """A peer that takes the connection and says nothing costs four seconds."""
    _, flow = await tcp_peer(Transport.TLS, "sip.example.com")
    async with endpoint_at(BIND) as endpoint:
        began = trio.current_time()
        with pytest.raises(FlowError, match="no answer within 4 s"):
            await endpoint.open(flow, Security(ca=sip_certificate[0]))
        assert trio.current_time() - began == pytest.approx(4, abs=0.2)


async def test_files_that_cannot_be_used(clock, tmp_path):
    """A missing or empty file is named in the error."""
    _, flow = await tcp_peer(Transport.TLS, "sip.example.com")
    (tmp_path / "empty.pem").write_text("")
    async with endpoint_at(BIND) as endpoint:
        with pytest.raises(FlowError, match="tls_ca"):
            await endpoint.open(flow, Security(ca=str(tmp_path / "missing.pem")))
        with pytest.raises(FlowError, match="tls_certificate"):
            await endpoint.open(flow, Security(certificate=str(tmp_path / "empty.pem")))
    with pytest.raises(FlowError, match="tls_certificate"):
        async with endpoint_at(BIND, None, Security(certificate=str(tmp_path / "empty.pem"))):
            raise AssertionError


async def test_tls_is_accepted_beside_tcp(clock, sip_certificate):
    """With a certificate far ends may open TLS connections at the same port; without one they are turned away."""
    context = ssl.create_default_context(cafile=sip_certificate[0])
    async with endpoint_at(BIND, None, Security(certificate=sip_certificate[0], key=sip_certificate[1])) as endpoint:
        endpoint.ua.trust("main", frozenset({"127.0.0.1"}))
        peer = trio.SSLStream(await dial(endpoint.port), context, server_hostname="sip.example.com")
        await peer.send_all(message("sealed", branch="z9hG4bKsealed"))
        assert (await peer.receive_some()).startswith(b"SIP/2.0 200")
        plain = await dial(endpoint.port)
        await plain.send_all(message())
        assert (await plain.receive_some()).startswith(b"SIP/2.0 200")
    async with endpoint_at(BIND) as endpoint:
        endpoint.ua.trust("main", frozenset({"127.0.0.1"}))
        peer = trio.SSLStream(await dial(endpoint.port), context, server_hostname="sip.example.com")
        with pytest.raises(trio.BrokenResourceError):
            await peer.send_all(message())
