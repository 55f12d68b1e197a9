"""Whether what JSON holds is an object; `isinstance` alone leaves the type of its values open."""

from typing import Any, TypeGuard


def is_json_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value that was read from JSON is an object: text keys, any values."""
    return isinstance(value, dict)
