"""Update manifest, commitment and run manifest: 08-rounds.md."""

import hashlib
import re

import identities
import inputs
import messages
import values
from refusal import Refusal

MAX_METRICS = 16
MAX_WEIGHT = 2**32 - 1
MAX_RUN_MANIFEST_BYTES = 65536
RUN_VERSION = 3
RUN_KEYS = [
    "audit_rounds",
    "checks",
    "encoding",
    "finality",
    "init",
    "merge",
    "min_peers",
    "name",
    "options",
    "privacy",
    "rounds",
    "schema",
    "sync_every",
    "topology",
    "version",
    "weights",
    "windows",
]
UPDATE_KEYS = {
    "b": "base_digest",
    "e": "encoding",
    "h": "schema_hash",
    "m": "metrics",
    "r": "root",
    "s": "salt",
    "w": "weight",
}
INTEGER_RULES = ["max", "min", "median", "base"]
WINDOWS = ["commit", "depth", "exchange", "hi", "lo"]
HASHES = ["base_digest", "schema_hash", "root", "salt"]


def decode_update(data):
    value = values.decode(data)
    messages.closed(value, list(UPDATE_KEYS))
    messages.sized(value["b"])
    messages.uint(value["e"], 1, 4)  # a registered encoding
    messages.sized(value["h"])
    messages.many(value["m"], dict, MAX_METRICS)
    for name, metric in value["m"].items():
        if not re.fullmatch(r"[A-Za-z0-9_./-]{1,32}", name):  # ENC-010
            raise Refusal("MALFORMED")
        messages.uint(metric)
    messages.sized(value["r"])
    messages.sized(value["s"])
    messages.uint(value["w"], 1, MAX_WEIGHT)
    return {field: value[key] for key, field in UPDATE_KEYS.items()}


def encode_update(manifest):
    return messages.encode(
        {key: manifest[field] for key, field in UPDATE_KEYS.items()}, decode_update
    )


def commitment(domain, round_number, attempt, sender, manifest):
    numbers = round_number.to_bytes(8, "big") + attempt.to_bytes(4, "big")
    hashes = b"".join(manifest[name] for name in HASHES)
    return hashlib.sha256(b"swarmp2p/v1/commit\0" + domain + numbers + sender + hashes).digest()


def constant(value):
    """A constant in `params` and `options`."""
    if isinstance(value, dict):
        for entry in value.values():
            constant(entry)
    elif isinstance(value, list):
        tagged(value)
    elif value is None or isinstance(value, bytes):  # ROUND-065: a constant that is none
        raise Refusal("MALFORMED")


def tagged(value):
    """One of three arrays."""
    if len(value) != 2 or value[0] not in ("f64", "neg", "list"):  # ROUND-065
        raise Refusal("MALFORMED")
    if value[0] == "f64":
        messages.uint(value[1])
        if value[1] >> 52 & 0x7FF == 0x7FF:  # ROUND-065: not finite
            raise Refusal("MALFORMED")
    elif value[0] == "neg":
        messages.uint(value[1], 1)
    else:
        messages.many(value[1], list, values.MAX_ITEMS)
        for entry in value[1]:
            constant(entry)


def constants(value):
    if not isinstance(value, dict):  # ENC-010
        raise Refusal("MALFORMED")
    constant(value)


def check_merge(value):
    messages.closed(value, ["integers", "optimiser", "params", "rule"])  # ROUND-065: a message, too
    messages.one_of(value["integers"], INTEGER_RULES)
    check_optimiser(value["optimiser"])
    constants(value["params"])
    messages.text(value["rule"], 1, 64)


def check_optimiser(value):
    messages.closed(value, ["name", "params"])  # ROUND-065: a message, too
    messages.text(value["name"], 1, 64)  # ROUND-064 judges whether there is one of this name
    constants(value["params"])


def check_windows(value):
    messages.closed(value, WINDOWS)  # ROUND-065: a message, too
    for name in WINDOWS:
        messages.uint(value[name], 0 if name == "depth" else 1, 2**20)
    if value["lo"] > value["hi"]:  # ENC-018: a rule that compares fields comes last
        raise Refusal("MALFORMED")


