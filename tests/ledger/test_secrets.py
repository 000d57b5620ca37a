"""Nothing of a URL but scheme, host and port is ever shown."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_proxy import FaultProxy, Forward, Request, drop, refusal
from ledger_site import GENESIS, RunSite, SiteMaker

from swarmp2p.config import SwarmConfig
from swarmp2p.errors import ConfigError, SwarmError
from swarmp2p.ledger.endpoints import Endpoints
from swarmp2p.ledger.look import read_head
from swarmp2p.ledger.rpc import RpcClient, check_url
from swarmp2p.ledger.signer import RemoteSigner

SECRETS = ("USERKEY", "PASSKEY", "PATHKEY", "QUERYKEY", "p%61thtwo", "pathtwo")


def secret_url(port: int) -> str:
    return f"http://USERKEY:PASSKEY@127.0.0.1:{port}/v3/PATHKEY/p%61thtwo?apikey=QUERYKEY"


def shown(error: BaseException) -> str:
    """All that a log, a traceback or a debugger's repr would print of it."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


def echo(request: Request, _forward: Forward) -> object:
    """A provider that quotes the key in its refusal."""
    return refusal(request, -32000, "project ID PATHKEY (pathtwo) has no credit, apikey=QUERYKEY")


async def failures(site: RunSite, proxies: list[FaultProxy]) -> list[str]:
    urls = [secret_url(proxy.port) for proxy in proxies]
    texts = []
    async with site.open(0, url=urls, call_timeout=0.5) as ledger:
        for fault in (drop, echo, proxies[0].hang, lambda _r, _f: 503, lambda _r, _f: {"x": 1}):
            for proxy in proxies:
                proxy.fault = fault
            for call in (ledger.final_view, ledger.head, ledger.join):
                try:
                    await call()
                except SwarmError as error:
                    texts.append(shown(error))
            texts.append(repr(ledger.endpoints()))
            texts += [str(health.as_json()) for health in ledger.endpoints()]
        texts += [repr(ledger), repr(ledger._rpc), str(vars(ledger._rpc.health()[0]))]
    return texts


@pytest.mark.parametrize("count", [1, 2])
async def test_failures__never_show_a_key(make_site: SiteMaker, count: int) -> None:
    site = make_site(2)
    proxies = [FaultProxy(site.url) for _ in range(count)]
    for proxy in proxies:
        proxy.__enter__()
    try:
        texts = await failures(site, proxies)
    finally:
        for proxy in proxies:
            proxy.close()
    assert len(texts) > 15
    assert any(f"http://127.0.0.1:{proxies[0].port}" in text for text in texts)
    assert [secret for text in texts for secret in SECRETS if secret in text] == []


@pytest.mark.parametrize(
    "url",
    [
        "http://chain.example/PATHKEY",
        "ftp://USERKEY@h/PATHKEY",
        "https://h:99999/PATHKEY",
        "http://127.0.0.1:1/PATH KEY/PATHKEY",
        "http://127.0.0.1:1/\x7fPATHKEY",
        "http://[::1/PATHKEY",
    ],
)
def test_refused_urls__are_not_quoted(url: str) -> None:
    uses: tuple[Callable[[str], object], ...] = (
        check_url,
        RpcClient,
        read_head,
        lambda text: Endpoints([text]),
        lambda text: RemoteSigner(text, bytes(20)),
    )
    for use in uses:
        with pytest.raises(ConfigError) as caught:
            use(url)
        assert "KEY" not in shown(caught.value)


def test_settings__do_not_print_their_urls(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    run = "0x" + "11" * 20
    file.write_text(
        '[node]\nname = "a"\n[keys]\nsigner = "http://127.0.0.1:1/PATHKEY"\n'
        f'account = "{run}"\n[ledger]\nrun = "{run}"\n'
        'url = ["https://a.example/PATHKEY", "https://b.example/?k=QUERYKEY"]\n'
    )
    config = SwarmConfig.from_toml(file)
    assert config.ledger_urls == ("https://a.example/PATHKEY", "https://b.example/?k=QUERYKEY")
    assert config.ledger_url == config.ledger_urls[0]
    assert "KEY" not in repr(config)


async def test_genesis__through_a_url_with_secrets(make_site: SiteMaker) -> None:
    site = make_site(2)
    with FaultProxy(site.url) as proxy:
        async with site.open(0, url=secret_url(proxy.port)) as ledger:
            await ledger.genesis(GENESIS)
