"""A report that was written is read as it was; others are refused by field or by version."""

import json
from dataclasses import replace

import pytest

from sw.data import stored
from sw.report.reading import ReportError, read_report
from tests.sw.report.test_page import example


def written(tmp_path, data, name="report.json"):
    path = tmp_path / name
    path.write_text(json.dumps(data))
    return path


def test_what_was_written_is_read(tmp_path):
    report = example(images=3, batch=3, notes=("a note",))
    first = replace(report.arms[0], layers=tuple(
        replace(x, reads=("conv1_1",), shape=(8, 4, 4)) for x in report.arms[0].layers))
    report = replace(report, arms=(first, *report.arms[1:]))
    assert read_report(written(tmp_path, report.to_dict())) == report


def test_a_report_of_version_3_is_read(tmp_path):
    data = example().to_dict() | {"version": 3}
    for arm in data["arms"]:
        for layer in arm["layers"]:
            del layer["reads"], layer["shape"]
    assert read_report(written(tmp_path, data)) == example()


def test_the_stored_measurement_is_read(tmp_path):
    report = read_report(written(tmp_path, stored("measured-tinyvgg16.json")))
    assert report.network == "tinyvgg16" and report.bit_exact


@pytest.mark.parametrize("change,words", [
    ({"schema": "other"}, "not a report of sw.compare"),
    ({"version": 2}, "is of version 2 and this reads 3 to 4"),
    ({"version": 99}, "is of version 99 and this reads 3 to 4"),
    ({"images": "one"}, "images is 'one'; it must be an integer"),
    ({"arms": 7}, "arms is 7; it must be a list"),
    ({"arms": []}, "has 0 arms and"),
    ({"images": 0}, "and 0 images; there must be 1 or more of both"),
    ({"energy_model": {"column": "sky13"}}, "energy_model: energy column 'sky13' is unknown"),
])
def test_what_is_no_report_is_refused_by_its_field(tmp_path, change, words):
    with pytest.raises(ReportError, match=words):
        read_report(written(tmp_path, example().to_dict() | change))


def test_a_field_that_is_missing_is_named(tmp_path):
    data = example().to_dict()
    del data["arms"][1]["layers"][0]["macs"]
    with pytest.raises(ReportError, match=r"arms\[1\]\.layers\[0\]\.macs is missing"):
        read_report(written(tmp_path, data))
