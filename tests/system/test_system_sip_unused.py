"""Who does not dial over SIP does not pay for it."""

import pytest
from test_system_twilio_unused import loaded

pytestmark = pytest.mark.system


def test_without_a_trunk_over_sip_neither_sound_nor_dns_is_loaded(place):
    """numpy and libsndfile alone take 30 MiB and a quarter of a second; the options, which check themselves, do not."""
    place.configure()
    modules = loaded(place)
    assert "dialerd_sip.options" in modules
    assert not {"numpy", "soundfile", "soxr", "dns", "dialerd_sip.provider", "dialerd_sip.core.ua"} & modules
