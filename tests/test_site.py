from dataclasses import fields, replace

import pytest

from swarmp2p.errors import ConfigError
from swarmp2p.ledger.interface import RunTerms
from swarmp2p.manifest import example_manifest, format_manifest, read_manifest
from swarmp2p.site import check_terms, run_settings, write_private
from swarmp2p.wire import canonical


def terms():
    settings = run_settings(example_manifest(), bytes(20))
    same = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return RunTerms(chain_id=1, contract=bytes(20), **same)


def test_a_contract_built_with_the_manifests_terms__passes():
    check_terms(terms(), example_manifest())


@pytest.mark.parametrize(
    "name",
    ["last_round", "min_peers", "commit_blocks", "exchange_blocks", "lo", "hi", "depth"],
)
def test_a_contract_built_with_other_terms__is_refused_by_name(name):
    with pytest.raises(ConfigError, match=name):
        check_terms(replace(terms(), **{name: 77}), example_manifest())


def test_a_contract_with_another_initial_model__is_refused():
    with pytest.raises(ConfigError, match="init_root"):
        check_terms(replace(terms(), init_root=b"x" * 32), example_manifest())


def test_a_manifest__reads_back_to_the_same_run(tmp_path):
    manifest = replace(
        example_manifest(),
        rule="cclip",
        rule_params={"radius": 2.5},
        options={"rate": 0.1, "n": -3, "names": ["a", 'q"uote'], "table": {"x": [1.5, 2.0]}},
    )
    file = tmp_path / "run.toml"
    file.write_text(format_manifest(manifest))
    again = read_manifest(file)
    assert again == manifest
    assert again.run_id == manifest.run_id
    assert replace(manifest, depth=1).run_id != manifest.run_id


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"lo": 9, "hi": 8}, "'lo' is 9 and 'hi' is 8; expected lo to be at most hi"),
        ({"lo": 0}, "'lo' is 0; expected 1 to 1048576"),
        ({"hi": 2**20 + 1}, "'hi' is 1048577; expected 1 to 1048576"),
        ({"commit_blocks": 0}, "'commit_blocks' is 0; expected"),
        ({"exchange_blocks": 2**20 + 1}, "'exchange_blocks' is 1048577; expected"),
    ],
)
def test_windows_that_no_contract_takes__are_refused_by_name(tmp_path, changes, complaint):
    file = tmp_path / "run.toml"
    file.write_text(format_manifest(replace(example_manifest(), **changes)))
    with pytest.raises(ConfigError, match=complaint):
        read_manifest(file)


def test_windows_at_their_limits__are_taken(tmp_path):
    most = 2**20
    manifest = replace(
        example_manifest(), commit_blocks=most, exchange_blocks=most, lo=most, hi=most
    )
    file = tmp_path / "run.toml"
    file.write_text(format_manifest(manifest))
    assert read_manifest(file) == manifest


def test_the_manifests_windows__stand_in_their_canonical_order():
    windows = canonical.decode(example_manifest().encode())["windows"]
    assert list(windows.items()) == [
        ("commit", 20),
        ("depth", 0),
        ("exchange", 20),
        ("hi", 1200),
        ("lo", 4),
    ]


def test_a_private_file__is_new_for_its_owner_only_and_no_link(tmp_path):
    file, link, target = (tmp_path / name for name in ("key", "link", "elsewhere"))
    write_private(file, b"first")
    assert file.stat().st_mode & 0o777 == 0o600
    link.symlink_to(target)
    for taken in (file, link):
        with pytest.raises(ConfigError, match="exists already"):
            write_private(taken, b"second")
    assert file.read_bytes() == b"first"
    assert not target.exists()
