"""What a run has to do: the rows of the input against those of the output.

Both are noted in a temporary SQLite database on disk, so that memory grows with neither. A row of the input
is to be asked where

* the output does not have its id, or
* it has it with another request (unless what is there shall be kept), or
* it has it as failed, and failures shall be asked again.

Of an id that the output has twice the later row counts: a killed run leaves the one that it replaced.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

_TABLES = """
pragma journal_mode = off;
pragma synchronous = off;
pragma cache_size = -65536;
create table row (
    line integer primary key, place integer, id text, own integer, request text, tokens integer
);
create table stored (place integer primary key, id text, request text, answered integer);
"""

_LATEST = """
create index row_id on row (id);
create table latest (id text primary key, request text, answered integer) without rowid;
insert into latest select id, request, answered from
    (select id, request, answered, max(place) from stored group by id);
create table todo (line integer primary key, place integer, id text, request text, changed integer);
"""

_TODO = """
insert into todo select row.line, row.place, row.id, row.request, coalesce(latest.request <> row.request, 0)
from row left join latest on latest.id = row.id
where latest.id is null
    or (not :keep and coalesce(latest.request <> row.request, 0))
    or (:retry_errors and not latest.answered)
order by row.line limit :limit
"""


_PLACES = """
select kept.place from (select id, max(place) as place from stored group by id) as kept
left join row on row.id = kept.id where not :prune or row.line is not null
order by case when :ordered then coalesce(row.line, 9223372036854775807) end, kept.place
"""


class PlannedRow(NamedTuple):
    """A row of the input.

    Attributes:
        line: The line that it begins on, from 1.
        place: The byte that it begins at.
        id: What names it.
        is_own: Whether the id is its own, and no hash.
        request: The hash of what it asks.
        tokens: About how many it has.
    """

    line: int
    place: int
    id: str
    is_own: bool
    request: str
    tokens: int


class Double(NamedTuple):
    """A row whose id is another row's."""

    line: int
    told: str


class Todo(NamedTuple):
    """A row that is to be asked."""

    line: int
    place: int
    id: str
    request: str


class Counts(NamedTuple):
    """What a run begins with.

    Attributes:
        rows: Those of the input, of this shard.
        answered: Those that have an answer that stands.
        failed: Those that failed, and stay so.
        todo: Those that are asked.
        changed: Those of them that are asked anew because their request is another now.
        left_out: Those that no row of the input has any more.
    """

    rows: int
    answered: int
    failed: int
    todo: int
    changed: int
    left_out: int


class Plan:
    """What one run has to do."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_TABLES)
        self._database.execute("begin")

    def close(self) -> None:
        """Forget it."""
        self._database.close()

    def read(self, rows: Iterable[PlannedRow]) -> Double | None:
        """Take the rows of the input; copies without an id are told apart by ``#2``, ``#3`` ….

        Returns:
            The first two rows that have one id of their own; ``None`` where there are no such two.
        """
        self._database.executemany("insert into row values (?, ?, ?, ?, ?, ?)", rows)
        double = self._one(
            "select id, min(line), max(line) from row where own group by id having count(*) > 1 limit 1"
        )
        if double:
            name, first, second = double
            return Double(second, f"has the id {name!r} of line {first}; give each row its own")
        copies = self._database.execute(
            "select id || '#' || nth, line from (select id, line, row_number() over "
            "(partition by id order by line) as nth from row where not own) where nth > 1"
        ).fetchall()
        self._database.executemany("update row set id = ? where line = ?", copies)
        return None

    def keep_shard(self, number: int, count: int) -> None:
        """Leave out the rows that belong to another of *count* shards than *number*, from 1."""
        self._database.create_function("shard", 1, lambda name: shard_of(name, count), deterministic=True)
        self._database.execute("delete from row where shard(id) <> ?", (number,))

    def note_stored(self, place: int, name: str, request: str | None, is_answered: bool) -> None:
        """Note a row of the output, which begins at the byte *place*."""
        self._database.execute("insert into stored values (?, ?, ?, ?)", (place, name, request, is_answered))

    def decide(self, *, keep: bool, retry_errors: bool, limit: int | None) -> Counts:
        """Find out what is to be asked, and return what the run begins with.

        Args:
            keep: Answers stand although what is asked has changed.
            retry_errors: What failed is asked again.
            limit: So many rows are asked at most.
        """
        self._database.execute("commit")
        self._database.executescript(_LATEST)
        wanted = {"keep": keep, "retry_errors": retry_errors, "limit": -1 if limit is None else limit}
        self._database.execute(_TODO, wanted)
        answered, failed = self._one(
            "select coalesce(sum(latest.answered), 0), coalesce(sum(not latest.answered), 0) "
            "from row join latest on latest.id = row.id left join todo on todo.line = row.line "
            "where todo.line is null"
        )
        todo, changed = self._one("select count(*), coalesce(sum(changed), 0) from todo")
        rows = self._one("select count(*) from row")[0]
        left_out = self._one("select count(*) from latest where id not in (select id from row)")[0]
        return Counts(rows, answered, failed, todo, changed, left_out)

    def todo(self) -> Iterator[Todo]:
        """Yield the rows to ask, in the order of the input."""
        return map(
            Todo._make, self._database.execute("select line, place, id, request from todo order by line")
        )

    def places(self, *, ordered: bool, prune: bool) -> Iterator[int]:
        """Yield where in the output the rows begin that shall stay, in the order in which they shall.

        Args:
            ordered: In the order of the input, and what the input does not have after it.
            prune: Without what the input does not have.
        """
        found = self._database.execute(_PLACES, {"ordered": ordered, "prune": prune})
        return (place for (place,) in found)

    def tokens(self) -> int:
        """Return about how many tokens the rows to ask have."""
        found = self._one("select coalesce(sum(row.tokens), 0) from row join todo on todo.line = row.line")
        return int(found[0])

    def stored_count(self) -> int:
        """Return how many rows the output has, replaced ones included."""
        return int(self._one("select count(*) from stored")[0])

    def _one(self, query: str) -> Any:
        return self._database.execute(query).fetchone()


def shard_of(name: str, count: int) -> int:
    """Return which of *count* shards the row called *name* belongs to, from 1."""
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % count + 1
