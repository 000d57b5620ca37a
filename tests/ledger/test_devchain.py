import json
import signal
import subprocess
import sys
import threading
import urllib.request
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from ledger_site import OWNER, new_chain
from web3 import Web3

from swarmp2p.errors import ConfigError, LedgerUnavailableError, ListenError
from swarmp2p.ledger.accounts import account_address, read_key_file
from swarmp2p.ledger.devchain import CHAIN_ID, OWNER_BALANCE, DevChain
from swarmp2p.ledger.rpc import RpcClient, RpcRefusedError
from swarmp2p.ledger.transactions import Sender

OTHER = b"\x22" * 20


def post(url: str, body: bytes) -> Any:
    with urllib.request.urlopen(url, body, timeout=10) as reply:  # noqa: S310 - our own endpoint
        return json.load(reply)


def signed(nonce: int, *, value: int = 5, chain_id: int = CHAIN_ID, fee: int = 2 * 10**9) -> str:
    fields = {
        "type": 2,
        "chainId": chain_id,
        "nonce": nonce,
        "to": "0x" + OTHER.hex(),
        "value": value,
        "gas": 21_000,
        "maxFeePerGas": fee,
        "maxPriorityFeePerGas": 10**9,
    }
    return "0x" + bytes(Account.sign_transaction(fields, OWNER).raw_transaction).hex()


def test_web3__works_against_the_endpoint(chain: DevChain) -> None:
    provider = Web3.HTTPProvider(chain.url)
    web3: Any = Web3(provider)  # web3's types want checksummed strings of types of their own
    owner = web3.eth.account.from_key(OWNER)
    sent = web3.eth.send_raw_transaction(signed(0))
    assert web3.eth.get_transaction_count(owner.address) == 0
    assert web3.eth.get_transaction_count(owner.address, "pending") == 1
    assert web3.eth.get_transaction(sent)["blockNumber"] is None
    chain.mine()
    receipt = web3.eth.wait_for_transaction_receipt(sent)
    assert (receipt["status"], receipt["blockNumber"], receipt["gasUsed"]) == (1, 1, 21_000)
    block = web3.eth.get_block("latest", full_transactions=True)
    assert block["transactions"][0]["hash"] == sent
    assert web3.eth.get_block(block["hash"])["number"] == 1
    assert web3.eth.get_balance("0x" + OTHER.hex()) == 5
    assert web3.eth.get_balance("0x" + OTHER.hex(), 0) == 0
    assert web3.eth.get_code("0x" + OTHER.hex()) == b""
    assert web3.eth.get_logs({"fromBlock": 0}) == []
    assert web3.eth.estimate_gas({"from": owner.address, "to": owner.address}) == 21_000
    assert web3.eth.fee_history(2, "latest")["oldestBlock"] == 0
    assert web3.eth.gas_price > web3.eth.max_priority_fee
    assert (web3.eth.chain_id, web3.net.version) == (CHAIN_ID, str(CHAIN_ID))
    assert web3.client_version.startswith("swarmp2p")
    provider._request_session_manager.session_cache.clear()


def test_endpoint__answers_nonsense_with_errors(chain: DevChain) -> None:
    def code(body: bytes) -> int:
        return int(post(chain.url, body)["error"]["code"])

    assert code(b"{") == -32700
    assert code(b"[" * 700) == -32700
    assert code(b"[" * 100_000) == -32600
    assert code(b"3") == -32600
    assert code(b"[]") == -32600
    assert code(json.dumps([{}] * 65).encode()) == -32600
    assert code(b'{"method":3}') == -32600
    assert code(b'{"method":"eth_mining","id":7}') == -32601
    wrong: list[list[Any]] = [
        [],
        ["0x1"],
        [{"to": 3}],
        [{"to": "0x00"}],
        [{}, "0x-1"],
        [{}, {}, {}, {}],
    ]
    for params in wrong:
        assert code(json.dumps({"method": "eth_call", "params": params}).encode()) == -32602
    assert code(b'{"method":"eth_call","params":[{},"0x99"]}') == -32000
    assert post(chain.url, b'[{"method":"eth_blockNumber","id":1}]')[0]["result"] == "0x0"


