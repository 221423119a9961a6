"""What kind of callable a decorator gets, and wrappers that show the same kind.

Frameworks look at a function before they call it: LangChain, FastAPI and pytest ask ``inspect.isgeneratorfunction``,
``isasyncgenfunction`` and ``iscoroutinefunction``. Those read flags of the code object, so a wrapper has the flag of
the function inside. The flag changes nothing in how the wrapper runs: CPython makes a generator by an instruction in
the code (``RETURN_GENERATOR``, since 3.11), not by the flag.
"""

import functools
import inspect
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, Final

_STREAMS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def kind_of(function: object) -> int:
    """Return the kind of a function, method, ``functools.partial`` or object with ``__call__``.

    The kind is the flag of its code object: ``inspect.CO_GENERATOR``, ``CO_ASYNC_GENERATOR``, ``CO_COROUTINE`` or 0;
    ``CO_ITERABLE_COROUTINE`` beside the first one where ``types.coroutine`` was applied.
    """
    while isinstance(function, functools.partial):
        function = function.func
    of_its_type = None if isinstance(function, type) else getattr(type(function), "__call__", None)  # noqa: B004
    for candidate in (function, of_its_type):
        if inspect.iscoroutinefunction(candidate):
            return inspect.CO_COROUTINE
        if inspect.isgeneratorfunction(candidate):
            code = getattr(getattr(candidate, "__func__", candidate), "__code__", None)
            return inspect.CO_GENERATOR | (getattr(code, "co_flags", 0) & inspect.CO_ITERABLE_COROUTINE)
        if inspect.isasyncgenfunction(candidate):
            return inspect.CO_ASYNC_GENERATOR
    return 0


def show_as(kind: int, wrapper: FunctionType) -> FunctionType:
    """Return the wrapper as a function that ``inspect`` sees as one of this kind."""
    if not kind & _STREAMS:
        return wrapper
    # A function of its own: to change the code object of one that is there is deprecated since CPython 3.13.
    made = FunctionType(
        _flagged(wrapper.__code__, kind),
        wrapper.__globals__,
        wrapper.__name__,
        wrapper.__defaults__,
        wrapper.__closure__,
    )
    made.__kwdefaults__ = wrapper.__kwdefaults__
    return made


@functools.cache
def _flagged(code: CodeType, flag: int) -> CodeType:
    return code.replace(co_flags=code.co_flags | flag)


def function_inside(descriptor: object) -> Any:
    """Return the function that a ``staticmethod``, ``classmethod``, property or partial method calls; None without."""
    if isinstance(descriptor, (classmethod, staticmethod)):
        return descriptor.__func__
    if isinstance(descriptor, property):
        return descriptor.fget
    if isinstance(descriptor, (functools.cached_property, functools.partialmethod)):
        return descriptor.func
    return None


def decorate_inside(descriptor: Any, decorate: Callable[[Any], Any]) -> Any:
    """Return a descriptor of the same kind whose function is decorated: of a property, the getter.

    Raises:
        TypeError: this descriptor cannot be copied with another function; the decorator belongs below it.
    """
    function = function_inside(descriptor)
    kind = type(descriptor)
    if function is not None:
        try:
            if isinstance(descriptor, (classmethod, staticmethod)):
                return kind(decorate(function))
            if isinstance(descriptor, property):
                if (descriptor.fset or descriptor.fdel) and _is_traced(function):
                    raise _wrong_order(kind)  # @trace above @name.setter: the getter has its span already
                return descriptor.getter(decorate(function))
            import copy  # noqa: PLC0415  few programs decorate these

            made = copy.copy(descriptor)
            made.func = decorate(function)
        except (TypeError, AttributeError) as error:
            raise _wrong_order(kind) from error
        return made
    raise _wrong_order(kind)


def _is_traced(function: Any) -> bool:
    return getattr(function, "__globals__", {}).get("__name__") == "sightline.decorators"


def _wrong_order(kind: type) -> TypeError:
    return TypeError(
        f"this {kind.__name__} cannot be traced: put Sightline's decorator below the other decorators,"
        " directly above the function"
    )
