"""A runner of the operation `toy.length`, sound but for one planted defect in one case.

python toy_runner.py [DEFECT [CASE]]
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

NASTY = "\x1b]0;owned\x07\x1b[2J\x9b1m\u202e\x00\x7f"
DEFECT, WHERE = (*sys.argv[1:3], "", "")[:2]


def sound(case):
    data = case["input"]["data"]
    if len(data) % 2:
        return {"id": case["id"], "error": "MALFORMED"}
    return {"id": case["id"], "output": {"size": len(data) // 2, "empty": not data}}


def say(*replies, end="\n"):
    text = "".join(
        (reply if isinstance(reply, str) else json.dumps(reply)) + end for reply in replies
    )
    sys.stdout.write(text)
    sys.stdout.flush()


def nested(levels):
    return [nested(levels - 1)] if levels else []


def say_bytes(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def crash(_reply):
    raise ZeroDivisionError("planted")


def close_output(_reply):
    os.close(1)
    time.sleep(60)


def endless(_reply):
    while True:
        sys.stdout.write("x" * 65_536)


def blank_lines():
    while True:
        sys.stdout.write("\n" * 65_536)


def detached(mark):
    """A child in a session of its own, which holds the pipes."""
    if os.fork() == 0:
        os.setsid()
        mark.write_text(str(os.getpid()))
        time.sleep(600)
    while not (mark.exists() and mark.read_text()):
        time.sleep(0.01)


def crash_in_colours(_reply):
    sys.stderr.write(NASTY * 10_000)
    raise ZeroDivisionError(NASTY)


def talkative(reply):
    sys.stderr.write("for people\n" * 100_000)
    say(reply)


DEFECTS = {
    "wrong-code": lambda reply: say({"id": reply["id"], "error": "TOO_LARGE"}),
    "no-code": lambda reply: say({"id": reply["id"], "error": "OOPS"}),
    "nasty-code": lambda reply: say({"id": reply["id"], "error": NASTY + "\ud800" + "x" * 9_000}),
    "nasty-output": lambda reply: say({"id": reply["id"], "output": NASTY + "\ud800"}),
    "nasty-id": lambda _reply: say({"id": NASTY + "\ud800", "output": 0}),
    "nasty-line": lambda _reply: say(NASTY),
    "nasty-crash": crash_in_colours,
    "long-output": lambda reply: say({"id": reply["id"], "output": ["abc"] * 50_000}),
    "many-values": lambda reply: say(
        json.dumps({"id": reply["id"], "output": 0})[:-2] + "[" + "{}," * 700_000 + "0]}"
    ),
    "key-twice": lambda reply: say('{"id": "", ' + json.dumps(reply)[1:]),
    "refuses": lambda reply: say({"id": reply["id"], "error": "MALFORMED"}),
    "accepts": lambda reply: say({"id": reply["id"], "output": {}}),
    "wrong-output": lambda reply: say({"id": reply["id"], "output": {"size": 7, "empty": False}}),
    "true-for-1": lambda reply: say({"id": reply["id"], "output": {"size": True, "empty": False}}),
    "more-output": lambda reply: say(
        {"id": reply["id"], "output": {**reply["output"], "other": None}}
    ),
    "unsupported": lambda reply: say({"id": reply["id"], "unsupported": True}),
    "crash": crash,
    "hang": lambda _reply: time.sleep(60),
    "exit": lambda _reply: sys.exit(0),
    "exit-3": lambda _reply: os._exit(3),
    "killed-40": lambda _reply: os.kill(os.getpid(), 40),
    "killed": lambda _reply: os.kill(os.getpid(), signal.SIGSEGV),
    "closes-output": close_output,
    "rubbish": lambda _reply: say("segment 7 ready"),
    "no-json-number": lambda reply: say(json.dumps({"id": reply["id"], "output": float("nan")})),
    "not-utf8": lambda _reply: say_bytes(b'{"id": "\xff\xfe"}\n'),
    "deep": lambda reply: say(
        json.dumps({**reply, "output": 0})[:-2] + "[" * 130 + "]" * 130 + "}"
    ),
    "too-deep": lambda _reply: say("[" * 100_000),
    "other-id": lambda reply: say({**reply, "id": "toy.length/elsewhere"}),
    "no-id": lambda reply: say({"output": reply["output"]}),
    "id-is-a-list": lambda reply: say({**reply, "id": [reply["id"]]}),
    "two-keys": lambda reply: say({**reply, "error": "MALFORMED"}),
    "error-is-null": lambda reply: say({"id": reply["id"], "error": None}),
    "unsupported-is-1": lambda reply: say({"id": reply["id"], "unsupported": 1}),
    "half-a-line": lambda reply: (say(reply, end=""), os._exit(0)),
    "extra": lambda reply: say(reply, "done"),
    "twice": lambda reply: say(reply, reply),
    "endless": endless,
    "talkative": talkative,
}


def at_the_end():
    if DEFECT == "end-status":
        sys.exit(3)
    if DEFECT == "end-late":
        time.sleep(60)
    if DEFECT == "end-never":
        Path(WHERE).write_text(str(os.getpid()))
        os.close(1)
        time.sleep(600)
    if DEFECT == "end-talk":
        say("bye")


if __name__ == "__main__":
    if DEFECT == "never":
        sys.exit(9)
    if DEFECT == "deaf":
        time.sleep(60)
    if DEFECT == "blank-lines":
        blank_lines()
    if DEFECT == "detached":
        detached(Path(WHERE))
    if DEFECT == "child" and os.fork() == 0:
        Path(WHERE).write_text(str(os.getpid()))
        time.sleep(60)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["id"] == WHERE:
            DEFECTS[DEFECT](sound(asked))
        else:
            say(sound(asked))
    at_the_end()
