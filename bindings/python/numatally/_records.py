# SPDX-License-Identifier: MIT
"""Records, as numatally writes them: one line of JSON each (docs/record.schema.json)."""
import json
import os

NEWEST = 1  # the version of records that is known here


class RecordError(ValueError):
    """A line that is no record; says which, and why."""


def _read(line, where):
    try:
        record = json.loads(line)
    except ValueError as error:
        raise RecordError(f"{where}: not JSON: {error}") from None
    version = record.get("record") if isinstance(record, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise RecordError(f"{where}: no record of numatally's: it has no number 'record'")
    if version > NEWEST:
        raise RecordError(f"{where}: a record of version {version}; this module knows up to {NEWEST}")
    return record


def records(file):
    """The records of a file (its path, or what is open for reading), one after the other.

    A line that is none raises RecordError; to go on behind it call next() again.
    """
    return _Records(file)


class _Records:
    def __init__(self, file):
        named = isinstance(file, (str, bytes, os.PathLike))
        self._file = open(file, encoding="utf-8", errors="surrogateescape") if named else file
        self._name = os.fsdecode(file) if named else getattr(file, "name", "input")
        self._named, self._line = named, 0

    def __iter__(self):
        return self

    def __next__(self):
        for line in self._file:
            self._line += 1
            if isinstance(line, bytes):
                line = line.decode("utf-8", "surrogateescape")
            if line.strip():
                return _read(line, f"{self._name}, line {self._line}")
        if self._named:
            self._file.close()
            self._named, self._file = False, ()
        raise StopIteration
