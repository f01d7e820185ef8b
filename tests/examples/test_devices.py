"""The comparison of devices, with the CPU as both."""

import csv

import pytest

from tests.examples.nuclei import import_example


@pytest.mark.thorough
def test_a_device_beside_itself_differs_by_nothing(tmp_path):
    study = import_example("devices").compare
    study.main(other="cpu", samples=192, out=tmp_path / "devices.csv")
    with (tmp_path / "devices.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(study.MEASUREMENTS)
    assert {row["net"] for row in rows} == {"U-Net", "ResNet-18"}
    assert all(float(row["largest difference"]) == 0 for row in rows)
    assert all(int(row["numbers"]) > 8 for row in rows)
