from collections.abc import Sequence
from os import PathLike
from types import TracebackType

from pyarrow import Table

class _Schema:
    names: list[str]

class _RowGroup:
    num_rows: int

class _Metadata:
    def row_group(self, index: int) -> _RowGroup: ...

class ParquetFile:
    schema_arrow: _Schema
    num_row_groups: int
    metadata: _Metadata
    def __init__(self, source: str | PathLike[str]) -> None: ...
    def __enter__(self) -> ParquetFile: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def close(self) -> None: ...
    def read(self, columns: Sequence[str] | None = ...) -> Table: ...
    def read_row_group(
        self, index: int, columns: Sequence[str] | None = ..., use_threads: bool = ...
    ) -> Table: ...

def write_table(
    table: Table, where: str | PathLike[str], row_group_size: int | None = ...
) -> None: ...