@pytest.mark.parametrize(("length", "status"), [("2000000", 413), ("-1", 411), ("x", 411)])
def test_endpoint__reads_no_body_of_a_wrong_length(
    chain: DevChain, length: str, status: int
) -> None:
    connection = HTTPConnection(chain.url.removeprefix("http://"), timeout=10)
    try:
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", length)
        connection.endheaders()
        assert connection.getresponse().status == status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("0x", "cannot decode"),
        ("0x02ff", "cannot decode"),
        (signed(0, chain_id=1), "invalid chain id"),
        (signed(0, value=OWNER_BALANCE), "insufficient funds"),
        (signed(65), "txpool is full"),
    ],
)
def test_pool__refuses_bad_transactions(chain: DevChain, raw: str, why: str) -> None:
    with RpcClient(chain.url) as rpc, pytest.raises(RpcRefusedError, match=why):
        rpc.call("eth_sendRawTransaction", raw)


def test_pool__replaces_for_a_tenth_more_and_waits_for_gaps(chain: DevChain) -> None:
    with RpcClient(chain.url) as rpc:
        rpc.call("eth_sendRawTransaction", signed(1))
        rpc.call("eth_sendRawTransaction", signed(0))
        with pytest.raises(RpcRefusedError, match="already known"):
            rpc.call("eth_sendRawTransaction", signed(0))
        with pytest.raises(RpcRefusedError, match="underpriced"):
            rpc.call("eth_sendRawTransaction", signed(0, value=6))
        rpc.call("eth_sendRawTransaction", signed(0, value=7, fee=3 * 10**9))
        rpc.call("eth_sendRawTransaction", signed(3))
        chain.mine()
        balance = rpc.call("eth_getBalance", "0x" + OTHER.hex(), "latest")
        assert int(balance, 16) == 7 + 5
        with pytest.raises(RpcRefusedError, match="nonce too low"):
            rpc.call("eth_sendRawTransaction", signed(1, value=1))


def test_endpoint__is_shared_by_threads(chain: DevChain) -> None:
    heads: list[int] = []

    def ask() -> None:
        with RpcClient(chain.url) as rpc:
            heads.extend(int(rpc.call("evm_mine"), 16) for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heads) == list(range(1, 81))


def test_timer__makes_empty_blocks(chain: DevChain) -> None:
    assert chain.failure is None
    with new_chain(interval=0.01) as timed, RpcClient(timed.url) as rpc:
        while int(rpc.call("eth_blockNumber"), 16) < 3:
            timed.wait(0.01)


def test_busy_port__is_a_listen_error(chain: DevChain) -> None:
    port = int(chain.url.rsplit(":", 1)[1])
    with pytest.raises(ListenError, match=f"port {port}.*in use.*choose another"):
        new_chain(port=port)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "chain.example", ""])  # noqa: S104 - refused
def test_host__must_be_loopback(host: str) -> None:
    with pytest.raises(ConfigError, match="only loopback"):
        new_chain(host=host)


@pytest.mark.parametrize("interval", [-1, 0.001, float("nan"), 1e9])
def test_interval__must_be_possible(interval: float) -> None:
    with pytest.raises(ConfigError, match="a block every"):
        new_chain(interval=interval)


def test_stop__refuses_later_calls(chain: DevChain) -> None:
    with new_chain() as other, RpcClient(other.url) as rpc:
        assert rpc.call("eth_blockNumber") == "0x0"
        other.stop()
        with pytest.raises(LedgerUnavailableError):
            rpc.call("eth_blockNumber")
    assert chain.mine() == 1


def test_process__prints_one_ready_line_and_ends_on_sigterm(tmp_path: Path) -> None:
    key = tmp_path / "owner.key"
    command = [sys.executable, "-W", "error", "-m", "swarmp2p.ledger.devchain", "--port", "0"]
    command += ["--interval", "0.05", "--owner-key-file", str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        with RpcClient(ready["url"]) as rpc:
            assert int(rpc.call("eth_chainId"), 16) == ready["chain_id"] == CHAIN_ID
            sender = Sender(rpc, read_key_file(key), CHAIN_ID)
            sent = sender.send(OTHER, b"", gas=21_000, value=1)
            while (mined := sender.mined(sent)) is None:
                rpc.call("eth_blockNumber")
            assert mined.succeeded
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == ""
        assert process.wait(10) == 0
    assert ready["owner"] == "0x" + account_address(read_key_file(key)).hex()
    assert key.stat().st_mode & 0o777 == 0o600
