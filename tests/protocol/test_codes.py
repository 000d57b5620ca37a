import pytest

from swarmp2p.errors import LocalProtocolError
from swarmp2p.protocol.codes import treat
from swarmp2p.wire.registry import Code


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, Code.OK),
        (2, Code.NOT_FOUND),
        (19, Code.RETRY),
        (63, Code.RETRY),
        (64, Code.INTERNAL),
        (66, Code.INTERNAL),
        (95, Code.INTERNAL),
        (98, Code.TIMEOUT),
        (99, Code.TOO_LARGE),
        (127, Code.TOO_LARGE),
        (128, Code.INTERNAL),
        (255, Code.INTERNAL),
    ],
)
def test_a_code__counts_as_the_lowest_of_its_class_when_unknown(code, expected):
    assert treat(code) is expected


@pytest.mark.parametrize("code", [-1, 256])
def test_a_code__is_one_byte(code):
    with pytest.raises(LocalProtocolError, match="no byte"):
        treat(code)
