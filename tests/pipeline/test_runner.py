import os
import subprocess
import sys

import pytest

from tlpipe.config.settings import Pipeline, Settings
from tlpipe.errors import ConfigError, RunError
from tlpipe.pipeline.atomic import read_json, write_text, writing
from tlpipe.pipeline.run import Run
from tlpipe.pipeline.runner import execute, plan
from tlpipe.pipeline.stage import Stage


class Number(Settings):
    value: int = 1


class First(Stage):
    name, writes = "first", ("first.txt",)

    def run(self, run):
        write_text(run.path("first.txt"), str(self.settings.value))
        return "wrote"


class Second(Stage):
    name, reads, writes = "second", ("first.txt",), ("second.txt",)

    def run(self, run):
        value = run.path("first.txt").read_text()
        write_text(run.path("second.txt"), value * self.settings.value)
        return "doubled"


class Broken(Second):
    def run(self, run):
        run.path("stages/second/half").write_text("half")
        raise RuntimeError("power cut")


def stages(first=1, second=2, last=Second):
    return [First(Number(value=first)), last(Number(value=second))]


def new_run(folder, seed=0):
    return Run(folder, Pipeline(seed=seed, stages={"first": Number(), "second": Number()}))


def actions(done):
    return [item.action for item in done]


def test_finished_stages_are_skipped(tmp_path):
    assert actions(execute(new_run(tmp_path), stages())) == ["run", "run"]
    assert actions(execute(new_run(tmp_path), stages())) == ["skip", "skip"]


def test_a_changed_stage_runs_again_with_all_that_follows(tmp_path):
    execute(new_run(tmp_path), stages())
    assert actions(execute(new_run(tmp_path), stages(second=3))) == ["skip", "run"]
    assert actions(execute(new_run(tmp_path), stages(first=5, second=3))) == ["run", "run"]
    assert (tmp_path / "second.txt").read_text() == "555"


def test_another_seed_runs_everything_again(tmp_path):
    execute(new_run(tmp_path), stages())
    assert actions(execute(new_run(tmp_path, seed=1), stages())) == ["run", "run"]


def test_a_missing_artifact_is_made_again(tmp_path):
    execute(new_run(tmp_path), stages())
    (tmp_path / "second.txt").unlink()
    done = execute(new_run(tmp_path), stages())
    assert actions(done) == ["skip", "run"]
    assert done[1].why == "second.txt is missing"


class Tidy(First):
    """Takes away what was made of the file before, as select does with an export."""

    def run(self, run):
        run.path("second.txt").unlink(missing_ok=True)
        return super().run(run)


def test_what_a_stage_before_took_away_is_made_again(tmp_path):
    def both():
        return [Tidy(Number(value=1)), Second(Number(value=2))]

    execute(new_run(tmp_path), both())
    (tmp_path / "first.txt").unlink()
    execute(new_run(tmp_path), both())
    assert (tmp_path / "second.txt").read_text() == "11"


def test_an_interrupted_stage_resumes_in_its_own_files_and_a_changed_one_starts_clean(tmp_path):
    with pytest.raises(RuntimeError):
        execute(new_run(tmp_path), stages(last=Broken))
    half = tmp_path / "stages/second/half"
    assert half.exists()
    assert actions(plan(new_run(tmp_path), stages())) == ["skip", "resume"]
    execute(new_run(tmp_path), stages())
    assert half.exists()
    execute(new_run(tmp_path), stages(second=4))
    assert not half.exists()


class Resumable(First):
    """Leaves what only an interrupted stage needs."""

    def run(self, run):
        left = run.path("stages/first/left")
        left.write_text(left.read_text() + "again" if left.exists() else "begun")
        return super().run(run)

    def clean(self, run):
        assert "first" in run.state()
        run.path("stages/first/left").unlink(missing_ok=True)


def test_what_an_interrupted_stage_needs_is_there_until_it_counts_as_finished(
    tmp_path, monkeypatch
):
    stage = Resumable(Number())
    with monkeypatch.context() as patch:
        real = Run.record

        def full(run, stage, entry):
            if entry is not None:
                raise OSError(28, "No space left on device")
            real(run, stage, entry)

        patch.setattr(Run, "record", full)
        with pytest.raises(OSError, match="No space"):
            execute(new_run(tmp_path), [stage])
    left = tmp_path / "stages/first/left"
    assert left.read_text() == "begun"
    assert actions(execute(new_run(tmp_path), [stage])) == ["resume"]
    assert not left.exists()


def test_a_long_name_has_room_for_a_temporary_one(tmp_path):
    name = "a" + "é" * 125 + ".txt"
    write_text(tmp_path / name, "whole")
    assert os.listdir(tmp_path) == [name]


def test_a_stage_without_its_input_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match=r"'second' reads 'first.txt'"):
        execute(new_run(tmp_path), stages()[1:])
    assert not (tmp_path / "second.txt").exists()


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model.bin"
    target.write_text("old")

    def fail():
        with writing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.bin"]


HOLD = """
import sys, time
from pathlib import Path
from tlpipe.config.settings import Pipeline
from tlpipe.pipeline.run import Run
with Run(Path(sys.argv[1]), Pipeline(stages={})).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_told_who_holds_the_folder_and_a_killed_one_frees_it(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"process {holder.pid}") as caught:
            execute(new_run(tmp_path), stages())
        assert "--out" in str(caught.value)
    finally:
        holder.kill()
        holder.communicate()
    assert actions(execute(new_run(tmp_path), stages())) == ["run", "run"]


def test_the_journal_and_state_tell_what_happened(tmp_path):
    execute(new_run(tmp_path), stages())
    state = read_json(tmp_path / "stages/state.json")
    assert state["second"]["summary"] == "doubled"
    journal = (tmp_path / "stages/journal.jsonl").read_text().splitlines()
    assert len(journal) == 4
    assert "doubled" in (tmp_path / "log.txt").read_text()
