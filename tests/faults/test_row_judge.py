"""The judge of rows: what is missing anywhere is named, and nobody's file is written to."""

import json
import sqlite3
from pathlib import Path

from .row_judge import CHECKPOINT, COPY, JOURNAL, Stored, compare, judge, newest_in_journal

WHOLE = {1: "a", 2: "b", 3: "c"}


def store(path: Path, table: str, rows: dict[int, str]) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"CREATE TABLE {table} (sequence INTEGER, content_hash TEXT)")
    database.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows.items())
    database.commit()
    return database


def test_three_that_agree_have_lost_nothing() -> None:
    verdict = compare(Stored(WHOLE), Stored(WHOLE), {2: "b"})
    assert (verdict.rows, verdict.lost) == (3, [])


def test_what_is_missing_or_changed_anywhere_is_named() -> None:
    journal, copy = Stored({1: "a", 3: "c", 4: "d", 5: "e"}), Stored({1: "a", 3: "x", 5: "e"})
    verdict = compare(journal, copy, {5: "y", 6: "f"})
    assert verdict.lost == [
        "row 2 is not in the journal",
        "row 3 is another one in the learner's copy",
        "row 4 is not in the learner's copy",
        "row 5 was published with another content",
        "row 6 is not in the journal",
    ]


def test_files_are_read_while_others_write_and_a_checkpoint_behind_them_is_a_loss(
    tmp_path: Path,
) -> None:
    assert newest_in_journal(tmp_path) == 0
    (tmp_path / CHECKPOINT).parent.mkdir()
    (tmp_path / CHECKPOINT).write_text(
        json.dumps({"metadata": {"seen": [["widowx", "run", 2, []]]}})
    )
    journal = store(tmp_path / JOURNAL, "transitions", WHOLE)
    copy = store(tmp_path / COPY, "rows", WHOLE)
    assert newest_in_journal(tmp_path) == 3
    verdict = judge(tmp_path, {})
    assert verdict.lost == ["row 3 is not in the learner's checkpoint"]
    journal.close()
    copy.close()
