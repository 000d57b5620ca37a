"""Hello: 05-hello.md, the message and the machine."""

import re

import frames
import inputs
import messages
import values
from refusal import Refusal

FIRST_BYTE_SECONDS = 5
HANDSHAKE_SECONDS = 10
MAX_EXTENSIONS = 32


def decode(data):
    value = values.decode(data)  # ENC-018: all rules for a value first
    messages.closed(value, ["a", "d", "e", "k", "v"])
    messages.text(value["a"], 0, 64)
    if not re.fullmatch(r"[ -~]*", value["a"]):  # ENC-010: printable ASCII
        raise Refusal("MALFORMED")
    messages.sized(value["d"], 32)
    messages.many(value["e"], list, MAX_EXTENSIONS)
    for extension in value["e"]:
        messages.uint(extension, 0, 2**32 - 1)
    for before, after in zip(value["e"], value["e"][1:]):
        if after <= before:  # ENC-010: rising strictly
            raise Refusal("NOT_CANONICAL")
    messages.uint(value["k"])
    messages.uint(value["v"], 0, 65535)
    return {
        "agent": value["a"],
        "domain": value["d"],
        "extensions": value["e"],
        "key_epoch": value["k"],
        "wire_version": value["v"],
    }


def encode(hello):
    value = {
        "a": hello["agent"],
        "d": hello["domain"],
        "e": hello["extensions"],
        "k": hello["key_epoch"],
        "v": hello["wire_version"],
    }
    return messages.encode(value, decode)


def from_json(given):
    return {
        "agent": inputs.text(given, "agent"),
        "domain": inputs.get_bytes(given, "domain"),
        "extensions": [inputs.to_int(number) for number in inputs.array(given, "extensions")],
        "key_epoch": inputs.u64(given, "key_epoch"),
        "wire_version": inputs.integer(given, "wire_version"),
    }


def to_json(hello):
    return {**hello, "domain": hello["domain"].hex(), "key_epoch": str(hello["key_epoch"])}


def start(role, own):
    """The stream is open: the initiator writes at once."""
    machine = {
        "role": role,
        "own": own,
        "state": "WAITING",
        "decoder": frames.new(),
        "byte": False,
        "sent": b"",
        "close": None,
    }
    hello = frames.encode(encode(own))  # bounds, for both roles
    if role == "initiator":  # HELLO-001
        machine["sent"] = hello
    return machine


def deadline(machine):
    if machine["state"] != "WAITING":  # HELLO-007: no timer runs in DONE or FAILED
        return None
    return HANDSHAKE_SECONDS if machine["byte"] else FIRST_BYTE_SECONDS


def fail(machine, code):
    machine["state"] = "FAILED"
    machine["close"] = code


def agrees(machine, body):
    hello = decode(body)  # HELLO-002
    if hello["wire_version"] != machine["own"]["wire_version"]:  # HELLO-005
        raise Refusal("WRONG_VERSION")
    if hello["domain"] != machine["own"]["domain"]:  # HELLO-005
        raise Refusal("WRONG_DOMAIN")


def done(machine):
    """A hello agrees; what is written now stays so, whatever is found behind it."""
    machine["state"] = "DONE"
    if machine["role"] == "responder":  # HELLO-001
        machine["sent"] += frames.encode(encode(machine["own"]))


def receive(machine, data):
    """Frame by frame: how the bytes were cut shows nowhere."""
    if data:
        machine["byte"] = True
    frames.feed(machine["decoder"], data)
    while machine["state"] != "FAILED":
        body = frames.pull(machine["decoder"])
        if machine["decoder"]["state"] == "DEAD":  # ENC-011, ENC-012, in HELLO-002 and HELLO-004
            fail(machine, machine["decoder"]["code"])
        elif body is None:
            return
        elif machine["state"] == "DONE":  # HELLO-004
            fail(machine, "UNEXPECTED")
        else:
            try:
                agrees(machine, body)
            except Refusal as refusal:  # HELLO-002, HELLO-005
                fail(machine, refusal.code)
            else:
                done(machine)


def step(machine, given):
    at = inputs.get(given, "at")
    if machine["state"] == "FAILED":  # nothing more is read
        return
    if "receive" in given:
        receive(machine, inputs.get_bytes(given, "receive"))
    elif "end" in given:
        if machine["state"] == "WAITING":  # HELLO-006
            fail(machine, "MALFORMED")
    elif "timer" in given:
        if deadline(machine) is not None and at >= deadline(machine):  # HELLO-007
            fail(machine, "TIMEOUT")
    else:
        raise Refusal("REFUSED")


def entry(machine):
    """One entry of the log; bytes and a code are said once."""
    result = {
        "sent": machine["sent"].hex(),
        "state": machine["state"],
        "close": machine["close"],
        "deadline": deadline(machine),
    }
    machine["sent"], machine["close"] = b"", None
    return result


def op_machine(given):
    role = inputs.text(given, "role")
    if role not in ("initiator", "responder"):
        raise Refusal("REFUSED")
    machine = start(role, from_json(inputs.get(given, "own")))
    log = [entry(machine)]
    for given_step in inputs.steps(given):
        step(machine, given_step)
        log.append(entry(machine))
    return {"log": log}


OPERATIONS = {
    "hello.decode": lambda given: to_json(decode(inputs.get_bytes(given, "data"))),
    "hello.encode": lambda given: {"data": encode(from_json(given)).hex()},
    "hello.machine": op_machine,
}
