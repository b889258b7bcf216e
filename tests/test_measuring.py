"""benchmarks/measuring.py: what was measured is not measured again, and unlike measurements are not mixed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from measuring import Record, in_own_process


def test_a_record_measures_what_its_file_lacks(tmp_path):
    path, taken = tmp_path / "record.json", []

    def measure():
        taken.append(1)
        return {"speed": len(taken)}

    first = Record(path, {"rows": 2})
    assert first.take(measure, side="ours", repeat=0) == {"side": "ours", "repeat": 0, "speed": 1}
    first.take(measure, side="ours", repeat=1)
    again = Record(path, {"rows": 2})
    assert again.take(measure, side="ours", repeat=1)["speed"] == 2
    assert len(taken) == 2
    assert [item["speed"] for item in again.of(side="ours")] == [1, 2]


def test_other_settings_are_refused(tmp_path):
    path = tmp_path / "record.json"
    Record(path, {"rows": 2}).take(lambda: {"speed": 1}, side="ours")
    with pytest.raises(SystemExit, match="name another file"):
        Record(path, {"rows": 3})


def test_a_process_hands_over_what_it_writes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys; open(sys.argv[-1], 'w').write('{\"speed\": %s}' % sys.argv[1])")
    assert in_own_process(str(script), [3]) == {"speed": 3}


def test_a_process_that_fails_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("raise ValueError('no such model')")
    with pytest.raises(SystemExit, match="no such model"):
        in_own_process(str(script), [])
