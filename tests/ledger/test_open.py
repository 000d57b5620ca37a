import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ledger_site import MANIFEST, MiningClock, RunSite, SiteMaker, new_chain, party

from swarmp2p.errors import (
    ConfigError,
    DeepReorganisationError,
    LedgerUnavailableError,
    NotEnrolledError,
)
from swarmp2p.ledger import deploy
from swarmp2p.ledger.ethereum import open_ledger
from swarmp2p.ledger.interface import Block
from swarmp2p.ledger.rpc import MAX_REPLY, RpcClient, check_url


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Accepts connections into its backlog and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


async def refused(site: RunSite, who: int | None = 0, **options: object) -> str:
    """What `open_ledger` says when it fails."""
    with pytest.raises((ConfigError, LedgerUnavailableError, NotEnrolledError)) as caught:
        async with site.open(who, **options):
            pass
    return f"{type(caught.value).__name__}: {caught.value}"


async def test_open__refuses_what_is_not_our_run(make_site: SiteMaker) -> None:
    site = make_site(2)
    assert "chain id 20256, not 1" in await refused(site, chain_id=1)
    assert "take run.toml unchanged" in await refused(site, manifest_hash=bytes(32))
    site.run, run = site.registry, site.run
    assert "is not this version's SwarmRun" in await refused(site)
    site.run = b"\x01" * 20
    assert "there is no contract at 0x0101" in await refused(site)
    site.run = run
    with new_chain() as other:
        assert "a development chain that was started anew" in await refused(site, url=other.url)


async def test_open__refuses_whoever_is_not_enrolled(make_site: SiteMaker) -> None:
    site = make_site(2)
    site.parties.append(party(9))
    assert "NotEnrolledError" in await refused(site, 2)
    site.invite(site.parties[2])
    site.enrol(site.parties[2], proof=bytes(64))
    assert "proof that does not verify" in await refused(site, 2)
    assert "belong to different nodes" in await refused(site, 1, peer=bytes(32))
    deploy.revoke(site.url, site.parties[1].account_key, site.registry, 1, pause=site.pause)
    assert "was revoked in block" in await refused(site, 1)
    async with site.open(0, peer=site.parties[0].identity.public) as ledger:
        assert await ledger.head() > 0


async def test_open__says_what_to_do_about_a_dead_endpoint(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(LedgerUnavailableError, match=r"connection refused.*ledger dev"):
        RpcClient(f"http://127.0.0.1:{port}").call("eth_chainId")


async def test_open__gives_up_on_an_endpoint_that_hangs(listener: socket.socket) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with new_chain() as chain, pytest.raises(LedgerUnavailableError, match=r"within 0\.2 s"):
        async with open_ledger(
            url,
            bytes(20),
            None,
            manifest_hash=MANIFEST,
            clock=MiningClock(chain),
            call_timeout=0.2,
        ):
            pass


def answer_for_ever(listener: socket.socket) -> None:
    """One HTTP answer that has no end."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b" " * (1 << 16))


def test_call__gives_up_on_an_answer_that_is_too_long(listener: socket.socket) -> None:
    with ThreadPoolExecutor(1) as server:
        server.submit(answer_for_ever, listener)
        with (
            RpcClient(f"http://127.0.0.1:{listener.getsockname()[1]}") as rpc,
            pytest.raises(LedgerUnavailableError, match=f"longer than {MAX_REPLY} bytes"),
        ):
            rpc.call("eth_chainId")


async def test_view__halts_when_a_final_block_was_replaced(make_site: SiteMaker) -> None:
    site = make_site(2)
    head = site.chain.mine()
    async with site.open(0, last_final=Block(head, bytes(32))) as ledger:
        with pytest.raises(DeepReorganisationError, match=f"replaced block {head}"):
            await ledger.final_view()
        site.chain.mine()
        with pytest.raises(DeepReorganisationError):
            await ledger.final_view()
    async with site.open(0, last_final=Block(head + 9, bytes(32))) as ledger:
        with pytest.raises(LedgerUnavailableError, match="is behind"):
            await ledger.final_view()


@pytest.mark.parametrize(
    "url",
    [
        "http://chain.example:8545/v3/secret",
        "http://user:secret@10.0.0.1",
        "ws://127.0.0.1:8545/secret",
        "ftp://secret",
        "https://",
        "https://host:99999/secret",
        "",
    ],
)
def test_url__must_be_https_or_loopback_and_keeps_its_secrets(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_url(url)
    if "//secret" not in url:
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://a.example/key", "http://[::1]:1", "http://localhost:1"])
def test_url__may_be_https_anywhere(url: str) -> None:
    assert check_url(url).geturl() == url


def test_errors__hide_credentials(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(LedgerUnavailableError) as caught:
        RpcClient(f"http://me:hush@127.0.0.1:{port}/v3/hush?key=hush").call("eth_chainId")
    assert "hush" not in str(caught.value)
    assert f"http://127.0.0.1:{port} " in str(caught.value)
