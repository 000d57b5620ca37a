"""Frames: 02-encoding.md, "Frames" and "Rules for frames". Bodies are not looked into here."""

import inputs
from refusal import Refusal

MAX_CONTROL_FRAME = 65536
FRAME_PREFIX_BYTES = 4


def new():
    """A decoder. States are LENGTH, BODY, RAW, END and DEAD; `await`: bytes until the next."""
    return {"buffer": b"", "state": "LENGTH", "await": FRAME_PREFIX_BYTES, "code": None}


def feed(decoder, data):
    if decoder["state"] not in ("DEAD", "END"):
        decoder["buffer"] += data


def dead(decoder, code):
    decoder["state"] = "DEAD"
    decoder["code"] = code


def pull(decoder):
    """The next whole body or raw piece, or None. Its reader may `announce` before it pulls on."""
    if decoder["state"] in ("DEAD", "END") or len(decoder["buffer"]) < decoder["await"]:
        return None
    piece = decoder["buffer"][: decoder["await"]]
    decoder["buffer"] = decoder["buffer"][decoder["await"] :]
    if decoder["state"] == "LENGTH":
        total = int.from_bytes(piece, "big")
        if total > MAX_CONTROL_FRAME:  # ENC-011
            return dead(decoder, "TOO_LARGE")
        if total < FRAME_PREFIX_BYTES + 1:  # ENC-012
            return dead(decoder, "MALFORMED")
        decoder["state"] = "BODY"
        decoder["await"] = total - FRAME_PREFIX_BYTES
        return pull(decoder)
    decoder["state"] = "LENGTH"
    decoder["await"] = FRAME_PREFIX_BYTES
    return piece


def announce(decoder, count):
    """The body just pulled says that `count` raw bytes follow; none, if 0."""
    if count > 0:
        decoder["state"] = "RAW"
        decoder["await"] = count


def finish(decoder):
    """The stream ends here: END, or the code of what was broken off."""
    if decoder["state"] == "LENGTH" and not decoder["buffer"]:
        decoder["state"] = "END"
    elif decoder["state"] not in ("DEAD", "END"):  # ENC-013
        dead(decoder, "MALFORMED")


def encode(body):
    if not body or len(body) + FRAME_PREFIX_BYTES > MAX_CONTROL_FRAME:  # ENC-015
        raise Refusal("REFUSED")
    return (len(body) + FRAME_PREFIX_BYTES).to_bytes(4, "big") + body


def op_decode(given):
    parts = [inputs.to_bytes(part) for part in inputs.array(given, "parts")]
    raw = [inputs.to_int(count) for count in inputs.array(given, "raw")]
    eof = inputs.get(given, "eof")
    decoder, items, bodies = new(), [], 0
    for part in parts:  # ENC-014: the cuts do not matter
        feed(decoder, part)
        while True:
            was_raw = decoder["state"] == "RAW"
            piece = pull(decoder)
            if piece is None:
                break
            items.append(piece.hex())
            if not was_raw:
                announce(decoder, raw[bodies] if bodies < len(raw) else 0)
                bodies += 1
    if eof:
        finish(decoder)
    end = decoder["code"] or ("END" if decoder["state"] == "END" else "OPEN")
    return {"items": items, "end": end}


def op_encode(given):
    return {"data": encode(inputs.get_bytes(given, "body")).hex()}


OPERATIONS = {"frames.decode": op_decode, "frames.encode": op_encode}
