"""Configuration files, CSV and completion."""

import csv
import io

import pytest

import infoflow


@pytest.fixture
def here(tmp_path, monkeypatch, model_file):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measured(folder, channels=2):
    from infoflow.testing import UNet, blob_images

    images, masks = blob_images(12, size=16)
    result = infoflow.analyze(
        UNet(base_channels=channels),
        [(images, masks)],
        target=infoflow.KMeans(2),
        noise=9.0,
        layers="merges",
        progress=False,
    )
    result.save(folder)
    return result


def test_a_file_sets_what_is_not_typed(infoflow_command, here):
    (here / "infoflow.toml").write_text(
        'model = "net.py:make"\ninput-shape = ["3,16,16"]\n[plan]\nsamples = 30\n'
    )
    code, text, err = infoflow_command("plan")
    assert code == 0, err
    assert text.startswith("UNet: 23 layers for 30 samples")
    assert "Note: infoflow.toml sets model, input-shape, samples" in err
    code, text, err = infoflow_command("plan", "--samples", "40")
    assert text.startswith("UNet: 23 layers for 40 samples"), err


def test_a_table_of_the_project_and_another_file(infoflow_command, here):
    (here / "pyproject.toml").write_text('[tool.infoflow]\nsamples = 30\nmodel = "net.py:make"\n')
    code, text, err = infoflow_command("plan", "--input-shape", "3,16,16")
    assert (code, text[:30]) == (0, "UNet: 23 layers for 30 samples"), err
    (here / "other.toml").write_text('model = "net.py:make"\nsamples = 20\n')
    code, text, err = infoflow_command(
        *("--config", "other.toml", "plan", "--input-shape", "3,16,16")
    )
    assert (code, text[:30]) == (0, "UNet: 23 layers for 20 samples"), err


def test_projects_of_other_tools_are_let_be(infoflow_command, here):
    for text in ("[tool.ruff]\nline-length = 100\n", "no toml at all ="):
        (here / "pyproject.toml").write_text(text)
        code, _, err = infoflow_command("plan", "net.py:make", "--samples", "30")
        assert (code, "Note" in err) == (2, False)  # the shape is lacking
        assert "input-shape" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dta = 'demo'", "sets 'dta', which no command takes there. Did you mean 'data'?"),
        ("[plan]\ndata = 'demo'", "sets 'plan.data', which no command takes there."),
        ("[analyse]\ndata = 'demo'", "which is no command. Did you mean 'analyze'?"),
        ("data = [[1]]", "data in infoflow.toml must be a text, a number, true or false"),
        ("data = ", "infoflow.toml is no TOML"),
        ("overwrite = true", "sets 'overwrite', which is not read from a file"),
        ("[analyze]\nout = 'a.nc'", "type --out with the command"),
    ],
)
def test_what_a_file_cannot_hold_is_told(text, message, infoflow_command, here):
    (here / "infoflow.toml").write_text(text)
    code, out, err = infoflow_command("plan", "net.py:make", "--samples", "3")
    assert (code, out) == (2, "")
    assert message in err


def test_a_file_that_is_not_there_is_told(infoflow_command, here):
    code, _, err = infoflow_command("--config", "no.toml", "plan")
    assert code == 2
    assert "--config no.toml cannot be read: No such file or directory" in err


def test_a_saved_result_is_read_though_a_file_sets_data(infoflow_command, here):
    measured(here / "flow.nc")
    (here / "infoflow.toml").write_text('data = "net.py:data"\n')
    code, _, err = infoflow_command("prune-suggest", "flow.nc", "--reading", "paper")
    assert code == 0, err
    code, _, err = infoflow_command("prune-suggest", "flow.nc", "--data", "net.py:data")
    assert code == 2
    assert "is a saved result and is read as it is" in err


def test_csv_has_the_rows_of_the_frame(infoflow_command, here):
    one, other = measured(here / "a.nc"), measured(here / "b.nc")
    code, text, err = infoflow_command("compare", "a.nc", "b.nc", "--csv")
    assert code == 0, err
    rows = list(csv.DictReader(io.StringIO(text)))
    frame = infoflow.compare(one, other, names=("a.nc", "b.nc")).to_frame()
    assert list(rows[0]) == list(frame.columns)
    assert len(rows) == len(frame)
    code, text, err = infoflow_command(
        *("analyze", "net.py:make", "--data", "net.py:data", "--layers", "output"),
        *("--target", "none", "--noise", "9", "--csv"),
    )
    assert code == 0, err
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["layer"] == "output"
    assert float(row["ixm"]) > 0


@pytest.mark.parametrize("command", ["analyze", "ablate", "verify"])
def test_two_forms_at_once_are_refused_before_the_work(command, infoflow_command, here):
    code, out, err = infoflow_command(command, "net.py:no_such", "--json", "--csv")
    assert (code, out) == (2, "")
    assert "--json and --csv exclude each other" in err


def test_shells_are_told_the_commands(infoflow_command, monkeypatch):
    monkeypatch.setenv("_INFOFLOW_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "infoflow pru")
    monkeypatch.setenv("COMP_CWORD", "1")
    code, text, _ = infoflow_command()
    assert (code, text.split()) == (0, ["prune-suggest", "prune"])


@pytest.mark.parametrize("shape", ["[3, 16, 16]", '"3,16,16"', '["3,16,16"]'])
def test_a_list_of_numbers_is_one_value(infoflow_command, here, shape):
    (here / "infoflow.toml").write_text(f'model = "net.py:make"\ninput-shape = {shape}\n')
    code, text, err = infoflow_command("graph")
    assert code == 0, err
    assert "decoder.0.0" in text


def test_a_sweep_of_noises_is_a_list_of_numbers(infoflow_command, here):
    (here / "infoflow.toml").write_text(
        'model = "net.py:make"\ndata = "demo"\ntarget = "kmeans:2"\nnoise = [0.1, 1]\n'
    )
    code, text, err = infoflow_command("analyze", "--layers", "merges")
    assert code == 0, err
    assert "noise 0.1 → 1.0" in text
