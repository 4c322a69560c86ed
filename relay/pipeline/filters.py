"""PLACEHOLDER until the real one lands."""
from collections.abc import Callable, Mapping
from typing import Any
def compile_filter(filter: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:  # noqa: A002
    def f(event):
        for k, v in filter.items():
            x = event
            for p in k.split("."):
                x = x[p]
            if isinstance(v, dict):
                if not x > v["$gt"]: return False
            elif x != v: return False
        return True
    return f
