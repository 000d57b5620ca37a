"""What an answer code of the other side means to us (spec/11-errors)."""

from swarmp2p.errors import LocalProtocolError
from swarmp2p.wire.registry import Code

_KNOWN = frozenset(int(code) for code in Code)


def treat(code: int) -> Code:
    """The known code that `code` is acted on as. No private codes are agreed on in this version.

    ERR-002: an unknown code counts as the lowest of its class; a private one as INTERNAL. Raises
    LocalProtocolError for what is no byte.
    """
    if not 0 <= code <= 255:
        raise LocalProtocolError(f"code {code} is no byte")
    if code in _KNOWN:
        return Code(code)
    if code <= 63:
        return Code.RETRY
    if code <= 95 or code >= 128:
        return Code.INTERNAL
    return Code.TOO_LARGE
