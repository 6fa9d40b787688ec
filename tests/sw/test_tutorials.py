"""The notebooks run from their first cell to their last."""

from pathlib import Path

import pytest

import sw

FOLDER = Path(sw.__file__).parent / "tutorials"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
#: Of a notebook with its outputs.
MOST_BYTES = 100_000


@pytest.mark.slow
@pytest.mark.builds
@pytest.mark.trains
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(path, tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="pip install 'partita[tutorials]'")
    client = pytest.importorskip("nbclient", reason="pip install 'partita[tutorials]'")
    pytest.importorskip("matplotlib", reason="pip install 'partita[tutorials]'")
    notebook = nbformat.read(path, as_version=4)
    client.NotebookClient(notebook, timeout=1200,
                          resources={"metadata": {"path": str(tmp_path)}}).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_kept_small_and_names_no_place(path):
    text = path.read_text()
    assert len(text) < MOST_BYTES
    assert "/root/" not in text and "/home/" not in text and "Error" not in text
