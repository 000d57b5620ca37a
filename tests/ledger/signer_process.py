"""A small external signer: JSON-RPC over HTTP, honest or with one fault, in a process of its own.

A URL's path is /FAULT/KEY, the key in hexadecimal. Prints its port.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from eth_account import Account

CHANGES: dict[str, dict[str, Any]] = {
    "chain id": {"chainId": 1},
    "nonce": {"nonce": 99},
    "receiver": {"to": "0x" + "99" * 20},
    "data": {"data": "0x1234"},
    "value": {"value": 1},
    "gas limit": {"gas": 60_000_000},
    "fee": {"maxFeePerGas": 10**15},
    "tip": {"maxPriorityFeePerGas": 0},
}
GARBAGE = {
    "text": "0xzz",
    "nothing": None,
    "number": 7,
    "empty": "0x",
    "short": "0x02c0",
    "nested": "0x02" + "c1" * 500,
    "legacy": "0xf8",
    "long": "0x" + "00" * 300_000,
}


def signed(request: dict[str, Any], key: str, fault: str) -> Any:
    names = ("chainId", "nonce", "gas", "value", "maxFeePerGas", "maxPriorityFeePerGas", "gasPrice")
    fields = {name: int(request[name], 16) for name in names if name in request}
    fields |= {"to": request["to"], "data": request["data"], **CHANGES.get(fault, {})}
    if fault == "access list":
        fields["accessList"] = [{"address": "0x" + "11" * 20, "storageKeys": []}]
    if fault == "other key":
        key = "0x" + "77" * 32
    raw = "0x" + bytes(Account.sign_transaction(fields, key).raw_transaction).hex()
    return {"raw": raw, "tx": {}} if fault == "clef" else raw


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault, key = unquote(self.path).strip("/").split("/")
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        if fault == "hang":
            threading.Event().wait()
        if fault == "clef" and request["method"] != "account_signTransaction":
            reply["error"] = {"code": -32601, "message": "the method does not exist"}
        elif fault == "refuses":
            reply["error"] = {"code": -32000, "message": "request denied"}
        elif fault in GARBAGE:
            reply["result"] = GARBAGE[fault]
        else:
            reply["result"] = signed(request["params"][0], key, fault)
        body = b"<html>" if fault == "html" else json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
