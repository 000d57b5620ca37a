from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from swarmp2p.demo.hospitals import (
    COLUMNS,
    HEART_CSV,
    Patient,
    choose_sites,
    load_patients,
    read_patients,
    write_site_rows,
)
from swarmp2p.errors import ConfigError

HEADER = ",".join(COLUMNS)
ROW = "50,1,4,130,200,0,0,140,1,1.5"


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


def two_sites(rows_each: int) -> list[str]:
    return [f"{site},{ROW},{i % 2}" for site in ("north", "south") for i in range(rows_each)]


def test_heart_csv__keeps_740_rows_by_the_missing_value_rule(patients: Sequence[Patient]) -> None:
    counts = Counter(patient.site for patient in patients)
    assert counts == {"cleveland": 303, "hungarian": 261, "switzerland": 46, "va": 130}
    cases = Counter(patient.site for patient in patients if patient.case)
    assert cases == {"cleveland": 139, "hungarian": 98, "switzerland": 45, "va": 101}
    assert any(patient.values[4] == 0 for patient in patients)  # a cholesterol of 0 is a value


def test_choose_sites__counts_per_site_are_a_quarter_held_out(patients: Sequence[Patient]) -> None:
    sites = choose_sites(patients, 4, seed=0)
    assert [(s.name, len(s.train), len(s.test)) for s in sites] == [
        ("cleveland", 227, 76),
        ("hungarian", 195, 66),
        ("switzerland", 35, 11),
        ("va", 98, 32),
    ]
    cleveland = sites[0]
    assert sum(patient.case for patient in cleveland.test) == 35  # of 139, rounded half up


@pytest.mark.parametrize("peers", [3, 4, 7, 16])
def test_choose_sites__parts_are_disjoint_and_lose_nobody(
    patients: Sequence[Patient], peers: int
) -> None:
    sites = choose_sites(patients, peers, seed=5)
    assert len({site.name for site in sites}) == peers
    lines = [row.line for site in sites for row in (*site.train, *site.test)]
    assert len(lines) == len(set(lines))
    assert all(row.site == site.name for site in sites for row in (*site.train, *site.test))
    expected = 740 if peers >= 4 else 694  # with three, Switzerland stays away
    assert len(lines) == expected


def test_choose_sites__the_largest_are_dealt_into_numbered_parts_of_like_size(
    patients: Sequence[Patient],
) -> None:
    sites = {site.name: site for site in choose_sites(patients, 6, seed=1)}
    assert sorted(sites) == [
        "cleveland-1", "cleveland-2", "hungarian-1", "hungarian-2", "switzerland", "va",
    ]  # fmt: skip
    sizes = [len(sites[f"cleveland-{n}"].train) + len(sites[f"cleveland-{n}"].test) for n in (1, 2)]
    assert sizes == [152, 151]
    cases = [
        sum(row.case for row in (*sites[f"cleveland-{n}"].train, *sites[f"cleveland-{n}"].test))
        for n in (1, 2)
    ]
    assert cases == [70, 69]


@pytest.mark.parametrize("peers", [4, 6])
def test_choose_sites__the_seed_alone_decides(patients: Sequence[Patient], peers: int) -> None:
    assert choose_sites(patients, peers, seed=3) == choose_sites(patients, peers, seed=3)
    assert choose_sites(patients, peers, seed=3) != choose_sites(patients, peers, seed=4)
    assert choose_sites(tuple(reversed(patients)), 4, seed=3) == choose_sites(patients, 4, seed=3)


@pytest.mark.parametrize("peers", [2, 17])
def test_choose_sites__refuses_a_number_of_peers_outside_its_range(
    patients: Sequence[Patient], peers: int
) -> None:
    with pytest.raises(ConfigError, match=f"{peers} peers; expected 3 to 16"):
        choose_sites(patients, peers, seed=0)


def test_choose_sites__refuses_sites_too_small_to_split(tmp_path: Path) -> None:
    patients = load_patients(write(tmp_path / "rows.csv", *two_sites(10)))
    with pytest.raises(ConfigError, match=r"has 5 complete rows; expected at least 8"):
        choose_sites(patients, 3, seed=0)


def test_choose_sites__refuses_a_part_named_like_another_hospital(tmp_path: Path) -> None:
    rows = [*(f"a,{ROW},{i % 2}" for i in range(60)), *(f"a-1,{ROW},{i % 2}" for i in range(9))]
    with pytest.raises(ConfigError, match="two sites would be named 'a-1'"):
        choose_sites(load_patients(write(tmp_path / "rows.csv", *rows)), 4, seed=0)


