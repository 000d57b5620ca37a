import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from adapter_worlds import new_anvil, require_anvil
from ledger_site import OWNER

from swarmp2p.errors import ConfigError, LedgerUnavailableError, ListenError
from swarmp2p.ledger import anvil
from swarmp2p.ledger.accounts import account_address, write_key_file
from swarmp2p.ledger.anvil import AnvilChain, find_anvil
from swarmp2p.ledger.devchain import CHAIN_ID, OWNER_BALANCE
from swarmp2p.ledger.rpc import RpcClient

ACCOUNT = "0x" + account_address(OWNER).hex()


def block(chain: AnvilChain, number: int) -> str:
    return str(chain.rpc.call("eth_getBlockByNumber", hex(number), False)["hash"])  # noqa: FBT003 - the API's shape


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


@pytest.fixture
def chain() -> Iterator[AnvilChain]:
    with new_anvil() as chain:
        yield chain


def test_chain__has_the_owner_and_no_account_whose_key_is_known(chain: AnvilChain) -> None:
    assert chain.rpc.call("eth_accounts") == []
    assert int(chain.rpc.call("eth_chainId"), 16) == CHAIN_ID
    assert int(chain.rpc.call("eth_getBalance", ACCOUNT, "latest"), 16) == OWNER_BALANCE
    known = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # the first of its well-known mnemonic
    assert int(chain.rpc.call("eth_getBalance", known, "latest"), 16) == 0
    assert chain.url.startswith("http://127.0.0.1:")
    assert chain.mine(3) == 3


def test_timer__makes_empty_blocks() -> None:
    with new_anvil(interval=0.05) as chain:
        while int(chain.rpc.call("eth_blockNumber"), 16) < 3:
            assert not chain.wait(0.01)
    assert chain.failure is None


def test_state__is_kept_with_blocks_old_states_and_chain_id(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with new_anvil(state=state) as chain:
        chain.mine(5)
        chain.rpc.call("anvil_setBalance", ACCOUNT, "0x7")
        chain.mine(5)
        before = [block(chain, number) for number in range(11)]
    with new_anvil(state=state) as chain:
        assert [block(chain, number) for number in range(11)] == before
        assert int(chain.rpc.call("eth_chainId"), 16) == CHAIN_ID
        assert int(chain.rpc.call("eth_getBalance", ACCOUNT, "latest"), 16) == 7
        assert int(chain.rpc.call("eth_getBalance", ACCOUNT, hex(4)), 16) == OWNER_BALANCE
        assert chain.mine() == 11


def test_state__that_is_damaged_is_said_in_anvils_words(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{bad")
    with pytest.raises(LedgerUnavailableError, match=r"did not start: it ended.*parse json"):
        new_anvil(state=state).start()


def test_port__that_is_taken_is_a_listen_error(chain: AnvilChain) -> None:
    port = int(chain.url.rsplit(":", 1)[1])
    with pytest.raises(ListenError, match=f"port {port}.*in use.*choose another"):
        new_anvil(port=port).start()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "chain.example"])  # noqa: S104 - refused
def test_host__must_be_loopback(host: str) -> None:
    with pytest.raises(ConfigError, match="only loopback"):
        AnvilChain(Path("anvil"), {}, host=host, chain_id=CHAIN_ID)


def test_death__is_noticed_and_its_words_are_kept(chain: AnvilChain) -> None:
    os.kill(chain.pid, signal.SIGKILL)
    assert chain.wait(10)
    assert "anvil ended: it ended with status -9" in str(chain.failure)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_child__ends_with_its_parent_and_keeps_the_chain(
    tmp_path: Path, how: signal.Signals
) -> None:
    write_key_file(tmp_path / "owner.key", OWNER)
    command = [sys.executable, "-m", "swarmp2p.ledger.devchain", "--port", "0", "--interval", "0"]
    command += ["--anvil", str(require_anvil()), "--dir", str(tmp_path)]
    command += ["--owner-key-file", str(tmp_path / "owner.key")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            with RpcClient(ready["url"]) as rpc:
                rpc.call("evm_mine")
        finally:
            process.send_signal(how)
    assert len(children) == 1
    while not gone(int(children[0])):
        process.poll()
    assert (tmp_path / "anvil-20256.json").stat().st_size > 0
    with new_anvil(state=tmp_path / "anvil-20256.json") as chain:
        assert chain.mine() == 2


# ---- programs that are no anvil


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return path


def started(program: Path, **options: object) -> str:
    with pytest.raises(LedgerUnavailableError) as caught:
        AnvilChain(program, {}, chain_id=CHAIN_ID, **options).start()  # type: ignore[arg-type]
    return str(caught.value)


def test_program__that_fails_is_quoted(tmp_path: Path) -> None:
    lines = script(tmp_path / "lines", "for n in range(99): print('line', n)\nraise SystemExit(3)")
    said = started(lines)
    assert "ended with status 3; line 59; " in said
    assert "line 98. `--anvil never` takes" in said
    assert "it said nothing" in started(script(tmp_path / "mute", "raise SystemExit(3)"))
    assert "No such file" in started(tmp_path / "none")


def test_program__that_never_answers_is_given_up_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anvil, "START_TIMEOUT", 0.3)
    monkeypatch.setattr(anvil, "STOP_TIMEOUT", 0.3)
    stubborn = (
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    assert "did not answer within 0.3 s" in started(script(tmp_path / "stubborn", stubborn))
    pid = tmp_path / "pid"
    assert not pid.exists() or gone(int(pid.read_text()))


# ---- where it is looked for


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine that "auto" finds nothing on, of a kind that is written here."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(anvil, "_CHECKOUT", tmp_path / "contracts")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return tmp_path


def binary(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF")
    path.chmod(0o755)
    return path


def package(folder: Path) -> Path:
    return binary(folder / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil")


def test_search__finds_path_then_the_packages_beside_the_contracts(nowhere: Path) -> None:
    assert find_anvil() is None
    assert find_anvil("never") is None
    packaged = package(nowhere / "contracts")
    assert find_anvil() == packaged
    on_path = binary(nowhere / "bin" / "anvil")
    assert find_anvil() == on_path
    assert find_anvil("never") is None


def test_search__takes_a_program_or_a_folder(nowhere: Path) -> None:
    packaged = package(nowhere / "mine")
    for wanted in (packaged, nowhere / "mine", nowhere / "mine" / "node_modules"):
        assert find_anvil(wanted) == packaged
    (nowhere / "text").write_text("no program")
    for wanted in (nowhere / "none", nowhere / "text", nowhere):
        with pytest.raises(ConfigError, match=r"no anvil at .*npm install @foundry-rs/anvil"):
            find_anvil(wanted)


def test_search__goes_past_npms_starter_to_the_program(nowhere: Path) -> None:
    starter = script(nowhere / "mine" / "node_modules" / "@foundry-rs" / "anvil" / "bin.mjs", "")
    link = nowhere / "bin" / "anvil"
    link.parent.mkdir()
    link.symlink_to(starter)
    assert find_anvil() is None
    packaged = package(nowhere / "mine")
    assert find_anvil() == find_anvil(link) == packaged


@pytest.mark.parametrize(("ci", "outcome"), [("true", "Failed"), ("", "Skipped")])
def test_suite__skips_without_anvil_but_not_in_ci(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(BaseException, match="there is no anvil") as caught:
        require_anvil()
    assert type(caught.value).__name__ == outcome
