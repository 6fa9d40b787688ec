"""Configurations are checked, identified and copied."""

import pytest

from hw.config import PRESETS, ArrayConfig, BufferConfig, Config, PortConfig


@pytest.mark.parametrize("make,message", [
    (lambda: Config(instances=0), "instances is 0; it must be an integer from 1 to 32"),
    (lambda: Config(instances=33), "instances is 33; it must be an integer from 1 to 32"),
    (lambda: ArrayConfig(rows=33), "array.rows is 33; it must be an integer from 1 to 32"),
    (lambda: ArrayConfig(cols=0), "array.cols is 0; it must be an integer from 1 to 32"),
    (lambda: ArrayConfig(post_lanes=3), r"array.post_lanes is 3; it must divide both array.rows"),
    (lambda: BufferConfig(act_words=100), "buffers.act_words is 100; it must be a power of two"),
    (lambda: PortConfig(bytes=128), "port.bytes is 128; it must be an integer from 4 to 64"),
    (lambda: PortConfig(memory="both"), "port.memory is 'both'; it must be 'shared' or 'private'"),
])
def test_a_broken_rule_names_field_value_and_rule(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_survive_their_dictionary(preset):
    config = PRESETS[preset]
    assert Config.from_dict(config.to_dict()) == config


def test_unknown_fields_and_versions_are_refused():
    with pytest.raises(ValueError, match="config has a field this program does not know"):
        Config.from_dict({"version": 1, "colour": "red"})
    with pytest.raises(ValueError, match="config version is 7; this program reads 1"):
        Config.from_dict({"version": 7})


def test_every_field_changes_the_digest():
    base = Config()
    changed = [base.replace(instances=4), base.replace(array__rows=16),
               base.replace(buffers__acc_depth=256), base.replace(port__memory="private")]
    assert len({c.digest for c in [base, *changed]}) == 5


@pytest.mark.parametrize("rows,cols,port,chunk,tile", [
    (8, 8, 16, 16, 4), (4, 4, 16, 16, 1), (2, 2, 16, 4, 1), (3, 5, 8, 8, 2), (32, 32, 16, 16, 64),
    (1, 1, 4, 1, 1)])
def test_weight_tiles_are_cut_into_chunks(rows, cols, port, chunk, tile):
    config = Config(array=ArrayConfig(rows=rows, cols=cols), port=PortConfig(bytes=port))
    assert (config.chunk_bytes, config.tile_chunks) == (chunk, tile)
