"""The chunk protocol: 07-chunks.md, requests, replies and both machines."""

import blobs
import codes
import frames
import inputs
import messages
import values
from refusal import Refusal

MAX_CHUNKS = 8192
MAX_CHUNK_BYTES = 2097152
MAX_PROOF_NODES = 13
MAX_CHUNKS_IN_FLIGHT = 16
FIRST_BYTE_SECONDS = 5
CHUNK_SECONDS = 40


def decode_request(data):
    value = values.decode(data)
    messages.closed(value, ["i", "r"])
    messages.uint(value["i"], 0, MAX_CHUNKS - 1)
    messages.sized(value["r"])
    return {"index": value["i"], "root": value["r"]}


def encode_request(request):
    return messages.encode({"i": request["index"], "r": request["root"]}, decode_request)


def decode_reply(data):
    value = values.decode(data)
    messages.closed(value, ["c", "i", "p", "r", "s"])
    messages.uint(value["c"], 0, 255)
    messages.uint(value["i"], 0, MAX_CHUNKS - 1)
    messages.many(value["p"], list, MAX_PROOF_NODES)
    for sibling in value["p"]:
        messages.sized(sibling)
    messages.sized(value["r"])
    messages.uint(value["s"], 0, MAX_CHUNK_BYTES)
    if value["c"] == 0 and value["s"] == 0:  # CHUNK-008: bytes with OK
        raise Refusal("MALFORMED")
    if value["c"] != 0 and (value["s"] != 0 or value["p"]):  # CHUNK-008: neither bytes nor a proof
        raise Refusal("MALFORMED")
    return {
        "code": value["c"],
        "index": value["i"],
        "proof": value["p"],
        "root": value["r"],
        "size": value["s"],
    }


def encode_reply(reply):
    value = {
        "c": reply["code"],
        "i": reply["index"],
        "p": reply["proof"],
        "r": reply["root"],
        "s": reply["size"],
    }
    return messages.encode(value, decode_reply)


def reply_frame(code, request, proof, size):
    reply = {**request, "code": code, "proof": proof, "size": size}
    return frames.encode(encode_reply(reply))


def answer(provider, request):
    """The whole answer to one request: a frame and, with OK, the chunk."""
    if request["root"] in provider["hidden"]:  # CHUNK-012
        return reply_frame(codes.NUMBERS["RETRY"], request, [], 0)
    chunks = provider["blobs"].get(request["root"])
    if chunks is None or request["index"] >= len(chunks):  # CHUNK-014
        return reply_frame(codes.NUMBERS["NOT_FOUND"], request, [], 0)
    chunk = chunks[request["index"]]
    return reply_frame(0, request, blobs.proof(chunks, request["index"]), len(chunk)) + chunk


def provider_close(provider, code):
    """What is unanswered stays so."""
    provider["open"], provider["closed"], provider["close"] = [], True, code


def provider_receive(provider, data):
    frames.feed(provider["decoder"], data)
    while not provider["closed"]:
        body = frames.pull(provider["decoder"])
        if provider["decoder"]["state"] == "DEAD":  # ENC-011, ENC-012
            provider_close(provider, provider["decoder"]["code"])
        elif body is None:
            return
        else:
            provider_request(provider, body)


def provider_request(provider, body):
    try:
        request = decode_request(body)
    except Refusal as refusal:  # only what decodes is a request
        provider_close(provider, refusal.code)
        return
    if len(provider["open"]) >= MAX_CHUNKS_IN_FLIGHT:  # CHUNK-011
        provider_close(provider, "TOO_MANY")
    else:
        provider["open"].append(request)


def provider_step(provider, given):
    """What was sent in this step."""
    if provider["closed"]:
        return b""
    if "receive" in given:
        provider_receive(provider, inputs.get_bytes(given, "receive"))
    elif "end" in given:
        frames.finish(provider["decoder"])
        if provider["decoder"]["state"] == "DEAD":  # ENC-013
            provider_close(provider, provider["decoder"]["code"])
    elif "timer" not in given:
        raise Refusal("REFUSED")
    if given.get("busy") is True:
        return b""
    sent = b"".join(answer(provider, request) for request in provider["open"])  # CHUNK-009
    provider["open"] = []
    return sent


def op_provider(given):
    provider = {"blobs": {}, "decoder": frames.new(), "open": [], "closed": False, "close": None}
    for blob in inputs.arrays(given, "blobs"):
        chunks = [inputs.to_bytes(chunk) for chunk in blob]
        provider["blobs"][blobs.root(chunks)] = chunks
    provider["hidden"] = [inputs.to_bytes(root) for root in inputs.array(given, "hidden")]
    log = [{"sent": "", "close": None}]
    for step in inputs.steps(given):
        sent = provider_step(provider, step)
        log.append({"sent": sent.hex(), "close": provider["close"]})
        provider["close"] = None
    return {"log": log}


def new_getter(given):
    sizes = [inputs.to_int(size, 1, MAX_CHUNK_BYTES) for size in inputs.array(given, "sizes")]
    if not 1 <= len(sizes) <= MAX_CHUNKS:
        raise Refusal("REFUSED")
    want = [inputs.to_int(index, 0, len(sizes) - 1) for index in inputs.array(given, "want")]
    if len(set(want)) < len(want):
        raise Refusal("REFUSED")
    window = inputs.integer(given, "window", 1, MAX_CHUNKS_IN_FLIGHT)  # CHUNK-011
    return {
        "root": inputs.get_bytes(given, "root", 32),
        "sizes": sizes,
        "want": want,
        "window": window,
        "open": [],
        "decoder": frames.new(),
        "payload": None,
        "byte": False,
        "since": 0,
        "over": False,
        "events": [],
        "close": None,
    }