def test_write_site_rows__holds_the_sites_training_rows_and_nothing_else(
    patients: Sequence[Patient], tmp_path: Path
) -> None:
    sites = choose_sites(patients, 6, seed=2)
    for site in sites:
        path = tmp_path / f"{site.name}.csv"
        write_site_rows(path, site)
        read = read_patients(path)
        assert [(r.site, r.values, r.case) for r in read] == [
            (site.name, r.values, r.case) for r in site.train
        ]
        assert len(path.read_text(encoding="utf-8").splitlines()) == 1 + len(site.train)


def test_load__names_a_missing_file_and_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.csv: no such file; expected .* site, age, sex"):
        load_patients(tmp_path / "no.csv")


def test_load__a_folder_is_refused_in_one_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_patients(tmp_path)


def test_load__names_the_missing_columns_and_lists_the_expected(tmp_path: Path) -> None:
    header = HEADER.replace(",chol", "").replace(",num", "")
    path = write(tmp_path / "rows.csv", header=header)
    with pytest.raises(ConfigError, match=r"missing columns chol, num; .* site, age, sex, cp"):
        load_patients(path)


def test_load__an_empty_file_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.touch()
    with pytest.raises(ConfigError, match="missing columns site, age"):
        load_patients(path)


@pytest.mark.parametrize("cell", ["old", "nan", "inf", "1,5"])
def test_load__names_the_line_of_a_cell_that_is_no_number(tmp_path: Path, cell: str) -> None:
    bad = f'north,"{cell}",1,4,130,200,0,0,140,1,1.5,1'
    path = write(tmp_path / "rows.csv", *two_sites(10), bad)
    with pytest.raises(ConfigError, match=rf"line 22: age is '{cell}'; expected a number"):
        load_patients(path)


def test_load__names_the_line_of_an_unknown_category(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", "north,50,1,9,130,200,0,0,140,1,1.5,1")
    with pytest.raises(ConfigError, match="line 2: cp is 9; expected one of 1, 2, 3, 4"):
        load_patients(path)


def test_load__names_the_line_of_a_row_with_a_cell_too_few(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", f"north,{ROW}")
    with pytest.raises(ConfigError, match="line 2: 11 cells, but the first line names 12"):
        load_patients(path)


@pytest.mark.parametrize("name", ["../up", ".hidden", "a b", "<b>", "-x", "x" * 49])
def test_load__refuses_a_site_name_that_cannot_name_a_node(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "rows.csv", f"{name},{ROW},1")
    with pytest.raises(ConfigError, match=r"line 2: site .* cannot name a node"):
        load_patients(path)


def test_load__refuses_names_that_differ_only_by_case(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", f"north,{ROW},1", f"North,{ROW},0")
    with pytest.raises(ConfigError, match="differ only by case"):
        load_patients(path)


def test_load__refuses_one_site_and_rows_all_incomplete(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only of site 'north'"):
        load_patients(write(tmp_path / "one.csv", f"north,{ROW},1", f"north,{ROW},0"))
    with pytest.raises(ConfigError, match="of no site"):
        load_patients(write(tmp_path / "none.csv", f"north,,{ROW[3:]},1"))


def test_load__refuses_rows_of_one_class(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", f"north,{ROW},1", f"south,{ROW},3")
    with pytest.raises(ConfigError, match="no complete row has num equal to 0"):
        load_patients(path)


def test_load__reads_columns_in_any_order_and_ignores_others(tmp_path: Path) -> None:
    names = [*reversed(COLUMNS), "note"]
    values = dict(zip(COLUMNS, ["north", *ROW.split(","), "1"], strict=True))
    line = ",".join(values.get(name, "x") for name in names)
    (patient,) = read_patients(write(tmp_path / "rows.csv", line, header=",".join(names)))
    assert patient.values == tuple(float(cell) for cell in ROW.split(","))


def test_load__binary_garbage_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xff\xfe\x00site")
    with pytest.raises(ConfigError, match="not a CSV file in UTF-8"):
        load_patients(path)


def test_heart_csv__lies_in_the_package_with_its_licence() -> None:
    assert "CC BY 4.0" in (HEART_CSV.parent / "ATTRIBUTION.md").read_text(encoding="utf-8")