def decode_run(data):
    value = values.decode(data, MAX_RUN_MANIFEST_BYTES)  # ROUND-065
    if not isinstance(value, dict):  # ENC-018
        raise Refusal("MALFORMED")
    messages.uint(value.get("version"))  # ROUND-065: absent or no integer
    if value["version"] != RUN_VERSION:  # ROUND-065, VER-003
        raise Refusal("WRONG_VERSION")
    messages.closed(value, RUN_KEYS)
    messages.uint(value["audit_rounds"], 0, 2**32 - 1)
    messages.uint(value["checks"], 0, 64)
    messages.one_of(value["encoding"], ["fp32", "bf16", "fp16", "int8"])
    messages.one_of(value["finality"], ["depth", "finalized"])
    messages.one_of(value["init"], ["zeros", "genesis"])
    check_merge(value["merge"])
    messages.uint(value["min_peers"], 0, 64)
    if value["min_peers"] == 1:  # ENC-010: 0, or 2 to 64
        raise Refusal("MALFORMED")
    messages.text(value["name"], 1, 255)
    constants(value["options"])
    messages.one_of(value["privacy"], ["robust"])
    messages.uint(value["rounds"], 1, 2**32 - 1)
    messages.sized(value["schema"])
    messages.uint(value["sync_every"], 1, 2**32 - 1)
    messages.one_of(value["topology"], ["mesh"])
    messages.one_of(value["weights"], ["declared", "uniform"])
    check_windows(value["windows"])
    return value


def run_to_json(value):
    result = {name: value[name] for name in RUN_KEYS}
    merge = value["merge"]
    optimiser = merge["optimiser"]
    result["merge"] = {
        **merge,
        "optimiser": {**optimiser, "params": values.to_json(optimiser["params"])},
        "params": values.to_json(merge["params"]),
    }
    result["options"] = values.to_json(value["options"])
    result["schema"] = value["schema"].hex()
    return result


def plain_field(given, name):
    """A field that is a JSON number or text."""
    field = inputs.get(given, name)
    return inputs.text(given, name) if isinstance(field, str) else inputs.to_int(field)


def merge_from_json(given):
    optimiser = inputs.get(given, "optimiser")
    return {
        "integers": inputs.text(given, "integers"),
        "optimiser": {
            "name": inputs.text(optimiser, "name"),
            "params": values.from_json(inputs.get(optimiser, "params")),
        },
        "params": values.from_json(inputs.get(given, "params")),
        "rule": inputs.text(given, "rule"),
    }


def run_from_json(given):
    result = {}
    for name in RUN_KEYS:
        if name == "merge":
            result["merge"] = merge_from_json(inputs.get(given, "merge"))
        elif name == "options":
            result["options"] = values.from_json(inputs.get(given, "options"))
        elif name == "schema":
            result["schema"] = inputs.get_bytes(given, "schema")
        elif name == "windows":
            windows = inputs.get(given, "windows")
            result["windows"] = {key: inputs.integer(windows, key) for key in WINDOWS}
        else:
            result[name] = plain_field(given, name)
    return result


def update_to_json(manifest):
    result = {name: value.hex() if name in HASHES else value for name, value in manifest.items()}
    result["metrics"] = {name: str(metric) for name, metric in manifest["metrics"].items()}
    return result


def update_from_json(given):
    metrics = inputs.get(given, "metrics")
    if not isinstance(metrics, dict):
        raise Refusal("REFUSED")
    result = {name: inputs.get_bytes(given, name) for name in HASHES}
    result["metrics"] = {name: inputs.to_u64(metric) for name, metric in metrics.items()}
    result["encoding"], result["weight"] = (
        inputs.integer(given, "encoding"),
        inputs.integer(given, "weight"),
    )
    return result


def op_update_decode(given):
    return update_to_json(decode_update(inputs.get_bytes(given, "data")))


def op_run_decode(given):
    data = inputs.get_bytes(given, "data")
    return {**run_to_json(decode_run(data)), "run_id": identities.run_id(data).hex()}


def op_run_encode(given):
    data = messages.encode(run_from_json(given), decode_run)
    return {"data": data.hex(), "run_id": identities.run_id(data).hex()}


def op_commitment(given):
    manifest = {name: inputs.get_bytes(given, name, 32) for name in HASHES}
    sender, domain = inputs.get_bytes(given, "sender", 32), inputs.get_bytes(given, "domain", 32)
    attempt = inputs.integer(given, "attempt", 0, 2**32 - 1)
    round_number = inputs.u64(given, "round")
    return {"commitment": commitment(domain, round_number, attempt, sender, manifest).hex()}


OPERATIONS = {
    "update_manifest.decode": op_update_decode,
    "update_manifest.encode": lambda given: {"data": encode_update(update_from_json(given)).hex()},
    "run_manifest.decode": op_run_decode,
    "run_manifest.encode": op_run_encode,
    "commitment.compute": op_commitment,
}