def getter_send(getter):
    """Requests up to the window; a refused chunk is not asked for again (CHUNK-020)."""
    sent = b""
    while not getter["over"] and getter["want"] and len(getter["open"]) < getter["window"]:
        index = getter["want"].pop(0)
        getter["open"].append(index)
        sent += frames.encode(encode_request({"index": index, "root": getter["root"]}))
    return sent


def getter_done(getter):
    if not getter["over"] and not getter["open"] and not getter["want"]:
        getter["over"] = True
        getter["events"].append({"done": True})


def getter_close(getter, code):
    getter["over"], getter["close"] = True, code


def getter_reply(getter, body, at):
    """A whole frame in state WAITING."""
    reply = decode_reply(body)  # rules of messages, CHUNK-008
    asked = {"root": getter["root"], "index": getter["open"][0] if getter["open"] else None}
    if {"root": reply["root"], "index": reply["index"]} != asked:  # CHUNK-010
        raise Refusal("UNEXPECTED")
    if reply["code"] != 0:
        event = {"refused": getter["open"].pop(0), "code": codes.treat(reply["code"])}
        getter["events"].append(event)
        getter["since"] = at
        return
    if reply["size"] != getter["sizes"][reply["index"]]:  # CHUNK-003
        raise Refusal("BAD_PROOF")
    getter["payload"] = reply
    frames.announce(getter["decoder"], reply["size"])


def getter_payload(getter, data, at):
    """All raw bytes of the oldest open request."""
    reply, getter["payload"] = getter["payload"], None
    count = len(getter["sizes"])  # CHUNK-005: never taken from the provider
    blobs.verify(getter["root"], count, reply["index"], data, reply["proof"])  # CHUNK-006
    getter["events"].append({"verified": getter["open"].pop(0)})
    getter["since"] = at


def getter_receive(getter, data, at):
    if data:
        getter["byte"] = True
    frames.feed(getter["decoder"], data)
    while not getter["over"]:
        piece = frames.pull(getter["decoder"])
        if getter["decoder"]["state"] == "DEAD":  # ENC-011, ENC-012
            return getter_close(getter, getter["decoder"]["code"])
        if piece is None:
            return None
        try:
            if getter["payload"] is None:
                getter_reply(getter, piece, at)
            else:
                getter_payload(getter, piece, at)
        except Refusal as refusal:
            return getter_close(getter, refusal.code)
        getter_done(getter)
    return None


def getter_deadline(getter):
    """From the last whole answer or the opening: short as long as no byte has come, else long."""
    if getter["over"] or not getter["open"]:
        return None
    return getter["since"] + (CHUNK_SECONDS if getter["byte"] else FIRST_BYTE_SECONDS)


def getter_step(getter, given):
    at = inputs.get(given, "at")
    if getter["over"]:  # what arrives after DONE or CLOSED is not read
        return
    if "receive" in given:
        getter_receive(getter, inputs.get_bytes(given, "receive"), at)
    elif "end" in given:
        getter_close(getter, "UNEXPECTED")  # CHUNK-020, also inside a frame or a payload
    elif "timer" in given:
        if getter_deadline(getter) is not None and at >= getter_deadline(getter):
            getter_close(getter, "TIMEOUT")  # CHUNK-020
    else:
        raise Refusal("REFUSED")


def op_getter(given):
    getter = new_getter(given)
    log = []
    for step in [None] + inputs.steps(given):
        if step is not None:
            getter_step(getter, step)
        else:
            getter_done(getter)
        sent = getter_send(getter)
        log.append(
            {
                "sent": sent.hex(),
                "events": getter["events"],
                "close": getter["close"],
                "deadline": getter_deadline(getter),
            }
        )
        getter["events"], getter["close"] = [], None
    return {"log": log}


def request_from_json(given):
    return {"index": inputs.integer(given, "index"), "root": inputs.get_bytes(given, "root")}


def op_request_decode(given):
    request = decode_request(inputs.get_bytes(given, "data"))
    return {"index": request["index"], "root": request["root"].hex()}


def op_reply_decode(given):
    reply = decode_reply(inputs.get_bytes(given, "data"))
    proof = [sibling.hex() for sibling in reply["proof"]]
    return {**reply, "root": reply["root"].hex(), "proof": proof}


def op_reply_encode(given):
    reply = request_from_json(given)
    reply["code"], reply["size"] = inputs.integer(given, "code"), inputs.integer(given, "size")
    reply["proof"] = [inputs.to_bytes(sibling) for sibling in inputs.array(given, "proof")]
    return {"data": encode_reply(reply).hex()}


OPERATIONS = {
    "chunk_request.decode": op_request_decode,
    "chunk_request.encode": lambda given: {"data": encode_request(request_from_json(given)).hex()},
    "chunk_reply.decode": op_reply_decode,
    "chunk_reply.encode": op_reply_encode,
    "provider.machine": op_provider,
    "getter.machine": op_getter,
}
