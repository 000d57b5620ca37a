"""Several endpoints: what is left out, what is compared, what stops signing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256

import pytest
from fault_proxy import FaultProxy, Forward, Request, behind, drop, on, refusal, result
from ledger_site import GENESIS, RunSite, SiteMaker

from swarmp2p.errors import (
    ConfigError,
    DeepReorganisationError,
    LedgerDisagreementError,
    LedgerUnavailableError,
)
from swarmp2p.ledger.endpoints import MAX_ENDPOINTS, Endpoints, needed
from swarmp2p.ledger.ethereum import EthereumLedger
from swarmp2p.ledger.finality import Finality
from swarmp2p.ledger.outbox import MemoryTransactions
from swarmp2p.seams import KeptTransaction

Proxies = Callable[[RunSite, int], list[FaultProxy]]


@pytest.fixture
def proxies() -> Iterator[Proxies]:
    with ExitStack() as stack:
        yield lambda site, count: [stack.enter_context(FaultProxy(site.url)) for _ in range(count)]


def urls(proxies: list[FaultProxy]) -> list[str]:
    return [proxy.url for proxy in proxies]


def states(ledger: EthereumLedger) -> list[str]:
    return [health.state for health in ledger.endpoints()]


def signed(kept: MemoryTransactions, site: RunSite, who: int = 0) -> list[KeptTransaction]:
    return kept.rows(site.chain.chain_id, site.parties[who].account)


async def test_two_endpoints__one_may_be_down_and_is_reported(
    make_site: SiteMaker, proxies: Proxies
) -> None:
    site = make_site(2)
    good, bad = proxies(site, 2)
    async with site.open(0, url=urls([good, bad])) as ledger:
        await ledger.genesis(GENESIS)
        assert states(ledger) == ["ok", "ok"]
        bad.fault = drop
        site.chain.mine()
        assert (await ledger.final_view()).genesis_root == GENESIS
        assert states(ledger) == ["ok", "down"]
        assert "does not answer" in ledger.endpoints()[1].last_error
        good.fault = drop
        with pytest.raises(LedgerUnavailableError, match="0 of 2 endpoints"):
            await ledger.final_view()
        good.fault = None
        await ledger.join()


async def test_endpoint_that_hangs__is_left_out_after_its_timeout(
    make_site: SiteMaker, proxies: Proxies
) -> None:
    site = make_site(2)
    good, bad = proxies(site, 2)
    async with site.open(0, url=urls([good, bad]), call_timeout=0.5) as ledger:
        bad.fault = bad.hang
        assert (await ledger.final_view()).block.number == await ledger.head()
        asked = len(bad.seen)
        await ledger.genesis(GENESIS)
        assert states(ledger) == ["ok", "down"]
    assert len(bad.seen) == asked  # it rests: one timeout was paid, not one a call
    assert "within 0.5 s" in ledger.endpoints()[1].last_error


async def test_three_endpoints__two_must_answer(make_site: SiteMaker, proxies: Proxies) -> None:
    site = make_site(2)
    three = proxies(site, 3)
    async with site.open(0, url=urls(three)) as ledger:
        three[1].fault = drop
        await ledger.genesis(GENESIS)
        three[2].fault = drop
        with pytest.raises(LedgerUnavailableError, match=r"1 of 3 endpoints.*2 are needed"):
            await ledger.final_view()
    assert [needed(count) for count in range(1, MAX_ENDPOINTS + 1)] == [1, 1, 2, 3, 4, 4, 5, 6]


async def test_server_errors_half_the_time__are_ridden_out(
    make_site: SiteMaker, proxies: Proxies
) -> None:
    site = make_site(2)
    (flaky,) = proxies(site, 1)
    kept = MemoryTransactions()

    def half(_request: Request, forward: Forward) -> object:
        seeded = sha256(len(flaky.seen).to_bytes(4, "big")).digest()
        return 503 if seeded[0] < 128 else forward()

    async with site.open(0, url=flaky.url) as ledger:
        await ledger.recover(kept)
        flaky.fault = half
        for _ in range(40):  # as a node does: it asks until its calls have been taken
            try:
                await ledger.genesis(GENESIS)
                await ledger.join()
                break
            except LedgerUnavailableError:
                continue
        flaky.fault = None
        assert (await ledger.final_view()).genesis_root == GENESIS
        assert ledger.endpoints()[0].retries > 0
    assert one_call_a_nonce(signed(kept, site))
    assert len({(row.to, row.data) for row in signed(kept, site)}) == 2


def one_call_a_nonce(rows: list[KeptTransaction]) -> bool:
    calls = {(row.nonce, row.to, row.data) for row in rows}
    return len(calls) == len({row.nonce for row in rows})


async def test_another_chain__is_left_out_or_refused_at_the_start(
    make_site: SiteMaker, proxies: Proxies
) -> None:
    site = make_site(2)
    good, other = proxies(site, 2)
    other.fault = on("eth_chainId", lambda _request, _forward: "0x1")
    with pytest.raises(LedgerUnavailableError, match="are of different chains"):
        async with site.open(0, url=urls([good, other])):
            pass
    async with site.open(0, url=urls([good, other]), chain_id=site.chain.chain_id) as ledger:
        await ledger.genesis(GENESIS)
        assert states(ledger) == ["ok", "wrong chain"]
        assert "has chain id 1, not 20256" in ledger.endpoints()[1].last_error


async def test_endpoint_30_blocks_behind__is_left_out_until_it_caught_up(
    make_site: SiteMaker, proxies: Proxies
) -> None:
    site = make_site(2, depth=2)
    good, late = proxies(site, 2)
    site.chain.mine(40)
    late.fault = behind(30)
    async with site.open(0, url=urls([good, late])) as ledger:
        await ledger.genesis(GENESIS)
        site.chain.mine(2)
        assert (await ledger.final_view()).genesis_root == GENESIS
        assert states(ledger) == ["ok", "behind"]
        late.fault = None
        assert (await ledger.final_view()).block.number == await ledger.head() - 2
        assert states(ledger) == ["ok", "ok"]


async def test_endpoint_one_block_ahead__the_view_is_one_that_all_have(
    make_site: SiteMaker, proxies: Proxies
) -> None:
    site = make_site(2)
    good, late = proxies(site, 2)
    site.chain.mine(3)
    late.fault = behind(1)
    async with site.open(0, url=urls([good, late])) as ledger:
        late.fault = on("eth_blockNumber", lambda _r, forward: lower(forward()["result"], 1))
        view = await ledger.final_view()
        assert view.block.number == site.chain.mine() - 2
        assert states(ledger) == ["ok", "ok"]


def lower(number: str, by: int) -> str:
    return hex(int(number, 16) - by)


def flipped(data: str) -> str:
    """The same length of hexadecimal digits, another value."""
    return data[:-1] + ("1" if data[-1] != "1" else "2")


async def test_lie_about_a_view__stops_signing_until_both_agree(
    make_site: SiteMaker, proxies: Proxies
) -> None:
    site = make_site(2)
    honest, liar = proxies(site, 2)
    kept = MemoryTransactions()
    async with site.open(0, url=urls([honest, liar])) as ledger:
        await ledger.recover(kept)
        await ledger.genesis(GENESIS)
        before = [row.hash for row in signed(kept, site)]
        liar.fault = on("eth_call", lambda _request, forward: flipped(forward()["result"]))
        site.chain.mine()
        with pytest.raises(LedgerDisagreementError) as caught:
            await ledger.final_view()
        assert honest.url in str(caught.value)
        assert liar.url in str(caught.value)
        said = str(caught.value).partition(". Nothing")[0].split("; ")
        assert len({part.rpartition(": ")[2] for part in said}) == 2  # the difference is shown
        with pytest.raises(LedgerDisagreementError, match="nothing is signed"):
            await ledger.join()
        assert states(ledger) == ["disagrees", "disagrees"]
        liar.fault = drop  # playing dead does not make the other one right
        with pytest.raises(LedgerDisagreementError, match="answers now"):
            await ledger.final_view()
        with pytest.raises(LedgerDisagreementError, match="nothing is signed"):
            await ledger.join()
        assert [row.hash for row in signed(kept, site)] == before
        liar.fault = None
        wake(ledger)
        await ledger.final_view()
        await ledger.join()
        assert states(ledger) == ["ok", "ok"]


def wake(ledger: EthereumLedger) -> None:
    """Let a rest after a failure be over."""
    for endpoint in ledger._rpc._all:
        endpoint._rest_until = 0.0


async def test_lie_of_one_of_three__is_over_when_it_is_taken_away(
    make_site: SiteMaker, proxies: Proxies
) -> None:
    site = make_site(2)
    three = proxies(site, 3)
    async with site.open(0, url=urls(three)) as ledger:
        three[2].fault = on("eth_call", lambda _request, forward: flipped(forward()["result"]))
        with pytest.raises(LedgerDisagreementError):
            await ledger.final_view()
        three[2].fault = drop
        await ledger.final_view()
        await ledger.genesis(GENESIS)
        assert states(ledger) == ["ok", "ok", "down"]


async def test_lie_about_a_block__is_a_disagreement_too(
    make_site: SiteMaker, proxies: Proxies
) -> None:
    site = make_site(2)
    honest, liar = proxies(site, 2)

    def forged(_request: Request, forward: Forward) -> object:
        block = forward()["result"]
        return {**block, "hash": flipped(block["hash"])}

    async with site.open(0, url=urls([honest, liar])) as ledger:
        liar.fault = on("eth_getBlockByNumber", forged)
        with pytest.raises(LedgerDisagreementError, match="eth_getBlockByNumber"):
            await ledger.genesis(GENESIS)
        assert "eth_sendRawTransaction" not in honest.methods()
        liar.fault = None
        await ledger.genesis(GENESIS)


async def test_fork_behind__is_no_mere_lag(make_site: SiteMaker, proxies: Proxies) -> None:
    """An endpoint far behind on another branch does not count as slow."""
    site = make_site(2)
    site.chain.mine(40)
    honest, forked = proxies(site, 2)
    late = behind(30)

    def fault(request: Request, forward: Forward) -> object:
        reply = late(request, forward)
        if request["method"] == "eth_getBlockByNumber" and isinstance(reply, dict):
            block = reply["result"]
            return result(request, {**block, "hash": flipped(block["hash"])})
        return reply

    async with site.open(0, url=urls([honest, forked])) as ledger:
        forked.fault = fault
        with pytest.raises(LedgerDisagreementError):
            await ledger.final_view()


async def test_receipts__are_compared(make_site: SiteMaker, proxies: Proxies) -> None:
    site = make_site(2)
    honest, liar = proxies(site, 2)

    def failed(_request: Request, forward: Forward) -> object:
        receipt = forward()["result"]
        return receipt and {**receipt, "status": "0x0"}

    async with site.open(0, url=urls([honest, liar])) as ledger:
        liar.fault = on("eth_getTransactionReceipt", failed)
        with pytest.raises(LedgerDisagreementError, match="eth_getTransactionReceipt"):
            await ledger.genesis(GENESIS)
        liar.fault = None
        await ledger.genesis(GENESIS)  # the same transaction is asked about again
        assert (await ledger.final_view()).genesis_root == GENESIS
        await ledger.join()


async def test_sends__go_to_all_with_the_same_bytes(make_site: SiteMaker, proxies: Proxies) -> None:
    site = make_site(2)
    both = proxies(site, 2)
    async with site.open(0, url=urls(both)) as ledger:
        await ledger.genesis(GENESIS)
    raws = [
        {r["params"][0] for r in proxy.seen if r["method"] == "eth_sendRawTransaction"}
        for proxy in both
    ]
    assert raws[0] == raws[1]
    assert len(raws[0]) == 1


@pytest.mark.parametrize("finality", list(Finality))
async def test_deep_reorganisation__halts_under_either_finality(
    make_site: SiteMaker, proxies: Proxies, finality: Finality
) -> None:
    site = make_site(2)
    (proxy,) = proxies(site, 1)
    async with site.open(0, url=proxy.url, finality=finality) as ledger:
        await ledger.final_view()
        proxy.fault = on("eth_getBlockByNumber", other_branch)
        site.chain.mine()
        with pytest.raises(DeepReorganisationError, match="which was final"):
            await ledger.final_view()
        with pytest.raises(DeepReorganisationError):
            await ledger.genesis(GENESIS)
    assert "eth_sendRawTransaction" not in proxy.methods()


def other_branch(_request: Request, forward: Forward) -> object:
    block = forward()["result"]
    return {**block, "hash": flipped(block["hash"])}


async def test_finalized__follows_the_chains_own_tag(
    make_site: SiteMaker, proxies: Proxies
) -> None:
    site = make_site(2, depth=0)
    (proxy,) = proxies(site, 1)
    final = site.chain.mine()

    def tag(request: Request, forward: Forward) -> object:
        if request["params"][0] != "finalized":
            return forward()["result"]
        return proxy.forward({**request, "params": [hex(final), False]})["result"]

    proxy.fault = on("eth_getBlockByNumber", tag)
    async with site.open(0, url=proxy.url, finality=Finality.FINALIZED) as ledger:
        site.chain.mine(5)
        assert (await ledger.final_view()).block.number == final
        final += 3
        assert (await ledger.final_view()).block.number == final


@pytest.mark.parametrize(
    ("code", "message", "says"),
    [
        (-39001, "finalized block not found", None),
        (-32602, "invalid argument 0: hex string without 0x prefix", "'finalized'"),
    ],
)
async def test_finalized__an_unknown_tag_is_told_from_a_young_chain(
    make_site: SiteMaker, proxies: Proxies, code: int, message: str, says: str | None
) -> None:
    site = make_site(2)
    (proxy,) = proxies(site, 1)

    def fault(request: Request, forward: Forward) -> object:
        tagged = request["params"][:1] == ["finalized"]
        return refusal(request, code, message) if tagged else forward()

    proxy.fault = fault
    async with site.open(0, url=proxy.url, finality=Finality.FINALIZED) as ledger:
        if says is None:  # block 0: no contract stands there yet, and nothing else is wrong
            assert ledger._cursor.read().number == 0
        else:
            with pytest.raises(LedgerUnavailableError, match=says):
                await ledger.final_view()


def test_urls__are_one_to_eight_and_each_once() -> None:
    for wrong in ([], ["http://127.0.0.1:1"] * 2, [f"http://127.0.0.1:{n}" for n in range(1, 10)]):
        with pytest.raises(ConfigError, match="expected 1 to 8, each once"):
            Endpoints(wrong)


@pytest.mark.parametrize("method", ["eth_chainId", "eth_blockNumber", "eth_getTransactionCount"])
@pytest.mark.parametrize("nonsense", [[1], {"number": 7}, "0xzz", None])
async def test_nonsense_of_one_of_three__counts_as_no_answer(
    make_site: SiteMaker, proxies: Proxies, method: str, nonsense: object
) -> None:
    site = make_site(2)
    every = proxies(site, 3)
    every[0].fault = on(method, lambda _request, _forward: nonsense)
    async with site.open(0, url=urls(every)) as ledger:
        await ledger.genesis(GENESIS)
        assert (await ledger.final_view()).genesis_root == GENESIS
        assert states(ledger)[0] in {"down", "wrong chain"}
        assert states(ledger)[1:] == ["ok", "ok"]
