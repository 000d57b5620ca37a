from dataclasses import fields, replace

import pytest

from swarmp2p.errors import ConfigError
from swarmp2p.ledger.interface import RunTerms
from swarmp2p.manifest import example_manifest, format_manifest, read_manifest
from swarmp2p.site import check_terms, run_settings


def terms():
    settings = run_settings(example_manifest(), bytes(20))
    same = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return RunTerms(chain_id=1, contract=bytes(20), **same)


def test_a_contract_built_with_the_manifests_terms__passes():
    check_terms(terms(), example_manifest())


@pytest.mark.parametrize(
    "name",
    ["last_round", "min_peers", "commit_blocks", "exchange_blocks", "post_blocks", "depth"],
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
